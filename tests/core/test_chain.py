"""The audit's chain: whatever is done to one row is found, and what cannot be found is known."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.chain import BEGINNING, Broken, Whole, as_json, chained, differing, from_json, verify
from rotator.core.history import Row
from tests.fakes.okta import NOON

LONG = 8
TEXTS = sorted({each.name for each in fields(Row)} - {"number", "begun", "at", "version", "hash"})


def row(number: int, **more: Any) -> Row:
    known = {"begun": None, "at": NOON + timedelta(seconds=number), "target": "billing", "org": "acme"}
    known |= {"app_id": "0oa1", "step": "Create", "phase": "ended", "how": "done", "detail": f"ocs{number} is active"}
    known |= {"actor": "daemon@host", "rotation_id": "r1", "reason": "expired", "secret_id": "ocs1", "path": "kv/b"}
    return Row(number, **(known | {"version": 3, "proof": None, "request_id": "req1"} | more))


def chain(*rows: Row, previous: str = BEGINNING) -> list[Row]:
    made: list[Row] = []
    for each in rows:
        made.append(chained(each, made[-1].hash or "" if made else previous))
    return made


WHOLE = chain(*(row(number) for number in range(1, LONG + 1)))
POSITIONS = some.integers(0, LONG - 1)
INSIDE = some.integers(1, LONG - 2)


def broken(rows: list[Row]) -> Broken:
    found = verify(rows)
    assert isinstance(found, Broken), found
    return found


def test_a_chain_as_it_was_written_is_whole() -> None:
    assert verify(WHOLE) == Whole(rows=LONG, first=1, last=LONG, head=WHOLE[-1].hash or "")


def test_nothing_is_whole() -> None:
    assert verify([]) == Whole()


@given(cut=some.integers(0, LONG))
def test_pages_make_the_same_as_all_at_once(cut: int) -> None:
    first = verify(WHOLE[:cut])
    assert isinstance(first, Whole)

    assert verify(WHOLE[cut:], first) == verify(WHOLE)


# --- what is done to one row ------------------------------------------------------------------------------------


@given(at=POSITIONS, name=some.sampled_from(TEXTS), text=some.none() | some.text())
def test_a_changed_text_is_found_in_its_row(at: int, name: str, text: str | None) -> None:
    rows = list(WHOLE)
    change: dict[str, Any] = {name: text}
    rows[at] = replace(rows[at], **change)

    if rows == WHOLE:
        assert isinstance(verify(rows), Whole)
    else:
        assert broken(rows) == Broken(at + 1, "it is not as it was written")


@given(at=POSITIONS, text=some.none() | some.text())
def test_a_changed_hash_is_found(at: int, text: str | None) -> None:
    rows = list(WHOLE)
    rows[at] = replace(rows[at], hash=text)

    assert broken(rows).number in {at + 1, at + 2}


@given(at=POSITIONS, by=some.timedeltas().filter(bool))
def test_a_changed_time_is_found(at: int, by: timedelta) -> None:
    rows = list(WHOLE)
    try:
        rows[at] = replace(rows[at], at=rows[at].at + by)
        rows[at].at.astimezone(NOON.tzinfo)
    except OverflowError:
        return

    assert broken(rows).number == at + 1


@given(at=POSITIONS, name=some.sampled_from(["number", "begun", "version"]), number=some.integers(0))
def test_a_changed_number_is_found(at: int, name: str, number: int) -> None:
    rows = list(WHOLE)
    change: dict[str, Any] = {name: number}
    rows[at] = replace(rows[at], **change)

    assert rows == WHOLE or isinstance(verify(rows), Broken)


@given(at=INSIDE, text=some.text())
def test_a_changed_row_with_a_hash_of_its_own_is_found_by_the_next_one(at: int, text: str) -> None:
    rows = list(WHOLE)
    rows[at] = chained(replace(rows[at], detail=text), rows[at].previous or "")

    if rows != WHOLE:
        assert broken(rows).number == at + 2


@given(at=INSIDE)
def test_a_row_that_is_gone_is_found_by_the_next_one(at: int) -> None:
    rows = WHOLE[:at] + WHOLE[at + 1 :]

    assert broken(rows) == Broken(at + 2, f"it does not follow row {at}: one between them is gone, or one was added")


@given(one=POSITIONS, other=POSITIONS)
def test_two_rows_that_were_swapped_are_found(one: int, other: int) -> None:
    rows = list(WHOLE)
    rows[one], rows[other] = rows[other], rows[one]
    renumbered = [replace(each, number=number) for number, each in enumerate(rows, 1)]

    assert one == other or isinstance(verify(rows), Broken)
    assert one == other or isinstance(verify(renumbered), Broken)


@given(at=some.integers(0, LONG - 1), follows=some.integers(0, LONG - 1), text=some.text(max_size=3))
def test_an_added_row_is_found(at: int, follows: int, text: str) -> None:
    """Unless it is behind the last, and made by whoever can compute a hash; or before the first, as an anchor's."""
    rows = [replace(each, number=each.number * 2) for each in WHOLE]
    rows = chain(*rows)
    forged = chained(row(rows[at].number + 1, detail=text), rows[follows].hash or "")
    rows.insert(at + 1, forged)

    assert isinstance(verify(rows), Broken) or (at, follows) == (LONG - 1, LONG - 1)


