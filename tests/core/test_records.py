"""The two records in Vault, there and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.model import FieldNames, KvVersion, OrderMode, Reason, RetiringMode, SecretId, Staging
from rotator.core.records import (
    MADE_KEPT,
    UnreadableRecordError,
    consumer_fields,
    read_consumer,
    read_staging,
    staging_fields,
    with_made,
)
from rotator.core.secret_value import SecretFields, SecretValue
from tests.core.snapshots import NOON, A, B, closed, order, staged, version

NAMES = FieldNames("OKTA_ID", "OKTA_SECRET")


def kept(record: Staging) -> Staging:
    return read_staging(KvVersion(record.version, NOON, staging_fields(record)), record.older)


@pytest.mark.parametrize(
    "record",
    [
        closed(),
        closed(A, B, base=7, paused="by kim", older=(1, 2)),
        closed(A, order=order("ocsA", mode=OrderMode.WINDOW)),
        staged(B),
        staged(B, base=version(4, A), reason=Reason.REVOKED, order=order("ocsA")),
    ],
    ids=["empty", "paused", "ordered", "staged on nothing", "staged"],
)
def test_a_staging_record_comes_back_as_it_was(record: Staging) -> None:
    assert record == kept(record)


def test_every_field_of_a_record_is_a_string() -> None:
    ours = consumer_fields(
        None,
        NAMES,
        client_id="0oa1",
        value=A,
        secret_id=SecretId("ocsA"),
        rotation_id=version(1, A).rotation_id or pytest.fail("none"),
        rotated_at=NOON,
        retiring=None,
    )

    assert {str} == {type(value) for fields in (ours, staging_fields(staged(B))) for value in fields.reveal().values()}


def test_a_consumer_record_comes_back_under_the_names_of_the_target() -> None:
    fields = consumer_fields(
        SecretFields({"note": "theirs", "retiring_secret_id": "old"}),
        NAMES,
        client_id="0oa1",
        value=B,
        secret_id=SecretId("ocsB"),
        rotation_id=version(2, B).rotation_id or pytest.fail("none"),
        rotated_at=NOON,
        retiring=(SecretId("ocsA"), RetiringMode.NOW),
    )

    read = read_consumer(KvVersion(2, NOON, fields), NAMES)

    assert replace(version(2, B, age=0, retiring="ocsA", mode=RetiringMode.NOW), fields=fields) == read
    assert fields["note"] == "theirs"


def test_of_what_we_made_the_last_twenty_are_remembered() -> None:
    record = Staging()
    for number in range(MADE_KEPT + 5):
        record = with_made(record, SecretValue(f"value-{number}"), NOON + timedelta(minutes=number))

    assert len(record.made) == MADE_KEPT
    assert record.made[-1].hash == SecretValue(f"value-{MADE_KEPT + 4}").hash


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "asking"},
        {"state": ""},
        {"staged_at": "yesterday"},
        {"staged_at": "2026-06-15T12:00:00"},
        {"staged_at": ""},
        {"client_secret": ""},
        {"base_version": "seven"},
        {"made": "{"},
        {"made": '[{"hash": 1}]'},
        {"made": "7"},
        {"order": '{"replace": "ocsA"}'},
        {"order": '{"replace": "ocsA", "mode": "soon", "placed_at": "2026-06-15T12:00:00+00:00"}'},
        {"reason": "mood"},
    ],
    ids=str,
)
def test_a_record_that_is_not_ours_is_refused_without_its_content(broken: dict[str, str]) -> None:
    fields = staging_fields(staged(B)).merged(broken)

    with pytest.raises(UnreadableRecordError) as refusal:
        read_staging(KvVersion(1, NOON, fields), ())

    assert B.reveal() not in str(refusal.value)


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(some.dictionaries(some.sampled_from([*staging_fields(staged(B)), "other"]), JSON))
def test_any_content_is_read_or_refused(content: dict[str, Any]) -> None:
    fields = SecretFields(staging_fields(staged(B)).reveal() | content)
    read_consumer(KvVersion(1, NOON, fields), NAMES)
    try:
        read_staging(KvVersion(1, NOON, fields), ())
    except UnreadableRecordError:
        return
