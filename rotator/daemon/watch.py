"""The watch: asks each org's System Log what others have changed, and has those targets looked at.

* It only ever moves a look forward. What it fails to tell is found at the next resync, as without it.
* While an org's log cannot be read every target there is looked at once an hour instead. A log that we may not read at
  all is told once, and once more when we may.
* How far each log was heard outlives the process, and one member of a service hears it at a time (the Cursors port).
* Whoever may have been missed is looked at within minutes: all of an org's targets, where the log no longer knew where
  we were or a day went by. Okta goes on by the time of persistence, so that a place it still knows misses nothing.
* Beside it, who was cut off with an old secret is heard of (`cut_offs`), by the same poll.
* Nothing that goes wrong here stops the loop, not even a fault of this program (`each`).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from rotator.app.reconcile import each
from rotator.core.agenda import SPREAD
from rotator.core.changes import concerned
from rotator.core.history import Place
from rotator.daemon.cut_offs import CutOffs
from rotator.daemon.reach import may_be_away
from rotator.daemon.vitals import Side
from rotator.errors import InvariantError, RefusedError, RotatorError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.app.rotate import Outcome
    from rotator.core.changes import Heard
    from rotator.core.model import Target
    from rotator.daemon.soaking import Soak, Soaking
    from rotator.daemon.vitals import Vitals
    from rotator.ports import Clock, Cursors, OktaLog

OVERLAP = timedelta(minutes=5)  # where we begin by time: clocks differ, and events are persisted late
SILENCE = timedelta(days=1)  # after which we do not trust that nothing was missed: how long places last is not told
MISSED = 3  # polls, after which another member may hear a log in our place
BLIND = timedelta(hours=1)  # so often each target is looked at where the log cannot be read
UNREADABLE = timedelta(minutes=5)  # so often we try whether we may read it by now
REMEMBERED = 2000  # events, so that one that is told twice wakes nobody twice
JITTER = 0.1  # of the time between two polls

log = structlog.get_logger()


class Connections(Protocol):
    """Protocol: the ports of every target."""

    def of(self, target: Target) -> World:
        """Return the ports of a target."""
        ...


class Sleepers(Protocol):
    """Protocol: whom the watch wakes; the loop."""

    @property
    def vitals(self) -> Vitals:
        """How they are."""
        ...

    def wake(self, names: Iterable[str], *, within: timedelta | None = None, pressing: bool = False) -> None:
        """Have these targets looked at now, or each at a moment of its own within some time.

        `pressing`: consumers may be cut off.
        """
        ...

    def heard(self, kind: str) -> None:
        """Take note of an event, whomever it concerns."""
        ...

    async def taken_up(self) -> None:
        """Return when it is known who they are."""
        ...


class ClientIds(dict[str, str]):
    """The client ids of targets as passes saw them: an event may name that alone, and it need not be the app's id."""

    def passed(self, outcome: Outcome, _: datetime) -> None:
        """Learn from a pass."""
        app = outcome.seen.app if outcome.seen else None
        if app is not None and app.client_id is not None:
            self[outcome.target.name] = app.client_id


