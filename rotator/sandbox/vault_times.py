"""Times and durations as Go writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")


def rfc3339(at: datetime | None) -> str:
    """Write a time with nanoseconds and without trailing zeros; "" for none."""
    if at is None:
        return ""
    at = at.astimezone(UTC)
    # Python stops at microseconds. The last three digits follow from the others, so that one time has one text.
    nanoseconds = at.microsecond * 1000 + at.microsecond * 7919 % 1000
    fraction = f".{nanoseconds:09d}".rstrip("0").rstrip(".")
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def go_duration(length: timedelta) -> str:
    """Write whole seconds as Go's time.Duration does: 0s, 3h25m19s, 1h0m0s."""
    seconds = int(length.total_seconds())
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"


def seconds_of(value: Any) -> int:
    """Read seconds as a number, digits or a Go duration; ValueError if it is none of them."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        raise ValueError("could not parse duration from input")  # noqa: TRY004 (one error for all that is no duration)
    text = value.strip()
    if text in ("", "-"):
        return 0
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'time: invalid duration "{value}"')
    return sign * int(sum(float(number) * _UNITS[unit] for number, unit in parts))
