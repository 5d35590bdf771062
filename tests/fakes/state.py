"""A state database in memory: the ports of the state with the rules that the real ones keep.

One `FakeState` is the database; `member` opens its ports as one member of a service sees them. Its clock is the
database's own, and the only one. Its coroutines never suspend.
"""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.admission import LONG_AGO, Admitted, Begun, Brake, Ledger
from rotator.core.chain import BEGINNING, chained
from rotator.core.history import Row
from rotator.core.notices import WINDOW, Batch, Notice, Standing, decide, how_many
from rotator.core.survey import NEW_STATE, SURVEY, new_state
from rotator.errors import BusyError, RotatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

    from rotator.core.admission import Admission, Wish
    from rotator.core.agenda import Remembered
    from rotator.core.history import Deed, Ended, Place
    from rotator.core.model import AppId, Target
    from rotator.core.notices import Kind, Rules, Sight
    from rotator.core.selection import Member
    from rotator.ports import Brakes, Chronicle, Clock, Cursors, Gate, Journal, Lease, Leases, Memory, Outbox, Roster

    Decide = Callable[[Wish, Ledger, datetime], Admission]


def admit(wish: Wish, ledger: Ledger, now: datetime) -> Admission:
    """Let every rotation begin."""
    return Admitted()


@dataclass(slots=True)
class HeldLease:
    """A row of the leases. A fence never goes back."""

    owner: str
    until: datetime
    fence: int = 1


@dataclass(slots=True)
class HeldLog:
    """An org's log: how far it was heard, and who hears it."""

    place: Place | None = None
    owner: str | None = None
    until: datetime | None = None


@dataclass(slots=True)
class HeldChannel:
    """A channel: who sends through it, and when it is tried again."""

    owner: str | None = None
    until: datetime | None = None
    tries: int = 0
    next_at: datetime | None = None


@dataclass(slots=True)
class Boxed:
    """A notice in the box; `ended_at` once it is sent or given up, `leads` if it counts as a message."""

    channel: str
    notice: Notice
    ended_at: datetime | None = None
    leads: bool = False


@dataclass(slots=True)
class FakeState:
    """The database. `down` is what every call raises while it is set."""

    clock: Clock
    leases: dict[tuple[str, AppId], HeldLease] = field(default_factory=dict)
    rotations: list[Begun] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    targets: dict[str, tuple[Remembered, datetime]] = field(default_factory=dict)
    logs: dict[str, HeldLog] = field(default_factory=dict)
    brake: Brake | None = None
    released_at: datetime | None = None
    released_by: str = ""
    members: dict[tuple[str, AppId], Member] = field(default_factory=dict)
    standing: dict[tuple[str, Kind], Standing] = field(default_factory=dict)
    box: list[Boxed] = field(default_factory=list)
    channels: dict[str, HeldChannel] = field(default_factory=dict)
    down: RotatorError | None = None

    def __post_init__(self) -> None:
        """A new database has its brake on."""
        self.brake = new_state(self.clock.now())

    def up(self) -> None:
        """Raise if it cannot be reached."""
        if self.down is not None:
            raise self.down

    def member(self, owner: str, hosts: Mapping[str, str], *, decide: Decide = admit) -> FakeMember:
        """Return the ports that one member has."""
        return FakeMember(
            leases=FakeLeases(self, hosts, owner),
            gate=FakeGate(self, decide),
            journal=FakeJournal(self),
            chronicle=FakeChronicle(self),
            memory=FakeMemory(self),
            cursors=FakeCursors(self, owner),
            brakes=FakeBrakes(self),
            roster=FakeRoster(self),
            outbox=FakeOutbox(self, owner),
        )


@dataclass(frozen=True, slots=True)
class FakeMember:
    """The ports of one member, as `wiring.State` has them."""

    leases: Leases
    gate: Gate
    journal: Journal
    chronicle: Chronicle
    memory: Memory
    cursors: Cursors
    brakes: Brakes
    roster: Roster
    outbox: Outbox


class FakeLeases:
    """Leases that expire by the clock."""

    def __init__(
        self, state: FakeState, hosts: Mapping[str, str], owner: str, lasting: timedelta = timedelta(seconds=20)
    ) -> None:
        self._state = state
        self._hosts = hosts
        self._owner = owner
        self._lasting = lasting

    @asynccontextmanager
    async def hold(self, target: Target) -> AsyncIterator[Lease]:
        self._state.up()
        key, now = (self._hosts[target.org].lower(), target.app_id), self._state.clock.now()
        before = self._state.leases.get(key)
        if before is not None and before.until > now:
            raise BusyError(f"{target.name} is being worked on by {before.owner}")
        fence = before.fence + 1 if before else 1
        self._state.leases[key] = HeldLease(self._owner, now + self._lasting, fence)
        try:
            yield _FakeLease(self._state, key, fence, target.name)
        finally:
            row = self._state.leases[key]
            if row.fence == fence and self._state.down is None:
                row.until = self._state.clock.now()