@dataclass(slots=True)
class _Org:
    """How far we have heard an org."""

    heard_at: datetime  # or when we began
    begun: bool = False  # whether the place was looked up
    tried_at: datetime | None = None
    port: OktaLog | None = None  # the one that gave the cursor
    cursor: str | None = None
    unreadable: bool = False
    fault: str = ""
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Watch:
    """The watch over all orgs that have targets."""

    def __init__(
        self,
        sleepers: Sleepers,
        connections: Connections,
        *,
        cursors: Cursors,
        key_of: Callable[[str], str],
        clock: Clock,
        every: timedelta,
        client_ids: Mapping[str, str],
        soaking: Soaking,
    ) -> None:
        """Ask nothing yet; `client_ids` are those that are known at the time, by target, `soaking` whose secret is off.

        `key_of` an org's alias is what its place is kept under: an alias may come to mean another org.
        """
        self._sleepers = sleepers
        self._connections = connections
        self._cursors = cursors
        self._key_of = key_of
        self._clock = clock
        self._client_ids = client_ids
        self._soaking = soaking
        self._every = every.total_seconds()
        self._cut_offs = CutOffs(sleepers, cursors=cursors, key_of=key_of, clock=clock, lasting=every * MISSED)
        self._orgs: dict[str, _Org] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Ask again and again; an org that takes long makes none of the others wait."""
        await self._sleepers.taken_up()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for alias in {one.target.org for one in self._sleepers.vitals.targets()}:
                    if alias not in self._polls or self._polls[alias].done():
                        self._polls[alias] = tasks.create_task(self.poll(alias), name=f"System Log of {alias}")
                await asyncio.sleep(self._every * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 -- jitter

    async def poll(self, alias: str) -> None:
        """Ask one org's log once, if it may have something to say."""
        now = self._clock.now()
        org = self._orgs.setdefault(alias, _Org(now))
        targets = self._targets(alias)
        if not targets or not self._worth_asking(alias, org, now):
            return
        if not await self._is_ours(alias, org):
            return
        org.tried_at = now
        (error,) = await each(targets[:1], lambda via: self._listen(via, org), failed=lambda _, error: error)
        if error is not None:
            self._note(alias, org, error)

    async def _is_ours(self, alias: str, org: _Org) -> bool:
        """Say whether this member is the one that hears the log, and go on where it was heard last."""
        try:
            taken = await self._cursors.take(self._key_of(alias), lasting=timedelta(seconds=self._every) * MISSED)
        except StateError:  # the loop tells of it
            return False
        if taken is None:
            org.begun = False  # whoever hears it goes on; we look the place up again
            return False
        (place,) = taken
        if not org.begun and place is not None:
            org.cursor, org.heard_at, org.port = place.cursor, place.heard_at, None
        org.begun = True
        return True

    def _targets(self, alias: str) -> list[Target]:
        return [one.target for one in self._sleepers.vitals.targets() if one.target.org == alias]

    def _worth_asking(self, alias: str, org: _Org, now: datetime) -> bool:
        reach = self._sleepers.vitals.reach.get(Side("okta", alias))
        if reach is not None and not reach.fine:
            return False
        return not org.unreadable or org.tried_at is None or now - org.tried_at >= UNREADABLE

    async def _listen(self, via: Target, org: _Org) -> None:
        asked_at, port = self._clock.now(), self._port(via)
        if org.port is not None and port is not org.port:  # other connections, perhaps to another org
            org.cursor = None
        org.port = port
        heard = await port.changes(org.cursor, org.heard_at - OVERLAP)
        self._wake(via.org, org, heard)
        if not heard.continued or asked_at - org.heard_at > SILENCE:
            self._sleepers.wake([target.name for target in self._targets(via.org)], within=SPREAD)
        if org.unreadable:
            log.info("log_readable", org=via.org)
        org.cursor, org.heard_at, org.unreadable, org.fault = heard.cursor, asked_at, False, ""
        with suppress(StateError):  # then it is heard again from there, which costs a look
            await self._cursors.keep(self._key_of(via.org), Place(heard.cursor, asked_at))
        await self._cut_offs.listen(via.org, port, self._soaks(via.org))

    def _soaks(self, alias: str) -> list[Soak]:
        """Return whose old secret is switched off."""
        known = (self._soaking.of(one) for one in self._sleepers.vitals.targets() if one.target.org == alias)
        return [soak for soak in known if soak is not None]

    def _port(self, via: Target) -> OktaLog:
        """Return the log of the target's org, by way of another target where that one's Vault cannot be opened."""
        for target in self._targets(via.org):
            with suppress(RotatorError):
                return self._connections.of(target).log
        return self._connections.of(via).log

    def _wake(self, alias: str, org: _Org, heard: Heard) -> None:
        targets = self._targets(alias)
        for change in heard.changes:
            if change.id in org.seen:
                continue
            org.seen.append(change.id)
            self._sleepers.heard(change.kind)
            if names := concerned(change, targets, self._client_ids):
                log.info("change_heard", org=alias, change=change.kind, at=change.published, targets=sorted(names))
                self._sleepers.wake(names, pressing=change.cuts_off)

    def _note(self, alias: str, org: _Org, error: RotatorError) -> None:
        """Note that the log could not be read. What the org itself is out of is the loop's to find out and tell."""
        refused = isinstance(error, RefusedError) and not may_be_away(error)
        if refused and not org.unreadable:
            org.unreadable, org.cursor = True, None
            hint = f"{error.hint or 'Grant it.'} Until then each target there is looked at once an hour."
            log.warning("log_unreadable", org=alias, detail=str(error), hint=hint)
        if isinstance(error, InvariantError) and org.fault != str(error):
            org.fault = str(error)
            log.error("log_not_understood", org=alias, detail=str(error), hint=error.hint, exc_info=error.__cause__)
        if refused or self._clock.now() - org.heard_at > BLIND:
            self._sleepers.wake([target.name for target in self._targets(alias)], within=BLIND)
