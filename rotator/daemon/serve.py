"""The daemon put together: connections, signals, bell, systemd and health round one loop, from start to end."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rotator.app.inventory import take_stock
from rotator.app.preflight import FRUGAL
from rotator.app.preflight import preflight as make_preflight
from rotator.core.admission import may_begin
from rotator.core.budget import Haste, in_haste
from rotator.core.selection import targets_of
from rotator.daemon.bell import Bell
from rotator.daemon.control import Control
from rotator.daemon.desk import Endings, LoopDesk
from rotator.daemon.health import Health
from rotator.daemon.heartbeat import Pacemaker
from rotator.daemon.herald import Herald, Rhythm, Scene
from rotator.daemon.loop import Common, Loop, Outside
from rotator.daemon.metrics import Tally
from rotator.daemon.signals import Asked, hearing
from rotator.daemon.soaking import Soaking
from rotator.daemon.systemd import Systemd
from rotator.daemon.watch import ClientIds, Watch
from rotator.errors import ConfigError
from rotator.settings.kinds import write_duration
from rotator.settings.places import control_socket
from rotator.wiring import open_engine, open_worlds
from rotator.wiring_notify import check_notify, open_heart, open_notifier
from rotator.wiring_state import open_state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from datetime import datetime

    from rotator.app.inventory import Stock
    from rotator.core.admission import Admission, Ledger, Wish
    from rotator.core.agenda import Pace
    from rotator.core.model import Target
    from rotator.core.preflight import Finding
    from rotator.daemon.control import Told
    from rotator.daemon.passes import Limits
    from rotator.ports import Clock, Progress, Roster
    from rotator.settings import Settings
    from rotator.wiring import Worlds

POLL = timedelta(seconds=30)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told what: each step, what Vault says besides, and who asked for a rotation how it ended."""

    progress: Progress
    warn: Callable[[str], None]
    outcome: Told


async def serve(
    load: Callable[[], Settings],
    telling: Telling,
    *,
    pace: Pace,
    limits: Limits,
    poll: timedelta = POLL,
    preflight: bool = True,
    clock: Clock | None = None,
) -> int:
    """Keep the targets of the configuration fresh until a signal ends it; return the exit code.

    `load` reads the configuration, now and at each SIGHUP; `poll`: how often to ask the System Logs; `preflight`:
    whether to look first if all is there; `clock` is for worlds whose days are short.
    """
    settings, asked, bell, systemd, tally = load(), Asked(), Bell(pace.tick), Systemd(), Tally()
    client_ids, soaking, endings = ClientIds(), Soaking(), Endings()
    check_notify(settings)
    async with AsyncExitStack() as around:
        owner = f"daemon@{socket.gethostname()}/{os.getpid()}"

        def decide(wish: Wish, ledger: Ledger, now: datetime) -> Admission:
            return may_begin(wish, ledger, loop.settings.limits, now)

        state = await around.enter_async_context(open_state(settings, decide=decide, owner=owner, clock=clock))
        worlds = await around.enter_async_context(
            open_worlds(settings, progress=telling.progress, warn=telling.warn, state=state, clock=clock)
        )
        common = Common(
            memory=state.memory,
            brakes=state.brakes,
            engine=open_engine(settings, limits.in_all),
            take_stock=partial(_take_stock, worlds, state.roster),
            members=partial(_members, state.roster),
            prune=state.prune,
            several=settings.state.shared,
            inspect=partial(_inspect, worlds) if preflight else None,
        )
        scene = Scene(lambda: loop.vitals, lambda: loop.settings, state.brakes, worlds.clock)
        herald = Herald(state.outbox, scene, tally, open_notifier=open_notifier, rhythm=Rhythm.of(pace.tick))
        told = (tally.passed, client_ids.passed, soaking.passed, endings.passed, herald.passed)
        outside = Outside(bell, asked, systemd, partial(_load_again, load, settings), told)
        loop = Loop(settings, worlds, outside, common, clock=worlds.clock, pace=pace, limits=limits)
        if settings.health is not None:
            health = Health(loop.vitals, tally, worlds.logins_end)
            log.info("health_served", url=await around.enter_async_context(health.served(settings.health)))
        desk = LoopDesk(loop, worlds, endings, worlds.clock, state.brakes, state.roster)
        await _serve_control(around, Control(desk, telling.outcome), settings)
        watch = Watch(
            loop,
            worlds,
            cursors=state.cursors,
            key_of=lambda alias: loop.settings.orgs[alias].url,
            clock=worlds.clock,
            every=poll,
            client_ids=client_ids,
            soaking=soaking,
        )
        around.enter_context(hearing(asked, bell.ring))
        await around.enter_async_context(bell.ringing())
        await around.enter_async_context(_beside(systemd.feed_watchdog(loop.vitals)))
        tick, resync = write_duration(pace.tick), write_duration(pace.resync)
        log.info("daemon_started", **_counts(settings), tick=tick, resync=resync)
        await around.enter_async_context(_beside(watch.run()))
        await around.enter_async_context(_beside(_once_known(loop, herald.run())))
        await around.enter_async_context(_beside(Pacemaker(scene.vitals, scene.settings, open_heart).run()))
        await loop.run()
    log.info("daemon_stopped", exit_code=asked.exit_code)
    return asked.exit_code


async def _take_stock(worlds: Worlds, roster: Roster, settings: Settings) -> Stock:
    return await take_stock(settings, worlds.okta_of, roster, worlds.clock)


async def _inspect(worlds: Worlds, targets: Sequence[Target]) -> tuple[Finding, ...]:
    with in_haste(Haste()):
        return await make_preflight(targets, worlds.ways(), FRUGAL)


async def _members(roster: Roster, settings: Settings) -> tuple[Target, ...]:
    """Return all targets of a configuration, its selections' members as they were last listed among them."""
    return targets_of(settings, await roster.members()) if settings.selections else settings.targets


def _load_again(load: Callable[[], Settings], at_start: Settings) -> Settings:
    """Read the configuration once more, and say which part of it takes a restart."""
    settings = load()
    check_notify(settings)
    for key, changed in (
        ("health.listen", settings.health != at_start.health),
        ("control", settings.control != at_start.control),
        ("state", settings.state != at_start.state),
        ("engine", settings.several != at_start.several),
    ):
        if changed:
            log.warning("restart_needed", key=key, hint="Until then it is as the daemon's start said.")
    return settings


async def _serve_control(around: AsyncExitStack, control: Control, settings: Settings) -> None:
    """Answer operators' commands. Where nobody chose the place, the targets are worth more than an answer."""
    path = settings.control.socket or control_socket()
    try:
        await around.enter_async_context(control.served(path, settings.control.group))
    except ConfigError as error:
        if settings.control.socket is not None:
            raise
        hint = "Name another place: `control.socket`. All else works."
        log.warning("control_not_served", detail=str(error), hint=hint)
        return
    log.info("control_served", socket=str(path))


def _counts(settings: Settings) -> dict[str, int]:
    return {"targets": len(settings.targets), "orgs": len(settings.orgs), "vaults": len(settings.vaults)}


async def _once_known(loop: Loop, work: Coroutine[None, None, None]) -> None:
    """Begin when it is known who the targets are."""
    try:
        await loop.taken_up()
    except asyncio.CancelledError:
        work.close()
        raise
    await work


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let something run while the context lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        task.cancel()
