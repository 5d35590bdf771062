"""What the daemon sees beside its passes: who is away, what holds everything back, what is soon or late.

* Of a side that is away one member tells, and one that saw it come back tells that. One that never saw it away ends it
  only when nobody has seen it so for a while.
* When a removal was to come is kept while looks fail: an outage must not hide that it is late.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.app.notices import subject_of
from rotator.core.agenda import State
from rotator.core.deadlines import Removal, late, removal_of, upcoming
from rotator.core.notices import Kind, Said, Sight, Subject
from rotator.core.survey import NEW_STATE
from rotator.daemon.vitals import STATE, Condition, Side

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from datetime import datetime

    from rotator.core.admission import Brake
    from rotator.core.deadlines import Deadlines, Late
    from rotator.core.notices import Standing
    from rotator.daemon.vitals import Reach, TargetVitals, Vitals

CONFIRMED = timedelta(seconds=30)  # for so long a side is away before that is told: most come back
SURVEY = timedelta(minutes=10)  # a new state that has not been surveyed by then waits for something
NOT_SEEN = timedelta(minutes=10)  # what no member has seen for so long is over
PIECE = 200  # targets between two turns of the loop
BRAKE, BREAKERS = Subject("the brake"), Subject("the breakers")
SURE = frozenset({Condition.SEALED, Condition.REFUSED})  # a person is needed, so much is known at once
DEADLINES = frozenset({Kind.LATE, Kind.UPCOMING})


def name_of(side: Side) -> str:
    """Return a side as notices name it: `okta acme`."""
    return f"{side.kind} {side.alias}"


def sides_seen(vitals: Vitals, standing: Mapping[str, Standing], now: datetime) -> Iterator[Sight]:
    """Yield what is seen of each side that was asked, or of which something was told; `standing` by subject."""
    known = {name_of(side): side for side in (*vitals.reach, *vitals.sides()) if side != STATE}
    for name, side in known.items():
        reach, told = vitals.reach.get(side), standing.get(name)
        if reach is not None and not reach.fine:
            if reach.condition in SURE or now - reach.since >= CONFIRMED:
                yield Sight(Subject(name), now, lasts={Kind.FAILED: _said(reach)})
        elif told is not None and _is_over(reach, told, now):
            yield Sight(Subject(name), now, over=frozenset({Kind.FAILED}))


def brake_seen(brake: Brake | None, now: datetime) -> Sight:
    """Return what is seen of the brake. That of a new state is none yet: it is released by itself, as a rule."""
    if brake is None:
        return Sight(BRAKE, now, over=frozenset({Kind.BRAKE}))
    if brake.why == NEW_STATE and now - brake.since < SURVEY:
        return Sight(BRAKE, now)
    return Sight(BRAKE, now, lasts={Kind.BRAKE: Said(brake.why, f"everything only observes: {brake.why}", brake.hint)})


class Deadlook:
    """Looks through all targets for what is soon or late."""

    def __init__(self) -> None:
        """Know of no removal yet."""
        self._removals: dict[str, Removal] = {}
        self.late: Counter[str] = Counter()  # targets, by what is late

    async def seen(self, vitals: Vitals, deadlines: Deadlines, now: datetime) -> AsyncIterator[Sight]:
        """Yield what is seen of each target, and of the breakers."""
        counted: Counter[str] = Counter()
        stopped: list[TargetVitals] = []
        for number, one in enumerate(vitals.targets()):
            if number % PIECE == 0:
                await asyncio.sleep(0)
            found = self._late(one, deadlines, now)
            counted.update([found.step] if found else [])
            stopped += [one] if one.state is State.STOPPED else []
            if one.last is not None:
                yield _deadlines_of(one, found, deadlines, now)
        self.late = counted
        yield _breakers(stopped, now)

    def keep(self, names: frozenset[str]) -> None:
        """Forget the targets that are gone."""
        self._removals = {name: removal for name, removal in self._removals.items() if name in names}

    def _late(self, one: TargetVitals, deadlines: Deadlines, now: datetime) -> Late | None:
        name, look = one.target.name, one.last
        if look is not None and look.result != "error":
            self._removals.pop(name, None)
            if (removal := removal_of(look)) is not None:
                self._removals[name] = removal
        return late(one.target, look, self._removals.get(name), deadlines, now)


def _deadlines_of(one: TargetVitals, found: Late | None, deadlines: Deadlines, now: datetime) -> Sight:
    soon = upcoming(one.target, one.last, deadlines, now)
    said = found.said if found else None
    lasts = {kind: each for kind, each in ((Kind.LATE, said), (Kind.UPCOMING, soon)) if each is not None}
    return Sight(subject_of(one.target), now, lasts, DEADLINES - lasts.keys())


def _breakers(stopped: list[TargetVitals], now: datetime) -> Sight:
    if not stopped:
        return Sight(BREAKERS, now, over=frozenset({Kind.BRAKE}))
    first = stopped[0]
    why = first.last.detail if first.last else ""
    detail = f"{len(stopped)} targets are due and not let begin: {why}"
    hint = "Find out why; `rotator resume --all` lets all go on at once."
    return Sight(BREAKERS, now, lasts={Kind.BRAKE: Said("a breaker is open", detail, hint)})


def _said(reach: Reach) -> Said:
    hint = "Its targets wait; all go on by themselves when it is back."
    return Said(reach.condition.value, f"{reach.condition.value}: {reach.detail}", hint)


def _is_over(reach: Reach | None, told: Standing, now: datetime) -> bool:
    seen_back = reach is not None and reach.since >= told.since
    return seen_back or told.seen_at + NOT_SEEN < now
