"""The Gate and the Brakes: what has begun is counted once for all members. The fake, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core.admission import LONG_AGO, Admitted, Begun, Brake, Wait, Wish
from rotator.core.agenda import Entry, Remembered
from rotator.core.model import Policy, Reason
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.admission import Admission, Ledger
    from tests.contract.state_worlds import StateWorld

POLICY = Policy(name="prod")
FULL = Wait(None, "enough have begun")


def wish(target: str = "billing", reason: Reason = Reason.EXPIRED) -> Wish:
    return Wish(target, POLICY, reason, NOON)


@dataclass(slots=True)
class Deciding:
    """Lets so many begin, and keeps what it was shown."""

    places: int = 1000
    shown: list[tuple[Ledger, datetime]] = field(default_factory=list)

    def __call__(self, wish: Wish, ledger: Ledger, now: datetime) -> Admission:
        self.shown.append((ledger, now))
        return Admitted() if len(ledger.begun) < self.places else FULL


async def test_what_is_admitted_stands_in_the_ledger_of_all_members(state: StateWorld) -> None:
    deciding = Deciding()
    one, two = await state.member("one", decide=deciding), await state.member("two", decide=deciding)

    assert await one.gate.ask(wish("a")) == Admitted()
    state.clock.advance(timedelta(minutes=1))
    assert await two.gate.ask(wish("b", Reason.REVOKED)) == Admitted()
    await one.gate.ended("a", good=True)
    await two.gate.ask(wish("c"))

    ledger, now = deciding.shown[-1]
    assert tuple(ledger.begun) == (
        Begun("a", "prod", urgent=False, at=NOON, ended_at=NOON + timedelta(minutes=1), good=True),
        Begun("b", "prod", urgent=True, at=NOON + timedelta(minutes=1)),
    )
    assert now == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("reason", list(Reason))
async def test_urgent_is_where_consumers_are_cut_off(state: StateWorld, reason: Reason) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)

    await member.gate.ask(wish("a", reason))
    await member.gate.ask(wish("b"))

    ((begun,),) = [ledger.begun for ledger, _ in deciding.shown[1:]]
    assert begun.urgent is (reason in {Reason.REVOKED, Reason.UNKNOWN_VALUE})


async def test_what_has_to_wait_is_not_counted(state: StateWorld) -> None:
    deciding = Deciding(places=0)
    member = await state.member(decide=deciding)

    assert await member.gate.ask(wish()) == FULL
    assert await member.gate.ask(wish()) == FULL
    assert [tuple(ledger.begun) for ledger, _ in deciding.shown] == [(), ()]


async def test_a_rotation_that_has_begun_is_asked_again_and_is_the_same(state: StateWorld) -> None:
    deciding = Deciding(places=1)
    member = await state.member(decide=deciding)
    await member.gate.ask(wish())

    for _ in range(3):
        state.clock.advance(LONG_AGO / 3)
        assert await member.gate.ask(wish()) == Admitted()
    assert len(deciding.shown) == 1
    state.clock.advance(timedelta(seconds=1))
    await member.gate.ask(wish())
    assert len(deciding.shown) == 2, "what hangs for a day is no beginning of today's"


async def test_after_its_end_the_next_one_is_another(state: StateWorld) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)
    await member.gate.ask(wish())
    await member.gate.ended("billing", good=False)
    await member.gate.ask(wish())
    await member.gate.ask(wish("other"))

    assert [(each.target, each.good) for each in deciding.shown[-1][0].begun] == [("billing", False), ("billing", None)]


async def test_the_end_of_what_never_began_is_nothing(state: StateWorld) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)

    await member.gate.ended("billing", good=True)
    await member.gate.ask(wish())

    assert tuple(deciding.shown[-1][0].begun) == ()


async def test_a_ledger_reaches_a_day_back(state: StateWorld) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)
    for name in ("ended", "unended"):
        await member.gate.ask(wish(name))
    await member.gate.ended("ended", good=True)

    state.clock.advance(LONG_AGO)
    await member.gate.ask(wish("at the edge"))
    state.clock.advance(timedelta(seconds=1))
    await member.gate.ask(wish("after it"))

    seen = [[each.target for each in ledger.begun] for ledger, _ in deciding.shown]
    assert seen[2:] == [["ended", "unended"], ["at the edge"]]


async def test_a_ledger_knows_the_fleet_and_since_when_a_target_is_known(state: StateWorld) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)
    known_since = NOON - timedelta(days=9)
    await member.memory.remember(
        [Remembered("billing", "digest", known_since, Entry(NOON)), Remembered("portal", "digest", NOON, Entry(NOON))]
    )

    await member.gate.ask(wish())
    await member.gate.ask(wish("never met"))

    assert [(ledger.fleet, ledger.known_since) for ledger, _ in deciding.shown] == [(2, known_since), (2, NOON)]


async def test_of_many_who_ask_at_once_no_more_are_let_in_than_there_are_places(state: StateWorld) -> None:
    members = [await state.member(f"member {number}", decide=Deciding(places=3)) for number in range(4)]

    asked = [member.gate.ask(wish(f"{index}-{turn}")) for index, member in enumerate(members) for turn in range(3)]
    answers = await asyncio.gather(*asked)

    assert sum(answer == Admitted() for answer in answers) == 3


async def test_a_target_that_two_members_ask_for_at_once_begins_once(state: StateWorld) -> None:
    deciding = Deciding()
    members = [await state.member(f"member {number}", decide=deciding) for number in range(4)]

    answers = await asyncio.gather(*(member.gate.ask(wish()) for member in members))
    await members[0].gate.ask(wish("other"))

    assert set(answers) == {Admitted()}
    assert len(deciding.shown[-1][0].begun) == 1


# --- The brake ------------------------------------------------------------------------------------------------


async def test_a_new_database_has_its_brake_on(state: StateWorld) -> None:
    found = await (await state.member()).brakes.brake()

    assert found
    assert found.why == "the state database is new"
    assert found.hint == "`rotator resume --all` lets it go on."
    assert abs(found.since - await state.now()) < timedelta(minutes=1)


async def test_a_brake_holds_all_members_until_one_of_them_releases_it(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    first = Brake(NOON, "a third of the apps are gone", "Look at Okta.")

    await two.brakes.end_survey(first, NOON)
    assert await one.brakes.brake() == first
    assert await two.brakes.brake() == first

    await one.brakes.release("ops", NOON)
    assert await two.brakes.brake() is None


@pytest.mark.parametrize("found", [None, Brake(NOON, "many are due")], ids=["nothing", "something"])
async def test_who_ends_the_survey_late_undoes_nothing(state: StateWorld, found: Brake | None) -> None:
    one, late = await state.member("one"), await state.member("late")
    first = Brake(NOON, "Vault shows earlier rotations")

    await one.brakes.end_survey(first, NOON)
    await late.brakes.end_survey(found, NOON)
    assert await one.brakes.brake() == first

    await one.brakes.release("ops", NOON)
    await late.brakes.end_survey(found, NOON)
    assert await one.brakes.brake() is None


async def test_a_survey_that_found_nothing_lets_all_members_go_on(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    await one.brakes.end_survey(None, NOON)
    assert await two.brakes.brake() is None


@pytest.mark.parametrize("set_before", [True, False])
async def test_a_release_tells_the_gate_what_counts_no_more(state: StateWorld, set_before: bool) -> None:
    deciding = Deciding()
    member = await state.member(decide=deciding)
    if not set_before:
        await member.brakes.release("ops", NOON - timedelta(days=1))
    else:
        await member.gate.ask(wish("before"))
        assert deciding.shown[-1][0].released_at is None

    await member.brakes.release("ops", NOON + timedelta(hours=1))
    await member.gate.ask(wish())

    assert deciding.shown[-1][0].released_at == NOON + timedelta(hours=1)
