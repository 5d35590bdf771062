"""A small world in which Okta, Vault and this machine do not agree on the time.

What is promised is judged by the true time. How far our clock is ahead of Okta's is measured at each of its answers,
as the adapter does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.app.small_world import SmallWorld
from tests.clocks.years import Life
from tests.daemon.post import Post
from tests.fakes.okta import US, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import Policy

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
EXACT = timedelta(0)


class OffClock(ManualClock):
    """Shows the true time, and is off by something that can be changed at any time."""

    def __init__(self, true: ManualClock, off: timedelta = EXACT) -> None:
        self.true, self.off = true, off

    def now(self) -> datetime:
        return self.true.now() + self.off

    def advance(self, by: timedelta) -> None:
        self.true.advance(by)


class Apart:
    """One target, three clocks, and a loop whose calls may be met with a leap of ours."""

    def __init__(
        self, *, ours: timedelta = EXACT, okta: timedelta = EXACT, vault: timedelta = EXACT, age: float = 91.0
    ) -> None:
        self.true = ManualClock()
        self.ours = OffClock(self.true, ours)
        self.okta_clock = OffClock(self.true, okta)
        self.small = SmallWorld(clock=self.ours, okta_clock=self.okta_clock, vault_clock=OffClock(self.true, vault))
        self.target = self.small.settled(age=age)
        self.life = Life(self.target, self.small, self.true)
        self.life.slots = frozenset(each.id for each in self.small.okta.held())
        self.calls: list[str] = []
        self.before_call: dict[int, Callable[[], None]] = {}  # by number, from 1
        self.post = Post(self.small, [self.target])
        okta_port = self.post.wires.okta["acme"]
        okta_port.meanwhile, self.post.wires.kv.meanwhile = self._okta_call, self._any_call

    @property
    def policy(self) -> Policy:
        return self.target.policy

    async def _okta_call(self, name: str) -> None:
        await self._any_call(name)
        self._measure()

    async def _any_call(self, name: str) -> None:
        self.life.look()
        self.calls.append(name)
        if (leap := self.before_call.pop(len(self.calls), None)) is not None:
            leap()

    def _measure(self) -> None:
        self.small.okta.clock_ahead = self.ours.now() - self.okta_clock.now()

    async def go_on(self, span: timedelta, step: timedelta = HOUR) -> None:
        """Let true time pass, with a tick at each step."""
        for _ in range(span // step):
            await self.post.tick(step)
            self.life.look()

    def acts(self, act: str) -> list[datetime]:
        """Return when we did that at Okta, by the true time."""
        events = (event for event in self.small.okta.events if event.actor == US and event.act == act)
        return [event.at - self.okta_clock.off for event in events]

    def problems(self) -> list[str]:
        """Return what is not as promised after a whole life; overlap and soak may be shorter by `life.early`."""
        made, off, gone = (self.acts(act) for act in ("create", "deactivate", "delete"))
        found = list(self.life.broken)
        for what, times in (("created", made), ("promoted", self.life.promoted), ("deactivated", off), ("gone", gone)):
            if len(times) != 1:
                found.append(f"{what} {len(times)} times")
        if found:
            return found
        lasted = {"overlap": off[0] - self.life.promoted[0], "soak": gone[0] - off[0]}
        wanted = {"overlap": self.policy.overlap, "soak": self.policy.soak}
        return [f"{name}: {lasted[name]}" for name in wanted if lasted[name] < wanted[name] - self.life.early]
