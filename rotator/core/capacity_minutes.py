"""The minutes of an org's small bucket: how many calls each has, and where the next one finds room. Pure.

* A call takes the first minute, from its own on, that has room for it on its share; what lies beyond the end is free.
* No minute has more calls than the urgent share has room for, nor a routine one where the routine share is used up.
* Looks at rest take what is left in the end: what is due comes before them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.budget import Share, room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.budget import Shares

MINUTE = 60  # seconds: Okta's window
# Calls of the small bucket; a test counts them at the sandbox. A listing is one page of apps.
CALLS = {"look": 1, "create": 1, "deactivate": 1, "delete": 1, "listing": 1}
AT_REST = "look at rest"
ROTATION = CALLS["look"] + CALLS["create"]
REMOVAL = CALLS["look"] + CALLS["deactivate"]


@dataclass(frozen=True, slots=True)
class Room:
    """How many calls of ours a minute has room for, at an org."""

    routine: int
    urgent: int

    @classmethod
    def of(cls, limit: int, shares: Shares) -> Room:
        """Return what the shares leave of a limit that nobody else uses; one call in each window may always go."""
        routine, urgent = (max(1, room(limit, shares.of(share))) for share in (Share.ROUTINE, Share.URGENT))
        return cls(routine, max(routine, urgent))


class Minutes:
    """The calls to one org, by minute, and what for."""

    def __init__(self, count: int, room: Room) -> None:
        """Have no calls yet."""
        self.calls = [0] * count
        self.spent: Counter[str] = Counter()
        self.late = 0  # looks at rest that found no room until the end
        self.room = room
        # The next minute that may have room, by share: what is full stays full.
        self._next = {most: list(range(count + 1)) for most in {room.routine, room.urgent}}

    def take(self, at: int, what: str, *, urgent: bool = False) -> int:
        """Make the call, and return when: at that second, or as soon as there is room."""
        most = self.room.urgent if urgent else self.room.routine
        minute = self._with_room(at // MINUTE, most)
        self.spent[what] += CALLS[what]
        if minute < len(self.calls):
            self.calls[minute] += CALLS[what]
        return max(at, minute * MINUTE)

    def fill_in(self, looks: Sequence[int], targets: int) -> None:
        """Put the looks at rest, so many in each minute, into what is left; a target waits for one at a time."""
        calls, most, waiting = self.calls, self.room.routine, 0
        for minute, come in enumerate(looks):
            waiting = min(waiting + come, targets)
            if waiting and calls[minute] < most:
                now = min(waiting, most - calls[minute])
                calls[minute] += now
                waiting -= now
                self.spent[AT_REST] += now
        self.late = waiting

    def _with_room(self, minute: int, most: int) -> int:
        following, calls, first = self._next[most], self.calls, minute
        while minute < len(calls) and calls[minute] >= most:
            minute = max(following[minute], minute + 1)
        while first < minute and first < len(calls):
            step = max(following[first], first + 1)
            following[first] = minute
            first = step
        return minute
