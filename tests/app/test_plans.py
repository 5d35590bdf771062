"""Carrying out a plan: just its step, and only while the world is as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import pytest

from rotator.adapters.no_state import OpenGate
from rotator.app.plans import Planned, carry_out, weigh
from rotator.app.reconcile import ONE_PASS, Patience, reconcile
from rotator.core.actions import LOOKS, Rest, Waiting
from rotator.core.foresight import Step, step_after, step_of
from rotator.core.model import Mode, Policy
from rotator.core.plan import Standing, basis_of
from rotator.errors import BusyError, RefusedError
from tests.app.small_world import AUTO, SmallWorld

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.plans import Weighed
    from rotator.app.rotate import Outcome
    from rotator.core.admission import Admission, Wish
    from rotator.core.model import Target

DAY = timedelta(days=1)


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


async def look(small: SmallWorld, target: Target) -> Outcome:
    (outcome,) = await reconcile([target], small.of, dry_run=True)
    return outcome


async def planned(small: SmallWorld, target: Target) -> Planned:
    outcome = await look(small, target)
    assert outcome.seen
    assert outcome.planned
    return Planned(target, step_of(outcome.planned), basis_of(outcome.seen))


async def weighed(small: SmallWorld, plan: Planned, written_at: datetime) -> Weighed:
    (found,) = await weigh([plan], small.of, written_at=written_at)
    return found


async def applied(small: SmallWorld, plan: Planned) -> Outcome:
    now = small.clock.now()
    found = await weighed(small, plan, now)
    assert found.judged.standing is Standing.HOLDS
    assert (found.goes_on, found.refused) == (True, False)
    (outcome,) = await carry_out([found], small.of, patience=ONE_PASS)
    return outcome


def did(outcome: Outcome) -> list[str]:
    """Return what was changed."""
    return [type(step.action).__name__ for step in outcome.steps if not isinstance(step.action, LOOKS)]


async def test_each_step_of_a_life_is_planned_and_carried_out_by_itself(small: SmallWorld) -> None:
    target = small.settled(age=91)
    steps = []
    for wait in (0.0, 7.1, 3.1):
        small.clock.advance(wait * DAY)
        plan = await planned(small, target)
        steps.append((plan.step.name if plan.step else "", did(await applied(small, plan))))

    assert steps == [
        ("Stage", ["Stage", "Create", "Promote", "CloseStaging"]),
        ("Deactivate", ["Deactivate"]),
        ("Delete", ["Delete"]),
    ]


async def test_whoever_holds_the_target_is_not_disturbed(small: SmallWorld) -> None:
    target = small.settled(age=91)
    plan = await planned(small, target)
    found = await weighed(small, plan, small.clock.now())
    async with small.leases.hold(target):
        (outcome,) = await carry_out([found], small.of, patience=Patience(timedelta(0)))

    assert isinstance(outcome.ending, BusyError)
    assert did(outcome) == []


async def test_what_is_planned_is_begun_as_a_person_who_names_it_would(small: SmallWorld) -> None:
    class Asked(OpenGate):
        told: ClassVar[list[bool]] = []

        async def ask(self, wish: Wish) -> Admission:
            self.told.append(wish.told)
            return await super().ask(wish)

    target = small.settled(age=91)
    plan = await planned(small, target)
    small.world = replace(small.world, gate=Asked())

    await applied(small, plan)

    assert Asked.told == [True]
    Asked.told.clear()


async def test_what_cannot_be_looked_at_is_refused_with_the_reason(small: SmallWorld) -> None:
    plan = await planned(small, small.settled(age=91))
    small.flaky_okta.fail("get_app", RefusedError("you may not"))

    found = await weighed(small, plan, small.clock.now())

    assert found.refused
    assert found.judged.differences == ("it cannot be looked at: you may not",)


async def test_where_nothing_is_to_be_done_nothing_is_weighed(small: SmallWorld) -> None:
    due, young = small.settled(age=91), small.target("young", app_id="0oa2")
    plan = [Planned(young, None, {}), await planned(small, due)]

    found = await weigh(plan, small.of, written_at=small.clock.now())

    assert [each.planned.target.name for each in found] == ["billing"]


async def test_a_plan_that_begins_no_rotation_lets_none_begin(small: SmallWorld) -> None:
    target = small.settled(age=91)
    await applied(small, await planned(small, target))
    small.clock.advance(8 * DAY)
    await applied(small, await planned(small, target))
    small.clock.advance(100 * DAY)  # the soak is over, and the new one is due

    outcome = await applied(small, await planned(small, target))

    assert did(outcome) == ["Delete"]
    assert isinstance(outcome.ending, Rest)
    assert "the plan begins no rotation of billing" in outcome.ending.detail
    assert (await look(small, target)).planned is not None


async def test_what_waits_for_its_window_is_not_over(small: SmallWorld) -> None:
    from datetime import time

    from rotator.core.schedule import Window

    target = small.settled(age=91)
    plan = await planned(small, target)
    elsewhen = (small.clock.now() + 12 * timedelta(hours=1)).hour
    shut = Window(frozenset({"sun"}), time(elsewhen), time(elsewhen, 1), "UTC")
    moved = replace(plan, target=replace(target, policy=replace(AUTO, windows=(shut,))))

    found = await weighed(small, moved, small.clock.now())

    assert found.judged.standing is Standing.CHANGED
    assert (found.goes_on, found.refused) == (False, True)
    assert "it waits now for maintenance window: expired" in found.judged.differences


async def test_another_rotation_under_way_is_not_taken_for_its_own(small: SmallWorld) -> None:
    target = small.settled(age=91)
    plan = await planned(small, target)
    small.flaky_okta.fail("create_secret", OSError())
    await reconcile([target], small.of)
    small.clock.advance(timedelta(minutes=5))

    own = await weighed(small, plan, small.clock.now() - timedelta(hours=1))
    another = await weighed(small, plan, small.clock.now())

    assert own.judged.standing is Standing.BEGUN
    assert another.judged.standing is Standing.CHANGED
    assert "the staging record was empty, it is staged" in another.judged.differences


# --- foresight ----------------------------------------------------------------------------------------------


async def test_a_rest_says_what_it_will_end_in(small: SmallWorld) -> None:
    target, told = small.settled(age=10), []
    for wait in (0.0, 81.0, 7.1, 3.1):
        small.clock.advance(wait * DAY)
        (outcome,) = await reconcile([target], small.of)
        assert outcome.seen
        assert isinstance(outcome.ending, Rest)
        step = step_after(outcome.ending, outcome.seen, small.clock.now())
        told.append((outcome.ending.waiting, step and step.name, step and step.why))

    assert told == [
        (Waiting.NEXT_ROTATION, "Stage", "expired"),
        (Waiting.OVERLAP, "Deactivate", "overlap over"),
        (Waiting.SOAK, "Delete", "soak over"),
        (Waiting.NEXT_ROTATION, "Stage", "expired"),
    ]


async def test_what_it_comes_to_is_what_was_foretold(small: SmallWorld) -> None:
    target = small.settled(age=91)
    await reconcile([target], small.of)
    for _ in range(2):
        (outcome,) = await reconcile([target], small.of)
        assert outcome.seen
        assert isinstance(outcome.ending, Rest)
        assert outcome.ending.until
        told = step_after(outcome.ending, outcome.seen, small.clock.now())
        small.clock.advance(outcome.ending.until - small.clock.now() + timedelta(minutes=1))

        assert (await planned(small, target)).step == told
        await reconcile([target], small.of)


async def test_nothing_is_foretold_of_what_is_for_a_person(small: SmallWorld) -> None:
    manual = Policy(mode=Mode.MANUAL)
    target = replace(small.settled(age=10), policy=manual)
    (outcome,) = await reconcile([target], small.of)
    assert outcome.seen
    assert isinstance(outcome.ending, Rest)

    assert step_after(outcome.ending, outcome.seen, small.clock.now()) is None
    small.clock.advance(90 * DAY)
    (due,) = await reconcile([target], small.of)
    assert due.seen
    assert isinstance(due.ending, Rest)
    assert step_after(due.ending, due.seen, small.clock.now()) == Step("Stage", None, "expired")
