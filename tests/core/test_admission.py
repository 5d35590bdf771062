"""When one more rotation may begin: the breakers, the backlog, and waves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rotator.core.admission import Admitted, Begun, Ledger, Limits, Wait, Wish, may_begin, may_begin_within
from rotator.core.agenda import place_of
from rotator.core.model import Policy, Reason, Wave
from tests.core.snapshots import NOON, ago

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIMITS = Limits()
PLAIN = Policy(name="prod")
WAVES = Policy(name="prod", wave=Wave(canary=2, size=4, spacing=5 * MINUTE))
URGENT = (Reason.REVOKED, Reason.UNKNOWN_VALUE)
ROUTINE = (Reason.EXPIRED, Reason.ORDERED)


def wish(policy: Policy = PLAIN, reason: Reason = Reason.EXPIRED, *, told: bool = False, overdue: float = 1) -> Wish:
    return Wish("billing", policy, reason, ago(overdue), told)


_NUMBERS = count(1)


def begun(
    minutes: float, good: bool | None = True, *, urgent: bool = False, policy: str = "prod", target: str = ""
) -> Begun:
    """A rotation that began so many minutes ago, and ended within seconds if it has ended."""
    at = NOON - minutes * MINUTE
    ended = None if good is None else at + timedelta(seconds=8)
    return Begun(target or f"t{next(_NUMBERS)}", policy, urgent, at, ended, good)


def ledger(*rotations: Begun, fleet: int = 100, known: float = 200, released: float | None = None) -> Ledger:
    """What began, oldest first; `known` in days and `released` in minutes before noon."""
    oldest_first = sorted(rotations, key=lambda each: each.at)
    return Ledger(oldest_first, fleet, ago(known), None if released is None else NOON - released * MINUTE)


def asked(what: Wish, known: Ledger, limits: Limits = LIMITS) -> Admitted | Wait:
    return may_begin_within(limits, what, known, NOON)


def waits(what: Wish, known: Ledger, limits: Limits = LIMITS) -> Wait:
    answer = asked(what, known, limits)
    assert isinstance(answer, Wait)
    return answer


def failures(number: int, *, last: float = 10) -> list[Begun]:
    """So many that failed, two minutes apart; the last of them began so many minutes ago."""
    return [begun(last + 2 * each, good=False) for each in range(number)]


# --- who never waits ------------------------------------------------------------------------------------------

EVERYTHING_IS_WRONG = ledger(*failures(9, last=1), *(begun(9, urgent=True) for _ in range(9)), fleet=9)


@pytest.mark.parametrize("reason", Reason)
def test_what_a_person_wants_now_is_always_admitted(reason: Reason) -> None:
    assert asked(wish(WAVES, reason, told=True), EVERYTHING_IS_WRONG) == Admitted()
    if reason is not Reason.MISSING:
        assert isinstance(asked(wish(WAVES, reason), EVERYTHING_IS_WRONG), Wait)


def test_what_vault_lacks_altogether_is_not_held_back() -> None:
    assert asked(wish(WAVES, Reason.MISSING), EVERYTHING_IS_WRONG) == Admitted()


def test_what_has_begun_is_the_same_beginning_and_goes_on() -> None:
    own = begun(3, None, target="billing")

    assert asked(wish(WAVES), replace(EVERYTHING_IS_WRONG, begun=[own, *EVERYTHING_IS_WRONG.begun])) == Admitted()


def test_what_has_begun_and_ended_asks_anew() -> None:
    own = begun(3, good=False, target="billing")

    assert isinstance(asked(wish(WAVES), replace(EVERYTHING_IS_WRONG, begun=[own, *EVERYTHING_IS_WRONG.begun])), Wait)


def test_what_began_more_than_a_day_ago_and_never_ended_asks_anew() -> None:
    forgotten = begun(24 * 60, None, target="billing")

    answer = asked(wish(WAVES), replace(EVERYTHING_IS_WRONG, begun=[forgotten, *EVERYTHING_IS_WRONG.begun]))

    assert isinstance(answer, Wait)


def test_with_nothing_before_it_anything_may_begin() -> None:
    for reason in Reason:
        assert asked(wish(WAVES, reason), ledger()) == Admitted()


# --- the breaker on amount ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", URGENT)
@pytest.mark.parametrize(
    ("begins", "fleet", "held"),
    [
        pytest.param(4, 9, False, id="a fifth may begin, in the smallest fleet"),
        pytest.param(5, 9, True, id="a sixth may not"),
        pytest.param(19, 1000, False, id="in a large fleet two per cent may"),
        pytest.param(20, 1000, True, id="and no more"),
        pytest.param(5, 320, False, id="a share of 6.4 is six"),
        pytest.param(6, 320, True, id="and not seven"),
        pytest.param(7, 350, True, id="one of seven is seven, whatever floating point makes of it"),
    ],
)
def test_so_many_urgent_ones_may_begin_within_an_hour(reason: Reason, begins: int, fleet: int, held: bool) -> None:
    answer = asked(wish(WAVES, reason), ledger(*(begun(20, urgent=True) for _ in range(begins)), fleet=fleet))

    assert isinstance(answer, Wait) is held


def test_a_wait_for_a_person_says_how_many_and_how_to_go_on() -> None:
    answer = waits(wish(reason=Reason.REVOKED), ledger(*(begun(20, urgent=True) for _ in range(6))))

    assert answer == Wait(
        None,
        "replaced within a day because they were revoked or unknown: 6; 5 may be",
        "Find out what revoked them; `rotator resume --all` lets them go on.",
        breaker="amount",
    )


def test_urgent_ones_of_more_than_a_day_ago_count_no_more() -> None:
    many = [begun(24 * 60, urgent=True) for _ in range(9)]

    assert asked(wish(reason=Reason.REVOKED), ledger(*many)) == Admitted()


def test_urgent_ones_from_before_the_release_count_no_more() -> None:
    many = ledger(*(begun(20, urgent=True) for _ in range(9)), released=20)

    assert asked(wish(reason=Reason.REVOKED), many) == Admitted()
    assert waits(wish(reason=Reason.REVOKED), replace(many, released_at=NOON - 21 * MINUTE)).breaker == "amount"


def test_urgent_ones_wait_for_neither_failures_nor_waves_nor_the_backlog() -> None:
    known = ledger(*failures(9, last=1), known=0.5)
    policy = replace(WAVES, backlog_spread=30 * DAY)

    assert asked(wish(policy, Reason.REVOKED), known) == Admitted()
    assert waits(wish(policy), known).breaker == "failures"


def test_routine_ones_do_not_wait_for_urgent_ones() -> None:
    assert asked(wish(), ledger(*(begun(20, urgent=True) for _ in range(9)))) == Admitted()


# --- the breaker on failures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ROUTINE)
def test_after_five_failures_in_a_row_routine_ones_wait_for_half_an_hour(reason: Reason) -> None:
    answer = waits(wish(reason=reason), ledger(*failures(5, last=10)))

    assert answer == Wait(
        NOON + 20 * MINUTE,
        "the last 5 rotations failed; one is tried at 12:20 UTC",
        "Find out why; `rotator resume --all` lets all go on at once.",
        breaker="failures",
    )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(failures(4), id="four are too few"),
        pytest.param([*failures(4), begun(9)], id="the last one went well"),
        pytest.param([begun(60), *failures(4)], id="the one before four went well"),
        pytest.param([begun(14), *failures(4)], id="one in their midst went well"),
        pytest.param([begun(15, None) for _ in range(9)], id="of the young ones nobody knows yet"),
    ],
)
def test_the_breaker_stays_closed(before: Sequence[Begun]) -> None:
    assert asked(wish(), ledger(*before)) == Admitted()


def test_how_many_failures_are_too_many_can_be_told() -> None:
    assert waits(wish(), ledger(*failures(2)), Limits(failures=2)).breaker == "failures"


def test_one_that_hangs_counts_as_failed() -> None:
    hanging = [begun(15.1 + each, None) for each in range(5)]

    assert waits(wish(), ledger(*hanging)).breaker == "failures"


def test_of_another_policy_they_count_as_well() -> None:
    elsewhere = [replace(each, policy="other") for each in failures(5)]

    assert waits(wish(), ledger(*elsewhere)).breaker == "failures"


def test_urgent_ones_that_failed_do_not_count() -> None:
    assert asked(wish(), ledger(*(replace(each, urgent=True) for each in failures(9)))) == Admitted()


def test_failures_from_before_the_release_count_no_more() -> None:
    assert asked(wish(), ledger(*failures(9), released=9)) == Admitted()


def test_failures_of_more_than_a_day_ago_count_no_more() -> None:
    assert asked(wish(), ledger(*failures(9, last=24 * 60))) == Admitted()


def test_half_an_hour_after_the_last_failure_one_is_tried() -> None:
    assert asked(wish(), ledger(*failures(5, last=30))) == Admitted()


def test_while_that_one_is_under_way_others_wait() -> None:
    answer = waits(wish(), ledger(*failures(5, last=35), begun(3, None)))

    assert (answer.until, answer.breaker) == (NOON + MINUTE, "failures")
    assert answer.why == "the last 5 rotations failed; another is under way and will tell"


@pytest.mark.parametrize(
    "tried",
    [pytest.param(begun(20, good=False), id="it failed"), pytest.param(begun(20, None), id="it hangs")],
)
def test_if_it_comes_to_nothing_the_next_is_tried_half_an_hour_after_it(tried: Begun) -> None:
    assert waits(wish(), ledger(*failures(5, last=50), tried)).until == NOON + 10 * MINUTE


def test_if_it_goes_well_all_go_on() -> None:
    assert asked(wish(), ledger(*failures(5, last=35), begun(3))) == Admitted()


# --- the backlog ----------------------------------------------------------------------------------------------

SPREAD = replace(PLAIN, backlog_spread=30 * DAY)
PLACE = place_of("billing")  # 0.049: a day and a half of thirty


def test_what_was_overdue_when_we_met_it_begins_at_its_own_place_in_the_spread() -> None:
    answer = waits(wish(SPREAD, overdue=9), ledger(known=1))

    assert answer.until == ago(1) + 30 * DAY * PLACE
    assert answer.breaker == ""
    assert asked(wish(SPREAD, overdue=9), ledger(known=30 * PLACE)) == Admitted()


@pytest.mark.parametrize(
    ("what", "known"),
    [
        pytest.param(wish(PLAIN, overdue=9), 1, id="without a spread"),
        pytest.param(wish(SPREAD, overdue=1), 1, id="what fell due when we met it"),
        pytest.param(wish(SPREAD, Reason.ORDERED, overdue=9), 1, id="an order"),
        pytest.param(wish(SPREAD, overdue=9), -400, id="met in a future that a clock has left behind"),
    ],
)
def test_everything_else_begins_when_it_is_due(what: Wish, known: float) -> None:
    assert asked(what, ledger(known=known)) == Admitted()


def test_the_clock_by_which_it_was_met_may_be_a_minute_ahead() -> None:
    met = replace(ledger(), known_since=NOON + MINUTE)

    assert waits(wish(SPREAD, overdue=9), met).until == NOON + MINUTE + 30 * DAY * PLACE
    assert asked(wish(SPREAD, overdue=9), replace(met, known_since=NOON + 2 * MINUTE)) == Admitted()


def test_a_backlog_is_spread_evenly() -> None:
    begins = [waits(replace(wish(SPREAD, overdue=9), target=f"t{n}"), ledger(known=0)).until for n in range(300)]

    days = [(at - NOON) // DAY for at in begins if at]
    assert set(days) == set(range(30))
    assert max(days.count(day) for day in range(30)) <= 25  # of 10 on average


# --- waves: how many ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "held_until"),
    [
        pytest.param([], None, id="the first one of a day is a canary"),
        pytest.param([begun(1)], None, id="there may be two"),
        pytest.param([begun(1), begun(2)], 3, id="and no third, though both have ended well"),
        pytest.param([begun(5), begun(5)], None, id="when the spacing is over the next wave begins"),
        pytest.param([begun(6), begun(1)], 4, id="not before every canary is in a wave before"),
        pytest.param([begun(6), begun(6), begun(3), begun(2), begun(1)], None, id="which holds four"),
        pytest.param([begun(6), begun(6), *(begun(each) for each in range(1, 5))], 1, id="and no fifth"),
        pytest.param([begun(6), begun(6), *(begun(each / 2) for each in range(1, 7))], 3, id="though six were let in"),
        pytest.param([begun(24 * 60), begun(24 * 60)], None, id="after a day without there may be two again"),
        pytest.param([begun(24 * 60), begun(24 * 60), begun(1), begun(1)], 4, id="and no third"),
    ],
)
def test_a_wave_holds_so_many(before: Sequence[Begun], held_until: float | None) -> None:
    answer = asked(wish(WAVES), ledger(*before))

    assert answer == Admitted() if held_until is None else isinstance(answer, Wait)
    if isinstance(answer, Wait):
        assert answer.until == NOON + held_until * MINUTE  # type: ignore[operator]
        assert answer.why.startswith("the wave of policy `prod` is full: ")


def test_a_policy_without_waves_has_none() -> None:
    assert asked(wish(PLAIN), ledger(*(begun(1) for _ in range(99)))) == Admitted()


def test_another_policy_and_urgent_ones_are_in_no_wave_of_it() -> None:
    others = [begun(1, policy="other") for _ in range(9)] + [begun(1, urgent=True) for _ in range(4)]

    assert asked(wish(WAVES), ledger(*others)) == Admitted()


def test_none_has_ended_well_so_there_is_a_canary_again() -> None:
    nobody_knows = [begun(61 + each, None) for each in range(4)]
    limits = Limits(failures=99)

    assert asked(wish(WAVES), ledger(*nobody_knows), limits) == Admitted()
    assert waits(wish(WAVES), ledger(*nobody_knows, begun(1), begun(1)), limits).until == NOON + 4 * MINUTE


# --- waves: one after the other -------------------------------------------------------------------------------

WELL = [begun(9), begun(9), begun(9)]


def test_the_next_wave_waits_while_one_of_the_wave_before_is_under_way() -> None:
    answer = waits(wish(WAVES), ledger(*WELL, begun(6, None, target="portal")))

    assert answer == Wait(NOON + MINUTE, "under way in the wave before it: `portal`")


@pytest.mark.parametrize(
    ("holding", "until"),
    [
        pytest.param(begun(6, good=False, target="portal"), 54, id="one failed"),
        pytest.param(begun(16, None, target="portal"), 44, id="one hangs"),
    ],
)
def test_it_waits_an_hour_for_one_that_failed_or_hangs(holding: Begun, until: float) -> None:
    answer = waits(wish(WAVES), ledger(*WELL, holding))

    assert answer == Wait(
        NOON + until * MINUTE,
        "failed or hanging in the wave before it: `portal`",
        "`rotator rotate portal` tries again at once.",
    )
    with_a_later_one = ledger(*WELL, holding, begun(5.5, good=False))
    assert waits(wish(WAVES), with_a_later_one).until == NOON + 54.5 * MINUTE
    an_hour_on = replace(holding, at=NOON - HOUR)
    assert asked(wish(WAVES), ledger(*WELL, an_hour_on)) == Admitted()


def test_it_goes_on_once_that_one_was_rotated_again_and_went_well() -> None:
    failed, again = begun(9, good=False, target="portal"), begun(2, target="portal")
    not_over = replace(again, good=None, ended_at=None)
    before_it = replace(again, at=NOON - 12 * MINUTE)

    assert asked(wish(WAVES), ledger(*WELL, failed, again)) == Admitted()
    for other in (not_over, before_it):
        assert (
            waits(wish(WAVES), ledger(*WELL, failed, other)).why == "failed or hanging in the wave before it: `portal`"
        )


def test_who_is_only_under_way_is_not_named_beside_who_failed() -> None:
    answer = waits(wish(WAVES), ledger(*WELL, begun(7, None), begun(6, good=False, target="portal")))

    assert answer.why == "failed or hanging in the wave before it: `portal`"


def test_it_goes_on_once_a_person_has_released_it() -> None:
    assert asked(wish(WAVES), ledger(*WELL, begun(6, good=False), released=6)) == Admitted()


def test_a_wave_that_has_begun_is_filled_though_one_in_it_failed() -> None:
    assert asked(wish(WAVES), ledger(*WELL, begun(1, good=False), begun(1, None))) == Admitted()


def test_a_long_list_of_who_holds_it_back_is_cut() -> None:
    answer = waits(wish(WAVES), ledger(*WELL, *(begun(6, None, target=f"t{each}") for each in "abcd")))

    assert answer.why == "under way in the wave before it: `ta`, `tb`, `tc` …"
    three = waits(wish(WAVES), ledger(*WELL, *(begun(6, None, target=f"t{each}") for each in "abc")))
    assert three.why == "under way in the wave before it: `ta`, `tb`, `tc`"


# --- which reason is told -------------------------------------------------------------------------------------


def test_the_first_reason_wins() -> None:
    policy = replace(WAVES, backlog_spread=30 * DAY)
    what, full = wish(policy, overdue=9), [begun(1), begun(1)]

    assert waits(what, ledger(*failures(5, last=3), known=0)).breaker == "failures"
    assert waits(what, ledger(*full, known=0)).why == "it was overdue when it was first seen, and the backlog is spread"
    assert waits(what, ledger(*full, begun(7, None))).why.startswith("under way in the wave before it")
    assert waits(what, ledger(*full)).why.startswith("the wave of policy `prod` is full")


# --- clocks ---------------------------------------------------------------------------------------------------


def test_what_a_clock_left_in_the_future_counts_for_nothing() -> None:
    future = [begun(-90, good=False), *(begun(-60 * 24 * 30, urgent=urgent) for urgent in (True, False) * 30)]

    assert asked(wish(WAVES), ledger(*future)) == Admitted()
    assert asked(wish(WAVES, Reason.REVOKED), ledger(*future)) == Admitted()


def test_a_release_that_lies_in_the_future_releases_nothing() -> None:
    assert waits(wish(), ledger(*failures(5), released=-60 * 24)).breaker == "failures"
    assert asked(wish(), ledger(*failures(5), released=-1)) == Admitted(), "another member may have written it"


def test_the_clock_of_another_member_may_be_some_seconds_ahead() -> None:
    assert waits(wish(WAVES), ledger(begun(-0.5), begun(-0.5))).until == NOON + 5.5 * MINUTE


# --- whatever has begun ---------------------------------------------------------------------------------------

WISHES = some.builds(
    wish,
    some.sampled_from([PLAIN, WAVES, SPREAD, replace(WAVES, backlog_spread=9 * DAY)]),
    some.sampled_from(Reason),
    told=some.booleans(),
    overdue=some.floats(0, 300),
)
ROTATIONS = some.builds(
    begun,
    some.floats(-3000, 3000),
    some.sampled_from([True, False, None]),
    urgent=some.booleans(),
    policy=some.sampled_from(["prod", "other"]),
    target=some.sampled_from(["", "billing", "portal"]),
)
LEDGERS = some.builds(
    lambda rotations, fleet, known, released: ledger(*rotations, fleet=fleet, known=known, released=released),
    some.lists(ROTATIONS, max_size=30),
    some.integers(0, 2000),
    some.floats(-40, 40),
    some.none() | some.floats(-3000, 3000),
)


@settings(max_examples=500, deadline=None)
@given(WISHES, LEDGERS)
def test_there_is_one_answer_and_no_wait_ends_in_the_past(what: Wish, known: Ledger) -> None:
    answer = asked(what, known)

    assert answer == asked(what, known)
    if isinstance(answer, Wait):
        assert not what.told
        assert answer.why
        assert answer.until is None or answer.until > NOON
        assert (answer.until is None) == (answer.breaker == "amount")
        assert answer.hint or not answer.breaker


@settings(max_examples=300, deadline=None)
@given(WISHES, LEDGERS, some.lists(ROTATIONS, max_size=4))
def test_urgent_ones_never_begin_because_more_of_them_have(what: Wish, known: Ledger, more: list[Begun]) -> None:
    what = replace(what, reason=Reason.REVOKED, target="nobody else")
    before = asked(what, known)

    after = asked(what, replace(known, begun=[*known.begun, *(replace(each, urgent=True) for each in more)]))

    assert not (isinstance(before, Wait) and isinstance(after, Admitted))


# --- five hundred ---------------------------------------------------------------------------------------------


def played(
    policy: Policy, number: int, lasting: Sequence[timedelta], failing: frozenset[int] = frozenset()
) -> list[Begun]:
    """Let so many ask one after the other, as soon as they may; each lasts its time, and some fail."""
    now, rotations = NOON, list[Begun]()
    while len(rotations) < number:
        rotations = [_ended(each, lasting, failing, now) for each in rotations]
        what = replace(wish(policy), target=f"t{len(rotations)}")
        answer = may_begin(what, Ledger(rotations, number, ago(9)), Limits(failures=number + 1), now)
        if isinstance(answer, Wait):
            assert answer.until
            now = answer.until
        else:
            rotations.append(Begun(what.target, policy.name, urgent=False, at=now))
            now += timedelta(seconds=1)
    return [_ended(each, lasting, failing, now + DAY) for each in rotations]


def _ended(one: Begun, lasting: Sequence[timedelta], failing: frozenset[int], now: datetime) -> Begun:
    number = int(one.target[1:])
    ends = one.at + lasting[number % len(lasting)]
    return one if now < ends else replace(one, ended_at=ends, good=number not in failing)


def in_doubt(rotations: Sequence[Begun], at: datetime) -> int:
    """Return how many had begun and not ended well."""
    return sum(each.at <= at and (not each.good or not each.ended_at or each.ended_at > at) for each in rotations)


@settings(max_examples=6, deadline=None)
@given(
    some.integers(1, 3),
    some.integers(3, 40),
    some.integers(1, 20),
    some.lists(some.integers(1, 600).map(lambda seconds: timedelta(seconds=seconds)), min_size=1, max_size=5),
)
def test_five_hundred_begin_in_waves_and_no_more_are_ever_in_doubt(
    canary: int, size: int, minutes: int, lasting: list[timedelta]
) -> None:
    shape = Wave(canary, size, minutes * MINUTE)

    rotations = played(Policy(name="prod", wave=shape), 500, lasting)

    assert len({each.target for each in rotations}) == 500
    for number, each in enumerate(rotations):
        within = [other for other in rotations[: number + 1] if other.at > each.at - shape.spacing]
        assert len(within) <= size
        assert in_doubt(rotations[: number + 1], each.at) <= size
    assert rotations[canary - 1].at - NOON < 4 * timedelta(seconds=1)
    canaries_over = max(each.ended_at or NOON for each in rotations[:canary])
    assert rotations[canary].at >= max(canaries_over, NOON + shape.spacing)


def test_a_failing_canary_stops_all_for_an_hour_and_then_there_is_another() -> None:
    rotations = played(WAVES, 12, [timedelta(seconds=8)], failing=frozenset({0, 1}))

    minutes = [(each.at - NOON) // MINUTE for each in rotations]
    assert minutes == [0, 0, 60, 60, *[65] * 4, *[70] * 4]
