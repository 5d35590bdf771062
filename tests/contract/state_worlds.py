"""State databases for the contract of their ports: in memory, in a file, and on PostgreSQL.

`member` is another process each time: with a connection of its own to what all of them share.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import update

from rotator.adapters.store import Store
from rotator.adapters.store_chronicle import StoreChronicle
from rotator.adapters.store_gate import StoreGate
from rotator.adapters.store_journal import StoreJournal
from rotator.adapters.store_leases import StoreLeases
from rotator.adapters.store_memory import StoreMemory
from rotator.adapters.store_outbox import StoreOutbox
from rotator.adapters.store_schema import channel, cursor, target
from rotator.adapters.store_schema import lease as leases
from rotator.adapters.store_service import StoreBrakes, StoreCursors, StoreRoster
from rotator.adapters.store_sql import now
from tests.fakes.okta import ManualClock
from tests.fakes.state import FakeMember, FakeState, admit

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rotator.core.history import Row
    from tests.fakes.state import Decide

HOSTS = {"acme": "acme.okta.com", "again": "ACME.okta.com", "other": "other.okta.com"}


class StateWorld(Protocol):
    """One database, and its members."""

    clock: ManualClock  # the members'

    async def member(self, name: str = "one", *, decide: Decide = admit) -> FakeMember: ...
    async def now(self) -> datetime:
        """Return the time by the database's clock."""
        ...

    async def expire(self) -> None:
        """Let everything end that was taken for a while."""
        ...

    async def audit(self) -> list[Row]: ...
    async def aclose(self) -> None: ...


class InMemory:
    """The fake."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.state = FakeState(self.clock)

    async def member(self, name: str = "one", *, decide: Decide = admit) -> FakeMember:
        return self.state.member(name, HOSTS, decide=decide)

    async def now(self) -> datetime:
        return self.clock.now()

    async def expire(self) -> None:
        for lease in self.state.leases.values():
            lease.until = self.clock.now()
        for log in self.state.logs.values():
            log.until = self.clock.now()
        for held in self.state.channels.values():
            held.until = self.clock.now() if held.until else None

    async def audit(self) -> list[Row]:
        return self.state.audit

    async def aclose(self) -> None:
        """Nothing is open."""


class InDatabase:
    """A real one, by its URL."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.url = url
        self.stores: list[Store] = []

    async def store(self) -> Store:
        """Open it, as another process does."""
        self.stores.append(Store(self.url))
        await self.stores[-1].open()
        return self.stores[-1]

    async def member(self, name: str = "one", *, decide: Decide = admit) -> FakeMember:
        store = await self.store()
        return FakeMember(
            leases=StoreLeases(store, HOSTS, name),
            gate=StoreGate(store, decide, self.clock),
            journal=StoreJournal(store, self.clock),
            chronicle=StoreChronicle(store, page=3),
            memory=StoreMemory(store),
            cursors=StoreCursors(store, name),
            brakes=StoreBrakes(store),
            roster=StoreRoster(store),
            outbox=StoreOutbox(store, self.clock, name),
        )

    async def now(self) -> datetime:
        return await (await self.store()).read(now)

    async def expire(self) -> None:
        await (await self.store()).write(_expire)

    async def audit(self) -> list[Row]:
        chronicle = StoreChronicle(await self.store())
        rows: list[Row] = []
        while page := await chronicle.rows(after=rows[-1].number if rows else 0):
            rows.extend(page)
        return rows

    async def aclose(self) -> None:
        for store in self.stores:
            await store.aclose()


def _expire(connection: Connection) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    connection.execute(update(leases).values(until=past))
    connection.execute(update(cursor).values(until=past))
    connection.execute(update(channel).values(until=past))
    connection.execute(update(target).values(changed_at=past - timedelta(hours=1)))
