"""Filter expressions in SCIM's language (RFC 7644 section 3.4.2.2), as far as Okta speaks it.

`and` binds closer than `or`; `not` takes parentheses; an attribute with many values matches if one of them does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Lookup = Callable[[str], Iterable[Any]]
    Predicate = Callable[[Lookup], bool]

_TOKEN = re.compile(r'\s*(?:(?P<paren>[()])|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()"]+))')

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda found, wanted: bool(found == wanted),
    "ne": lambda found, wanted: bool(found != wanted),
    "sw": lambda found, wanted: str(found).startswith(str(wanted)),
    "ew": lambda found, wanted: str(found).endswith(str(wanted)),
    "co": lambda found, wanted: str(wanted) in str(found),
    "gt": lambda found, wanted: str(found) > str(wanted),
    "ge": lambda found, wanted: str(found) >= str(wanted),
    "lt": lambda found, wanted: str(found) < str(wanted),
    "le": lambda found, wanted: str(found) <= str(wanted),
}


class ScimError(ValueError):
    """The expression cannot be understood; `str()` says why."""


def parse(text: str, *, attributes: Callable[[str], bool]) -> Predicate:
    """Return the expression as a predicate; `attributes` says whether a name may be filtered by."""
    reader = _Reader(_tokens(text), attributes)
    predicate = reader.alternatives()
    if reader.rest:
        raise ScimError(f"Unexpected '{reader.rest[0]}'")
    return predicate


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ScimError(f"Unexpected character at position {at}")
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


@dataclass(slots=True)
class _Reader:
    rest: list[str]
    attributes: Callable[[str], bool]

    def alternatives(self) -> Predicate:
        either = self._conjunction()
        while self._skip("or"):
            either = _any_of(either, self._conjunction())
        return either

    def _conjunction(self) -> Predicate:
        both = self._factor()
        while self._skip("and"):
            both = _both_of(both, self._factor())
        return both

    def _factor(self) -> Predicate:
        if self._skip("not"):
            inner = self._factor()
            return lambda values: not inner(values)
        if self._skip("("):
            inner = self.alternatives()
            if not self._skip(")"):
                raise ScimError("Missing ')'")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        name, operator = self._next("attribute name"), self._next("operator").lower()
        if not self.attributes(name):
            raise ScimError(f"Unrecognized attribute '{name}'")
        if operator == "pr":
            return lambda values: any(True for _ in values(name))
        if operator not in _COMPARISONS:
            raise ScimError(f"Unrecognized attribute operator '{operator}'")
        compare, wanted = _COMPARISONS[operator], _literal(self._next("value"))
        return lambda values: any(compare(found, wanted) for found in values(name))

    def _next(self, what: str) -> str:
        if not self.rest:
            raise ScimError(f"Expected {what} at the end")
        return self.rest.pop(0)

    def _skip(self, word: str) -> bool:
        if not self.rest or self.rest[0].lower() != word:
            return False
        self.rest.pop(0)
        return True


def _any_of(one: Predicate, other: Predicate) -> Predicate:
    return lambda values: one(values) or other(values)


def _both_of(one: Predicate, other: Predicate) -> Predicate:
    return lambda values: one(values) and other(values)


def _literal(token: str) -> Any:
    try:
        return json.loads(token)
    except ValueError as broken:
        raise ScimError(f"Invalid value '{token}'") from broken
