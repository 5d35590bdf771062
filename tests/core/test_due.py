"""What makes a secret due, and what a blackout closes: Okta's `created` and the calendar, nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.actions import Action, Deactivate, Promote, Rest, Stage, Waiting
from rotator.core.model import OrderMode, Reason, RetiringMode, SecretId
from rotator.core.rotation import next_action
from rotator.core.schedule import DAYS, Blackout, Window
from tests.core.snapshots import (
    ISSUED,
    NOON,
    POLICY,
    A,
    B,
    ago,
    closed,
    consumer,
    order,
    secret,
    seen,
    staged,
    version,
)

DAY = timedelta(days=1)
AFTER = POLICY.rotate_after
V1A = version(1, A, age=100)

# --- by Okta's `created` --------------------------------------------------------------------------------------

AGES = some.floats(0, 300)


@given(AGES, AGES, AGES, AGES)
def test_okta_says_how_old_a_secret_is_and_nothing_else_does(
    created: float, toggled: float, written: float, made: float
) -> None:
    held = secret(A, age=created, changed=min(created, toggled))
    record = closed(A)
    record = replace(record, made=tuple(replace(each, at=ago(made)) for each in record.made))

    action = next_action(seen(held, vault=consumer(version(1, A, age=written)), staging=record), NOON)

    due = held.created + AFTER
    assert action == (Stage(Reason.EXPIRED) if due <= NOON else Rest(due, Waiting.NEXT_ROTATION))


@given(some.lists(some.timedeltas(-400 * DAY, 400 * DAY), min_size=1, max_size=5))
def test_a_clock_that_jumps_and_comes_back_finds_what_it_would_have_found(jumps: list[timedelta]) -> None:
    held = secret(A, age=30)
    given_, due = seen(held, vault=consumer(version(1, A, age=30))), held.created + AFTER

    for now in [NOON + jump for jump in jumps] + [NOON]:
        late = now >= due
        assert next_action(given_, now) == (Stage(Reason.EXPIRED) if late else Rest(due, Waiting.NEXT_ROTATION))


def test_a_night_that_was_missed_is_made_up_for_in_the_next() -> None:
    nights = replace(POLICY, windows=(Window(frozenset(DAYS), time(22), time(4), "UTC"),))
    given_ = seen(secret(A, age=90), vault=consumer(version(1, A, age=90)), policy=nights)

    for nights_missed in (0, 1, 40):
        morning = NOON + nights_missed * DAY
        opens = morning + timedelta(hours=10)
        assert next_action(given_, morning) == Rest(opens, Waiting.WINDOW, "expired")
        assert next_action(given_, opens) == Stage(Reason.EXPIRED)


# --- a blackout closes as a window that is shut ---------------------------------------------------------------

TODAY = Blackout(date(2026, 6, 15), date(2026, 6, 15), "UTC")  # until twelve hours after NOON
EVER = Window(frozenset(DAYS), time(0), time(0), "UTC")
CANDIDATE = {"staging": staged(B, base=V1A), "vault": consumer(V1A), "proofs": {B: ISSUED}}
RETIRED = {"vault": consumer(V1A, version(2, B, age=8, retiring="ocsA")), "proofs": {B: ISSUED}}
LEAVING = (secret(A, age=100, changed=100), secret(B, age=8))


@pytest.mark.parametrize("windows", [(), (EVER,)], ids=["no window", "an open one"])
@pytest.mark.parametrize(
    ("secrets", "given_", "then"),
    [
        pytest.param((secret(A, age=100),), {"vault": consumer(V1A)}, Stage(Reason.EXPIRED), id="a beginning"),
        pytest.param((secret(A, age=100), secret(B)), CANDIDATE, Promote(secret(B)), id="a promotion"),
        pytest.param(LEAVING, RETIRED, Deactivate(SecretId("ocsA"), "overlap over"), id="a deactivation"),
        pytest.param(
            (secret(A),),
            {"vault": consumer(version(1, A)), "staging": closed(A, order=order("ocsA", mode=OrderMode.WINDOW))},
            Stage(Reason.ORDERED),
            id="an order for the next window",
        ),
    ],
)
def test_what_a_blackout_closes(
    secrets: tuple[object, ...], given_: dict[str, object], then: Action, windows: tuple[Window, ...]
) -> None:
    policy = replace(POLICY, windows=windows)
    dark = replace(policy, blackouts=(TODAY,))
    ends = NOON + timedelta(hours=12)

    assert next_action(seen(*secrets, policy=policy, **given_), NOON) == then  # type: ignore[arg-type]
    closed_ = next_action(seen(*secrets, policy=dark, **given_), NOON)  # type: ignore[arg-type]
    assert isinstance(closed_, Rest)
    assert (closed_.until, closed_.waiting) == (ends, Waiting.WINDOW)
    assert next_action(seen(*secrets, policy=dark, **given_), ends) == then  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("secrets", "given_", "then"),
    [
        pytest.param(
            (secret(A, active=False),),
            {"vault": consumer(version(1, A)), "asked": {SecretId("ocsA"): False}},
            Stage(Reason.REVOKED),
            id="a revoked secret",
        ),
        pytest.param((), {}, Stage(Reason.MISSING), id="a missing one"),
        pytest.param(
            (secret(A),),
            {"vault": consumer(version(1, A)), "staging": closed(A, order=order("ocsA"))},
            Stage(Reason.ORDERED),
            id="an order for now",
        ),
        pytest.param(
            (secret(A, age=100, active=False), secret(B)),
            CANDIDATE,
            Promote(secret(B)),
            id="a promotion for a dead one",
        ),
        pytest.param(
            LEAVING,
            {**RETIRED, "vault": consumer(V1A, version(2, B, age=8, retiring="ocsA", mode=RetiringMode.NOW))},
            Deactivate(SecretId("ocsA"), "overlap over"),
            id="what is compromised",
        ),
    ],
)
def test_what_a_blackout_does_not_close(secrets: tuple[object, ...], given_: dict[str, object], then: Action) -> None:
    dark = replace(POLICY, blackouts=(TODAY,))

    assert next_action(seen(*secrets, policy=dark, **given_), NOON) == then  # type: ignore[arg-type]