def test_a_row_that_is_told_twice_is_found() -> None:
    assert broken([*WHOLE[:3], WHOLE[2], *WHOLE[3:]]) == Broken(3, "it stands after row 3")


def test_a_row_that_has_lost_its_hash_is_found() -> None:
    rows = [*WHOLE[:3], replace(WHOLE[3], hash=None, previous=None), *WHOLE[4:]]

    assert broken(rows) == Broken(4, "it has no hash, but a row before it has")


# --- where a chain may begin ------------------------------------------------------------------------------------


@given(pruned=some.integers(1, LONG - 1))
def test_what_is_left_of_a_pruned_chain_is_whole_and_its_anchor_told(pruned: int) -> None:
    found = verify(WHOLE[pruned:])

    assert isinstance(found, Whole)
    assert (found.rows, found.first, found.anchor) == (LONG - pruned, pruned + 1, WHOLE[pruned - 1].hash)


def test_rows_from_before_the_chain_are_counted_apart() -> None:
    older = [row(1), row(2)]

    found = verify([*older, *chain(row(3), row(4))])

    assert isinstance(found, Whole)
    assert (found.unchained, found.rows, found.first, found.anchor) == (2, 2, 3, BEGINNING)


def test_rows_whose_hashes_were_taken_off_are_no_older_rows() -> None:
    rows = [replace(each, hash=None, previous=None) for each in WHOLE[:3]] + WHOLE[3:]

    assert broken(rows) == Broken(4, "what it follows has lost its hash")


def test_older_rows_are_in_order_too() -> None:
    assert broken([row(2), row(1)]) == Broken(1, "it stands after row 2")


# --- another record ---------------------------------------------------------------------------------------------


def hashes(rows: list[Row]) -> dict[int, str | None]:
    return {each.number: each.hash for each in rows}


TOLD = hashes(WHOLE)


def test_a_record_that_tells_the_same_agrees() -> None:
    assert differing(TOLD, hashes(WHOLE)) is None
    assert differing(TOLD, hashes(WHOLE[3:])) is None, "what is pruned is told still"
    assert differing({5: TOLD[5]}, hashes(WHOLE)) is None, "a member's own log has its rows alone"
    assert differing({}, {}) is None


def test_the_newest_rows_that_were_cut_off_are_found_by_another_record() -> None:
    assert isinstance(verify(WHOLE[:-2]), Whole), "the rest shows nothing of it"

    assert differing(TOLD, hashes(WHOLE[:-2])) == Broken(LONG - 1, "the other record has it, it is not here")
    assert differing(TOLD, {}) == Broken(1, "the other record has it, it is not here")


def test_a_chain_that_was_made_anew_is_found_by_another_record() -> None:
    anew = chain(*(replace(each, detail="nothing happened", hash=None) for each in WHOLE))
    assert isinstance(verify(anew), Whole)

    assert differing(TOLD, hashes(anew)) == Broken(1, "the other record tells it otherwise")


# --- files ------------------------------------------------------------------------------------------------------


@given(detail=some.text(), begun=some.none() | some.integers(1))
def test_a_row_comes_back_from_json_as_it_was(detail: str, begun: int | None) -> None:
    made = chained(row(1, detail=detail, begun=begun), BEGINNING)

    assert from_json(json.loads(json.dumps(as_json(made)))) == made


def test_the_zone_in_which_a_time_is_told_makes_no_difference() -> None:
    made = chained(row(1), BEGINNING)
    elsewhere = replace(made, at=made.at.astimezone(timezone(timedelta(hours=5, minutes=30))))

    assert isinstance(verify([elsewhere]), Whole)
    assert as_json(elsewhere) == as_json(made)


def test_what_was_left_out_because_there_is_none_is_none() -> None:
    made = chained(row(1, begun=None, path=None, version=None, secret_id=None), BEGINNING)
    told = {name: value for name, value in as_json(made).items() if value is not None}

    assert from_json({**told, "event": "audit", "level": "info"}) == made


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"number": None}, "`number` is missing"),
        ({"number": "1"}, "`number` is nothing that was ever written"),
        ({"number": True}, "`number` is nothing"),
        ({"detail": 5}, "`detail` is nothing"),
        ({"target": None}, "`target` is missing"),
        ({"at": None}, "`at` is no time"),
        ({"at": "2026-01-01T12:00:00"}, "`at` is no time with a zone"),
        ({"at": "yesterday"}, "Invalid isoformat"),
    ],
)
def test_what_is_no_row_is_told(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_json({**as_json(WHOLE[0]), **change})


def test_the_form_that_is_hashed_never_changes() -> None:
    """Rows of years are checked against it."""
    made = chained(
        replace(row(1, detail="caf\N{LATIN SMALL LETTER E WITH ACUTE}"), at=_at("2026-03-01T12:00:00+01:00")), ""
    )

    assert made.hash == "4bad49b4c2c7be3349136533735a9bbcbef2eabe120574842dd46c002768826b"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
