"""When our calls to one org go out: one line for each of its rate-limit buckets (`core.budget` says when).

* Every call takes its turn and tells what came back. Who came first goes first; urgent calls before the others.
* A call waits for as long as its task has patience (`core.budget.Haste`), and may be cancelled meanwhile. What cannot
  go in that time is a `RateLimitedError` that says when to come back; nothing has been sent then.
* Only the first of a line sleeps, until a moment that is known; the others wait for something to change.
* A call's time limit (`in_time`) stands still while it waits: it is about Okta's answer.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from rotator.core.budget import Bucket, Share, Shares, bucket_of, haste
from rotator.errors import RateLimitedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from datetime import datetime

    from rotator.core.budget import Window
    from rotator.ports import Clock

    Sleep = Callable[[float], Awaitable[None]]

SHORTEST_NAP = 0.01  # seconds; a moment that has nearly come must not make a tight loop

_LIMIT: ContextVar[asyncio.Timeout | None] = ContextVar("limit", default=None)


@asynccontextmanager
async def in_time(limit: timedelta) -> AsyncIterator[asyncio.Timeout]:
    """End the block with a TimeoutError after so long, the wait for turns not counted."""
    async with asyncio.timeout(limit.total_seconds()) as running:
        before = _LIMIT.set(running)
        try:
            yield running
        finally:
            _LIMIT.reset(before)


@contextmanager
def _standing_still() -> Iterator[None]:
    """Let the time limit of the call, if it has one, stand still."""
    limit, loop = _LIMIT.get(), asyncio.get_running_loop()
    if limit is None or (ends := limit.when()) is None:
        yield
        return
    left = ends - loop.time()
    limit.reschedule(None)
    yield
    limit.reschedule(loop.time() + left)


class Turn:
    """A call that may go out now."""

    def __init__(self) -> None:
        """Know of no answer yet."""
        self.answer: tuple[int, Mapping[str, str]] | None = None

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Tell what came back; header names in lower case, or whatever their case."""
        self.answer = (status, headers)


class OktaPace:
    """The lines of one org. Use it from one event loop, for all calls to that org."""

    def __init__(self, org: str, clock: Clock, *, shares: Shares | None = None, sleep: Sleep = asyncio.sleep) -> None:
        """Know of no limit yet. `org` is for errors; `sleep` is in seconds of that clock."""
        self._org = org
        self._clock = clock
        self._shares = shares or Shares()
        self._sleep = sleep
        self._lines: dict[str, _Line] = {}
        self.ahead = timedelta(0)  # of Okta's clock, ours was, when it last answered

    @asynccontextmanager
    async def turn(self, path: str) -> AsyncIterator[Turn]:
        """Wait until a call to that path may go, and count it as under way during the block."""
        name = bucket_of(path)
        line = self._lines.setdefault(name, _Line())
        with _standing_still():
            await self._come(line, name)
        turn = Turn()
        try:
            yield turn
        finally:
            self._ended(line, turn)

    @property
    def windows(self) -> dict[str, Window]:
        """What is known of each bucket, by its name, where anything is."""
        known = {name: line.bucket.window for name, line in self._lines.items()}
        return {name: window for name, window in known.items() if window is not None}

    async def _come(self, line: _Line, name: str) -> None:
        how, ticket = haste(), object()
        gives_up = self._clock.now() + how.waits
        queue = line.queues[how.share]
        queue.append(ticket)
        try:
            while True:
                now, first = self._clock.now(), line.first() is ticket
                opens = line.bucket.opens(self._shares.of(how.share), now)
                if first and opens is not None and opens <= now:
                    break
                if opens is not None and opens > max(now, gives_up):
                    raise self._refusal(name, opens)
                await self._wait(line, opens if first else None)
            line.bucket.sent()
        finally:
            queue.remove(ticket)
            line.stir()

    async def _wait(self, line: _Line, until: datetime | None) -> None:
        """Wait for a change in the line, or for that moment."""
        changed = line.changed()
        if until is None:
            await asyncio.wait([changed])
            return
        seconds = max((until - self._clock.now()).total_seconds(), SHORTEST_NAP)
        nap = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait([changed, nap], return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            await asyncio.gather(nap, return_exceptions=True)

    def _refusal(self, name: str, opens: datetime) -> RateLimitedError:
        return RateLimitedError(
            f"okta {self._org}: our share of the rate limit of {name} is used up until {opens:%H:%M:%S} UTC",
            retry_at=opens,
        )

    def _ended(self, line: _Line, turn: Turn) -> None:
        now = self._clock.now()
        if turn.answer is None:
            line.bucket.lost(now)
        else:
            status, headers = turn.answer
            self.ahead = _ahead(now, headers)
            line.bucket.answered(status, headers, now=now, spread=random.random())  # noqa: S311 -- jitter
        line.stir()


def _ahead(now: datetime, headers: Mapping[str, str]) -> timedelta:
    try:
        return now - parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except (ValueError, OverflowError):  # it does not say
        return timedelta(0)


class _Line:
    """Who waits for one bucket, and what is known of it."""

    def __init__(self) -> None:
        self.bucket = Bucket()
        self.queues: dict[Share, deque[object]] = {Share.URGENT: deque(), Share.ROUTINE: deque()}
        self._changed: asyncio.Future[None] | None = None

    def first(self) -> object:
        return next(queue[0] for queue in self.queues.values() if queue)

    def changed(self) -> asyncio.Future[None]:
        """Return what is done at the next change; taken now, so that none is missed."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        return self._changed

    def stir(self) -> None:
        """Let everybody look again."""
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)
