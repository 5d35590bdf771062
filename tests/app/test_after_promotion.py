"""What comes between a promotion and the end of the old secret: the other paths, and the hooks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.observe import read_record
from rotator.app.rotate import Outcome, carry_on
from rotator.core.actions import LOOKS, Block, Blocked, Rest, Waiting
from rotator.core.hooks import LONGEST
from rotator.core.model import Destination, KvPath, OrderMode
from rotator.errors import UnknownOutcomeError
from tests.app.small_world import OLD, OTHER, Held, SmallWorld
from tests.fakes.hooks import BAD, GOOD, FakeHooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import Target
    from rotator.ports import Lease

ALSO = KvPath("kv", "billing/reports")


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


def expired(small: SmallWorld, *, hooks: tuple[str, ...] = (), also: tuple[Destination, ...] = ()) -> Target:
    return replace(small.settled(age=100), hooks=hooks, also=also)


def hooked(small: SmallWorld, hooks: FakeHooks) -> None:
    small.hooks = hooks
    small.world = replace(small.world, hooks=hooks)


async def held_at(small: SmallWorld, path: KvPath) -> str | None:
    found = await small.kv.read(path)
    return str(found.fields.reveal()["client_secret"]) if found else None


def waiting(outcome: Outcome) -> Waiting | None:
    return outcome.ending.waiting if isinstance(outcome.ending, Rest) else None


# --- hooks --------------------------------------------------------------------------------------------------------


async def test_each_hook_is_run_once_in_order_and_told_which_promotion(small: SmallWorld) -> None:
    hooks = FakeHooks({"restart": lambda _: GOOD, "tell": lambda _: GOOD})
    hooked(small, hooks)
    target = expired(small, hooks=("restart", "tell"))

    await carry_on(target, small.world)
    await carry_on(target, small.world)

    assert [name for name, _ in hooks.ran] == ["restart", "tell"]
    (first, _), fields = hooks.ran, small.fields(target)
    assert (first[1].version, first[1].rotation, first[1].secret) == (
        2,
        fields["rotation_id"],
        fields["client_secret_id"],
    )
    assert (await read_record(small.kv, target.staging))[0].hooks is None


async def test_the_lease_is_to_outlast_the_longest_hook(small: SmallWorld) -> None:
    spans: list[timedelta] = []

    class Noting(Held):
        @asynccontextmanager
        async def hold(self, target: Target) -> AsyncIterator[Lease]:
            async with super().hold(target):
                yield self

        async def confirm(self, outlives: timedelta) -> None:
            spans.append(outlives)

    target = expired(small, hooks=("restart",))

    outcome = await carry_on(target, replace(small.world, leases=Noting()))

    written = [type(step.action).__name__ for step in outcome.steps if not isinstance(step.action, LOOKS)]
    assert dict(zip(written, spans, strict=True)) == {
        **dict.fromkeys(["Stage", "Create", "Promote", "CloseStaging", "ScrubStaging"], target.effect),
        "RunHook": LONGEST,
    }
    assert target.effect < LONGEST


async def test_one_that_fails_is_run_again_and_the_old_secret_stays_meanwhile(small: SmallWorld) -> None:
    hooks = FakeHooks({"restart": lambda before: BAD if before < 2 else GOOD})
    hooked(small, hooks)
    target = expired(small, hooks=("restart",))

    assert waiting(await carry_on(target, small.world)) is Waiting.HOOK
    small.clock.advance(timedelta(days=8))
    assert waiting(await carry_on(target, small.world)) is Waiting.HOOK
    assert small.okta.accepts(OLD)
    await carry_on(target, small.world)

    assert len(hooks.ran) == 3
    assert not small.okta.accepts(OLD)


async def test_one_that_fails_for_long_needs_a_person(small: SmallWorld) -> None:
    hooked(small, FakeHooks({"restart": lambda _: BAD}))
    target = expired(small, hooks=("restart",))
    await carry_on(target, small.world)
    small.clock.advance(timedelta(days=31))

    ending = (await carry_on(target, small.world)).ending

    assert isinstance(ending, Blocked)
    assert (ending.block, ending.detail) == (Block.HOOK, f"restart: {BAD.detail}")


async def test_what_was_run_is_run_again_only_where_that_was_not_noted(small: SmallWorld) -> None:
    hooks = FakeHooks({"restart": lambda _: GOOD, "tell": lambda _: GOOD})
    hooked(small, hooks)
    target = expired(small, hooks=("restart", "tell"))
    small.flaky_kv.fail("write", None, None, None, UnknownOutcomeError("lost"))

    await carry_on(target, small.world)

    assert [name for name, _ in hooks.ran] == ["restart", "restart", "tell"]
    assert len({occasion.rotation for _, occasion in hooks.ran}) == 1


async def test_a_hook_that_the_configuration_no_longer_names_holds_nothing_up(small: SmallWorld) -> None:
    hooked(small, FakeHooks({"restart": lambda _: BAD}))
    target = expired(small, hooks=("restart",))
    await carry_on(target, small.world)

    assert waiting(await carry_on(replace(target, hooks=()), small.world)) is Waiting.OVERLAP


# --- several paths ------------------------------------------------------------------------------------------------


async def test_every_path_gets_the_new_secret(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))

    await carry_on(target, small.world)

    assert await held_at(small, ALSO) == small.current(target) != OLD


async def test_nothing_begins_while_another_path_holds_what_a_person_put_there(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))
    small.kv.by_hand.put(ALSO, {"client_id": "0oa1", "client_secret": OTHER})

    ending = (await carry_on(target, small.world)).ending

    assert isinstance(ending, Blocked)
    assert ending.block is Block.PLACES_DIFFER
    assert (small.current(target), await held_at(small, ALSO)) == (OLD, OTHER)


async def test_one_that_was_not_reached_is_finished_later_and_the_old_secret_waits_for_it(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))
    small.kv.by_hand.put(ALSO, {"client_id": "0oa1", "client_secret": OLD})
    small.flaky_kv.fail("write", None, None, None, *[UnknownOutcomeError("lost")] * 3)
    await carry_on(target, small.world)
    assert (small.current(target) != OLD, await held_at(small, ALSO)) == (True, OLD)
    small.clock.advance(timedelta(days=8))

    outcome = await carry_on(target, small.world)

    assert await held_at(small, ALSO) == small.current(target)
    assert waiting(outcome) is Waiting.OVERLAP, "it left when the last path was written"
    assert small.okta.accepts(OLD)


async def test_a_path_of_another_client_is_left_alone(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))
    small.kv.by_hand.put(ALSO, {"client_id": "0oa9", "client_secret": OTHER})

    ending = (await carry_on(target, small.world)).ending

    assert isinstance(ending, Blocked)
    assert ending.block is Block.OTHER_CLIENT


async def test_a_version_that_a_person_deleted_is_not_resurrected_there_either(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))
    small.kv.by_hand.put(ALSO, {"client_id": "0oa1", "client_secret": OLD})
    small.kv.by_hand.delete(ALSO)

    ending = (await carry_on(target, small.world)).ending

    assert isinstance(ending, Blocked)
    assert ending.block is Block.PATH_DELETED


async def test_a_revoked_one_is_replaced_all_the_same(small: SmallWorld) -> None:
    target = expired(small, also=(Destination(ALSO),))
    await carry_on(target, small.world, order=OrderMode.NOW)
    small.kv.by_hand.put(ALSO, {"client_id": "0oa1", "client_secret": OTHER})
    new = small.current(target)
    with small.okta.by("admin") as okta:
        current = next(held.id for held in small.okta.held(target.app_id) if held.value.reveal() == new)
        await okta.deactivate_secret(target.app_id, current)
    small.clock.advance(timedelta(days=1))

    await carry_on(target, small.world)

    assert small.current(target) not in {new, OLD}
    assert await held_at(small, ALSO) == OTHER
