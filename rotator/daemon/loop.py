"""The loop: when the bell rings it begins what is due, a few targets of each org at a time, and waits for the next one.

* A turn of the loop waits for no pass. So ticks finish however slow Okta is, and their ending is a sign of life.
* One pass never stops another, not even by a fault of this program: that becomes its ending, with the traceback in the
  log, and the target backs off (`each`).
* A pass that takes too long ends between two actions. One that does not even then is cut off, as a last resort: "kill
  it anywhere, start it again" settles it.
* After word to stop no pass is begun. Those that have only looked are let go; those that act have a while to finish.
* Every task belongs to the loop and ends before it does.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from rotator.app.reconcile import each
from rotator.app.rotate import Outcome, carry_on
from rotator.core.actions import Rest, Waiting
from rotator.daemon.agenda import Agenda
from rotator.daemon.inquiry import Inquiry
from rotator.daemon.reach import Horizon, may_be_away, sides_of
from rotator.daemon.tidings import Tidings, last_look, tell_status
from rotator.daemon.vitals import Pulse, Vitals
from rotator.errors import ConfigError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from contextlib import AsyncExitStack
    from datetime import datetime

    from rotator.core.agenda import Pace
    from rotator.core.model import RotationId, Target
    from rotator.daemon.bell import Bell
    from rotator.daemon.inquiry import Connections
    from rotator.daemon.signals import Asked
    from rotator.daemon.systemd import Systemd
    from rotator.ports import Clock, Progress
    from rotator.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long."""

    at_once: int = 4  # of one org: what waits for its rate limit takes no place from another's targets
    in_all: int = 16
    one_pass: timedelta = timedelta(minutes=5)
    grace: timedelta = timedelta(minutes=2)  # for the action that was begun in time, and for asking a side
    drain: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the loop hears, and whom it tells."""

    bell: Bell
    asked: Asked
    systemd: Systemd
    load: Callable[[], Settings]
    on_outcome: tuple[Callable[[Outcome, datetime], None], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """That a person wants a target rotated; `force`: due or not."""

    by: str
    force: bool = False


class Loop:
    """The daemon at work."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        outside: Outside,
        *,
        clock: Clock,
        pace: Pace,
        limits: Limits,
    ) -> None:
        """Begin nothing yet."""
        self._settings = settings
        self._connections = connections
        self._outside = outside
        self._clock = clock
        self._limits = limits
        self._pulse = Pulse(clock.now(), pace.tick)
        self._agenda = Agenda(self._pulse, pace)
        self._horizon = Horizon(self._pulse, clock)
        self._inquiry = Inquiry(
            self._pulse, self._horizon, connections, answer_within=limits.grace, ring=outside.bell.ring
        )
        self._tidings = Tidings()
        self._tries: dict[str, dict[str, int]] = {}
        self._told: dict[str, Told] = {}  # until the next pass begins
        self._of_org: Counter[str] = Counter()  # passes under way
        self._passes: dict[str, asyncio.Task[None]] = {}
        self._acting: set[str] = set()  # of those, who has begun an effect
        self._errands: dict[object, asyncio.Task[None]] = {}
        self._ticks_seen = -1  # so that the first turn is one
        self._agenda.take_up(settings.targets, clock.now())

    @property
    def vitals(self) -> Vitals:
        """How the daemon is, for whoever shows it."""
        return Vitals(self._pulse)

    def wake(self, names: Iterable[str], *, within: timedelta | None = None) -> None:
        """Have these targets looked at now, or each at a moment of its own within some time."""
        self._agenda.wake(names, self._clock.now(), within=within)
        self._outside.bell.ring()

    def told_to_rotate(self, name: str, told: Told) -> None:
        """Have the next pass over a target, now, be one that a person asked for: as `rotator rotate` makes it."""
        before = self._told.get(name)
        self._told[name] = replace(told, force=True) if before and before.force else told
        self.wake([name])

    async def run(self) -> None:
        """Work until there is word to stop; then let what is under way finish."""
        asked, bell = self._outside.asked, self._outside.bell
        async with asyncio.TaskGroup() as self._tasks:
            while not asked.stop:
                self._turn()
                await bell.wait()
                await self._see_to_what_was_asked()
            await self._drain()

    # --- a turn -------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        bell, now = self._outside.bell, self._clock.now()
        ticked = bell.ticks != self._ticks_seen
        self._ticks_seen = bell.ticks
        if ticked:
            for side in self._horizon.away():
                self._send(side, self._inquiry.ask(side))
            self._send("logins", self._inquiry.keep_logins_alive())
        self._begin_due(now)
        later = [at for at in (self._agenda.next_due(now), *self._horizon.limits_end()) if at and at > now]
        if later:
            bell.wake_at(min(later))
        if ticked:
            self._pulse.tick_finished(now)
            log.debug("tick_finished", under_way=len(self._passes))
            if self._pulse.ticks == 1:
                self._outside.systemd.ready()

    def _begin_due(self, now: datetime) -> None:
        for target in self._agenda.due(now):
            if len(self._passes) >= self._limits.in_all:
                return
            if self._of_org[target.org] >= self._limits.at_once or self._horizon.holds(target):
                continue
            self._of_org[target.org] += 1
            self._pulse.under_way.add(target.name)
            self._passes[target.name] = self._tasks.create_task(self._pass(target), name=f"pass over {target.name}")

    def _send(self, name: object, errand: Coroutine[None, None, None]) -> None:
        """Do something beside the passes, unless the same is still being done."""
        if name in self._errands and not self._errands[name].done():
            errand.close()
            return
        self._errands[name] = self._tasks.create_task(errand, name=str(name))

    # --- a pass -------------------------------------------------------------------------------------------

    async def _pass(self, target: Target) -> None:
        try:
            (fault,) = await each([target], self._look_at, failed=lambda _, error: error)
            if fault is not None and self._agenda.has(target):  # ours, and in what follows a pass
                self._note(Outcome(target, (), fault, None))
        finally:
            self._of_org[target.org] -= 1
            self._acting.discard(target.name)
            self._pulse.under_way.discard(target.name)
            del self._passes[target.name]
            self._outside.bell.ring()

    async def _look_at(self, target: Target) -> None:
        settings = self._settings
        (outcome,) = await each([target], self._carry_on, failed=lambda target, error: Outcome(target, (), error, None))
        await self._learn(outcome, settings)

    async def _carry_on(self, target: Target) -> Outcome:
        limits = self._limits
        async with asyncio.timeout((limits.one_pass + limits.grace).total_seconds()):
            told = self._told.pop(target.name, None)
            world = self._connections.of(target)
            return await carry_on(
                target,
                replace(world, progress=_Noting(world.progress, self._acting), actor=told.by if told else world.actor),
                told=told is not None,
                force=told is not None and told.force,
                tries=self._tries.setdefault(target.name, {}),
                deadline=self._clock.now() + limits.one_pass,
            )

    async def _learn(self, outcome: Outcome, settings: Settings) -> None:
        """Note how a pass under these settings ended and when to look again."""
        target = outcome.target
        if may_be_away(outcome.ending):
            await self._inquiry.find_out(target, outcome.ending)
        now = self._clock.now()
        for tell in self._outside.on_outcome:
            tell(outcome, now)
        if not self._agenda.has(target):  # another configuration has come meanwhile
            return
        self._pulse.last[target.name] = last_look(outcome, now)
        if isinstance(outcome.ending, Rest) and outcome.ending.waiting is not Waiting.VERIFICATION:
            self._tries.pop(target.name, None)
        stale = settings is not self._settings  # the connections it failed with are left behind
        if isinstance(outcome.ending, RotatorError) and (stale or self._horizon.holds(target)):
            self._agenda.hold(target, now=now, began=bool(outcome.steps))
            return
        self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        spread = random.random()  # noqa: S311 -- jitter
        entry = self._agenda.ended(outcome.target, outcome.ending, now=self._clock.now(), spread=spread)
        self._tidings.ended(outcome, entry)

    # --- what is asked from outside -----------------------------------------------------------------------

    async def _see_to_what_was_asked(self) -> None:
        asked = self._outside.asked
        if asked.reload:
            asked.reload = False
            self._outside.systemd.reloading()
            await self._reload()
            self._outside.systemd.ready()
        if asked.status:
            asked.status = False
            for one in self.vitals.targets():
                tell_status(one)

    async def _reload(self) -> None:
        """Take up the configuration as it is now, whole; or keep the one we have, and say all that is wrong."""
        try:
            settings = await asyncio.to_thread(self._outside.load)
        except ConfigError as error:
            log.error("configuration_kept", problems=list(error.problems), hint="Mend it and send SIGHUP again.")  # noqa: TRY400
            return
        left, self._settings = self._connections.follow(settings), settings
        self._inquiry.connections_changed()
        self._tasks.create_task(_close_after(tuple(self._passes.values()), left), name="connections left behind")
        changes = self._agenda.take_up(settings.targets, self._clock.now())
        self._horizon.keep({side for target in settings.targets for side in sides_of(target)})
        names = frozenset(target.name for target in settings.targets)
        self._tidings.forget_others(names)
        self._tries = {name: tries for name, tries in self._tries.items() if name in names}
        log.info(
            "configuration_reloaded",
            targets=len(names),
            added=changes.added,
            changed=changes.changed,
            removed=changes.removed,
        )

    # --- stopping -----------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Wait for the passes that act, but not for ever, and not after a second word."""
        asked, acting = self._outside.asked, sorted(self._acting)
        self._pulse.stopping = True
        self._outside.systemd.stopping()
        log.info("daemon_stopping", signal=asked.stop_by.name if asked.stop_by else None, under_way=acting)
        only_look = [task for name, task in self._passes.items() if name not in self._acting]
        for task in (*self._errands.values(), *only_look):
            task.cancel()
        if acting:
            await self._wait_for([self._passes[name] for name in acting])
        if cut_off := sorted(self._passes.keys() & acting):
            log.warning("passes_cut_off", targets=cut_off, hint="The next start settles them.")
            for name in cut_off:
                self._passes[name].cancel()

    async def _wait_for(self, passes: Sequence[asyncio.Task[None]]) -> None:
        hurry = self._tasks.create_task(self._outside.asked.at_once.wait(), name="a second word")
        finished = self._tasks.create_task(asyncio.wait(passes), name="the last passes")
        within = self._limits.drain.total_seconds()
        await asyncio.wait({hurry, finished}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        finished.cancel()


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


async def _close_after(passes: tuple[asyncio.Task[None], ...], left: AsyncExitStack) -> None:
    if passes:
        await asyncio.wait(passes)
    await left.aclose()
