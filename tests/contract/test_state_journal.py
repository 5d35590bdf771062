"""The Journal port: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from rotator.core.history import Deed, Ended
from rotator.core.model import AppId, RotationId
from rotator.core.secret_value import SecretValue
from rotator.errors import InvariantError
from tests.contract.state_worlds import InDatabase
from tests.fakes.okta import NOON
from tests.fakes.state import Row

if TYPE_CHECKING:
    from tests.contract.state_worlds import StateWorld

DEED = Deed("billing", "acme", AppId("0oa1"), "Create", NOON, "daemon@host", RotationId("r1"), "expired")


async def test_an_effect_has_a_row_before_it_and_one_after_it(state: StateWorld) -> None:
    member = await state.member()

    number = await member.journal.begins(DEED)
    state.clock.advance(timedelta(seconds=3))
    await member.journal.ended(number, DEED, Ended.DONE, "ocs1 made", request_id="req-1")

    before, after = await state.audit()
    assert before == Row(number, None, DEED)
    assert replace(after, number=0, deed=DEED) == Row(0, number, DEED, Ended.DONE, "ocs1 made", "req-1")
    assert after.number > number


async def test_what_is_not_known_of_a_deed_is_left_out(state: StateWorld) -> None:
    member = await state.member()
    bare = replace(DEED, rotation=None, reason="")

    number = await member.journal.begins(bare)
    await member.journal.ended(number, bare, Ended.UNKNOWN, "")

    assert [(row.deed.rotation, row.deed.reason, row.request_id) for row in await state.audit()] == [
        (None, "", None),
        (None, "", None),
    ]


async def test_each_row_has_a_number_of_its_own_whoever_writes_it(state: StateWorld) -> None:
    members = [await state.member("one"), await state.member("two")]

    numbers = [await member.journal.begins(DEED) for member in members for _ in range(2)]

    assert len(set(numbers)) == 4
    assert sorted(numbers) == sorted(row.number for row in await state.audit())


@pytest.mark.parametrize("text", ["half a pair: \ud800", "nul: \0", "\x1b[31m", "x" * 100_000])
async def test_whatever_a_vendor_said_can_be_written(state_url: str, text: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()

    number = await member.journal.begins(DEED)
    await member.journal.ended(number, DEED, Ended.NOT_DONE, text)

    assert [row.how for row in await state.audit()] == [None, Ended.NOT_DONE]
    await state.aclose()


async def test_a_row_after_an_effect_that_cannot_be_written_is_told_to_the_log(state_url: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()
    number = await member.journal.begins(DEED)
    never_text: str = SecretValue("cnry_" + "x" * 40)  # type: ignore[assignment]

    with capture_logs() as logged:
        await member.journal.ended(number, DEED, Ended.DONE, never_text)

    assert [(line["event"], line["target"], line["log_level"]) for line in logged] == [
        ("audit_not_written", "billing", "warning")
    ]
    assert "cnry_" not in str(logged)
    assert len(await state.audit()) == 1
    await state.aclose()


async def test_a_row_before_an_effect_that_cannot_be_written_is_an_error(state_url: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()
    never_text: str = SecretValue("cnry_" + "x" * 40)  # type: ignore[assignment]

    with pytest.raises(InvariantError) as refused:
        await member.journal.begins(replace(DEED, reason=never_text))

    assert "cnry_" not in str(refused.value) + repr(refused.value.__cause__)
    assert await state.audit() == []
    await state.aclose()
