"""The decision table, a case a sentence. F-numbers are findings of the model that broke its first version."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core.actions import (
    Action,
    Activate,
    Adopt,
    AskLog,
    Block,
    Blocked,
    CloseStaging,
    Copy,
    Create,
    Deactivate,
    Delete,
    Discard,
    Fence,
    OrderReplacement,
    Promote,
    Rebase,
    Rest,
    ScrubStaging,
    Stage,
    Verify,
    Waiting,
)
from rotator.core.model import (
    AuthMethod,
    Consumer,
    Destination,
    KvPath,
    Made,
    Mode,
    Onboard,
    OnUnknownValue,
    OrderMode,
    Reason,
    RetiringMode,
    SecretId,
    StagingState,
)
from rotator.core.rotation import next_action
from rotator.core.schedule import Window
from tests.core.snapshots import (
    APP,
    INCONCLUSIVE,
    ISSUED,
    NOON,
    POLICY,
    REFUSED,
    A,
    B,
    C,
    F,
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
    from rotator.core.model import OktaSecret, Proof, Snapshot
    from rotator.core.secret_value import SecretValue

V1A = version(1, A, age=100)
OLD_A = secret(A, age=100)
SHUT = replace(POLICY, windows=(Window(frozenset({"tue"}), time(9), time(16), "UTC"),))  # NOON is a Monday
MANUAL = replace(POLICY, mode=Mode.MANUAL)
GONE_BACK = closed(A, B, paused="by kim", rollback=SecretId("ocsA"))
OURS, THEIRS = {SecretId("ocsA"): True}, {SecretId("ocsA"): False}
ALSO = (Destination(KvPath("kv", "billing/reports")),)


def case(given: Snapshot, then: Action, sentence: str) -> object:
    return pytest.param(given, then, id=sentence)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("given", "then"),
    [
        case(
            seen(secret(A), vault=consumer(version(1, A))),
            Rest(ago(1) + timedelta(days=90), Waiting.NEXT_ROTATION),
            "a young secret that Vault holds is left alone until it is due",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), staging=closed(A, paused="by kim")),
            Rest(None, Waiting.PAUSED, "by kim"),
            "row 1: a paused target rests although its secret has expired",
        ),
        case(
            seen(secret(A, active=False), vault=consumer(V1A), staging=closed(A, paused="by kim")),
            Rest(None, Waiting.PAUSED, "by kim"),
            "row 1: a paused target rests although its secret was switched off",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(V1A), staging=GONE_BACK),
            AskLog(secret(A, active=False)),
            "row 1: who switched off what a rollback went back to is asked of the log",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(V1A), staging=GONE_BACK, asked=OURS),
            Activate(SecretId("ocsA"), "gone back to, and switched off by us"),
            "row 1: an order of ours that came after a rollback is taken back",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(V1A), staging=GONE_BACK, asked=THEIRS),
            Rest(None, Waiting.PAUSED, "by kim"),
            "row 1: what an admin switched off after a rollback stays off",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(version(1, B)), staging=GONE_BACK, asked=OURS),
            Rest(None, Waiting.PAUSED, "by kim"),
            "row 1: what a rollback has not yet gone back to stays as it is",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A)),
            Create(),
            "row 7b: a staged value is registered once no earlier attempt can arrive",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A), attempted_at=NOON - timedelta(seconds=5)),
            Rest(NOON + timedelta(seconds=30), Waiting.ATTEMPT),
            "row 7a, F18: an attempt that may still arrive is waited for, never repeated",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), staging=staged(B, base=V1A), attempted_at=NOON - timedelta(seconds=35)),
            Create(),
            "row 7a: after the effect limit and the propagation it has arrived or never will",
        ),
        case(
            seen(OLD_A, secret(F, age=5), vault=consumer(V1A), staging=staged(B, base=V1A)),
            Blocked(
                Block.SLOTS_FULL,
                "Okta holds ocsA, which is in Vault, and ocsF, ACTIVE, made 2026-06-10, unknown to us",
                "Find out who uses the one that is not in Vault; when nobody does: `rotator reclaim billing ocsF`."
                " The next run goes on.",
            ),
            "row 7c: a foreign active secret in the other slot blocks, and both are named",
        ),
        case(
            seen(secret(A, age=100, active=False), secret(F, age=5), vault=consumer(V1A), staging=staged(B, base=V1A)),
            Delete(SecretId("ocsA"), "revoked"),
            "row 7c: a revoked current makes room first",
        ),
        case(
            seen(
                secret(C, age=5),
                secret(F, age=5),
                vault=consumer(V1A),
                staging=staged(B, base=V1A),
                proofs={A: REFUSED},
            ),
            CloseStaging("both slots taken, one by a secret that can be adopted"),
            "row 7c, F14: with no room and the current one dead, a foreign active secret is adopted instead",
        ),
        case(
            seen(secret(C, age=5), secret(F, age=5), vault=consumer(V1A), staging=staged(B, base=V1A)),
            Verify(A, "current"),
            "row 7c: with no room it is found out first whether the current one is dead",
        ),
        case(
            seen(OLD_A, secret(B, active=False), vault=consumer(V1A), staging=staged(B, base=V1A)),
            Discard("the candidate was switched off at Okta"),
            "row 8: a candidate that an admin switched off is discarded",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A)),
            Verify(B, "candidate"),
            "row 9a: a candidate is proven first",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A), proofs={B: ISSUED}),
            Promote(secret(B)),
            "row 9b: a proven candidate is promoted",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A), proofs={B: REFUSED}),
            Rest(NOON + timedelta(seconds=1), Waiting.VERIFICATION, "refused: as the test says"),
            "row 9a, F2: a refused candidate is kept and tried again",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A), proofs={B: INCONCLUSIVE}),
            Rest(NOON + timedelta(seconds=1), Waiting.VERIFICATION, "inconclusive: as the test says"),
            "row 9a, F20: an inconclusive proof neither promotes nor discards",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A), proofs={B: ISSUED}, policy=SHUT),
            Rest(NOON + timedelta(hours=21), Waiting.WINDOW),
            "row 9b, F22: a promotion waits for the window",
        ),
        case(
            seen(
                secret(A, age=100, active=False),
                secret(B),
                vault=consumer(V1A),
                staging=staged(B, base=V1A),
                proofs={B: ISSUED},
                policy=SHUT,
            ),
            Promote(secret(B)),
            "row 9b: nobody waits for a window while the current one is dead",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A),
                staging=staged(B, base=V1A, order=order("ocsA")),
                proofs={B: ISSUED},
                policy=SHUT,
            ),
            Promote(secret(B)),
            "row 9b: an order for now does not wait for a window",
        ),
        case(
            seen(secret(B), vault=consumer(V1A), staging=staged(B, base=V1A), proofs={B: ISSUED}, policy=SHUT),
            Verify(A, "current"),
            "row 9b: whether an unmatched current is dead is asked before waiting for a window",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B)), staging=staged(B, base=V1A)),
            Verify(B, "current"),
            "row 4: after the promotion the current one is verified again",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B)), staging=staged(B, base=V1A), proofs={B: ISSUED}),
            CloseStaging("promoted"),
            "row 4: a promoted and verified candidate closes staging",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B), by_hand(3, A)), staging=staged(B, base=V1A)),
            CloseStaging("promoted"),
            "row 4, F1: a candidate that was current for a moment is never removed",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, by_hand(3, A), deleted=frozenset({2})),
                staging=staged(B, base=V1A),
            ),
            CloseStaging("promoted"),
            "row 4, F1: a deleted version above the base may have been the promotion",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, version(2, B)),
                staging=staged(B, base=V1A, state=StagingState.DISCARDING),
                proofs={B: ISSUED},
            ),
            CloseStaging("promoted"),
            "row 4: a candidate that a sleeper promoted is not discarded",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A), staging=staged(B, base=V1A, state=StagingState.DISCARDING)),
            Fence(),
            "row 5a, F2: before a candidate goes, sleepers are fenced off",
        ),
        case(
            seen(
                OLD_A,
                secret(B, active=False),
                vault=consumer(V1A, version(2, A, rotation="r1")),
                staging=staged(B, base=V1A, state=StagingState.DISCARDING),
            ),
            Delete(SecretId("ocsB"), "discarded candidate"),
            "row 5b: an inactive candidate is deleted",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, version(2, A, rotation="r1")),
                staging=staged(B, base=V1A, state=StagingState.DISCARDING),
            ),
            Deactivate(SecretId("ocsB"), "discarded candidate"),
            "row 5c: an active candidate beside an active secret is switched off",
        ),
        case(
            seen(
                secret(A, age=100, active=False),
                secret(B),
                vault=consumer(V1A, version(2, A, rotation="r1")),
                staging=staged(B, base=V1A, state=StagingState.DISCARDING),
            ),
            CloseStaging("discarded"),
            "row 5d: the only active secret is left alone",
        ),
        case(
            seen(
                OLD_A,
                vault=consumer(V1A, version(2, A, rotation="r1")),
                staging=staged(B, base=V1A, state=StagingState.DISCARDING),
            ),
            CloseStaging("discarded"),
            "row 5d, F7: a candidate that is gone closes staging and is not made again",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A, version(2, A, rotation="r1")), staging=staged(B, base=V1A)),
            Rebase(),
            "row 6a, F15: a harmless extra field does not discard the candidate",
        ),
        case(
            seen(OLD_A, vault=consumer(by_hand(1, None)), staging=staged(B, base_hash=A.hash)),
            Rebase(),
            "row 6a: nor does one at a path that has never held a secret",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A, by_hand(2, None)), staging=staged(B, base=V1A)),
            Discard("the consumer path has changed"),
            "row 6b: a path that lost its secret discards the candidate",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, by_hand(2, F)), staging=staged(B, base=V1A)),
            Discard("the consumer path has changed"),
            "row 6b: another value at the path discards the candidate",
        ),
        case(
            seen(secret(A), vault=consumer(version(1, A)), staging=closed(A, older=(1,))),
            ScrubStaging(),
            "a closing that was cut short is finished",
        ),
        case(
            seen(secret(A, age=400)),
            Verify(A, "candidate"),
            "row 10: a secret is proven before it is adopted",
        ),
        case(
            seen(secret(A, age=400), proofs={A: INCONCLUSIVE}),
            Rest(NOON + timedelta(seconds=1), Waiting.VERIFICATION, "inconclusive: as the test says"),
            "row 10: one that cannot be proven is not adopted",
        ),
        case(
            seen(secret(A, age=400), proofs={A: ISSUED}),
            Adopt(secret(A, age=400), replace=False),
            "row 10: one active secret and an empty path is adopted, not rotated",
        ),
        case(
            seen(secret(A), policy=replace(POLICY, onboard=Onboard.ROTATE)),
            Stage(Reason.MISSING),
            "row 10: with `onboard: rotate` a new one is made",
        ),
        case(seen(), Stage(Reason.MISSING), "row 10: no secret anywhere: one is made"),
        case(
            seen(vault=consumer(by_hand(1, None))),
            Stage(Reason.MISSING),
            "row 10: a path with other people's fields alone has never held a secret",
        ),
        case(
            seen(secret(A, hidden=True)),
            Blocked(
                Block.HIDDEN,
                "Okta does not show the value of ocsA",
                "Give our role the permission to view client credentials, or set `onboard: rotate`.",
            ),
            "row 10: a secret that Okta hides cannot be adopted",
        ),
        case(
            seen(secret(A), secret(F)),
            Blocked(
                Block.TWO_ACTIVE,
                "Okta has two active secrets (ocsA, ocsF) and Vault has none",
                "Name the one in use with `rotator adopt TARGET --secret ID`.",
            ),
            "row 10: of two active secrets a person names the one in use",
        ),
        case(
            seen(secret(A), secret(B), staging=closed(B), proofs={A: ISSUED}),
            Adopt(secret(A), replace=False),
            "row 10: a candidate of ours that was left over is not taken for theirs",
        ),
        case(
            seen(secret(F), vault=consumer(V1A)),
            Verify(A, "current"),
            "row 11, F4: an unmatched value is tried before it is called dead",
        ),
        case(
            seen(secret(F), vault=consumer(V1A), proofs={A: INCONCLUSIVE}),
            Rest(NOON + timedelta(seconds=1), Waiting.VERIFICATION, "inconclusive: as the test says"),
            "row 11a: an unmatched value that cannot be tried now is tried later",
        ),
        case(
            seen(secret(F), vault=consumer(V1A), proofs={A: ISSUED}),
            Blocked(
                Block.CANNOT_MATCH,
                "Okta lists no secret with the value in Vault, yet the token endpoint says: "
                "token issued, as the test says",
                "Check that the path and the app belong together.",
            ),
            "row 11a, F4: an unmatched value that works is never rotated away",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(version(1, A))),
            AskLog(secret(A, active=False)),
            "row 11b: who switched off the current one is asked first",
        ),
        case(
            seen(secret(A, active=False), secret(B), vault=consumer(version(1, A)), asked={SecretId("ocsA"): True}),
            Activate(SecretId("ocsA"), "current, and switched off by us"),
            "row 11b: what we switched off while somebody rolled back is switched on again",
        ),
        case(
            seen(secret(F, age=50), vault=consumer(V1A, version(2, A)), proofs={A: REFUSED}),
            Verify(F, "candidate"),
            "row 11d: what was made since the gone one was first written replaces it, however often that was copied",
        ),
        case(
            seen(secret(F, age=150), vault=consumer(V1A, version(2, A)), proofs={A: REFUSED}),
            Stage(Reason.REVOKED),
            "row 11d: what is older than the gone one was not made to replace it",
        ),
        case(
            seen(secret(A, age=100, active=False), secret(F, age=100), vault=consumer(V1A), asked=THEIRS),
            Stage(Reason.REVOKED),
            "row 11d: nor was what was made in the same second as the revoked one",
        ),
        case(
            seen(secret(C, age=50), secret(F, age=5), vault=consumer(V1A), proofs={A: REFUSED}),
            Verify(F, "candidate"),
            "row 11d: of two that nobody knows the newer one is adopted",
        ),
        case(
            seen(
                secret(A, name="ocs1"),
                secret(A, name="ocs2"),
                vault=consumer(version(1, A, secret_id="ocs1")),
                proofs={A: ISSUED},
            ),
            Deactivate(SecretId("ocs2"), "duplicate of the current one"),
            "row 13: of two with the current value the one that our record names stays, whichever Okta lists first",
        ),
        case(
            seen(
                secret(A, name="ocs1"),
                secret(A, name="ocs2"),
                vault=consumer(version(1, A, secret_id="ocs1")),
                staging=staged(B, base=version(1, A)),
            ),
            Deactivate(SecretId("ocs2"), "duplicate of the current one"),
            "row 7: a duplicate of the current one makes room",
        ),
        case(
            seen(secret(C), vault=consumer(by_hand(2, C), deleted=frozenset({1})), staging=staged(B, base=V1A)),
            Discard("the consumer path has changed"),
            "row 6: that the version it was staged on is deleted does not mean that the candidate was promoted",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(by_hand(1, C, age=100), version(2, B, age=8, retiring="ocsA")),
                proofs={B: ISSUED},
            ),
            Deactivate(SecretId("ocsA"), "overlap over"),
            "row 14b: what our record names as the old one is leaving, though its value was never here",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(
                    V1A,
                    version(2, B, retiring="ocsA", mode=RetiringMode.NOW),
                    version(4, B, age=0.5),
                    deleted=frozenset({3}),
                ),
                proofs={B: ISSUED},
            ),
            Rest(ago(0.5) + timedelta(days=7), Waiting.OVERLAP),
            "retiring now lapses where a later version that nobody can read may have held the value",
        ),
        case(
            seen(OLD_A, secret(F, age=50, active=False, changed=30), vault=consumer(V1A)),
            Delete(SecretId("ocsF"), "inactive for long"),
            "row 15b: in the very second in which it has been off for long",
        ),
        case(
            seen(vault=consumer(by_hand(1, F)), proofs={F: REFUSED}),
            Blocked(
                Block.UNKNOWN_VALUE,
                "Okta refuses the value in Vault, and neither Okta nor we know where it came from",
                "Set `on_unknown_value: rotate`, or have a secret written with `rotator adopt`.",
            ),
            "row 11c, F11: a value that a person put there is not overwritten",
        ),
        case(
            seen(
                vault=consumer(V1A, replace(by_hand(2, F), rotation_id=V1A.rotation_id)),
                proofs={F: REFUSED},
            ),
            Blocked(
                Block.UNKNOWN_VALUE,
                "Okta refuses the value in Vault, and neither Okta nor we know where it came from",
                "Set `on_unknown_value: rotate`, or have a secret written with `rotator adopt`.",
            ),
            "row 11c, F11: a patched copy of our record is still a person's value",
        ),
        case(
            seen(
                vault=consumer(by_hand(1, F)),
                proofs={F: REFUSED},
                policy=replace(POLICY, on_unknown_value=OnUnknownValue.ROTATE),
            ),
            Stage(Reason.UNKNOWN_VALUE),
            "row 11c: unless policy says so",
        ),
        case(
            seen(
                secret(A, age=100, active=False),
                secret(F, age=1),
                vault=consumer(V1A),
                asked={SecretId("ocsA"): False},
                proofs={F: ISSUED},
            ),
            OrderReplacement(SecretId("ocsF")),
            "row 11d: before it is adopted, one of ours is ordered in its place",
        ),
        case(
            seen(
                secret(A, age=100, active=False),
                secret(F, age=1),
                vault=consumer(V1A),
                staging=closed(A, order=order("ocsF", mode=OrderMode.WINDOW)),
                asked={SecretId("ocsA"): False},
                proofs={F: ISSUED},
            ),
            Adopt(secret(F, age=1), replace=True),
            "row 11d: a secret that an admin made to replace the dead one is adopted, and replaced later",
        ),
        case(
            seen(
                secret(A, age=100, active=False),
                secret(F, age=200),
                vault=consumer(V1A),
                asked={SecretId("ocsA"): False},
            ),
            Stage(Reason.REVOKED),
            "row 11d: an older foreign secret is none that replaces it",
        ),
        case(
            seen(secret(A, active=False), vault=consumer(version(1, A)), asked={SecretId("ocsA"): False}, policy=SHUT),
            Stage(Reason.REVOKED),
            "row 11e: a revoked secret is replaced at once, window or not",
        ),
        case(
            seen(vault=consumer(V1A), proofs={A: REFUSED}),
            Stage(Reason.REVOKED),
            "row 11e: a deleted secret is replaced",
        ),
        case(
            seen(vault=consumer(V1A), proofs={A: REFUSED}, policy=MANUAL),
            Rest(None, Waiting.TOLD, "revoked"),
            "policy manual: even a revoked one waits to be told",
        ),
        case(
            seen(vault=consumer(V1A), proofs={A: REFUSED}, policy=MANUAL, told=True),
            Stage(Reason.REVOKED),
            "policy manual: told is told",
        ),
        case(
            seen(vault=consumer(V1A), staging=closed(A, made=(Made("x", ago(0.2)),) * 4), proofs={A: REFUSED}),
            Blocked(
                Block.CAP,
                "4 secrets were made for this target in 24 hours",
                "Find out what undoes them before the next run; `daily_cap` raises the limit.",
            ),
            "the daily cap stops a loop",
        ),
        case(
            replace(seen(OLD_A, vault=consumer(V1A)), clock_ahead=timedelta(days=400)),
            Blocked(
                Block.CLOCK,
                "our clock is 400 days ahead of Okta's",
                "Set the clock of this machine; it goes on by itself then.",
            ),
            "row 1b: by a clock that is far ahead nothing falls due",
        ),
        case(
            replace(seen(OLD_A, vault=consumer(V1A)), clock_ahead=timedelta(minutes=119)),
            Stage(Reason.EXPIRED),
            "row 1b: a clock that is somewhat ahead does no harm",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), proofs={A: REFUSED}),
            Blocked(
                Block.REFUSED,
                "the current secret is ACTIVE at Okta, yet the token endpoint refuses it: as the test says",
                "Check the app's client authentication method and the authorization server in `verify`.",
            ),
            "row 12: an active secret that is refused is a case for the doctor, not for rotation",
        ),
        case(
            seen(secret(A, name="ocs1"), secret(A, name="ocs2"), vault=consumer(version(1, A, secret_id="ocs2"))),
            Deactivate(SecretId("ocs1"), "duplicate of the current one"),
            "row 13, F16: of two secrets with the current value the unrecorded one is switched off",
        ),
        case(
            seen(
                secret(A, name="ocs1", active=False),
                secret(A, name="ocs2"),
                vault=consumer(version(1, A, secret_id="ocs1")),
            ),
            Delete(SecretId("ocs1"), "duplicate of the current one"),
            "row 13: of two secrets with the current value the active one is kept, whatever the record says",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B, age=1, retiring="ocsA"))),
            Rest(ago(1) + timedelta(days=7), Waiting.OVERLAP),
            "row 14b: the old one stays active for the overlap",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B, age=8, retiring="ocsA"))),
            Verify(B, "current"),
            "row 14b: before the old one is switched off the current one is proven",
        ),
        case(
            seen(OLD_A, secret(B), vault=consumer(V1A, version(2, B, age=8, retiring="ocsA")), proofs={B: ISSUED}),
            Deactivate(SecretId("ocsA"), "overlap over"),
            "row 14b: after the overlap the old one is switched off",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, version(2, B, age=8, retiring="ocsA")),
                proofs={B: INCONCLUSIVE},
            ),
            Rest(NOON + timedelta(seconds=1), Waiting.VERIFICATION, "as the test says"),
            "row 14b: without proof of the current one nothing is switched off",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, version(2, B, age=8, retiring="ocsA")),
                proofs={B: ISSUED},
                policy=SHUT,
            ),
            Rest(NOON + timedelta(hours=21), Waiting.WINDOW),
            "row 14b: switching off waits for the window",
        ),
        case(
            seen(
                OLD_A,
                secret(B, age=1),
                vault=consumer(
                    V1A,
                    version(2, B, age=8, retiring="ocsA"),
                    by_hand(3, A, age=6),
                    replace(by_hand(4, B, age=1), retiring_id=SecretId("ocsA")),
                ),
            ),
            Rest(ago(1) + timedelta(days=7), Waiting.OVERLAP),
            "row 14b, F3: the overlap runs from the version that replaced the last one holding it",
        ),
        case(
            seen(
                OLD_A,
                secret(B, age=1),
                vault=consumer(
                    V1A,
                    version(2, B, age=80, retiring="ocsA", mode=RetiringMode.NOW),
                    by_hand(3, A, age=6),
                    replace(by_hand(4, B, age=1), retiring_id=SecretId("ocsA"), retiring_mode=RetiringMode.NOW),
                ),
            ),
            Rest(ago(1) + timedelta(days=7), Waiting.OVERLAP),
            "retiring now lapses when the value has been current again",
        ),
        case(
            seen(
                OLD_A,
                secret(B),
                vault=consumer(V1A, version(2, B, age=0.1, retiring="ocsA", mode=RetiringMode.NOW)),
                proofs={B: ISSUED},
                policy=SHUT,
            ),
            Deactivate(SecretId("ocsA"), "overlap over"),
            "row 14b: retiring now waits for no overlap and no window",
        ),
        case(
            seen(
                secret(A, age=100, changed=2),
                secret(B),
                vault=consumer(V1A, version(2, B, age=8, retiring="ocsA")),
                proofs={B: ISSUED},
            ),
            Rest(
                ago(1) + timedelta(days=90),
                Waiting.NEXT_ROTATION,
                "ocsA was switched on again and stays until it is retired",
            ),
            "row 14a, F9: a leaving secret that somebody switched on again is left alone",
        ),
        case(
            seen(
                secret(A, age=100, active=False, changed=1),
                secret(B),
                vault=consumer(V1A, version(2, B, age=8, retiring="ocsA")),
            ),
            Rest(ago(1) + timedelta(days=3), Waiting.SOAK),
            "row 14d: the old one stays inactive for the soak",
        ),
        case(
            seen(
                secret(A, age=100, active=False, changed=3),
                secret(B),
                vault=consumer(V1A, version(2, B, age=11, retiring="ocsA")),
            ),
            Delete(SecretId("ocsA"), "soak over"),
            "row 14d: after the soak it is deleted",
        ),
        case(
            seen(OLD_A, secret(C), vault=consumer(V1A, version(2, B, age=9), version(3, C, age=8))),
            Verify(C, "current"),
            "row 14, F8: what was current here once is leaving, not foreign",
        ),
        case(
            seen(secret(F, age=500), secret(B), vault=consumer(V1A, version(2, B, age=8))),
            Rest(ago(1) + timedelta(days=90), Waiting.NEXT_ROTATION),
            "a foreign secret is left alone",
        ),
        case(seen(OLD_A, vault=consumer(V1A)), Stage(Reason.EXPIRED), "row 15: an expired secret is replaced"),
        case(
            seen(OLD_A, vault=consumer(V1A), policy=SHUT),
            Rest(NOON + timedelta(hours=21), Waiting.WINDOW, "expired"),
            "row 15: an expired secret waits for the window",
        ),
        case(
            seen(OLD_A, vault=consumer(V1A), policy=MANUAL),
            Rest(None, Waiting.TOLD, "expired"),
            "policy manual: an expired secret waits to be told",
        ),
        case(
            seen(secret(A), vault=consumer(version(1, A)), staging=closed(A, order=order("ocsA")), policy=SHUT),
            Stage(Reason.ORDERED),
            "row 15: an order for now is carried out at once",
        ),
        case(
            seen(secret(B), vault=consumer(V1A, version(2, B)), staging=closed(A, B, order=order("ocsA"))),
            Rest(ago(1) + timedelta(days=90), Waiting.NEXT_ROTATION),
            "row 15, F12: an order lapses with the secret that it names",
        ),
        case(
            seen(
                secret(A),
                vault=consumer(version(1, A)),
                staging=closed(A, order=order("ocsA", mode=OrderMode.WINDOW, age=0.5)),
                policy=SHUT,
            ),
            Rest(NOON + timedelta(hours=12), Waiting.WINDOW, "ordered"),
            "row 15: an order for the window waits a day at most",
        ),
        case(
            seen(
                secret(A),
                vault=consumer(version(1, A)),
                staging=closed(A, order=order("ocsA", mode=OrderMode.WINDOW, age=1)),
                policy=SHUT,
            ),
            Stage(Reason.ORDERED),
            "row 15: after a day without a window it is carried out",
        ),
        case(
            seen(OLD_A, secret(F, age=50, active=False, changed=31), vault=consumer(V1A)),
            Delete(SecretId("ocsF"), "inactive for long"),
            "row 15b: a foreign secret that was off for long makes room",
        ),
        case(
            seen(OLD_A, secret(F, age=50, active=False, changed=20), vault=consumer(V1A)),
            Rest(ago(20) + timedelta(days=30), Waiting.SLOT),
            "row 15b: a foreign secret that was switched off lately is waited for",
        ),
        case(
            seen(
                secret(A, age=100),
                secret(B, age=200, active=False, changed=1),
                vault=consumer(version(1, B, age=200), version(2, A, age=100)),
            ),
            Rest(ago(1) + timedelta(days=3), Waiting.SOAK),
            "row 15b: nothing is staged while the other slot soaks",
        ),
        case(
            seen(
                secret(A, age=100),
                secret(B, age=200, active=False, changed=1),
                vault=consumer(version(1, B, age=200), version(2, A, age=100)),
                staging=closed(A, B, order=order("ocsA")),
            ),
            Delete(SecretId("ocsB"), "to make room"),
            "row 15b: an order for now does not wait for the soak",
        ),
        case(
            seen(
                secret(F, age=2),
                secret(A, age=200, active=False, changed=1.5),
                vault=consumer(version(1, A, age=200), version(2, F, age=0.5)),
                staging=closed(A, order=order("ocsF", mode=OrderMode.WINDOW, age=0.5)),
            ),
            Rest(ago(0.5) + timedelta(days=1), Waiting.SOAK),
            "row 15b: what was adopted for a revoked one waits for its soak a day at most",
        ),
        case(
            seen(
                secret(F, age=2),
                secret(A, age=200, active=False, changed=2),
                vault=consumer(version(1, A, age=200), version(2, F, age=1)),
                staging=closed(A, order=order("ocsF", mode=OrderMode.WINDOW, age=1)),
            ),
            Delete(SecretId("ocsA"), "to make room"),
            "row 15b: after a day the revoked one makes room for one of ours",
        ),
        case(
            seen(app=None),
            Blocked(
                Block.APP_MISSING,
                "Okta shows no app 0oa1",
                "Check `app_id`, and that our role's resource set includes the app.",
            ),
            "row 2: a missing app blocks",
        ),
        case(
            seen(app=replace(APP, status="INACTIVE")),
            Blocked(Block.APP_INACTIVE, "the app is INACTIVE", "Activate the app, or remove the target."),
            "row 2: an inactive app blocks",
        ),
        case(
            seen(app=replace(APP, auth_method=AuthMethod.PRIVATE_KEY_JWT)),
            Blocked(
                Block.NOT_OAUTH,
                "the app authenticates by `private_key_jwt`",
                "Remove the target: there is no secret.",
            ),
            "row 2: an app without secrets blocks",
        ),
        case(
            seen(OLD_A, vault=consumer(by_hand(1, F, client_id="0oa7"))),
            Blocked(
                Block.OTHER_CLIENT,
                "kv/billing/okta holds the credentials of client 0oa7, not of 0oa1",
                "Correct `write_to` or `app_id`: this path is another app's.",
            ),
            "row 2, F5: a path typo does not overwrite another app's credentials",
        ),
        case(
            seen(OLD_A, vault=consumer(deleted=frozenset({1}))),
            Blocked(
                Block.PATH_DELETED,
                "version 1 of kv/billing/okta is deleted",
                "Undelete it (`vault kv undelete`), or have a secret written with `rotator adopt`.",
            ),
            "row 3, F10: a deleted path is not resurrected",
        ),
        case(
            seen(
                OLD_A,
                secret(B, name="ocs1", active=False),
                secret(B, name="ocs2"),
                vault=consumer(V1A),
                staging=staged(B, base=V1A),
                proofs={B: ISSUED},
            ),
            Promote(secret(B, name="ocs2")),
            "row 9b, F16: of two secrets with the candidate's value the active one is promoted",
        ),
        case(
            seen(secret(A), vault=consumer(version(1, A), by_hand(2, None))),
            Blocked(
                Block.UNKNOWN_VALUE,
                "the latest version of kv/billing/okta holds no `client_secret`",
                "Roll the path back, or have a secret written with `rotator adopt`.",
            ),
            "row 11c: a path that lost its secret is no new one, and a person decides",
        ),
        case(
            seen(
                secret(A, age=100),
                secret(B, age=89),
                vault=consumer(V1A, version(2, B, age=0.5, retiring="ocsA")),
            ),
            Rest(ago(89) + timedelta(days=90), Waiting.NEXT_ROTATION),
            "row 16: of an overlap and the next rotation the earlier one is waited for",
        ),
        case(
            replace(seen(OLD_A, vault=consumer(V1A)), clock_ahead=timedelta(hours=2)),
            Blocked(
                Block.CLOCK,
                "our clock is 2 hours ahead of Okta's",
                "Set the clock of this machine; it goes on by itself then.",
            ),
            "row 1b: two hours are too many",
        ),
        case(
            replace(seen(OLD_A, vault=consumer(V1A)), clock_ahead=timedelta(hours=36)),
            Blocked(
                Block.CLOCK,
                "our clock is 36 hours ahead of Okta's",
                "Set the clock of this machine; it goes on by itself then.",
            ),
            "row 1b: up to two days are told in hours",
        ),
        case(
            seen(secret(A), vault=consumer(version(1, A)), policy=replace(SHUT, mode=Mode.APPROVE)),
            Rest(ago(1) + timedelta(days=90), Waiting.NEXT_ROTATION),
            "policy approve: a person is asked when it is due, window or not",
        ),
        case(
            seen(secret(A), vault=consumer(version(1, A)), policy=SHUT),
            Rest(SHUT.calendar.next_opening(ago(1) + timedelta(days=90)), Waiting.NEXT_ROTATION),
            "row 16: else the next rotation comes in the first window after that",
        ),
        case(
            seen(OLD_A, vault=Consumer(), staging=closed(A, base=4)),
            Blocked(
                Block.PATH_RESET,
                "kv/billing/okta is at version 0, we have seen version 4",
                "Have a secret written with `rotator adopt` if the path was removed on purpose.",
            ),
            "row 3: nor is one that was removed for good",
        ),
    ],
)
def test_next_action(given: Snapshot, then: Action) -> None:
    assert then == next_action(given, NOON)


@pytest.mark.parametrize(
    ("slots", "proofs", "then"),
    [
        pytest.param((secret(A), secret(C)), {A: ISSUED}, Copy(0), id="it is copied over while the current one works"),
        pytest.param(
            (secret(C), secret(F, age=5, hidden=True)),
            {A: REFUSED},
            Blocked(
                Block.SLOTS_FULL,
                "Okta holds ocsC, which another path of the target holds, "
                "and ocsF, ACTIVE, made 2026-06-10, unknown to us",
                "Find out who uses the one that is not in Vault; when nobody does: `rotator reclaim billing ocsF`."
                " The next run goes on.",
            ),
            id="a person makes room while the current one is dead",
        ),
    ],
)
def test_what_another_path_still_holds_leaves_no_room_by_waiting(
    slots: tuple[OktaSecret, ...], proofs: dict[SecretValue, Proof], then: Action
) -> None:
    newest = version(2, A, age=1, retiring="ocsC")
    given = seen(
        *slots,
        vault=consumer(version(1, C, age=50), newest),
        staging=staged(B, base=newest),
        proofs=proofs,
        others=(consumer(version(1, C, age=50)),),
    )

    assert then == next_action(replace(given, target=replace(given.target, also=ALSO)), NOON)


def test_the_shared_target_is_blocked_before_anything_else_is_looked_at() -> None:
    given = seen(OLD_A, vault=consumer(V1A))

    found = next_action(replace(given, target=replace(given.target, conflict="shares 0oa1 with `b`")), NOON)

    assert isinstance(found, Blocked)
    assert found.block is Block.CONFLICT


def test_a_record_that_cannot_be_read_blocks() -> None:
    found = next_action(seen(OLD_A, vault=consumer(V1A), unreadable="kv/x: not one of ours"), NOON)

    assert isinstance(found, Blocked)
    assert found.block is Block.UNREADABLE


@pytest.mark.parametrize(
    ("hidden", "differs", "by_its_hash"),
    [
        pytest.param(True, True, True, id="one of two is hidden, and hashes say nothing"),
        pytest.param(True, False, False, id="hashes would tell"),
        pytest.param(False, True, False, id="both are shown"),
    ],
)
def test_what_to_do_about_a_value_that_works_and_is_not_found(hidden: bool, differs: bool, by_its_hash: bool) -> None:
    given = seen(secret(B), secret(F, hidden=hidden), vault=consumer(V1A), proofs={A: ISSUED})

    found = next_action(replace(given, target=replace(given.target, hash_differs=differs)), NOON)

    assert isinstance(found, Blocked)
    assert found.block is Block.CANNOT_MATCH
    assert found.hint.startswith("Let our role view client secrets" if by_its_hash else "Check that the path")
