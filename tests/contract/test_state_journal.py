"""The Journal port: the fake, SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from rotator.core.chain import Whole, from_json, verify
from rotator.core.history import Deed, Ended, Row
from rotator.core.model import AppId, ProofLevel, RotationId, SecretId
from rotator.core.secret_value import SecretValue
from rotator.errors import InvariantError
from tests.contract.state_worlds import InDatabase
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from tests.contract.state_worlds import StateWorld

DEED = Deed("billing", "acme", AppId("0oa1"), "Create", NOON, "daemon@host", RotationId("r1"), "expired")


def row(number: int, **more: Any) -> Row:
    """Return a row of that deed, as if there were no chain."""
    bare = {"begun": None, "at": NOON, "target": "billing", "org": "acme", "app_id": "0oa1", "step": "Create"}
    bare |= {"phase": "begins", "how": None, "detail": "", "actor": "daemon@host", "rotation_id": "r1"}
    bare |= {"reason": "expired", "secret_id": None, "path": None, "version": None, "proof": None, "request_id": None}
    return Row(number, **(bare | more))


def bare(row: Row) -> Row:
    return replace(row, previous=None, hash=None)


async def test_an_effect_has_a_row_before_it_and_one_after_it(state: StateWorld) -> None:
    member = await state.member()

    number = await member.journal.begins(replace(DEED, secret=SecretId("ocs0")))
    state.clock.advance(timedelta(seconds=3))
    known = replace(DEED, secret=SecretId("ocs1"), path="kv/billing", version=7, proof=ProofLevel.TOKEN_ISSUED)
    await member.journal.ended(number, known, Ended.DONE, "ocs1 made", request_id="req-1")

    before, after = await state.audit()
    assert bare(before) == row(number, secret_id="ocs0")
    assert bare(after) == row(
        after.number,
        begun=number,
        at=NOON + timedelta(seconds=3),
        phase="ended",
        how="done",
        detail="ocs1 made",
        request_id="req-1",
        secret_id="ocs1",
        path="kv/billing",
        version=7,
        proof="token issued",
    )
    assert after.number > number


async def test_what_is_not_known_of_a_deed_is_left_out(state: StateWorld) -> None:
    member = await state.member()

    number = await member.journal.begins(replace(DEED, rotation=None, reason=""))
    await member.journal.ended(number, replace(DEED, rotation=None, reason=""), Ended.UNKNOWN, "")

    for each in await state.audit():
        assert (each.rotation_id, each.reason, each.secret_id, each.path, each.version) == (None, "", None, None, None)
        assert (each.proof, each.request_id) == (None, None)


async def test_a_proof_has_one_row(state: StateWorld) -> None:
    member = await state.member()

    await member.journal.ended(None, replace(DEED, proof=ProofLevel.REFUSED), Ended.DONE, "the candidate: refused")

    (only,) = await state.audit()
    assert (only.phase, only.begun, only.proof) == ("ended", None, "refused")


async def test_the_rows_of_all_members_make_one_chain(state: StateWorld) -> None:
    members = [await state.member(f"member {number}") for number in range(4)]

    await asyncio.gather(*(member.journal.begins(DEED) for member in members for _ in range(5)))

    rows = await state.audit()
    assert verify(rows) == Whole(rows=20, first=rows[0].number, last=rows[-1].number, head=rows[-1].hash or "")


async def test_each_row_has_a_number_of_its_own_whoever_writes_it(state: StateWorld) -> None:
    members = [await state.member("one"), await state.member("two")]

    numbers = [await member.journal.begins(DEED) for member in members for _ in range(2)]

    assert len(set(numbers)) == 4
    assert sorted(numbers) == sorted(row.number for row in await state.audit())


async def test_a_row_is_told_to_the_log_as_it_stands(state_url: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()

    with capture_logs() as logged:
        number = await member.journal.begins(DEED)
        await member.journal.ended(number, DEED, Ended.DONE, "ocs1 made\x1b[31m by SSWS 00aBcDeFgHiJ", request_id="r1")

    assert [(line["event"], line["log_level"]) for line in logged] == [("audit", "info")] * 2
    assert [from_json(line) for line in logged] == await state.audit()
    assert logged[-1]["detail"] == "ocs1 made\\x1b[31m by SSWS [redacted]"
    await state.aclose()


async def test_a_row_that_was_not_written_is_not_told_as_one(state_url: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()

    with capture_logs() as logged, pytest.raises(InvariantError):
        await member.journal.begins(replace(DEED, at=NOON.replace(tzinfo=None)))

    assert logged == []
    await state.aclose()


@pytest.mark.parametrize("text", ["half a pair: \ud800", "nul: \0", "\x1b[31m", "x" * 100_000])
async def test_whatever_a_vendor_said_can_be_written(state_url: str, text: str) -> None:
    state = InDatabase(state_url)
    member = await state.member()

    number = await member.journal.begins(DEED)
    await member.journal.ended(number, DEED, Ended.NOT_DONE, text)

    assert [row.how for row in await state.audit()] == [None, "not done"]
    assert isinstance(verify(await state.audit()), Whole)
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
