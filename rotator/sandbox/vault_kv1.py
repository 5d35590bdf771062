"""KV v1: the body is the data, whole and unversioned, with a lease duration on each read (contracts: Vault 2).

It is here to be refused: no versions, no CAS, so nothing can be rotated safely on it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError, unsupported
from .vault_kv import names_below
from .vault_times import seconds_of
from .vault_tokens import SYSTEM_MAX_TTL

if TYPE_CHECKING:
    from .vault_answers import Ask


class Kv1Engine:
    """One KV v1 mount."""

    type = "kv"
    options = {"version": "1"}  # noqa: RUF012 (read only)

    def __init__(self) -> None:
        """Start empty."""
        self.keys: dict[str, dict[str, Any]] = {}

    def exists(self, ask: Ask) -> bool | None:
        """Say whether the key is there."""
        return ask.path in self.keys

    def is_open(self, path: str) -> bool:  # noqa: ARG002
        """Nothing is."""
        return False

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return f"kv1.{operation}"

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question."""
        match ask.operation:
            case "read":
                fields = self.keys.get(ask.path)
                return None if fields is None else Answer(copy.deepcopy(fields), lease_duration=_lease(fields))
            case "list":
                names = names_below(ask.path, self.keys)
                return Answer({"keys": names}) if names else None
            case "create" | "update":
                self._write(ask)
                return None
            case "delete":
                self.keys.pop(ask.path, None)
                return None
        raise unsupported()

    def _write(self, ask: Ask) -> None:
        if not ask.path:
            raise RefusedError(400, texts.MISSING_PATH)
        if not ask.fields:
            raise RefusedError(400, texts.MISSING_FIELDS)
        self.keys[ask.path] = dict(copy.deepcopy(ask.fields))


def _lease(fields: dict[str, Any]) -> int:
    try:
        return seconds_of(fields.get("ttl", fields.get("lease", int(SYSTEM_MAX_TTL.total_seconds()))))
    except ValueError:
        return int(SYSTEM_MAX_TTL.total_seconds())
