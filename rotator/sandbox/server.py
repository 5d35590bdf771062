"""HTTP/1.1 on loopback, over asyncio streams and h11, in a thread with a loop of its own.

* It listens on 127.0.0.1 only.
* Any method that is a token (LIST, PATCH, ...), keep-alive, `Expect: 100-continue`, chunked bodies both ways (an
  answer is chunked if its headers say so), many connections at once.
* `Content-Length` and `Date` are added where the answer has none.
* A bug in what answers is not hidden: the connection is cut, and `close` raises it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, unquote

import h11

from .http import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from .clock import SandboxClock
    from .faults import Reply

    Exchange = Callable[[Request], Awaitable[Reply | None]]

_NO_BODY = (204, 304)
_READ = 65536


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the server's certificate and key lie (PEM)."""

    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Load them."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.cert, self.key)
        return context


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listener listens, and who answers there."""

    origin: str
    exchange: Exchange
    context: ssl.SSLContext | None


@dataclass(slots=True)
class _Connection:
    """One client: its streams, and where h11 stands with it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    place: _Place
    state: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER))

    @classmethod
    async def opened(cls, client: socket.socket, place: _Place) -> Self:
        """Put streams round an accepted socket, after the TLS handshake if there is to be one."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=place.context)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), place)

    async def receive(self) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
        """Return the next event, reading as much as that takes."""
        while (event := self.state.next_event()) is h11.NEED_DATA:
            if self.state.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.state.receive_data(await self.reader.read(_READ))
        return event

    async def send(self, *events: h11.Event) -> None:
        """Write some events in one go."""
        self.writer.write(b"".join(self.state.send(event) or b"" for event in events))
        await self.writer.drain()

    async def request(self) -> Request | None:
        """Read one request whole; None if the client has none any more."""
        head = await self.receive()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(event := await self.receive(), h11.Data):
            body += event.data
        return _as_request(head, bytes(body), self.place.origin) if isinstance(event, h11.EndOfMessage) else None


class Server:
    """Listeners that share one thread. Start it, `listen` as often as needed, `close` it."""

    def __init__(self, clock: SandboxClock) -> None:
        """Start the thread; `clock` dates the answers."""
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._listeners: list[socket.socket] = []
        self._sockets: dict[asyncio.Task[None], socket.socket] = {}
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()

    def listen(self, exchange: Exchange, *, port: int = 0, tls: Tls | None = None) -> str:
        """Open a port (a free one for 0) whose requests go to `exchange`, and return its URL."""
        opening = asyncio.run_coroutine_threadsafe(self._listen(exchange, port, tls), self._loop)
        return opening.result(timeout=10)

    def close(self) -> None:
        """Cut all connections, stop the thread, and raise what went wrong in it."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        if self._failures:
            raise self._failures[0]

    async def _listen(self, exchange: Exchange, port: int, tls: Tls | None) -> str:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        listener.setblocking(False)
        origin = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        place = _Place(origin, exchange, tls.context() if tls else None)
        self._listeners.append(listener)
        self._loop.add_reader(listener, self._accept, listener, place)
        return origin

    async def _close(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        tasks = tuple(self._sockets)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets in the turn after

    # Neither asyncio.Server nor sock_accept: both lose a connection that is being accepted while they are closed.
    def _accept(self, listener: socket.socket, place: _Place) -> None:
        with suppress(BlockingIOError, ConnectionError):
            client, _ = listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._serve(client, place))
            self._sockets[task] = client
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sockets.pop(task).close()
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    async def _serve(self, client: socket.socket, place: _Place) -> None:
        with suppress(ConnectionError, ssl.SSLError):  # the client is gone: its own affair
            connection = await _Connection.opened(client, place)
            try:
                while await self._one_call(connection):
                    connection.state.start_next_cycle()
                connection.writer.close()
                await connection.writer.wait_closed()
            finally:
                connection.writer.transport.abort()

    async def _one_call(self, connection: _Connection) -> bool:
        """Take one request and answer it; tell whether another may follow on this connection."""
        try:
            request = await connection.request()
        except h11.RemoteProtocolError as problem:
            await self._refuse(connection, problem)
            return False
        if request is None:
            return False
        reply = await connection.place.exchange(request)
        if reply is None:
            connection.writer.transport.abort()
            return False
        await self._send(connection, reply, bodiless=request.method == "HEAD")
        return connection.state.our_state is h11.DONE and connection.state.their_state is h11.DONE

    async def _refuse(self, connection: _Connection, problem: h11.RemoteProtocolError) -> None:
        if connection.state.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        head = h11.Response(status_code=problem.error_status_hint, headers=[("Connection", "close")])
        await connection.send(head, h11.EndOfMessage())

    async def _send(self, connection: _Connection, reply: Reply, *, bodiless: bool) -> None:
        response = reply.response
        headers = list(response.headers)
        present = {name.lower() for name, _ in headers}
        if "date" not in present:
            headers.append(("Date", format_datetime(self._clock.now(), usegmt=True)))
        if present.isdisjoint({"content-length", "transfer-encoding"}) and response.status not in _NO_BODY:
            headers.append(("Content-Length", str(len(response.body))))
        head = h11.Response(status_code=response.status, headers=headers)
        whole = b"" if bodiless or response.status in _NO_BODY else response.body
        body = whole if reply.keep is None else whole[: reply.keep]
        end = [h11.EndOfMessage()] if len(body) == len(whole) else []
        if not reply.pace:
            await connection.send(head, h11.Data(data=body), *end)
            return
        await connection.send(head)
        for byte in body:
            await connection.send(h11.Data(data=bytes([byte])))
            await asyncio.sleep(reply.pace)
        await connection.send(*end)


def _as_request(head: h11.Request, body: bytes, origin: str) -> Request:
    path, _, query = head.target.decode("ascii").partition("?")
    headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)
    scheme = origin.partition("://")[0]
    host = next((value for name, value in headers if name == "host"), None)
    return Request(
        method=head.method.decode("ascii"),
        path=unquote(path),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers=headers,
        body=body,
        base_url=f"{scheme}://{host}" if host else origin,
        raw_path=path,
    )
