"""The Memory, Cursors and Roster ports: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from rotator.core.agenda import Entry, LastLook, Remembered, State
from rotator.core.foresight import Step
from rotator.core.history import Place
from rotator.core.model import AppId, ClientId, Proof, ProofLevel, SecretId
from rotator.core.selection import Member
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from tests.contract.state_worlds import StateWorld

HOUR = timedelta(hours=1)
PROOF = Proof(ProofLevel.TOKEN_ISSUED, "a token", NOON, tries=3, request_id="abc", unanswered=False)
LOOK = LastLook(
    at=NOON,
    result="resting",
    detail="until then",
    hint="nothing to do",
    waiting="next rotation",
    until=NOON + HOUR,
    secret_id=SecretId("ocs1"),
    secret_created=NOON - HOUR,
    proof=PROOF,
    step=Step("Delete", SecretId("ocs2"), "soak over"),
    vault_version=7,
)


def remembered(name: str = "billing", **changes: object) -> Remembered:
    return replace(Remembered(name, "digest", NOON, Entry(NOON + HOUR)), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(remembered(), id="never looked at"),
        pytest.param(remembered(entry=Entry(NOON, State.PARKED, 9, True, NOON - HOUR)), id="every field of an entry"),
        pytest.param(remembered(last=LOOK), id="every field of a look"),
        pytest.param(remembered(last=LastLook(NOON, "error")), id="a look that told nothing"),
        pytest.param(remembered(last=replace(LOOK, proof=Proof(ProofLevel.INCONCLUSIVE, "", NOON, unanswered=True))),
                     id="a proof that showed nothing"),
        pytest.param(remembered(last=replace(LOOK, detail="Ünï \N{SNOWMAN} 100% 'x'")), id="any text"),
        pytest.param(remembered(entry=Entry(datetime.max.replace(tzinfo=UTC))), id="a time that never comes"),
        pytest.param(remembered(entry=Entry(NOON.replace(microsecond=123456))), id="to the microsecond"),
    ],
)  # fmt: skip
async def test_what_is_remembered_comes_back_as_it_was(state: StateWorld, what: Remembered) -> None:
    one, two = await state.member("one"), await state.member("two")

    await one.memory.remember([what])

    assert await two.memory.recall() == (what,)


async def test_a_time_of_another_zone_comes_back_in_utc(state: StateWorld) -> None:
    member = await state.member()
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    await member.memory.remember([remembered(entry=Entry(there))])

    (found,) = await member.memory.recall()
    assert found.entry.at == NOON


async def test_since_when_a_target_is_known_is_kept(state: StateWorld) -> None:
    member = await state.member()
    await member.memory.remember([remembered()])

    await member.memory.remember([remembered(known_since=NOON + HOUR, settings="another")])

    assert await member.memory.recall() == (remembered(settings="another"),)


async def test_what_is_forgotten_is_gone_and_the_rest_stays(state: StateWorld) -> None:
    member = await state.member()
    many = [remembered(f"target {number}") for number in range(1200)]
    await member.memory.remember([*many, remembered("stays")])

    await member.memory.forget([each.name for each in many])
    await member.memory.forget(["never there"])
    await member.memory.forget([])
    await member.memory.remember([])

    assert await member.memory.recall() == (remembered("stays"),)


async def test_what_others_have_written_since_is_news(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    assert await two.memory.recall() == ()
    await one.memory.remember([remembered()])

    assert await two.memory.news() == (remembered(),)


async def test_what_was_known_long_ago_is_no_news(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await one.memory.remember([remembered()])
    await state.expire()
    state.clock.advance(HOUR)
    await two.memory.recall()

    assert await two.memory.news() == ()


# --- Who hears an org's log -----------------------------------------------------------------------------------


async def test_one_member_at_a_time_hears_a_log(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")

    assert await one.cursors.take("acme", lasting=HOUR) == (None,)
    assert await two.cursors.take("acme", lasting=HOUR) is None
    assert await two.cursors.take("other", lasting=HOUR) == (None,)
    assert await one.cursors.take("acme", lasting=HOUR) == (None,)


@pytest.mark.parametrize("place", [Place("https://acme.okta.com/api/v1/logs?after=1", NOON), Place(None, NOON)])
async def test_who_takes_over_begins_where_the_other_stopped(state: StateWorld, place: Place) -> None:
    one, two = await state.member("one"), await state.member("two")
    await one.cursors.take("acme", lasting=HOUR)
    await one.cursors.keep("acme", place)

    await state.expire()

    assert await two.cursors.take("acme", lasting=HOUR) == (place,)
    assert await one.cursors.take("acme", lasting=HOUR) is None


async def test_who_slept_does_not_put_back_what_another_has_heard(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await one.cursors.take("acme", lasting=HOUR)
    await state.expire()
    await two.cursors.take("acme", lasting=HOUR)
    await two.cursors.keep("acme", Place("2", NOON + HOUR))

    await one.cursors.keep("acme", Place("1", NOON))

    assert await two.cursors.take("acme", lasting=HOUR) == (Place("2", NOON + HOUR),)


async def test_a_place_may_be_kept_before_anybody_took_the_log(state: StateWorld) -> None:
    member = await state.member()

    await member.cursors.keep("acme", Place("1", NOON))

    assert await member.cursors.take("acme", lasting=HOUR) == (Place("1", NOON),)


# --- The members of selections --------------------------------------------------------------------------------


def app(number: int, selection: str = "services", **changes: object) -> Member:
    made = Member(selection, AppId(f"0oa{number}"), ClientId(f"client-{number}"), f"svc-{number}", NOON)
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_members_come_in_the_order_of_selection_and_app_id(state: StateWorld) -> None:
    member = await state.member()
    upper = app(1, "Services")

    await member.roster.note([app(2), upper, app(1), app(1, "batch")])

    assert await member.roster.members() == (upper, app(1, "batch"), app(1), app(2))


async def test_a_member_is_written_anew_and_the_others_stay(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    await one.roster.note([app(1), app(2)])
    changed = app(2, label="renamed", newcomer=False, gone_since=NOON + HOUR)

    await two.roster.note([changed])
    await two.roster.note([])

    assert await one.roster.members() == (app(1), changed)


async def test_a_selection_is_dropped_whole_and_alone(state: StateWorld) -> None:
    member = await state.member()
    await member.roster.note([app(1), app(2), app(1, "batch")])

    await member.roster.drop("services")
    await member.roster.drop("never there")

    assert await member.roster.members() == (app(1, "batch"),)
