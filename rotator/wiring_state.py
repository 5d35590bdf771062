"""From settings to the ports of a state that outlives the process (see `wiring`).

* On SQLite the leases are the kernel's locks, on PostgreSQL rows that every member sees.
* Whoever opens the state closes it, after everything that uses it.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.settings.places import lease_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from rotator.adapters.leases import FileLeases
    from rotator.adapters.store import Store
    from rotator.adapters.store_gate import Decide
    from rotator.ports import Brakes, Chronicle, Clock, Cursors, Gate, Journal, Leases, Memory, Outbox, Roster
    from rotator.settings import Settings
    from rotator.settings import State as StateSettings


@dataclass(frozen=True, slots=True)
class State:
    """The ports over one state database, as one member of a service has them. From `open_state`."""

    leases: Leases
    gate: Gate
    journal: Journal
    chronicle: Chronicle
    memory: Memory
    cursors: Cursors
    brakes: Brakes
    roster: Roster
    outbox: Outbox
    owner: str  # who this process is, in messages and in the audit
    prune: Callable[[], Awaitable[None]]  # remove what is kept no longer
    hosts: dict[str, str]  # of each org by its alias: leases go by them

    def follow(self, settings: Settings) -> None:
        """Know the orgs of other settings; those that passes under way began with stay known."""
        self.hosts.update(hosts_of(settings))


@asynccontextmanager
async def open_state(
    settings: Settings,
    *,
    decide: Decide,
    owner: str,
    clock: Clock | None = None,
    leases_in: Path | None = None,
) -> AsyncIterator[State]:
    """Open the state database of these settings, brought up to date, and close it in the end.

    `StateError` if it cannot be reached, `ConfigError` if it cannot be used. `decide` is what may begin
    (`core.admission`); `owner` names this process in messages.
    """
    from rotator.adapters.clock import SystemClock
    from rotator.adapters.store import Store

    wanted = settings.state
    store = Store(wanted.url, wanted.password.read if wanted.password else None)
    try:
        await store.open()
        directory = leases_in or lease_directory()
        yield _state(store, hosts_of(settings), decide, owner=owner, clock=clock or SystemClock(), directory=directory)
    finally:
        await store.aclose()


@dataclass(frozen=True, slots=True)
class Recollection:
    """What of a state database tells how the targets stand. From `open_memory`."""

    memory: Memory
    roster: Roster
    brakes: Brakes


@asynccontextmanager
async def open_memory(settings: Settings) -> AsyncIterator[Recollection]:
    """Open as much of the state database as tells how the targets stand, and close it in the end. It is not made."""
    from rotator.adapters.store import Store
    from rotator.adapters.store_memory import StoreMemory
    from rotator.adapters.store_service import StoreBrakes, StoreRoster

    wanted = settings.state
    store = Store(wanted.url, wanted.password.read if wanted.password else None)
    try:
        yield Recollection(StoreMemory(store), StoreRoster(store), StoreBrakes(store))
    finally:
        await store.aclose()


def _state(store: Store, hosts: dict[str, str], decide: Decide, *, owner: str, clock: Clock, directory: Path) -> State:
    from rotator.adapters.leases import FileLeases
    from rotator.adapters.store_chronicle import StoreChronicle
    from rotator.adapters.store_gate import StoreGate
    from rotator.adapters.store_journal import StoreJournal
    from rotator.adapters.store_leases import StoreLeases
    from rotator.adapters.store_memory import StoreMemory
    from rotator.adapters.store_outbox import StoreOutbox
    from rotator.adapters.store_service import StoreBrakes, StoreCursors, StoreRoster

    gate, journal = StoreGate(store, decide, clock), StoreJournal(store, clock)
    alone = f"{owner}/{secrets.token_hex(4)}"  # two processes may be called alike
    outbox = StoreOutbox(store, clock, alone)

    async def prune() -> None:
        await journal.prune()
        await gate.prune()
        await outbox.prune()

    return State(
        # On one machine the kernel's lock is the better lease: it dies with its process.
        leases=FileLeases(directory, hosts) if store.on_one_machine else StoreLeases(store, hosts, owner),
        gate=gate,
        journal=journal,
        chronicle=StoreChronicle(store),
        memory=StoreMemory(store),
        cursors=StoreCursors(store, alone),
        brakes=StoreBrakes(store),
        roster=StoreRoster(store),
        outbox=outbox,
        owner=owner,
        prune=prune,
        hosts=hosts,
    )


@dataclass(frozen=True, slots=True)
class StatePlace:
    """The state database as a place of our own, for the pre-flight. It is not made."""

    settings: StateSettings
    open: State | None  # what this process works on: a second way in could not tell that it was lost
    name: str = "state database"

    async def try_out(self) -> None:
        """Ask it for something, over a way in of our own where there is none, which brings it up to date."""
        from rotator.adapters.store import Store
        from rotator.adapters.store_service import StoreBrakes

        if self.open:
            await self.open.brakes.brake()
            return
        store = Store(self.settings.url, self.settings.password.read if self.settings.password else None)
        try:
            await StoreBrakes(store).brake()
        finally:
            await store.aclose()


def file_leases(settings: Settings, directory: Path) -> FileLeases:
    """Return the kernel's locks, for runs without a state database."""
    from rotator.adapters.leases import FileLeases

    return FileLeases(directory, hosts_of(settings))


def hosts_of(settings: Settings) -> dict[str, str]:
    """Return the host of each org, by its alias."""
    return {alias: org.host for alias, org in settings.orgs.items()}
