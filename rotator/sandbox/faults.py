"""Faults by script: what happens to the n-th call of a kind, instead of the truth or after it.

* A fault is armed with the calls it is meant for (service, method, path pattern, kind), `nth` (1 = the next of
  them) and `times` (how many from there on; None = all). Each armed fault counts for itself; of several that are
  due the first one armed acts.
* `when="before"`: the emulator has not seen the call. An answer or a drop then means that nothing was applied.
* `when="after"`: the call was applied in full; an answer replaces the true one, a drop loses it. To the client both
  look the same, and that is the point.
* A hold keeps the call at that instant and says so through an event, so that a test can kill its client there. A
  held call goes on by `release()` or is thrown away by `drop()`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .http import Response
from .journal import ANY, Call, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

When = Literal["before", "after"]

_HTML = b"<!DOCTYPE html>\n<html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes down the wire: a response, cut short after `keep` bytes of its body, or `pace` seconds a byte."""

    response: Response
    keep: int | None = None
    pace: float = 0.0


@dataclass(frozen=True, slots=True)
class GoOn:
    """The call goes its way."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is cut, without an answer."""

    name = "drop"

    async def __call__(self, _call: Call, _reply: Reply | None) -> Verdict:
        """Cut."""
        return self


Verdict = GoOn | Drop | Reply


class Act(Protocol):
    """Protocol: what a fault does. `reply` is the true one, None if the call was not applied yet."""

    @property
    def name(self) -> str:
        """The word for it in the journal."""
        ...

    async def __call__(self, call: Call, reply: Reply | None, /) -> Verdict:
        """Do it and say how the call goes on."""
        ...


@dataclass(frozen=True, slots=True)
class Say:
    """Another answer than the true one."""

    response: Response

    @property
    def name(self) -> str:
        """The word for it in the journal."""
        return f"answer {self.response.status}"

    async def __call__(self, _call: Call, _reply: Reply | None) -> Verdict:
        """Answer."""
        return Reply(self.response)


@dataclass(frozen=True, slots=True)
class Delay:
    """Some seconds of nothing."""

    seconds: float
    name = "delay"

    async def __call__(self, _call: Call, _reply: Reply | None) -> Verdict:
        """Wait."""
        await asyncio.sleep(self.seconds)
        return GoOn()


@dataclass(frozen=True, slots=True)
class Garble:
    """The true answer, spoilt: cut after `keep` bytes of the body, dripping at `pace` seconds a byte, or emptied."""

    keep: int | None = None
    pace: float = 0.0
    emptied: bool = False
    name = "garble"

    async def __call__(self, _call: Call, reply: Reply | None) -> Verdict:
        """Spoil it."""
        assert reply, "only an answer that exists can be spoilt"
        response = replace(reply.response, body=b"") if self.emptied else reply.response
        return Reply(response, keep=self.keep, pace=self.pace)


@dataclass(frozen=True, slots=True)
class Twice:
    """The call is delivered twice, as by a proxy that retries; the second answer is what the client hears."""

    name = "twice"

    async def __call__(self, _call: Call, _reply: Reply | None) -> Verdict:
        """Nothing more to do than to be applied again, which the exchange sees to."""
        return GoOn()


class Hold:
    """A call that is kept. `reached` is set when it is there; `release` lets it go on, `drop` throws it away."""

    name = "hold"

    def __init__(self) -> None:
        """Wait for the call."""
        self.reached = threading.Event()
        self.call: Call | None = None
        self._verdict: Verdict | None = None
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def __call__(self, call: Call, _reply: Reply | None) -> Verdict:
        """Keep the call until somebody decides."""
        decided = asyncio.Event()
        with self._lock:
            if self._verdict is None:
                self._waiting.append((asyncio.get_running_loop(), decided))
            else:
                decided.set()
            self.call = call
        self.reached.set()
        await decided.wait()
        assert self._verdict is not None
        return self._verdict

    def wait(self, within: float = 30.0) -> Call:
        """Wait until the call is there, and return it; TimeoutError if it does not come."""
        if not self.reached.wait(within) or self.call is None:
            raise TimeoutError(f"no call came to be held within {within} s")
        return self.call

    def release(self) -> None:
        """Let the call go on as if nothing had been."""
        self._decide(GoOn())

    def drop(self) -> None:
        """Throw the call away: not applied if it was held before, unanswered if after."""
        self._decide(Drop())

    def _decide(self, verdict: Verdict) -> None:
        with self._lock:
            self._verdict = self._verdict or verdict
            for loop, decided in self._waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(decided.set)
            self._waiting.clear()


