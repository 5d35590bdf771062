"""Windows in the wall time of a zone, across changes of clocks; backoff."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core import backoff
from rotator.core.schedule import DAYS, Blackout, Calendar, Window

OSLO, NEW_YORK, LORD_HOWE = "Europe/Oslo", "America/New_York", "Australia/Lord_Howe"  # the last by half an hour
SAO_PAULO, HAVANA, APIA = "America/Sao_Paulo", "America/Havana", "Pacific/Apia"  # clocks that change at midnight
EVERY_DAY = frozenset(DAYS)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        pytest.param(
            Window(frozenset({"mon"}), time(9), time(16), "UTC"),
            utc(2026, 6, 15, 12),
            utc(2026, 6, 15, 12),
            id="inside a window it is open now",
        ),
        pytest.param(
            Window(frozenset({"mon"}), time(9), time(16), "UTC"),
            utc(2026, 6, 15, 16),
            utc(2026, 6, 22, 9),
            id="at its end it is closed until next week",
        ),
        pytest.param(
            Window(EVERY_DAY, time(9), time(16), OSLO),
            utc(2026, 6, 15, 6, 30),
            utc(2026, 6, 15, 7),
            id="nine in Oslo is seven in summer",
        ),
        pytest.param(
            Window(EVERY_DAY, time(9), time(16), OSLO),
            utc(2026, 12, 15, 6, 30),
            utc(2026, 12, 15, 8),
            id="and eight in winter",
        ),
        pytest.param(
            Window(frozenset({"sat"}), time(22), time(4), OSLO),
            utc(2026, 3, 29, 0, 30),
            utc(2026, 3, 29, 0, 30),
            id="a night that loses an hour is open until its end",
        ),
        pytest.param(
            Window(frozenset({"sat"}), time(22), time(4), OSLO),
            utc(2026, 3, 29, 2, 0),
            utc(2026, 4, 4, 20),
            id="which comes an hour earlier",
        ),
        pytest.param(
            Window(frozenset({"sat"}), time(22), time(4), OSLO),
            utc(2026, 10, 25, 2, 30),
            utc(2026, 10, 25, 2, 30),
            id="a night that gains an hour is open an hour longer",
        ),
        pytest.param(
            Window(frozenset({"sun"}), time(2, 15), time(2, 45), OSLO),
            utc(2026, 3, 28, 12),
            utc(2026, 3, 29, 1, 15),
            id="a window in the hour that does not exist opens as far after midnight as its name says",
        ),
        pytest.param(
            Window(frozenset({"fri"}), time(23), time(1), "UTC"),
            utc(2026, 6, 20, 0, 30),
            utc(2026, 6, 20, 0, 30),
            id="past midnight it still belongs to the day on which it opened",
        ),
    ],
)
def test_next_opening(window: Window, now: datetime, opens: datetime) -> None:
    assert opens == Calendar((window,)).next_opening(now)


def test_of_several_windows_the_earliest_counts() -> None:
    windows = (
        Window(frozenset({"wed"}), time(9), time(10), "UTC"),
        Window(frozenset({"tue"}), time(9), time(10), "UTC"),
    )

    assert utc(2026, 6, 16, 9) == Calendar(windows).next_opening(utc(2026, 6, 15, 12))


def test_without_windows_it_is_always_open() -> None:
    assert Calendar().is_open(utc(2026, 6, 15))


# --- windows in the hour that is skipped, and in the one that comes twice --------------------------------------


@pytest.mark.parametrize(
    ("zone", "since", "until", "day", "opens", "closes"),
    [
        pytest.param(
            OSLO, time(2, 30), time(4), utc(2026, 3, 29), utc(2026, 3, 29, 1, 30), utc(2026, 3, 29, 2),
            id="Oslo, begins"
        ),
        pytest.param(
            OSLO, time(1), time(2, 30), utc(2026, 3, 29), utc(2026, 3, 29), utc(2026, 3, 29, 1, 30), id="Oslo, ends"
        ),
        pytest.param(
            NEW_YORK, time(2, 30), time(4), utc(2026, 3, 8, 5), utc(2026, 3, 8, 7, 30), utc(2026, 3, 8, 8),
            id="New York, begins"
        ),
        pytest.param(
            LORD_HOWE, time(2, 15), time(4), utc(2026, 10, 3, 14), utc(2026, 10, 3, 15, 45), utc(2026, 10, 3, 17),
            id="Lord Howe, begins"
        ),
        pytest.param(
            SAO_PAULO, time(0), time(2), utc(2018, 11, 4, 2), utc(2018, 11, 4, 3), utc(2018, 11, 4, 4),
            id="São Paulo, begins at a midnight that is not"
        ),
    ],
)  # fmt: skip
def test_in_the_skipped_hour_a_time_is_as_far_after_midnight_as_its_name_says(
    zone: str, since: time, until: time, day: datetime, opens: datetime, closes: datetime
) -> None:
    calendar = Calendar((Window(EVERY_DAY, since, until, zone),))

    assert calendar.next_opening(day) == opens
    assert calendar.is_open(closes - timedelta(seconds=1))
    assert not calendar.is_open(closes)


@pytest.mark.parametrize(
    ("zone", "since", "until", "day", "opens", "closes"),
    [
        pytest.param(
            OSLO, time(2, 30), time(4), utc(2026, 10, 24, 23), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 3),
            id="Oslo, begins"
        ),
        pytest.param(
            OSLO, time(1), time(2, 30), utc(2026, 10, 24, 22), utc(2026, 10, 24, 23), utc(2026, 10, 25, 0, 30),
            id="Oslo, ends"
        ),
        pytest.param(
            NEW_YORK, time(1, 15), time(1, 45), utc(2026, 11, 1, 4), utc(2026, 11, 1, 5, 15), utc(2026, 11, 1, 5, 45),
            id="New York, within it"
        ),
        pytest.param(
            LORD_HOWE, time(1, 45), time(3), utc(2026, 4, 4, 14), utc(2026, 4, 4, 14, 45), utc(2026, 4, 4, 16, 30),
            id="Lord Howe, begins"
        ),
        pytest.param(
            HAVANA, time(0, 30), time(2), utc(2026, 11, 1, 4), utc(2026, 11, 1, 4, 30), utc(2026, 11, 1, 7),
            id="Havana, begins after a midnight that comes twice"
        ),
    ],
)  # fmt: skip
def test_a_time_that_comes_twice_is_meant_the_first_time(
    zone: str, since: time, until: time, day: datetime, opens: datetime, closes: datetime
) -> None:
    calendar = Calendar((Window(EVERY_DAY, since, until, zone),))

    assert calendar.next_opening(day) == opens
    assert calendar.is_open(closes - timedelta(seconds=1))
    assert not calendar.is_open(closes)


def test_a_window_that_would_end_before_it_begins_does_not_open_that_day() -> None:
    calendar = Calendar((Window(EVERY_DAY, time(2, 30), time(3, 15), OSLO),))

    assert calendar.next_opening(utc(2026, 3, 29)) == utc(2026, 3, 30, 0, 30)


def test_nor_does_one_that_lasts_just_the_hour_that_is_skipped() -> None:
    calendar = Calendar((Window(EVERY_DAY, time(2), time(3), OSLO),))

    assert calendar.next_opening(utc(2026, 3, 29)) == utc(2026, 3, 30)


# --- blackouts ------------------------------------------------------------------------------------------------


def shut(first: tuple[int, int, int], last: tuple[int, int, int], zone: str = OSLO) -> Blackout:
    return Blackout(date(*first), date(*last), zone)


CHRISTMAS = shut((2026, 12, 20), (2027, 1, 3))
OFFICE = Window(frozenset({"mon", "tue", "wed", "thu"}), time(9), time(16), OSLO)


@pytest.mark.parametrize(
    ("calendar", "now", "opens"),
    [
        pytest.param(
            Calendar((), (CHRISTMAS,)), utc(2026, 12, 19, 22, 59), utc(2026, 12, 19, 22, 59), id="the minute before"
        ),
        pytest.param(
            Calendar((), (CHRISTMAS,)), utc(2026, 12, 19, 23), utc(2027, 1, 3, 23), id="from midnight to midnight"
        ),
        pytest.param(
            Calendar((), (CHRISTMAS,)), utc(2027, 1, 3, 23), utc(2027, 1, 3, 23), id="open when the last day is over"
        ),
        pytest.param(
            Calendar((OFFICE,), (CHRISTMAS,)), utc(2026, 12, 24, 9), utc(2027, 1, 4, 8), id="the first window after it"
        ),
        pytest.param(
            Calendar((OFFICE,), (CHRISTMAS,)), utc(2026, 12, 17, 16), utc(2027, 1, 4, 8), id="between the two"
        ),
        pytest.param(
            Calendar((OFFICE,), (shut((2027, 1, 4), (2027, 1, 4)), CHRISTMAS)), utc(2026, 12, 24), utc(2027, 1, 5, 8),
            id="one after the other, in any order"
        ),
        pytest.param(
            Calendar((), (shut((2026, 12, 24), (2027, 2, 1)), CHRISTMAS)), utc(2026, 12, 24), utc(2027, 2, 1, 23),
            id="the longer of two at the same time"
        ),
        pytest.param(
            Calendar((OFFICE,), (shut((2026, 6, 15), (2026, 9, 30)),)), utc(2026, 6, 15, 8), utc(2026, 10, 1, 7),
            id="far longer than a week"
        ),
        pytest.param(
            Calendar((Window(EVERY_DAY, time(22), time(4), OSLO),), (shut((2026, 6, 16), (2026, 6, 16)),)),
            utc(2026, 6, 15, 22), utc(2026, 6, 16, 22), id="of a night what is not in it stays open"
        ),
        pytest.param(
            Calendar((OFFICE,), (shut((2026, 6, 16), (2026, 6, 16), "Pacific/Kiritimati"),)),
            utc(2026, 6, 15, 9), utc(2026, 6, 15, 9), id="before a day that is another one elsewhere"
        ),
        pytest.param(
            Calendar((OFFICE,), (shut((2026, 6, 16), (2026, 6, 16), "Pacific/Kiritimati"),)),
            utc(2026, 6, 15, 10), utc(2026, 6, 16, 10), id="and in it"
        ),
    ],
)  # fmt: skip
def test_a_blackout_closes_whole_days(calendar: Calendar, now: datetime, opens: datetime) -> None:
    assert calendar.next_opening(now) == opens
    assert calendar.is_open(now) is (now == opens)


@pytest.mark.parametrize(
    ("zone", "day", "begins", "ends"),
    [
        pytest.param(OSLO, (2026, 3, 29), utc(2026, 3, 28, 23), utc(2026, 3, 29, 22), id="Oslo, 23 hours"),
        pytest.param(OSLO, (2026, 10, 25), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23), id="Oslo, 25 hours"),
        pytest.param(NEW_YORK, (2026, 3, 8), utc(2026, 3, 8, 5), utc(2026, 3, 9, 4), id="New York, 23 hours"),
        pytest.param(NEW_YORK, (2026, 11, 1), utc(2026, 11, 1, 4), utc(2026, 11, 2, 5), id="New York, 25 hours"),
        pytest.param(LORD_HOWE, (2026, 10, 4), utc(2026, 10, 3, 13, 30), utc(2026, 10, 4, 13), id="Lord Howe, 23½"),
        pytest.param(LORD_HOWE, (2026, 4, 5), utc(2026, 4, 4, 13), utc(2026, 4, 5, 13, 30), id="Lord Howe, 24½"),
        pytest.param(SAO_PAULO, (2018, 11, 4), utc(2018, 11, 4, 3), utc(2018, 11, 5, 2), id="São Paulo, no midnight"),
        pytest.param(SAO_PAULO, (2018, 2, 17), utc(2018, 2, 17, 2), utc(2018, 2, 18, 3), id="São Paulo, 25 hours"),
        pytest.param(HAVANA, (2026, 11, 1), utc(2026, 11, 1, 4), utc(2026, 11, 2, 5), id="Havana, its midnight twice"),
        pytest.param(HAVANA, (2026, 10, 31), utc(2026, 10, 31, 4), utc(2026, 11, 1, 4), id="Havana, up to the first"),
        pytest.param(APIA, (2011, 12, 30), utc(2011, 12, 30, 10), utc(2011, 12, 30, 10), id="Apia, a day that was not"),
    ],
)  # fmt: skip
def test_a_day_lasts_from_its_first_midnight_to_that_of_the_next(
    zone: str, day: tuple[int, int, int], begins: datetime, ends: datetime
) -> None:
    calendar = Calendar((), (shut(day, day, zone),))
    moment = timedelta(seconds=1)

    assert calendar.next_opening(begins) == ends
    assert calendar.is_open(begins - moment)
    assert calendar.is_open(ends)
    assert calendar.is_open(ends - moment) is (begins == ends)


# --- whatever the calendar ------------------------------------------------------------------------------------


ZONES = some.sampled_from([OSLO, NEW_YORK, LORD_HOWE, SAO_PAULO, HAVANA, APIA, "Asia/Kathmandu", "UTC"])
TIMES = some.times().map(lambda at: at.replace(second=0, microsecond=0))
WINDOWS = some.builds(Window, some.sets(some.sampled_from(DAYS), min_size=1).map(frozenset), TIMES, TIMES, ZONES)
BLACKOUTS = some.builds(
    lambda first, days, zone: Blackout(first, first + timedelta(days=days), zone),
    some.dates(date(2025, 1, 1), date(2026, 12, 31)),
    some.integers(0, 200),
    ZONES,
)
MOMENTS = some.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


@given(some.lists(WINDOWS, max_size=3), some.lists(BLACKOUTS, max_size=4), MOMENTS)
def test_an_opening_is_the_first_one_and_is_open(
    windows: list[Window], blackouts: list[Blackout], now: datetime
) -> None:
    calendar = Calendar(windows, blackouts)

    opens = calendar.next_opening(now)

    assert opens >= now
    assert calendar.is_open(opens)
    assert not any(each.begins <= opens < each.ends for each in blackouts)
    assert not any(calendar.is_open(now + (opens - now) * part / 7) for part in range(7) if opens > now)
    assert Calendar(windows).next_opening(opens) == opens


def test_backoff_grows_to_six_hours_and_is_never_zero() -> None:
    delays = [backoff.delay(tries) for tries in range(1, 30)]

    assert delays == sorted(delays)
    assert timedelta(seconds=1) == delays[0]
    assert timedelta(hours=6) == delays[-1]
    assert backoff.delay(0, 0.0) == timedelta(seconds=0.5)


def test_of_a_time_that_begins_and_ends_with_a_blackout_nothing_is_left_over() -> None:
    dark = Calendar((), [Blackout(date(2026, 1, 10), date(2026, 1, 10), "UTC")])

    assert dark.spans(utc(2026, 1, 10), utc(2026, 1, 11)) == ()
    assert dark.spans(utc(2026, 1, 10), utc(2026, 1, 12)) == ((utc(2026, 1, 11), utc(2026, 1, 12)),)


@given(
    windows=some.lists(
        some.builds(
            Window,
            some.frozensets(some.sampled_from(DAYS), min_size=1),
            some.times(),
            some.times(),
            some.sampled_from([OSLO, NEW_YORK, LORD_HOWE, SAO_PAULO, APIA, "UTC"]),
        ),
        max_size=3,
    ),
    blackouts=some.lists(
        some.builds(
            lambda first, days: Blackout(first, first + timedelta(days=days), OSLO),
            some.dates(date(2026, 1, 1), date(2026, 4, 1)),
            some.integers(0, 20),
        ),
        max_size=3,
    ),
    hours=some.lists(some.floats(0, 24 * 79), min_size=1, max_size=20),
)
def test_the_spans_of_a_time_are_when_it_is_open(
    windows: list[Window], blackouts: list[Blackout], hours: list[float]
) -> None:
    calendar, since, until = Calendar(windows, blackouts), utc(2026, 1, 10), utc(2026, 3, 31)
    spans = calendar.spans(since, until)

    assert list(spans) == sorted(spans)
    assert all(since <= opens < closes <= until for opens, closes in spans)
    edges = [edge for span in spans for edge in span if edge < until]
    for moment in [*(since + timedelta(hours=each) for each in hours), *edges]:
        assert calendar.is_open(moment) is any(opens <= moment < closes for opens, closes in spans)
