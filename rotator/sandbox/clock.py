"""A clock that can be set, moved and run fast."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Time for both emulators: real time, plus a shift, times a speed."""

    def __init__(self, start: datetime | None = None, *, speed: float = 1.0) -> None:
        """Start at `start` (aware; now by default); a `speed` of 0 stands still until it is moved."""
        self._base = start or datetime.now(UTC)
        self._since = time.monotonic()
        self._speed = speed

    def now(self) -> datetime:
        """Return the sandbox's time, aware, in UTC."""
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._speed)

    def advance(self, by: timedelta) -> None:
        """Jump ahead (or back)."""
        self._base += by

    def run(self, speed: float) -> None:
        """Go on from here at another speed."""
        self._base, self._since, self._speed = self.now(), time.monotonic(), speed
