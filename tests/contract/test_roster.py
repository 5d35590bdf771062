"""The Roster contract, which every implementation keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.no_state import PassingRoster
from rotator.core.model import AppId, ClientId
from rotator.core.selection import Member
from tests.fakes.okta import NOON
from tests.fakes.roster import FakeRoster

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.ports import Roster

MAKERS: dict[str, Callable[[], Roster]] = {"fake": FakeRoster, "while a run lasts": PassingRoster}


@pytest.fixture(params=[*MAKERS])
def roster(request: pytest.FixtureRequest) -> Roster:
    return MAKERS[request.param]()


def member(app_id: str, selection: str = "services") -> Member:
    return Member(selection, AppId(app_id), ClientId(f"client-{app_id}"), f"svc-{app_id}", NOON)


async def test_members_are_returned_in_the_order_of_selection_and_app(roster: Roster) -> None:
    await roster.note([member("0oa2"), member("0oa1"), member("0oa3", "partners")])

    assert await roster.members() == (member("0oa3", "partners"), member("0oa1"), member("0oa2"))


async def test_every_field_comes_back(roster: Roster) -> None:
    full = replace(member("0oa1"), newcomer=False, gone_since=NOON, doubted_since=NOON)
    await roster.note([full])

    assert await roster.members() == (full,)


async def test_who_is_noted_again_is_written_anew_and_the_others_stay(roster: Roster) -> None:
    await roster.note([member("0oa1"), member("0oa2")])
    let_in = replace(member("0oa1"), newcomer=False)
    await roster.note([let_in])

    assert await roster.members() == (let_in, member("0oa2"))


async def test_an_app_may_be_a_member_of_two_selections(roster: Roster) -> None:
    await roster.note([member("0oa1"), member("0oa1", "partners")])

    assert len(await roster.members()) == 2


async def test_a_selection_is_dropped_with_its_members_alone(roster: Roster) -> None:
    await roster.note([member("0oa1"), member("0oa2", "partners")])
    await roster.drop("services")
    await roster.drop("unheard of")

    assert await roster.members() == (member("0oa2", "partners"),)
