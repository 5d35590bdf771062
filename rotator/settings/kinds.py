"""The kinds of value that a configuration is made of, each with its rule and its JSON Schema.

A rule raises `ValueError` with what is wrong and what to do, never with the value.
"""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from functools import partial
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from rotator.core.hooks import MOST
from rotator.core.selection import APP_ID, CLIENT_ID

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST = timedelta(days=3650)
_SEGMENT = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_HOST = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?<![.-])")
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DURATION_PATTERN = "^[1-9][0-9]{0,8}[smhdw]$"


# --- Durations --------------------------------------------------------------------------------------------


def read_duration(value: object, *, at_most: timedelta = _LONGEST) -> timedelta:
    """Return the length of time that `90d` means."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError("is no duration; write a number and one of s, m, h, d, w: `90d`, `12h`")
    number, unit = found.groups()
    seconds = int(number) * _UNITS[unit]  # a timedelta of so many weeks would overflow
    if not seconds:
        raise ValueError("is no time at all; it must be longer than zero")
    if seconds > at_most.total_seconds():
        raise ValueError(f"is too long; at most {write_duration(at_most)} makes sense here")
    return timedelta(seconds=seconds)


def write_duration(length: timedelta) -> str:
    """Return the largest unit that gives a whole number: `90d`, `36h`."""
    seconds = int(length.total_seconds())
    # `14d` says more than `2w` to whoever wrote `90d`.
    unit = next(unit for unit in ("d", "h", "m", "s") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


Duration = Annotated[
    timedelta,
    PlainValidator(read_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]
AnswerTime = Annotated[
    timedelta,
    PlainValidator(partial(read_duration, at_most=timedelta(minutes=5))),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]

HookTime = Annotated[
    timedelta,
    PlainValidator(partial(read_duration, at_most=MOST)),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]
Spacing = Annotated[
    timedelta,
    PlainValidator(partial(read_duration, at_most=timedelta(hours=12))),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
]


# --- URLs -------------------------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Say whether the host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(value: str, *, plain_http: bool = False) -> str:
    """Return `scheme://host[:port]`, without the slash at the end."""
    parts = _split(value)
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a user or a password in it; remove what stands before the `@`")
    if parts.scheme not in {"http", "https"} or not (_HOST.fullmatch(host) or ":" in host):
        raise ValueError("is no URL; write `https://` and the host")
    if parts.path not in {"", "/"} or "?" in value or "#" in value:
        raise ValueError("has a path or a query; write only `https://`, the host and, if need be, the port")
    if parts.scheme == "http" and not (plain_http or is_loopback(host)):
        raise ValueError("is not encrypted; write `https://` (plain http is for loopback alone)")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port  # checked only when it is asked for
    except ValueError:
        parts = None
    # Python strips tabs and line breaks silently.
    if parts is None or not (value.isascii() and value.isprintable()) or " " in value or "\\" in value:
        raise ValueError("is no URL; write `https://` and the host")
    return parts


def _check_org_url(value: str) -> str:
    url = check_url(value)
    host = urlsplit(url).hostname or ""
    if host.split(".")[0].endswith("-admin") and host.endswith((".okta.com", ".oktapreview.com", ".okta-emea.com")):
        raise ValueError("is the address of the admin console; remove `-admin`")
    return url


def _check_proxy(value: str) -> str:
    # What goes through it is encrypted end to end; that the proxy itself speaks http is the rule.
    return check_url(value, plain_http=True)


_URL_SCHEMA = {"type": "string", "format": "uri", "pattern": "^https?://[^/@?#]+/?$"}
OrgUrl = Annotated[str, AfterValidator(_check_org_url), WithJsonSchema(_URL_SCHEMA)]
VaultUrl = Annotated[str, AfterValidator(check_url), WithJsonSchema(_URL_SCHEMA)]
ProxyUrl = Annotated[str, AfterValidator(_check_proxy), WithJsonSchema(_URL_SCHEMA)]


# --- Where to listen --------------------------------------------------------------------------------------


def _check_listen(value: str) -> str:
    host, colon, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or bare.count(":") != host.count(":") or (":" in bare and bare == host):
        raise ValueError('is no address to listen on; write one and a port: "127.0.0.1:8321", "[::1]:8321"')
    if not _is_address(bare):
        raise ValueError('needs the address of an interface: "127.0.0.1:8321", or "0.0.0.0:8321" for all of them')
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise ValueError("has no port from 1 to 65535 after the last colon; 8321 is as good as any")
    return value


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host == "localhost"
    return "%" not in host


ListenAddress = Annotated[
    str,
    AfterValidator(_check_listen),
    WithJsonSchema({"type": "string", "pattern": r"^(localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$"}),
]


# --- The control socket -----------------------------------------------------------------------------------

LONGEST_SOCKET = 107  # bytes of a unix socket's path: the kernel's limit


def _check_socket(value: str) -> str:
    if not value.startswith("/") or value.endswith("/") or not value.isprintable():
        raise ValueError("is no path of a socket; write it from the root on: `/run/rotator/control.sock`")
    if len(value.encode()) > LONGEST_SOCKET:
        raise ValueError(f"is longer than the {LONGEST_SOCKET} bytes that a socket's path may have; shorten it")
    return value


SocketPath = Annotated[
    str, AfterValidator(_check_socket), WithJsonSchema({"type": "string", "pattern": "^/.*[^/]$", "maxLength": 107})
]


# --- Names and paths --------------------------------------------------------------------------------------


def _check_path(value: str) -> str:
    if value.startswith("/") or value.endswith("/"):
        raise ValueError("begins or ends with a slash; remove it")
    segments = value.split("/")
    if not all(_SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        raise ValueError("has a part that is empty, `.` or `..`, or has other characters than A-Z a-z 0-9 _ . -")
    if len(value) > 512:
        raise ValueError("is longer than 512 characters; shorten it")
    return value


def _check_path_of_many(value: str) -> str:
    plain = value
    for name in (APP_ID, CLIENT_ID):
        plain = plain.replace(name, "id")
    if "{" in plain or "}" in plain:
        raise ValueError(f"is built from something that may change; only `{APP_ID}` and `{CLIENT_ID}` may stand in it")
    if plain == value:
        raise ValueError(f"is the same for every app; write `{APP_ID}` or `{CLIENT_ID}` into it")
    _check_path(plain)
    return value


def _check_segment(value: str) -> str:
    if not _SEGMENT.fullmatch(value) or not value.strip("."):
        raise ValueError("must be made of A-Z a-z 0-9 _ . - alone")
    return value


def _check_app_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]{20}", value):
        raise ValueError(
            "is no app id; it has 20 letters and digits and begins with `0oa`, no label and no client name"
        )
    return value


def _check_text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("is empty or has characters that cannot be seen; write it again")
    if value != value.strip():
        raise ValueError("has spaces around it; remove them")
    if len(value) > 512:
        raise ValueError("is longer than 512 characters; check what was pasted here")
    return value


_SEGMENT_PATTERN = r"^[A-Za-z0-9_.-]+$"
Path = Annotated[
    str,
    AfterValidator(_check_path),
    WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"}),
]
PathOfMany = Annotated[
    str,
    AfterValidator(_check_path_of_many),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?=.*\{(app|client)_id\})([A-Za-z0-9_.-]|\{(app|client)_id\})+"
            r"(/([A-Za-z0-9_.-]|\{(app|client)_id\})+)*$",
        }
    ),
]
Segment = Annotated[
    str, AfterValidator(_check_segment), WithJsonSchema({"type": "string", "pattern": _SEGMENT_PATTERN})
]
AppIdText = Annotated[
    str, AfterValidator(_check_app_id), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9]{20}$"})
]
Text = Annotated[str, AfterValidator(_check_text)]


# --- Windows and blackouts --------------------------------------------------------------------------------


def _read_time(value: object) -> time:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError('is no time of day; write it in quotes, with two digits each: "09:00"')
    return time(int(found[1]), int(found[2]))


def _read_date(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) and _DATE.fullmatch(value) else "")
    except ValueError:
        raise ValueError("is no day of this century; write year, month and day: `2026-12-24`") from None


def _check_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError):
        raise ValueError("is no time zone; write an IANA name such as `Europe/Oslo` or `UTC`") from None
    return value


TimeOfDay = Annotated[
    time,
    PlainValidator(_read_time),
    PlainSerializer(lambda at: at.strftime("%H:%M"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]
Day = Annotated[
    date,
    PlainValidator(_read_date),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"}),
]
Zone = Annotated[str, AfterValidator(_check_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Oslo"]})]


# --- What the environment gives is text -------------------------------------------------------------------


class EnvironmentText(str):
    """A value from the environment: it has no type of its own, so it is read as its key wants."""

    __slots__ = ()


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, EnvironmentText) else value


def _number(value: object) -> object:
    return int(value) if isinstance(value, EnvironmentText) and re.fullmatch("[0-9]{1,9}", value) else value


def _fraction(value: object) -> object:
    return float(value) if isinstance(value, EnvironmentText) and re.fullmatch(r"[0-9]?\.?[0-9]{1,6}", value) else value


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, EnvironmentText) else value


Flag = Annotated[bool, BeforeValidator(_flag)]
Number = Annotated[int, BeforeValidator(_number)]
Fraction = Annotated[float, BeforeValidator(_fraction)]
Words = Annotated[list[Text], BeforeValidator(_words)]
