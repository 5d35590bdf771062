"""The Leases port over rows of the state database: one writer per target, on however many machines.

* A lease ends by the database's clock, whatever the members' clocks say. Whoever takes it then raises its fence.
* It is confirmed by its fence: who slept while another took it has lost it, for good.
* One that has ended and that nobody took is still its holder's: it is simply prolonged.
* Nothing renews it in the background. It lasts for `LASTING` at first, which is how soon another member follows a dead
  one, and as long as an effect needs from each confirmation on. A pass that looks for longer can be overtaken; it then
  loses its looks, and does no harm.
* One that we could not give back is taken at once by whoever could not: its fence tells that it was that one.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import case, literal, select, update

from rotator.adapters.store_schema import Moment, lease
from rotator.adapters.store_sql import now, put
from rotator.errors import BusyError, RotatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sqlalchemy import Connection

    from rotator.adapters.store import Store
    from rotator.core.model import Target
    from rotator.ports import Lease

LASTING = timedelta(seconds=12)


class StoreLeases:
    """Leases of one member."""

    def __init__(self, store: Store, hosts: Mapping[str, str], owner: str, lasting: timedelta = LASTING) -> None:
        """Take the host of each org by its alias, and the member's name for messages."""
        self._store = store
        self._hosts = hosts
        self._owner = owner
        self._lasting = lasting
        self._kept: dict[str, int] = {}  # the fences of those that could not be given back

    @asynccontextmanager
    async def hold(self, target: Target) -> AsyncIterator[Lease]:
        """Hold the target while the context lasts; `BusyError` at once if somebody else does."""
        key = f"{self._hosts[target.org].lower()}/{target.app_id}"
        held = _Held(self._store, key, target.name, await self._store.write(lambda at: self._take(at, key, target)))
        try:
            yield held
        finally:
            try:
                await held.release()
            except RotatorError:
                self._kept[key] = held.fence

    def _take(self, connection: Connection, key: str, target: Target) -> int:
        at = now(connection)
        row = {"key": key, "owner": self._owner, "until": at + self._lasting, "fence": 1}
        ours = (lease.c.owner == self._owner) & (lease.c.fence == self._kept.pop(key, 0))
        taken = put(connection, lease, [row], raised=("fence",), where=(lease.c.until <= at) | ours)
        found = connection.execute(select(lease.c.fence, lease.c.owner).where(lease.c.key == key)).one()
        if not taken:
            raise BusyError(f"{target.name} is being worked on by {found.owner}")
        fence: int = found.fence
        return fence


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that was taken with that fence."""

    store: Store
    key: str
    name: str
    fence: int

    async def confirm(self, outlives: timedelta) -> None:
        """Prolong it if need be; `BusyError` if another has taken it."""
        await self.store.write(lambda connection: self._prolong(connection, outlives))

    async def release(self) -> None:
        """Let it end now, if it still is ours. The row stays: its fence must not begin anew."""
        ours = (lease.c.key == self.key) & (lease.c.fence == self.fence)
        await self.store.write(
            lambda connection: connection.execute(update(lease).where(ours).values(until=now(connection)))
        )

    def _prolong(self, connection: Connection, outlives: timedelta) -> None:
        until = now(connection) + outlives
        ours = (lease.c.key == self.key) & (lease.c.fence == self.fence)
        later = case((lease.c.until < until, literal(until, Moment)), else_=lease.c.until)
        if connection.execute(update(lease).where(ours).values(until=later)).rowcount:
            return
        owner = connection.scalar(select(lease.c.owner).where(lease.c.key == self.key))
        raise BusyError(f"{self.name} was taken over by {owner or 'nobody: the state database is another one'}")
