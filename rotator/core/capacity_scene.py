"""What is played through, and what came of it (`core.capacity`): a fleet, a time, limits; rotations and calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.admission import Limits
from rotator.core.agenda import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.core.capacity_course import Course
    from rotator.core.capacity_minutes import Minutes, Room
    from rotator.core.model import Target


@dataclass(frozen=True, slots=True)
class Member:
    """A target of the fleet. `known_since`: when we met it; None if that will be at the start."""

    target: Target
    created: datetime  # its secret
    known_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played through: who, from when on and for how long, and by which limits."""

    members: Sequence[Member]
    start: datetime
    span: timedelta
    rooms: Mapping[str, Room]  # by the org's alias
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    listed: Mapping[str, int] = field(default_factory=dict)  # by org: how many members of selections it has

    def second(self, moment: datetime) -> int:
        """Return a time as seconds after the start."""
        return int((moment - self.start).total_seconds() // 1)

    def moment(self, second: int) -> datetime:
        """Return the time so many seconds after the start."""
        return self.start + timedelta(seconds=second)


@dataclass(slots=True)
class Life:
    """One rotation, in seconds after the start: since when it is due, since when it could begin, what came of it."""

    member: int
    due: int
    ready: int
    begun: int | None = None
    made: int | None = None
    promoted: int | None = None
    off: int | None = None
    gone: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a scene."""

    scene: Scene
    lives: tuple[Life, ...]  # in the order in which they were ready
    minutes: Mapping[str, Minutes]  # by org
    courses: tuple[Course, ...]  # by member
