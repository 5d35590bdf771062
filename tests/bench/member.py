"""Daemons whose leases and heartbeats are scaled down, forked so that one starts in a tenth of a second.

`python -m tests.bench.member CONFIG SCALE AT_ONCE` prints the number of a new one for each line that it reads, and ends
with its stdin. Scaled alike: how long a lease lasts and outlives an effect, the engine's heartbeat, after which a job
counts as stalled, and how long a create may still arrive.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.adapters.postgres_engine import HEARTBEAT, PostgresEngine
from rotator.adapters.store import Store
from rotator.adapters.store_leases import LASTING, StoreLeases
from rotator.app.inventory import Stock
from rotator.core.admission import Admitted
from rotator.core.agenda import Pace
from rotator.daemon.bell import Bell
from rotator.daemon.loop import Common, Loop, Outside
from rotator.daemon.passes import Limits
from rotator.daemon.signals import Asked
from rotator.daemon.systemd import Systemd
from rotator.logs import start
from rotator.settings import load
from rotator.wiring import open_worlds
from rotator.wiring_state import hosts_of, open_state
from tests.app.small_world import Told

if TYPE_CHECKING:
    from rotator.core.model import Target
    from rotator.settings import Settings

TICK = timedelta(seconds=6)


def scaled(settings: Settings, scale: int) -> Settings:
    """Return the settings with the targets' times so many times shorter."""
    targets = (replace(each, settle=each.settle / scale, effect=each.effect / scale) for each in settings.targets)
    return replace(settings, targets=tuple(targets))


async def serve(settings: Settings, scale: int, at_once: int) -> None:
    """Be a daemon until somebody kills it."""
    owner = f"member/{os.getpid()}"

    async def take_stock(settings: Settings) -> Stock:
        return Stock(settings.targets, (), ())

    async def members(settings: Settings) -> tuple[Target, ...]:
        return settings.targets

    async with AsyncExitStack() as around:
        state = await around.enter_async_context(open_state(settings, decide=lambda *_: Admitted(), owner=owner))
        store = Store(settings.state.url)
        around.push_async_callback(store.aclose)
        state = replace(state, leases=StoreLeases(store, hosts_of(settings), owner, LASTING / scale))
        worlds = await around.enter_async_context(open_worlds(settings, progress=Told(), warn=print, state=state))
        engine = PostgresEngine(settings.state.url, at_once=at_once, heartbeat=HEARTBEAT / scale)
        common = Common(
            state.memory, state.brakes, engine, take_stock=take_stock, members=members, prune=state.prune, several=True
        )
        bell = Bell(TICK / scale)
        outside = Outside(bell, Asked(), Systemd({}), lambda: settings)
        pace, limits = Pace(TICK / scale, timedelta(days=7)), Limits(at_once=at_once, in_all=at_once)
        loop = Loop(settings, worlds, outside, common, clock=worlds.clock, pace=pace, limits=limits)
        await around.enter_async_context(bell.ringing())
        await loop.run()


def main(config: Path, scale: int, at_once: int) -> None:
    """Fork a daemon for each line."""
    settings = scaled(load(config), scale)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a killed one ended
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            start(level="info", style="json")
            asyncio.run(serve(settings, scale, at_once))
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
