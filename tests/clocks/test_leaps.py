"""Our clock leaps while the daemon runs: nothing is rotated twice, and nothing ends before its true time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.agenda import SPREAD, State
from rotator.daemon.pruning import FIRST, Pruning
from rotator.daemon.vitals import Pulse
from tests.clocks.apart import DAY, EXACT, HOUR, Apart
from tests.daemon.post import TICK

if TYPE_CHECKING:
    from datetime import timedelta

LEAPS = {
    "an hour ahead": HOUR,
    "an hour back": -HOUR,
    "a day ahead": DAY,
    "a day back": -DAY,
    "400 days ahead": 400 * DAY,
    "400 days back": -400 * DAY,
}
LIFE = 14 * DAY
each_leap = pytest.mark.parametrize("leap", LEAPS.values(), ids=LEAPS)


async def calls_of_a_rotation() -> int:
    world = Apart()
    async with world.post:
        return len(world.calls)


@each_leap
async def test_whenever_it_leaps_in_a_rotation_that_rotation_is_the_only_one(leap: timedelta) -> None:
    """For a day the clock is off, then somebody sets it right."""
    problems = []
    for number in range(1, await calls_of_a_rotation() + 1):
        world = Apart()
        world.before_call[number] = lambda world=world: setattr(world.ours, "off", leap)  # type: ignore[misc]
        async with world.post:
            await world.go_on(DAY)
            world.ours.off = EXACT
            await world.go_on(LIFE, step=6 * HOUR)
        problems += [f"at call {number}, {world.calls[number - 1]}: {problem}" for problem in world.problems()]

    assert problems == []


@each_leap
@pytest.mark.parametrize("after", [3 * DAY, 8 * DAY], ids=["in the overlap", "in the soak"])
async def test_a_leap_ends_nothing_before_its_time(leap: timedelta, after: timedelta) -> None:
    world = Apart()
    async with world.post:
        await world.go_on(after)
        world.ours.off = leap
        await world.go_on(DAY)
        if leap >= DAY:
            assert world.post.vitals.target("billing").state is State.BLOCKED
            assert len(world.acts("delete")) == 0
        world.ours.off = EXACT
        await world.go_on(LIFE, step=6 * HOUR)

    assert world.problems() == []


@each_leap
async def test_a_leap_while_nothing_is_due_makes_nothing_due(leap: timedelta) -> None:
    world = Apart(age=10)
    async with world.post:
        world.ours.off = leap
        await world.go_on(2 * DAY)
        world.ours.off = EXACT
        await world.go_on(DAY)

    assert world.acts("create") == []
    assert world.post.vitals.target("billing").state is State.RESTING


async def test_a_clock_that_is_set_right_has_all_looked_at_whom_it_had_put_off() -> None:
    world = Apart(age=10)
    async with world.post:
        world.ours.off = DAY
        await world.go_on(2 * HOUR)
        assert world.post.vitals.target("billing").state is State.BLOCKED
        world.ours.off = EXACT
        await world.go_on(2 * TICK, step=TICK)
        await world.go_on(SPREAD, step=SPREAD)
        assert world.post.vitals.target("billing").state is State.RESTING


async def test_a_leap_of_the_clock_makes_nothing_old_enough_to_be_removed() -> None:
    seconds, pruned = [0.0], []

    async def prune() -> None:
        pruned.append(seconds[0])

    world = Apart(age=10)
    pruning = Pruning(Pulse(world.ours.now(), TICK, monotonic=lambda: seconds[0]), prune)
    world.post.tell.append(pruning.passed)
    async with world.post:
        world.ours.off = 400 * DAY
        await world.go_on(HOUR)
        seconds[0] = FIRST.total_seconds()
        due = [pruning.is_due]
        world.ours.off = EXACT
        await world.go_on(HOUR)
        due.append(pruning.is_due)
        await pruning.prune()
        world.ours.off = 400 * DAY
        due.append(pruning.is_due)

    assert due == [False, True, False]
    assert pruned == [FIRST.total_seconds()]


async def test_a_clock_that_leaps_again_and_again_rotates_once() -> None:
    world, leaps = Apart(), list(LEAPS.values())
    async with world.post:
        for n in range(60):
            world.ours.off = leaps[n % len(leaps)] if n % 2 else EXACT
            await world.go_on(5 * HOUR)
        world.ours.off = EXACT
        await world.go_on(LIFE, step=6 * HOUR)

    assert len(world.acts("create")) == len(world.life.promoted) == len(world.acts("delete")) == 1
    assert world.life.broken == []
