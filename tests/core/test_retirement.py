"""When an old secret may go: what the log shows of its use, and what a person said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core.actions import (
    Activate,
    AskLog,
    AskUsage,
    Block,
    Blocked,
    Copy,
    Deactivate,
    Delete,
    Rest,
    Stage,
    Verify,
    Waiting,
)
from rotator.core.model import (
    Destination,
    HooksDue,
    HookTry,
    KvPath,
    OnUnknownValue,
    OrderMode,
    Reason,
    Removal,
    RetiringMode,
    RotationId,
    SecretId,
    SecretStatus,
)
from rotator.core.rotation import next_action
from rotator.core.usage import Evidence, Usage, User
from tests.core.snapshots import (
    ISSUED,
    NOON,
    POLICY,
    REFUSED,
    A,
    B,
    C,
    F,
    ago,
    closed,
    consumer,
    order,
    secret,
    seen,
    staged,
    version,
)

if TYPE_CHECKING:
    from typing import Any

    from rotator.core.actions import Action
    from rotator.core.model import OktaSecret, Policy, Snapshot

OLD, NEW = SecretId("ocsA"), secret(B, age=8)
LEFT = ago(8)
REQUIRED = replace(POLICY, usage=Usage.REQUIRED)
OFF = replace(POLICY, usage=Usage.OFF)


def user(age: float) -> User:
    return User("192.0.2.7", "job/1.0", ago(age))


def old(*, active: bool = True, changed: float = 1) -> OktaSecret:
    return secret(A, age=100, active=active, changed=100 if active else changed)


def leaving(
    evidence: Evidence | None,
    *,
    it: OktaSecret | None = None,
    policy: Policy = POLICY,
    left: float = 8,
    proven: bool = True,
    **more: Any,
) -> Snapshot:
    """B replaced A some days ago."""
    vault = consumer(version(1, A, age=100), version(2, B, age=left, retiring="ocsA", **more.pop("mode", {})))
    usage = {OLD: evidence} if evidence else {}
    return seen(it or old(), NEW, vault=vault, policy=policy, proofs={B: ISSUED} if proven else {}, usage=usage, **more)


QUIET = Evidence()
USED = Evidence(users=(user(2),))
DOUBTED = Evidence(unproven="the log is late")
MISSED = Evidence(failing=(user(0.1),))


@pytest.mark.parametrize(
    ("given", "then"),
    [
        pytest.param(leaving(None), AskUsage(old(), NEW, LEFT), id="the log is asked before it is switched off"),
        pytest.param(leaving(QUIET), Deactivate(OLD, "overlap over"), id="nobody used it: it goes"),
        pytest.param(leaving(None, policy=OFF), Deactivate(OLD, "overlap over"), id="off: nobody is asked"),
        pytest.param(
            leaving(replace(QUIET, asked_at=NOON - timedelta(minutes=11))),
            AskUsage(old(), NEW, LEFT),
            id="what the log said some time ago is asked again",
        ),
        pytest.param(
            leaving(replace(QUIET, asked_at=NOON - timedelta(minutes=10))),
            Deactivate(OLD, "overlap over"),
            id="what it said ten minutes ago still counts",
        ),
        pytest.param(leaving(USED, policy=OFF), Deactivate(OLD, "overlap over"), id="off: nor is it heard"),
        pytest.param(
            leaving(USED),
            Rest(ago(2) + timedelta(days=7), Waiting.IN_USE, "ocsA: job/1.0 at 192.0.2.7, last 2026-06-13 12:00 UTC"),
            id="a sighting begins the overlap anew",
        ),
        pytest.param(leaving(Evidence(users=(user(7),))), Deactivate(OLD, "overlap over"), id="one of old does not"),
        pytest.param(leaving(DOUBTED), Deactivate(OLD, "overlap over"), id="stop_if_seen: doubt alone does not"),
        pytest.param(
            leaving(DOUBTED, policy=REQUIRED),
            Rest(NOON + timedelta(minutes=2), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: doubt is waited out",
        ),
        pytest.param(
            leaving(replace(DOUBTED, users=(user(7),)), policy=REQUIRED),
            Rest(NOON + timedelta(minutes=2), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: once a sighting is as old as the overlap it is doubt that holds it",
        ),
        pytest.param(
            leaving(replace(DOUBTED, tries=7), policy=REQUIRED),
            Rest(NOON + timedelta(hours=1), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: more and more seldom",
        ),
        pytest.param(
            leaving(replace(DOUBTED, tries=8), policy=REQUIRED),
            Rest(NOON + timedelta(days=1), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: after some looks once a day",
        ),
        pytest.param(
            leaving(replace(DOUBTED, tries=30), policy=REQUIRED),
            Rest(NOON + timedelta(days=1), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: in the end once a day",
        ),
        pytest.param(leaving(QUIET, policy=REQUIRED), Deactivate(OLD, "overlap over"), id="required: proven, it goes"),
        pytest.param(
            leaving(None, policy=REQUIRED, proven=False),
            Verify(B, "current"),
            id="required: a request of our own comes first, for the log to show",
        ),
        pytest.param(
            leaving(USED, left=30),
            Blocked(
                Block.IN_USE,
                "ocsA: job/1.0 at 192.0.2.7, last 2026-06-13 12:00 UTC",
                "Have its users take the new one; `rotator retire billing` does not wait.",
            ),
            id="used beyond overlap.max: a person decides",
        ),
        pytest.param(
            leaving(DOUBTED, left=30, policy=REQUIRED),
            Blocked(
                Block.UNPROVEN, "ocsA: the log is late", "When you know that nobody uses it: `rotator retire billing`."
            ),
            id="unproven beyond overlap.max: a person decides",
        ),
        pytest.param(
            leaving(USED, staging=closed(A, B, remove=Removal(OLD, ago(100), ago(0)))),
            Deactivate(OLD, "a person said so"),
            id="a person has decided",
        ),
        pytest.param(
            leaving(USED, left=1, staging=closed(A, B, remove=Removal(OLD, ago(100), ago(0), compromised=True))),
            Deactivate(OLD, "compromised"),
            id="a compromised one has no overlap",
        ),
        pytest.param(
            leaving(
                QUIET,
                it=secret(A, age=100, changed=0.1),
                left=1,
                staging=closed(A, B, remove=Removal(OLD, ago(100), ago(0.5))),
            ),
            Rest(
                NEW.created + POLICY.rotate_after,
                Waiting.NEXT_ROTATION,
                "ocsA was switched on again and stays until it is retired",
            ),
            id="somebody switched it on again after that: they want it",
        ),
        pytest.param(
            leaving(None, mode={"mode": RetiringMode.NOW}), Deactivate(OLD, "overlap over"), id="a dead one goes"
        ),
    ],
)  # fmt: skip
def test_an_active_one(given: Snapshot, then: Action) -> None:
    assert then == next_action(given, NOON)


@pytest.mark.parametrize(
    ("given", "then"),
    [
        pytest.param(
            leaving(None, it=old(active=False)),
            AskUsage(old(active=False), NEW, LEFT),
            id="the log is asked whether anybody misses it",
        ),
        pytest.param(
            leaving(QUIET, it=old(active=False)), Rest(ago(1) + timedelta(days=3), Waiting.SOAK), id="nobody: it soaks"
        ),
        pytest.param(
            leaving(MISSED, it=old(active=False)), AskLog(old(active=False)), id="somebody: who did that is asked"
        ),
        pytest.param(
            leaving(MISSED, it=old(active=False), asked={OLD: True}),
            Activate(OLD, "still used: job/1.0 at 192.0.2.7, last 2026-06-15 09:36 UTC"),
            id="we did: it comes back",
        ),
        pytest.param(
            leaving(MISSED, it=old(active=False), asked={OLD: True}, policy=OFF),
            Activate(OLD, "still used: job/1.0 at 192.0.2.7, last 2026-06-15 09:36 UTC"),
            id="under off as well",
        ),
        pytest.param(
            leaving(MISSED, it=old(active=False), asked={OLD: False}),
            Rest(ago(1) + timedelta(days=3), Waiting.SOAK),
            id="somebody else did: it stays off",
        ),
        pytest.param(
            leaving(
                MISSED,
                it=old(active=False),
                asked={OLD: True},
                staging=closed(A, B, remove=Removal(OLD, ago(100), ago(2), compromised=True)),
            ),
            Rest(ago(1) + timedelta(days=3), Waiting.SOAK),
            id="a compromised one never comes back",
        ),
        pytest.param(
            leaving(QUIET, it=old(active=False, changed=3)), Delete(OLD, "soak over"), id="after a quiet soak it goes"
        ),
        pytest.param(
            leaving(DOUBTED, it=old(active=False, changed=3), policy=REQUIRED),
            Rest(NOON + timedelta(minutes=2), Waiting.EVIDENCE, "ocsA: the log is late"),
            id="required: quiet has to be proven",
        ),
        pytest.param(
            leaving(None, it=old(active=False, changed=3), policy=REQUIRED, proven=False),
            Verify(B, "current"),
            id="required: by a request of our own, once the soak is over",
        ),
        pytest.param(
            leaving(
                DOUBTED,
                it=old(active=False, changed=3),
                policy=REQUIRED,
                staging=closed(A, B, remove=Removal(OLD, ago(100), ago(4))),
            ),
            Delete(OLD, "soak over"),
            id="required: not for a person who has decided",
        ),
        pytest.param(
            leaving(
                QUIET,
                it=old(active=False, changed=3),
                staging=closed(A, B, remove=Removal(OLD, ago(100), ago(4), compromised=True)),
            ),
            Delete(OLD, "soak over"),
            id="a compromised one goes as well",
        ),
    ],
)  # fmt: skip
def test_one_that_is_switched_off(given: Snapshot, then: Action) -> None:
    assert then == next_action(given, NOON)


@pytest.mark.parametrize(
    ("switched_on", "unreadable", "wanted"),
    [
        pytest.param(10, {4}, True, id="when it may have left"),
        pytest.param(10, {1, 4}, True, id="when it may have left, whatever was before it"),
        pytest.param(10, {1}, False, id="before it left"),
        pytest.param(30, {1, 4}, False, id="while it was certainly current"),
    ],
)
def test_who_switches_one_on_wants_it_if_it_may_have_left_by_then(
    switched_on: float, unreadable: set[int], wanted: bool
) -> None:
    vault = consumer(
        version(2, A, age=40),
        version(3, A, age=20),
        version(5, B, age=8, retiring="ocsA"),
        deleted=frozenset(unreadable),
    )
    given = seen(secret(A, age=100, changed=switched_on), NEW, vault=vault, proofs={B: ISSUED}, usage={OLD: QUIET})

    found = next_action(given, NOON)

    assert (found == Deactivate(OLD, "overlap over")) is not wanted
    assert (isinstance(found, Rest) and "ocsA was switched on again" in found.detail) is wanted


def test_what_was_current_at_the_first_path_alone_is_leaving_too() -> None:
    vault = consumer(version(1, A, age=100), version(2, B, age=8))
    given = seen(
        old(), NEW, vault=vault, others=(consumer(version(1, B, age=8)),), proofs={B: ISSUED}, usage={OLD: QUIET}
    )
    also = (Destination(KvPath("kv", "billing/reports")),)

    assert next_action(replace(given, target=replace(given.target, also=also)), NOON) == Deactivate(OLD, "overlap over")


@pytest.mark.parametrize(
    ("mode", "then"),
    [
        pytest.param(OrderMode.NOW, Rest(ago(1) + timedelta(days=7), Waiting.OVERLAP), id="force waits for it"),
        pytest.param(OrderMode.CUT, Deactivate(OLD, "to make room: ordered"), id="force --now cuts it short"),
        pytest.param(OrderMode.COMPROMISED, Deactivate(OLD, "to make room: ordered"), id="compromised as well"),
    ],
)
def test_an_order_while_the_one_before_is_in_its_overlap(mode: OrderMode, then: Action) -> None:
    given = leaving(QUIET, left=1, staging=closed(A, B, order=order("ocsB", mode=mode)))

    assert then == next_action(given, NOON)


@pytest.mark.parametrize("mode", [OrderMode.CUT, OrderMode.COMPROMISED])
def test_an_order_that_does_not_wait_for_an_old_one_does_not_wait_for_a_person_either(mode: OrderMode) -> None:
    given = leaving(USED, left=31, staging=closed(A, B, order=order("ocsB", mode=mode)))

    assert Deactivate(OLD, "to make room: ordered") == next_action(given, NOON)


@pytest.mark.parametrize(
    ("mode", "then"),
    [(OrderMode.WINDOW, Waiting.HOOK), (OrderMode.COMPROMISED, None)],
    ids=["an adopted one is replaced after them", "a compromised one at once"],
)
def test_a_hook_that_fails_holds_up_what_waits_for_it(mode: OrderMode, then: Waiting | None) -> None:
    hooks = HooksDue(RotationId("r1"), ("restart",))
    given = seen(
        secret(B),
        vault=consumer(version(1, B)),
        staging=closed(B, order=order("ocsB", mode=mode, age=2), hooks=hooks),
        hooks_failed={"restart": HookTry("exit code 1", 1)},
    )
    given = replace(given, target=replace(given.target, hooks=("restart",)))

    found = next_action(given, NOON)

    assert (found.waiting if isinstance(found, Rest) else None) == then
    assert isinstance(found, Rest if then else Stage)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (3, 4), (6, 60)])
def test_a_hook_that_fails_is_tried_again_more_and_more_seldom(tries: int, seconds: int) -> None:
    given = seen(
        secret(B),
        vault=consumer(version(1, B)),
        staging=closed(B, hooks=HooksDue(RotationId("r1"), ("restart",))),
        hooks_failed={"restart": HookTry("exit code 1", tries)},
    )

    found = next_action(replace(given, target=replace(given.target, hooks=("restart",))), NOON)

    assert found == Rest(NOON + timedelta(seconds=seconds), Waiting.HOOK, "restart: exit code 1")


def test_a_compromised_one_is_switched_off_whatever_lies_at_another_path() -> None:
    gone = Removal(OLD, ago(100), ago(0), compromised=True)
    given = leaving(None, left=0.01, staging=closed(A, B, remove=gone), others=(consumer(version(1, C, age=5)),))
    also = (Destination(KvPath("kv", "billing/reports")),)

    found = next_action(replace(given, target=replace(given.target, also=also)), NOON)

    assert Deactivate(OLD, "compromised") == found


@pytest.mark.parametrize("active", [True, False])
def test_an_order_to_remove_lapses_with_whoever_switches_the_secret_on(active: bool) -> None:
    """Okta's times are whole seconds: who goes off and on within one has changed at one time only."""
    named = old(active=active)
    on = replace(named, status=SecretStatus.ACTIVE)
    given = leaving(QUIET, left=1, it=on, staging=closed(A, B, remove=Removal.of(named, NOON)))

    found = next_action(given, NOON)

    assert (found == Deactivate(OLD, "a person said so")) is active
    assert isinstance(found, Rest) is not active


