"""A server that says, one after the other, what a test wants said; for answers that no sane Okta gives."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import Reply
from rotator.sandbox.http import Request, Response
from rotator.sandbox.server import Server, Tls

if TYPE_CHECKING:
    from collections.abc import Mapping

Act = Callable[[Request], Awaitable[Reply | None]]

CREATED = "2026-11-23T12:00:00.000Z"


def secret_json(secret_id: str = "ocs1", **changes: object) -> dict[str, object]:
    """Return a secret as Okta shows it."""
    shown = {"created": CREATED, "lastUpdated": CREATED, "status": "ACTIVE", "client_secret": "c" * 20}
    return {"id": secret_id, **shown, "secret_hash": "h" * 22, "_links": {}, **changes}


def error_json(code: str, summary: str = "No", *causes: str) -> dict[str, object]:
    """Return an error as Okta shows it."""
    listed = [{"errorSummary": cause} for cause in causes]
    return {"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oaeX", "errorCauses": listed}


def says(status: int, body: object = b"", headers: Mapping[str, str] | None = None, *, keep: int | None = None) -> Act:
    """Answer so; anything but bytes is sent as JSON. With `keep` the body breaks off after so many bytes."""
    head = dict(headers or {})
    if not isinstance(body, bytes):
        head.setdefault("Content-Type", "application/json")
        body = json.dumps(body).encode()
    reply = Reply(Response(status, tuple(head.items()), body), keep=keep)

    async def act(_request: Request) -> Reply:
        return reply

    return act


async def hangs_up(_request: Request) -> None:
    """Cut the connection once the whole request is here."""


async def falls_silent(_request: Request) -> None:
    """Never answer."""
    await asyncio.sleep(3600)


class Script:
    """The server. What is not scripted is answered by the last act."""

    def __init__(self, *acts: Act, tls: Tls | None = None) -> None:
        self.requests: list[Request] = []
        self._acts = deque(acts or (says(200, []),))
        self._tls = tls
        self._server = Server(SandboxClock())
        self.url = ""

    def __enter__(self) -> Self:
        self.url = self._server.listen(self._exchange, tls=self._tls)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def then(self, *acts: Act) -> Self:
        """Go on with these acts."""
        self._acts = deque(acts)
        return self

    @property
    def asked(self) -> list[str]:
        """What was asked, as `METHOD path`."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def bodies(self) -> list[Any]:
        """The JSON that came in."""
        return [request.json() for request in self.requests if request.body]

    async def _exchange(self, request: Request) -> Reply | None:
        self.requests.append(request)
        act = self._acts.popleft() if len(self._acts) > 1 else self._acts[0]
        return await act(request)
