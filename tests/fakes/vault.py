"""A KV v2 engine in memory: the KvStore port with the vendor's rules (contracts: Vault 1.3).

The counter of a key never goes back while its metadata lives; CAS is compared with it whatever the state of that
version; deletion can be undone, destruction cannot; versions beyond `max_versions` are dropped. Its coroutines never
suspend: an enumerator can drive them without an event loop. What people do goes through `by_hand`, by the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.model import KvMetadata, KvPath, KvVersion, KvVersionInfo
from rotator.core.secret_value import SecretFields
from rotator.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.ports import Clock

KEPT = 10  # versions, where neither mount nor key says otherwise


@dataclass(slots=True)
class HeldVersion:
    """One version. Its fields are gone once it is destroyed; before that they only hide."""

    created: datetime
    fields: SecretFields
    deletion: datetime | None
    destroyed: bool = False

    def gone(self, now: datetime) -> bool:
        return self.destroyed or (self.deletion is not None and self.deletion <= now)


@dataclass(slots=True)
class HeldKey:
    """A key: its counter, its versions, its settings."""

    current: int = 0
    oldest: int = 0
    versions: dict[int, HeldVersion] = field(default_factory=dict)
    max_versions: int = 0
    cas_required: bool = False
    delete_version_after: timedelta = timedelta()

    def add(self, fields: SecretFields, now: datetime) -> int:
        """Write the next version, and drop those beyond the limit."""
        self.current += 1
        self.versions[self.current] = HeldVersion(now, fields, self.deletion_from(now))
        keep = self.max_versions or KEPT
        if self.current - self.oldest >= keep:
            self.oldest = self.current - keep + 1
            for number in [number for number in self.versions if number < self.oldest]:
                del self.versions[number]
        return self.current

    def deletion_from(self, now: datetime) -> datetime | None:
        return now + self.delete_version_after if self.delete_version_after else None

    def readable(self, number: int, now: datetime) -> HeldVersion | None:
        version = self.versions.get(number)
        return None if version is None or version.gone(now) else version


class FakeKv:
    """All KV v2 mounts of one Vault: a path is a key, whatever its mount."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.by_hand = ByHand(self)
        self.keys: dict[KvPath, HeldKey] = {}
        self._clock = clock

    async def read_metadata(self, path: KvPath) -> KvMetadata | None:
        key = self.keys.get(path)
        if key is None:
            return None
        now = self._clock.now()
        versions = {
            number: KvVersionInfo(
                number, version.created, deleted=version.gone(now), destroyed=version.destroyed, ends=version.deletion
            )
            for number, version in key.versions.items()
        }
        return KvMetadata(key.current, versions, key.max_versions, key.cas_required, key.delete_version_after)

    async def read(self, path: KvPath, version: int | None = None) -> KvVersion | None:
        key = self.keys.get(path, HeldKey())
        number = version or key.current
        held = key.readable(number, self._clock.now())
        return None if held is None else KvVersion(number, held.created, held.fields)

    async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
        key = self.keys.get(path, HeldKey())
        if cas != key.current:
            raise ConflictError(f"write {path}: the version is {key.current}, not {cas}")
        return self.add(path, fields)

    async def destroy(self, path: KvPath, versions: Sequence[int]) -> None:
        self.erase(path, versions)

    def erase(self, path: KvPath, numbers: Sequence[int]) -> None:
        for number in numbers:
            held = self.keys.get(path, HeldKey()).versions.get(number)
            if held is not None:
                held.destroyed, held.fields = True, SecretFields({})

    def add(self, path: KvPath, fields: SecretFields) -> int:
        """Write a version without comparing."""
        return self.keys.setdefault(path, HeldKey()).add(fields, self._clock.now())

    def undelete(self, path: KvPath, numbers: Sequence[int]) -> None:
        for number in numbers:
            held = self.keys[path].versions.get(number)
            if held is not None:
                held.deletion = self.keys[path].deletion_from(self._clock.now())

    def delete(self, path: KvPath, numbers: Sequence[int]) -> None:
        now = self._clock.now()
        for number in numbers:
            held = self.keys[path].readable(number, now)
            if held is not None:
                held.deletion = now


class ByHand:
    """What people do at Vault's own command line."""

    def __init__(self, kv: FakeKv) -> None:
        """Take whose keys."""
        self._kv = kv

    def put(self, path: KvPath, fields: Mapping[str, Any]) -> int:
        """`vault kv put`: a new version, whatever was there."""
        return self._kv.add(path, SecretFields(fields))

    def patch(self, path: KvPath, fields: Mapping[str, Any]) -> int:
        """`vault kv patch`: the latest readable version with these fields laid over it."""
        return self.put(path, self._fields(path, self._kv.keys[path].current) | dict(fields))

    def rollback(self, path: KvPath, to: int) -> int:
        """`vault kv rollback`: a new version with an old one's content."""
        return self.put(path, self._fields(path, to))

    def delete(self, path: KvPath, *versions: int) -> None:
        """`vault kv delete`: hide these versions, by default the latest."""
        self._kv.delete(path, versions or (self._kv.keys[path].current,))

    def undelete(self, path: KvPath, *versions: int) -> None:
        """`vault kv undelete`: show them again, unless they are destroyed."""
        self._kv.undelete(path, versions)

    def destroy(self, path: KvPath, *versions: int) -> None:
        """`vault kv destroy`: erase their content for good."""
        self._kv.erase(path, versions)

    def delete_metadata(self, path: KvPath) -> None:
        """`vault kv metadata delete`: the key and all it ever held; the counter starts anew."""
        self._kv.keys.pop(path, None)

    def configure(
        self,
        path: KvPath,
        *,
        max_versions: int = 0,
        cas_required: bool = False,
        delete_version_after: timedelta = timedelta(),
    ) -> None:
        """`vault kv metadata put`: the settings of a key, which need not have a version yet."""
        key = self._kv.keys.setdefault(path, HeldKey())
        key.max_versions, key.cas_required = max_versions, cas_required
        key.delete_version_after = delete_version_after

    def _fields(self, path: KvPath, number: int) -> dict[str, Any]:
        held = self._kv.keys[path].versions[number]
        assert not held.destroyed, "it cannot be read"
        return held.fields.reveal()
