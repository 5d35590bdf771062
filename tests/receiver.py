"""Somebody on loopback who is told things over HTTP, and answers as the test says."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 60.0


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float

    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass
class Receiver:
    """What came, and what is answered: the statuses in turn, the last one for ever. `deaf`: it never answers."""

    statuses: list[int] = field(default_factory=lambda: [200])
    location: str = ""
    got: list[Got] = field(default_factory=list)
    port: int = 0
    deaf: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def status(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def documents(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return what was told, digests taken apart."""
        told = [each.json() for each in self.got if each.method == "POST" and each.body]
        ours = [each for each in told if "kind" in each]  # Apprise has a form of its own
        single = [one for each in ours for one in (each["notices"] if each["kind"] == "digest" else [each])]
        return [each for each in single if kind in {None, each["kind"]}]

    def until(self, count: int = 1, *, kind: str | None = None) -> list[dict[str, Any]]:
        """Wait until so many notices of a kind have come, and return them."""
        end = time.monotonic() + SOON
        while len(found := self.documents(kind)) < count:
            assert time.monotonic() < end, f"{kind}: only {self.documents()}"
            time.sleep(0.02)
        return found

    def until_requests(self, count: int) -> list[Got]:
        end = time.monotonic() + SOON
        while len(self.got) < count:
            assert time.monotonic() < end, f"only {len(self.got)} requests"
            time.sleep(0.02)
        return self.got


@contextmanager
def receiving(*statuses: int, location: str = "", port: int = 0) -> Iterator[Receiver]:
    """Listen while the context lasts."""
    receiver = Receiver(list(statuses) or [200], location)

    class Answering(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append(Got(self.command, self.path, headers, body, time.monotonic()))
            if receiver.deaf.is_set():
                receiver.released.wait(SOON)
                return
            self.send_response(receiver.status())
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _answer  # noqa: N815 -- the names that the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answering)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
