"""The targets and when to look at each, as `core.agenda` plans it. Kept in the pulse, where it can be seen.

* What is remembered of a target from before a restart, or by another member, is taken up as it is: a settled one costs
  no look. Whose configuration has changed since, and who failed or was blocked, is looked at now.
* Who is remembered by nobody is due at once, in an order that is the same each time and follows no name.
* What is under way comes before what only rests; then whose secret is overdue, the longest first; then who has waited
  longest.
* Who waits its turn asks for it a few at a time, and what the gate tells one holds for the others of its policy: a
  thousand in the queue must not cost a thousand looks at every opening. Whose secret is overdue and whose policy has
  waves will ask for its turn, and stands in the queue as well: when a window opens, many do at once.
* Another configuration is taken up target by target: who is new or changed is due at once, and who failed or was
  blocked as well, since somebody has been at it. The others keep their times.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rotator.core.actions import Waiting
from rotator.core.agenda import (
    ASKING,
    SHORTEST,
    SPREAD,
    Entry,
    Remembered,
    State,
    digests_of,
    is_due,
    next_entry,
    next_turn,
    place_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from rotator.core.actions import Ending
    from rotator.core.agenda import Pace
    from rotator.core.model import Target
    from rotator.daemon.vitals import Pulse
    from rotator.errors import RotatorError

TROUBLED = frozenset({State.BLOCKED, State.FAILING, State.PARKED})
IN_QUEUE = frozenset({State.QUEUED, State.STOPPED})
WILL_ASK = frozenset({Waiting.WINDOW.value, Waiting.NEXT_ROTATION.value})  # what those rest for whose turn may come
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Changes:
    """What another configuration changed."""

    added: int
    changed: int
    removed: int


class Agenda:
    """Who is due."""

    def __init__(self, pulse: Pulse, pace: Pace) -> None:
        """Begin without targets."""
        self.pace = pace
        self._pulse = pulse
        self._places: dict[str, float] = {}
        self._digests: dict[str, str] = {}
        self._known_since: dict[str, datetime] = {}
        self._woken: set[str] = set()  # while under way: that pass may have looked before

    def take_up(
        self, targets: Sequence[Target], now: datetime, remembered: Mapping[str, Remembered] | None = None
    ) -> Changes:
        """Replace the targets; of those who are new here, `remembered` has what others know."""
        pulse, memories = self._pulse, remembered or {}
        known, entries = pulse.targets, pulse.entries
        digests = digests_of(targets)
        last = {name: each.last for name, each in memories.items() if each.last is not None} | pulse.last
        pulse.targets = {target.name: target for target in targets}
        pulse.entries = {
            name: _taken_up(
                entries.get(name) or (memories[name].entry if name in memories else None),
                unchanged=digest == (self._digests.get(name) or (memories[name].settings if name in memories else "")),
                now=now,
            )
            for name, digest in digests.items()
        }
        pulse.last = {name: look for name, look in last.items() if name in pulse.targets}
        since = {name: each.known_since for name, each in memories.items()} | self._known_since
        self._known_since = {name: since.get(name, now) for name in digests}
        self._places = {name: place_of(name) for name in digests}
        self._digests = digests
        return Changes(
            added=len(pulse.targets.keys() - known.keys()),
            changed=sum(known.get(target.name, target) != target for target in targets),
            removed=len(known.keys() - pulse.targets.keys()),
        )

    def due(self, now: datetime) -> list[Target]:
        """Return who is to be looked at and is not being looked at, the most pressing first."""
        pulse = self._pulse
        names = [
            name
            for name, entry in pulse.entries.items()
            if is_due(entry, now, self.pace) and name not in pulse.under_way
        ]
        names.sort(key=lambda name: self._rank(name, now))
        asking = Counter(
            pulse.targets[name].policy.name
            for name in pulse.under_way & pulse.entries.keys()
            if self._in_queue(name, now)
        )
        return [pulse.targets[name] for name in names if self._may_ask(name, asking, now)]

    def next_due(self, now: datetime) -> datetime | None:
        """Return when somebody who is not due yet will be."""
        return min((entry.at for entry in self._pulse.entries.values() if entry.at > now), default=None)

    def has(self, target: Target) -> bool:
        """Say whether the target is still there, and as it was."""
        return self._pulse.targets.get(target.name) == target

    def knows(self, name: str) -> bool:
        """Say whether there is a target of that name."""
        return name in self._pulse.targets

    def anybody(self) -> str | None:
        """Return the name of a target, whichever; None if there is none."""
        return next(iter(self._pulse.targets), None)

    def ended(
        self,
        target: Target,
        ending: Ending | RotatorError,
        *,
        now: datetime,
        spread: float,
        overdue_since: datetime | None = None,
    ) -> Entry:
        """Note how a pass ended, and return when to look again. `overdue_since`: None if the pass could not tell."""
        before = self._pulse.entries[target.name]
        entry = next_entry(target, ending, before=before, now=now, pace=self.pace, spread=spread)
        entry = replace(entry, overdue_since=overdue_since or before.overdue_since)
        if entry.state in IN_QUEUE:
            self._hold_back(target.policy.name, entry, now)
        if target.name in self._woken:
            self._woken.discard(target.name)
            entry = replace(entry, at=min(entry.at, now + SHORTEST))
        self._pulse.entries[target.name] = entry
        return entry

    def wake(self, names: Iterable[str], now: datetime, *, within: timedelta | None = None) -> None:
        """Have these targets looked at now, before those that only rest; who is being looked at, once more.

        `within` some time: each at a moment of its own in it. Who failed keeps its time then.
        """
        for name in self._pulse.entries.keys() & names:
            if within is not None:
                self._bring_forward(name, next_turn(name, now, within))
            elif name in self._pulse.under_way:
                self._woken.add(name)
            else:
                self._bring_forward(name, now, soon=True)

    def clock_put_back(self, now: datetime) -> None:
        """Have all looked at soon who are not due anyway: what they wait for was planned by a clock that was ahead."""
        later = [name for name, entry in self._pulse.entries.items() if not is_due(entry, now, self.pace)]
        self.wake(later, now, within=SPREAD)

    def over(self, name: str, now: datetime) -> None:
        """Note that a pass over it has ended; whoever was woken since it noted its ending is looked at again."""
        self._pulse.under_way.discard(name)
        if name in self._woken:
            self._woken.discard(name)
            if name in self._pulse.entries:
                self._bring_forward(name, now + SHORTEST, soon=True)

    def held_back(self) -> list[str]:
        """Return who waits for a turn, or for a breaker."""
        return [name for name, entry in self._pulse.entries.items() if entry.state in IN_QUEUE]

    def hold(self, target: Target, *, now: datetime, began: bool) -> None:
        """Have the target looked at as soon as its side is back; what it has begun, before others."""
        before = self._pulse.entries[target.name]
        self._pulse.entries[target.name] = replace(before, at=now, soon=before.soon or began)

    def remembered(self, name: str) -> Remembered:
        """Return what is worth remembering of a target."""
        pulse = self._pulse
        return Remembered(name, self._digests[name], self._known_since[name], pulse.entries[name], pulse.last.get(name))

    def heard(self, what: Iterable[Remembered]) -> None:
        """Take up what another member has found out; of whom we look at ourselves, our own look counts."""
        pulse = self._pulse
        for each in what:
            if each.name in pulse.under_way or self._digests.get(each.name) != each.settings:
                continue
            pulse.entries[each.name] = each.entry
            if each.last is not None:
                pulse.last[each.name] = each.last

    def _rank(self, name: str, now: datetime) -> tuple[bool, datetime, datetime, float]:
        entry = self._pulse.entries[name]
        overdue = entry.overdue_since if entry.overdue_since and entry.overdue_since <= now else NEVER
        return not entry.soon, overdue, entry.at, self._places[name]

    def _in_queue(self, name: str, now: datetime) -> bool:
        """Say whether its next look will most likely ask for its turn."""
        entry, last = self._pulse.entries[name], self._pulse.last.get(name)
        if entry.state in IN_QUEUE:
            return True
        overdue = entry.overdue_since is not None and entry.overdue_since <= now
        waves = self._pulse.targets[name].policy.wave is not None
        return entry.state is State.RESTING and overdue and waves and last is not None and last.waiting in WILL_ASK

    def _may_ask(self, name: str, asking: Counter[str], now: datetime) -> bool:
        """Say whether one more of its policy may ask for its turn, and count it."""
        if self._pulse.entries[name].soon or not self._in_queue(name, now):
            return True
        policy = self._pulse.targets[name].policy.name
        asking[policy] += 1
        return asking[policy] <= ASKING

    def _hold_back(self, policy: str, like: Entry, now: datetime) -> None:
        """Let what the gate told one hold for all of its policy that wait for the same."""
        pulse = self._pulse
        for name, entry in pulse.entries.items():
            same = entry.state is like.state or (like.state is State.QUEUED and entry.state is State.RESTING)
            waits = same and self._in_queue(name, now) and entry.at <= now and not entry.soon
            if waits and pulse.targets[name].policy.name == policy and name not in pulse.under_way:
                pulse.entries[name] = replace(entry, at=like.at)

    def _bring_forward(self, name: str, at: datetime, *, soon: bool = False) -> None:
        before = self._pulse.entries[name]
        if soon or not before.failures:
            self._pulse.entries[name] = replace(before, at=min(before.at, at), soon=before.soon or soon)


def _taken_up(entry: Entry | None, *, unchanged: bool, now: datetime) -> Entry:
    if entry is None:
        return Entry(now)
    if not unchanged or entry.state in TROUBLED:
        return replace(entry, at=min(entry.at, now))
    return entry
