"""The promises I1 to I7 under every fault at every effect, and under people who interfere.

Each test prints how many schedules it told and how many distinct states they reached (`-rP` shows it). A violation
prints its story, which `tests.faults.story.replay` tells line by line. `ROTATOR_TEST_SEED` and `ROTATOR_TEST_SCHEDULES`
choose other samples and more of them.
"""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import bugs
from tests.faults.scenes import SCENES, Scene
from tests.faults.schedules import (
    sampled,
    with_one_act,
    with_one_order,
    with_one_read_unanswered,
    with_up_to_two_faults,
)
from tests.faults.seeds import FOUND, SHOWS
from tests.faults.story import Story, Told, replay, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SEED = int(os.environ.get("ROTATOR_TEST_SEED", "20261123"))
SAMPLES = int(os.environ.get("ROTATOR_TEST_SCHEDULES", "6000"))
NOTHING_IS_DONE = {scene.__name__ for scene in SCENES if scene().may_block}  # a person has to come
ONLY_BY = {
    "I1": bugs.the_overlap_is_skipped,
    "I2": bugs.the_value_is_staged_after_okta_has_it,
    "I3": bugs.the_staged_value_is_left_readable,
    "I4": bugs.another_candidate_is_made_while_one_waits,
    "I5": bugs.other_peoples_fields_are_dropped,
    "I6": bugs.a_settled_target_is_rewritten,
    "I7": bugs.a_create_is_repeated_at_once,
}


def _hold(told: Iterable[tuple[Story, Told]], what: str) -> None:
    """Tell all, count, and fail with the shortest story that broke a promise."""
    schedules, states, races, broken = 0, set[int](), 0, list[Story]()
    two = timedelta(0)
    for story, end in told:
        schedules += 1
        states |= end.states
        races += len(end.races)
        two = max(two, end.longest_two)
        if end.violations:
            broken.append(story)
    print(
        f"{what}: {schedules} schedules, {len(broken)} violations, {len(states)} states, {races} races, "
        f"longest with two active secrets {two}, seed {SEED}"
    )
    if broken:
        pytest.fail(replay(min(broken, key=lambda story: len(str(story)))), pytrace=False)
    assert schedules
    assert states or what.partition(",")[0] in NOTHING_IS_DONE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_any_one_or_two_faults(scene: Callable[[], Scene]) -> None:
    _hold(with_up_to_two_faults(scene), scene.__name__)


@pytest.mark.timeout(300)
def test_any_act_of_a_person_at_any_moment() -> None:
    _hold(((story, tell(story)) for scene in SCENES for story in with_one_act(scene)), "one act")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_any_order_of_an_operator(scene: Callable[[], Scene]) -> None:
    _hold(with_one_order(scene), f"{scene.__name__}, ordered")


def test_any_read_unanswered() -> None:
    _hold(((story, tell(story)) for scene in SCENES for story in with_one_read_unanswered(scene)), "one read")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("faults", "acts", "days", "orders"),
    [(3, 0, 0, 0), (1, 1, 0, 0), (2, 1, 1, 0), (0, 2, 1, 0), (1, 0, 0, 2), (1, 1, 1, 2)],
    ids=[
        "three faults",
        "a fault and an act",
        "two faults and two people",
        "three people",
        "a fault and two orders",
        "everybody",
    ],
)
def test_samples_of_more(faults: int, acts: int, days: int, orders: int) -> None:
    random = Random(f"{SEED} {faults} {acts} {days} {orders}")
    stories = (sampled(random, faults=faults, acts=acts, days=days, orders=orders) for _ in range(SAMPLES // 6))
    _hold(((story, tell(story)) for story in stories), f"{faults} faults, {acts + days} acts, {orders} orders")


@pytest.mark.parametrize("story", [*FOUND, *dict.fromkeys(SHOWS.values())], ids=str)
def test_a_story_that_once_showed_a_bug(story: Story) -> None:
    assert not tell(story).violations, replay(story)


@pytest.mark.parametrize("bug", bugs.BUGS, ids=lambda bug: bug.__name__)
def test_the_observer_finds_a_planted_bug(bug: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)

    assert tell(SHOWS[bug]).violations


@pytest.mark.parametrize("promise", sorted(ONLY_BY))
def test_each_promise_has_a_bug_that_it_alone_catches(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = ONLY_BY[promise]
    bug(monkeypatch)

    told = tell(SHOWS[bug])

    assert {promise} == {violation.promise for violation in told.violations}


def test_there_are_planted_bugs_enough_and_each_has_its_story() -> None:
    assert len(bugs.BUGS) >= 15
    assert set(bugs.BUGS) == set(SHOWS)


def test_a_story_told_twice_is_the_same() -> None:
    story = sampled(Random(SEED), faults=2, acts=1, days=1)

    assert replay(story) == replay(story)
