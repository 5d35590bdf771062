"""Maintenance windows: arithmetic over aware datetimes, in the wall time of an IANA zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOOK_AHEAD = 15  # days: a window recurs weekly, and one day of it may fall into a change of clocks


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
            closing_day = day if self.until > self.since else day + timedelta(days=1)
            opens = datetime.combine(day, self.since, zone).astimezone(UTC)
            closes = datetime.combine(closing_day, self.until, zone).astimezone(UTC)
            if closes > opens:
                found.append((opens, closes))
        return found


def next_opening(windows: Sequence[Window], now: datetime) -> datetime:
    """Return the earliest time, not before `now`, at which a window is open. No windows: always open."""
    if not windows:
        return now
    return min(max(opens, now) for window in windows for opens, closes in window.openings(now) if closes > now)


def is_open(windows: Sequence[Window], now: datetime) -> bool:
    """Say whether a disruptive step may begin now."""
    return next_opening(windows, now) <= now
