"""True answers and documents, spoilt by chance: each change is drawn from a seeded generator, so a seed is a case.

* JSON stays JSON for the most part: a value of another type, a field gone or doubled, a huge number, a deep nest.
* Bytes are cut, doubled, or made invalid UTF-8. Headers go, grow long, or say odd dates and limits.
* `ROTATOR_TEST_HOSTILE` multiplies how many cases are tried.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rotator.sandbox.faults import Reply

if TYPE_CHECKING:
    from random import Random

    from rotator.sandbox.faults import Verdict
    from rotator.sandbox.http import Response
    from rotator.sandbox.journal import Call

TIMES = int(os.environ.get("ROTATOR_TEST_HOSTILE", "1"))
DEEP = 100_000
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, -(10**30), 1e308, "", " ", "null", "ACTIVE", "staged", "x" * 5_000, "\x00",
    "\ud800", "\u202e\x1b[2J\n", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-13-45T99:99:99Z",
    "2026-11-23T12:00:00",
    [], {}, [[]], [None], {"": None}, ["ACTIVE"], {"id": "ocs1"}, "http://169.254.169.254/", "../../up", "9" * 400,
)  # fmt: skip
HEADS: tuple[tuple[str, str], ...] = (
    ("Date", "Mon, 99 Foo 2026 25:61:61 GMT"), ("Date", "Fri, 31 Dec 9999 23:59:59 GMT"), ("Date", "x" * 60_000),
    ("Date", "Thu, 01 Jan 1970 00:00:00 +9999"),
    ("Date", "Mon, 01 Jan 0001 00:00:00 +2359"), ("Date", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ("Date", "Fri, 27 Nov 2026 10:00:00 -0000"), ("X-Rate-Limit-Limit", "-5"), ("X-Rate-Limit-Limit", "9" * 40),
    ("X-Rate-Limit-Remaining", "nan"), ("X-Rate-Limit-Remaining", "٣"), ("X-Rate-Limit-Remaining", "1e9"),
    ("X-Rate-Limit-Reset", "99999999999999999999"), ("X-Rate-Limit-Reset", "-1"), ("X-Rate-Limit-Reset", "soon"),
    ("Retry-After", "99999999999"), ("Retry-After", "-3"), ("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"),
    ("Content-Type", "text/html; charset=utf-7"), ("Content-Type", "application/json; charset=nonsense"),
    ("Content-Encoding", "gzip"), ("Content-Encoding", "br"), ("Location", "http://169.254.169.254/"),
    ("Link", '<http://169.254.169.254/>; rel="next"'), ("Link", '<::::>; rel="next"'), ("Link", "<" * 5_000),
    ("X-Okta-Request-Id", "\x1b]0;evil\x07" * 20), ("X-Vault-Index", "%%%"), ("Set-Cookie", "a=" + "b" * 9_000),
    ("WWW-Authenticate", 'DPoP error="use_dpop_nonce"'), ("DPoP-Nonce", "n" * 20_000),
)  # fmt: skip
STATUSES = (
    200,
    201,
    204,
    206,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    409,
    412,
    418,
    422,
    429,
    472,
    473,
    500,
    501,
    502,
    503,
    504,
)


def odd(rng: Random) -> Any:
    """Return one of the odd values: a new one, which may be changed in its turn."""
    return copy.deepcopy(rng.choice(ODD))


def mutated(rng: Random, document: Any) -> Any:
    """Return a copy with one to three things in it changed."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        document = _changed(rng, document)
    return document


def _changed(rng: Random, document: Any) -> Any:
    places = list(_places(document))
    if not places or rng.random() < 0.05:
        return odd(rng)
    inside, key = rng.choice(places)
    match rng.randrange(8):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[f"{key}_"] = inside.pop(key)
        case 2:
            nest: Any = odd(rng)
            for _ in range(rng.choice((3, 50, 400))):
                nest = [nest]
            inside[key] = nest
        case 3 if isinstance(inside, list):
            inside.extend([inside[key]] * rng.choice((1, 300)))
        case 4:
            inside[key] = {str(n): odd(rng) for n in range(rng.choice((1, 500)))}
        case _:
            inside[key] = odd(rng)
    return document


def _places(document: Any) -> Any:
    """Yield every container with each key or index in it."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inner:
        yield document, key
        yield from _places(value)


def written(rng: Random, document: Any) -> bytes:
    """Return the document as JSON, or nearly."""
    text = json.dumps(document).encode()
    match rng.randrange(12):
        case 0:
            return text[: rng.randrange(len(text) + 1)]
        case 1:
            return text.replace(b'"', b'"\xff\xfe', 1)
        case 2:
            return text + text
        case 3:
            return text.replace(b"{", b'{"id": 1, "id": [], ', 1)
        case 4:
            return b"[" * DEEP + b"]" * DEEP
        case 5:
            return text.replace(b"null", b"NaN").replace(b"0", b"-Infinity", 1)
        case _:
            return text


@dataclass(frozen=True, slots=True)
class Spoil:
    """The true answer, spoilt."""

    rng: Random
    name = "spoil"

    async def __call__(self, _call: Call, reply: Reply | None) -> Verdict:
        """Spoil it, headers and all."""
        assert reply
        return Reply(self._spoilt(reply.response))

    def _spoilt(self, true: Response) -> Response:
        rng, body, status = self.rng, true.body, true.status
        if rng.random() < 0.75:
            try:
                body = written(rng, mutated(rng, json.loads(body)))
            except ValueError:
                body = written(rng, odd(rng))
        if rng.random() < 0.2:
            status = rng.choice(STATUSES)
        if rng.random() < 0.03:
            body = body * max(1, 3_000_000 // (len(body) + 1))
        heads = [head for head in true.headers if rng.random() > 0.05]
        if rng.random() < 0.4:
            name, value = rng.choice(HEADS)
            heads = [head for head in heads if head[0].lower() != name.lower()] + [(name, value)]
        return replace(true, status=status, headers=tuple(heads), body=body)
