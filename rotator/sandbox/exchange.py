"""The way of one call: noted in the journal, met by a fault if one is due, applied, answered.

* Emulators are called under one lock, so that a test that holds it sees a world that stands still.
* Paths under `/_sandbox` never reach an emulator, a fault or the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .faults import Drop, GoOn, Reply, Twice
from .journal import Call

if TYPE_CHECKING:
    import threading

    from .clock import SandboxClock
    from .control import Control
    from .faults import Fault, Faults
    from .http import Emulator, Request
    from .journal import Journal


@runtime_checkable
class Sorted(Protocol):
    """Protocol: an emulator that can say what kind of call a request is, and in which rate bucket it falls."""

    def kind_of(self, request: Request) -> tuple[str, str | None]:
        """Return both without touching anything."""
        ...


class Exchange:
    """What a listener asks for its answers: one per service."""

    def __init__(
        self,
        service: str,
        emulator: Emulator,
        *,
        lock: threading.RLock,
        clock: SandboxClock,
        journal: Journal,
        faults: Faults,
        control: Control,
    ) -> None:
        """Put it together."""
        self._service = service
        self._emulator = emulator
        self._lock = lock
        self._clock = clock
        self._journal = journal
        self._faults = faults
        self._control = control

    async def __call__(self, request: Request) -> Reply | None:
        """Answer the request; None cuts the connection."""
        if self._control.wants(request):
            return Reply(self._control.answer(request))
        call = self._journal.arrived(self._described(request))
        reply = await self._met(call, request)
        if reply is not None:
            self._journal.note(call.n, status=reply.response.status)
        return reply

    async def _met(self, call: Call, request: Request) -> Reply | None:
        fault = self._faults.due(call)
        if fault is None:
            return self._applied(call, request)
        self._journal.note(call.n, fault=f"{fault.act.name} {fault.when}")
        reply = self._applied(call, request) if fault.when == "after" else None
        return await self._faulty(fault, call, request=request, reply=reply)

    async def _faulty(self, fault: Fault, call: Call, *, request: Request, reply: Reply | None) -> Reply | None:
        verdict = await fault.act(call, reply)
        if isinstance(verdict, Drop):
            return None
        if isinstance(verdict, Reply):
            return verdict
        assert isinstance(verdict, GoOn)
        if reply is None or isinstance(fault.act, Twice):
            return self._applied(call, request)
        return reply

    def _applied(self, call: Call, request: Request) -> Reply:
        self._journal.note(call.n, applied=True)
        with self._lock:
            return Reply(self._emulator.answer(request))

    def _described(self, request: Request) -> Call:
        kind, bucket = request.method, None
        if isinstance(self._emulator, Sorted):
            with self._lock:
                kind, bucket = self._emulator.kind_of(request)
        query = request.target.removeprefix(request.path).removeprefix("?")
        now = self._clock.now()
        return Call(0, now, self._service, request.method, request.path, query=query, kind=kind, bucket=bucket)