@dataclass(frozen=True, slots=True)
class Fault:
    """An act, the calls it is meant for, and how often it may still happen."""

    n: int
    act: Act
    wanted: Wanted
    when: When
    skip: int
    left: int | None


class Faults:
    """The faults that are armed. Every method may be called from any thread."""

    def __init__(self) -> None:
        """Start with none."""
        self._armed: list[Fault] = []
        self._lock = threading.Lock()
        self._made = 0

    def arm(
        self, act: Act, wanted: Wanted = ANY, *, when: When = "before", nth: int = 1, times: int | None = 1
    ) -> Fault:
        """Arm any act."""
        if nth < 1 or (times is not None and times < 1):
            raise ValueError("nth and times start at 1")
        if isinstance(act, (Garble, Twice)):
            when = "after"
        with self._lock:
            self._made += 1
            fault = Fault(self._made, act, wanted, when, skip=nth - 1, left=times)
            self._armed.append(fault)
        return fault

    def answer(
        self,
        status: int,
        wanted: Wanted = ANY,
        *,
        body: bytes | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
        when: When = "before",
        nth: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Answer so instead of (or, `when="after"`, after) applying the call; a mapping is sent as JSON."""
        head = dict(headers or {})
        if not isinstance(body, bytes):
            head.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        act = Say(Response(status, tuple(head.items()), body))
        return self.arm(act, wanted, when=when, nth=nth, times=times)

    def html(
        self, wanted: Wanted = ANY, *, status: int = 502, when: When = "before", nth: int = 1, times: int | None = 1
    ) -> Fault:
        """Answer with a page for people, as a proxy in front does."""
        head = {"Content-Type": "text/html"}
        return self.answer(status, wanted, body=_HTML, headers=head, when=when, nth=nth, times=times)

    def drop(self, wanted: Wanted = ANY, *, when: When, nth: int = 1, times: int | None = 1) -> Fault:
        """Cut the connection before or after the call was applied."""
        return self.arm(Drop(), wanted, when=when, nth=nth, times=times)

    def delay(
        self, seconds: float, wanted: Wanted = ANY, *, when: When = "before", nth: int = 1, times: int | None = 1
    ) -> Fault:
        """Be slow, in real seconds."""
        return self.arm(Delay(seconds), wanted, when=when, nth=nth, times=times)

    def garble(
        self,
        wanted: Wanted = ANY,
        *,
        keep: int | None = None,
        pace: float = 0.0,
        emptied: bool = False,
        nth: int = 1,
        times: int | None = 1,
    ) -> Fault:
        """Apply the call and spoil the true answer: cut short, dripping, or with an empty body."""
        return self.arm(Garble(keep, pace, emptied), wanted, when="after", nth=nth, times=times)

    def twice(self, wanted: Wanted = ANY, *, nth: int = 1, times: int | None = 1) -> Fault:
        """Apply the call two times."""
        return self.arm(Twice(), wanted, when="after", nth=nth, times=times)

    def hold(self, wanted: Wanted = ANY, *, when: When, nth: int = 1) -> Hold:
        """Keep one call until it is released or dropped."""
        hold = Hold()
        self.arm(hold, wanted, when=when, nth=nth)
        return hold

    def due(self, call: Call) -> Fault | None:
        """Count the call for every armed fault and return the one that acts on it."""
        acting: Fault | None = None
        with self._lock:
            still: list[Fault] = []
            for fault in self._armed:
                if not fault.wanted.fits(call):
                    still.append(fault)
                elif fault.skip:
                    still.append(replace(fault, skip=fault.skip - 1))
                elif acting is not None:
                    still.append(fault)
                else:
                    acting = fault
                    if fault.left != 1:
                        still.append(replace(fault, left=fault.left and fault.left - 1))
            self._armed = still
        return acting

    def armed(self) -> tuple[Fault, ...]:
        """Return what is still armed."""
        with self._lock:
            return tuple(self._armed)

    def clear(self) -> None:
        """Disarm all; what is held is let go."""
        with self._lock:
            gone, self._armed = self._armed, []
        for fault in gone:
            if isinstance(fault.act, Hold):
                fault.act.release()
