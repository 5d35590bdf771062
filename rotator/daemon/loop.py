"""The loop: when the bell rings it has what is due looked at, a few targets of each org at a time, and waits again.

* A turn of the loop waits for no pass. So ticks finish however slow Okta is, and their ending is a sign of life.
* Who makes a pass is the engine's to say: this process, or another member of the service.
* After word to stop no pass is begun. Those that have only looked are let go; those that act have a while to finish.
* Every task belongs to the loop and ends before it does.
* A clock that was put back by more than an hour has all looked at: who was put off by the wrong one waits no longer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from rotator.app.reconcile import each
from rotator.daemon.agenda import Agenda
from rotator.daemon.braking import Braking
from rotator.daemon.entrance import AGAIN, Entrance
from rotator.daemon.inquiry import Inquiry
from rotator.daemon.passes import Passes, Round
from rotator.daemon.pruning import Pruning
from rotator.daemon.reach import Horizon
from rotator.daemon.recollection import Recollection
from rotator.daemon.stock import Stocktaking
from rotator.daemon.tidings import Tidings, tell_status
from rotator.daemon.vitals import STATE, Pulse, Vitals, sides_of
from rotator.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from contextlib import AsyncExitStack
    from datetime import datetime

    from rotator.app.inventory import Stock
    from rotator.app.rotate import Outcome
    from rotator.core.agenda import Pace, Remembered
    from rotator.core.model import Target
    from rotator.daemon.agenda import Changes
    from rotator.daemon.bell import Bell
    from rotator.daemon.entrance import Inspect
    from rotator.daemon.inquiry import Connections
    from rotator.daemon.passes import Limits, Told
    from rotator.daemon.signals import Asked
    from rotator.daemon.systemd import Systemd
    from rotator.ports import Brakes, Clock, Engine, Memory
    from rotator.settings import Settings

PUT_BACK = timedelta(hours=1)  # less than that is waited out

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outside:
    """What the loop hears, and whom it tells."""

    bell: Bell
    asked: Asked
    systemd: Systemd
    load: Callable[[], Settings]
    on_outcome: tuple[Callable[[Outcome, datetime], None], ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """What outlives the process and is shared with other members; `several` if there may be any.

    `take_stock` lists who the members of the selections are, `members` says who they were when last listed.
    `inspect` makes the pre-flight over some targets; None for none.
    """

    memory: Memory
    brakes: Brakes
    engine: Engine
    take_stock: Callable[[Settings], Awaitable[Stock]]
    members: Callable[[Settings], Awaitable[tuple[Target, ...]]]
    prune: Callable[[], Awaitable[None]]
    several: bool = False
    inspect: Inspect | None = None


class Loop:
    """The daemon at work."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        outside: Outside,
        common: Common,
        *,
        clock: Clock,
        pace: Pace,
        limits: Limits,
    ) -> None:
        """Begin nothing yet."""
        self._settings = settings
        self._connections = connections
        self._outside = outside
        self._common = common
        self._clock = clock
        self._limits = limits
        self._pulse = pulse = Pulse(clock.now(), pace.tick)
        self._agenda = Agenda(pulse, pace)
        self._horizon = Horizon(pulse, clock)
        self._inquiry = Inquiry(pulse, self._horizon, connections, answer_within=limits.grace, ring=outside.bell.ring)
        self._braking = Braking(pulse, common.brakes, clock=clock, limits=lambda: self._settings.limits, wake=self.wake)
        self._recollection = Recollection(self._agenda, common.memory)
        self._tidings = Tidings()
        self._pruning = Pruning(pulse, common.prune)
        around = Round(
            pulse, self._agenda, self._horizon, self._inquiry, self._braking, self._recollection, self._tidings
        )
        self._passes = Passes(
            around,
            connections,
            clock=clock,
            limits=limits,
            ring=outside.bell.ring,
            on_outcome=(self._pruning.passed, *outside.on_outcome),
        )
        self._of_org: Counter[str] = Counter()  # of those that were sent
        self._sent: dict[str, asyncio.Task[None]] = {}
        self._errands: dict[object, asyncio.Task[None]] = {}
        self._ticks_seen = -1  # so that the first turn is one
        self._known = asyncio.Event()
        self._latest = clock.now()
        self._remembered: dict[str, Remembered] = {}  # from before the start
        self._stock = Stocktaking(lambda: common.take_stock(self._settings), self._hand_over, clock=clock)
        self._entrance = Entrance(
            common.inspect,
            pulse,
            lambda: self._hand_over(None),
            ring=outside.bell.ring,
            clock=clock,
            again=min(AGAIN, pace.resync),
        )

    @property
    def vitals(self) -> Vitals:
        """How the daemon is, for whoever shows it."""
        return Vitals(self._pulse)

    def wake(self, names: Iterable[str], *, within: timedelta | None = None, pressing: bool = False) -> None:
        """Have these targets looked at now, or each at a moment of its own within some time.

        `pressing`: consumers may be cut off, so that the look itself may use the urgent share of Okta's budget.
        """
        names = list(names)
        self._agenda.wake(names, self._clock.now(), within=within)
        if pressing:
            self._passes.press(names)
        self._outside.bell.ring()

    async def taken_up(self) -> None:
        """Return when it is known who the targets are."""
        await self._known.wait()

    @property
    def settings(self) -> Settings:
        """The configuration as it is followed now."""
        return self._settings

    def told_to_rotate(self, name: str, told: Told) -> None:
        """Have the next pass over a target, now, be one that a person asked for: as `rotator rotate` makes it."""
        self._passes.tell(name, told)
        self.wake([name])

    def released(self) -> None:
        """Find out at once that the brake is off, or what a breaker counted is forgotten, and look at who waited."""
        self._send("state", self._ask_state())
        self.wake(self._agenda.held_back())

    def heard(self, kind: str) -> None:
        """Take note of an event of a System Log: it may make an app a member of a selection."""
        self._stock.heard(kind)

    async def stock_changed(self) -> None:
        """Take up the members of selections anew: a person has decided something about them."""
        self._hand_over(await self._common.members(self._settings))
        self._stock.begin_anew()
        self._outside.bell.ring()

    async def run(self) -> None:
        """Work until there is word to stop; then let what is under way finish.

        `StateError` at once where nobody can tell what is remembered, or whether the brake is on.
        """
        asked, bell = self._outside.asked, self._outside.bell
        self._remembered = {each.name: each for each in await self._common.memory.recall()}
        self._hand_over(await self._common.members(self._settings))
        self._known.set()
        await self._braking.ask()
        async with self._common.engine.serving(self._passes.make), asyncio.TaskGroup() as self._tasks:
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
        if now < self._latest - PUT_BACK:
            self._agenda.clock_put_back(now)
        self._latest = now
        if ticked:
            for side in self._horizon.away():
                if side != STATE:
                    self._send(side, self._inquiry.ask(side))
            self._send("logins", self._inquiry.keep_logins_alive())
            self._send("state", self._ask_state())
            if self._pruning.is_due:
                self._send("prune", self._pruning.prune())
        if self._settings.selections and self._stock.is_due(now):
            self._send("stock", self._stock.take())
        if self._entrance.is_due(now):
            self._send("preflight", self._entrance.look())
        self._begin_due(now)
        ends = (self._agenda.next_due(now), self._entrance.opens_at, *self._horizon.limits_end())
        later = [at for at in ends if at and at > now]
        if later:
            bell.wake_at(min(later))
        if ticked:
            self._pulse.tick_finished(now)
            log.debug("tick_finished", under_way=len(self._sent))
            if self._pulse.ticks == 1:
                self._outside.systemd.ready()

    def _begin_due(self, now: datetime) -> None:
        closed = self._entrance.closed(now)
        for target in self._agenda.due(now):
            if len(self._sent) >= self._limits.in_all:
                return
            if closed and not self._passes.is_told(target.name):
                continue
            if self._of_org[target.org] >= self._limits.at_once or self._horizon.holds(target):
                continue
            self._of_org[target.org] += 1
            self._pulse.under_way.add(target.name)
            task = self._tasks.create_task(self._have_seen_to(target), name=f"pass over {target.name}")
            self._sent[target.name] = task

    async def _have_seen_to(self, target: Target) -> None:
        # What a person waits for here is done here.
        see_to = self._passes.make if self._passes.is_told(target.name) else self._common.engine.see_to
        try:
            (fault,) = await each([target], lambda one: see_to(one.name), failed=lambda _, error: error)
            if fault is not None:
                self._passes.note_fault(target, fault)
        finally:
            self._of_org[target.org] -= 1
            del self._sent[target.name]
            self._agenda.over(target.name, self._clock.now())
            self._outside.bell.ring()

    async def _ask_state(self) -> None:
        """Find out what others have done since, and whether the brake is on."""
        try:
            if self._common.several:
                await self._recollection.hear()
            if not self._horizon.fine(STATE):
                await self._recollection.try_out()
            await self._braking.ask()
        except StateError as error:
            self._horizon.note(STATE, error)
            return
        self._horizon.note(STATE, None)
        self._outside.bell.ring()

    def _send(self, name: object, errand: Coroutine[None, None, None]) -> None:
        """Do something beside the passes, unless the same is still being done."""
        if name in self._errands and not self._errands[name].done():
            errand.close()
            return
        self._errands[name] = self._tasks.create_task(errand, name=str(name))

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
            targets = await self._common.members(settings)
        except (ConfigError, StateError) as error:
            problems = str(error).splitlines()
            log.error("configuration_kept", problems=problems, hint="Mend it and send SIGHUP again.")  # noqa: TRY400
            return
        left, self._settings = self._connections.follow(settings), settings
        self._inquiry.connections_changed()
        under_way = tuple(self._passes.under_way.values())
        self._tasks.create_task(_close_after(under_way, left), name="connections left behind")
        self._passes.connections_changed()
        self._entrance.begin_anew()
        changes = self._hand_over(targets)
        self._stock.begin_anew()
        log.info(
            "configuration_reloaded",
            targets=len(targets),
            added=changes.added,
            changed=changes.changed,
            removed=changes.removed,
        )

    def _hand_over(self, targets: Sequence[Target] | None) -> Changes:
        """Take up these targets, members of selections included; None: the same as before."""
        targets = self._entrance.through(targets)
        changes = self._agenda.take_up(targets, self._clock.now(), self._remembered)
        self._horizon.keep({side for target in targets for side in sides_of(target)})
        names = frozenset(target.name for target in targets)
        self._tidings.forget_others(names)
        self._passes.forget_others(names)
        self._outside.bell.ring()
        return changes

    # --- stopping -----------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Wait for the passes that act, but not for ever, and not after a second word."""
        asked, passes, acting = self._outside.asked, self._passes.under_way, sorted(self._passes.acting)
        self._pulse.stopping = True
        self._outside.systemd.stopping()
        log.info("daemon_stopping", signal=asked.stop_by.name if asked.stop_by else None, under_way=acting)
        idle = {**self._sent, **passes}
        for task in (*self._errands.values(), *(task for name, task in idle.items() if name not in acting)):
            task.cancel()
        if acting:
            await self._wait_for([passes[name] for name in acting])
        if cut_off := sorted(passes.keys() & acting):
            log.warning("passes_cut_off", targets=cut_off, hint="The next start settles them.")
            for name in cut_off:
                passes[name].cancel()

    async def _wait_for(self, passes: Sequence[asyncio.Task[Any]]) -> None:
        hurry = self._tasks.create_task(self._outside.asked.at_once.wait(), name="a second word")
        finished = self._tasks.create_task(asyncio.wait(passes), name="the last passes")
        within = self._limits.drain.total_seconds()
        await asyncio.wait({hurry, finished}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        finished.cancel()


async def _close_after(passes: tuple[asyncio.Task[Any], ...], left: AsyncExitStack) -> None:
    if passes:
        await asyncio.wait(passes)
    await left.aclose()