@dataclass(frozen=True, slots=True)
class _FakeLease:
    state: FakeState
    key: tuple[str, AppId]
    fence: int
    name: str

    async def confirm(self, outlives: timedelta) -> None:
        self.state.up()
        row = self.state.leases[self.key]
        if row.fence != self.fence:
            raise BusyError(f"{self.name} was taken over by {row.owner}")
        row.until = max(row.until, self.state.clock.now() + outlives)


@dataclass(frozen=True, slots=True)
class FakeGate:
    """Keeps the ledger and asks `decide`."""

    state: FakeState
    decide: Decide

    async def ask(self, wish: Wish) -> Admission:
        self.state.up()
        now = self.state.clock.now()
        if any(
            begun.target == wish.target and begun.ended_at is None and begun.at >= now - LONG_AGO
            for begun in self.state.rotations
        ):
            return Admitted()
        answer = self.decide(wish, self._ledger(wish.target, now), now)
        if isinstance(answer, Admitted):
            self.state.rotations.append(Begun(wish.target, wish.policy.name, wish.urgent, now))
        return answer

    async def ended(self, target: str, *, good: bool) -> None:
        self.state.up()
        now = self.state.clock.now()
        self.state.rotations = [
            replace(begun, ended_at=now, good=good) if begun.target == target and begun.ended_at is None else begun
            for begun in self.state.rotations
        ]

    def _ledger(self, target: str, now: datetime) -> Ledger:
        counted = [begun for begun in self.state.rotations if begun.at >= now - LONG_AGO]
        known = self.state.targets.get(target)
        return Ledger(
            begun=tuple(sorted(counted, key=lambda begun: begun.at)),
            fleet=len(self.state.targets),
            known_since=known[0].known_since if known else now,
            released_at=self.state.released_at,
        )


@dataclass(frozen=True, slots=True)
class FakeJournal:
    """Rows in a list, each chained to the one before it."""

    state: FakeState

    async def begins(self, deed: Deed) -> int:
        self.state.up()
        return self._append(deed, "begins", at=deed.at)

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        if self.state.down is None:
            at = self.state.clock.now()
            self._append(deed, "ended", at=at, begun=number, how=how.value, detail=detail, request_id=request_id)

    def _append(self, deed: Deed, phase: str, *, at: datetime, **more: Any) -> int:
        known = {"begun": None, "how": None, "detail": "", "request_id": None}
        row = Row(
            number=len(self.state.audit) + 1,
            at=at,
            target=deed.target,
            org=deed.org,
            app_id=deed.app_id,
            step=deed.step,
            phase=phase,
            actor=deed.actor,
            rotation_id=deed.rotation,
            reason=deed.reason,
            secret_id=deed.secret,
            path=deed.path or None,
            version=deed.version,
            proof=deed.proof.value if deed.proof else None,
            **(known | more),
        )
        last = self.state.audit[-1].hash if self.state.audit else None
        self.state.audit.append(chained(row, last or BEGINNING))
        return row.number


@dataclass(frozen=True, slots=True)
class FakeChronicle:
    """The same list, read."""

    state: FakeState
    page: int = 3

    async def rows(
        self, *, after: int = 0, target: str | None = None, since: datetime | None = None
    ) -> tuple[Row, ...]:
        self.state.up()
        young = [row.number for row in self.state.audit if since is None or row.at >= since]
        found = [
            row
            for row in self.state.audit
            if row.number > after and target in {None, row.target, row.app_id} and young and row.number >= young[0]
        ]
        return tuple(found[: self.page])


@dataclass(frozen=True, slots=True)
class FakeMemory:
    """What is remembered, and when it was written."""

    state: FakeState
    asked: list[datetime] = field(default_factory=list)

    async def recall(self) -> tuple[Remembered, ...]:
        self.state.up()
        self.asked.append(self.state.clock.now())
        return tuple(what for what, _ in self.state.targets.values())

    async def news(self) -> tuple[Remembered, ...]:
        self.state.up()
        since = self.asked[-1] if self.asked else None
        self.asked.append(self.state.clock.now())
        return tuple(what for what, at in self.state.targets.values() if since is None or at >= since)

    async def remember(self, what: Sequence[Remembered]) -> None:
        self.state.up()
        for each in what:
            known = self.state.targets.get(each.name)
            kept = replace(each, known_since=known[0].known_since) if known else each
            self.state.targets[each.name] = (kept, self.state.clock.now())

    async def forget(self, names: Sequence[str]) -> None:
        self.state.up()
        for name in names:
            self.state.targets.pop(name, None)