def cut_off(*, left: float, evidence: Evidence | None = None, **more: Any) -> Snapshot:
    """A is gone from Okta; B, which it replaced, and one that nobody can read hold both slots; C is staged."""
    vault = consumer(version(1, B, age=100), version(2, A, age=left))
    usage = {SecretId("ocsB"): evidence} if evidence else {}
    slots = secret(B, age=100), secret(F, age=5, hidden=True)
    return seen(
        *slots, vault=vault, staging=staged(C, base=vault.versions[1], **more), proofs={A: REFUSED}, usage=usage
    )


WANTED = Removal(SecretId("ocsB"), ago(100), ago(0))


@pytest.mark.parametrize(
    ("given", "then"),
    [
        pytest.param(
            cut_off(left=1), Rest(ago(1) + timedelta(days=7), Waiting.OVERLAP), id="its overlap is waited for"
        ),
        pytest.param(cut_off(left=8), AskUsage(secret(B, age=100), None, LEFT), id="then the log is asked"),
        pytest.param(cut_off(left=7), AskUsage(secret(B, age=100), None, ago(7)), id="in the second in which it ends"),
        pytest.param(
            cut_off(left=8, evidence=USED),
            Rest(ago(2) + timedelta(days=7), Waiting.IN_USE, "ocsB: job/1.0 at 192.0.2.7, last 2026-06-13 12:00 UTC"),
            id="who uses it is waited for",
        ),
        pytest.param(
            cut_off(left=8, evidence=QUIET), Deactivate(SecretId("ocsB"), "overlap over"), id="nobody: it makes room"
        ),
        pytest.param(
            cut_off(left=8, remove=WANTED), Deactivate(SecretId("ocsB"), "a person said so"), id="a person has decided"
        ),
    ],
)
def test_an_old_one_in_the_way_of_consumers_that_are_cut_off(given: Snapshot, then: Action) -> None:
    assert then == next_action(given, NOON)


