"""The Leases port as rows of a state that members share: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.store import Store
from rotator.adapters.store_leases import StoreLeases
from rotator.core.model import AppId, KvPath, Target
from rotator.errors import BusyError
from tests.contract.state_worlds import HOSTS

if TYPE_CHECKING:
    from rotator.ports import Leases
    from tests.contract.state_worlds import StateWorld

EFFECT = timedelta(seconds=35)


def target(app: str = "0oa1", org: str = "acme", name: str = "billing") -> Target:
    path = KvPath("kv", "billing")
    return Target(name, org, "main", AppId(app), path, path)


async def is_free(leases: Leases, wanted: Target) -> bool:
    try:
        async with leases.hold(wanted):
            return True
    except BusyError:
        return False


async def test_a_free_target_is_held_and_free_again_afterwards(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    for _ in range(2):
        async with one.leases.hold(target()) as lease:
            await lease.confirm(EFFECT)
            assert not await is_free(two.leases, target())
            assert not await is_free(one.leases, target())
    assert await is_free(two.leases, target())


async def test_a_held_target_is_refused_at_once_and_its_holder_named(state: StateWorld) -> None:
    one, two = await state.member("daemon@one"), await state.member("two")

    async with one.leases.hold(target()):
        with pytest.raises(BusyError, match=r"billing is being worked on by daemon@one$"):
            async with two.leases.hold(target()):
                pytest.fail("it is held")


@pytest.mark.parametrize(
    ("other", "free"),
    [
        pytest.param(target(name="the same app under another name"), False, id="the app counts, not the target's name"),
        pytest.param(target(org="again"), False, id="the org's host counts, not its alias"),
        pytest.param(target(org="other"), True, id="another org's app of that id is another app"),
        pytest.param(target(app="0oa2"), True, id="another app is another lease"),
    ],
)
async def test_a_lease_is_on_one_app_of_one_org(state: StateWorld, other: Target, free: bool) -> None:
    one, two = await state.member("one"), await state.member("two")

    async with one.leases.hold(target()):
        assert await is_free(two.leases, other) is free


async def test_a_lease_is_given_back_after_a_failure(state: StateWorld) -> None:
    member = await state.member()

    with pytest.raises(RuntimeError, match="in the middle"):
        async with member.leases.hold(target()):
            raise RuntimeError("in the middle")

    assert await is_free(member.leases, target())


async def test_who_slept_while_another_took_it_has_lost_it_for_good(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    async with one.leases.hold(target()) as slept:
        await state.expire()
        async with two.leases.hold(target()) as awake:
            with pytest.raises(BusyError, match="billing was taken over by two"):
                await slept.confirm(EFFECT)
            await awake.confirm(EFFECT)
        with pytest.raises(BusyError, match="taken over"):
            await slept.confirm(EFFECT)


async def test_who_lost_it_gives_nothing_back(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    async with one.leases.hold(target()):
        await state.expire()
        holding = two.leases.hold(target())
        await holding.__aenter__()

    assert not await is_free(one.leases, target())
    await holding.__aexit__(None, None, None)
    assert await is_free(one.leases, target())


async def test_the_same_member_that_took_it_again_is_not_who_held_it_before(state: StateWorld) -> None:
    member = await state.member("one")

    async with member.leases.hold(target()) as slept:
        await state.expire()
        async with member.leases.hold(target()):
            with pytest.raises(BusyError, match="taken over"):
                await slept.confirm(EFFECT)


async def test_who_overslept_and_lost_it_to_nobody_goes_on(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    async with one.leases.hold(target()) as lease:
        await state.expire()
        await lease.confirm(EFFECT)
        assert not await is_free(two.leases, target())


async def test_a_confirmation_prolongs_and_never_shortens(state_url: str) -> None:
    store = Store(state_url)
    await store.open()
    one, two = StoreLeases(store, HOSTS, "one", timedelta(0)), StoreLeases(store, HOSTS, "two")

    async with one.hold(target()) as lease:
        await lease.confirm(timedelta(hours=1))
        await lease.confirm(timedelta(0))
        assert not await is_free(two, target())
    async with one.hold(target()):
        assert await is_free(two, target())
    await store.aclose()


async def test_of_many_who_want_it_at_once_one_gets_it(state: StateWorld) -> None:
    members = [await state.member(f"member {number}") for number in range(6)]
    refused: list[BusyError] = []
    all_others_refused = asyncio.Event()

    async def want(leases: Leases) -> bool:
        try:
            async with leases.hold(target()):
                await all_others_refused.wait()
                return True
        except BusyError as busy:
            refused.append(busy)
            if len(refused) == 5:
                all_others_refused.set()
            return False

    got = await asyncio.gather(*(want(each.leases) for each in members))

    assert sorted(got) == [False] * 5 + [True]


async def test_a_pass_that_is_cut_off_gives_it_back(state: StateWorld) -> None:
    member = await state.member()
    held = asyncio.Event()

    async def work() -> None:
        async with member.leases.hold(target()):
            held.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await held.wait()
    task.cancel()
    await asyncio.wait({task})

    assert await is_free(member.leases, target())
