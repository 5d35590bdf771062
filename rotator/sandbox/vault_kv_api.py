"""KV v2 over a mount's state: data, subkeys, delete, undelete, destroy, metadata, config (contracts: Vault 1.1-1.4).

* Order of checks in a write: fields, then CAS, then the store. Slash at the end, token and ACL came before.
* A deleted or destroyed version answers 404 with the whole body; what never existed, or was dropped, with no errors.
* HTTP PATCH merges (null deletes) and needs a current version that lives; on an absent key 404 without any body.
* POST metadata replaces the whole `custom_metadata`, PATCH merges it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import Answer, EmptyAnswerError, RefusedError, unsupported
from .vault_fields import Fields, weak_int
from .vault_kv import NEVER, Kv
from .vault_kv_metadata import SETTINGS, Metadata
from .vault_times import go_duration, rfc3339

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_kv import Key, Version
    from .vault_texts import Flavour

_VERBS = {
    "create": "put",
    "update": "put",
    "patch": "patch",
    "read": "get",
    "list": "list",
    "delete": "delete",
    "head": "",
}
_FIELDS = {
    "data": {"path", "version", "options", "data"},
    "metadata": {"path", "after", "limit", "metadata_cas", *SETTINGS, "metadata_cas_required"},
    "subkeys": {"path", "version", "depth"},
}
_ROOTS = ("metadata", "data", "delete", "undelete", "destroy")


class KvEngine:
    """One KV v2 mount as an engine."""

    type = "kv"
    options = {"version": "2"}  # noqa: RUF012 (read only)

    def __init__(self, flavour: Flavour) -> None:
        """Start empty."""
        self._flavour = flavour
        self.kv = Kv()

    def exists(self, ask: Ask) -> bool | None:
        """Say whether a write updates; None where the engine does not look. It is the metadata entry that counts."""
        part, _, path = ask.path.partition("/")
        return path in self.kv.keys if part in ("data", "metadata") else None

    def is_open(self, path: str) -> bool:  # noqa: ARG002
        """Nothing is."""
        return False

    def kind_of(self, operation: str, path: str) -> str:
        """Name the kind of call, for the journal."""
        part, _, _ = path.partition("/")
        verb = "write" if operation in ("create", "update") else operation
        return (
            f"kv.{verb}" if part == "data" else f"kv.{part}.{verb}" if part in ("metadata", "config") else f"kv.{part}"
        )

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question, with a warning if it had fields that nobody knows."""
        answer = self._answer(ask)
        known = _FIELDS.get(ask.path.partition("/")[0])
        if answer is None or known is None or not (unknown := sorted(set(ask.fields) - known)):
            return answer
        return replace(answer, warnings=(*answer.warnings, texts.unrecognized(unknown)))

    def _answer(self, ask: Ask) -> Answer | None:
        kv = self.kv
        if kv.is_upgrading:
            raise RefusedError(400, texts.UPGRADING)
        part, slash, path = ask.path.partition("/")
        if ask.as_of is not None:
            if ask.operation in ("read", "list"):
                kv = kv.as_of(ask.as_of)
            else:
                kv.about_to_change(path, ask.now)
        if ask.path == "config":
            return self._config(ask)
        if slash:
            match part:
                case "data":
                    return Data(kv).answer(ask, path)
                case "metadata":
                    return Metadata(kv, self._flavour).answer(ask, path)
                case "subkeys" if ask.operation == "read":
                    return Data(kv).subkeys(ask, path)
                case "delete" | "undelete" | "destroy" if ask.operation in ("create", "update"):
                    self._change_versions(part, path, ask)
                    return None
                case "delete" | "undelete" | "destroy" | "subkeys":
                    raise unsupported()
        return self._no_such_path(ask)

    def _no_such_path(self, ask: Ask) -> Answer:
        if ask.path in _ROOTS:
            return Answer(status=404, warnings=(texts.NO_LISTING_OF_ROOT,))
        return Answer(status=404, warnings=(texts.not_versioned(_VERBS[ask.operation], self._flavour),))

    def _change_versions(self, part: str, path: str, ask: Ask) -> None:
        numbers = Fields(ask.fields).ints("versions")
        if not numbers:
            raise RefusedError(400, texts.NO_VERSIONS_TO_DESTROY if part == "destroy" else texts.NO_VERSIONS)
        key = self.kv.keys.get(path)
        if key is None:
            return
        for number in numbers:
            match part:
                case "delete":
                    key.delete(number, ask.now)
                case "undelete":
                    key.undelete(number, self.kv.config, ask.now)
                case _:
                    key.destroy(number)

    def _config(self, ask: Ask) -> Answer | None:
        if ask.operation == "read":
            return Answer(self._config_shown())
        if ask.operation not in ("create", "update"):
            raise unsupported()
        fields, config = Fields(ask.fields), self.kv.config
        if "max_versions" in fields:
            config.max_versions = fields.number("max_versions") % 2**32
        if "cas_required" in fields:
            config.cas_required = fields.flag("cas_required")
        if "metadata_cas_required" in fields and self._flavour == "openbao":
            config.metadata_cas_required = fields.flag("metadata_cas_required")
        if "delete_version_after" in fields:
            seconds = fields.seconds("delete_version_after", signed=True)
            config.delete_after = NEVER if seconds < 0 else timedelta(seconds=seconds)
        return None

    def _config_shown(self) -> dict[str, Any]:
        config = self.kv.config
        shown = {
            "cas_required": config.cas_required,
            "delete_version_after": go_duration(config.delete_after),
            "max_versions": config.max_versions,
        }
        if self._flavour == "openbao":
            shown["metadata_cas_required"] = config.metadata_cas_required
        return shown


