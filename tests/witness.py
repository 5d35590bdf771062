"""Stands before a Vault of any kind and keeps what was asked of it. Plain HTTP, on loopback."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was answered; `path` is without its query."""

    method: str
    path: str
    status: int


@dataclass(slots=True)
class Witness:
    """Who was asked through it, in order."""

    address: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def witness_of(address: str) -> Iterator[Witness]:
    """Pass on whatever is asked to the server at that address, until the context ends."""
    behind = urlsplit(address).netloc
    witness = Witness("")

    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server = HTTPConnection(behind, timeout=30)
            server.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = server.getresponse()
            content = answer.read()
            server.close()
            witness.asked.append(Asked(self.command, urlsplit(self.path).path, answer.status))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = pass_on  # noqa: N815 -- the names that the library looks for

        def log_message(self, *_: object) -> None:
            """Say nothing: what was asked is kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Passing) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="witness", daemon=True)
        thread.start()
        witness.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield witness
        finally:
            server.shutdown()
            thread.join()
