"""Requests and responses as values, so that an emulator is a plain function from one to the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived. `path` is percent-decoded and has no query; header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    base_url: str  # scheme and authority under which the client reached us, no trailing slash
    raw_path: str = ""  # the path as it came, still percent-encoded

    def header(self, name: str) -> str | None:
        """Return the first header of that name (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def param(self, name: str) -> str | None:
        """Return the first query parameter of that name."""
        return next((value for key, value in self.query if key == name), None)

    def json(self) -> Any:
        """Return the body as JSON; ValueError if it is none."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """Return the body as a form; of repeated fields the last."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def target(self) -> str:
        """The path and query as one string, for logs."""
        tail = "&".join(f"{key}={quote(value)}" for key, value in self.query)
        return f"{self.path}?{tail}" if tail else self.path


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back, headers in order; two of one name stay two."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *more: tuple[str, str]) -> Response:
        """Return a copy with more headers at the end."""
        return Response(self.status, self.headers + more, self.body)


class Emulator(Protocol):
    """A service as a function. Called by one thread at a time; state lives in the emulator."""

    def answer(self, request: Request) -> Response:
        """Apply the request and answer it."""
        ...
