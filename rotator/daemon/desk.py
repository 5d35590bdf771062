"""What the loop does for whoever asks over the control socket.

* A rotation is asked of the loop and done by it, as any other pass: with its limits, its isolation, its metrics.
* The pass that counts begins after the question: one that was under way may have looked before.
* A target whose org or Vault is away is not waited for.
* What waits a moment, or finds another process at work, is waited for while there is time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rotator.app.inventory import let_in
from rotator.app.reconcile import SHORT
from rotator.core.actions import Rest
from rotator.core.agenda import State
from rotator.daemon.passes import Told
from rotator.errors import BusyError, ConfigError, RefusedError, UnavailableError
from rotator.settings import find_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.app.rotate import Outcome, Step
    from rotator.core.admission import Brake
    from rotator.core.model import OrderMode, Target
    from rotator.daemon.inquiry import Connections
    from rotator.daemon.loop import Loop
    from rotator.daemon.vitals import TargetVitals, Vitals
    from rotator.ports import Brakes, Clock, Roster

MOMENT = 0.05  # seconds between two looks whether a pass has ended
NEXT_TRY = 1.0  # seconds until a target that another process works on is asked for again


@dataclass(slots=True)
class Endings:
    """Whoever waits for the end of a pass, by target."""

    _waiting: dict[str, list[asyncio.Future[Outcome]]] = field(default_factory=dict)

    def passed(self, outcome: Outcome, _: datetime) -> None:
        """Tell whoever waits for it."""
        for each in self._waiting.pop(outcome.target.name, []):
            if not each.done():
                each.set_result(outcome)

    def next_of(self, name: str) -> asyncio.Future[Outcome]:
        """Return the outcome of the next pass that ends."""
        ending: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(ending)
        return ending


@dataclass(frozen=True, slots=True)
class LoopDesk:
    """A `Desk` over the loop."""

    loop: Loop
    connections: Connections
    endings: Endings
    clock: Clock
    brakes: Brakes
    roster: Roster

    @property
    def vitals(self) -> Vitals:
        """How the daemon is."""
        return self.loop.vitals

    def named(self, names: Sequence[str]) -> tuple[Target, ...]:
        """Return the targets of these names or app ids; `ConfigError` names the unknown."""
        return find_targets(self.loop.settings, names, among=[one.target for one in self.vitals.targets()])

    def world(self, target: Target) -> World:
        """Return the target's ports."""
        return self.connections.of(target)

    def wake(self, names: Iterable[str]) -> None:
        """Have these targets looked at now."""
        self.loop.wake(names)

    async def rotate(self, name: str, *, by: str, order: OrderMode | None, within: float) -> Outcome:
        """Rotate, and return how it ended; `BusyError` if it goes on after so many seconds."""
        steps: tuple[Step, ...] = ()
        outcome: Outcome | None = None
        try:
            async with asyncio.timeout(within):
                while outcome is None or _goes_on(outcome):
                    outcome = await self._next(name, outcome, Told(by, None if steps else order))
                    steps += outcome.steps
        except TimeoutError:
            if outcome is None:
                raise BusyError(
                    f"{name}: not finished within {within:.0f} s; the daemon goes on with it",
                    hint="`rotator status --daemon` shows how it stands.",
                ) from None
        assert outcome is not None
        return replace(outcome, steps=steps)

    async def look(self, name: str, *, within: float) -> Outcome | None:
        """Look at it now, and return how that ended; None if it goes on after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle(name)
                ending = self.endings.next_of(name)
                self.loop.wake([name])
                return await ending
        return None

    async def _next(self, name: str, before: Outcome | None, told: Told) -> Outcome:
        """Return how the next pass ends. One that only had to wait a moment comes again by itself."""
        if before is not None and isinstance(before.ending, Rest):
            return await self.endings.next_of(name)
        if before is not None:
            await asyncio.sleep(NEXT_TRY)
        await self._idle(name)
        self._refuse_what_cannot_begin(name)
        ending = self.endings.next_of(name)
        self.loop.told_to_rotate(name, told)
        return await ending

    async def _idle(self, name: str) -> None:
        while self._standing(name).under_way:  # noqa: ASYNC110 -- a pass that is cut off tells nobody
            await asyncio.sleep(MOMENT)

    def _refuse_what_cannot_begin(self, name: str) -> None:
        if self.vitals.stopping:
            raise RefusedError("the daemon is stopping", code="stopping", hint="Ask again when it has started.")
        if self._standing(name).state is State.HELD:
            target = self._standing(name).target
            away = [
                f"{side.kind} {side.alias}: {reach.condition.value}"
                for side, reach in self.vitals.reach.items()
                if not reach.fine and side.alias in {target.org, target.vault}
            ]
            raise UnavailableError(f"{name} waits for {', '.join(away)}", hint="The daemon goes on when it is back.")

    def _standing(self, name: str) -> TargetVitals:
        try:
            return self.vitals.target(name)
        except KeyError:  # another configuration has come meanwhile
            raise ConfigError([f"there is no target {name!r} any more"]) from None

    async def brake(self) -> Brake | None:
        """Return why everything only observes; None if it does not."""
        return await self.brakes.brake()

    async def release(self, by: str) -> None:
        """Let everything go on that a brake or a breaker holds back."""
        await self.brakes.release(by, self.clock.now())
        self.loop.released()

    async def let_in(self, names: Sequence[str]) -> frozenset[str]:
        """Have newcomers of selections do what their policy says; return whom that changed."""
        selections = {selection.name for selection in self.loop.settings.selections}
        members = [name for name in names if name in selections or name.partition("/")[0] in selections]
        changed = await let_in(self.roster, members) if members else ()
        if changed:
            await self.loop.stock_changed()
        return frozenset(member.name for member in changed)


def _goes_on(outcome: Outcome) -> bool:
    """Say whether another pass will come soon, or should: it waits a moment, or for another process."""
    match outcome.ending:
        case Rest(waiting=waiting):
            return waiting in SHORT
        case BusyError():
            return True
    return False
