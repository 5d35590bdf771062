"""The URL of the state database, as a kind of value (see `kinds`). It has no password in it, and leads to one place."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, WithJsonSchema

_NO_STATE = "is no URL of a database; write `sqlite:////path/of/a/file`, or `postgresql://user@host/name`"


def _check_state_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        _ = parts.port  # checked only when it is asked for
    except ValueError:
        raise ValueError(_NO_STATE) from None
    if not value.isprintable() or "\\" in value:
        raise ValueError(_NO_STATE)
    if parts.scheme == "sqlite":  # its path may have a space, or any letter: a home may be called so
        return _check_sqlite(value, parts)
    if not value.isascii() or " " in value:
        raise ValueError(_NO_STATE)
    if parts.scheme in {"postgresql", "postgresql+psycopg"}:
        return _check_postgres(value, parts)
    raise ValueError(_NO_STATE)


def _check_sqlite(value: str, parts: SplitResult) -> str:
    if parts.netloc or not parts.path.startswith("//") or "?" in value or "#" in value or "%" in value:
        raise ValueError("needs an absolute path and nothing else; write `sqlite:///` and then the path with its slash")
    if parts.path.endswith("/") or {".", ".."} & {*parts.path.split("/")}:
        raise ValueError("has a path that ends with a slash, or has `.` or `..` in it; write the path of the file")
    return value


def _check_postgres(value: str, parts: SplitResult) -> str:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or any("password" in name.lower() for name in options):
        raise ValueError("has a password in it; put that into a file, and name it by `password_file`")
    if not (parts.hostname or options.get("host")):
        raise ValueError("names no host; write `postgresql://user@host/name`, or `…@/name?host=/folder` for a socket")
    if parts.path.strip("/").count("/") or not parts.path.strip("/") or "#" in value:
        raise ValueError("names no database; write its name after the host: `postgresql://user@host/name`")
    return value


StateUrl = Annotated[
    str,
    AfterValidator(_check_state_url),
    WithJsonSchema({"type": "string", "pattern": r"^(sqlite:////|postgresql(\+psycopg)?://(?![^/@]*:[^/@]*@))[^#]+$"}),
]
