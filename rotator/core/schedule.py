"""When disruptive steps may begin: arithmetic over aware datetimes, in the wall time of an IANA zone.

* Windows open, blackouts close; where both say something, it is closed.
* A blackout lasts whole days, both ends included. A day lasts from its first midnight to that of the next, however many
  hours that is; one that has no midnight begins when the clocks have been put forward.
* A time that occurs twice is meant the first time; one that is skipped is as far after midnight as its name says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD = 15  # days: a window recurs weekly, and one day of it may fall into a change of clocks
_STEP = _LOOK_AHEAD - 1  # days from one look to the next, when all windows of a long time are wanted
_DAY = timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Window:
    """When disruptive steps may begin, in a zone's own wall time. `until` before `since` runs past midnight."""

    days: frozenset[str]  # of DAYS; the day on which the window opens
    since: time
    until: time
    zone: str  # IANA

    def openings(self, now: datetime) -> Sequence[tuple[datetime, datetime]]:
        """Return the openings around and after `now`, in UTC, earliest first."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        found = []
        for offset in range(-1, _LOOK_AHEAD):
            day = today + timedelta(days=offset)
            if DAYS[day.weekday()] not in self.days:
                continue
            closing_day = day if self.until > self.since else day + _DAY
            opens = datetime.combine(day, self.since, zone).astimezone(UTC)
            closes = datetime.combine(closing_day, self.until, zone).astimezone(UTC)
            if closes > opens:
                found.append((opens, closes))
        return found


@dataclass(frozen=True, slots=True)
class Blackout:
    """Days on which no disruptive step may begin, the first and the last included."""

    first: date
    last: date
    zone: str  # IANA

    @property
    def begins(self) -> datetime:
        return self._midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return self._midnight(self.last + _DAY)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The windows and the blackouts of a policy, as one. No windows: always open, but for the blackouts."""

    windows: Sequence[Window] = ()
    blackouts: Sequence[Blackout] = ()

    def next_opening(self, now: datetime) -> datetime:
        """Return the earliest time, not before `now`, at which it is open."""
        opens = self._next_window(now)
        while closed := [each.ends for each in self.blackouts if each.begins <= opens < each.ends]:
            opens = self._next_window(max(closed))
        return opens

    def is_open(self, now: datetime) -> bool:
        """Say whether a disruptive step may begin now."""
        return self.next_opening(now) <= now

    def spans(self, since: datetime, until: datetime) -> tuple[Span, ...]:
        """Return when it is open between two times, earliest first: the first moment, and the first after it."""
        found = [(since, until)] if not self.windows else self._windows_between(since, until)
        for each in self.blackouts:
            found = [part for span in found for part in _without(span, each.begins, each.ends)]
        return tuple(found)

    def _windows_between(self, since: datetime, until: datetime) -> list[Span]:
        looks = (until - since) // (_STEP * _DAY) + 1
        found = {
            span
            for window in self.windows
            for look in range(looks)
            for span in window.openings(since + look * _STEP * _DAY)
            if span[1] > since and span[0] < until
        }
        merged: list[Span] = []
        for opens, closes in sorted(found):
            opens, closes = max(opens, since), min(closes, until)  # noqa: PLW2901 -- cut to what was asked
            if merged and opens <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
            else:
                merged.append((opens, closes))
        return merged

    def _next_window(self, now: datetime) -> datetime:
        if not self.windows:
            return now
        return min(max(opens, now) for window in self.windows for opens, closes in window.openings(now) if closes > now)


def _without(span: Span, begins: datetime, ends: datetime) -> list[Span]:
    """Return what is left of a span outside of two times."""
    parts = [(span[0], min(span[1], begins)), (max(span[0], ends), span[1])]
    return [(opens, closes) for opens, closes in parts if opens < closes]
