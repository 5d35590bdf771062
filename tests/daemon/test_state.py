"""What the daemon keeps where its next start and other members find it: targets, the place in a log, the brake."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.admission import Brake, Wait
from rotator.core.agenda import State
from rotator.core.model import Mode, Policy
from rotator.core.survey import new_state
from rotator.daemon.vitals import STATE
from rotator.errors import StateError
from tests.app.small_world import AUTO, OLD, SmallWorld
from tests.daemon.post import TICK, Post, released
from tests.fakes.state import FakeState

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rotator.core.admission import Admission, Wish
    from rotator.core.model import Target

    Log = list[MutableMapping[str, Any]]

DUE, YOUNG, HOUR, DAY = 91.0, 10.0, timedelta(hours=1), timedelta(days=1)


def fleet(small: SmallWorld, count: int, *, age: float = 0) -> list[Target]:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(count)]
    small.clock.advance(timedelta(days=age))
    return targets


def events(log: Log, *names: str) -> list[str]:
    return [event["event"] for event in log if event["event"] in names]


# --- targets are remembered -------------------------------------------------------------------------------------


async def test_a_restart_asks_nothing_of_those_that_are_settled(small: SmallWorld) -> None:
    targets, state = fleet(small, 3, age=YOUNG), released(small)
    async with Post(small, targets, state=state) as post:
        looks = {name: post.entry(name).at for name in ("t0", "t1", "t2")}
    async with Post(small, targets, state=state) as again:
        assert again.outcomes == []
        assert {name: again.entry(name).at for name in looks} == looks
        assert again.vitals.target("t0").last is not None


async def test_who_was_changed_in_between_is_looked_at(small: SmallWorld) -> None:
    (target,), state = fleet(small, 1, age=YOUNG), released(small)
    async with Post(small, [target], state=state):
        pass
    async with Post(small, [replace(target, policy=replace(AUTO, soak=DAY))], state=state) as again:
        assert again.passes("t0") == 1


async def test_who_was_in_trouble_is_looked_at_after_a_restart(small: SmallWorld) -> None:
    (target,), state = fleet(small, 1, age=YOUNG), released(small)
    small.okta.remove_app("0oa0")
    async with Post(small, [target], state=state) as post:
        assert post.entry("t0").state is State.BLOCKED
    async with Post(small, [target], state=state) as again:
        assert again.passes("t0") == 1


async def test_a_missed_night_is_made_up_for_with_the_longest_overdue_first(small: SmallWorld) -> None:
    state = released(small)
    targets = []
    for n in (2, 0, 1):  # made in this order, a day apart, and named otherwise
        targets.append(small.settled(f"t{n}", app_id=f"0oa{n}"))
        small.clock.advance(DAY)
    small.clock.advance(timedelta(days=80))
    async with Post(small, targets, state=state) as post:
        assert len(post.outcomes) == 3
    small.clock.advance(timedelta(days=20))

    async with Post(small, targets, state=state) as again:
        assert [outcome.target.name for outcome in again.outcomes] == ["t2", "t0", "t1"]
        assert all(small.current(target) != OLD for target in targets)


async def test_what_another_member_has_found_out_is_taken_up(small: SmallWorld) -> None:
    targets, state = fleet(small, 2, age=YOUNG), released(small)
    async with Post(small, targets, state=state) as post:
        theirs = state.member("daemon@there", {}).memory
        at = small.clock.now() + 3 * HOUR
        entry = replace(post.entry("t0"), at=at, state=State.PAUSED)
        await theirs.remember([replace(post.loop._agenda.remembered("t0"), entry=entry)])
        post.loop._common = replace(post.loop._common, several=True)
        await post.tick()

        assert post.entry("t0") == entry
        assert post.passes("t0") == 1


async def test_what_another_member_knows_of_another_configuration_is_not(small: SmallWorld) -> None:
    (target,), state = fleet(small, 1, age=YOUNG), released(small)
    async with Post(small, [target], state=state) as post:
        known = post.loop._agenda.remembered("t0")
        post.loop._agenda.heard([replace(known, settings="another", entry=replace(known.entry, state=State.PAUSED))])

        assert post.entry("t0").state is State.RESTING


async def test_what_another_member_asked_for_is_planned_here_at_once(small: SmallWorld) -> None:
    (target,), state = fleet(small, 1, age=YOUNG), released(small)
    async with Post(small, [target], state=state) as post, small.leases.hold(target):
        await post.loop._passes.make("t0")  # as the engine has it made
        await post.settle()
        assert post.entry("t0").state is State.BUSY

        assert post.wakes_at == post.entry("t0").at


# --- the state is away ------------------------------------------------------------------------------------------


async def test_without_the_state_nothing_is_begun_and_it_is_told_once(small: SmallWorld, log: Log) -> None:
    targets, state = fleet(small, 3, age=DUE), released(small)
    small.world = replace(small.world, journal=state.member("daemon@here", {}).journal)
    async with Post(small, [], state=state) as post:
        state.down = StateError("the state database does not answer")
        post.loop._hand_over(targets)
        for _ in range(3):
            await post.tick()
        assert all(small.current(target) == OLD for target in targets)
        assert post.vitals.reach[STATE].fine is False

        state.down = None
        await post.tick()
        await post.tick()
        assert all(small.current(target) != OLD for target in targets)
    assert events(log, "state_unreachable", "state_reachable") == ["state_unreachable", "state_reachable"]
    assert events(log, "target_failed") == []


async def test_what_could_not_be_written_is_written_with_the_next(small: SmallWorld) -> None:
    targets, state = fleet(small, 2, age=YOUNG), released(small)
    async with Post(small, [], state=state) as post:
        post.loop._agenda.take_up(targets, small.clock.now())
        state.down = StateError("disk full")
        with pytest.raises(StateError):
            await post.loop._recollection.note("t0")
        state.down = None
        await post.loop._recollection.note("t1")

    assert set(state.targets) == {"t0", "t1"}


async def test_it_does_not_begin_where_nobody_can_tell_what_is_remembered(small: SmallWorld) -> None:
    state = released(small)
    state.down = StateError("the state database does not answer")
    post = Post(small, fleet(small, 1, age=DUE), state=state)
    with pytest.raises(StateError):
        await post.loop.run()


# --- the brake --------------------------------------------------------------------------------------------------


def lost(small: SmallWorld) -> FakeState:
    """Return a state that is new, or was lost."""
    state = FakeState(small.clock)
    state.brake = new_state(small.clock.now())
    return state


async def test_a_new_state_is_released_by_itself_once_all_were_looked_at(small: SmallWorld, log: Log) -> None:
    targets, state = fleet(small, 3, age=DUE), lost(small)
    async with Post(small, targets, state=state) as post:
        assert all(small.current(target) == OLD for target in targets)
        await post.tick()
        assert state.brake is None
        await post.tick()
        assert all(small.current(target) != OLD for target in targets)
    assert events(log, "brake_set", "brake_released") == ["brake_set", "brake_released"]


async def test_a_lost_state_lifts_no_brake_where_vault_shows_earlier_rotations(small: SmallWorld, log: Log) -> None:
    (target,) = targets = fleet(small, 1, age=DUE)
    async with Post(small, targets):
        assert (first := small.current(target)) != OLD
    small.clock.advance(timedelta(days=DUE))
    state = lost(small)
    async with Post(small, targets, state=state) as post:
        for _ in range(5):
            await post.tick()
        assert small.current(target) == first
        assert small.okta.accepts(OLD, "0oa0")
        assert post.vitals.brake is not None
        assert "earlier rotations of 1 target" in post.vitals.brake.why

        await state.member("me", {}).brakes.release("me", small.clock.now())
        await post.tick()
        await post.tick()
        assert not small.okta.accepts(OLD, "0oa0")
    assert events(log, "brake_set", "brake_released") == ["brake_set", "brake_set", "brake_released"]


async def test_a_lost_state_lifts_no_brake_where_many_are_due_at_once(small: SmallWorld) -> None:
    targets, state = fleet(small, 6, age=DUE), lost(small)
    async with Post(small, targets, state=state) as post:
        for _ in range(5):
            await post.tick()
        assert all(small.current(target) == OLD for target in targets)
        assert post.vitals.brake is not None
        assert "6 targets are due at once" in post.vitals.brake.why


async def test_a_target_that_cannot_be_reached_leaves_the_survey_open(small: SmallWorld) -> None:
    targets, state = fleet(small, 2, age=YOUNG), lost(small)
    post = Post(small, targets, state=state)
    post.wires.okta["acme"].error = StateError("okta acme: no answer")
    async with post:
        for _ in range(3):
            await post.tick()
        assert state.brake is not None


async def test_a_brake_that_is_set_meanwhile_stops_what_comes_after(small: SmallWorld) -> None:
    targets, state = fleet(small, 1, age=YOUNG), released(small)
    async with Post(small, targets, state=state) as post:
        state.brake = Brake(small.clock.now(), "somebody was worried")
        await post.tick(timedelta(days=DUE))
        await post.tick()
        assert small.current(targets[0]) == OLD


async def test_who_is_being_looked_at_when_it_comes_off_is_looked_at_once_more(small: SmallWorld) -> None:
    (target,), state = fleet(small, 1, age=DUE), lost(small)
    post, go_on = Post(small, [target], state=state), asyncio.Event()

    async def wait(_: str) -> None:
        await go_on.wait()

    post.wires.kv.meanwhile = wait
    async with post:
        await state.member("other", {}).brakes.release("other", small.clock.now())
        await post.tick()
        assert post.vitals.brake is None
        go_on.set()
        await post.settle()
        await post.tick()

        assert small.current(target) != OLD


async def test_who_was_held_back_is_looked_at_as_soon_as_somebody_releases_it(small: SmallWorld) -> None:
    targets, state = fleet(small, 6, age=DUE), lost(small)
    async with Post(small, targets, state=state) as post:
        await post.tick()
        assert all(small.current(target) == OLD for target in targets)
        await state.member("me", {}).brakes.release("me", small.clock.now())
        post.loop.released()
        await post.settle()

        assert all(small.current(target) != OLD for target in targets)


# --- the queue --------------------------------------------------------------------------------------------------


class Turns:
    """A gate that lets begin so many, and has the others wait for an hour."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.asked: list[str] = []
        self.small: SmallWorld | None = None

    async def ask(self, wish: Wish) -> Admission:
        from rotator.core.admission import Admitted

        self.asked.append(wish.target)
        if self.free:
            self.free -= 1
            return Admitted()
        assert self.small
        return Wait(self.small.clock.now() + HOUR, "its wave has begun")

    async def ended(self, target: str, *, good: bool) -> None:
        assert good, target


