"""What a run of a fleet shows (`core.capacity`): peaks, windows that are too small, backlogs, and an emergency. Pure.

* A window holds what falls into it if all that could begin in it did.
* In an emergency all are rotated at once, by a person's word: no window, no wave, the urgent share. A second figure has
  the old ones switched off as well.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.capacity_minutes import MINUTE, REMOVAL, ROTATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rotator.core.capacity_course import Course
    from rotator.core.capacity_minutes import Minutes, Room
    from rotator.core.capacity_scene import Life, Run, Scene
    from rotator.core.model import Policy

DAY = 24 * 60  # minutes
LATE = timedelta(minutes=5)  # what begins so soon has waited for nothing worth telling


@dataclass(frozen=True, slots=True)
class Peak:
    """The busiest of several spans of time."""

    calls: int
    at: datetime


@dataclass(frozen=True, slots=True)
class OrgFigures:
    """What one org's small bucket gets."""

    org: str
    room: Room
    targets: int
    spent: Mapping[str, int]
    minute: Peak
    hour: Peak
    day: Peak
    full: int  # minutes in which the routine share was used up
    late_looks: int
    by_day: tuple[int, ...]
    busiest: tuple[int, ...]  # minute of each day

    @property
    def total(self) -> int:
        return sum(self.by_day)


@dataclass(frozen=True, slots=True)
class TooSmall:
    """An opening that could not hold what fell into it."""

    opens: datetime
    closes: datetime
    fell: int
    left: int


@dataclass(frozen=True, slots=True)
class Dark:
    """A blackout: what fell due in it, and when the last of that had begun."""

    begins: datetime
    ends: datetime
    fell: int
    caught_up: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """How one policy fares."""

    policy: Policy
    targets: int
    due: int
    begun: int
    overdue: int  # at the start
    backlog_over: datetime | None  # None: there is none, or it is not over at the end
    openings: int
    too_small: tuple[TooSmall, ...]
    dark: tuple[Dark, ...]
    latest: timedelta  # from the time at which one could begin
    two_active: timedelta
    two_active_of: str


@dataclass(frozen=True, slots=True)
class Emergency:
    """All targets of an org compromised at once, on the urgent share."""

    org: str
    targets: int
    calls: int
    promoted_after: timedelta
    removed_after: timedelta


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it."""

    scene: Scene
    orgs: tuple[OrgFigures, ...]
    policies: tuple[PolicyFigures, ...]
    emergencies: tuple[Emergency, ...]
    rotations_by_day: tuple[int, ...]


def figures_of(run: Run) -> Figures:
    """Return what a run shows."""
    scene = run.scene
    targets = Counter(member.target.org for member in scene.members)
    of_course: dict[int, list[Life]] = {}
    for life in run.lives:
        of_course.setdefault(id(run.courses[life.member]), []).append(life)
    members = Counter(id(course) for course in run.courses)
    courses = {id(course): course for course in run.courses}
    days = -(-int(scene.span.total_seconds()) // MINUTE // DAY)
    begun = Counter(life.begun // (MINUTE * DAY) for life in run.lives if life.begun is not None)
    return Figures(
        scene,
        tuple(_org(org, minutes, scene, targets[org]) for org, minutes in run.minutes.items() if targets[org]),
        tuple(_policy(course, of_course.get(key, []), scene, targets=members[key]) for key, course in courses.items()),
        tuple(emergency(org, count, scene.rooms[org]) for org, count in targets.items()),
        tuple(begun[day] for day in range(days)),
    )


def emergency(org: str, targets: int, room: Room) -> Emergency:
    """Return how long it takes to rotate so many at once."""
    promote, remove = targets * ROTATION, targets * (ROTATION + REMOVAL)
    minutes = [timedelta(minutes=-(-calls // room.urgent)) for calls in (promote, remove)]
    return Emergency(org, targets, remove, *minutes)


def _org(org: str, minutes: Minutes, scene: Scene, targets: int) -> OrgFigures:
    calls = minutes.calls
    days = _in_spans(calls, DAY)
    return OrgFigures(
        org=org,
        room=minutes.room,
        targets=targets,
        spent=dict(sorted(minutes.spent.items())),
        minute=_peak(calls, 1, scene),
        hour=_peak(_in_spans(calls, 60), 60, scene),
        day=_peak(days, DAY, scene),
        full=sum(each >= minutes.room.routine for each in calls),
        late_looks=minutes.late,
        by_day=tuple(days),
        busiest=tuple(max(calls[first : first + DAY]) for first in range(0, len(calls), DAY)),
    )


def _in_spans(calls: Sequence[int], length: int) -> list[int]:
    return [sum(calls[first : first + length]) for first in range(0, len(calls), length)]


def _peak(spans: Sequence[int], length: int, scene: Scene) -> Peak:
    most = max(spans)
    return Peak(most, scene.moment(spans.index(most) * length * MINUTE))


def _policy(course: Course, lives: Sequence[Life], scene: Scene, *, targets: int) -> PolicyFigures:
    overdue = [life for life in lives if life.due < 0]
    active = [(_two_active(life, scene), life.member) for life in lives if life.made is not None]
    longest, whose = max(active, default=(0, -1))
    waits = [(life.begun if life.begun is not None else _end(scene)) - life.ready for life in lives]
    return PolicyFigures(
        policy=course.policy,
        targets=targets,
        due=len(lives),
        begun=sum(life.begun is not None for life in lives),
        overdue=len(overdue),
        backlog_over=_over(overdue, scene),
        openings=len(course.spans),
        too_small=_too_small(course, lives, scene),
        dark=tuple(_dark(course, lives, scene)),
        latest=timedelta(seconds=max(waits, default=0)),
        two_active=timedelta(seconds=longest),
        two_active_of=scene.members[whose].target.name if active else "",
    )


def _two_active(life: Life, scene: Scene) -> int:
    assert life.made is not None
    return min(_end(scene) if life.off is None else life.off, _end(scene)) - life.made


def _end(scene: Scene) -> int:
    return int(scene.span.total_seconds())


def _over(lives: Sequence[Life], scene: Scene) -> datetime | None:
    """Return when the last of these had begun; None if not all have."""
    begun = [life.begun for life in lives if life.begun is not None]
    return scene.moment(max(begun)) if begun and len(begun) == len(lives) else None


def _too_small(course: Course, lives: Iterable[Life], scene: Scene) -> tuple[TooSmall, ...]:
    """Return the openings that were over before all that fell into them had begun, what waited from before included."""
    if not course.policy.windows:
        return ()
    fell, left = Counter[int](), Counter[int]()
    for life in lives:
        first = course.span_at(life.ready)
        last = course.span_at(life.begun) if life.begun is not None else len(course.spans)
        for span in range(first, min(last + 1, len(course.spans))):
            fell[span] += 1
            left[span] += span < last
    spans = [(n, *course.spans[n]) for n in sorted(left) if left[n]]
    return tuple(
        TooSmall(scene.moment(opens), scene.moment(closes), fell[n], left[n])
        for n, opens, closes in spans
        if closes < _end(scene)  # what the end cuts off tells nothing
    )


def _dark(course: Course, lives: Sequence[Life], scene: Scene) -> Iterable[Dark]:
    for each in course.policy.blackouts:
        begins, ends = scene.second(each.begins), scene.second(each.ends)
        if ends <= 0 or begins >= _end(scene):
            continue
        fell = [life for life in lives if begins <= life.due < ends]
        yield Dark(each.begins, each.ends, len(fell), _over(fell, scene))
