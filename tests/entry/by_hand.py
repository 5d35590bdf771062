"""The daemon's own loop over a sandbox whose clock stands still until it is moved: months go by in seconds."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rotator.adapters.local_engine import LocalEngine
from rotator.app.inventory import take_stock
from rotator.core.admission import may_begin_within
from rotator.daemon.bell import Bell
from rotator.daemon.loop import Common, Loop, Outside
from rotator.daemon.passes import Limits
from rotator.daemon.signals import Asked
from rotator.daemon.systemd import Systemd
from rotator.settings import load
from rotator.wiring import open_worlds
from rotator.wiring_state import open_state
from tests.app.small_world import Told

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.inventory import Stock
    from rotator.core.agenda import Pace
    from rotator.core.model import Target
    from rotator.settings import Settings
    from tests.entry.site import Site

A_MOMENT = timedelta(seconds=1)


async def lived(site: Site, span: timedelta, pace: Pace, *, released: bool = True) -> None:
    """Let a daemon, by default one whose brake is off, live for so long: the clock jumps to whatever is due next."""
    settings, clock, leases_in = load(site.config), site.box.clock, site.folder / "leases"
    ends, bell, asked = clock.now() + span, Bell(timedelta(hours=1)), Asked()  # rung by hand

    async def jump(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    async with AsyncExitStack() as around:
        decide = partial(may_begin_within, settings.limits)
        state = await around.enter_async_context(
            open_state(settings, decide=decide, owner="daemon@site", clock=clock, leases_in=leases_in)
        )
        if released:
            await state.brakes.release("the tests", clock.now())
        worlds = await around.enter_async_context(
            open_worlds(
                settings, progress=Told(), warn=print, clock=clock, leases_in=leases_in, state=state, sleep=jump
            )
        )

        async def stock(settings: Settings) -> Stock:
            return await take_stock(settings, worlds.okta_of, state.roster, clock)

        async def members(settings: Settings) -> tuple[Target, ...]:
            return settings.targets

        common = Common(state.memory, state.brakes, LocalEngine(), stock, members, state.prune)
        outside = Outside(bell, asked, Systemd({}), partial(load, site.config))
        loop = Loop(settings, worlds, outside, common, clock=clock, pace=pace, limits=Limits())
        task = asyncio.create_task(loop.run())
        await loop.taken_up()
        await _next_due(loop, task)
        await bell.tick()  # what the first looks have found is judged at a tick, even if they took all the span
        while clock.now() < ends:
            later = await _next_due(loop, task)
            clock.advance(max(min(later, ends) - clock.now(), A_MOMENT))
            await bell.tick()
        await _next_due(loop, task)
        asked.stop = True
        bell.ring()
        await task


async def _next_due(loop: Loop, task: asyncio.Task[None]) -> datetime:
    """Wait until nothing is under way or due, and return when something will be."""
    for _ in range(3_000):
        await asyncio.sleep(0.002)
        now = loop._clock.now()
        targets = list(loop.vitals.targets())
        errands = any(not errand.done() for errand in loop._errands.values())
        if not errands and not any(one.under_way or one.next_look <= now for one in targets):
            return min(one.next_look for one in targets)
        assert not task.done()
    raise AssertionError("it does not come to rest")
