"""A single org or Vault may be written without an alias; here it gets the alias `default`, so that all look alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rotator.settings.schema_connections import OrgSection, VaultSection

if TYPE_CHECKING:
    from rotator.settings.document import Document, Key

ALIAS = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEYS = {
    "okta": frozenset(OrgSection.model_fields),
    "vaults": frozenset(VaultSection.model_fields),
}
_NAMED = ("okta", "vaults", "policies", "targets", "selections", "hooks")


def keys_of_one(section: str) -> frozenset[str]:
    """Return the keys that an org or a Vault itself has: they are no aliases."""
    return _KEYS[section]


def give_aliases(document: Document) -> None:
    """Put what was written without an alias under `default`, and refuse names that cannot be one."""
    for section in _NAMED:
        entries = document.data.get(section)
        if entries is None:
            document.data[section] = {}
        elif not isinstance(entries, dict):
            document.refuse((section,), "must be a mapping; write `key: value` lines under it")
            document.data[section] = {}
        elif section in _KEYS and _KEYS[section] & entries.keys():
            document.data[section] = {ALIAS: entries}
            document.flat.add(section)
            document.origins = {_moved(key, section): origin for key, origin in document.origins.items()}
        else:
            _refuse_names(document, section, entries)


def _moved(key: Key, section: str) -> Key:
    return (section, ALIAS, *key[1:]) if key[0] == section and len(key) > 1 else key


def _refuse_names(document: Document, section: str, entries: dict[str, Any]) -> None:
    for name in list(entries):
        if not _NAME.fullmatch(name):
            document.refuse(
                (section, name), "is no name; use up to 64 of A-Z a-z 0-9 _ . -, beginning with a letter or a digit"
            )
