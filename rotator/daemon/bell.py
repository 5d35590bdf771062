"""The bell: it rings at every tick, at the next due time, and when somebody pulls it. It does nothing else.

* The scheduler keeps nothing: its store is in memory, and what is due is decided by whoever hears the bell.
* Its jobs only set an event, and are coroutines: others run in a thread, and its shutdown cancels whatever runs.
* A ring that comes late, after a suspended night, is rung once; none is dropped (`misfire_grace_time`).
* Everything is in UTC: a change of clocks must not let it sleep for an hour.
* It goes by the wall clock. If that is put back no tick comes in time, and the interval begins anew.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime, timedelta

JITTER = 0.1  # of a tick: several daemons that were started together drift apart
OVERDUE = 1.5  # ticks without a ring


class Bell:
    """Rings by itself while `ringing` lasts, and whenever it is told to."""

    def __init__(self, every: timedelta) -> None:
        """Be silent yet; `ticks` counts the rings of the interval alone."""
        self.ticks = 0
        self._every = every.total_seconds()
        self._rung = asyncio.Event()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def ring(self) -> None:
        """Wake whoever waits."""
        self._rung.set()

    async def tick(self) -> None:
        """Ring as the interval does."""
        self.ticks += 1
        self.ring()

    def wake_at(self, at: datetime) -> None:
        """Ring at that time too, instead of at the one that was given before."""
        self._scheduler.add_job(self._wake, DateTrigger(at, timezone=UTC), id="wake", replace_existing=True)

    async def wait(self) -> None:
        """Wait for the next ring; what rang meanwhile counts."""
        try:
            async with asyncio.timeout(self._every * OVERDUE):
                await self._rung.wait()
        except TimeoutError:
            self._wind_up()
        self._rung.clear()

    @asynccontextmanager
    async def ringing(self) -> AsyncIterator[None]:
        """Ring at every tick while the context lasts."""
        self._wind_up()
        self._scheduler.start()
        try:
            yield
        finally:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it only asks the event loop to do so

    def _wind_up(self) -> None:
        """Begin the interval from now. After a clock is put back the scheduler would sleep it off."""
        trigger = IntervalTrigger(seconds=self._every, jitter=self._every * JITTER, timezone=UTC)
        self._scheduler.add_job(self.tick, trigger, id="tick", replace_existing=True)

    async def _wake(self) -> None:
        self.ring()
