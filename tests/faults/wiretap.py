"""What is secret in a message, found without knowing who made it: headers that carry credentials, fields of bodies."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import h11

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = frozenset({b"authorization", b"x-vault-token"})
FIELDS = frozenset({"client_secret", "client_token", "access_token", "client_assertion", "secret_id", "token"})
HARMLESS = re.compile(r"^[a-z0-9-]{0,24}$")  # a word such as "no-such-token", which is no secret
SHORTEST = 12


def secrets_on_the_wire(events: list[h11.Event]) -> set[str]:
    """Return the secrets that one message carries."""
    head, body = events[0], b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))
    assert isinstance(head, h11.Request | h11.Response)
    found = {value.decode().rpartition(" ")[2] for name, value in head.headers if name in HEADERS}
    found |= set(_in_body(body))
    return {text for text in found if len(text) >= SHORTEST and not HARMLESS.match(text)}


def _in_body(body: bytes) -> Iterator[str]:
    try:
        yield from _in(json.loads(body))
    except ValueError:
        yield from (value for name, value in parse_qsl(body.decode("latin-1")) if name in FIELDS)


def _in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in FIELDS and isinstance(inner, str):
                yield inner
            else:
                yield from _in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _in(inner)