def test_one_that_somebody_wants_makes_no_room_even_for_them() -> None:
    given = cut_off(left=8)
    wanted = replace(given, secrets=(secret(B, age=100, changed=1), given.secrets[1]))

    found = next_action(wanted, NOON)

    assert isinstance(found, Blocked)
    assert found.block is Block.SLOTS_FULL
    assert "switched on again by somebody" in found.detail


def test_the_only_active_one_makes_no_room_either() -> None:
    given = cut_off(left=8)
    foreign = secret(F, age=50, changed=10, active=False, hidden=True)

    found = next_action(replace(given, secrets=(given.secrets[0], foreign)), NOON)

    assert found == Rest(ago(10) + POLICY.reclaim_after, Waiting.SLOT)


def test_of_two_that_will_make_room_the_earlier_one_is_waited_for() -> None:
    later, earlier = (secret(value, age=50, changed=off, active=False) for value, off in ((F, 10), (B, 20)))
    given = replace(cut_off(left=8), consumer=consumer(version(1, A, age=8)), secrets=(later, earlier))
    given = replace(given, staging=staged(C, base=given.consumer.current))

    assert next_action(given, NOON) == Rest(ago(20) + POLICY.reclaim_after, Waiting.SLOT)


@pytest.mark.parametrize(
    ("ours", "unknown", "copied"),
    [
        pytest.param(True, OnUnknownValue.BLOCK, True, id="what we made"),
        pytest.param(False, OnUnknownValue.ROTATE, True, id="anything, where policy says so"),
        pytest.param(False, OnUnknownValue.BLOCK, False, id="nothing else"),
    ],
)
def test_what_lies_at_another_path_is_written_over_where_it_is_explained(
    ours: bool, unknown: OnUnknownValue, copied: bool
) -> None:
    given = seen(
        secret(B),
        vault=consumer(version(1, B)),
        staging=closed(B, *[C] * ours),
        others=(consumer(version(1, C, age=5)),),
        policy=replace(POLICY, on_unknown_value=unknown),
        proofs={B: ISSUED},
    )
    also = (Destination(KvPath("kv", "billing/reports")),)

    found = next_action(replace(given, target=replace(given.target, also=also)), NOON)

    assert found == Copy(0) if copied else isinstance(found, Blocked)


def test_an_order_begins_at_once_where_there_is_room() -> None:
    young = seen(
        secret(B), vault=consumer(version(1, B)), staging=closed(B, order=order("ocsB", mode=OrderMode.COMPROMISED))
    )

    assert Stage(Reason.ORDERED) == next_action(young, NOON)
