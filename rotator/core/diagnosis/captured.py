"""An error as somebody captured it: the JSON of an answer, or a whole `curl -v` log. Nothing of it is ever shown again.

* Of a log the last exchange counts. Request lines begin with `>`, those of the answer with `<`, the rest is its body.
* A Basic header is taken apart as the other side does: base64, then a colon. What comes out is claims, never text.
* A header that somebody blacked out is none that can be judged.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from rotator.core.diagnosis.evidence import Answer, BasicHeader, Captured
from rotator.core.disguise import shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS = re.compile(r"HTTP/[\d.]+ (\d{3})")
REQUEST = re.compile(r"([A-Z]+) (\S+) HTTP/[\d.]+")
BLACKED_OUT = re.compile(r"[*<\[…]|redacted|hidden|x{6,}", re.IGNORECASE)
CREDENTIALS = {"client_secret", "client_assertion"}


@dataclass(slots=True)
class _Exchange:
    path: str = ""
    query: str = ""
    authorization: str | None = None
    form: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)


def read(text: str) -> tuple[Captured | None, Answer] | None:
    """Return the request, if there is one, and the answer; None if it is neither."""
    exchange = _last_exchange(text)
    if exchange is not None:
        return _request(exchange), _answer(exchange, _json("\n".join(exchange.body)))
    document = _json(text)
    return None if document is None else (None, _answer(_Exchange(), document))


def basic_header(encoded: str) -> BasicHeader | None:
    """Say what can be said of what stands after `Basic `; None where it was blacked out."""
    if BLACKED_OUT.search(encoded):
        return None
    if any(character.isspace() for character in encoded):
        return BasicHeader(readable=False, why="the Basic header has white space within: base64 was broken into lines")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return BasicHeader(readable=False, why="what stands after `Basic ` is not base64 of a text")
    client_id, colon, secret = text.partition(":")
    if not colon:
        return BasicHeader(readable=False, why="what stands after `Basic ` has no colon between id and secret")
    named, shape = shape_of(client_id).like_a_client_id, shape_of(secret)
    return BasicHeader(readable=True, secret=shape, swapped=shape.like_a_client_id and not named, names_a_client=named)


def _last_exchange(text: str) -> _Exchange | None:
    found: _Exchange | None = None
    for line in text.splitlines():
        sent, came = line.startswith("> "), line.startswith("< ")
        if sent and (request := REQUEST.fullmatch(line[2:].strip())):
            parts = urlsplit(request[2])
            found = _Exchange(path=parts.path, query=parts.query)
        elif status := STATUS.match(line[2:] if came else line):
            found = found or _Exchange()
            found.status, found.headers, found.body = int(status[1]), {}, []
        elif found is not None:
            _take(found, line, sent=sent, came=came)
    return found if found is not None and found.status is not None else None


def _take(exchange: _Exchange, line: str, *, sent: bool, came: bool) -> None:
    name, colon, value = line[2:].partition(":")
    if sent and colon and name.strip().lower() == "authorization":
        exchange.authorization = value.strip()
    elif came and colon:
        exchange.headers[name.strip().lower()] = value.strip()
    elif not sent and not came and not line.startswith(("* ", "{ [", "} [", ">")):
        exchange.body.append(line)


def _request(exchange: _Exchange) -> Captured:
    in_query = any(name in CREDENTIALS for name, _ in parse_qsl(exchange.query, keep_blank_values=True))
    scheme, _, encoded = (exchange.authorization or "").partition(" ")
    basic = basic_header(encoded.strip()) if scheme.lower() == "basic" else None
    methods = (exchange.authorization is not None) + in_query
    return Captured(path=exchange.path, basic=basic, secret_in_query=in_query, methods=methods)


def _answer(exchange: _Exchange, document: Mapping[str, Any] | None) -> Answer:
    body = document or {}
    return Answer(
        status=exchange.status,
        error=_text(body, "error") or _text(body, "errorCode"),
        description=_text(body, "error_description") or _text(body, "errorSummary"),
        json=document is not None,
        token="access_token" in body,
        introspected=isinstance(body.get("active"), bool),
        headers=exchange.headers,
    )


def _json(text: str) -> Mapping[str, Any] | None:
    """Return the first JSON object in a text that begins with one, or stands in one line with other words."""
    begins = text.find("{")
    if begins < 0:
        return None
    try:
        document, _ = json.JSONDecoder().raw_decode(text[begins:])
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
