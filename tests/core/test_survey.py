"""What is found out before a new state database lets anything begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.admission import Brake, Limits
from rotator.core.agenda import LastLook
from rotator.core.survey import NEW_STATE, new_state, objection, unfinished
from tests.core.snapshots import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMITS = Limits(urgent_at_once=2, urgent_share=0.5)
RESTING = LastLook(NOON, "resting")
DUE = LastLook(NOON, "resting", planned="Stage")
AWAY = LastLook(NOON, "error", unreached=True)
ROTATED = LastLook(NOON, "resting", rotated_before=True)


def objected(*looks: LastLook) -> Brake | None:
    """Say what speaks against going on with these; there is one more whom nobody asks for."""
    found = {f"t{number}": look for number, look in enumerate(looks)}
    return objection(list(found), {**found, "elsewhere": ROTATED}, LIMITS, NOON)


def test_a_new_database_begins_with_a_brake_that_a_person_can_release() -> None:
    brake = new_state(NOON)

    assert (brake.since, brake.why) == (NOON, NEW_STATE)
    assert "`rotator resume --all`" in brake.hint


@pytest.mark.parametrize(
    ("looks", "left"),
    [
        pytest.param({}, 2, id="nobody was looked at"),
        pytest.param({"a": RESTING}, 1, id="one was"),
        pytest.param({"a": RESTING, "b": AWAY}, 1, id="one could not be reached"),
        pytest.param({"a": RESTING, "b": DUE}, 0, id="both were, whatever was seen"),
        pytest.param({"c": RESTING}, 2, id="another one is none of them"),
    ],
)
def test_it_is_open_while_a_target_was_not_seen(looks: Mapping[str, LastLook], left: int) -> None:
    assert unfinished(["a", "b"], looks) == left


def test_where_vault_shows_earlier_rotations_a_person_is_asked() -> None:
    one, two = objected(RESTING, ROTATED), objected(ROTATED, ROTATED)

    assert one
    assert two
    assert (one.since, one.why) == (
        NOON,
        "the state database is new, yet Vault shows earlier rotations of 1 target",
    )
    assert two.why.endswith("of 2 targets")
    assert "`state.url`" in one.hint


@pytest.mark.parametrize(
    ("due", "resting", "asked"),
    [(2, 0, False), (3, 0, True), (3, 2, True), (3, 3, False), (0, 9, False)],
    ids=["as many as may be", "one more", "of a few more", "half of many", "none"],
)
def test_where_too_many_are_due_at_once_a_person_is_asked(due: int, resting: int, asked: bool) -> None:
    found = objected(*[DUE] * due, *[RESTING] * resting)

    assert (found is not None) is asked
    if found:
        assert found.why == f"{due} targets are due at once, more than 2 (`limits`)"
        assert "`rotator resume --all`" in found.hint
