"""Windows in the wall time of a zone, across changes of clocks; backoff."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core import backoff
from rotator.core.schedule import DAYS, Window, is_open, next_opening

OSLO = "Europe/Oslo"
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
    assert opens == next_opening((window,), now)


def test_of_several_windows_the_earliest_counts() -> None:
    windows = (
        Window(frozenset({"wed"}), time(9), time(10), "UTC"),
        Window(frozenset({"tue"}), time(9), time(10), "UTC"),
    )

    assert utc(2026, 6, 16, 9) == next_opening(windows, utc(2026, 6, 15, 12))


def test_without_windows_it_is_always_open() -> None:
    assert is_open((), utc(2026, 6, 15))


@given(
    some.sets(some.sampled_from(DAYS), min_size=1).map(frozenset),
    some.times().map(lambda t: t.replace(second=0, microsecond=0)),
    some.times().map(lambda t: t.replace(second=0, microsecond=0)),
    some.sampled_from([OSLO, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    some.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001
)
def test_an_opening_is_never_in_the_past_and_is_open(
    days: frozenset[str], since: time, until: time, zone: str, now: datetime
) -> None:
    window = Window(days, since, until, zone)

    opens = next_opening((window,), now)

    assert opens >= now
    assert is_open((window,), opens)


def test_backoff_grows_to_six_hours_and_is_never_zero() -> None:
    delays = [backoff.delay(tries) for tries in range(1, 30)]

    assert delays == sorted(delays)
    assert timedelta(seconds=1) == delays[0]
    assert timedelta(hours=6) == delays[-1]
    assert backoff.delay(0, 0.0) == timedelta(seconds=0.5)
