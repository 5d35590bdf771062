"""The state as the wiring opens it: which leases on which engine, and other settings while it is open."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, func, select

from rotator.adapters.leases import FileLeases
from rotator.adapters.store import Store
from rotator.adapters.store_leases import StoreLeases
from rotator.adapters.store_schema import audit, rotation
from rotator.core.admission import Wish
from rotator.core.history import Deed
from rotator.core.model import AppId, Reason
from rotator.errors import StateError
from rotator.wiring import open_worlds
from rotator.wiring_state import open_state
from tests.app.small_world import Told
from tests.fakes.okta import NOON, ManualClock
from tests.fakes.state import admit
from tests.settings.files import GOOD, changed, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.model import Target
    from rotator.settings import Settings


def settings_for(folder: Path, url: str, text: str = GOOD) -> Settings:
    return loaded(folder, text + f"state: {{url: '{url}'}}\n")


async def test_on_one_machine_the_kernel_keeps_the_leases_else_the_database(state_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, state_url)

    async with open_state(settings, decide=admit, owner="daemon@host", leases_in=tmp_path / "leases") as state:
        expected = FileLeases if state_url.startswith("sqlite") else StoreLeases
        assert type(state.leases) is expected


async def test_an_org_that_was_added_while_it_is_open_can_be_leased(state_url: str, tmp_path: Path) -> None:
    before = settings_for(tmp_path, state_url)
    after = settings_for(tmp_path, state_url, changed("  acme:", "  renamed:"))

    async with open_state(before, decide=admit, owner="daemon@host", leases_in=tmp_path / "leases") as state:
        state.follow(after)
        for settings in (before, after):
            async with state.leases.hold(settings.targets[0]) as lease:
                await lease.confirm(settings.targets[0].settle)


async def test_two_processes_that_are_called_alike_do_not_both_hear_a_log(state_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, state_url)

    async with (
        open_state(settings, decide=admit, owner="daemon@host") as one,
        open_state(settings, decide=admit, owner="daemon@host") as two,
    ):
        assert await one.cursors.take("acme", lasting=settings.targets[0].settle) == (None,)
        assert await two.cursors.take("acme", lasting=settings.targets[0].settle) is None


async def test_both_histories_are_pruned(state_url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    settings = settings_for(tmp_path, state_url)

    async with open_state(settings, decide=admit, owner="daemon@host", clock=clock) as state:
        for _ in range(2):
            await state.journal.begins(Deed("billing", "acme", AppId("0oa1"), "Create", NOON, "daemon@host"))
        await state.gate.ask(Wish("billing", settings.targets[0].policy, Reason.EXPIRED, NOON))
        await state.gate.ended("billing", good=True)
        assert await rows(state_url) == (2, 1)

        clock.advance(timedelta(days=401))
        await state.prune()

    assert await rows(state_url) == (1, 0), "the audit's newest row stays, for the next one to follow"


async def rows(url: str) -> tuple[int | None, ...]:
    store = Store(url)
    found = [
        await store.read(partial(Connection.scalar, statement=select(func.count()).select_from(each)))
        for each in (audit, rotation)
    ]
    await store.aclose()
    return tuple(found)


async def test_the_worlds_ask_the_state_that_they_are_given(state_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, state_url)
    target: Target = settings.targets[0]

    async with (
        open_state(settings, decide=admit, owner="daemon@host", leases_in=tmp_path / "leases") as state,
        open_worlds(settings, progress=Told(), warn=print, leases_in=tmp_path / "others", state=state) as worlds,
    ):
        worlds.follow(settings)
        world = worlds.of(target)
        assert (world.leases, world.gate, world.journal) == (state.leases, state.gate, state.journal)


async def test_a_state_that_cannot_be_reached_is_told_and_nothing_stays_open(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, f"postgresql://u@/rotator?host={tmp_path}")

    with pytest.raises(StateError, match="cannot be reached"):
        async with open_state(settings, decide=admit, owner="daemon@host"):
            pytest.fail("nobody is there")

    assert [each.name for each in threading.enumerate() if each.name.startswith("rotator-state")] == []
