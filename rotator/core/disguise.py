"""What becomes of a secret on its way: a newline at its end, quotes around it, an encoding that nobody takes off again.

* A value is told from its disguise by comparing what is under it: by value where Okta shows one, else by hash.
* What can be said of a value by itself is said in claims (`Shape`), never by showing a part of it.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rotator.core.secret_value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST, LONGEST = 14, 100  # of a secret of one's own (contracts: Okta 1.3)
SHORTEST_FOR_JWT = 32
QUOTES = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
INVISIBLE = "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{NO-BREAK SPACE}"
APP_ID = re.compile(r"0oa[A-Za-z0-9]{17}")
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class Disguise(enum.Enum):
    """What a value wears. The value is the end of the sentence "it is the secret …"."""

    NEWLINE = "with a newline at its end"
    SPACES = "with white space around it"
    QUOTES = "with quotes around it"
    PERCENT = "percent-encoded"
    BASE64 = "in base64"


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be said of a value without showing it."""

    newline: bool = False  # or another control character: no secret of Okta's has one
    edges: bool = False  # white space at an end
    quoted: bool = False
    escapes: bool = False  # `%41`: it is percent-encoded, or looks as if it were
    special: bool = False  # has `%` or `+`, which servers read differently in a Basic header
    impossible: bool = False  # too short, too long, or with characters that no secret can have
    too_short_for_jwt: bool = False
    like_a_client_id: bool = False


def shape_of(text: str) -> Shape:
    """Say what can be said."""
    bare = text.strip()
    return Shape(
        newline=any(ord(character) < 32 for character in text) or text.endswith("\\n"),
        edges=bare != text or bare.strip(INVISIBLE) != bare,
        quoted=len(bare) > 2 and bare[0] in QUOTES and bare[-1] in QUOTES,
        escapes=ESCAPE.search(text) is not None,
        special=not {"%", "+"}.isdisjoint(text),
        impossible=not SHORTEST <= len(text) <= LONGEST or not (text.isascii() and text.isprintable()),
        too_short_for_jwt=len(text) < SHORTEST_FOR_JWT,
        like_a_client_id=APP_ID.fullmatch(bare) is not None,
    )


def shape_of_value(value: SecretValue) -> Shape:
    """Say what can be said of a secret."""
    return shape_of(value.reveal())


def undisguised(value: SecretValue) -> tuple[tuple[Disguise, SecretValue], ...]:
    """Return what the value may be a disguise of, the plainest first."""
    return tuple((disguise, SecretValue(text)) for disguise, text in _under(value.reveal()) if text)


def _under(text: str) -> Iterator[tuple[Disguise, str]]:
    bare = text.strip().strip(INVISIBLE).strip()
    if bare != text:
        yield (Disguise.NEWLINE if "\n" in text or "\r" in text else Disguise.SPACES), bare
    if bare.endswith("\\n"):
        yield Disguise.NEWLINE, bare.removesuffix("\\n")
    if shape_of(bare).quoted:
        yield Disguise.QUOTES, bare[1:-1]
        yield Disguise.QUOTES, bare[1:-1].strip()
    if ESCAPE.search(bare):
        yield Disguise.PERCENT, unquote(bare)
    if (decoded := _from_base64(bare)) is not None:
        yield Disguise.BASE64, decoded
        yield Disguise.BASE64, decoded.strip()


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
