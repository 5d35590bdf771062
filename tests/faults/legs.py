"""The legs of the misbehaving proxy: streams with TLS round them, and h11 to find where a message begins and ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Self

import h11

Events = list[h11.Event]

_READ = 65536
_AT_ONCE = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: on, 0 s, so that closing is a reset


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, or what is said in its stead."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(slots=True)
class Stream:
    """One leg: its streams, and where h11 stands with it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection

    @classmethod
    async def accepted(cls, client: socket.socket, tls: ssl.SSLContext) -> Self:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=tls)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), h11.Connection(h11.SERVER))

    @classmethod
    async def opened(cls, port: int) -> Self:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # it is our own sandbox, next door
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls), h11.Connection(h11.CLIENT))

    async def message(self) -> Events | None:
        """Read one message whole; None if there is none any more."""
        events: Events = []
        while True:
            while (event := self.state.next_event()) is h11.NEED_DATA:
                self.state.receive_data(await self.reader.read(_READ))
            if not isinstance(event, h11.Event) or isinstance(event, h11.ConnectionClosed):
                return None
            events.append(event)
            if isinstance(event, h11.EndOfMessage):
                return events

    async def send(self, events: Events) -> None:
        self.writer.write(self.wire(events))
        await self.writer.drain()

    def wire(self, events: Events) -> bytes:
        return b"".join(self.state.send(event) or b"" for event in events)

    def reset(self) -> None:
        """Cut it so that the other side sees a reset."""
        taken: socket.socket | None = self.writer.get_extra_info("socket")
        if taken is not None:  # the other side may have left meanwhile
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.abort()

    def abort(self) -> None:
        self.writer.transport.abort()

    def close_half(self) -> None:
        """Say that nothing more comes, and go on listening."""
        taken: socket.socket | None = self.writer.get_extra_info("socket")
        if taken is not None:  # the other side may have left meanwhile
            taken.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """End it in good manners, whatever was sent."""
        self.writer.close()
        await self.writer.wait_closed()

    async def gone(self) -> None:
        """Wait until the other side has left."""
        while await self.reader.read(_READ):
            pass


def as_answer(events: Events) -> Answer:
    head = events[0]
    assert isinstance(head, h11.Response)
    headers = tuple((name.decode(), value.decode()) for name, value in head.headers)
    body = b"".join(bytes(event.data) for event in events if isinstance(event, h11.Data))
    return Answer(head.status_code, headers, body)


def reset(client: socket.socket) -> None:
    """Cut a connection that has no streams yet."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    client.close()
