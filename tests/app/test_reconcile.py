"""Many targets, each by itself; and the patience for what ends by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.reconcile import AT_ONCE, OUT, Patience, each, reconcile, see_through
from rotator.core.actions import Rest, Stage, Waiting
from rotator.core.model import Mode, OrderMode, Policy
from rotator.errors import (
    BusyError,
    ConflictError,
    InvariantError,
    RateLimitedError,
    RefusedError,
    RotatorError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)
from tests.app.small_world import OLD, SmallWorld

if TYPE_CHECKING:
    from rotator.app.rotate import Outcome
    from rotator.core.model import Target

MINUTE = Patience(timedelta(seconds=60))
DUE = 91.0  # days


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


async def patient(
    small: SmallWorld, target: Target, *, patience: Patience = MINUTE, order: OrderMode | None = None
) -> Outcome:
    return await see_through(target, small.world, told=True, order=order, patience=patience, sleep=small.sleep)


def waiting(outcome: Outcome) -> Waiting:
    assert isinstance(outcome.ending, Rest)
    return outcome.ending.waiting


# --- many ---------------------------------------------------------------------------------------------------


async def test_outcomes_come_in_the_order_of_the_targets(small: SmallWorld) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(9)]

    outcomes = await reconcile(targets, small.of)

    assert [outcome.target for outcome in outcomes] == targets


async def test_only_a_few_are_worked_on_at_a_time(small: SmallWorld) -> None:
    targets = [small.target(f"t{n}") for n in range(12)]

    async def work(target: Target) -> str:
        async with small.leases.hold(target):
            await asyncio.sleep(0)
        return target.name

    names = await each(targets, work, failed=lambda target, _: target.name)

    assert names == tuple(target.name for target in targets)
    assert small.leases.most == AT_ONCE


@pytest.mark.parametrize(
    "failure", [UnavailableError("away"), ValueError("with a secret in it")], ids=["an error", "a fault of ours"]
)
async def test_the_failure_of_one_stops_no_other(small: SmallWorld, failure: Exception) -> None:
    broken, fine = small.settled("a", app_id="0oaA"), small.settled("b", app_id="0oaB", age=DUE)
    small.flaky_okta.fail("get_app", failure)

    first, second = await reconcile([broken, fine], small.of, patience=Patience(timedelta(0)))

    assert isinstance(first.ending, RotatorError)
    assert "secret" not in str(first.ending)
    assert waiting(second) is Waiting.OVERLAP
    assert small.current(fine) != OLD


async def test_a_fault_of_ours_is_named_with_its_place_and_kept_for_the_log(small: SmallWorld) -> None:
    small.flaky_okta.fail("get_app", ValueError("with a secret in it"))

    (outcome,) = await reconcile([small.settled()], small.of)

    assert isinstance(outcome.ending, InvariantError)
    assert "ValueError in small_world.py:" in str(outcome.ending)
    assert isinstance(outcome.ending.__cause__, ValueError)


async def test_whoever_cancels_the_work_has_not_made_it_fail(small: SmallWorld) -> None:
    async def work(_: Target) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await each([small.target()], work, failed=lambda _, error: str(error))


async def test_a_world_that_cannot_be_opened_is_that_targets_failure(small: SmallWorld) -> None:
    refusal = RefusedError("no such org")

    def world_of(target: Target) -> object:
        if target.name == "a":
            raise refusal
        return small.world

    first, second = await reconcile(
        [small.settled("a", app_id="0oaA"), small.settled("b", app_id="0oaB")],
        world_of,  # type: ignore[arg-type]  # it returns a world or raises
    )

    assert first.ending is refusal
    assert isinstance(second.ending, Rest)


async def test_where_a_vault_is_out_for_several_the_rest_are_not_tried(small: SmallWorld) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(20)]
    sealed = SealedError("sealed")
    small.flaky_kv.fail("read_metadata", *[sealed] * 20)

    outcomes = await reconcile(targets, small.of)

    assert {outcome.ending for outcome in outcomes} == {sealed}
    assert 20 - small.flaky_kv.left("read_metadata") in range(OUT, OUT + AT_ONCE)


async def test_an_outage_now_and_then_stops_nobody(small: SmallWorld) -> None:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(20)]
    small.flaky_kv.fail("read_metadata", *[SealedError("sealed"), None, None] * 30)

    outcomes = await reconcile(targets, small.of)

    assert any(isinstance(outcome.ending, Rest) for outcome in outcomes[-4:])


async def test_an_outage_of_one_org_does_not_stop_another(small: SmallWorld) -> None:
    targets = [replace(small.target(f"t{n}"), org="out") for n in range(9)]
    targets.append(replace(small.target("fine"), org="fine"))
    tried: list[str] = []

    async def work(target: Target) -> str:
        tried.append(target.name)
        if target.org == "out":
            raise RateLimitedError("429")
        return "done"

    ended = await each(targets, work, failed=lambda _, error: str(error), at_once=1)

    assert ended == ("429",) * 9 + ("done",)
    assert tried == ["t0", "t1", "t2", "t3", "fine"]


async def test_a_dry_run_changes_nothing(small: SmallWorld) -> None:
    target = small.settled(age=DUE)

    (outcome,) = await reconcile([target], small.of, dry_run=True)

    assert isinstance(outcome.planned, Stage)
    assert (small.current(target), len(small.okta.held())) == (OLD, 1)


# --- patience -----------------------------------------------------------------------------------------------


async def test_an_attempt_that_may_still_arrive_is_waited_for(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.flaky_okta.fail("create_secret", UnknownOutcomeError("no answer"))

    outcome = await patient(small, target)

    assert waiting(outcome) is Waiting.OVERLAP
    assert small.slept == [target.settle.total_seconds()]
    assert "waiting 35 s: an earlier attempt that may still arrive" in small.told.begun
    assert small.told.doubts == ["Create"]
    assert small.current(target) != OLD
    assert len(small.okta.held()) == 2


async def test_a_record_that_was_written_although_nobody_said_so_is_found_at_once(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.flaky_kv.fail("write", UnknownOutcomeError("no answer"), done=True)

    outcome = await patient(small, target)

    assert waiting(outcome) is Waiting.OVERLAP
    assert small.told.doubts == ["Stage"], "what is there is read before anything is written again"
    assert small.slept == [target.settle.total_seconds()], "its value may be on its way to Okta, for all we know"
    assert (small.current(target) != OLD, len(small.okta.held())) == (True, 2)


async def test_the_steps_of_all_passes_are_told_together(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.flaky_okta.fail("create_secret", UnknownOutcomeError("no answer"))

    outcome = await patient(small, target)

    names = [type(step.action).__name__ for step in outcome.steps]
    assert names == ["Stage", "Create", "Create", "Verify", "Promote", "Verify", "CloseStaging"]
    assert [step.surprise is not None for step in outcome.steps] == [False, True, *[False] * 5]


async def test_a_token_request_that_shows_nothing_is_made_again_after_longer_and_longer_waits(
    small: SmallWorld,
) -> None:
    target = small.settled(age=DUE)
    small.okta.server_answers = False

    outcome = await patient(small, target)

    assert waiting(outcome) is Waiting.VERIFICATION
    assert small.slept == [1, 2, 4, 8, 15]
    assert (small.current(target), len(small.okta.held())) == (OLD, 2)


async def test_without_patience_nothing_is_waited_for(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.okta.server_answers = False

    outcome = await patient(small, target, patience=Patience(timedelta(0)))

    assert waiting(outcome) is Waiting.VERIFICATION
    assert small.slept == []


async def test_a_long_rest_is_not_waited_for(small: SmallWorld) -> None:
    outcome = await patient(small, small.settled())

    assert waiting(outcome) is Waiting.NEXT_ROTATION
    assert small.slept == []


@pytest.mark.parametrize("error", [UnavailableError("away"), ConflictError("late"), UnknownOutcomeError("lost")])
async def test_an_outage_is_tried_again(small: SmallWorld, error: RotatorError) -> None:
    target = small.settled(age=DUE)
    small.flaky_okta.fail("list_secrets", error, error)

    outcome = await patient(small, target)

    assert waiting(outcome) is Waiting.OVERLAP
    assert small.slept == [2, 4]


async def test_an_outage_that_lasts_is_the_ending(small: SmallWorld) -> None:
    error = UnavailableError("away")
    small.flaky_okta.fail("get_app", *[error] * 9)

    outcome = await patient(small, small.settled())

    assert outcome.ending is error
    assert small.slept == [2, 4]


@pytest.mark.parametrize("error", [SealedError("sealed"), RefusedError("no", code="403")], ids=["sealed", "refused"])
async def test_what_needs_a_person_is_not_tried_again(small: SmallWorld, error: RotatorError) -> None:
    small.flaky_kv.fail("read_metadata", error)

    outcome = await patient(small, small.settled())

    assert outcome.ending is error
    assert small.slept == []


@pytest.mark.parametrize(("opens", "slept"), [(20, [20]), (61, [])], ids=["soon", "too late for this run"])
async def test_a_rate_limit_is_waited_out_if_it_ends_soon(small: SmallWorld, opens: int, slept: list[float]) -> None:
    target = small.settled()
    error = RateLimitedError("429", retry_at=small.clock.now() + timedelta(seconds=opens))
    small.flaky_okta.fail("get_app", error)

    outcome = await patient(small, target)

    assert small.slept == slept
    assert isinstance(outcome.ending, Rest) is bool(slept)


# --- orders -------------------------------------------------------------------------------------------------


async def test_an_order_that_met_an_outage_first_is_given_again(small: SmallWorld) -> None:
    target = small.settled()
    small.flaky_okta.fail("get_app", UnavailableError("away"))

    await patient(small, target, order=OrderMode.NOW)

    assert small.current(target) != OLD
    assert len(small.okta.held()) == 2


async def test_an_order_is_not_given_again_after_it_was_carried_out(small: SmallWorld) -> None:
    """The outage strikes between the empty record and the destruction of the older ones."""
    target = small.settled()
    small.flaky_kv.fail("destroy", UnavailableError("away"))

    outcome = await patient(small, target, order=OrderMode.NOW)

    assert waiting(outcome) is Waiting.OVERLAP
    assert small.slept == [2]
    assert [type(step.action).__name__ for step in outcome.steps].count("Stage") == 1


async def test_an_order_under_a_policy_that_observes_is_only_planned(small: SmallWorld) -> None:
    target = small.settled()
    observed = small.target(policy=Policy(mode=Mode.OBSERVE))

    outcome = await patient(small, observed, order=OrderMode.NOW)

    assert isinstance(outcome.planned, Stage)
    assert small.current(target) == OLD


# --- whoever else is at it ----------------------------------------------------------------------------------


async def test_where_a_person_named_the_target_whoever_else_is_at_it_is_waited_for(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.leases.now.add(target.name)

    async def sleep(seconds: float) -> None:
        small.slept.append(seconds)
        if len(small.slept) == 5:
            small.leases.now.discard(target.name)

    outcome = await see_through(target, small.world, told=True, order=OrderMode.NOW, patience=MINUTE, sleep=sleep)

    assert small.slept == [1.0] * 5
    assert waiting(outcome) is Waiting.OVERLAP
    assert small.current(target) != OLD


@pytest.mark.parametrize(
    ("told", "seconds", "waited"),
    [
        pytest.param(True, 3, 3, id="not longer than told"),
        pytest.param(True, 0, 0, id="not where there is no time"),
        pytest.param(False, 60, 0, id="not where nobody waits"),
    ],
)
async def test_but_not_for_ever(small: SmallWorld, told: bool, seconds: int, waited: int) -> None:
    target = small.settled()
    small.leases.now.add(target.name)

    async def sleep(seconds: float) -> None:
        small.slept.append(seconds)
        small.clock.advance(timedelta(seconds=seconds))

    patience = Patience(timedelta(seconds=seconds))
    outcome = await see_through(target, small.world, told=told, patience=patience, sleep=sleep)

    assert isinstance(outcome.ending, BusyError)
    assert sum(small.slept) == waited
