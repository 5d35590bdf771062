"""How long to wait before the next try: a table, then full jitter over its upper half.

The first tries are short, for a change that has not reached every server yet; the last ones are for a person
who is on the way. A delay of zero or less never comes out: it would be a tight loop.
"""

from __future__ import annotations

from datetime import timedelta

_SECONDS = (1, 2, 4, 8, 15, 60, 120, 300, 600, 600, 1200, 1800, 3600, 7200, 21600)
ROWS = len(_SECONDS)
LONGEST = timedelta(seconds=_SECONDS[-1])


def delay(tries: int, spread: float = 1.0) -> timedelta:
    """Return the wait after the `tries`-th try (1 is the first); `spread` in [0, 1] is where the jitter fell."""
    ceiling = _SECONDS[min(max(tries, 1), ROWS) - 1]
    return timedelta(seconds=ceiling * (0.5 + 0.5 * spread))
