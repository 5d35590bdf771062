"""A wrapped secret id: the envelope in which somebody hands us the second half of our AppRole (contracts: Vault 3.2).

* It is opened only if it was made where secret ids are made; else it stays closed, as evidence.
* It opens once. An envelope that is open already, or too old, is an alarm: somebody else may hold our secret id.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from rotator.adapters.vault_answers import Question
from rotator.adapters.vault_connection import fits_a_header
from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError, RefusedError, UnavailableError
from rotator.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.adapters.vault_wire import VaultWire

STOLEN_HINT = (
    "A wrapping token works once: if its time was not over, somebody else has unwrapped it. "
    "Destroy the role's secret ids, find out who it was, then make a new wrapped one."
)
FORGED_HINT = "Somebody may have put another wrapping token in its place: find out who before you make a new one."


async def unwrap_secret_id(wire: VaultWire, wrapping: SecretValue, mount: str) -> SecretValue:
    """Return the secret id in the wrapping token, made by the AppRole method at `mount`."""
    host = wire.connection.host
    if not fits_a_header(wrapping.reveal()):
        raise ConfigError([f"vault {host}: the wrapping token holds white space or characters that no token has"])
    look = partial(wire.client().adapter.post, "/v1/sys/wrapping/lookup", json={"token": wrapping.reveal()})
    looking = Question(host, "look at the wrapping token", refused_hint=STOLEN_HINT)
    origin = _text((await wire.ask(looking, look)).body, "creation_path")
    if not re.fullmatch(rf"(?:.+/)?auth/{re.escape(mount)}/role/[^/]+/secret-id", origin):
        raise RefusedError(looking.says(f"it was made by {origin!r}"), code="wrapping_token", hint=FORGED_HINT)
    unwrapping = Question(host, "unwrap the secret id", refused_hint=STOLEN_HINT)
    secret_id = _text((await wire.ask(unwrapping, wire.client(wrapping.reveal()).sys.unwrap)).body, "secret_id")
    if not secret_id:
        raise UnavailableError(unwrapping.says("the answer holds none"))
    hide(secret_id)
    return SecretValue(secret_id)


def _text(answer: Mapping[str, Any], name: str) -> str:
    data = answer.get("data")
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""
