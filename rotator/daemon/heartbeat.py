"""The heartbeat: fetches a URL while all is well, so that whoever misses it can raise an alarm.

* Well means: ticks finish, one since the last beat; every org, every Vault and the state database can be worked with;
  there is no word to stop. A target that is blocked is told by notices, not by silence.
* A beat that nobody took is tried again after a few seconds, and told once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.daemon.vitals import Vitals
    from rotator.ports import Heart
    from rotator.settings import Heartbeat, Settings

LOOK = 1.0  # seconds between two looks
AGAIN = 10.0  # after a beat that nobody took

log = structlog.get_logger()


class Pacemaker:
    """Beats for one daemon."""

    def __init__(
        self,
        vitals: Callable[[], Vitals],
        settings: Callable[[], Settings],
        open_heart: Callable[[Heartbeat], Heart],
        *,
        look: float = LOOK,
        again: float = AGAIN,
    ) -> None:
        """Beat not yet; `vitals` and `settings` are those of the time."""
        self._vitals = vitals
        self._settings = settings
        self._open_heart = open_heart
        self._look = look
        self._again = again
        self._next = 0.0
        self._ticks = 0  # at the last beat
        self._failing = False

    async def run(self) -> None:
        """Beat until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            wanted, vitals = self._settings().heartbeat, self._vitals()
            if wanted is not None and clock() >= self._next and vitals.ticks > self._ticks and healthy(vitals):
                began, ticks = clock(), vitals.ticks
                if await self._beat(wanted):
                    self._next, self._ticks = began + wanted.every.total_seconds(), ticks
                else:
                    self._next = clock() + self._again
            await asyncio.sleep(self._look)

    async def _beat(self, wanted: Heartbeat) -> bool:
        try:
            await self._open_heart(wanted).beat()
        except RotatorError as error:
            if not self._failing:
                log.warning("heartbeat_failing", detail=str(error), hint=error.hint)
            self._failing = True
            return False
        if self._failing:
            log.info("heartbeat_recovered")
        self._failing = False
        return True


def healthy(vitals: Vitals) -> bool:
    """Say whether all is well with the service itself."""
    return vitals.alive and not vitals.stopping and all(reach.fine for reach in vitals.reach.values())
