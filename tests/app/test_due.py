"""Due, not fired: what is rotated follows from what Okta says, however often and whenever somebody looks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rotator.app.rotate import carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.schedule import DAYS, Window
from tests.app.small_world import AUTO, OLD, SmallWorld
from tests.fakes.okta import ManualClock

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import Target

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AFTER = AUTO.rotate_after


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


def made(small: SmallWorld) -> int:
    return small.told.ended.count("Create")


async def born(small: SmallWorld, target: Target) -> datetime:
    """Return when Okta says that the secret in Vault was created."""
    listed = await small.okta.list_secrets(target.app_id)
    (created,) = (each.created for each in listed if each.value and each.value.reveal() == small.current(target))
    return created


async def look(small: SmallWorld, target: Target) -> int:
    """Look once, as a process that has only just started; return how many secrets that made."""
    before = made(small)
    await carry_on(target, small.world)
    return made(small) - before


@pytest.mark.parametrize(
    ("every", "at_age"), [(HOUR, 90 * DAY), (DAY, 90 * DAY), (7 * DAY, 91 * DAY)], ids=["hourly", "daily", "weekly"]
)
async def test_however_often_somebody_looks_there_is_one_rotation_when_it_is_due(
    small: SmallWorld, every: timedelta, at_age: timedelta
) -> None:
    target, rotated = small.settled(), []
    for _ in range(100 * DAY // every):
        age = small.clock.now() - await born(small, target)
        rotated += [age] * await look(small, target)
        small.clock.advance(every)

    assert rotated == [at_age]


async def test_a_start_after_a_long_stop_rotates_once(small: SmallWorld) -> None:
    target = small.settled(age=400)

    assert [await look(small, target) for _ in range(5)] == [1, 0, 0, 0, 0]


async def test_a_start_where_nothing_is_due_writes_nothing(small: SmallWorld) -> None:
    target = small.settled(age=89)
    version, secrets = small.kv.keys[target.consumer].current, await small.okta.list_secrets(target.app_id)

    for _ in range(5):
        await carry_on(target, small.world, tries={})

    assert small.told.ended == []
    assert small.kv.keys[target.consumer].current == version
    assert await small.okta.list_secrets(target.app_id) == secrets


async def test_a_night_that_was_missed_is_made_up_for_in_the_next_and_the_day_between_makes_nothing(
    small: SmallWorld,
) -> None:
    night = Window(frozenset(DAYS), time(22), time(4), "UTC")
    target = replace(small.settled(age=90), policy=replace(AUTO, windows=(night,)))  # at noon

    assert await look(small, target) == 0
    small.clock.advance(DAY)  # nobody looked at night
    assert await look(small, target) == 0
    small.clock.advance(10 * HOUR)
    assert await look(small, target) == 1
    assert await look(small, target) == 0


async def test_a_clock_that_was_ahead_for_a_while_rotates_nothing_extra(small: SmallWorld) -> None:
    target, began = small.settled(), small.clock.now()
    small.clock.advance(80 * DAY)

    for days, rotations in ((80, 0), (89, 0), (90, 1), (95, 0), (80, 0), (91, 0), (169, 0)):
        small.world = replace(small.world, clock=ManualClock(began + days * DAY))
        assert await look(small, target) == rotations


async def test_a_clock_that_went_back_waits_for_the_time_that_okta_gave_and_forgets_nothing(small: SmallWorld) -> None:
    target = small.settled(age=100)
    right = small.clock.now()
    small.world = replace(small.world, clock=ManualClock(right - 50 * DAY))

    outcome = await carry_on(target, small.world)

    assert outcome.ending == Rest(await born(small, target) + AFTER, Waiting.NEXT_ROTATION)
    small.world = replace(small.world, clock=ManualClock(right))
    assert await look(small, target) == 1


@settings(max_examples=60, deadline=None)
@given(some.lists(some.timedeltas(timedelta(0), 60 * DAY), max_size=25))
def test_whenever_somebody_looks_nothing_is_rotated_early_twice_or_never(gaps: list[timedelta]) -> None:
    small = SmallWorld()
    target = small.settled()

    async def days() -> None:
        for gap in gaps:
            small.clock.advance(gap)
            age = small.clock.now() - await born(small, target)
            assert await look(small, target) <= (age >= AFTER)
        for _ in range(4):  # time for what is leaving to make room
            small.clock.advance(AUTO.soak)
            await look(small, target)
        assert small.clock.now() - await born(small, target) < AFTER
        assert (small.current(target) == OLD) is (made(small) == 0)

    asyncio.run(days())
