"""The state of a KV v2 mount (contracts: Vault 1.3). Values and rules, no HTTP.

* A key's counter starts at 0 and never goes back while its metadata lives; deleting the metadata starts it anew.
* `cas` is compared with the counter whatever the state of that version; it is required if mount or key says so.
* A write beyond the greater of the two `max_versions` (10 if both are 0) drops the oldest versions for good.
* A new version's deletion time is now plus the smaller non-zero `delete_version_after`; it acts once it has passed.
* Soft delete can be undone until destroyed; destroying erases the fields and keeps the entry.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_MAX_VERSIONS = 10
NEVER = timedelta(seconds=-1)  # a mount that switches delete_version_after off for all its keys


@dataclass(slots=True)
class Version:
    """One version. `fields` is None once destroyed, or if somebody wrote `"data": null`, which Vault takes."""

    created: datetime
    fields: dict[str, Any] | None
    deletion: datetime | None = None
    destroyed: bool = False

    def deleted_by(self, now: datetime) -> bool:
        """Tell whether its deletion time has come. At the very instant counts: a sandbox clock may stand still."""
        return self.deletion is not None and self.deletion <= now

    def gone_by(self, now: datetime) -> bool:
        """Tell whether it can no longer be read."""
        return self.destroyed or self.deleted_by(now)


@dataclass(slots=True)
class Config:
    """What holds for the whole mount."""

    max_versions: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    delete_after: timedelta = timedelta()


@dataclass(slots=True)
class Key:
    """One path: its versions, its settings, its custom metadata."""

    created: datetime | None = None
    updated: datetime | None = None
    versions: dict[int, Version] = field(default_factory=dict)
    current: int = 0
    oldest: int = 0
    max_versions: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    delete_after: timedelta = timedelta()
    custom: dict[str, str] | None = None
    metadata_version: int = 0

    def add(self, fields: dict[str, Any] | None, config: Config, now: datetime) -> Version:
        """Add a version and drop those beyond the limit."""
        version = Version(now, copy.deepcopy(fields), self.deletion_from(now, config))
        self.current += 1
        self.versions[self.current] = version
        self.updated = now
        self.created = self.created or now
        self._prune(max(self.max_versions, config.max_versions) or DEFAULT_MAX_VERSIONS)
        return version

    def deletion_from(self, now: datetime, config: Config) -> datetime | None:
        """Return when a version made now is to go, if ever."""
        if config.delete_after == NEVER:
            return None
        lengths = [length for length in (config.delete_after, self.delete_after) if length]
        return now + min(lengths) if lengths else None

    def _prune(self, keep: int) -> None:
        if self.current - self.oldest < keep:
            return
        last_dropped = self.current - keep
        for number in range(self.oldest, last_dropped + 1):
            self.versions.pop(number, None)
        self.oldest = last_dropped + 1

    def delete(self, number: int, now: datetime) -> None:
        """Soft-delete a version; nothing if there is none to delete."""
        version = self.versions.get(number)
        if version and not version.gone_by(now):
            version.deletion = now

    def undelete(self, number: int, config: Config, now: datetime) -> None:
        """Undo a soft delete; a `delete_version_after` counts anew from now."""
        version = self.versions.get(number)
        if version and not version.destroyed:
            version.deletion = self.deletion_from(now, config)

    def destroy(self, number: int) -> None:
        """Erase a version's fields for good."""
        version = self.versions.get(number)
        if version:
            version.destroyed, version.fields = True, None


@dataclass(slots=True)
class Kv:
    """A mount: its keys, its config, and what its keys were before changes that a lagging replica has not seen."""

    keys: dict[str, Key] = field(default_factory=dict)
    config: Config = field(default_factory=Config)
    changes: list[tuple[datetime, str, Key | None]] = field(default_factory=list)
    is_upgrading: bool = False  # from KV v1, for a moment

    def write(self, path: str, fields: dict[str, Any] | None, now: datetime) -> Version:
        """Add a version at the path, as a person with no CAS would."""
        return self.keys.setdefault(path, Key()).add(fields, self.config, now)

    def readable(self, path: str, now: datetime, *, number: int = 0) -> Version | None:
        """Return a version (the current one for 0) if it can be read."""
        key = self.keys.get(path)
        version = key.versions.get(number or key.current) if key else None
        return None if version is None or version.gone_by(now) else version

    def children(self, prefix: str) -> list[str]:
        """List what lies right below the prefix: names, and folders with a slash at the end."""
        return names_below(prefix, self.keys)

    def about_to_change(self, path: str, now: datetime) -> None:
        """Keep the key as it is, for a replica that lags."""
        self.changes.append((now, path, copy.deepcopy(self.keys.get(path))))

    def as_of(self, then: datetime) -> Kv:
        """Return the mount as a replica saw it then."""
        keys = dict(self.keys)
        for at, path, before in reversed(self.changes):
            if at <= then:
                break
            if before is None:
                keys.pop(path, None)
            else:
                keys[path] = before
        return Kv(keys, self.config)


def names_below(prefix: str, paths: Iterable[str]) -> list[str]:
    """List the names right below a prefix, folders with a slash at the end."""
    below = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    names = {path.removeprefix(below) for path in paths if path.startswith(below)}
    return sorted({name if "/" not in name else name.partition("/")[0] + "/" for name in names})
