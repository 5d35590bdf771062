"""The daemon put together: connections, signals, bell, systemd and companions round one loop, from start to end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rotator.daemon.bell import Bell
from rotator.daemon.loop import Limits, Loop, Outside
from rotator.daemon.signals import Asked, hearing
from rotator.daemon.systemd import Systemd
from rotator.wiring import open_worlds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from rotator.app.rotate import Outcome
    from rotator.core.agenda import Pace
    from rotator.daemon.vitals import Vitals
    from rotator.ports import Progress
    from rotator.settings import Settings

    Companion = Callable[[Vitals], AbstractAsyncContextManager[object]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told what: each step, what Vault says besides, and what came of each pass."""

    progress: Progress
    warn: Callable[[str], None]
    on_outcome: tuple[Callable[[Outcome, datetime], None], ...] = ()


async def serve(
    load: Callable[[], Settings],
    telling: Telling,
    *,
    pace: Pace,
    limits: Limits,
    companions: Sequence[Companion] = (),
) -> int:
    """Keep the targets of the configuration fresh until a signal ends it; return the exit code.

    `load` reads the configuration, now and at each SIGHUP. `companions` run beside the loop and see its vitals.
    """
    settings, asked, bell, systemd = load(), Asked(), Bell(pace.tick), Systemd()
    async with AsyncExitStack() as around:
        worlds = await around.enter_async_context(open_worlds(settings, progress=telling.progress, warn=telling.warn))
        outside = Outside(bell, asked, systemd, load, telling.on_outcome)
        loop = Loop(settings, worlds, outside, clock=worlds.clock, pace=pace, limits=limits)
        around.enter_context(hearing(asked, bell.ring))
        await around.enter_async_context(bell.ringing())
        await around.enter_async_context(_beside(systemd.feed_watchdog(loop.vitals)))
        for companion in companions:
            await around.enter_async_context(companion(loop.vitals))
        log.info("daemon_started", **_counts(settings), tick=str(pace.tick), resync=str(pace.resync))
        await loop.run()
    log.info("daemon_stopped", exit_code=asked.exit_code)
    return asked.exit_code


def _counts(settings: Settings) -> dict[str, int]:
    return {"targets": len(settings.targets), "orgs": len(settings.orgs), "vaults": len(settings.vaults)}


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let something run while the context lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        task.cancel()