class Data:
    """The paths under `data/`, and `subkeys/`."""

    def __init__(self, kv: Kv) -> None:
        """Work on this state."""
        self._kv = kv

    def answer(self, ask: Ask, path: str) -> Answer | None:
        """Answer one question about a path."""
        match ask.operation:
            case "read":
                return self._read(ask, path.rstrip("/"), field="data", is_slashed=path.endswith("/"))
            case "create" | "update":
                return self._write(ask, path)
            case "patch":
                return self._patch(ask, path)
            case "delete":
                if key := self._kv.keys.get(path.rstrip("/")):
                    key.delete(key.current, ask.now)
                return None
        raise unsupported()

    def subkeys(self, ask: Ask, path: str) -> Answer | None:
        """Answer with the names without the values."""
        answer = self._read(ask, path, field="subkeys")
        if answer is None or not answer.data or answer.data["subkeys"] is None:
            return answer
        depth = Fields(ask.fields).number("depth")
        return Answer({**answer.data, "subkeys": _names(answer.data["subkeys"], depth)})

    def _read(self, ask: Ask, path: str, *, field: str, is_slashed: bool = False) -> Answer | None:
        asked = Fields(ask.fields).number("version")
        key = self._kv.keys.get(path)
        if key is None:
            return None
        number = asked if asked > 0 else key.current
        version = key.versions.get(number)
        if version is None:
            return None
        metadata = _shown(key, number, version)
        if version.gone_by(ask.now):
            return Answer({field: None, "metadata": metadata}, status=404)
        if is_slashed:  # the metadata are found without the slash, the version is not
            raise RefusedError(500, texts.multierror(texts.NO_VERSION_DATA))
        return Answer({field: copy.deepcopy(version.fields), "metadata": metadata})

    def _write(self, ask: Ask, path: str) -> Answer:
        fields = Fields(ask.fields, checked_first=True)
        options = fields.map("options")
        if not path:
            raise RefusedError(400, texts.MISSING_PATH)
        if "data" not in fields:
            raise RefusedError(400, texts.NO_DATA)
        data = fields.map("data") if fields.given("data") is not None else None
        self._check_cas(options, self._kv.keys.get(path))
        version = self._kv.write(path, data, ask.now)
        key = self._kv.keys[path]
        return Answer(_shown(key, key.current, version))

    def _patch(self, ask: Ask, path: str) -> Answer:
        fields = Fields(ask.fields)
        options = fields.map("options")
        if "data" not in fields:
            raise RefusedError(400, texts.NO_DATA)
        patch = fields.map("data") if fields.given("data") is not None else None
        key = self._kv.keys.get(path)
        if key is None:
            raise EmptyAnswerError(404)
        self._check_cas(options, key)
        version = key.versions.get(key.current)
        if version is None:
            raise EmptyAnswerError(404)
        if version.gone_by(ask.now):
            return Answer(_shown(key, key.current, version), status=404)
        if version.fields is None:
            raise RefusedError(500, texts.multierror(texts.NO_RESOURCE))
        merged = None if patch is None else merge_patch(version.fields, patch)
        added = key.add(merged, self._kv.config, ask.now)
        return Answer(_shown(key, key.current, added))

    def _check_cas(self, options: dict[str, Any], key: Key | None) -> None:
        if "cas" not in options:
            if self._kv.config.cas_required or (key and key.cas_required):
                raise RefusedError(400, texts.CAS_REQUIRED)
            return
        try:
            cas = weak_int(options["cas"])
        except ValueError:
            raise RefusedError(400, texts.CAS_UNREADABLE) from None
        if cas != (key.current if key else 0):
            raise RefusedError(400, texts.CAS_MISMATCH)


def merge_patch(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Merge as RFC 7396: null deletes, objects merge, the rest replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def _shown(key: Key, number: int, version: Version) -> dict[str, Any]:
    return {
        "created_time": rfc3339(version.created),
        "custom_metadata": dict(sorted(key.custom.items())) if key.custom else None,
        "deletion_time": rfc3339(version.deletion),
        "destroyed": version.destroyed,
        "version": number,
    }


def _names(fields: dict[str, Any], depth: int, at: int = 1) -> dict[str, Any]:
    goes_deeper = depth == 0 or at < depth
    return {
        name: _names(value, depth, at + 1) if goes_deeper and isinstance(value, dict) and value else None
        for name, value in fields.items()
    }
