"""Fields of a request body, converted as Vault converts them: weakly, and with its words where that fails.

An endpoint that looks whether the key exists meets a wrong type there and says so plainly; the others put
"Field validation failed: " in front (seen on a real server; the contract has only the second form).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .vault_answers import RefusedError
from .vault_times import seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAP = "map[string]interface {}"
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False", "")


class Fields:
    """The fields of one request."""

    def __init__(self, given: Mapping[str, Any], *, checked_first: bool = False) -> None:
        """Take the body; `checked_first` for endpoints that look whether the key exists."""
        self._given = given
        self._prefix = "" if checked_first else "Field validation failed: "

    def __contains__(self, name: str) -> bool:
        """Tell whether the field was sent at all."""
        return name in self._given

    def given(self, name: str) -> Any:
        """Return the field as it was sent, None if it was not."""
        return self._given.get(name)

    def map(self, name: str) -> dict[str, Any]:
        """Read an object; null is an empty one, a list of objects their union."""
        value = self._given.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        if isinstance(value, list):
            return self._merged(name, value)
        raise self._wrong(name, f"'' expected type '{_MAP}', got unconvertible type '{go_type(value)}'")

    def _merged(self, name: str, parts: list[Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for i, part in enumerate(parts):
            if not isinstance(part, dict):
                unfit = f"'[{i}]' expected type '{_MAP}', got unconvertible type '{go_type(part)}'"
                raise self._wrong(name, unfit)
            merged |= part
        return merged

    def number(self, name: str, default: int = 0) -> int:
        """Read a whole number; digits in quotes are one."""
        try:
            return weak_int(self._given.get(name, default))
        except ValueError as problem:
            raise self._wrong(name, f"'' {problem}") from None

    def flag(self, name: str) -> bool:
        """Read a yes or no."""
        value = self._given.get(name)
        if isinstance(value, (bool, int, float)) or value is None:
            return bool(value)
        if isinstance(value, str) and value in _TRUE + _FALSE:
            return value in _TRUE
        raise self._wrong(name, "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax")

    def text(self, name: str) -> str:
        """Read a string; null is an empty one, a number its digits."""
        value = self._given.get(name)
        if isinstance(value, (dict, list)):
            raise self._wrong(name, f"'' expected type 'string', got unconvertible type '{go_type(value)}'")
        return "" if value is None else weak_text(value)

    def seconds(self, name: str, *, signed: bool = False) -> int:
        """Read a duration."""
        try:
            seconds = seconds_of(self._given.get(name) or 0)
        except ValueError as problem:
            raise self._wrong(name, str(problem)) from None
        if seconds < 0 and not signed:
            raise self._wrong(name, f"cannot provide negative value '{seconds}'")
        return seconds

    def ints(self, name: str) -> list[int]:
        """Read a list of whole numbers, or numbers between commas."""
        values = self._listed(name)
        try:
            return [weak_int(value) for value in values]
        except ValueError as problem:
            reason = f"decoding failed due to the following error(s):\n\n'[0]' {problem}"
            raise self._wrong(name, reason) from None

    def texts(self, name: str) -> list[str]:
        """Read a list of strings, or strings between commas."""
        return [weak_text(value).strip() for value in self._listed(name)]

    def _listed(self, name: str) -> list[Any]:
        value = self._given.get(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value if isinstance(value, list) else [value]

    def _wrong(self, name: str, reason: str) -> RefusedError:
        return RefusedError(400, f'{self._prefix}error converting input for field "{name}": {reason}')


def weak_int(value: Any) -> int:
    """Decode as mapstructure does: true is 1, null is 0, "5" is 5; ValueError with its words otherwise."""
    if value is None:
        return 0
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, str) and (value == "" or re.fullmatch(r"[+-]?\d+", value)):
        return int(value or "0")
    unparsable = "cannot parse value as 'int': strconv.ParseInt: invalid syntax"
    unfit = f"expected type 'int', got unconvertible type '{go_type(value)}'"
    raise ValueError(unparsable if isinstance(value, (str, float)) else unfit)


def weak_text(value: Any) -> str:
    """Turn a scalar into a string: true is "1", false "0", a number its digits."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def go_type(value: Any) -> str:
    """Name the type as Go prints it for decoded JSON."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return _MAP
    return "[]interface {}" if isinstance(value, list) else "json.Number"
