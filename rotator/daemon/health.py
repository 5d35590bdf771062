"""`/livez`, `/readyz` and `/metrics` for probes and Prometheus, over plain HTTP/1.1. Nothing else.

* Alive: ticks finish. An Okta or a Vault that is away must not get the daemon restarted, nor taken out of service: it
  is ready once it has come round for the first time, and until it is told to stop; the body says what is away.
* Whoever connects gets little: one answer to one GET with a small head and no body, for a few seconds, in a few
  connections at a time. No request is logged, nothing in an answer is secret.
* The loop goes on meanwhile: a long answer is made in pieces, and a slow reader waits alone.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import islice
from typing import TYPE_CHECKING

import h11

from rotator.daemon.metrics import CONTENT_TYPE, exposition
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from rotator.daemon.metrics import Tally
    from rotator.daemon.vitals import Vitals
    from rotator.settings import Listen

WITHIN = 5.0  # seconds for a whole exchange
AT_ONCE = 16
LONGEST_HEAD = 4096
PIECE = 200  # lines of metrics between two turns of the loop
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and lines that are made as they are sent."""

    status: int
    lines: Iterable[str]
    content_type: str = TEXT


@dataclass(slots=True)
class Health:
    """What is told, to whoever asks."""

    vitals: Vitals
    tally: Tally
    logins: Callable[[], Mapping[str, datetime | None]]
    within: float = WITHIN
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @asynccontextmanager
    async def served(self, listen: Listen) -> AsyncIterator[str]:
        """Answer while the context lasts; `ConfigError` if nobody may listen there. Yields the address."""
        try:
            server = await asyncio.start_server(self._accept, listen.host, listen.port, limit=LONGEST_HEAD)
        except OSError as failure:
            number = failure.errno or 0  # below zero where `localhost` has no address
            reason = os.strerror(number) if number > 0 else str(failure.strerror)
            raise ConfigError(
                [f"health.listen: cannot listen on {listen} ({reason.lower()}); choose another address or port"]
            ) from failure
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        finally:
            server.close()
            for writer in self._open.values():
                writer.transport.abort()  # not its task: asyncio 3.11 complains of a cancelled one
            await asyncio.gather(*self._open, return_exceptions=True)
            await server.wait_closed()

    def answer(self, method: str, target: str) -> Answer:
        """Return what is said to such a request."""
        pages = {"/livez": self._livez, "/readyz": self._readyz, "/metrics": self._metrics}
        page = pages.get(target.partition("?")[0])
        if page is None:
            return Answer(404, [f"there are {', '.join(pages)}\n"])
        return page() if method == "GET" else Answer(405, ["only GET\n"])

    def _livez(self) -> Answer:
        vitals = self.vitals
        said = "started" if vitals.last_tick is None else "the last tick finished"
        return Answer(200 if vitals.alive else 503, [f"{said} {vitals.silence:.0f} s ago\n"])

    def _readyz(self) -> Answer:
        vitals = self.vitals
        if vitals.stopping:
            return Answer(503, ["stopping\n"])
        if vitals.last_tick is None:
            return Answer(503, ["starting: no tick has finished yet\n"])
        return Answer(200, ["ready\n", *_away(vitals)])

    def _metrics(self) -> Answer:
        return Answer(200, exposition(self.vitals, self.tally, self.logins()), CONTENT_TYPE)

    # --- one connection -----------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._open[task] = writer
        try:
            if len(self._open) <= AT_ONCE:
                with suppress(ConnectionError, TimeoutError):  # the asker's own affair
                    async with asyncio.timeout(self.within):
                        await self._exchange(reader, writer)
        finally:
            writer.transport.abort()
            del self._open[task]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        try:
            while (event := state.next_event()) is h11.NEED_DATA:
                state.receive_data(await reader.read(LONGEST_HEAD))
        except h11.RemoteProtocolError as problem:
            if state.our_state is not h11.SEND_RESPONSE and state.our_state is not h11.IDLE:
                return
            answer = Answer(problem.error_status_hint, ["this is no request\n"])
        else:
            if not isinstance(event, h11.Request):
                return
            answer = self.answer(event.method.decode("ascii"), event.target.decode("ascii"))
            if event.method == b"HEAD":
                answer = replace(answer, lines=())
        await _send(state, writer, answer)


async def _send(state: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Send the answer in pieces, with a turn for everybody else after each, and say that it was the last."""
    head = h11.Response(
        status_code=answer.status,
        headers=[
            ("Content-Type", answer.content_type),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Date", formatdate(usegmt=True)),
            ("Connection", "close"),
            *([("Allow", "GET")] if answer.status == 405 else []),
        ],
    )
    writer.write(state.send(head) or b"")
    lines = iter(answer.lines)
    while piece := tuple(islice(lines, PIECE)):
        writer.write(state.send(h11.Data(data="".join(piece).encode())) or b"")
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(state.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def _away(vitals: Vitals) -> Iterator[str]:
    """Say what cannot be worked with: an org, a Vault, the state. Not why: fewer people may read the log."""
    for side, reach in vitals.reach.items():
        if not reach.fine:
            yield f"{side.kind} {side.alias}: {reach.condition.value} since {reach.since:%Y-%m-%dT%H:%M:%SZ}\n"
