"""The herald: tells people what passes show, what is soon or late, who is away, and what holds everything back.

* What a pass shows goes into the box (`ports.Outbox`) at once, and from there to each channel: one that hangs holds up
  neither the loop nor the others. What is in the box survives us.
* Who is away, the brake and open breakers are looked at every few seconds; deadlines, which move by days, less often.
* While the state database is away nothing can be told: the heartbeat stops instead.
* Nothing that goes wrong here stops the loop, not even a fault of this program. Of such a fault only the kind is
  logged: its text may hold an address.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rotator.app.notices import deliver, sight_of
from rotator.core.agenda import State
from rotator.core.notices import Kind, decide
from rotator.daemon.lookout import BRAKE, BREAKERS, DEADLINES, Deadlook, brake_seen, name_of, sides_seen
from rotator.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from datetime import datetime, timedelta
    from typing import Any

    from rotator.app.notices import Delivery
    from rotator.app.rotate import Outcome
    from rotator.core.notices import Rules, Sight, Standing
    from rotator.daemon.metrics import Tally
    from rotator.daemon.vitals import Vitals
    from rotator.ports import Brakes, Clock, Notifier, Outbox
    from rotator.settings import Channel, Notify, Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in seconds: to look for what waits in the box; at the sides and the brake; at deadlines."""

    box: float = 5.0
    service: float = 15.0
    deadlines: float = 60.0

    @classmethod
    def of(cls, tick: timedelta) -> Rhythm:
        """Return the one that goes with how often the daemon looks at all."""
        seconds = tick.total_seconds()
        return cls(min(5.0, seconds), min(15.0, seconds / 2), min(60.0, 2 * seconds))


@dataclass(frozen=True, slots=True)
class Scene:
    """What the herald looks at, as it is at the time, and where the brake is found."""

    vitals: Callable[[], Vitals]
    settings: Callable[[], Settings]
    brakes: Brakes
    clock: Clock


