"""What the proxy can do to a call or to a connection, each a value with a name."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.legs import Answer, reset
from tests.faults.proxy import Refused

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rotator.sandbox.server import Tls
    from tests.faults.proxy import Meeting

__all__ = ["Refused"]

PAGE = b"<!DOCTYPE html>\n<html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>\n"


# --- calls ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset: before the server has seen the call, or after it was applied."""

    applied: bool = False

    async def __call__(self, meeting: Meeting) -> None:
        if self.applied:
            await meeting.forward()
        meeting.client.reset()


@dataclass(frozen=True, slots=True)
class HalfClosed:
    """The server says no more, without an answer and without a word of farewell, and keeps its side open."""

    applied: bool = False

    async def __call__(self, meeting: Meeting) -> None:
        if self.applied:
            await meeting.forward()
        meeting.client.close_half()
        await meeting.client.gone()


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer ever comes."""

    applied: bool = False

    async def __call__(self, meeting: Meeting) -> None:
        if self.applied:
            await meeting.forward()
        await meeting.client.gone()


@dataclass(frozen=True, slots=True)
class Truncated:
    """Applied, and the answer ends too early: with a proper end of the TLS connection, or cut off within it."""

    part: float = 0.6
    abrupt: bool = False

    async def __call__(self, meeting: Meeting) -> None:
        await meeting.send_in_part(await meeting.forward(), part=self.part)
        if self.abrupt:
            meeting.client.reset()
        else:
            await meeting.client.close()


@dataclass(frozen=True, slots=True)
class ByteByByte:
    """Applied, and the answer comes in single bytes; `pace` seconds for each."""

    pace: float

    async def __call__(self, meeting: Meeting) -> None:
        await meeting.send_in_part(await meeting.forward(), part=1, pace=self.pace)


class Twice:
    """Applied two times, as by a load balancer that repeats; the second answer is the one that comes."""

    async def __call__(self, meeting: Meeting) -> None:
        await meeting.forward()
        await meeting.send(await meeting.forward())


@dataclass(frozen=True, slots=True)
class Late:
    """Cut off, and applied all the same: after the next call (overtaken by it), or when it is let go."""

    overtaken: bool

    async def __call__(self, meeting: Meeting) -> None:
        meeting.keep_back(for_one_call=self.overtaken)
        meeting.client.reset()


@dataclass(frozen=True, slots=True)
class Instead:
    """Another answer than the true one, with the call applied or not."""

    answer: Answer
    applied: bool = False

    async def __call__(self, meeting: Meeting) -> None:
        if self.applied:
            await meeting.forward()
        await meeting.send(self.answer)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Somebody does something just before the call arrives."""

    deed: Callable[[], object]

    async def __call__(self, meeting: Meeting) -> None:
        self.deed()
        await meeting.send(await meeting.forward())


# --- connections ------------------------------------------------------------------------------------------------


class NoHandshake:
    """Accepted, and then nothing."""

    async def accepted(self, client: socket.socket, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        while await loop.sock_recv(client, 65536):
            pass


class HalfAHandshake:
    """Cut off in the middle of what the server says first."""

    async def accepted(self, client: socket.socket, tls: ssl.SSLContext) -> None:
        loop, said, to_say = asyncio.get_running_loop(), ssl.MemoryBIO(), ssl.MemoryBIO()
        session = tls.wrap_bio(said, to_say, server_side=True)
        said.write(await loop.sock_recv(client, 65536))
        with suppress(ssl.SSLWantReadError):
            session.do_handshake()
        flight = to_say.read()
        await loop.sock_sendall(client, flight[: len(flight) // 2])
        reset(client)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Another certificate than ours."""

    tls: Tls

    async def accepted(self, client: socket.socket, tls: ssl.SSLContext) -> ssl.SSLContext:
        return self.tls.context()
