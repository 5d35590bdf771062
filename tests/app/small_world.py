"""One org and one Vault in memory, and a target between them; what fails, fails by plan."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from rotator.adapters.no_state import NoJournal, OpenGate
from rotator.app.observe import World
from rotator.core.model import AppId, KvPath, Mode, Policy, RotationId, Target, VerifySettings
from rotator.core.secret_value import SecretValue
from rotator.errors import BusyError
from tests.fakes.hooks import GOOD, FakeHooks
from tests.fakes.okta import FakeOkta, ManualClock
from tests.fakes.vault import FakeKv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import App
    from rotator.errors import RotatorError
    from rotator.ports import Clock, Lease

OLD = "o" * 40
OTHER = "x" * 40
AUTO = Policy(mode=Mode.AUTO)


class Flaky:
    """A port whose next calls of a name fail as planned, instead of being done or after it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._plans: dict[str, list[tuple[Exception | None, bool]]] = {}

    def fail(self, name: str, *errors: Exception | None, done: bool = False) -> None:
        """Let the next calls fail, one for each error; None lets one through."""
        self._plans[name] = [(error, done) for error in errors]

    def left(self, name: str) -> int:
        """Return how many calls are still to fail."""
        return len(self._plans[name])

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if not self._plans.get(name):
            return real

        async def planned(*args: Any, **kwargs: Any) -> Any:
            error, done = self._plans[name].pop(0)
            answer = await real(*args, **kwargs) if done or error is None else None
            if error is not None:
                raise error
            return answer

        return planned


class SureLease:
    """A lease that nobody can take."""

    async def confirm(self, outlives: timedelta) -> None:
        assert outlives > timedelta(0)


class Held:
    """Leases that know who is held, and how many were at the same time."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.most = 0

    @asynccontextmanager
    async def hold(self, target: Target) -> AsyncIterator[Lease]:
        if target.name in self.now:
            raise BusyError(f"{target.name} is being worked on by another process")
        self.now.add(target.name)
        self.most = max(self.most, len(self.now))
        try:
            yield SureLease()
        finally:
            self.now.discard(target.name)


class Told:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.doubts: list[str] = []

    def doing(self, target: Target, step: str) -> None:
        self.begun.append(step)

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:
        self.ended.append(step)

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        self.doubts.append(step)


class CountingMint:
    """Values and names one after the other."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def value(self) -> SecretValue:
        return SecretValue(f"made{next(self._numbers):060d}")

    def rotation_id(self) -> RotationId:
        return RotationId(f"r{next(self._numbers)}")


@dataclass
class SmallWorld:
    """Everything. `sleep` lets the clock run instead of waiting. Okta and Vault may have clocks of their own."""

    clock: ManualClock = field(default_factory=ManualClock)
    okta_clock: Clock | None = None
    vault_clock: Clock | None = None
    told: Told = field(default_factory=Told)
    leases: Held = field(default_factory=Held)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.okta, self.kv = FakeOkta(self.okta_clock or self.clock), FakeKv(self.vault_clock or self.clock)
        self.hooks = FakeHooks({"restart": lambda _: GOOD})
        self.flaky_okta, self.flaky_kv = Flaky(self.okta), Flaky(self.kv)
        self.world = World(
            okta=self.flaky_okta,
            log=self.okta,
            tokens=self.flaky_okta,
            kv=self.flaky_kv,
            leases=self.leases,
            clock=self.clock,
            mint=CountingMint(),
            progress=self.told,
            gate=OpenGate(),
            journal=NoJournal(),
            hooks=self.hooks,
        )

    def of(self, _: Target) -> World:
        return self.world

    async def sleep(self, seconds: float) -> None:
        assert not self.leases.now, "no lease is held while we wait"
        self.slept.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def target(self, name: str = "billing", *, policy: Policy = AUTO, app_id: str = "0oa1") -> Target:
        return Target(
            name=name,
            org="acme",
            vault="main",
            app_id=AppId(app_id),
            consumer=KvPath("kv", f"{name}/okta"),
            staging=KvPath("secret", f"rotator/staging/acme/{app_id}"),
            policy=policy,
            verify=VerifySettings(authorization_server="default"),
        )

    def settled(self, name: str = "billing", *, app_id: str = "0oa1", age: float = 0) -> Target:
        """Add an app whose only secret is in Vault, beside a field of somebody else's; some days pass."""
        self.okta.add_app(app_id, OLD)
        target = self.target(name, app_id=app_id)
        self.kv.by_hand.put(target.consumer, {"client_id": app_id, "client_secret": OLD, "note": "theirs"})
        self.clock.advance(timedelta(days=age))
        return target

    def app(self, app_id: str = "0oa1") -> App:
        return self.okta.app(app_id)

    def change_app(self, **changes: Any) -> None:
        self.okta.change_app(replace(self.app(), **changes))

    def fields(self, target: Target) -> dict[str, Any]:
        """Return what consumers read."""
        key = self.kv.keys[target.consumer]
        return key.versions[key.current].fields.reveal()

    def current(self, target: Target) -> str:
        return str(self.fields(target)["client_secret"])
