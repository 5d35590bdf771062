"""A call as the emulator's parts see it, and how answers are written (contracts: Okta 1.6).

* JSON is compact, in the order in which Okta sends it; times are whole seconds, written `.000Z`.
* Every answer carries Okta's front-end headers, a request id, cookies that nobody needs, and the sandbox's time.
* Paging is two separate Link headers: `self`, and `next` unless the page is the last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .http import Request, Response
from .okta_errors import management_error
from .okta_log import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .okta_errors import Headers
    from .okta_state import Actor, Principal

_JSON = (("content-type", "application/json"),)
_FRONT_END = (
    ("server", "nginx"),
    ("cache-control", "no-cache, no-store"),
    ("pragma", "no-cache"),
    ("expires", "0"),
    ("vary", "Accept-Encoding"),
    ("strict-transport-security", "max-age=315360000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("p3p", 'CP="HONK"'),
    ("accept-ch", "Sec-CH-UA-Platform-Version"),
    ("set-cookie", 'sid=""; Version=1; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT'),
    ("set-cookie", 'xids=""; Version=1; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT'),
)


@dataclass(slots=True)
class Call:
    """One request on its way through the emulator. `args` are the variable parts of its path."""

    request: Request
    now: datetime
    id: str
    args: Mapping[str, str] = field(default_factory=dict)
    principal: Principal | None = None
    parsed_form: dict[str, str] | None = None

    @property
    def user_agent(self) -> str:
        return self.request.header("user-agent") or "UNKNOWN-DOWNLOAD"

    def origin(self, actor: Actor | None = None) -> Origin:
        """Return where this call came from; the actor is the management principal unless given."""
        if actor is None:
            assert self.principal
            actor = self.principal.actor
        return Origin(actor, self.user_agent, self.request.path, self.id)

    def form(self) -> dict[str, str]:
        """Return the body as a form."""
        if self.parsed_form is None:
            self.parsed_form = self.request.form()
        return self.parsed_form

    def body(self) -> dict[str, Any]:
        """Return the JSON body; empty if there is none. Anything but an object is refused."""
        if not self.request.body:
            return {}
        kind = (self.request.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise management_error("E0000021")
        try:
            body = json.loads(self.request.body)
        except ValueError as broken:
            raise management_error("E0000003") from broken
        if not isinstance(body, dict):
            raise management_error("E0000003")
        return body


def answer_json(status: int, document: object, headers: Headers = ()) -> Response:
    """Answer with a document."""
    return Response(status, _JSON + headers, json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def answer_empty(status: int) -> Response:
    """Answer without a body and without a Content-Type."""
    return Response(status)


def seconds(at: datetime) -> str:
    """Write a time as the management API does."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def page_links(request: Request, **following: str) -> Headers:
    """Return the Link headers of a page; what follows replaces parameters of the same name in `next`."""
    self_link = _url(request, request.query)
    if not following:
        return (("link", f'<{self_link}>; rel="self"'),)
    kept = tuple((name, value) for name, value in request.query if name not in following and name != "since")
    next_link = _url(request, tuple(following.items()) + kept)
    return (("link", f'<{self_link}>; rel="self"'), ("link", f'<{next_link}>; rel="next"'))


def _url(request: Request, query: tuple[tuple[str, str], ...]) -> str:
    address = request.base_url + request.path
    return f"{address}?{urlencode(query)}" if query else address


def front_end_headers(call: Call, limits: Headers) -> Headers:
    """Return the headers that every answer carries."""
    return (
        ("date", _http_date(int(call.now.timestamp()))),
        *_FRONT_END,
        ("set-cookie", f"JSESSIONID={call.id[::-1].upper()}; Path=/; Secure; HttpOnly"),
        ("x-okta-request-id", call.id),
        *limits,
    )


@lru_cache(maxsize=8)
def _http_date(timestamp: int) -> str:
    return formatdate(timestamp, usegmt=True)
