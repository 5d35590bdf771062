"""A proxy that misbehaves by script, between the real program and the sandbox's servers: TCP, TLS and HTTP.

* Each service has a port of its own on loopback; both legs speak TLS, and h11 finds where a call begins and ends.
* A rule names the calls that it is meant for, `nth` (1 = the next of them) and `times` (None = all from there on). Each
  rule counts for itself; of several that are due the first one armed acts.
* A fault of a connection strikes before anything is known of the call on it. While one is armed each answer ends its
  connection: a call has one of its own, and the n-th connection is the n-th call.
* What is kept back arrives once the next call has been answered, or when it is let go.
* The secrets that went over the wire are kept, so that a test can look for them where they must not be.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self, TypeVar
from urllib.parse import unquote, urlsplit

import h11

from rotator.sandbox.journal import ANY, Call, Wanted
from tests.faults.legs import Answer, Events, Stream, as_answer, reset
from tests.faults.wiretap import secrets_on_the_wire

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from rotator.sandbox.server import Tls

T = TypeVar("T")


class CallFault(Protocol):
    """Protocol: what befalls a call that has arrived."""

    async def __call__(self, meeting: Meeting, /) -> None: ...


class ConnectionFault(Protocol):
    """Protocol: what befalls a connection before it carries a call."""

    async def accepted(self, client: socket.socket, tls: ssl.SSLContext, /) -> ssl.SSLContext | None:
        """Return the context to go on with; None if it has come to its end."""
        ...


class Refused:
    """Nobody listens, from this connection on until the rule is cleared."""

    async def accepted(self, client: socket.socket, tls: ssl.SSLContext) -> None:
        reset(client)


@dataclass(slots=True)
class Rule:
    """A fault, the calls that it is meant for, and how often it has struck and still may."""

    fault: CallFault | ConnectionFault
    wanted: Wanted
    skip: int
    left: int | None
    struck: int = 0

    @property
    def of_connections(self) -> bool:
        return hasattr(self.fault, "accepted")

    def due(self) -> bool:
        """Count one of its calls, and say whether this one is struck."""
        if self.skip:
            self.skip -= 1
            return False
        if self.left == 0:
            return False
        self.left = self.left and self.left - 1
        self.struck += 1
        return True


@dataclass(slots=True)
class Meeting:
    """A call that has arrived, and all that can be done with it."""

    line: Line
    client: Stream
    asked: Events
    upstream: Stream | None = None

    async def forward(self) -> Answer:
        """Have it applied, and return what the server answers."""
        if self.upstream is None:
            self.upstream = await Stream.opened(self.line.port)
        await self.upstream.send(self.asked)
        answered = await self.upstream.message()
        assert answered, "the sandbox hung up"
        self.upstream.state.start_next_cycle()
        self.line.tap(answered)
        return as_answer(answered)

    async def send(self, answer: Answer) -> None:
        await self.client.send(self.events(answer))

    async def send_in_part(self, answer: Answer, *, part: float, pace: float = 0.0) -> None:
        """Send so much of it, head and all; `pace` seconds for each byte."""
        wire = self.client.wire(self.events(answer))
        wire = wire[: int(len(wire) * part)]
        pieces = [bytes([byte]) for byte in wire] if pace else [wire]
        for piece in pieces:
            self.client.writer.write(piece)
            await self.client.writer.drain()
            await asyncio.sleep(pace)

    def events(self, answer: Answer) -> Events:
        ends = [("Connection", "close")] if self.line.one_call_each else []
        head = h11.Response(status_code=answer.status, headers=[*answer.headers, *ends])
        return [head, h11.Data(data=answer.body), h11.EndOfMessage()]

    def keep_back(self, *, for_one_call: bool) -> None:
        """Apply it later: after the next call on this line, or when it is let go."""
        waits = self.line.answered if for_one_call else self.line.let_go
        waits.clear()
        self.line.late.append(self.line.start(self._late(waits)))

    async def _late(self, waits: asyncio.Event) -> None:
        await waits.wait()
        later = Meeting(self.line, self.client, self.asked)
        try:
            await later.forward()
        finally:
            if later.upstream is not None:
                later.upstream.abort()


class Line:
    """One service: the port that the program connects to, and the one behind it."""

    def __init__(self, proxy: Proxy, service: str, port: int) -> None:
        self.service, self.port = service, port
        self.answered, self.let_go = asyncio.Event(), asyncio.Event()
        self.late: list[asyncio.Task[None]] = []  # what was kept back
        self._proxy, self._loop = proxy, asyncio.get_running_loop()
        self._listener = self._bound(0)
        self.own_port: int = self._listener.getsockname()[1]
        self._listens = False
        self.listen()

    @property
    def one_call_each(self) -> bool:
        return any(rule.of_connections for rule in self._proxy.rules_of(self.service))

    def listen(self) -> None:
        if not self._listens:
            self._listens = True
            self._listener.listen(128)
            self._loop.add_reader(self._listener, self._accept)

    def refuse(self) -> None:
        """Listen no more, and keep the port."""
        self.close()
        self._listener = self._bound(self.own_port)

    def close(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._listens = False

    def look_ahead(self) -> None:
        """Stop listening if it is the next connection that is refused."""
        for rule in self._proxy.rules_of(self.service):
            if isinstance(rule.fault, Refused) and not rule.skip and self._listens:
                rule.struck += 1
                self.refuse()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return self._proxy.start(work)

    async def arrive(self) -> int:
        """Let what was kept back arrive; return how many calls that were."""
        self.let_go.set()
        self.answered.set()
        late, self.late = self.late, []
        await asyncio.gather(*late)
        return len(late)

    def tap(self, events: Events) -> None:
        self._proxy.carried |= secrets_on_the_wire(events)

    @staticmethod
    def _bound(port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.setblocking(False)
        return bound

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            client, _ = self._listener.accept()
            self._proxy.met[self.service] += 1
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.start(self._serve(client))

    async def _serve(self, client: socket.socket) -> None:
        with suppress(ConnectionError, ssl.SSLError), client:  # the client is gone: its own affair
            tls: ssl.SSLContext | None = self._proxy.tls
            if (rule := self._proxy.due(self.service)) is not None:
                assert not callable(rule.fault)
                tls = await rule.fault.accepted(client, self._proxy.tls)
            if tls is None:
                return
            stream = await Stream.accepted(client, tls)
            try:
                if tls is not self._proxy.tls:  # who sends anything now trusts a certificate that is none of ours
                    self._proxy.deceived += await stream.message() is not None
                else:
                    await self._calls(stream)
            finally:
                stream.abort()

    async def _calls(self, client: Stream) -> None:
        upstream: Stream | None = None
        try:
            while (asked := await client.message()) is not None:
                meeting = Meeting(self, client, asked, upstream)
                try:
                    await self._call(meeting)
                finally:
                    upstream = meeting.upstream
                if client.state.our_state is not h11.DONE or client.writer.is_closing():
                    return
                client.state.start_next_cycle()
        finally:
            if upstream is not None:
                upstream.abort()

    async def _call(self, meeting: Meeting) -> None:
        self.tap(meeting.asked)
        rule = self._proxy.arrived(self.service, meeting.asked)
        if rule is not None:
            assert callable(rule.fault)
            await rule.fault(meeting)
            return
        answer = await meeting.forward()
        self.look_ahead()
        await meeting.send(answer)
        self.answered.set()


class Proxy:
    """The lines, the rules, and a thread of their own. Every method may be called from any thread."""

    def __init__(self, tls: Tls) -> None:
        """Serve this certificate where no fault has another one."""
        self.tls = tls.context()
        self.calls: list[Call] = []
        self.carried: set[str] = set()
        self.met: Counter[str] = Counter()  # connections, by service
        self.deceived = 0  # calls that were sent to a server with a wrong certificate
        self._rules: list[Rule] = []
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut everything, and raise what went wrong in here."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        if self._failures:
            raise self._failures[0]

    def line_to(self, service: str, url: str) -> str:
        """Open a port that leads to the server at `url`; return the URL to use instead."""

        async def opened() -> Line:
            return Line(self, service, urlsplit(url).port or 443)

        line = self._run(opened())
        self._lines.append(line)
        return f"https://127.0.0.1:{line.own_port}"

    def arm(
        self, fault: CallFault | ConnectionFault, wanted: Wanted = ANY, *, nth: int = 1, times: int | None = 1
    ) -> Rule:
        """Arm a fault. One of connections counts those of the service, whatever else is wanted."""
        rule = Rule(fault, wanted, skip=nth - 1, left=times)
        with self._lock:
            self._rules.append(rule)
        for line in self._lines:
            self._loop.call_soon_threadsafe(line.look_ahead)
        return rule

    def clear(self) -> None:
        """Disarm all: whatever is asked from now on is served well. What is kept back stays so."""
        with self._lock:
            self._rules.clear()

        async def open_again() -> None:
            for line in self._lines:
                line.listen()

        self._run(open_again())

    def let_go(self) -> int:
        """Let what was kept back arrive, and wait until it has; return how many calls that were."""
        return sum(self._run(line.arrive()) for line in self._lines)

    # --- for the lines ------------------------------------------------------------------------------------

    def rules_of(self, service: str) -> list[Rule]:
        with self._lock:
            return [rule for rule in self._rules if rule.wanted.service in (None, service)]

    def due(self, service: str) -> Rule | None:
        """Count a connection, and return the rule that strikes it."""
        due = [rule for rule in self.rules_of(service) if rule.of_connections and rule.due()]
        return due[0] if due else None

    def arrived(self, service: str, asked: Events) -> Rule | None:
        """Count a call, and return the rule that strikes it."""
        head = asked[0]
        assert isinstance(head, h11.Request)
        path, _, query = head.target.decode().partition("?")
        number, now = len(self.calls) + 1, datetime.now(UTC)
        call = Call(number, now, service, head.method.decode(), unquote(path), query=query)
        self.calls.append(call)
        rules = [rule for rule in self.rules_of(service) if not rule.of_connections and rule.wanted.fits(call)]
        due = [rule for rule in rules if rule.due()]
        return due[0] if due else None

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _run(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    async def _close(self) -> None:
        for line in self._lines:
            line.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close their sockets in the turn after
