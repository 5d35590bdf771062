"""Looks for secrets in anything that the program let out: in clear, in every disguise they travel in, and in part.

* Forms: as it is, percent-encoded, JSON-escaped, backwards, in hex, and in base64 wherever in a group it began.
* Of client secrets any eight characters in a row are a find: half a secret is one too.
* A JSON Web Token and the head of a private key are finds whoever's they are.
* What it reports names the secret and the form, never the value.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from rotator.sandbox.okta_state import secret_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = 8
SHORTEST = 8  # of a line of a secret that has several
BEARERS = {
    "a JSON Web Token": re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\."),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{20}"),
}


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """Which secret was found, and in which form."""

    secret: str
    form: str


@dataclass(slots=True)
class Scanner:
    """What is looked for."""

    _forms: dict[bytes, Found] = field(default_factory=dict)
    _parts: dict[bytes, str] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def learn(self, name: str, text: str, *, in_parts: bool = False) -> None:
        """Look for this secret from now on, line by line if it has several; `in_parts`: and for any part of it."""
        if text in self._known:
            return
        self._known.add(text)
        lines = [line for line in text.split("\n") if len(line) >= SHORTEST and not line.startswith("-----")]
        for line in lines:
            for form, disguised in disguises(line):
                self._forms.setdefault(disguised, Found(name, form))
        if in_parts:
            self._parts |= {text[at : at + PART].encode(): name for at in range(len(text) - PART + 1)}

    def knows(self, text: str) -> bool:
        """Say whether this is looked for."""
        return text in self._known

    def hashes(self) -> set[str]:
        """Return the hashes of all secrets that are looked for, by which the program knows those that it made."""
        return {secret_hash(text) for text in self._known}

    def found_in(self, data: bytes) -> set[Found]:
        """Return what stands in there."""
        found = {each for disguised, each in self._forms.items() if disguised in data}
        found |= {Found("somebody", kind) for kind, pattern in BEARERS.items() if pattern.search(data)}
        if not found and self._parts:  # a whole one is also all of its parts
            found |= {Found(self._parts[part], "part") for part in _windows(data) & self._parts.keys()}
        return found


def disguises(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield each form of a secret with its name. Those that are the same as another one do no harm."""
    raw = text.encode()
    yield "raw", raw
    yield "backwards", text[::-1].encode()
    yield "URL-encoded", quote(text, safe="").encode()
    yield "URL-encoded", quote_plus(text).encode()
    yield "JSON-escaped", json.dumps(text)[1:-1].encode()
    yield "JSON-escaped", json.dumps(text)[1:-1].replace("/", r"\/").encode()
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    for before in range(3):
        for form in (base64.b64encode, base64.urlsafe_b64encode):
            yield f"base64 after {before}", _inside(form(b"\0" * before + raw), before, len(raw))


def _inside(encoded: bytes, before: int, length: int) -> bytes:
    """Return those characters of a base64 text that depend on the secret alone."""
    first = (8 * before + 5) // 6
    last = (8 * (before + length)) // 6
    return encoded[first:last]


def _windows(data: bytes) -> set[bytes]:
    return {data[at : at + PART] for at in range(len(data) - PART + 1)}
