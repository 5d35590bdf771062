"""The daemon's loop over the small world in memory. The clock stands still, and the bell rings when a test says so."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from rotator.adapters.local_engine import LocalEngine
from rotator.app.inventory import Stock
from rotator.core.agenda import Pace
from rotator.daemon.bell import Bell
from rotator.daemon.loop import Common, Loop, Outside
from rotator.daemon.passes import Limits
from rotator.daemon.signals import Asked
from rotator.daemon.systemd import Systemd
from rotator.settings import Settings, State
from tests.fakes.state import FakeState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.app.rotate import Outcome
    from rotator.core.agenda import Entry
    from rotator.core.model import Target
    from rotator.errors import RotatorError
    from tests.app.small_world import SmallWorld

TICK = timedelta(seconds=30)
PACE = Pace(tick=TICK)


class Switch:
    """A port that is away while `error` is set; it counts what it is asked, and `meanwhile` happens first."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.error: Exception | None = None
        self.meanwhile: Callable[[str], Awaitable[None]] | None = None
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if not callable(real):
            return real

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append(name)
            if self.meanwhile is not None:
                await self.meanwhile(name)
            if self.error is not None:
                raise self.error
            return await real(*args, **kwargs)

        return call


@dataclass
class Wires:
    """The connections: one org and one Vault that can be switched off, and orgs of other names beside them."""

    small: SmallWorld
    logins: dict[str, RotatorError | None] = field(default_factory=dict)
    unopened: dict[str, RotatorError] = field(default_factory=dict)  # by target
    renewals: int = 0
    followed: list[Settings] = field(default_factory=list)
    closed: int = 0

    def __post_init__(self) -> None:
        self.okta = {"acme": Switch(self.small.flaky_okta)}
        self.kv = Switch(self.small.flaky_kv)

    def of(self, target: Target) -> World:
        if target.name in self.unopened:
            raise self.unopened[target.name]
        okta = self.okta.setdefault(target.org, Switch(self.small.flaky_okta))
        return replace(self.small.world, okta=okta, kv=self.kv)

    async def keep_alive(self) -> dict[str, RotatorError | None]:
        self.renewals += 1
        return self.logins

    def follow(self, settings: Settings) -> AsyncExitStack:
        self.followed.append(settings)
        self.__post_init__()
        left = AsyncExitStack()
        left.callback(self._close)
        return left

    def _close(self) -> None:
        self.closed += 1


def settings_of(targets: Sequence[Target]) -> Settings:
    return Settings(orgs={}, vaults={}, policies={}, targets=tuple(targets), state=State("sqlite:////nowhere/state.db"))


def released(small: SmallWorld) -> FakeState:
    """Return a state whose brake somebody has released."""
    state = FakeState(small.clock)
    state.brake = None
    return state


class Post:
    """A loop that runs while the context lasts."""

    def __init__(
        self,
        small: SmallWorld,
        targets: Sequence[Target],
        *,
        pace: Pace = PACE,
        limits: Limits | None = None,
        state: FakeState | None = None,
    ) -> None:
        self.small = small
        self.pruned = 0
        self.state = state or released(small)
        self.wires = Wires(small)
        self.asked = Asked()
        self.bell = Bell(timedelta(hours=1))  # rung by hand
        self.settings: Settings | RotatorError = settings_of(targets)
        self.outcomes: list[Outcome] = []
        self.tell: list[Callable[[Outcome, datetime], None]] = [self._note]
        outside = Outside(self.bell, self.asked, Systemd({}), self._load, (self._tell,))
        member = self.state.member("daemon@here", {"acme": "acme.okta.com"})
        common = Common(
            member.memory,
            member.brakes,
            LocalEngine(),
            take_stock=self._take_stock,
            members=self._members,
            prune=self._prune,
        )
        self.loop = Loop(
            settings_of(targets), self.wires, outside, common, clock=small.clock, pace=pace, limits=limits or Limits()
        )
        self.vitals = self.loop.vitals
        self._task: asyncio.Task[None] | None = None

    async def _take_stock(self, settings: Settings) -> Stock:
        return Stock(settings.targets, (), ())

    async def _members(self, settings: Settings) -> tuple[Target, ...]:
        self.state.up()
        return settings.targets

    async def _prune(self) -> None:
        self.pruned += 1

    def _load(self) -> Settings:
        if not isinstance(self.settings, Settings):
            raise self.settings
        return self.settings

    def _tell(self, outcome: Outcome, now: datetime) -> None:
        for each in self.tell:
            each(outcome, now)

    def _note(self, outcome: Outcome, _: datetime) -> None:
        self.outcomes.append(outcome)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.loop.run())
        await self.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """Ask to stop and wait for the end."""
        self.ask_to_stop()
        assert self._task
        await asyncio.wait_for(self._task, 30)

    @property
    def wakes_at(self) -> datetime:
        """When the bell was last told to ring by itself."""
        at: datetime = self.bell._scheduler.get_jobs()[-1].trigger.run_date
        return at

    def ask_to_stop(self) -> None:
        self.asked.stop = True
        self.bell.ring()

    async def tick(self, after: timedelta = TICK) -> None:
        """Let the time pass, ring, and wait until all that this begins is done."""
        self.small.clock.advance(after)
        await self.bell.tick()
        await self.settle()

    async def until_due(self, name: str) -> timedelta:
        """Let the time pass until the target is due, and return how long that was."""
        before = self.small.clock.now()
        await self.tick(self.vitals.target(name).next_look - before)
        return self.small.clock.now() - before

    async def reload(self, *targets: Target) -> None:
        self.settings = settings_of(targets)
        await self.hup()

    async def hup(self) -> None:
        """Have the configuration read again, and wait until all that this begins is done."""
        self.asked.reload = True
        self.bell.ring()
        await asyncio.sleep(0.02)  # it is read in a thread
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing has been under way for a while; what is held by a test stays so."""
        quiet = 0
        before = -1
        while quiet < 30:
            await asyncio.sleep(0)
            now = len(self.outcomes) + sum(len(each.asked) for each in (*self.wires.okta.values(), self.wires.kv))
            quiet, before = (quiet + 1 if now == before else 0), now

    def entry(self, name: str = "billing") -> Entry:
        return self.loop._pulse.entries[name]

    def passes(self, name: str = "billing") -> int:
        return sum(outcome.target.name == name for outcome in self.outcomes)
