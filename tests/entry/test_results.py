"""What came of a target: the word and the exit code for every way in which a pass can end; and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.rotate import Outcome, Step
from rotator.cli.orders import after
from rotator.cli.report import age, as_lines, report, what_comes_next
from rotator.cli.results import Result, exit_code, result_of
from rotator.core import actions as do
from rotator.core.actions import Block, Blocked, Rest, Waiting
from rotator.core.facts import Facts
from rotator.core.model import Mode, Policy, Reason
from rotator.errors import BusyError, ConfigError, ConflictError, RateLimitedError, RefusedError, SealedError
from tests.core.snapshots import (
    INCONCLUSIVE,
    ISSUED,
    NOON,
    REFUSED,
    TARGET,
    A,
    B,
    ago,
    consumer,
    order,
    proof,
    secret,
    seen,
    staged,
    version,
)

if TYPE_CHECKING:
    from rotator.core.actions import Effect, Ending
    from rotator.core.model import Snapshot
    from rotator.errors import RotatorError

OLD, YOUNG = secret(A, age=100), secret(A, age=5)
NEW = secret(B, age=0)
HOLDS_A, HOLDS_B = consumer(version(1, A, age=100)), consumer(version(1, A, age=100), version(2, B, age=0))
FINE = seen(YOUNG, vault=HOLDS_A)
DUE = seen(OLD, vault=HOLDS_A)
ROTATED = seen(OLD, NEW, vault=HOLDS_B, proofs={B: ISSUED})
UNDER_WAY = seen(OLD, vault=HOLDS_A, staging=staged(B, base=version(1, A)))
LATER = NOON + timedelta(days=7)
NEXT, OVERLAP, SOAK = (Rest(LATER, waiting) for waiting in (Waiting.NEXT_ROTATION, Waiting.OVERLAP, Waiting.SOAK))
PROMOTED = (
    do.Stage(Reason.EXPIRED),
    do.Create(),
    do.Verify(B, "candidate"),
    do.Promote(NEW),
    do.CloseStaging("promoted"),
)
UNANSWERED = replace(INCONCLUSIVE, unanswered=True)
OBSERVE = Policy(name="watch", mode=Mode.OBSERVE)


def ended(
    what: Snapshot | None, ending: Ending | RotatorError, *actions: Effect, planned: Effect | None = None
) -> Outcome:
    target = what.target if what else TARGET
    return Outcome(target, tuple(Step(action, "detail") for action in actions), ending, what, planned)


def result(outcome: Outcome, *, told: bool = True, force: bool = False, dry_run: bool = False) -> tuple[Result, int]:
    return result_of(outcome, NOON, told=told, force=force, dry_run=dry_run)


@pytest.mark.parametrize(
    ("outcome", "then"),
    [
        pytest.param(ended(FINE, NEXT), (Result.NOTHING_DUE, 0), id="a young secret is nothing due"),
        pytest.param(ended(ROTATED, OVERLAP, *PROMOTED), (Result.ROTATED, 0), id="promoted and proven is rotated"),
        pytest.param(
            ended(ROTATED, OVERLAP, *PROMOTED[-1:]), (Result.ROTATED, 0), id="what an earlier run promoted is rotated"
        ),
        pytest.param(
            ended(ROTATED, OVERLAP, do.CloseStaging("discarded")), (Result.CARRIED_ON, 0), id="a discarded one is not"
        ),
        pytest.param(
            ended(replace(ROTATED, proofs={}), OVERLAP, *PROMOTED),
            (Result.UNVERIFIED, 1),
            id="promoted without a proof",
        ),
        pytest.param(
            ended(replace(ROTATED, proofs={B.hash: UNANSWERED}), OVERLAP, *PROMOTED),
            (Result.UNVERIFIED, 5),
            id="promoted, and then nobody answered",
        ),
        pytest.param(
            ended(replace(UNDER_WAY, proofs={B.hash: REFUSED}), Rest(LATER, Waiting.VERIFICATION)),
            (Result.UNVERIFIED, 1),
            id="a candidate that is refused",
        ),
        pytest.param(
            ended(replace(UNDER_WAY, proofs={B.hash: UNANSWERED}), Rest(LATER, Waiting.VERIFICATION)),
            (Result.UNVERIFIED, 5),
            id="a candidate for which nobody answers",
        ),
        pytest.param(
            ended(UNDER_WAY, Rest(LATER, Waiting.ATTEMPT)), (Result.WAITING, 4), id="an attempt that may still arrive"
        ),
        pytest.param(ended(FINE, OVERLAP, do.Adopt(YOUNG, replace=False)), (Result.ADOPTED, 0), id="adopted"),
        pytest.param(
            ended(
                seen(YOUNG, vault=HOLDS_A, staging=replace(staged(B), order=order("ocsA"))), SOAK, do.Adopt(YOUNG, True)
            ),
            (Result.ADOPTED, 0),
            id="adopted, to be replaced when there is room",
        ),
        pytest.param(
            ended(seen(vault=HOLDS_A), SOAK, do.Adopt(YOUNG, replace=False)),
            (Result.WAITING, 1),
            id="adopted, and gone again",
        ),
        pytest.param(ended(FINE, SOAK, do.Deactivate(OLD.id, "overlap over")), (Result.CARRIED_ON, 0), id="retired"),
        pytest.param(ended(FINE, NEXT, do.Verify(A, "current")), (Result.NOTHING_DUE, 0), id="a check changes nothing"),
        pytest.param(ended(DUE, OVERLAP), (Result.WAITING, 1), id="due, with both slots taken"),
        pytest.param(ended(DUE, Rest(LATER, Waiting.WINDOW)), (Result.WAITING, 0), id="due at the next window"),
        pytest.param(ended(FINE, Rest(None, Waiting.TOLD)), (Result.NOTHING_DUE, 0), id="manual, and nothing due"),
        pytest.param(ended(FINE, Rest(None, Waiting.PAUSED)), (Result.PAUSED, 4), id="paused"),
        pytest.param(ended(FINE, Blocked(Block.CAP, "4 made", "find out")), (Result.BLOCKED, 1), id="blocked"),
        pytest.param(ended(None, BusyError("process 1")), (Result.BUSY, 4), id="busy"),
        pytest.param(ended(None, SealedError("sealed")), (Result.UNREACHABLE, 5), id="sealed"),
        pytest.param(ended(None, RateLimitedError("429")), (Result.UNREACHABLE, 5), id="rate-limited"),
        pytest.param(ended(None, RefusedError("no")), (Result.FAILED, 1), id="refused"),
        pytest.param(ended(FINE, ConflictError("late")), (Result.FAILED, 1), id="too late"),
        pytest.param(ended(None, ConfigError(["no key"])), (Result.FAILED, 2), id="not configured"),
    ],
)
def test_each_ending_has_a_word_and_a_code(outcome: Outcome, then: tuple[Result, int]) -> None:
    assert result(outcome) == then


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(ended(DUE, OVERLAP), id="due, with both slots taken"),
        pytest.param(ended(DUE, Rest(None, Waiting.TOLD, "expired")), id="due, with a policy that waits for an order"),
        pytest.param(ended(UNDER_WAY, Rest(LATER, Waiting.SLOT)), id="under way, with no slot free"),
    ],
)
def test_what_waits_is_no_failure_for_who_comes_again(outcome: Outcome) -> None:
    assert result(outcome, told=False) == (Result.WAITING, 0)


def test_an_order_that_could_not_be_given_is_a_failure() -> None:
    assert result(ended(FINE, OVERLAP), force=True) == (Result.WAITING, 1)
    assert result(ended(ROTATED, OVERLAP, *PROMOTED), force=True) == (Result.ROTATED, 0)


@pytest.mark.parametrize(
    ("told", "dry_run", "code"),
    [(True, False, 1), (False, False, 0), (True, True, 0)],
    ids=["rotate", "reconcile", "dry"],
)
def test_what_a_policy_only_lets_us_plan_is_a_failure_for_who_wanted_it_done(
    told: bool, dry_run: bool, code: int
) -> None:
    outcome = ended(DUE, Rest(None, Waiting.TOLD), planned=do.Stage(Reason.EXPIRED))

    assert result(outcome, told=told, dry_run=dry_run) == (Result.PLANNED, code)


def test_a_step_that_nobody_can_be_sure_of_did_nothing() -> None:
    lost = Step(do.Promote(NEW), "no answer; looking again", ConflictError("late"))

    assert result(Outcome(TARGET, (lost,), NEXT, FINE)) == (Result.NOTHING_DUE, 0)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 4], 4),
        ([1], 1),
        ([0, 1], 3),
        ([4, 5], 3),
        ([5, 5], 5),
        ([1, 5], 1),
        ([2, 2], 2),
    ],
)
def test_the_exit_code_of_several_tells_whether_all_or_some_failed(codes: list[int], code: int) -> None:
    assert exit_code(codes) == code


# --- told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (NEXT, "ocsB is rotated after 2026-06-22 12:00 UTC by `rotator reconcile`"),
        (OVERLAP, "old secret ocsA stays active until 2026-06-22 12:00 UTC"),
        (SOAK, "old secret ocsA is switched off; `rotator reconcile` (cron) or the next `rotator rotate` deletes it"),
        (Rest(LATER, Waiting.WINDOW), "the maintenance window opens 2026-06-22 12:00 UTC"),
        (Rest(LATER, Waiting.ATTEMPT), "an earlier attempt may still arrive at Okta until 2026-06-22 12:00 UTC"),
        (Rest(LATER, Waiting.VERIFICATION), "tries the token request again after 2026-06-22 12:00 UTC"),
        (Rest(LATER, Waiting.SLOT), "both slots are taken; one is free after 2026-06-22 12:00 UTC"),
        (Rest(None, Waiting.TOLD), "the policy's mode is manual: `rotator rotate billing`"),
        (Rest(None, Waiting.PAUSED, "ops, change 4711"), "nothing while it is paused: ops, change 4711"),
    ],
)
def test_what_comes_next_is_told_with_when_and_who(ending: Rest, said: str) -> None:
    assert said in what_comes_next(ending, Facts(ROTATED, NOON))


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ([do.Create(), do.Promote(NEW)], "a rotation that was under way"),
        ([do.Adopt(YOUNG, replace=False)], "nothing in Vault yet"),
        ([do.Adopt(YOUNG, replace=True)], "revoked, and ocsA there in its place"),
        ([do.Verify(A, "current"), do.Deactivate(OLD.id, "overlap over")], "overlap over"),
        ([do.Verify(A, "current")], ""),
    ],
)
def test_why_something_was_done_is_told(actions: list[Effect], found: str) -> None:
    assert report(ended(ROTATED, OVERLAP, *actions), NOON).found == found


def test_lines_for_people_say_what_was_found_done_and_proven_and_what_comes_next() -> None:
    lines = as_lines(report(ended(ROTATED, OVERLAP, *PROMOTED[2:4]), NOON, told=True))

    assert lines == [
        "billing: rotated",
        "  found  a rotation that was under way",
        "  did    tried: detail",
        "         promoted: detail",
        "  proof  token issued: as the test says",
        "  next   old secret ocsA stays active until 2026-06-22 12:00 UTC; "
        "`rotator reconcile` (cron) or the next `rotator rotate` then switches it off",
    ]


def test_lines_for_people_say_what_to_do() -> None:
    assert as_lines(report(ended(FINE, Blocked(Block.CAP, "4 were made", "Find out.")), NOON)) == [
        "billing: blocked — daily cap reached: 4 were made",
        "  hint   Find out.",
    ]


def test_a_plan_that_the_policy_forbids_names_the_policy() -> None:
    watched = replace(DUE, target=replace(DUE.target, policy=OBSERVE))
    outcome = ended(watched, Rest(None, Waiting.TOLD), planned=do.Stage(Reason.EXPIRED))

    forbidden, asked = report(outcome, NOON, told=True), report(outcome, NOON, told=True, dry_run=True)

    assert "Policy `watch` observes" in forbidden.hint
    assert asked.hint == ""
    assert forbidden.message == asked.message
    assert forbidden.next == ""


def test_an_unproven_promotion_says_so() -> None:
    told = report(ended(replace(ROTATED, proofs={B.hash: proof(REFUSED.level)}), OVERLAP, *PROMOTED), NOON)

    assert (told.message, told.hint != "") == ("promoted, but not proven afterwards", True)


@pytest.mark.parametrize(
    ("days", "said"), [(0, "0 min"), (0.08, "115 min"), (0.5, "12 h"), (1.9, "45 h"), (2, "2 days"), (-1, "0 min")]
)
def test_an_age_is_told_in_the_unit_that_people_use(days: float, said: str) -> None:
    assert age(NOON - ago(days)) == said


def test_an_order_that_somebody_else_carries_out_was_given() -> None:
    busy = report(Outcome(TARGET, (), BusyError("billing is being worked on"), None), NOON)

    told = after(busy)

    assert (busy.result, told["result"], told["exit_code"], told["error"]) == (Result.BUSY, "ordered", 0, None)