class Herald:
    """Tells people, for one member of the service."""

    def __init__(
        self,
        outbox: Outbox,
        scene: Scene,
        tally: Tally,
        *,
        open_notifier: Callable[[Channel, Clock], Notifier],
        rhythm: Rhythm | None = None,
    ) -> None:
        """Tell nobody yet."""
        self._outbox = outbox
        self._scene = scene
        self._tally = tally
        self._open_notifier = open_notifier
        self._rhythm = rhythm or Rhythm()
        self._deadlook = Deadlook()
        self._sights: deque[Sight] = deque()
        self._news = asyncio.Event()
        self._next_look: dict[str, float] = {}
        self._notifiers: dict[str, tuple[Channel, Notifier]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._failing: set[str] = set()
        self._faults: set[str] = set()

    def passed(self, outcome: Outcome, now: datetime) -> None:
        """Take note of what a pass has shown."""
        if self._scene.settings().notify is None:
            return
        with suppress(KeyError):  # another configuration has come meanwhile
            one = self._scene.vitals().target(outcome.target.name)
            held = one.state is State.HELD
            self._sights.append(sight_of(outcome, now, failures=one.failures, held=held))
            self._news.set()

    async def run(self) -> None:
        """Tell, until cancelled; what was seen until then is still put into the box."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._guarded(self._round(tasks))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._rhythm.box):
                            await self._news.wait()
                    self._news.clear()
        finally:
            if (notify := self._scene.settings().notify) is not None:
                await self._guarded(self._write_down(notify.rules))

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        notify = self._scene.settings().notify
        if notify is None:
            self._sights.clear()
            return
        await self._write_down(notify.rules)
        if self._is_time("service", self._rhythm.service):
            await self._look_at_service(notify.rules)
        if self._is_time("deadlines", self._rhythm.deadlines):
            await self._look_at_targets(notify)
        await self._send(notify, tasks)

    def _is_time(self, what: str, every: float) -> bool:
        at = asyncio.get_running_loop().time()
        if at < self._next_look.get(what, 0.0):
            return False
        self._next_look[what] = at + every
        return True

    # --- into the box -------------------------------------------------------------------------------------

    async def _write_down(self, rules: Rules) -> None:
        while self._sights:
            await self._outbox.tell(self._sights[0], rules)
            self._sights.popleft()

    async def _look_at_service(self, rules: Rules) -> None:
        """Tell of the sides and of the brake, as it is in the state now: another member may have set it."""
        scene, now = self._scene, self._scene.clock.now()
        standing = await self._standing()
        told = {name: kinds[Kind.FAILED] for name, kinds in standing.items() if Kind.FAILED in kinds}
        sights = [*sides_seen(scene.vitals(), told, now), brake_seen(await scene.brakes.brake(), now)]
        await self._tell(sights, standing, rules)

    async def _look_at_targets(self, notify: Notify) -> None:
        vitals, now = self._scene.vitals(), self._scene.clock.now()
        standing = await self._standing()
        async for sight in self._deadlook.seen(vitals, notify.deadlines, now):
            if DEADLINES & sight.lasts.keys() or sight.subject.name in standing or sight.subject == BREAKERS:
                await self._tell([sight], standing, notify.rules)
        self._tally.late = self._deadlook.late
        names = frozenset(one.target.name for one in vitals.targets())
        self._deadlook.keep(names)
        ours = {BRAKE.name, BREAKERS.name, *map(name_of, vitals.sides())}
        if names and (gone := standing.keys() - names - ours):
            await self._outbox.forget(sorted(gone))

    async def _standing(self) -> dict[str, dict[Kind, Standing]]:
        found: dict[str, dict[Kind, Standing]] = {}
        for each in await self._outbox.standing():
            found.setdefault(each.subject, {})[each.kind] = each
        return found

    async def _tell(self, sights: Iterable[Sight], standing: dict[str, dict[Kind, Standing]], rules: Rules) -> None:
        for sight in sights:
            if decide(tuple(standing.get(sight.subject.name, {}).values()), sight, rules):
                await self._outbox.tell(sight, rules)

    # --- out of it ----------------------------------------------------------------------------------------

    async def _send(self, notify: Notify, tasks: asyncio.TaskGroup) -> None:
        waiting = self._tally.notices_waiting = {channel.name: 0 for channel in notify.channels} | dict(
            await self._outbox.waiting()
        )
        for channel in notify.channels:
            busy = channel.name in self._sending and not self._sending[channel.name].done()
            if waiting[channel.name] and not busy:
                work = self._guarded(self._send_through(channel))
                self._sending[channel.name] = tasks.create_task(work, name=f"notices through {channel.name}")

    async def _send_through(self, channel: Channel) -> None:
        """Send what may be sent now, one message after the other."""
        notifier, clock = self._notifier(channel), self._scene.clock
        while (
            done := await deliver(
                self._outbox,
                channel.name,
                notifier,
                clock,
                at_most=channel.at_most,
                within=channel.answer_within,
            )
        ) is not None:
            self._note(channel.name, done)
            if done.error is not None and not done.lost:
                return

    def _notifier(self, channel: Channel) -> Notifier:
        known = self._notifiers.get(channel.name)
        if known is None or known[0] != channel:
            known = self._notifiers[channel.name] = (channel, self._open_notifier(channel, self._scene.clock))
        return known[1]

    def _note(self, channel: str, done: Delivery) -> None:
        count = len(done.batch.notices)
        kinds = sorted({notice.kind.value for notice in done.batch.notices})
        if done.error is None:
            self._tally.notices[channel, "sent"] += count
            log.info("notices_sent", channel=channel, kinds=kinds, count=count)
            if channel in self._failing:
                self._failing.discard(channel)
                log.info("channel_recovered", channel=channel)
            return
        told = {"channel": channel, "detail": str(done.error), "hint": done.error.hint}
        if done.lost:
            self._tally.notices[channel, "lost"] += count
            log.error("notices_lost", **told, kinds=kinds, count=count)
            return
        self._tally.notices[channel, "retried"] += count
        if channel not in self._failing:
            self._failing.add(channel)
            log.warning("channel_failing", **told)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Let nothing out of it but word to stop. That the state is away is told by others."""
        ended: tuple[BaseException | None] = await asyncio.gather(work, return_exceptions=True)
        failure = ended[0]
        if failure is None or isinstance(failure, StateError):
            return
        if not isinstance(failure, Exception):
            raise failure
        said = type(failure).__name__
        if said not in self._faults:
            self._faults.add(said)
            log.error("notices_failed", detail=f"a fault of this program: {said}", hint="Report it.")
