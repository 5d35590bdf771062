"""What a fleet costs of Okta's small bucket over a time: its passes played through by the program's own rules. Pure.

* When something may begin, whose turn it is, when a target is looked at next, and how many calls a minute has room for
  is said by `schedule`, `admission`, `agenda` and `budget`; here is only what happens when nothing goes wrong.
* A few passes of an org are under way at a time; a pass takes the time that its calls wait for room, and none besides.
* What observes is played as if it were let, what asks for approval as if it had it at once; what is rotated when told
  is only looked at. Nobody uses an old secret when its overlap is over.
* The same scene gives the same run, call by call.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from rotator.core.actions import Rest, Waiting
from rotator.core.admission import Admitted, Ledger, Wish, may_begin
from rotator.core.agenda import ASKING, end_of, next_turn, place_of
from rotator.core.capacity_course import Course
from rotator.core.capacity_minutes import MINUTE, Minutes
from rotator.core.capacity_scene import Life, Run
from rotator.core.model import Mode, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.admission import Admission
    from rotator.core.capacity_scene import Scene
    from rotator.core.model import Policy

AT_ONCE = 4  # passes of one org, as the daemon makes them
TAKES = 10  # seconds from a rotation's last call of the small bucket to its end
APPS_IN_A_PAGE = 200
LISTING = timedelta(hours=1)  # of the members of selections


class _Kind(enum.IntEnum):
    """What happens; of what happens in the same second, in this order."""

    ASKED = 0
    RELEASED = 1  # a place for a pass
    FED = 2  # a queue may ask again
    OFF = 3
    GONE = 4
    MET = 5
    DUE = 6


@dataclass(slots=True)
class _Place:
    """Where passes of an org are made: a few at a time."""

    minutes: Minutes
    number: int
    busy: int = 0
    waiting: list[tuple[int, int, int, int]] = field(default_factory=list)  # since when due, in which order, what, who


def played(scene: Scene) -> Run:
    """Play the scene through."""
    return _Play(scene).run()


class _Play:
    """The scene as it is played."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._end = int(scene.span.total_seconds()) // MINUTE * MINUTE
        length = self._end // MINUTE
        self._places = {org: _Place(Minutes(length, room), n) for n, (org, room) in enumerate(scene.rooms.items())}
        self._orgs = list(self._places.values())
        self._place = [self._places[member.target.org] for member in scene.members]
        self._courses: list[Course] = []
        self._course = self._take_courses()
        self._created = [scene.second(member.created) for member in scene.members]
        self._lives: list[Life] = []
        self._life: dict[int, Life] = {}  # of whom a rotation is due or under way
        self._events: list[tuple[int, int, int, int]] = []  # when, what, in which order, who
        self._numbers = count()  # of what happens in the same second
        self._acts: dict[int, Callable[[int, int], None]] = {
            _Kind.OFF: self._switch_off,
            _Kind.GONE: self._remove,
            _Kind.MET: self._meet,
            _Kind.DUE: self._look_and_ask,
        }

    def run(self) -> Run:
        """Let it all happen, in order; then put in the looks at rest."""
        self._list_members()
        self._begin()
        while self._events:
            at, kind, _, who = heappop(self._events)
            match kind:
                case _Kind.RELEASED:
                    self._release(self._orgs[who], at)
                case _Kind.FED:
                    self._feed(self._courses[who], at)
                case _Kind.ASKED:
                    self._ask(who, at)
                    self._feed(self._course[who], at)
                case _Kind.DUE:
                    self._fall_due(who, at)
                case _:
                    self._make(kind, who, at)
        self._look_at_rest()
        minutes = {org: place.minutes for org, place in self._places.items()}
        return Run(self._scene, tuple(self._lives), minutes, tuple(self._course))

    def _begin(self) -> None:
        """Look at all that nobody has met yet, in the agenda's own order; the others rest."""
        members = self._scene.members
        for who in sorted(range(len(members)), key=lambda who: place_of(members[who].target.name)):
            if members[who].known_since is None:
                self._push(0, _Kind.MET, who)
            else:
                self._rest_until_due(who, 0)

    def _push(self, at: int | None, kind: int, who: int) -> None:
        """Let something happen then, if that is before the end."""
        if at is not None and at < self._end:
            heappush(self._events, (at, int(kind), next(self._numbers), who))

    # --- passes ---------------------------------------------------------------------------------------------

    def _make(self, kind: int, who: int, at: int) -> None:
        """Make a pass, now or when there is a place for it; whose secret is overdue comes first."""
        place = self._place[who]
        if place.busy < AT_ONCE:
            self._acts[kind](who, at)
        else:
            heappush(place.waiting, (min(self._due(who), at), next(self._numbers), int(kind), who))

    def _release(self, place: _Place, at: int) -> None:
        place.busy -= 1
        while place.waiting and place.busy < AT_ONCE:
            _, _, kind, who = heappop(place.waiting)
            self._acts[kind](who, at)
            self._feed(self._course[who], at)

    def _call(self, who: int, at: int, what: str, *, urgent: bool = False) -> int:
        """Make a call; while it waits for room its pass takes a place."""
        place = self._place[who]
        done = place.minutes.take(at, what, urgent=urgent)
        if done > at:
            place.busy += 1
            heappush(self._events, (done, int(_Kind.RELEASED), next(self._numbers), place.number))
        return done

    def _meet(self, who: int, at: int) -> None:
        """Look for the first time, and go on if it is due."""
        looked = self._call(who, at, "look")
        if self._due(who) > looked or self._course[who].opening(looked) != looked or self._waits_for_word(who):
            self._rest_until_due(who, looked)
            return
        self._begin_life(who, looked)
        self._course[who].asking += 1
        self._ask_after(who, looked, now=at)

    def _fall_due(self, who: int, at: int) -> None:
        """Look and ask, or stand in the queue of the policy if what the gate told another holds for this one too."""
        course = self._course[who]
        opens = course.opening(at)
        if opens is None or opens > at:  # it waited for something else, and looks in vain
            self._call(who, at, "look")
            self._push(opens, _Kind.DUE, who)
            return
        self._begin_life(who, at)
        if course.queued and (course.held_until <= at or course.refused_at == at):
            heappush(course.queue, (self._due(who), who))
            self._feed(course, at)
        else:
            course.asking += 1
            self._make(_Kind.DUE, who, at)

    def _feed(self, course: Course, at: int) -> None:
        """Let a few of the queue look, and ask for their turn."""
        while course.queue and course.asking < ASKING and course.held_until <= at:
            _, who = heappop(course.queue)
            course.asking += 1
            self._make(_Kind.DUE, who, at)

    def _look_and_ask(self, who: int, at: int) -> None:
        self._ask_after(who, self._call(who, at, "look"), now=at)

    def _ask_after(self, who: int, looked: int, *, now: int) -> None:
        if looked > now:
            self._push(looked, _Kind.ASKED, who)
        else:
            self._ask(who, looked)

    def _ask(self, who: int, at: int) -> None:
        """Ask the gate, as a pass does once it has looked."""
        course, life = self._course[who], self._life[who]
        course.asking -= 1
        if course.opening(at) != at:
            self._push(course.opening(at), _Kind.DUE, who)
            return
        answer = self._admission(who, at)
        if isinstance(answer, Admitted):
            self._rotate(who, at)
            return
        until = max(self._scene.second(answer.until), at + 1) if answer.until else self._end
        if answer.alone:
            life.ready = course.opening(until) or until
            self._push(until, _Kind.DUE, who)
        else:
            self._hold_back(who, at, until)

    def _admission(self, who: int, at: int) -> Admission:
        scene, course, member = self._scene, self._course[who], self._scene.members[who]
        overdue = scene.moment(self._life[who].due)
        wish = Wish(member.target.name, course.policy, Reason.EXPIRED, overdue)
        ledger = Ledger(course.lately(at), len(scene.members), member.known_since or scene.start)
        return may_begin(wish, ledger, scene.limits, scene.moment(at))

    def _hold_back(self, who: int, at: int, until: int) -> None:
        """Let what the gate told one hold for all of the queue, but for those that are looking already."""
        course = self._course[who]
        for _, another in course.queue[: max(0, ASKING - 1 - course.asking)]:
            self._call(another, at, "look")
        heappush(course.queue, (self._life[who].due, who))
        course.refused_at = at
        if until > course.held_until:
            course.held_until = until
            self._push(until, _Kind.FED, self._courses.index(course))

    def _rotate(self, who: int, at: int) -> None:
        """Make the new secret, and promote it; if the window has closed meanwhile, at the next one."""
        course, life, scene = self._course[who], self._life[who], self._scene
        life.begun, life.made = at, self._call(who, at, "create")
        opens = course.opening(life.made)
        if opens is not None and opens > life.made:
            opens = self._place[who].minutes.take(opens, "look")
        self._created[who] = life.made
        ends = (self._end if opens is None else opens) + TAKES
        course.note(scene.members[who].target.name, (at, scene.moment(at)), (ends, scene.moment(ends)))
        if opens is not None and opens < self._end:
            life.promoted = opens
            self._push(self._spread(who, opens, course.policy.overlap, Waiting.OVERLAP), _Kind.OFF, who)

    def _switch_off(self, who: int, at: int) -> None:
        course, life = self._course[who], self._life[who]
        looked = self._call(who, at, "look")
        if course.opening(looked) != looked:
            self._push(course.opening(looked), _Kind.OFF, who)
            return
        life.off = self._call(who, looked, "deactivate", urgent=True)
        self._push(self._spread(who, life.off, course.policy.soak, Waiting.SOAK), _Kind.GONE, who)

    def _remove(self, who: int, at: int) -> None:
        life = self._life.pop(who)
        life.gone = self._call(who, self._call(who, at, "look"), "delete", urgent=True)
        self._rest_until_due(who, life.gone)

    # --- what is known of one -------------------------------------------------------------------------------

    def _due(self, who: int) -> int:
        return self._created[who] + self._course[who].rotate_after

    def _waits_for_word(self, who: int) -> bool:
        return self._course[who].policy.mode is Mode.MANUAL

    def _begin_life(self, who: int, at: int) -> None:
        if who not in self._life:
            self._life[who] = life = Life(who, self._due(who), at)
            self._lives.append(life)

    def _rest_until_due(self, who: int, now: int) -> None:
        """Have it looked at when its secret is due and its window open."""
        opens = None if self._waits_for_word(who) else self._course[who].opening(max(self._due(who), now))
        if opens is not None:
            later = opens > now
            at = self._spread(who, opens, timedelta(0), Waiting.NEXT_ROTATION) if later else now
            self._push(at, _Kind.DUE, who)

    def _spread(self, who: int, since: int, span: timedelta, waiting: Waiting) -> int:
        """Return when the agenda has it looked at whose rest ends then."""
        scene = self._scene
        rest = Rest(scene.moment(since) + span, waiting)
        return scene.second(end_of(rest, scene.members[who].target, scene.pace))

    def _take_courses(self) -> list[Course]:
        """Return the course of each member; those of one policy share it."""
        scene, ends = self._scene, self._scene.start + self._scene.span
        by_policy: dict[Policy, Course] = {}
        by_id: dict[int, Course] = {}  # a policy's own hash is slow
        for policy in {id(member.target.policy): member.target.policy for member in scene.members}.values():
            if policy not in by_policy:
                spans = policy.calendar.spans(scene.start, ends)
                seconds = [(scene.second(opens), scene.second(closes)) for opens, closes in spans]
                by_policy[policy] = Course(policy, seconds, scene.limits)
            by_id[id(policy)] = by_policy[policy]
        self._courses = list(by_policy.values())
        return [by_id[id(member.target.policy)] for member in scene.members]

    # --- what happens besides -------------------------------------------------------------------------------

    def _list_members(self) -> None:
        for org, members in self._scene.listed.items():
            for at in range(0, self._end, int(LISTING.total_seconds())):
                for _ in range(-(-members // APPS_IN_A_PAGE)):
                    self._places[org].minutes.take(at, "listing")

    def _look_at_rest(self) -> None:
        """Have each target looked at at its own moments: those are the agenda's, whatever happens between them."""
        scene, every = self._scene, self._scene.pace.resync
        counts = {org: [0] * (self._end // MINUTE) for org in scene.rooms}
        for member in scene.members:
            looks = counts[member.target.org]
            first = scene.second(next_turn(member.target.name, scene.start, every))
            for at in range(first, self._end, int(every.total_seconds())):
                looks[at // MINUTE] += 1
        targets = Counter(member.target.org for member in scene.members)
        for org, looks in counts.items():
            self._places[org].minutes.fill_in(looks, targets[org])
