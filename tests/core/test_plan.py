"""Whether a plan still holds: what differs, in words, and what it has begun itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.actions import (
    Activate,
    Adopt,
    AskLog,
    AskUsage,
    Block,
    Blocked,
    CloseStaging,
    Copy,
    Create,
    Deactivate,
    Delete,
    Discard,
    OrderReplacement,
    Promote,
    Rest,
    RunHook,
    Stage,
    Verify,
    Waiting,
)
from rotator.core.foresight import REPLACED, Step, step_after, step_of
from rotator.core.model import Approval, AuthMethod, OrderMode, Reason, Removal, RotationId, SecretId, StagingState
from rotator.core.plan import Judged, Standing, basis_of, digest_of, fingerprint_of, is_over, judged
from tests.core.snapshots import (
    APP,
    NOON,
    A,
    B,
    C,
    ago,
    by_hand,
    closed,
    consumer,
    order,
    secret,
    seen,
    staged,
    version,
)

if TYPE_CHECKING:
    from rotator.core.actions import Effect, Ending
    from rotator.core.model import Snapshot

V1A = version(1, A, age=100)
OLD_A = secret(A, age=100)
STAGE = Step("Stage", None, "expired")
WRITTEN = NOON - timedelta(minutes=30)
BEFORE = seen(OLD_A, vault=consumer(V1A))


def after(now: Snapshot, *, then: Snapshot = BEFORE, planned: Step = STAGE, ends: Step | Ending = STAGE) -> Judged:
    return judged(planned, basis_of(then), ends, now, written_at=WRITTEN)


def with_staging(**changes: Any) -> Snapshot:
    return replace(BEFORE, staging=replace(BEFORE.staging, **changes))


CHANGES: dict[str, tuple[Snapshot, Snapshot, str]] = {
    "app off": (
        BEFORE,
        replace(BEFORE, app=replace(APP, status="INACTIVE")),
        "the app's status was ACTIVE, it is INACTIVE",
    ),
    "app gone": (BEFORE, replace(BEFORE, app=None), "the app's client id was 0oa1, it is None"),
    "method": (
        BEFORE,
        replace(BEFORE, app=replace(APP, auth_method=AuthMethod.POST)),
        "the app's authentication method was client_secret_basic, it is client_secret_post",
    ),
    "secret gone": (BEFORE, seen(vault=consumer(V1A)), "secret ocsA is gone"),
    "secret made": (BEFORE, seen(OLD_A, secret(B), vault=consumer(V1A)), "secret ocsB is new, ACTIVE"),
    "secret off": (
        BEFORE,
        seen(secret(A, age=100, active=False), vault=consumer(V1A)),
        "secret ocsA was ACTIVE, it is INACTIVE",
    ),
    "secret off and on": (
        BEFORE,
        seen(secret(A, age=100, changed=1), vault=consumer(V1A)),
        "secret ocsA was switched off and on again, or changed, at 2026-06-14T12:00:00+00:00",
    ),
    "written to": (
        BEFORE,
        seen(OLD_A, vault=consumer(V1A, by_hand(2, A))),
        "the consumer path was at version 1, it is at version 2",
    ),
    "made anew": (
        BEFORE,
        seen(OLD_A, vault=consumer(version(1, A, age=2))),
        "version 1 of the consumer path is another one: the path was removed and made anew",
    ),
    "deleted": (
        seen(OLD_A, vault=consumer(V1A, version(2, A))),
        seen(OLD_A, vault=consumer(version(2, A), deleted=frozenset({1}))),
        "deleted versions of the consumer path were [], they are [1]",
    ),
    "staged": (
        BEFORE,
        seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A)),
        "the staging record was empty, it is staged",
    ),
    "another rotation": (
        seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A)),
        seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A, rotation_id=RotationId("r10"))),
        "another rotation is under way: r10",
    ),
    "paused": (BEFORE, with_staging(paused="by kim"), "it was not paused, and is now"),
    "resumed": (with_staging(paused="by kim"), BEFORE, "it was paused, and is not now"),
    "ordered": (
        BEFORE,
        with_staging(order=order("ocsA", mode=OrderMode.NOW)),
        "it was not ordered to be replaced, and is now",
    ),
    "removed": (
        BEFORE,
        with_staging(remove=Removal(SecretId("ocsA"), ago(1), ago(1))),
        "it was not ordered to have a secret removed, and is now",
    ),
    "approved": (BEFORE, with_staging(approved=Approval("", NOON)), "it was not approved, and is now"),
    "rolled back": (BEFORE, with_staging(rollback=SecretId("ocsA")), "it was not being rolled back, and is now"),
    "record written": (
        with_staging(version=2),
        with_staging(version=3),
        "the staging record was at version 2, it is at version 3",
    ),
    "other paths": (
        replace(BEFORE, others=(consumer(V1A),)),
        replace(BEFORE, others=(consumer(V1A, version(2, A)),)),
        "the other paths were at versions [1], they are at [2]",
    ),
}


@pytest.mark.parametrize(("then", "now", "difference"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_said_in_words(then: Snapshot, now: Snapshot, difference: str) -> None:
    found = after(now, then=then)

    assert found.standing is Standing.CHANGED
    assert difference in found.differences
    expected = 3 if now.app is None else 1  # an app that is gone has lost all three of its traits
    assert len(found.differences) == expected


def test_a_plan_holds_while_nothing_differs() -> None:
    assert after(BEFORE) == Judged(Standing.HOLDS)


def test_the_same_facts_may_call_for_another_step() -> None:
    other = after(BEFORE, ends=Step("Delete", SecretId("ocsA"), "soak over"))
    blocked = after(BEFORE, ends=Blocked(Block.CAP, "4 secrets", "Find out."))
    waits = after(BEFORE, ends=Rest(NOON, Waiting.WINDOW, "expired"))
    rests = after(BEFORE, ends=Rest(None, Waiting.PAUSED))

    assert other.differences == ("to be done now: Delete ocsA (soak over); planned: Stage (expired)",)
    assert blocked.differences == (f"it is blocked now: {Block.CAP.value}: 4 secrets",)
    assert waits.differences == (f"it waits now for {Waiting.WINDOW.value}: expired",)
    assert rests.differences == (f"it waits now for {Waiting.PAUSED.value}",)


@pytest.mark.parametrize(
    ("ending", "over"),
    [
        (Rest(NOON, Waiting.NEXT_ROTATION), True),
        (Rest(NOON, Waiting.OVERLAP), True),
        (Rest(NOON, Waiting.NEXT_ROTATION, "ocsB was switched on again"), True),
        (Rest(NOON, Waiting.WINDOW), True),
        (Rest(NOON, Waiting.WINDOW, "expired"), False),
        (Rest(None, Waiting.TOLD, "expired"), False),
        (Rest(None, Waiting.TOLD), True),
        (Rest(None, Waiting.PAUSED), False),
    ],
)
def test_what_is_over(ending: Rest, over: bool) -> None:
    under_way = seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A))

    assert is_over(ending, BEFORE) is over
    assert is_over(ending, under_way) is False
    assert (after(BEFORE, ends=ending).standing is Standing.OVER) is over


BEGUN = staged(B, base=V1A, reason=Reason.EXPIRED)
ON_IT = seen(OLD_A, secret(B), vault=consumer(V1A), staging=BEGUN)
VERIFY = Step("Verify", None, "candidate")


def test_what_a_plan_has_begun_itself_is_carried_on() -> None:
    assert after(ON_IT, ends=VERIFY) == Judged(Standing.BEGUN)
    at_once = replace(ON_IT, staging=replace(BEGUN, staged_at=WRITTEN))
    assert after(at_once, ends=VERIFY) == Judged(Standing.BEGUN)


@pytest.mark.parametrize(
    ("now", "then", "planned"),
    [
        pytest.param(replace(ON_IT, staging=replace(BEGUN, reason=Reason.ORDERED)), BEFORE, STAGE, id="another reason"),
        pytest.param(replace(ON_IT, staging=replace(BEGUN, reason=None)), BEFORE, STAGE, id="no reason"),
        pytest.param(
            replace(ON_IT, staging=replace(BEGUN, staged_at=WRITTEN - timedelta(seconds=1))),
            BEFORE,
            STAGE,
            id="begun before",
        ),
        pytest.param(replace(ON_IT, staging=replace(BEGUN, staged_at=None)), BEFORE, STAGE, id="nobody knows when"),
        pytest.param(
            replace(ON_IT, staging=replace(BEGUN, state=StagingState.DISCARDING)), BEFORE, STAGE, id="to be discarded"
        ),
        pytest.param(replace(ON_IT, staging=replace(BEGUN, base_version=0)), BEFORE, STAGE, id="on another version"),
        pytest.param(replace(ON_IT, staging=closed(B)), BEFORE, STAGE, id="not staged"),
        pytest.param(
            replace(ON_IT, consumer=consumer(V1A, by_hand(2, A)), staging=replace(BEGUN, base_version=2)),
            BEFORE,
            STAGE,
            id="on a later version",
        ),
        pytest.param(ON_IT, replace(BEFORE, staging=staged(C, base=V1A)), STAGE, id="while one was under way"),
        pytest.param(ON_IT, BEFORE, Step("Delete", SecretId("ocsA"), "expired"), id="that began none"),
    ],
)
def test_another_rotation_is_not_taken_for_its_own(now: Snapshot, then: Snapshot, planned: Step) -> None:
    assert after(now, then=then, planned=planned, ends=VERIFY).standing is Standing.CHANGED


def test_what_it_has_begun_and_is_blocked_is_not_carried_on() -> None:
    assert after(ON_IT, ends=Blocked(Block.SLOTS_FULL, "", "")).standing is Standing.CHANGED


# --- steps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "step"),
    [
        (Stage(Reason.REVOKED), Step("Stage", None, "revoked")),
        (Create(), Step("Create")),
        (Verify(A, "candidate"), Step("Verify", None, "candidate")),
        (AskLog(OLD_A), Step("AskLog", OLD_A.id)),
        (AskUsage(OLD_A, None, NOON), Step("AskUsage", OLD_A.id)),
        (Promote(OLD_A), Step("Promote", OLD_A.id)),
        (Adopt(OLD_A, replace=True), Step("Adopt", OLD_A.id, REPLACED)),
        (Adopt(OLD_A, replace=False), Step("Adopt", OLD_A.id)),
        (Activate(OLD_A.id, "missed"), Step("Activate", OLD_A.id, "missed")),
        (Deactivate(OLD_A.id, "overlap over"), Step("Deactivate", OLD_A.id, "overlap over")),
        (Delete(OLD_A.id, "soak over"), Step("Delete", OLD_A.id, "soak over")),
        (OrderReplacement(OLD_A.id), Step("OrderReplacement", OLD_A.id)),
        (CloseStaging("promoted"), Step("CloseStaging", None, "promoted")),
        (Discard("switched off"), Step("Discard", None, "switched off")),
        (Copy(1), Step("Copy", None, "1")),
        (RunHook("restart"), Step("RunHook", None, "restart")),
    ],
)
def test_an_action_is_written_down_without_values(action: Effect, step: Step) -> None:
    assert step_of(action) == step


def test_what_a_rest_ends_in_if_all_goes_well() -> None:
    candidate = seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A))
    late = Rest(NOON + timedelta(minutes=1), Waiting.VERIFICATION)
    young = seen(secret(A), vault=consumer(version(1, A)))

    assert step_after(late, candidate, NOON) == Step("Promote", SecretId("ocsB"))
    assert step_after(Rest(ago(-89), Waiting.NEXT_ROTATION), young, NOON) == STAGE
    assert step_after(Rest(None, Waiting.PAUSED), BEFORE, NOON) is None
    assert step_after(Blocked(Block.CAP, "", ""), BEFORE, NOON) is None
    assert step_after(Rest(None, Waiting.TOLD), young, NOON) is None
    assert step_after(Rest(None, Waiting.TOLD), BEFORE, NOON) == STAGE


# --- digests ----------------------------------------------------------------------------------------------------


def test_a_basis_has_no_value_and_no_hash() -> None:
    text = str(basis_of(ON_IT))

    assert not [each for each in (A, B) if each.reveal() in text or each.hash in text]
    assert basis_of(ON_IT)["secrets"]["ocsA"]["status"] == "ACTIVE"
    assert list(basis_of(seen(secret(B), secret(A)))["secrets"]) == ["ocsA", "ocsB"]


def test_a_fingerprint_is_of_the_settings_the_basis_and_the_step() -> None:
    basis = basis_of(BEFORE)
    others = [
        fingerprint_of("s", basis, STAGE),
        fingerprint_of("t", basis, STAGE),
        fingerprint_of("s", basis_of(ON_IT), STAGE),
        fingerprint_of("s", basis, None),
        fingerprint_of("s", basis, replace(STAGE, why="ordered")),
        fingerprint_of("s", basis, replace(STAGE, secret=SecretId("ocsA"))),
    ]

    assert len(set(others)) == len(others)
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1}) != digest_of({"a": 1, "b": 2})
