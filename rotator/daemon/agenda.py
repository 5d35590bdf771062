"""The targets and when to look at each, as `core.agenda` plans it. Kept in the pulse, where it can be seen.

* At the start everything is due at once, in an order that is the same each time and follows no name.
* What is under way comes before what only rests; beside that, who has waited longest comes first.
* Another configuration is taken up target by target: who is new or changed is due at once, and who failed or was
  blocked as well, since somebody has been at it. The others keep their times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.core.agenda import SHORTEST, Entry, State, is_due, next_entry, next_turn, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from rotator.core.actions import Ending
    from rotator.core.agenda import Pace
    from rotator.core.model import Target
    from rotator.daemon.vitals import Pulse
    from rotator.errors import RotatorError

TROUBLED = frozenset({State.BLOCKED, State.FAILING, State.PARKED})


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
        self._woken: set[str] = set()  # while under way: that pass may have looked before

    def take_up(self, targets: Sequence[Target], now: datetime) -> Changes:
        """Replace the targets."""
        pulse = self._pulse
        known, entries = pulse.targets, pulse.entries
        pulse.targets = {target.name: target for target in targets}
        pulse.entries = {
            target.name: _taken_up(target, known.get(target.name), entries.get(target.name), now) for target in targets
        }
        pulse.last = {name: look for name, look in pulse.last.items() if name in pulse.targets}
        self._places = {target.name: place_of(target.name) for target in targets}
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
        names.sort(key=lambda name: (not pulse.entries[name].soon, pulse.entries[name].at, self._places[name]))
        return [pulse.targets[name] for name in names]

    def next_due(self, now: datetime) -> datetime | None:
        """Return when somebody who is not due yet will be."""
        return min((entry.at for entry in self._pulse.entries.values() if entry.at > now), default=None)

    def has(self, target: Target) -> bool:
        """Say whether the target is still there, and as it was."""
        return self._pulse.targets.get(target.name) == target

    def ended(self, target: Target, ending: Ending | RotatorError, *, now: datetime, spread: float) -> Entry:
        """Note how a pass ended, and return when to look again."""
        before = self._pulse.entries[target.name]
        entry = next_entry(target, ending, before=before, now=now, pace=self.pace, spread=spread)
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

    def _bring_forward(self, name: str, at: datetime, *, soon: bool = False) -> None:
        before = self._pulse.entries[name]
        if soon or not before.failures:
            self._pulse.entries[name] = replace(before, at=min(before.at, at), soon=before.soon or soon)

    def hold(self, target: Target, *, now: datetime, began: bool) -> None:
        """Have the target looked at as soon as its side is back; what it has begun, before others."""
        before = self._pulse.entries[target.name]
        self._pulse.entries[target.name] = replace(before, at=now, soon=before.soon or began)


def _taken_up(target: Target, known: Target | None, entry: Entry | None, now: datetime) -> Entry:
    if known is None or entry is None:
        return Entry(now)
    if known != target or entry.state in TROUBLED:
        return replace(entry, at=min(entry.at, now))
    return entry
