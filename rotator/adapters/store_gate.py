"""The Gate port over the state database: the ledger of what has begun, kept for all members.

* Asking is one transaction, and one at a time over all processes: two members never both take the last place.
* What may begin is decided elsewhere (`core.admission`); here it is counted.
* A rotation that has begun and not ended is asked again as often as it likes: it is the same beginning.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select, update

from rotator.adapters.store_schema import brake, rotation, target
from rotator.adapters.store_sql import in_turn
from rotator.core.admission import LONG_AGO, Admitted, Begun, Ledger
from rotator.core.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from rotator.adapters.store import Store
    from rotator.core.admission import Admission, Wish
    from rotator.ports import Clock

    Decide = Callable[[Wish, Ledger, datetime], Admission]

KEPT = timedelta(days=30)
URGENT = frozenset({Reason.REVOKED, Reason.UNKNOWN_VALUE})  # consumers are cut off
_COLUMNS = (
    rotation.c.target,
    rotation.c.policy,
    rotation.c.urgent,
    rotation.c.begun_at,
    rotation.c.ended_at,
    rotation.c.good,
)


class StoreGate:
    """The ledger."""

    def __init__(self, store: Store, decide: Decide, clock: Clock, retention: timedelta = KEPT) -> None:
        """Take what decides, and for how long ended rotations are kept."""
        self._store = store
        self._decide = decide
        self._clock = clock
        self._retention = retention

    async def ask(self, wish: Wish) -> Admission:
        """Say whether it may begin now, and note that it did."""
        return await self._store.write(lambda connection: self._ask(connection, wish))

    async def ended(self, target: str, *, good: bool) -> None:
        """Note how the rotation that is under way ended; nothing if none is."""
        end = update(rotation).where(_under_way(target)).values(ended_at=self._clock.now(), good=good)
        await self._store.write(lambda connection: connection.execute(end))

    async def prune(self) -> None:
        """Remove what ended long ago."""
        old = delete(rotation).where(rotation.c.ended_at < self._clock.now() - self._retention)
        await self._store.write(lambda connection: connection.execute(old))

    def _ask(self, connection: Connection, wish: Wish) -> Admission:
        in_turn(connection)
        if connection.execute(select(rotation.c.number).where(_under_way(wish.target))).first():
            return Admitted()
        at = self._clock.now()
        answer = self._decide(wish, _ledger(connection, wish.target, at), at)
        if isinstance(answer, Admitted):
            urgent = wish.reason in URGENT
            row = {"target": wish.target, "policy": wish.policy.name, "urgent": urgent, "begun_at": at}
            connection.execute(insert(rotation), row)
        return answer


def _under_way(name: str) -> ColumnElement[bool]:
    return (rotation.c.target == name) & rotation.c.ended_at.is_(None)


def _ledger(connection: Connection, name: str, at: datetime) -> Ledger:
    counted = or_(rotation.c.begun_at >= at - LONG_AGO, rotation.c.ended_at.is_(None))
    rows = connection.execute(select(*_COLUMNS).where(counted).order_by(rotation.c.begun_at, rotation.c.number))
    known_since = connection.scalar(select(target.c.known_since).where(target.c.name == name))
    return Ledger(
        begun=tuple(Begun(*row) for row in rows),
        fleet=connection.scalar(select(func.count()).select_from(target)) or 0,
        known_since=known_since or at,
        released_at=connection.scalar(select(brake.c.released_at)),
    )
