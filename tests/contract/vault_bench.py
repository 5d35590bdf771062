"""The Vault adapter before a sandbox: what the tests of its edges share. Its fixtures are in `conftest.py`."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.vault_connection import TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import RotatorError
from rotator.sandbox.journal import Wanted
from tests.fakes.okta import ManualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rotator.sandbox.world import Sandbox

PATH = KvPath("secret", "billing/okta")
TOKEN = "cnry-the-token-of-these-tests"
FILL = "0aA1bB2cC3dD4eE5fF6gG7hH8iI9jJ0kK1lL2mM3nN4oO5pP"
VALUES = (f"cnry_value_before{FILL}", f"cnry_value_after{FILL}")
CANARIES = (TOKEN, *VALUES, "cnry_other_field")
BEFORE = SecretFields({"client_secret": VALUES[0], "note": "cnry_other_field"})
AFTER = SecretFields({"client_secret": VALUES[1], "note": "cnry_other_field"})

READ = Wanted(method="GET", path="/v1/secret/*")
WRITE = Wanted(method="POST", path="/v1/secret/data/*")
EITHER = Wanted(path="/v1/secret/*")


Connect = Callable[..., VaultKv]


@dataclass(frozen=True, slots=True)
class Vault:
    """The adapter, the sandbox behind it, and what it warned of."""

    kv: VaultKv
    box: Sandbox
    warnings: list[str]

    async def read(self) -> object:
        return await self.kv.read(PATH)

    async def read_metadata(self) -> object:
        return await self.kv.read_metadata(PATH)

    async def write(self) -> int:
        return await self.kv.write(PATH, AFTER, cas=1)

    async def destroy(self) -> None:
        await self.kv.destroy(PATH, [1])

    @property
    def version(self) -> int:
        key = self.box.vault.key(PATH.mount, PATH.path)
        assert key is not None
        return key.current


def adapter(address: str, warn: Callable[[str], None] = lambda _: None, **settings: Any) -> VaultKv:
    given: dict[str, Any] = {"auth": TokenAuth(lambda: SecretValue(TOKEN)), "answer_within": timedelta(seconds=2)}
    lag, pause = timedelta(milliseconds=200), timedelta(milliseconds=5)
    connection = VaultConnection(address, **(given | settings))
    return VaultKv(connection, ManualClock(), warn=warn, standby_lag=lag, first_pause=pause)


def leaks(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


async def failure(call: Awaitable[object]) -> RotatorError:
    """Return the error that the call ends with, fit to be shown: one line, a hint, no secret in any of its causes."""
    with pytest.raises(RotatorError) as caught:
        await call
    error = caught.value
    text = str(error)
    assert text.isprintable(), repr(text)
    assert len(text) < 600
    assert error.hint
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.hint
    assert not leaks(shown)
    return error


def vault_says(*errors: str) -> dict[str, Any]:
    return {"errors": list(errors)}
