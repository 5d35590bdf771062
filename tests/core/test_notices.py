"""Which notices are due after a look, given what was told before; and what they look like."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.notice_text import LISTED, LONGEST, Message, message_of, title_of, trial
from rotator.core.notices import (
    LARGEST_DIGEST,
    Happened,
    Kind,
    Notice,
    Route,
    Rules,
    Said,
    Sight,
    Standing,
    Subject,
    Verdict,
    decide,
    how_many,
)
from tests.fakes.okta import NOON

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BILLING = Subject("billing", "acme", "0oa1", "prod")
ALL = Rules((Route("ops"),))
FULL = Said("SLOTS_FULL", "both slots taken", "Free one.")


def blocked(said: Said = FULL, at: timedelta = timedelta(0)) -> Sight:
    return Sight(BILLING, NOON + at, {Kind.BLOCKED: said}, frozenset({Kind.FAILED, Kind.IN_USE}))


def well(at: timedelta = HOUR) -> Sight:
    return Sight(BILLING, NOON + at, over=frozenset({Kind.FAILED, Kind.BLOCKED, Kind.IN_USE}))


def rotated(what: str = "r1", *, witnessed: bool = True) -> Sight:
    return replace(well(), happened=(Happened(Kind.ROTATED, Said(what, "it is out"), witnessed),))


def standing(kind: Kind = Kind.BLOCKED, what: str = "SLOTS_FULL", **changes: object) -> Standing:
    return replace(Standing("billing", kind, what, NOON, NOON, NOON), **changes)  # type: ignore[arg-type]


def kinds(verdict: Verdict) -> list[Kind]:
    return [notice.kind for _, notice in verdict.notices]


# --- what lasts -------------------------------------------------------------------------------------------------


def test_what_begins_is_told_and_remembered() -> None:
    verdict = decide((), blocked(), ALL)

    ((channel, notice),) = verdict.notices
    assert (channel, notice.kind, notice.detail, notice.hint) == ("ops", Kind.BLOCKED, "both slots taken", "Free one.")
    assert verdict.keep == (standing(),)


def test_what_lasts_is_not_told_again_before_its_time() -> None:
    verdict = decide([standing(seen_at=NOON + DAY - HOUR)], blocked(at=DAY - timedelta(minutes=58)), ALL)

    assert not verdict


def test_what_lasts_is_told_again_after_its_time_with_its_beginning() -> None:
    verdict = decide([standing(since=NOON - DAY)], blocked(at=DAY), ALL)

    ((_, notice),) = verdict.notices
    assert notice.since == NOON - DAY
    assert verdict.keep[0].told_at == NOON + DAY


def test_that_it_still_lasts_is_noted_now_and_then() -> None:
    verdict = decide([standing()], blocked(at=HOUR), ALL)

    assert verdict.notices == ()
    assert verdict.keep == (standing(seen_at=NOON + HOUR),)


def test_another_cause_is_told_at_once() -> None:
    verdict = decide([standing()], blocked(Said("HIDDEN", "hidden by Okta"), HOUR), ALL)

    assert kinds(verdict) == [Kind.BLOCKED]
    assert verdict.keep[0].since == NOON + HOUR


def test_a_time_in_the_future_is_no_reason_to_be_silent_for_ever() -> None:
    assert kinds(decide([standing(told_at=NOON + 400 * DAY)], blocked(), ALL)) == [Kind.BLOCKED]


# --- its end ----------------------------------------------------------------------------------------------------


def test_its_end_is_told_once() -> None:
    verdict = decide([standing()], well(), ALL)

    ((_, notice),) = verdict.notices
    assert (notice.kind, notice.of, notice.since) == (Kind.RECOVERED, Kind.BLOCKED, NOON)
    assert verdict.drop == {Kind.BLOCKED}
    assert not decide((), well(), ALL)


def test_nothing_has_recovered_while_something_else_is_wrong() -> None:
    turned = decide([standing(Kind.FAILED, "Create: RefusedError")], blocked(), ALL)
    also_late = decide([standing(), standing(Kind.LATE, "rotation")], well(), ALL)

    assert kinds(turned) == [Kind.BLOCKED]
    assert kinds(also_late) == []
    assert turned.drop == {Kind.FAILED}


def test_what_ends_at_the_same_time_is_told_as_one() -> None:
    verdict = decide([standing(), standing(Kind.IN_USE, "IN_USE", since=NOON + HOUR)], well(2 * HOUR), ALL)

    ((_, notice),) = verdict.notices
    assert notice.detail == "no longer blocked and in use"
    assert notice.of is Kind.IN_USE


def test_what_was_only_announced_ends_in_silence() -> None:
    sight = Sight(BILLING, NOON, over=frozenset({Kind.UPCOMING}))

    verdict = decide([standing(Kind.UPCOMING, "2026-01-01")], sight, ALL)

    assert kinds(verdict) == []
    assert verdict.drop == {Kind.UPCOMING}


def test_a_look_that_saw_nothing_ends_nothing() -> None:
    assert not decide([standing()], Sight(BILLING, NOON), ALL)


# --- what happened ----------------------------------------------------------------------------------------------


def test_what_happened_is_told_once() -> None:
    first = decide((), rotated(), ALL)

    assert kinds(first) == [Kind.ROTATED]
    assert not decide(first.keep, rotated(), ALL)
    assert kinds(decide(first.keep, rotated("r2"), ALL)) == [Kind.ROTATED]


def test_what_nobody_saw_happen_is_told_only_if_something_before_it_is_known() -> None:
    unknown = decide((), rotated(witnessed=False), ALL)

    assert (kinds(unknown), unknown.keep[0].what) == ([], "r1")
    assert kinds(decide(unknown.keep, rotated("r2", witnessed=False), ALL)) == [Kind.ROTATED]


# --- whom -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (Route("c"), True),
        (Route("c", frozenset({Kind.BLOCKED})), True),
        (Route("c", frozenset({Kind.ROTATED})), False),
        (Route("c", targets=("bill*",)), True),
        (Route("c", targets=("other", "portal/*")), False),
        (Route("c", policies=frozenset({"prod"})), True),
        (Route("c", policies=frozenset({"careful"})), False),
    ],
)
def test_a_channel_is_told_what_it_wants(route: Route, told: bool) -> None:
    assert bool(decide((), blocked(), Rules((route,))).notices) is told


def test_an_end_is_told_to_whom_the_beginning_was() -> None:
    routes = (
        Route("a", frozenset({Kind.BLOCKED, Kind.RECOVERED})),
        Route("b", frozenset({Kind.FAILED, Kind.RECOVERED})),
    )

    verdict = decide([standing()], well(), Rules(routes))

    assert [channel for channel, _ in verdict.notices] == ["a"]


def test_what_speaks_of_no_target_is_told_to_all() -> None:
    brake = Sight(Subject("the brake"), NOON, {Kind.BRAKE: Said("x", "set")})

    assert decide((), brake, Rules((Route("a", targets=("bill*",), policies=frozenset({"prod"})),))).notices


def test_the_same_occurrence_has_the_same_id_in_every_channel() -> None:
    (_, one), (_, two) = decide((), blocked(), Rules((Route("a"), Route("b")))).notices
    (_, later) = decide((), blocked(at=HOUR), ALL).notices[0]

    assert one.id == two.id != later.id
    assert [len(each.id) for each in (one, later)] == [20, 20], "short enough to be read out, and none comes twice"


# --- how many ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "sent", "at_most", "taken"),
    [
        (0, 0, 20, 0),
        (5, 0, 20, 1),
        (5, 18, 20, 1),
        (5, 19, 20, 5),
        (1, 19, 20, 1),
        (5, 20, 20, 0),
        (5, 0, 1, 5),
        (5, 30, 20, 0),
        (1000, 19, 20, LARGEST_DIGEST),
    ],
)
def test_a_message_holds(waiting: int, sent: int, at_most: int, taken: int) -> None:
    assert how_many(waiting, sent, at_most) == taken


# --- what it looks like -----------------------------------------------------------------------------------------


def notice(**changes: object) -> Notice:
    ((_, made),) = decide((), blocked(), ALL).notices
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_single_notice_says_what_why_and_what_to_do() -> None:
    message = message_of([notice()], NOON)

    assert message.title == "rotator: billing: blocked"
    assert message.body.splitlines() == [
        "both slots taken",
        "Free one.",
        f"(org acme, app 0oa1, since {NOON:%Y-%m-%d %H:%M} UTC)",
    ]
    assert message.mood == "failure"
    known = {"version": 1, "kind": "blocked", "target": "billing", "of": None}
    assert message.document.items() >= known.items()
    for policy, told in (("prod", "prod"), ("", None)):
        one = notice(subject=replace(notice().subject, policy=policy))
        assert message_of([one], NOON).document["policy"] == told


def test_a_digest_counts_and_lists() -> None:
    many = [notice(kind=Kind.ROTATED), notice(), notice(kind=Kind.ROTATED)]

    message = message_of(many, NOON)

    assert message.title == "rotator: 3 notices that were held back"
    assert message.body.splitlines()[0] == "2 rotated, 1 blocked:"
    assert [each["kind"] for each in message.document["notices"]] == ["rotated", "blocked", "rotated"]


def test_a_large_digest_is_cut_for_people_and_whole_for_programs() -> None:
    message = message_of([notice() for _ in range(LISTED + 5)], NOON)

    assert message.body.splitlines()[-1].startswith("and 5 more")
    assert len(message.document["notices"]) == LISTED + 5


def test_what_is_very_long_is_cut() -> None:
    cut, whole = (message_of([notice(detail="x" * length)], NOON).document["detail"] for length in (5000, LONGEST))

    assert (len(cut), cut[-1]) == (LONGEST, "…")
    assert whole == "x" * LONGEST


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_words(kind: Kind) -> None:
    assert title_of(notice(kind=kind)).count(": ") == 2


@pytest.mark.parametrize(
    ("kind", "mood"),
    [
        (Kind.ROTATED, "success"),
        (Kind.RECOVERED, "success"),
        (Kind.UPCOMING, "info"),
        (Kind.IN_USE, "warning"),
        (Kind.FAILED, "failure"),
    ],
)
def test_a_message_has_a_mood(kind: Kind, mood: str) -> None:
    message: Message = message_of([notice(kind=kind)], NOON)

    assert message.mood == mood


def test_a_trial_says_that_it_is_one() -> None:
    message = trial("ops", NOON)

    assert message.document["kind"] == "test"
    assert "`ops`" in message.body
