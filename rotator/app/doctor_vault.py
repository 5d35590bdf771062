"""What the consumers of a target read, as far as a doctor asks: the latest value, those before it, what is staged.

* Nothing is written, and nothing is read before it is asked for; a version never changes, so each is read once.
* Another target's path that cannot be read is that target's trouble, and left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.diagnosis.compare import version_of
from rotator.core.diagnosis.evidence import Behind, VaultSide
from rotator.core.model import StagingState
from rotator.core.records import UnreadableRecordError, read_consumer, read_staging
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rotator.core.model import ConsumerVersion, Destination, KvMetadata, OktaSecret, Target
    from rotator.core.secret_value import SecretValue
    from rotator.ports import KvStore

MOST_NEIGHBOURS = 20


class ConsumerPath:
    """The path of one target."""

    def __init__(self, target: Target, kv: KvStore) -> None:
        """Read nothing yet."""
        self._target = target
        self._kv = kv
        self._known: KvMetadata | None = None
        self._versions: dict[int, ConsumerVersion] = {}

    async def latest(self) -> tuple[VaultSide, SecretValue | None]:
        """Return what stands in the latest version, and its value; if there is none, why."""
        self._known = await self._kv.read_metadata(self._target.consumer)
        number = self._known.current if self._known else 0
        current = await self._version(number) if number else None
        side = VaultSide(number, client_id=current.client_id if current else None)
        if current is not None and current.value is not None:
            return replace(side, behind=await self._behind(current.value)), current.value
        return replace(side, missing=self._missing(current), deleted=self._deleted(current)), None

    async def _behind(self, value: SecretValue) -> tuple[Behind, ...]:
        """Return which of the target's other paths hold something else; one that cannot be read says so."""
        holds = {each.path: await self._holds(each, value) for each in self._target.also}
        return tuple(Behind(path, what) for path, what in holds.items() if what)

    async def _holds(self, other: Destination, value: SecretValue) -> str:
        """Say what stands there instead of the value; nothing if it is the value."""
        try:
            found = await self._kv.read(other.path)
        except RotatorError as error:
            return f"cannot be read ({error})"
        if found is None:
            return "holds nothing that can be read"
        there = found.fields.secret(other.fields.client_secret)
        if there is None:
            return f"has no `{other.fields.client_secret}` in version {found.number}"
        return "" if there == value else f"holds another secret in version {found.number}"

    async def compared(self, side: VaultSide, value: SecretValue, listed: Sequence[OktaSecret]) -> VaultSide:
        """Return it with every version, and the staging record, compared with a value."""
        for number, info in (self._known.versions if self._known else {}).items():
            if not info.deleted:
                await self._version(number)
        versions = tuple(version_of(self._versions[number], value, listed) for number in sorted(self._versions))
        staged, made = await self._staging(value)
        return replace(side, versions=versions, staged=staged, made=made)

    async def held_by(self, others: Iterable[Target], value: SecretValue) -> str | None:
        """Return the name of another target that holds the value, if one of the first few does."""
        for target, _ in zip(others, range(MOST_NEIGHBOURS), strict=False):
            try:
                found = await self._kv.read(target.consumer)
            except RotatorError:
                continue
            if found is not None and found.fields.secret(target.fields.client_secret) == value:
                return target.name
        return None

    async def _version(self, number: int) -> ConsumerVersion | None:
        if number not in self._versions and (found := await self._kv.read(self._target.consumer, number)) is not None:
            self._versions[number] = read_consumer(found, self._target.fields)
        return self._versions.get(number)

    async def _staging(self, value: SecretValue) -> tuple[bool, bool]:
        """Say whether the value is staged, and whether we made it; neither where the record is none of ours."""
        found = await self._kv.read(self._target.staging)
        if found is None:
            return False, False
        try:
            record = read_staging(found, ())
        except UnreadableRecordError:
            return False, False
        staged = record.state is StagingState.STAGED and record.value == value
        return staged, any(made.hash == value.hash for made in record.made)

    def _missing(self, current: ConsumerVersion | None) -> str:
        path, field = self._target.consumer, self._target.fields.client_secret
        if self._known is None or self._known.current == 0:
            return f"{path} holds nothing: no version was ever written"
        if current is None:
            return f"version {self._known.current} of {path} is deleted"
        there = ", ".join(f"`{name}`" for name in sorted(current.fields)) or "no field at all"
        return f"version {current.number} of {path} has no `{field}`, but {there}"

    def _deleted(self, current: ConsumerVersion | None) -> int | None:
        """Return the number of the latest version if it can be brought back."""
        if current is not None or self._known is None:
            return None
        latest = self._known.versions.get(self._known.current)
        return latest.number if latest and latest.deleted and not latest.destroyed else None
