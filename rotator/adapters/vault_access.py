"""The VaultAccess port: what one Vault says of itself and of our token (contracts: Vault 3.3 to 3.5).

* The health is asked without a namespace and without a token, so that every node answers, a sealed one too.
* What the token is refused about itself stays a refusal: nobody logs in anew for it.
* Rights are asked for many paths at once, but not for more than a server takes in one body.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from rotator.adapters.vault_answers import Question, duration_of
from rotator.adapters.vault_wire import understood
from rotator.core.preflight_facts import MountDefaults, TokenLife, VaultHealth

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from rotator.adapters.vault_login import VaultLogin
    from rotator.adapters.vault_wire import Answer, VaultWire
    from rotator.core.model import KvPath

PATHS_AT_ONCE = 500  # OpenBao refuses a body of more than 1,000 texts (contracts: Vault 1.5)
ALWAYS_200 = {
    "standbyok": "true",
    "perfstandbyok": "true",
    "standbycode": "200",
    "performancestandbycode": "200",
    "drsecondarycode": "200",
    "sealedcode": "200",
    "uninitcode": "200",
}


class VaultOwnAccess:
    """One Vault, asked with the login that everything else there uses."""

    def __init__(self, wire: VaultWire, login: VaultLogin, check_mount: Callable[[KvPath], Awaitable[None]]) -> None:
        """Take how to ask; nothing is sent yet."""
        self._wire = wire
        self._login = login
        self._check_mount = check_mount

    async def health(self) -> VaultHealth:
        """Return how the node is."""
        question = self._question("ask how it is")
        ask = partial(self._wire.client(at_root=True).adapter.get, "/v1/sys/health", params=ALWAYS_200)
        return understood(question, await self._wire.ask(question, ask), _health)

    async def sign_in(self) -> None:
        """Log in unless we are."""
        await self._login.current()

    async def token(self) -> TokenLife:
        """Return our token as it sees itself."""
        question = self._question("look at the token")
        login = await self._login.current()
        return understood(question, await self._wire.ask(question, login.client.auth.token.lookup_self), _token)

    async def check_mount(self, path: KvPath) -> None:
        """Return if a KV engine of version 2 is mounted right there."""
        await self._check_mount(path)

    async def defaults(self, mount: str) -> MountDefaults:
        """Return what the mount says for all its keys."""
        question = self._question(f"read the settings of {mount}/")
        login = await self._login.current()
        ask = partial(login.client.secrets.kv.v2.read_configuration, mount_point=mount)
        return understood(question, await self._wire.ask(question, ask), _defaults)

    async def rights(self, paths: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return what our token may do on each of these paths."""
        question = self._question("ask what our token may")
        login = await self._login.current()
        found: dict[str, frozenset[str]] = {}
        for first in range(0, len(paths), PATHS_AT_ONCE):
            some = list(paths[first : first + PATHS_AT_ONCE])
            ask = partial(login.client.adapter.post, "/v1/sys/capabilities-self", json={"paths": some})
            found |= understood(question, await self._wire.ask(question, ask), partial(_rights, some))
        return found

    def _question(self, what: str) -> Question:
        return Question(self._wire.connection.host, what)


# --- what the answers hold; KeyError, TypeError, ValueError where they do not -----------------------------------


def _health(answer: Answer) -> VaultHealth:
    body = answer.body
    return VaultHealth(
        initialized=_flag(body["initialized"]),
        sealed=_flag(body["sealed"]),
        standby=_flag(body["standby"]),
        version=str(body["version"]),
        at=datetime.fromtimestamp(_seconds(body["server_time_utc"]), tz=UTC),
    )


def _token(answer: Answer) -> TokenLife:
    data = answer.body["data"]
    left = _seconds(data["ttl"])
    return TokenLife(
        left=timedelta(seconds=left) if left or data.get("expire_time") else None,
        renewable=data.get("renewable") is True,
        periodic=bool(data.get("period")),
        uses=_seconds(data.get("num_uses") or 0),
        policies=frozenset(map(str, [*(data["policies"] or ()), *(data.get("identity_policies") or ())])),
    )


def _defaults(answer: Answer) -> MountDefaults:
    data = answer.body["data"]
    return MountDefaults(_seconds(data["max_versions"]), duration_of(data["delete_version_after"]))


def _rights(paths: Sequence[str], answer: Answer) -> dict[str, frozenset[str]]:
    data = answer.body["data"]
    return {path: frozenset(map(str, data[path])) for path in paths}


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no yes or no")
    return value


def _seconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no number")
    return value
