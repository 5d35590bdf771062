"""Approvals, and secrets that a person says may go: written down, carried out by the next pass, or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.observe import read_record
from rotator.app.orders import approve, reclaim, retire
from rotator.app.rotate import carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.model import Mode, OrderMode
from rotator.core.secret_value import SecretValue
from rotator.core.usage import Usage
from rotator.errors import RefusedError, UnavailableError
from tests.app.small_world import AUTO, OLD, OTHER, SmallWorld

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rotator.core.model import SecretId, Target


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


def slot(small: SmallWorld, target: Target, value: str) -> SecretId:
    return next(held.id for held in small.okta.held(target.app_id) if held.value.reveal() == value)


async def waits_for(small: SmallWorld, target: Target) -> Waiting | None:
    ending = (await carry_on(target, small.world)).ending
    return ending.waiting if isinstance(ending, Rest) else None


async def refused(order: Awaitable[object]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        await order
    assert caught.value.hint
    return caught.value


async def rotated(small: SmallWorld, **policy: object) -> Target:
    target = small.settled()
    target = replace(target, policy=replace(target.policy, **policy))  # type: ignore[arg-type]
    await carry_on(target, small.world, order=OrderMode.NOW)
    return target


def expired(small: SmallWorld) -> Target:
    target = small.settled(age=100)
    return replace(target, policy=replace(AUTO, mode=Mode.APPROVE))


# --- approve ------------------------------------------------------------------------------------------------------


async def test_what_is_due_waits_for_approval_and_then_begins(small: SmallWorld) -> None:
    target = expired(small)
    assert await waits_for(small, target) is Waiting.APPROVAL

    await approve(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)

    assert small.current(target) != OLD


async def test_one_approval_is_for_one_rotation(small: SmallWorld) -> None:
    target = expired(small)
    await approve(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)
    new = small.current(target)
    record, _ = await read_record(small.kv, target.staging)
    assert record.approved is None
    for _ in range(4):
        small.clock.advance(timedelta(days=30))
        await carry_on(target, small.world)

    assert await waits_for(small, target) is Waiting.APPROVAL
    assert small.current(target) == new


async def test_an_approval_outlives_a_value_that_came_to_nothing(small: SmallWorld) -> None:
    target = expired(small)
    await approve(target, small.world, sleep=small.sleep)
    small.okta.server_answers = False
    await carry_on(target, small.world)
    (candidate,) = [held.id for held in small.okta.held() if held.value.reveal() != OLD]
    with small.okta.by("admin") as okta:
        await okta.deactivate_secret(target.app_id, candidate)
    small.okta.server_answers = True
    small.clock.advance(timedelta(hours=1))

    await carry_on(target, small.world)

    assert small.current(target) not in {OLD, None}
    assert len(small.okta.held()) == 2


async def test_what_is_revoked_waits_for_approval_too(small: SmallWorld) -> None:
    target = replace(small.settled(), policy=replace(AUTO, mode=Mode.APPROVE))
    with small.okta.by("admin") as okta:
        await okta.create_secret(target.app_id, SecretValue(OTHER))
        await okta.deactivate_secret(target.app_id, slot(small, target, OLD))
        await okta.deactivate_secret(target.app_id, slot(small, target, OLD))
    small.okta.shows_values = False

    assert await waits_for(small, target) is Waiting.APPROVAL
    await approve(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)

    assert small.current(target) not in {OLD, OTHER}


async def test_nothing_is_approved_that_does_not_wait_for_it(small: SmallWorld) -> None:
    target = replace(small.settled(), policy=replace(AUTO, mode=Mode.APPROVE))

    assert (await refused(approve(target, small.world, sleep=small.sleep))).code == "not_needed"


async def test_an_outage_is_no_sign_that_nothing_waits_for_it(small: SmallWorld) -> None:
    target = expired(small)
    small.flaky_okta.fail("get_app", UnavailableError("away"))

    with pytest.raises(UnavailableError, match="away"):
        await approve(target, small.world, sleep=small.sleep)


# --- retire -------------------------------------------------------------------------------------------------------


async def test_an_old_one_goes_at_once_where_a_person_says_so(small: SmallWorld) -> None:
    target = await rotated(small)
    assert small.okta.accepts(OLD)

    await retire(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)

    assert not small.okta.accepts(OLD)
    small.clock.advance(timedelta(days=4))
    await carry_on(target, small.world)
    assert len(small.okta.held(target.app_id)) == 1


async def test_though_it_is_still_used(small: SmallWorld) -> None:
    target = await rotated(small, usage=Usage.REQUIRED)
    small.clock.advance(timedelta(days=8))
    small.okta.ask_for_token(OLD)
    assert await waits_for(small, target) is Waiting.IN_USE

    await retire(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)

    assert not small.okta.accepts(OLD)


async def test_it_comes_back_once_for_whoever_fails_with_it_and_stays(small: SmallWorld) -> None:
    small.okta.logs_refused_hash = True
    target = await rotated(small)
    await retire(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)
    small.clock.advance(timedelta(hours=1))
    assert not small.okta.ask_for_token(OLD)

    await carry_on(target, small.world)
    assert small.okta.ask_for_token(OLD)
    small.clock.advance(timedelta(days=20))
    await carry_on(target, small.world)

    assert small.okta.accepts(OLD), "a person has to say so again"
    await retire(target, small.world, sleep=small.sleep)
    await carry_on(target, small.world)
    assert not small.okta.accepts(OLD)


async def test_what_is_off_already_is_not_retired(small: SmallWorld) -> None:
    target = await rotated(small)
    small.clock.advance(timedelta(days=8))
    await carry_on(target, small.world)

    error = await refused(retire(target, small.world, sleep=small.sleep))

    assert (error.code, "deleted after 2026-12-04" in str(error)) == ("not_needed", True)


async def test_where_there_is_no_old_one_none_is_retired(small: SmallWorld) -> None:
    assert (await refused(retire(small.settled(), small.world, sleep=small.sleep))).code == "no_such_secret"


async def test_one_that_is_named_is_the_old_one_or_none(small: SmallWorld) -> None:
    target = await rotated(small)

    order = retire(target, small.world, secret_id="ocs9", sleep=small.sleep)
    assert (await refused(order)).code == "no_such_secret"
    old = slot(small, target, OLD)
    done = await retire(target, small.world, secret_id=old, sleep=small.sleep)

    assert done.detail.startswith(f"{old} is switched off")


async def test_the_last_one_that_works_is_not_retired(small: SmallWorld) -> None:
    target = await rotated(small)
    with small.okta.by("admin") as okta:
        await okta.deactivate_secret(target.app_id, slot(small, target, str(small.current(target))))

    assert (await refused(retire(target, small.world, sleep=small.sleep))).code == "needed"


# --- reclaim ------------------------------------------------------------------------------------------------------


async def crowded(small: SmallWorld) -> Target:
    """Expired, and the other slot holds a secret that nobody told us about."""
    target = small.settled(age=100)
    with small.okta.by("admin") as okta:
        await okta.create_secret(target.app_id, SecretValue(OTHER))
    return target


async def test_a_foreign_one_goes_where_a_person_says_so_and_its_slot_is_used(small: SmallWorld) -> None:
    target = await crowded(small)
    await carry_on(target, small.world)
    assert small.current(target) == OLD

    await reclaim(target, small.world, slot(small, target, OTHER), sleep=small.sleep)
    await carry_on(target, small.world)
    assert not small.okta.accepts(OTHER)
    small.clock.advance(timedelta(days=4))
    await carry_on(target, small.world)

    assert small.current(target) != OLD
    assert not any(held.value.reveal() == OTHER for held in small.okta.held(target.app_id))


@pytest.mark.parametrize(
    ("which", "code"), [(OLD, "no_such_secret"), ("", "no_such_secret")], ids=["the current one", "none"]
)
async def test_only_a_foreign_one_is_reclaimed(small: SmallWorld, which: str, code: str) -> None:
    target = await crowded(small)
    named = slot(small, target, which) if which else "ocs9"

    assert (await refused(reclaim(target, small.world, named, sleep=small.sleep))).code == code


async def test_an_old_one_of_ours_is_for_retire(small: SmallWorld) -> None:
    target = await rotated(small)

    error = await refused(reclaim(target, small.world, slot(small, target, OLD), sleep=small.sleep))

    assert (error.code, "rotator retire" in error.hint) == ("not_needed", True)


# --- compromised --------------------------------------------------------------------------------------------------


async def test_a_compromised_one_is_off_in_the_same_pass_and_never_comes_back(small: SmallWorld) -> None:
    small.okta.logs_refused_hash = True
    target = small.settled()

    await carry_on(target, small.world, order=OrderMode.COMPROMISED)
    assert small.current(target) != OLD
    assert not small.okta.accepts(OLD)
    small.okta.ask_for_token(OLD)
    await carry_on(target, small.world)

    assert not small.okta.accepts(OLD)


async def test_it_is_noted_of_a_rotation_that_is_under_way(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("prove", RefusedError("stop here"))
    await carry_on(target, small.world)
    assert small.current(target) == OLD

    await carry_on(target, small.world, order=OrderMode.COMPROMISED)

    assert small.current(target) != OLD
    assert not small.okta.accepts(OLD)
