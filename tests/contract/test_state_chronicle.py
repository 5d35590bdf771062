"""The Chronicle port: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.history import Deed
from rotator.core.model import AppId
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from rotator.core.history import Row
    from tests.contract.state_worlds import StateWorld
    from tests.fakes.state import FakeMember

DEED = Deed("billing", "acme", AppId("0oa1"), "Create", NOON, "daemon@host")
HOUR = timedelta(hours=1)


async def all_of(member: FakeMember, **which: Any) -> list[Row]:
    """Read page after page."""
    rows: list[Row] = []
    while page := await member.chronicle.rows(after=rows[-1].number if rows else 0, **which):
        assert len(page) <= 3, "the pages of these worlds have three rows"
        rows.extend(page)
    return rows


async def write(member: FakeMember, *steps: str, **what: Any) -> None:
    for step in steps:
        await member.journal.begins(replace(DEED, step=step, **what))


async def test_an_empty_audit_has_no_page(state: StateWorld) -> None:
    assert await (await state.member()).chronicle.rows() == ()


async def test_all_rows_come_oldest_first_in_pages(state: StateWorld) -> None:
    one, two = await state.member("one"), await state.member("two")
    for step in "abcdefg":
        await write(one, step)

    assert [row.step for row in await all_of(two)] == list("abcdefg")


async def test_a_page_is_not_shifted_by_what_is_written_meanwhile(state: StateWorld) -> None:
    member = await state.member()
    await write(member, *"abc")
    first = await member.chronicle.rows()
    await write(member, *"def")

    assert [row.step for row in await member.chronicle.rows(after=first[-1].number)] == list("def")


async def test_rows_of_one_target_are_found_by_its_name_and_by_its_app(state: StateWorld) -> None:
    member = await state.member()
    await write(member, "a")
    await write(member, "b", target="portal", app_id=AppId("0oa2"))
    await write(member, "c", target="renamed")

    assert [row.step for row in await all_of(member, target="billing")] == ["a"]
    assert [row.step for row in await all_of(member, target="0oa1")] == ["a", "c"]
    assert await all_of(member, target="0oa3") == []


async def test_since_a_time_is_from_its_first_row_on_whatever_the_clocks_said(state: StateWorld) -> None:
    member = await state.member()
    await write(member, "before", at=NOON - HOUR)
    await write(member, "at it", at=NOON)
    await write(member, "by a slow clock", at=NOON - HOUR)
    await write(member, "after", at=NOON + HOUR)

    assert [row.step for row in await all_of(member, since=NOON)] == ["at it", "by a slow clock", "after"]
    assert await all_of(member, since=NOON + 2 * HOUR) == []


async def test_the_first_row_since_a_time_is_that_of_all_targets(state: StateWorld) -> None:
    member = await state.member()
    await write(member, "theirs", target="portal")
    await write(member, "by a slow clock", at=NOON - HOUR)

    assert [row.step for row in await all_of(member, target="billing", since=NOON)] == ["by a slow clock"]
