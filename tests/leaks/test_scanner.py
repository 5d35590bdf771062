"""The scanner finds a secret however it is disguised, and reports no innocent text."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from rotator.core.secret_value import secret_hash
from tests.leaks.scanner import Found, Scanner

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = 'Zx9+aB/c=dE"fG_hI-jK7lM&nO2pQ%rS5tU8vW1xY4z'
PLAIN = "qW7eR-tY2uI_oP5aS8dF3gH6jK9lZ1xC4vB0nMqW7eR"


@pytest.fixture
def scanner() -> Scanner:
    scanner = Scanner()
    scanner.learn("the secret", VALUE)
    scanner.learn("a client secret", PLAIN, in_parts=True)
    return scanner


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(str.encode, id="as it is"),
        pytest.param(lambda text: text[::-1].encode(), id="backwards"),
        pytest.param(lambda text: quote(text, safe="").encode(), id="in a form"),
        pytest.param(lambda text: json.dumps({"a": text}).encode(), id="in JSON"),
        pytest.param(lambda text: repr({"a": text}).encode(), id="in a dict of Python"),
        pytest.param(lambda text: text.encode().hex().encode(), id="in hex"),
        pytest.param(lambda text: base64.b64encode(text.encode()), id="in base64"),
        pytest.param(lambda text: base64.b64encode(b"0oa1client:" + text.encode() + b"!"), id="as Basic sends it"),
        pytest.param(lambda text: base64.b64encode(b"0oa1:" + text.encode() + b"more"), id="in base64, one later"),
        pytest.param(lambda text: base64.urlsafe_b64encode(b"0o:" + text.encode()), id="in base64 for URLs"),
        pytest.param(lambda text: binascii.hexlify(text.encode()).upper(), id="in large hex"),
    ],
)
@pytest.mark.parametrize("value", [VALUE, PLAIN])
def test_a_secret_is_found_in_every_form(scanner: Scanner, value: str, disguise: Callable[[str], bytes]) -> None:
    found = scanner.found_in(b"before " + disguise(value) + b" after")

    assert {each.secret for each in found} == {"the secret" if value == VALUE else "a client secret"}


def test_every_part_of_a_client_secret_is_found_and_no_shorter_one(scanner: Scanner) -> None:
    for at in range(len(PLAIN) - 7):
        assert scanner.found_in(b"see " + PLAIN[at : at + 8].encode()) == {Found("a client secret", "part")}
    assert scanner.found_in(b"see " + PLAIN[3:10].encode()) == set()


def test_every_line_of_a_key_is_found(scanner: Scanner) -> None:
    body = ["MIIEogIBAAKCAQEAtK5n3Q", "v8Xb1xk7Zy0oWm2c4d6e8f"]
    scanner.learn("the key", "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----"]))

    for line in body:
        assert scanner.found_in(line.encode()) == {Found("the key", "raw")}


def test_tokens_and_keys_that_nobody_told_of_are_found() -> None:
    token = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2ln"
    key = b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B"

    assert {each.form for each in Scanner().found_in(token + key)} == {"a JSON Web Token", "a private key"}


@pytest.mark.parametrize(
    "innocent",
    [
        pytest.param(secret_hash(PLAIN).encode(), id="its hash"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----", id="the head of a key alone"),
        pytest.param(b"ocs9288npzaKNsaK5d7 0oa1example1example1", id="ids"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_secret_is_not_reported(scanner: Scanner, innocent: bytes) -> None:
    assert scanner.found_in(innocent) == set()
