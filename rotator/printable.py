"""Text from elsewhere, made safe for a terminal and for a log: one line, nothing that steers or reorders it."""

from __future__ import annotations

import unicodedata

_STEERING = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})  # controls, bidi and other formats, line breaks, surrogates


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would obey rather than show written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escape(character) if unicodedata.category(character) in _STEERING else character for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
