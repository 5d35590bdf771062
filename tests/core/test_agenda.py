"""When to look next: what ends a rest, what spreads the looks, how failures wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.store_leases import LASTING
from rotator.core import backoff
from rotator.core.actions import Block, Blocked, Rest, Waiting
from rotator.core.agenda import (
    BUSY,
    LONGEST_LIMIT,
    SPREAD,
    Entry,
    Pace,
    State,
    digest_of,
    digests_of,
    is_due,
    next_entry,
    place_of,
)
from rotator.core.model import Policy
from rotator.core.schedule import DAYS, Blackout, Window
from rotator.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    InvariantError,
    RateLimitedError,
    RefusedError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)
from tests.core.snapshots import NOON, TARGET

if TYPE_CHECKING:
    from rotator.core.actions import Ending
    from rotator.errors import RotatorError

PACE = Pace()
FRESH = Entry(NOON)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
WINDOWED = replace(TARGET, policy=Policy(windows=(Window(frozenset(DAYS), time(9), time(9, 2), "UTC"),)))
NOTHING = Rest(None, Waiting.TOLD)


def after(
    ending: Ending | RotatorError,
    *,
    before: Entry = FRESH,
    now: datetime = NOON,
    spread: float = 1.0,
    pace: Pace = PACE,
    name: str = "billing",
) -> Entry:
    return next_entry(replace(TARGET, name=name), ending, before=before, now=now, pace=pace, spread=spread)


# --- rests ----------------------------------------------------------------------------------------------------


def test_each_target_is_looked_at_once_in_every_resync_at_a_moment_of_its_own() -> None:
    looks = [after(NOTHING, name=f"t{n}").at for n in range(500)]

    assert all(timedelta(0) < at - NOON <= DAY for at in looks)
    hours = [int((at - NOON) / HOUR) for at in looks]
    assert max(hours.count(hour) for hour in range(24)) <= 50  # of 21 on average


def test_a_restart_does_not_move_that_moment() -> None:
    planned = after(NOTHING).at

    assert after(NOTHING, now=planned - MINUTE).at == planned
    assert after(NOTHING, now=planned).at == planned + DAY


@pytest.mark.parametrize("waiting", [Waiting.NEXT_ROTATION, Waiting.OVERLAP, Waiting.SOAK])
def test_a_rest_that_ends_within_the_resync_is_looked_at_when_it_ends_or_minutes_later(waiting: Waiting) -> None:
    ends = NOON + MINUTE

    looks = [after(Rest(ends, waiting), name=f"t{n}").at for n in range(100)]

    assert all(ends <= at < ends + SPREAD for at in looks if at - NOON < 10 * MINUTE)
    assert len({*looks}) == len(looks)


def test_a_maintenance_window_is_met_when_it_opens_since_it_may_be_short() -> None:
    opens = NOON + MINUTE

    for waiting in (Waiting.WINDOW, Waiting.NEXT_ROTATION):
        entry = next_entry(WINDOWED, Rest(opens, waiting), before=FRESH, now=NOON, pace=PACE, spread=1.0)
        assert entry.at == opens


def test_the_end_of_a_blackout_is_met_by_all_within_minutes_where_no_window_bounds_it() -> None:
    dark, opens = Blackout(date(2026, 6, 15), date(2026, 6, 15), "UTC"), NOON + 12 * HOUR
    anywhen = replace(TARGET, policy=Policy(blackouts=(dark,)))
    in_window = replace(WINDOWED, policy=replace(WINDOWED.policy, blackouts=(dark,)))
    wait = Rest(opens, Waiting.WINDOW)

    looks = [
        next_entry(replace(each, name="t2"), wait, before=FRESH, now=opens - SECOND, pace=PACE, spread=1.0).at - opens
        for each in (anywhen, in_window)
    ]

    assert timedelta(0) < looks[0] < SPREAD
    assert looks[1] == timedelta(0)


@pytest.mark.parametrize("waiting", [Waiting.ATTEMPT, Waiting.VERIFICATION])
def test_what_is_under_way_is_looked_at_at_once_when_its_wait_ends_and_before_others(waiting: Waiting) -> None:
    entry = after(Rest(NOON + 4 * SECOND, waiting))

    assert entry == Entry(NOON + 4 * SECOND, State.WORKING, soon=True)


@pytest.mark.parametrize("waiting", [Waiting.WINDOW, Waiting.SLOT, Waiting.ATTEMPT, Waiting.NEXT_ROTATION])
def test_a_time_that_has_come_already_makes_no_tight_loop(waiting: Waiting) -> None:
    assert after(Rest(NOON - HOUR, waiting)).at >= NOON + SECOND


def test_what_is_paused_is_looked_at_with_the_resync() -> None:
    entry = after(Rest(None, Waiting.PAUSED, "ops"))

    assert (entry.state, entry.at) == (State.PAUSED, after(NOTHING).at)


@pytest.mark.parametrize(
    ("waiting", "state"), [(Waiting.TURN, State.QUEUED), (Waiting.BREAKER, State.STOPPED)], ids=["queue", "breaker"]
)
@pytest.mark.parametrize(
    ("until", "at"),
    [
        pytest.param(NOON + 10 * MINUTE, NOON + 10 * MINUTE, id="when the gate said"),
        pytest.param(NOON - MINUTE, NOON + SECOND, id="at once if that has come"),
        pytest.param(None, NOON + HOUR, id="within the hour where a person is waited for"),
        pytest.param(NOON + 9 * DAY, NOON + DAY, id="no later than the furthest that is planned"),
    ],
)
def test_who_is_held_back_asks_again(waiting: Waiting, state: State, until: datetime | None, at: datetime) -> None:
    assert after(Rest(until, waiting)) == Entry(at, state)


def test_a_rest_ends_all_failures() -> None:
    assert after(NOTHING, before=Entry(NOON, State.PARKED, failures=20)).failures == 0


# --- what needs a person --------------------------------------------------------------------------------------


def test_a_blocked_target_is_looked_at_again_within_the_hour() -> None:
    looks = [after(Blocked(Block.TWO_ACTIVE, "", ""), spread=spread).at - NOON for spread in (0.0, 0.5, 1.0)]

    assert looks == [HOUR, 57 * MINUTE, 54 * MINUTE]


@pytest.mark.parametrize("error", [RefusedError("no"), InvariantError("?"), ConfigError(["no key"])])
def test_where_only_a_person_helps_the_first_wait_is_a_minute(error: RotatorError) -> None:
    assert after(error).at == NOON + MINUTE


# --- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [UnavailableError("away"), SealedError("sealed"), UnknownOutcomeError("lost"), ConflictError("late")]
)
def test_failures_in_a_row_wait_longer_and_longer_up_to_six_hours(error: RotatorError) -> None:
    entry, waits = FRESH, []
    for _ in range(backoff.ROWS + 2):
        entry = after(error, before=entry)
        waits.append(entry.at - NOON)

    assert waits[:4] == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]
    assert waits[-3:] == [6 * HOUR] * 3
    assert waits == sorted(waits)


def test_at_the_end_of_the_table_a_target_is_parked() -> None:
    almost = after(UnavailableError("away"), before=Entry(NOON, State.FAILING, failures=backoff.ROWS - 2))
    parked = after(UnavailableError("away"), before=almost)

    assert (almost.state, parked.state) == (State.FAILING, State.PARKED)


def test_jitter_falls_in_the_upper_half_of_the_wait() -> None:
    assert after(RefusedError("no"), spread=0.0).at == NOON + MINUTE / 2


def test_a_rate_limit_is_waited_for_and_counts_as_no_failure() -> None:
    before = Entry(NOON, State.FAILING, failures=3, soon=True)

    entry = after(RateLimitedError("429", retry_at=NOON + 42 * SECOND), before=before)

    assert entry == Entry(NOON + 42 * SECOND, State.FAILING, failures=3, soon=True)


def test_no_header_makes_us_wait_for_longer_than_an_hour() -> None:
    assert after(RateLimitedError("429", retry_at=NOON + 9 * DAY)).at == NOON + LONGEST_LIMIT


def test_a_rate_limit_without_a_time_is_a_failure_like_any_other() -> None:
    assert after(RateLimitedError("429")).failures == 1


def test_whoever_is_busy_elsewhere_is_looked_at_again_within_seconds() -> None:
    entry = after(BusyError("process 7"), before=Entry(NOON, State.FAILING, failures=2))

    assert entry == Entry(NOON + BUSY, State.BUSY, failures=2)
    assert timedelta(seconds=30) - LASTING > BUSY, "a dead holder's target is taken over within half a minute"


# --- clocks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "due"),
    [
        pytest.param(NOON, True, id="a time that has come"),
        pytest.param(NOON - DAY, True, id="a time in a night that was slept through"),
        pytest.param(NOON + SECOND, False, id="a time to come"),
        pytest.param(NOON + PACE.furthest, False, id="the furthest that is planned"),
        pytest.param(NOON + 2 * DAY, True, id="a time that only a clock since put back can have planned"),
    ],
)
def test_due_is_what_has_come_or_cannot_have_been_planned(at: datetime, due: bool) -> None:
    assert is_due(Entry(at), NOON, PACE) is due


@pytest.mark.parametrize("pace", [PACE, Pace(resync=SECOND), Pace(resync=7 * DAY)], ids=["usual", "short", "long"])
@pytest.mark.parametrize(
    "ending",
    [
        NOTHING,
        Rest(NOON + 400 * DAY, Waiting.NEXT_ROTATION),
        Blocked(Block.CAP, "", ""),
        BusyError("held"),
        RateLimitedError("429", retry_at=NOON + 9 * DAY),
        RefusedError("no"),
    ],
    ids=["nothing", "far away", "blocked", "busy", "limited", "refused"],
)
def test_no_plan_is_taken_for_one_of_a_clock_that_was_put_back(pace: Pace, ending: Ending | RotatorError) -> None:
    entry = after(ending, pace=pace, before=Entry(NOON, State.PARKED, failures=99))

    assert NOON < entry.at <= NOON + pace.furthest
    assert not is_due(entry, NOON, pace)


def test_a_place_is_the_same_in_every_process_and_places_are_spread() -> None:
    places = [place_of(f"t{n}") for n in range(1000)]

    assert place_of("billing") == pytest.approx(0.04916, abs=1e-5)
    assert all(0 <= place < 1 for place in places)
    assert 0.45 < sum(places) / 1000 < 0.55


# --- what a target's configuration comes to -------------------------------------------------------------------


def test_the_digest_of_a_configuration_is_the_same_in_every_process_and_of_no_other() -> None:
    days = ["sat", "sun", "mon", "tue"]
    same, other_way_round = (
        replace(WINDOWED, policy=Policy(windows=(Window(frozenset(some), time(9), time(17), "UTC"),)))
        for some in (days, days[::-1])
    )
    others = [
        TARGET,
        replace(TARGET, name="b"),
        replace(TARGET, hooks=("one", "two")),
        replace(TARGET, hooks=("two", "one")),
        replace(TARGET, policy=replace(TARGET.policy, daily_cap=9)),
        WINDOWED,
        same,
    ]

    assert len(digest_of(TARGET)) == 16
    assert digest_of(same) == digest_of(other_way_round)
    assert len({digest_of(each) for each in others}) == len(others)
    assert digests_of(others[:3]) == {"billing": digest_of(others[2]), "b": digest_of(others[1])}
