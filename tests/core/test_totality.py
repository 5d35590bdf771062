"""Whatever is seen, there is one answer, and never a dangerous one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as some

from rotator.core.actions import Blocked, Deactivate, Delete, Fence, Promote, Rest
from rotator.core.model import (
    Approval,
    Consumer,
    Destination,
    HooksDue,
    HookTry,
    KvPath,
    Mode,
    Onboard,
    OnUnknownValue,
    OrderMode,
    ProofLevel,
    Removal,
    RetiringMode,
    RotationId,
    SecretId,
    Staging,
    StagingState,
)
from rotator.core.rotation import next_action
from rotator.core.usage import Evidence, Usage, User
from tests.core.snapshots import NOON, POLICY, A, B, C, F, ago, closed, order, proof, secret, seen, staged, version

if TYPE_CHECKING:
    from rotator.core.model import ConsumerVersion, OktaSecret, Snapshot
    from rotator.core.secret_value import SecretValue

VALUES = some.sampled_from([A, B, C, F])
AGES = some.sampled_from([0.0, 0.01, 1, 3, 7, 8, 30, 91, 200])


@some.composite
def secrets(draw: some.DrawFn) -> tuple[OktaSecret, ...]:
    found = []
    for number in range(draw(some.integers(0, 2))):
        age = draw(AGES)
        found.append(
            secret(
                draw(VALUES),
                age=age,
                changed=draw(some.sampled_from([age, age / 2, 0])),
                active=draw(some.booleans()),
                hidden=draw(some.booleans()),
                name=f"ocs{number}",
            )
        )
    return tuple(found)


@some.composite
def versions(draw: some.DrawFn) -> Consumer:
    latest = draw(some.integers(0, 4))
    deleted = draw(some.sets(some.integers(1, 4), max_size=2)) & set(range(1, latest + 1))
    kept: list[ConsumerVersion] = [
        version(
            number,
            draw(some.none() | VALUES),
            age=10 * (5 - number),
            client_id=draw(some.sampled_from(["0oa1", None, "0oa9"])),
            rotation=draw(some.sampled_from(["", "r1", f"r{number}"])),
            retiring=draw(some.sampled_from([None, "ocs0", "ocs1"])),
            mode=draw(some.sampled_from(RetiringMode)),
        )
        for number in range(1, latest + 1)
        if number not in deleted
    ]
    return Consumer(latest, tuple(kept), frozenset(deleted))


@some.composite
def stagings(draw: some.DrawFn) -> Staging:
    named = some.sampled_from([SecretId("ocs0"), SecretId("ocs1")])
    ordered = draw(some.none() | some.builds(order, named, mode=some.sampled_from(OrderMode)))
    more: dict[str, Any] = {
        "order": ordered,
        "older": draw(some.sampled_from([(), (1,)])),
        "remove": draw(
            some.none() | some.builds(Removal, named, some.just(ago(1)), some.just(ago(0.5)), some.booleans())
        ),
        "approved": draw(some.sampled_from([None, Approval(A.hash, ago(1)), Approval("", ago(1))])),
        "hooks": draw(some.sampled_from([None, HooksDue(RotationId("r1"), ("restart",))])),
    }
    state = draw(some.sampled_from(StagingState))
    if state is StagingState.EMPTY:
        return closed(*draw(some.lists(VALUES, max_size=2)), base=draw(some.integers(0, 5)), **more)
    return staged(draw(VALUES), base=version(draw(some.integers(1, 4)), draw(VALUES)), state=state, **more)


@some.composite
def snapshots(draw: some.DrawFn) -> Snapshot:
    from dataclasses import replace

    policy = replace(
        POLICY,
        onboard=draw(some.sampled_from(Onboard)),
        on_unknown_value=draw(some.sampled_from(OnUnknownValue)),
        usage=draw(some.sampled_from(Usage)),
        mode=draw(some.sampled_from([Mode.AUTO, Mode.MANUAL, Mode.APPROVE])),
    )
    also = draw(some.sampled_from([(), (Destination(KvPath("kv", "billing/reports")),)]))
    proofs: dict[SecretValue, object] = {
        value: proof(draw(some.sampled_from(ProofLevel))) for value in draw(some.sets(VALUES, max_size=3))
    }
    found = seen(
        *draw(secrets()),
        vault=draw(versions()),
        staging=draw(stagings()),
        proofs=proofs,  # type: ignore[arg-type]
        policy=policy,
        asked={SecretId("ocs0"): draw(some.booleans())},
        attempted_at=draw(some.sampled_from([None, NOON, ago(1)])),
        told=draw(some.booleans()),
        others=tuple(draw(versions()) for _ in also),
        usage={SecretId(f"ocs{number}"): draw(evidence()) for number in draw(some.sets(some.integers(0, 1)))},
        hooks_failed=draw(some.sampled_from([{}, {"restart": HookTry("exit code 1", 3)}])),
    )
    return replace(found, target=replace(found.target, also=also, hooks=("restart",)))


@some.composite
def evidence(draw: some.DrawFn) -> Evidence:
    users = (User("192.0.2.7", "job/1.0", ago(draw(AGES))),)
    used, failing = draw(some.booleans()), draw(some.booleans())
    doubt = draw(some.sampled_from(["", "the log is late"]))
    return Evidence(users if used else (), users if failing else (), doubt, tries=draw(some.integers(1, 20)))


@settings(max_examples=1500, deadline=None)
@given(snapshots())
def test_whatever_is_seen_there_is_a_safe_answer(given_: Snapshot) -> None:
    action = next_action(given_, NOON)

    active = [secret for secret in given_.secrets if secret.active]
    named = {secret.id: secret for secret in given_.secrets}
    current = given_.consumer.current
    if isinstance(action, Delete):
        assert not named[action.secret].active
    if isinstance(action, Deactivate):
        assert named[action.secret].active
        assert len(active) > 1
        if current and current.value and named[action.secret].carries(current.value):
            assert sum(secret.carries(current.value) for secret in active) > 1
    if isinstance(action, Promote):
        assert action.candidate.active
        assert given_.staging.value
        assert given_.proofs[given_.staging.value.hash].level.good
        assert given_.consumer.latest == given_.staging.base_version
    if isinstance(action, Fence):
        assert current
    if isinstance(action, Rest) and action.until is not None:
        assert action.until > NOON
        assert action.until <= NOON + timedelta(days=400)
    if isinstance(action, Blocked):
        assert action.detail
        assert action.hint
