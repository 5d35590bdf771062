"""The fakes with faults: each effect passes a gate that may crash, fail, lose, repeat or delay it."""

from __future__ import annotations

import enum
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from rotator.core.hooks import HookResult
from rotator.core.model import (
    App,
    AppId,
    KvMetadata,
    KvPath,
    KvVersion,
    OktaSecret,
    Proof,
    ProofLevel,
    RotationId,
    SecretId,
    Target,
    VerifySettings,
)
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import RotatorError, UnavailableError, UnknownOutcomeError
from tests.app.small_world import SureLease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Sequence
    from datetime import datetime, timedelta

    from rotator.core.changes import Heard
    from rotator.core.hooks import Occasion
    from rotator.core.usage import Refusals, UsageLog
    from rotator.ports import Lease
    from tests.fakes.okta import FakeOkta, ManualClock
    from tests.fakes.vault import FakeKv


class Crash(BaseException):
    """The process is gone."""


class Fault(enum.Enum):
    """What may befall one effect."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    ERROR = "error"
    UNHEARD = "applied, but unheard"
    LOST = "not applied, and unheard"
    TWICE = "applied twice"
    LATE = "unheard, applied before the next effect"
    LATER = "unheard, applied when time has passed"
    SLEEP = "asleep before it, while another process does the whole work"


READ_ONLY = frozenset({"prove", "log"})


class Turn:
    """The end of a process's turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Gate:
    """Counts effects, applies the faults that are placed on them, and tells who watches."""

    def __init__(
        self,
        faults: dict[int, Fault],
        *,
        unreadable: frozenset[int] = frozenset(),
        before: Callable[[int, str], None],
        applied: Callable[[str, int, bool], None],
        other_process: Callable[[], None],
    ) -> None:
        self.number = 0
        self.reads = 0
        self.names: list[str] = []
        self._unreadable = unreadable
        self._faults = faults
        self._before = before
        self._applied = applied
        self._other_process = other_process
        self._acts = self._began = 0
        self.acted = False  # somebody else acted, or slept, in this pass
        self.taking_turns = False
        self._slept = False
        self._soon: list[tuple[int, Callable[[], Awaitable[Any]]]] = []
        self._later: list[tuple[int, Callable[[], Awaitable[Any]]]] = []

    async def effect(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Let one effect through, or not."""
        await self.turn()
        self.number += 1
        number = self.number
        self.names.append(name)
        await self._deliver(self._soon)
        fault = self._faults.get(number)
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.ERROR:
            raise UnavailableError(f"{name}: refused a connection")
        sent = self._acts
        if fault is Fault.SLEEP:
            self._sleep()
        self._before(number, name)
        stale = (self._began if self._slept else sent) != self._acts
        if fault is Fault.LOST:
            raise UnknownOutcomeError(f"{name}: no answer")
        if fault in {Fault.LATE, Fault.LATER} and name not in READ_ONLY:
            (self._soon if fault is Fault.LATE else self._later).append((sent, call))
            raise UnknownOutcomeError(f"{name}: no answer yet")
        result = await call()
        if name not in READ_ONLY:
            self._applied(name, number, stale)
        if fault is Fault.TWICE and name not in READ_ONLY:
            await self._again(call)
            self._applied(name, number, stale)
        if fault is Fault.CRASH_AFTER:
            raise Crash
        if fault is Fault.UNHEARD:
            raise UnknownOutcomeError(f"{name}: the answer was lost")
        return result

    async def read(self) -> None:
        """Let one read through, or not."""
        await self.turn()
        self.reads += 1
        if self.reads in self._unreadable:
            raise UnavailableError("no answer to a read")

    async def turn(self) -> None:
        """Let another process go first, where several take turns."""
        if self.taking_turns:
            await Turn()

    def calm(self) -> None:
        """No more faults."""
        self._faults, self._unreadable = {}, frozenset()

    def time_passed(self) -> None:
        """Whatever was on its way has arrived."""
        run(self._deliver(self._soon))
        run(self._deliver(self._later))

    def pass_begins(self) -> None:
        """A process looks afresh."""
        self._began, self._slept = self._acts, False
        self.acted = False

    def _sleep(self) -> None:
        """Whoever sleeps acts on what it saw before: what people did meanwhile it cannot know."""
        began = self._began
        self._other_process()
        self._began, self._slept = began, True

    def somebody_acted(self) -> None:
        """A request that is still on its way meets another world than the one it was sent into."""
        self._acts += 1
        self.acted = True

    async def _deliver(self, calls: list[tuple[int, Callable[[], Awaitable[Any]]]]) -> None:
        while calls:
            sent, call = calls.pop(0)
            await self._again(call)
            self._applied("late", self.number, sent != self._acts)

    @staticmethod
    async def _again(call: Callable[[], Awaitable[Any]]) -> None:
        try:
            await call()
        except RotatorError:
            return  # a duplicate that the other side refuses has no effect, and nobody hears of it


class GatedOkta:
    """OktaAdmin, OktaLog and TokenEndpoint behind the gate."""

    def __init__(self, okta: FakeOkta, gate: Gate, clock: ManualClock, *, sent: Callable[[str, bool], None]) -> None:
        self._okta, self._gate, self._clock, self._sent = okta, gate, clock, sent

    @property
    def clock_ahead(self) -> timedelta:
        return self._okta.clock_ahead

    async def get_app(self, app: AppId) -> App | None:
        await self._gate.read()
        return await self._okta.get_app(app)

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        await self._gate.read()
        async for app in self._okta.list_apps():
            yield app

    async def list_secrets(self, app: AppId) -> tuple[OktaSecret, ...]:
        await self._gate.read()
        return await self._okta.list_secrets(app)

    async def create_secret(self, app: AppId, value: SecretValue) -> OktaSecret:
        try:
            made: OktaSecret = await self._gate.effect("create", lambda: self._okta.create_secret(app, value))
        except (Crash, UnknownOutcomeError):
            self._sent(value.reveal(), True)
            raise
        self._sent(value.reveal(), False)
        return made

    async def activate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        made: OktaSecret = await self._gate.effect("activate", lambda: self._okta.activate_secret(app, secret))
        return made

    async def deactivate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        made: OktaSecret = await self._gate.effect("deactivate", lambda: self._okta.deactivate_secret(app, secret))
        return made

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        await self._gate.effect("delete", lambda: self._okta.delete_secret(app, secret))

    async def deactivated_by_us(self, app: App, secret: OktaSecret) -> bool:
        await self._gate.read()
        return await self._okta.deactivated_by_us(app, secret)

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        await self._gate.read()
        return await self._okta.changes(cursor, since)

    async def usage(self, app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        await self._gate.read()
        return await self._okta.usage(app, old=old, current=current, since=since)

    async def refusals(self, clients: Collection[str], cursor: str | None, since: datetime) -> Refusals:
        await self._gate.read()
        return await self._okta.refusals(clients, cursor, since)

    async def prove(self, app: App, value: SecretValue, settings: VerifySettings) -> Proof:
        try:
            shown: Proof = await self._gate.effect("prove", lambda: self._okta.prove(app, value, settings))
        except RotatorError as error:
            return Proof(ProofLevel.INCONCLUSIVE, str(error), self._clock.now())
        return shown


class GatedKv:
    """KvStore behind the gate."""

    def __init__(self, kv: FakeKv, gate: Gate) -> None:
        self._kv, self._gate = kv, gate

    async def read_metadata(self, path: KvPath) -> KvMetadata | None:
        await self._gate.read()
        return await self._kv.read_metadata(path)

    async def read(self, path: KvPath, version: int | None = None) -> KvVersion | None:
        await self._gate.read()
        return await self._kv.read(path, version)

    async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
        name = "stage" if "staging" in path.path else "publish"
        number: int = await self._gate.effect(name, lambda: self._kv.write(path, fields, cas=cas))
        return number

    async def destroy(self, path: KvPath, versions: Sequence[int]) -> None:
        await self._gate.effect("destroy", lambda: self._kv.destroy(path, versions))


class GatedHooks:
    """Hooks that note for which rotation they were run."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []

    async def run(self, name: str, occasion: Occasion) -> HookResult:
        self.runs.append((occasion.rotation, name))
        return HookResult(True, "done")


class OpenLeases:
    """Leases that never stop anybody: safety must not rest on them."""

    @asynccontextmanager
    async def hold(self, target: Target) -> AsyncIterator[Lease]:
        yield SureLease()


class CountingMint:
    """Values and ids that are new each time, and the same in each run of a schedule."""

    def __init__(self) -> None:
        self._made = 0

    def value(self) -> SecretValue:
        self._made += 1
        return SecretValue(f"made-{self._made:04d}-".ljust(64, "x"))

    def rotation_id(self) -> RotationId:
        self._made += 1
        return RotationId(f"rotation-{self._made}")


class Silence:
    """Progress that nobody watches."""

    def doing(self, target: Target, step: str) -> None: ...

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None: ...

    def surprised(self, target: Target, step: str, error: RotatorError) -> None: ...


def run(coroutine: Any) -> Any:
    """Drive a coroutine that never suspends to its end, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a fake has suspended")
