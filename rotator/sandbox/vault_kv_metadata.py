"""KV v2's `metadata/`: read, list, write, merge, delete, and the limits of `custom_metadata` (contracts: Vault 1.5).

OpenBao's metadata has a CAS of its own; Vault's is last writer wins.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import Answer, EmptyAnswerError, RefusedError, unsupported
from .vault_fields import Fields, go_type, weak_text
from .vault_kv import Key
from .vault_times import go_duration, rfc3339

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_kv import Kv
    from .vault_texts import Flavour

SETTINGS = ("max_versions", "cas_required", "delete_version_after", "custom_metadata")
_MOST_KEYS, _LONGEST_KEY, _LONGEST_VALUE = 64, 128, 512


class Metadata:
    """The paths under `metadata/`."""

    def __init__(self, kv: Kv, flavour: Flavour) -> None:
        """Work on this state."""
        self._kv = kv
        self._has_cas = flavour == "openbao"
        self._settings = (*SETTINGS, "metadata_cas_required") if self._has_cas else SETTINGS

    def answer(self, ask: Ask, path: str) -> Answer | None:
        """Answer one question about a path."""
        match ask.operation:
            case "read":
                key = self._kv.keys.get(path.rstrip("/"))
                return Answer(self._shown(key)) if key else None
            case "list":
                names = self._kv.children(path)
                return Answer({"keys": names}) if names else None
            case "delete":
                self._kv.keys.pop(path.rstrip("/"), None)
                return None
            case "patch":
                return self._patch(ask, path)
            case "create" | "update":
                return self._write(ask, path)
        raise unsupported()

    def _write(self, ask: Ask, path: str) -> Answer | None:
        fields = Fields(ask.fields, checked_first=True)
        if not path:
            raise RefusedError(400, texts.MISSING_PATH)
        if not any(name in fields for name in self._settings):
            return None
        custom = self._custom(fields.map("custom_metadata"))
        settings = self._read_settings(fields)
        key = self._kv.keys.get(path)
        self._check_cas(fields, key)
        warnings = self._warnings(fields)
        if key is None:
            key = self._kv.keys[path] = Key(created=ask.now)
        if "custom_metadata" in fields:
            key.custom = custom or None
        self._apply(key, settings, ask)
        return warnings

    def _patch(self, ask: Ask, path: str) -> Answer | None:
        fields = Fields(ask.fields)
        if not any(name in fields for name in self._settings):
            return None
        if not path:
            raise RefusedError(400, texts.MISSING_PATH)
        changes = fields.map("custom_metadata")
        custom = self._custom({name: value for name, value in changes.items() if value is not None})
        settings = self._read_settings(fields)
        key = self._kv.keys.get(path)
        if key is None:
            raise EmptyAnswerError(404)
        self._check_cas(fields, key)
        self._check_patch(fields, changes)
        kept = {name: value for name, value in (key.custom or {}).items() if name not in changes}
        key.custom = {**kept, **custom} or None
        self._apply(key, settings, ask)
        return self._warnings(fields)

    def _check_patch(self, fields: Fields, changes: dict[str, Any]) -> None:
        # A PATCH goes through JSON, which turns nothing into strings as a POST does.
        for value in changes.values():
            if value is not None and not isinstance(value, str):
                kind = "bool" if isinstance(value, bool) else "number"
                raise RefusedError(500, texts.multierror(texts.unmarshal(kind, "custom_metadata", "string")))
        if "max_versions" in fields and (limit := fields.number("max_versions")) < 0:
            raise RefusedError(500, texts.multierror(texts.unmarshal(f"number {limit}", "max_versions", "uint32")))

    def _check_cas(self, fields: Fields, key: Key | None) -> None:
        if not self._has_cas:
            return
        given = fields.number("metadata_cas") if "metadata_cas" in fields else None
        if given is None:
            if self._kv.config.metadata_cas_required or (key and key.metadata_cas_required):
                raise RefusedError(400, texts.METADATA_CAS_REQUIRED)
        elif key is None and given != 0:
            raise RefusedError(400, texts.METADATA_CAS_NOT_ZERO)
        elif key is not None and given != key.metadata_version:
            raise RefusedError(400, texts.METADATA_CAS_MISMATCH)

    def _read_settings(self, fields: Fields) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if "max_versions" in fields:
            settings["max_versions"] = fields.number("max_versions") % 2**32
        if "cas_required" in fields:
            settings["cas_required"] = fields.flag("cas_required")
        if "metadata_cas_required" in fields and self._has_cas:
            settings["metadata_cas_required"] = fields.flag("metadata_cas_required")
        if fields.given("delete_version_after") is not None:
            settings["delete_after"] = timedelta(seconds=fields.seconds("delete_version_after"))
        return settings

    def _apply(self, key: Key, settings: dict[str, Any], ask: Ask) -> None:
        for name, value in settings.items():
            setattr(key, name, value)
        key.metadata_version += 1
        key.updated = ask.now

    def _warnings(self, fields: Fields) -> Answer | None:
        config = self._kv.config
        mandated = [("cas_required", config.cas_required), ("metadata_cas_required", config.metadata_cas_required)]
        warnings = tuple(
            texts.CAS_MANDATED.format(field=name)
            for name, is_mandated in mandated
            if is_mandated and name in fields and not fields.flag(name)
        )
        return Answer(warnings=warnings) if warnings else None

    def _shown(self, key: Key) -> dict[str, Any]:
        shown = {
            "cas_required": key.cas_required,
            "created_time": rfc3339(key.created),
            "current_version": key.current,
            "custom_metadata": dict(sorted(key.custom.items())) if key.custom else None,
            "delete_version_after": go_duration(key.delete_after),
            "max_versions": key.max_versions,
            "oldest_version": key.oldest,
            "updated_time": rfc3339(key.updated),
            "versions": {
                str(number): {
                    "created_time": rfc3339(version.created),
                    "deletion_time": rfc3339(version.deletion),
                    "destroyed": version.destroyed,
                }
                for number, version in sorted(key.versions.items(), key=lambda item: str(item[0]))
            },
        }
        if self._has_cas:
            shown["current_metadata_version"] = key.metadata_version
            shown["metadata_cas_required"] = key.metadata_cas_required
        return shown

    def _custom(self, given: dict[str, Any]) -> dict[str, str]:
        for value in given.values():
            if isinstance(value, (dict, list)):
                reason = f"'' expected type 'string', got unconvertible type '{go_type(value)}'"
                raise RefusedError(400, texts.CUSTOM_METADATA + reason)
        custom = {name: "" if value is None else weak_text(value) for name, value in given.items()}
        if problems := custom_metadata_problems(custom):
            raise RefusedError(400, texts.multierror(*(texts.CUSTOM_METADATA + problem for problem in problems)))
        return custom


def custom_metadata_problems(custom: dict[str, str]) -> list[str]:
    """Say what is wrong with a map of custom metadata; lengths are in bytes."""
    if len(custom) > _MOST_KEYS:
        return [f"payload must contain at most {_MOST_KEYS} keys, provided {len(custom)}"]
    problems = []
    for name, value in custom.items():
        key_length, value_length = len(name.encode()), len(value.encode())
        if not 0 < key_length <= _LONGEST_KEY:
            limit = f"0 < len(key) <= {_LONGEST_KEY}"
            problems.append(f"length of key {_quoted(name)} is {key_length} but must be {limit}")
        if not 0 < value_length <= _LONGEST_VALUE:
            limit = f"0 < len(value) <= {_LONGEST_VALUE}"
            problems.append(f"length of value for key {_quoted(name)} is {value_length} but must be {limit}")
        if not name.isprintable():
            problems.append(f"key {_quoted(name)} ({name}) contains unprintable characters")
        if not value.isprintable():
            problems.append(f"value for key {_quoted(name)} contains unprintable characters")
    return problems


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