@dataclass(frozen=True, slots=True)
class FakeCursors:
    """One member at a time hears an org's log."""

    state: FakeState
    owner: str

    async def take(self, org: str, *, lasting: timedelta) -> tuple[Place | None] | None:
        self.state.up()
        now = self.state.clock.now()
        log = self.state.logs.setdefault(org, HeldLog())
        if log.owner not in {None, self.owner} and log.until is not None and log.until > now:
            return None
        log.owner, log.until = self.owner, now + lasting
        return (log.place,)

    async def keep(self, org: str, place: Place) -> None:
        self.state.up()
        log = self.state.logs.setdefault(org, HeldLog())
        if log.owner in {None, self.owner}:
            log.place = place


@dataclass(frozen=True, slots=True)
class FakeBrakes:
    """One brake for all."""

    state: FakeState

    async def brake(self) -> Brake | None:
        self.state.up()
        return self.state.brake

    async def end_survey(self, found: Brake | None, at: datetime) -> None:
        self.state.up()
        if self.state.brake is None or self.state.brake.why != NEW_STATE:
            return
        if found is None:
            await self.release(SURVEY, at)
        else:
            self.state.brake = found

    async def release(self, by: str, at: datetime) -> None:
        self.state.up()
        self.state.brake, self.state.released_by, self.state.released_at = None, by, at


@dataclass(frozen=True, slots=True)
class FakeRoster:
    """The members of each selection."""

    state: FakeState

    async def members(self) -> tuple[Member, ...]:
        self.state.up()
        return tuple(self.state.members[key] for key in sorted(self.state.members))

    async def note(self, members: Sequence[Member]) -> None:
        self.state.up()
        self.state.members |= {(each.selection, each.app_id): each for each in members}

    async def drop(self, selection: str) -> None:
        self.state.up()
        for key in [key for key in self.state.members if key[0] == selection]:
            del self.state.members[key]


@dataclass(frozen=True, slots=True)
class FakeOutbox:
    """What was told, and a list of what is to be told."""

    state: FakeState
    owner: str

    async def standing(self) -> tuple[Standing, ...]:
        self.state.up()
        return tuple(self.state.standing.values())

    async def tell(self, sight: Sight, rules: Rules) -> int:
        self.state.up()
        name, standing = sight.subject.name, self.state.standing
        verdict = decide([each for (subject, _), each in standing.items() if subject == name], sight, rules)
        standing |= {(name, each.kind): each for each in verdict.keep}
        for kind in verdict.drop:
            del standing[name, kind]
        self.state.box += [Boxed(channel, notice) for channel, notice in verdict.notices]
        return len(verdict.notices)

    async def forget(self, subjects: Sequence[str]) -> None:
        self.state.up()
        for key in [key for key in self.state.standing if key[0] in subjects]:
            del self.state.standing[key]

    async def waiting(self) -> Mapping[str, int]:
        self.state.up()
        return dict(Counter(each.channel for each in self.state.box if each.ended_at is None))

    async def take(self, channel: str, at_most: int, *, lasting: timedelta) -> Batch | None:
        self.state.up()
        now, held = self.state.clock.now(), self.state.channels.setdefault(channel, HeldChannel())
        if held.next_at is not None and held.next_at > now:
            return None
        of_it = [(number, each) for number, each in enumerate(self.state.box) if each.channel == channel]
        sent = sum(each.leads and each.ended_at is not None and each.ended_at > now - WINDOW for _, each in of_it)
        waiting = [(number, each.notice) for number, each in of_it if each.ended_at is None]
        taken = waiting[: how_many(len(waiting), sent, at_most)]
        if not taken or (held.owner not in {None, self.owner} and held.until is not None and held.until > now):
            return None
        held.owner, held.until = self.owner, now + lasting
        return Batch(channel, tuple(number for number, _ in taken), tuple(each for _, each in taken), held.tries)

    async def sent(self, batch: Batch) -> None:
        self._ended(batch, leads=True)

    async def give_up(self, batch: Batch) -> None:
        self._ended(batch, leads=False)

    async def put_off(self, batch: Batch, until: datetime) -> None:
        self.state.up()
        if self.state.channels[batch.channel].owner == self.owner:
            self.state.channels[batch.channel] = HeldChannel(tries=batch.tries + 1, next_at=until)

    def _ended(self, batch: Batch, *, leads: bool) -> None:
        self.state.up()
        for number in batch.numbers:
            self.state.box[number].ended_at = self.state.clock.now()
        self.state.box[batch.numbers[0]].leads = leads
        if self.state.channels[batch.channel].owner == self.owner:
            self.state.channels[batch.channel] = HeldChannel()
