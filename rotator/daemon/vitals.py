"""What the daemon shows of itself: read-only, always as it is now, and without anything secret.

* Only the loop writes, through the `Pulse`; whoever shows it reads a `Vitals`, from the same event loop.
* Alive means that ticks finish: `tick_age`, on a clock that nobody can set. A scheduler's own word proves nothing.
"""

from __future__ import annotations

import enum
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.core.agenda import Entry, LastLook, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta

    from rotator.core.admission import Brake
    from rotator.core.model import Target
    from rotator.core.preflight import Finding


class Condition(enum.Enum):
    """How an org or a Vault stands, as far as the last answers tell. The value is what operators see."""

    UP = "reachable"
    UNREACHABLE = "unreachable"
    SEALED = "sealed"  # a Vault
    REFUSED = "refuses us"  # it does not take our own login
    LIMITED = "rate limited"  # until `until`; nothing is wrong


@dataclass(frozen=True, slots=True)
class Side:
    """An org (`kind` is `okta`) or a Vault (`vault`), by its alias; or the one state database."""

    kind: str
    alias: str


STATE = Side("state", "database")


def sides_of(target: Target) -> tuple[Side, Side, Side]:
    """Return all that a target needs: its org, its Vault, and the state."""
    return Side("okta", target.org), Side("vault", target.vault), STATE


@dataclass(frozen=True, slots=True)
class Reach:
    """The condition of a side, and since when. `detail` is one line for people."""

    condition: Condition
    since: datetime
    detail: str = ""
    until: datetime | None = None  # of a rate limit

    @property
    def fine(self) -> bool:
        """Whether targets are looked at: neither away nor refusing."""
        return self.condition in {Condition.UP, Condition.LIMITED}


@dataclass(frozen=True, slots=True)
class TargetVitals:
    """A target, how it stands, and when it is looked at next."""

    target: Target
    state: State
    next_look: datetime
    failures: int
    under_way: bool
    last: LastLook | None


@dataclass(slots=True)
class Pulse:
    """The loop's own notes, of which `Vitals` is the outside."""

    started_at: datetime
    tick_every: timedelta
    monotonic: Callable[[], float] = time.monotonic
    ticked_at: datetime | None = None
    ticked: float | None = None
    ticks: int = 0
    stopping: bool = False
    targets: dict[str, Target] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    last: dict[str, LastLook] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    reach: dict[Side, Reach] = field(default_factory=dict)
    brake: Brake | None = None
    held_back: dict[str, Finding] = field(default_factory=dict)  # by the pre-flight, by target
    began: float = field(init=False)

    def __post_init__(self) -> None:
        """Count from now, until a tick has finished."""
        self.began = self.monotonic()

    def tick_finished(self, now: datetime) -> None:
        """Note that the loop has come round."""
        self.ticked_at, self.ticked = now, self.monotonic()
        self.ticks += 1


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the daemon is. Every property is as of now; every value in it is frozen."""

    _pulse: Pulse

    @property
    def started_at(self) -> datetime:
        """When the daemon began."""
        return self._pulse.started_at

    @property
    def tick_every(self) -> timedelta:
        """How often a tick is meant to finish."""
        return self._pulse.tick_every

    @property
    def last_tick(self) -> datetime | None:
        """When the last tick finished; None before the first."""
        return self._pulse.ticked_at

    @property
    def tick_age(self) -> float | None:
        """How many seconds ago that was, whatever has been done to the clock meanwhile."""
        ticked = self._pulse.ticked
        return None if ticked is None else self._pulse.monotonic() - ticked

    @property
    def ticks(self) -> int:
        """How many ticks have finished."""
        return self._pulse.ticks

    @property
    def silence(self) -> float:
        """How many seconds ago the last tick finished, or the daemon began if none has."""
        return self._pulse.monotonic() - self._pulse.began if self.tick_age is None else self.tick_age

    @property
    def alive(self) -> bool:
        """Whether ticks finish: the last one is younger than three, and a moment. The first one has as long."""
        return self.silence <= 3 * self.tick_every.total_seconds() + 5

    @property
    def stopping(self) -> bool:
        """Whether the daemon has been told to stop."""
        return self._pulse.stopping

    @property
    def reach(self) -> Mapping[Side, Reach]:
        """The orgs and Vaults that were asked so far."""
        return dict(self._pulse.reach)

    def sides(self) -> frozenset[Side]:
        """Return the orgs and Vaults that targets need, and the state."""
        return frozenset(side for target in self._pulse.targets.values() for side in sides_of(target))

    def targets(self) -> Iterator[TargetVitals]:
        """Yield every target, in the order of the configuration."""
        for name in tuple(self._pulse.targets):
            if name in self._pulse.targets:  # whoever goes through them slowly may meet other settings
                yield self.target(name)

    def target(self, name: str) -> TargetVitals:
        """Return one target; KeyError if there is none of that name."""
        pulse = self._pulse
        target, entry = pulse.targets[name], pulse.entries[name]
        return TargetVitals(
            target=target,
            state=State.HELD if self._held(target) else entry.state,
            next_look=entry.at,
            failures=entry.failures,
            under_way=name in pulse.under_way,
            last=pulse.last.get(name),
        )

    @property
    def brake(self) -> Brake | None:
        """Why everything only observes; None if it does not."""
        return self._pulse.brake

    @property
    def held_back(self) -> Mapping[str, Finding]:
        """The targets that the pre-flight holds back, and why."""
        return dict(self._pulse.held_back)

    def by_state(self) -> Counter[State]:
        """Count the targets by how they stand."""
        return Counter(each.state for each in self.targets())

    def _held(self, target: Target) -> bool:
        return any(side in self._pulse.reach and not self._pulse.reach[side].fine for side in sides_of(target))
