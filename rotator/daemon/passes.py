"""The passes of this process: each is made, seen through and learnt from.

* One pass never stops another, not even by a fault of this program: that becomes its ending, with the traceback in the
  log, and the target backs off (`each`).
* A pass that takes too long ends between two actions. One that does not even then is cut off, as a last resort: "kill
  it anywhere, start it again" settles it.
* What a pass has found is written down before its target counts as looked at.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.app.reconcile import each
from rotator.app.rotate import Outcome, carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.budget import Haste, Share, in_haste
from rotator.core.facts import Facts
from rotator.daemon.reach import may_be_away
from rotator.daemon.tidings import last_look
from rotator.daemon.vitals import STATE
from rotator.errors import RotatorError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from rotator.core.model import OrderMode, RotationId, Target
    from rotator.daemon.agenda import Agenda
    from rotator.daemon.braking import Braking
    from rotator.daemon.inquiry import Connections, Inquiry
    from rotator.daemon.reach import Horizon
    from rotator.daemon.recollection import Recollection
    from rotator.daemon.tidings import Tidings
    from rotator.daemon.vitals import Pulse
    from rotator.ports import Clock, Progress


COUNTED = frozenset({Waiting.VERIFICATION, Waiting.EVIDENCE, Waiting.HOOK})  # each try makes the next wait longer


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long."""

    at_once: int = 4  # of one org: what waits for its rate limit takes no place from another's targets
    in_all: int = 16
    one_pass: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(minutes=2)  # for the action that was begun in time, and for asking a side
    drain: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Told:
    """That a person wants a target looked at, and rotated if it is due; with an order, due or not."""

    by: str
    order: OrderMode | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What passes have to do with."""

    pulse: Pulse
    agenda: Agenda
    horizon: Horizon
    inquiry: Inquiry
    braking: Braking
    recollection: Recollection
    tidings: Tidings


class Passes:
    """Makes passes, and knows those that it is at."""

    def __init__(
        self,
        around: Round,
        connections: Connections,
        *,
        clock: Clock,
        limits: Limits,
        ring: Callable[[], None],
        on_outcome: tuple[Callable[[Outcome, datetime], None], ...],
    ) -> None:
        """Be at none yet."""
        self.under_way: dict[str, asyncio.Task[Any]] = {}
        self.acting: set[str] = set()  # of those, who has begun an effect
        self._around = around
        self._connections = connections
        self._clock = clock
        self._limits = limits
        self._ring = ring
        self._on_outcome = on_outcome
        self._tries: dict[str, dict[str, int]] = {}
        self._told: dict[str, Told] = {}  # until the next pass begins
        self._pressing: set[str] = set()  # likewise
        self._followed = 0

    def tell(self, name: str, told: Told) -> None:
        """Let the next pass over a target be one that a person asked for."""
        before = self._told.get(name)
        stronger = before is not None and before.order and not (told.order and told.order.outranks(before.order))
        self._told[name] = replace(told, order=before.order) if before and stronger else told

    def press(self, names: Iterable[str]) -> None:
        """Let the next pass over each of these look by the urgent share: consumers may be cut off."""
        self._pressing.update(names)

    def is_told(self, name: str) -> bool:
        """Say whether a person waits for the next pass over it."""
        return name in self._told

    def connections_changed(self) -> None:
        """Take note of other connections; what failed over the former ones says little."""
        self._followed += 1

    def forget_others(self, names: frozenset[str]) -> None:
        """Forget the targets that are gone."""
        self._tries = {name: tries for name, tries in self._tries.items() if name in names}
        self._told = {name: told for name, told in self._told.items() if name in names}
        self._pressing &= names

    async def make(self, name: str) -> None:
        """Make a pass over the target of that name, if there is one; the one that is being made will do as well."""
        pulse = self._around.pulse
        target, task = pulse.targets.get(name), asyncio.current_task()
        if (same := self.under_way.get(name)) is not None:
            await asyncio.wait({same})
            return
        if target is None or task is None:
            return
        sent = name in pulse.under_way
        self.under_way[name] = task
        pulse.under_way.add(name)
        try:
            (fault,) = await each([target], self._look_at, failed=lambda _, error: error)
            if fault is not None:  # ours, and in what follows a pass; or the state could not be written
                self.note_fault(target, fault)
        finally:
            self.acting.discard(name)
            del self.under_way[name]
            if not sent:  # by another member: our own loop does not know that there is another plan now
                self._around.agenda.over(name, self._clock.now())
                self._ring()

    def note_fault(self, target: Target, fault: RotatorError) -> None:
        """Note what went wrong outside the pass itself."""
        if isinstance(fault, StateError):
            self._around.horizon.note(STATE, fault)
        elif self._around.agenda.has(target):
            self._note(Outcome(target, (), fault, None))

    async def _look_at(self, target: Target) -> None:
        followed, braked = self._followed, self._around.pulse.brake is not None
        (outcome,) = await each(
            [target],
            lambda one: self._carry_on(one, braked=braked),
            failed=lambda one, error: Outcome(one, (), error, None),
        )
        await self._learn(outcome, braked=braked, stale=lambda: followed != self._followed)

    async def _carry_on(self, target: Target, *, braked: bool) -> Outcome:
        limits, told = self._limits, self._told.pop(target.name, None)
        share = Share.URGENT if target.name in self._pressing else Share.ROUTINE
        self._pressing.discard(target.name)
        async with asyncio.timeout((limits.one_pass + limits.grace).total_seconds()):
            world = self._connections.of(target)
            world = replace(
                world, progress=_Noting(world.progress, self.acting), actor=told.by if told else world.actor
            )
            with in_haste(Haste(share)):
                return await carry_on(
                    target,
                    world,
                    told=told is not None,
                    order=told.order if told else None,
                    dry_run=braked and told is None,
                    tries=self._tries.setdefault(target.name, {}),
                    deadline=self._clock.now() + limits.one_pass,
                )

    async def _learn(self, outcome: Outcome, *, braked: bool, stale: Callable[[], bool]) -> None:
        """Note how a pass ended and when to look again.

        `braked`: the brake was on as it began. `stale`: the connections it went by are left behind.
        """
        around, target = self._around, outcome.target
        if may_be_away(outcome.ending):
            await around.inquiry.find_out(target, outcome.ending)
        now = self._clock.now()
        for tell in self._on_outcome:
            tell(outcome, now)
        if not around.agenda.has(target):  # another configuration has come meanwhile
            return
        around.pulse.last[target.name] = last_look(outcome, now)
        around.braking.note(target.name, held_back=braked and outcome.planned is not None)
        if isinstance(outcome.ending, Rest) and outcome.ending.waiting not in COUNTED:
            self._tries.pop(target.name, None)
        if isinstance(outcome.ending, RotatorError) and (stale() or around.horizon.holds(target)):
            around.agenda.hold(target, now=now, began=bool(outcome.steps))
            return
        self._note(outcome)
        await around.recollection.note(target.name)

    def _note(self, outcome: Outcome) -> None:
        around, now = self._around, self._clock.now()
        spread = random.random()  # noqa: S311 -- jitter
        entry = around.agenda.ended(
            outcome.target, outcome.ending, now=now, spread=spread, overdue_since=_due(outcome, now)
        )
        around.tidings.ended(outcome, entry)


def _due(outcome: Outcome, now: datetime) -> datetime | None:
    """Return when the secret that consumers read is due for rotation; None if the pass could not tell."""
    if outcome.seen is None:
        return None
    alive = Facts(outcome.seen, now).alive
    return alive.created + outcome.target.policy.rotate_after if alive else None


@dataclass(frozen=True, slots=True)
class _Noting:
    """Progress that also notes who has begun an effect."""

    told: Progress
    acting: set[str]

    def doing(self, target: Target, step: str) -> None:
        self.acting.add(target.name)
        self.told.doing(target, step)

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:
        self.told.done(target, step, detail, rotation=rotation)

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        self.told.surprised(target, step, error)
