"""A secret has no way out but `reveal`."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from rotator.core.secret_value import SecretFields, SecretValue, secret_hash

CANARY = "cnry_6b0f3f1f0a5c4f9e"
WAYS_OUT = [repr, str, "{}".format, "{!r:>80}".format, "%s".__mod__, lambda it: f"{it}", lambda it: str([it]), ascii]


@pytest.mark.parametrize("show", WAYS_OUT)
@pytest.mark.parametrize(
    "holder", [SecretValue(CANARY), SecretFields({"client_secret": CANARY})], ids=["value", "fields"]
)
def test_showing_it_shows_no_secret(show: object, holder: object) -> None:
    assert CANARY not in show(holder)  # type: ignore[operator]


@pytest.mark.parametrize(
    "holder", [SecretValue(CANARY), SecretFields({"client_secret": CANARY})], ids=["value", "fields"]
)
@pytest.mark.parametrize("store", [pickle.dumps, copy.deepcopy, json.dumps])
def test_it_is_never_serialised(holder: object, store: object) -> None:
    with pytest.raises(TypeError) as refusal:
        store(holder)  # type: ignore[operator]

    assert CANARY not in "".join(traceback.format_exception(refusal.value))


def test_equality_is_by_value() -> None:
    assert SecretValue(CANARY) == SecretValue(CANARY)
    assert SecretValue(CANARY) != SecretValue(CANARY + "x")
    assert SecretValue(CANARY) != CANARY
    assert len({SecretValue(CANARY), SecretValue(CANARY)}) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("DRUFXGF9XbLnS9k-Sla3x3POBiIxDreBCdZuFs5B", "FpCwXwSjTRQNtEI11I00-g"),
        ("emulator-secret-0001", "yahDtmUavbq0bkgpgy0OJQ"),
        ("a" * 64, "_-BU_nrgy23GXDr5th1SCQ"),
    ],
)
def test_the_hash_is_oktas(value: str, expected: str) -> None:
    assert expected == secret_hash(value)


def test_fields_tell_secrets_texts_and_the_rest_apart() -> None:
    fields = SecretFields({"client_secret": CANARY, "empty": "", "number": 7, "tree": {"a": [1]}})

    assert SecretValue(CANARY) == fields.secret("client_secret")
    assert fields.secret("empty") is fields.secret("number") is fields.secret("absent") is None
    assert fields.text("number") is None
    assert {"number": 7, "tree": {"a": [1]}}.items() <= fields.reveal().items()


def test_merging_keeps_what_others_put_there() -> None:
    merged = SecretFields({"note": {"kept": True}, "client_secret": "old"}).merged(
        {"client_secret": SecretValue(CANARY)}
    )

    assert merged.reveal() == {"note": {"kept": True}, "client_secret": CANARY}
