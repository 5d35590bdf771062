"""The Outbox port: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.adapters.store_outbox import StoreOutbox
from rotator.core.notices import Happened, Kind, Route, Rules, Said, Sight, Subject
from tests.contract.state_worlds import InDatabase

if TYPE_CHECKING:
    from tests.contract.state_worlds import StateWorld
    from tests.fakes.state import FakeMember

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RULES = Rules((Route("ops"),))
BOTH = Rules((Route("ops"), Route("hook")))


def blocked(state: StateWorld, name: str = "billing", what: str = "SLOTS_FULL") -> Sight:
    said = Said(what, f"both slots of {name} taken", "Free one.")
    return Sight(Subject(name, "acme", "0oa1", "prod"), state.clock.now(), {Kind.BLOCKED: said})


def well(state: StateWorld, name: str = "billing") -> Sight:
    return Sight(Subject(name, "acme", "0oa1", "prod"), state.clock.now(), over=frozenset({Kind.BLOCKED}))


async def fill(state: StateWorld, member: FakeMember, count: int, rules: Rules = RULES) -> None:
    for number in range(count):
        await member.outbox.tell(blocked(state, f"t{number}"), rules)


# --- into it ----------------------------------------------------------------------------------------------------


async def test_every_field_comes_back(state: StateWorld) -> None:
    one = await state.member()
    recovered = replace(well(state), at=state.clock.now() + HOUR)

    assert await one.outbox.tell(blocked(state), RULES) == 1
    first = await one.outbox.take("ops", 20, lasting=MINUTE)
    assert first
    await one.outbox.sent(first)
    await one.outbox.tell(recovered, RULES)
    second = await one.outbox.take("ops", 20, lasting=MINUTE)

    assert second
    (notice,), (end,) = first.notices, second.notices
    assert (notice.subject, notice.kind, notice.of) == (Subject("billing", "acme", "0oa1", "prod"), Kind.BLOCKED, None)
    assert (notice.at, notice.since) == (state.clock.now(), state.clock.now())
    assert (notice.detail, notice.hint) == ("both slots of billing taken", "Free one.")
    assert (end.kind, end.of, end.since) == (Kind.RECOVERED, Kind.BLOCKED, state.clock.now())


async def test_the_same_is_told_once_and_its_end_once(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    assert [await member.outbox.tell(blocked(state), RULES) for member in (one, two, one)] == [1, 0, 0]
    assert [await member.outbox.tell(well(state), RULES) for member in (two, one)] == [1, 0]
    assert await one.outbox.standing() == ()


async def test_of_members_that_see_it_at_once_one_tells(state: StateWorld) -> None:
    members = [await state.member(str(number)) for number in range(4)]

    told = await asyncio.gather(*(member.outbox.tell(blocked(state), RULES) for member in members))

    assert sorted(told) == [0, 0, 0, 1]


async def test_what_happened_is_remembered(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    rotated = Sight(Subject("billing"), state.clock.now(), happened=(Happened(Kind.ROTATED, Said("r1", "out")),))

    assert [await one.outbox.tell(rotated, RULES), await two.outbox.tell(rotated, RULES)] == [1, 0]


async def test_what_stands_is_read_and_forgotten(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 3)

    await one.outbox.forget(["t0", "t2", "unheard of"])

    assert [(each.subject, each.kind, each.what) for each in await one.outbox.standing()] == [
        ("t1", Kind.BLOCKED, "SLOTS_FULL")
    ]


# --- out of it --------------------------------------------------------------------------------------------------


async def test_each_channel_has_its_own(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 2, BOTH)
    taken = await one.outbox.take("hook", 20, lasting=MINUTE)
    assert taken
    await one.outbox.sent(taken)

    assert await one.outbox.waiting() == {"ops": 2, "hook": 1}


async def test_notices_go_out_in_their_order(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 3)
    names = []
    while (batch := await one.outbox.take("ops", 20, lasting=MINUTE)) is not None:
        names += [notice.subject.name for notice in batch.notices]
        await one.outbox.sent(batch)

    assert names == ["t0", "t1", "t2"]
    assert await one.outbox.waiting() == {}


async def test_a_channel_is_sent_through_by_one_member_at_a_time(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await fill(state, one, 2)

    taken = await one.outbox.take("ops", 20, lasting=MINUTE)
    assert taken
    assert await two.outbox.take("ops", 20, lasting=MINUTE) is None
    await one.outbox.sent(taken)

    assert await two.outbox.take("ops", 20, lasting=MINUTE) is not None


async def test_who_was_killed_in_the_middle_leaves_it_to_another(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await fill(state, one, 1)
    lost = await one.outbox.take("ops", 20, lasting=MINUTE)
    await state.expire()

    taken = await two.outbox.take("ops", 20, lasting=MINUTE)

    assert lost
    assert taken
    assert taken.notices == lost.notices


async def test_who_slept_and_has_sent_all_the_same_notes_that(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await fill(state, one, 1)
    slow = await one.outbox.take("ops", 20, lasting=MINUTE)
    await state.expire()
    taken = await two.outbox.take("ops", 20, lasting=MINUTE)
    assert slow
    assert taken

    await one.outbox.sent(slow)
    assert await two.outbox.waiting() == {}
    await fill(state, one, 5)
    assert await one.outbox.take("ops", 20, lasting=MINUTE) is None  # the channel is still the other's
    await two.outbox.put_off(taken, state.clock.now())


async def test_what_was_put_off_waits_for_its_time_and_counts_its_tries(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 1)
    first = await one.outbox.take("ops", 20, lasting=MINUTE)
    assert first
    await one.outbox.put_off(first, state.clock.now() + MINUTE)

    assert await one.outbox.take("ops", 20, lasting=MINUTE) is None
    state.clock.advance(MINUTE)
    second = await one.outbox.take("ops", 20, lasting=MINUTE)
    assert second
    assert (second.tries, second.numbers) == (1, first.numbers)
    await one.outbox.sent(second)
    await fill(state, one, 3)
    third = await one.outbox.take("ops", 20, lasting=MINUTE)
    assert third
    assert third.tries == 0


async def test_no_more_than_so_many_in_an_hour_and_the_last_holds_all_that_waits(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 6)
    sizes = []
    while (batch := await one.outbox.take("ops", 3, lasting=MINUTE)) is not None:
        sizes.append(len(batch.notices))
        await one.outbox.sent(batch)
    assert sizes == [1, 1, 4]

    await one.outbox.tell(blocked(state, "later"), RULES)
    assert await one.outbox.take("ops", 3, lasting=MINUTE) is None
    state.clock.advance(HOUR)
    assert await one.outbox.take("ops", 3, lasting=MINUTE) is not None


async def test_what_is_given_up_is_not_sent_and_takes_no_room(state: StateWorld) -> None:
    one = await state.member()
    await fill(state, one, 2)
    batch = await one.outbox.take("ops", 2, lasting=MINUTE)
    assert batch
    await one.outbox.give_up(batch)

    left = await one.outbox.take("ops", 2, lasting=MINUTE)
    assert left
    assert [notice.subject.name for notice in left.notices] == ["t1"]
    assert len(left.notices) == 1


async def test_an_empty_channel_is_not_taken(state: StateWorld) -> None:
    one = await state.member()

    assert await one.outbox.take("ops", 20, lasting=MINUTE) is None
    assert await one.outbox.waiting() == {}


async def test_old_notices_are_removed_sent_or_not(state_url: str) -> None:
    world = InDatabase(state_url)
    store = await world.store()
    outbox = StoreOutbox(store, world.clock, "one", retention=HOUR)
    await outbox.tell(blocked(world), BOTH)
    world.clock.advance(2 * HOUR)
    await outbox.tell(blocked(world, "young"), RULES)

    await outbox.prune()

    assert await outbox.waiting() == {"ops": 1}
    await world.aclose()