@pytest.fixture
def turns(small: SmallWorld) -> Turns:
    turns = Turns(3)
    turns.small = small
    small.world = replace(small.world, gate=turns)
    return turns


async def test_an_opening_costs_a_few_looks_however_many_wait(small: SmallWorld, turns: Turns) -> None:
    targets, state = fleet(small, 40, age=YOUNG), released(small)
    async with Post(small, targets, state=state) as post:
        small.clock.advance(timedelta(days=DUE))
        await post.tick()
        assert sum(small.current(target) != OLD for target in targets) == 3
        waiting = post.vitals.by_state()[State.QUEUED]
        before = len(post.outcomes)
        turns.free = 1
        await post.tick(HOUR)

        assert waiting == 37
        assert sum(small.current(target) != OLD for target in targets) == 4
        assert len(post.outcomes) - before <= 8


async def test_what_is_told_of_one_policy_holds_for_no_other(small: SmallWorld, turns: Turns) -> None:
    first = fleet(small, 4, age=DUE)
    other = replace(small.settled("other", app_id="0oax", age=DUE), policy=Policy("other", Mode.AUTO))
    turns.free = 0
    async with Post(small, [*first, other], state=released(small)) as post:
        turns.free = 9
        post.loop.wake(["other"])
        await post.tick(TICK)

        assert small.current(other) != OLD
        assert all(small.current(target) == OLD for target in first)
