"""When what the state keeps no longer is removed: once a day, by time that has really gone by.

* A clock that leaps makes nothing old: a day counts by the machine's own running, not by its clock.
* While Okta says that our clock is ahead, nothing is removed for its age.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.rotation import CLOCKS_DIFFER
from rotator.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from rotator.app.rotate import Outcome
    from rotator.daemon.vitals import Pulse

EVERY = timedelta(days=1)
FIRST = timedelta(minutes=10)  # after the start: not while there is much to do


class Pruning:
    """Knows when it is time."""

    def __init__(self, pulse: Pulse, prune: Callable[[], Awaitable[None]]) -> None:
        """Let the first time come."""
        self._monotonic = pulse.monotonic
        self._prune = prune
        self._next = pulse.monotonic() + FIRST.total_seconds()
        self._ahead = timedelta(0)

    def passed(self, outcome: Outcome, _: datetime) -> None:
        """Take note of how far Okta saw our clock ahead."""
        if outcome.seen is not None:
            self._ahead = outcome.seen.clock_ahead

    @property
    def is_due(self) -> bool:
        return self._monotonic() >= self._next and self._ahead < CLOCKS_DIFFER

    async def prune(self) -> None:
        """Remove what the state keeps no longer. That it cannot be reached is told by others."""
        self._next = self._monotonic() + EVERY.total_seconds()
        with suppress(StateError):
            await self._prune()
