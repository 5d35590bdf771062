"""What comes soon, and what is late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.actions import Waiting
from rotator.core.agenda import LastLook
from rotator.core.deadlines import Deadlines, Removal, late, removal_of, rotation_due, upcoming
from rotator.core.model import AppId, KvPath, Mode, Policy, SecretId, Target
from tests.fakes.okta import NOON

DAY = timedelta(days=1)
AUTO = Policy(mode=Mode.AUTO, rotate_after=90 * DAY)
TARGET = Target("billing", "acme", "main", AppId("0oa1"), KvPath("kv", "billing"), KvPath("secret", "s"), AUTO)
WEEK = Deadlines(upcoming=7 * DAY, late_after=3 * DAY)


def look(age: timedelta, waiting: Waiting = Waiting.NEXT_ROTATION, **more: object) -> LastLook:
    seen = LastLook(NOON, "resting", waiting=waiting.value, secret_id=SecretId("ocs1"), secret_created=NOON - age)
    return replace(seen, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("age", "told"),
    [(80 * DAY, False), (84 * DAY, True), (90 * DAY, True), (91 * DAY, False)],
)
def test_a_rotation_is_told_before_it_is_due(age: timedelta, told: bool) -> None:
    assert (upcoming(TARGET, look(age), WEEK, NOON) is not None) is told


def test_nothing_is_announced_unless_that_is_wanted() -> None:
    assert upcoming(TARGET, look(89 * DAY), Deadlines(), NOON) is None


def test_an_announcement_says_when_and_who_begins() -> None:
    said = upcoming(TARGET, look(89 * DAY), WEEK, NOON)
    modes = (replace(TARGET, policy=replace(AUTO, mode=mode)) for mode in (Mode.MANUAL, Mode.APPROVE))
    by_hand, approved = (upcoming(target, look(89 * DAY), WEEK, NOON) for target in modes)

    assert said
    assert by_hand
    assert approved
    assert "waits for `rotator approve billing`" in approved.detail
    assert f"{NOON + DAY:%Y-%m-%d}" in said.detail
    assert "begins by itself" in said.detail
    assert "waits for `rotator rotate billing`" in by_hand.detail


@pytest.mark.parametrize(("age", "told"), [(92 * DAY, False), (93 * DAY, False), (94 * DAY, True)])
def test_a_rotation_is_late_when_it_is_overdue_by_more_than_is_allowed(age: timedelta, told: bool) -> None:
    assert (late(TARGET, look(age, Waiting.TURN), None, WEEK, NOON) is not None) is told


@pytest.mark.parametrize("waiting", [Waiting.WINDOW, Waiting.BACKLOG])
def test_who_waits_as_the_policy_says_is_not_late(waiting: Waiting) -> None:
    assert late(TARGET, look(100 * DAY, waiting), None, WEEK, NOON) is None


def test_who_is_only_observed_is_never_due() -> None:
    observed = replace(TARGET, policy=replace(AUTO, mode=Mode.OBSERVE))

    assert rotation_due(observed, look(100 * DAY)) is None
    assert rotation_due(replace(TARGET, only_observed="a newcomer"), look(100 * DAY)) is None


def test_a_removal_that_does_not_come_is_late() -> None:
    resting = look(10 * DAY, Waiting.OVERLAP, until=NOON - 4 * DAY)
    removal = removal_of(resting)
    failing = replace(resting, result="error", detail="Okta is away", hint="Wait.")

    said = late(TARGET, failing, removal, WEEK, NOON)

    assert removal == Removal("deactivation", NOON - 4 * DAY)
    assert said
    assert said.step == "deactivation"
    assert said.said.detail.startswith(f"the deactivation was due on {NOON - 4 * DAY:%Y-%m-%d}")
    assert said.said.detail.endswith(f"; the last look: error, {Waiting.OVERLAP.value}")
    assert said.said.hint == "Wait."
    for days in (2, 3):
        assert late(TARGET, failing, Removal("deactivation", NOON - days * DAY), WEEK, NOON) is None


def test_a_removal_of_which_nothing_was_seen_since_is_late_all_the_same() -> None:
    said = late(TARGET, None, Removal("deletion", NOON - 4 * DAY), WEEK, NOON)

    assert said
    assert said.said.detail == f"the deletion was due on {NOON - 4 * DAY:%Y-%m-%d %H:%M} UTC"
    assert said.said.hint == "`rotator plan` says what stands in the way."


def test_what_waits_for_something_else_is_no_removal() -> None:
    assert removal_of(look(DAY, Waiting.NEXT_ROTATION, until=NOON)) is None
    assert removal_of(look(DAY, Waiting.SOAK)) is None
    assert removal_of(look(DAY, Waiting.SOAK, until=NOON)) == Removal("deletion", NOON)


def test_of_whom_nothing_is_known_nothing_is_told() -> None:
    assert late(TARGET, None, None, WEEK, NOON) is None
    assert upcoming(TARGET, None, WEEK, NOON) is None
