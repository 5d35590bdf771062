"""Windows and blackouts at every change of clocks of many zones in some years, against the wall clock itself.

What is expected is read off a clock on the wall, minute by minute: a time is when the clock first shows it; where it
never does, it is as long after the day's first minute as its name says. ROTATOR_TEST_YEARS makes it more years.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from zoneinfo import ZoneInfo

import pytest

from rotator.core.schedule import DAYS, Blackout, Calendar, Window

ZONES = (
    "Africa/Cairo",  # by an hour, at midnight
    "Africa/Casablanca",  # back for Ramadan
    "America/Havana",  # midnight comes twice
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",  # at midnight
    "America/St_Johns",  # half an hour off everybody
    "Antarctica/Troll",  # by two hours
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Australia/Lord_Howe",  # by half an hour
    "Europe/Dublin",  # winter is the exception
    "Europe/Oslo",
    "Pacific/Chatham",  # 45 minutes off everybody
)
YEARS = int(os.environ.get("ROTATOR_TEST_YEARS", "4"))
SINCE, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025 + YEARS, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY_DAY = frozenset(DAYS)
AROUND = (-90, -15, 0, 15, 45, 75, 120)  # minutes from what the clock shows when it is changed


@dataclass(frozen=True)
class Change:
    """A change of the clocks of a zone: the first moment after it."""

    zone: str
    at: datetime

    @property
    def day(self) -> date:
        """The day on which it is changed, by what it showed before."""
        return self._shown(self.at - MINUTE).date()

    @property
    def named(self) -> datetime:
        """What the clock would have shown, had nobody changed it."""
        return self._shown(self.at - MINUTE) + MINUTE

    @property
    def forward(self) -> bool:
        return self._shown(self.at) > self.named

    @cached_property
    def wall(self) -> dict[datetime, datetime]:
        """When the clock first shows each time, some days around."""
        first: dict[datetime, datetime] = {}
        for minute in range(-4 * 24 * 60, 5 * 24 * 60):
            at = self.at + minute * MINUTE
            first.setdefault(self._shown(at), at)
        return first

    def moment(self, day: date, at: time) -> datetime:
        """Return when that time of that day is."""
        if (shown := self.wall.get(datetime.combine(day, at))) is not None:
            return shown
        minutes = (datetime.combine(day, time()) + minute * MINUTE for minute in range(24 * 60))
        first = next(self.wall[minute] for minute in minutes if minute in self.wall)
        return first + timedelta(hours=at.hour, minutes=at.minute)

    def openings(self, since: time, until: time) -> list[tuple[datetime, datetime]]:
        """Return when a daily window is open, on the days around."""
        found = []
        for offset in range(-2, 4):
            day = self.day + offset * DAY
            closes = self.moment(day if until > since else day + DAY, until)
            if closes > (opens := self.moment(day, since)):
                found.append((opens, closes))
        return found

    def _shown(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


@cache
def changes_of(zone: str) -> tuple[Change, ...]:
    """Return all changes of those years: hour by hour to the right one, then minute by minute."""
    clock, found = ZoneInfo(zone), []
    at, before = SINCE, SINCE.astimezone(clock).utcoffset()
    while at < UNTIL:
        if (offset := (at + 6 * HOUR).astimezone(clock).utcoffset()) != before:
            minutes = (at + minute * MINUTE for minute in range(1, 361))
            found.append(Change(zone, next(it for it in minutes if it.astimezone(clock).utcoffset() == offset)))
            before = offset
        at += 6 * HOUR
    return tuple(found)


def names_around(change: Change) -> list[time]:
    return [(change.named + minutes * MINUTE).time() for minutes in AROUND]


@pytest.mark.parametrize("zone", ZONES)
def test_every_zone_changes_in_both_directions(zone: str) -> None:
    directions = {change.forward for change in changes_of(zone)}

    assert directions == {True, False}


@pytest.mark.parametrize("zone", ZONES)
def test_a_window_is_open_when_a_clock_on_the_wall_says_so(zone: str) -> None:
    wrong = []
    for change in changes_of(zone):
        names = names_around(change)
        for since, until in [(a, b) for n, a in enumerate(names) for b in (names[(n + 1) % 7], names[(n + 3) % 7])]:
            calendar, openings = Calendar((Window(EVERY_DAY, since, until, zone),)), change.openings(since, until)
            edges = [edge for span in openings for edge in span if abs(edge - change.at) < DAY]
            for now in [edge + off for edge in (*edges, change.at) for off in (-MINUTE, timedelta(0), MINUTE)]:
                expected = min(max(opens, now) for opens, closes in openings if closes > now)
                if (found := calendar.next_opening(now)) != expected:
                    wrong.append(f"{change.at} {since}-{until} at {now}: {found}, not {expected}")

    assert wrong == []


@pytest.mark.parametrize("zone", ZONES)
def test_a_blackout_of_the_day_before_of_the_day_and_of_the_day_after(zone: str) -> None:
    wrong = []
    for change in changes_of(zone):
        for offset in (-1, 0, 1):
            day = change.day + offset * DAY
            blackout = Blackout(day, day, zone)
            expected = change.moment(day, time()), change.moment(day + DAY, time())
            open_at = [Calendar((), (blackout,)).is_open(at) for at in (expected[0] - MINUTE, *expected)]
            if (blackout.begins, blackout.ends) != expected or open_at != [True, False, True]:
                wrong.append(f"{change.at} {day}: {blackout.begins} to {blackout.ends}, not {expected}")

    assert wrong == []


@pytest.mark.parametrize("zone", ZONES)
def test_no_night_of_the_change_is_left_without_an_opening(zone: str) -> None:
    """A window that is open for longer than any change lasts opens each day, and never for nothing."""
    for change in changes_of(zone):
        calendar = Calendar((Window(EVERY_DAY, time(22), time(4), zone),))
        spans = calendar.spans(change.at - 3 * DAY, change.at + 3 * DAY)
        lengths = [closes - opens for opens, closes in spans[1:-1]]

        assert len(spans) in {6, 7}
        assert all(4 * HOUR <= length <= 8 * HOUR for length in lengths), (change, lengths)
