"""Years of a fleet in minutes: the daemon's own loop over an org and a Vault in memory, from one due time to the next.

`python -m tests.clocks.years --years 10 --targets 200 --seed 1` prints what was seen as JSON, and exits with 1 if a
promise was broken. Each call takes a fifth of a second, one in a hundred goes wrong, and the windows lie where clocks
are changed. Nobody interferes, so that each target is to be rotated once in each of its periods and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import structlog

from rotator.core.agenda import Pace
from rotator.core.model import Mode, Policy, Wave
from rotator.core.schedule import DAYS, Blackout, Window
from rotator.core.usage import Usage
from rotator.errors import UnavailableError, UnknownOutcomeError
from tests.app.small_world import OLD, SmallWorld
from tests.daemon.post import Post
from tests.fakes.gate import LedgerGate
from tests.fakes.okta import ManualClock

if TYPE_CHECKING:
    from rotator.core.model import Target
    from rotator.ports import Clock

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
YEAR, DAY, HOUR, MINUTE = timedelta(days=365), timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
CALL = timedelta(milliseconds=200)
FAULTS = 0.01
QUEUE = 2 * DAY  # for a wave's turn, for what failed to be tried again, for the tick
KEEP = 60 * DAY  # of Okta's log
EVERY_DAY, WORKDAYS = frozenset(DAYS), frozenset(DAYS[:4])
CHRISTMAS = tuple(Blackout(date(year, 12, 20), date(year + 1, 1, 3), "Pacific/Chatham") for year in range(2025, 2040))


def _policy(name: str, rotate: int, overlap: int, soak: int, **more: Any) -> Policy:
    days = {"rotate_after": rotate * DAY, "overlap": overlap * DAY, "soak": soak * DAY}
    return Policy(name=name, mode=Mode.AUTO, wave=Wave(), **{**days, **more})


POLICIES = (
    _policy("always open", 90, 7, 3),
    _policy("office", 30, 2, 1, windows=(Window(WORKDAYS, time(9), time(16), "Europe/Oslo"),)),
    _policy(
        "a night a week",
        60,
        7,
        3,
        windows=(Window(frozenset({"sat"}), time(22), time(4), "America/New_York"),),
        blackouts=CHRISTMAS,
    ),
    _policy(
        "where clocks are changed",
        45,
        5,
        2,
        windows=(Window(EVERY_DAY, time(1, 30), time(3), "Australia/Lord_Howe"),),
        usage=Usage.OFF,
    ),
)


@dataclass
class Life:
    """One target, as its consumers and Okta's console show it."""

    target: Target
    small: SmallWorld
    clock: Clock  # the true one
    current: str = OLD
    owed: dict[str, datetime] = field(default_factory=dict)  # former value → until when it has to be taken
    promoted: list[datetime] = field(default_factory=list)
    created: list[datetime] = field(default_factory=list)  # the creations that were applied
    two_since: datetime | None = None
    two: list[timedelta] = field(default_factory=list)  # how long there were two active secrets, each time
    broken: list[str] = field(default_factory=list)
    early: timedelta = timedelta(0)  # by so much the overlap may be shorter
    slots: frozenset[str] = frozenset()

    def look(self) -> None:
        """See what an effect of ours has come to."""
        now, okta = self.clock.now(), self.small.okta
        held = okta.held(self.target.app_id)
        if (value := self.small.current(self.target)) != self.current:
            self.owed[self.current] = now + self.target.policy.overlap - self.early
            self.current = value
            self.promoted.append(now)
        for each in held:
            if each.id not in self.slots and each.value.reveal() != OLD:
                self.created.append(now)
        self.slots = frozenset(each.id for each in held)
        self.owed = {each: until for each, until in self.owed.items() if until > now}
        taken = {each.value.reveal() for each in held if each.status.value == "ACTIVE"}
        self.broken += [
            f"I1: at {now} a value is not taken" for each in (self.current, *self.owed) if each not in taken
        ]
        self._count_two(len(taken) > 1, now)

    def _count_two(self, two: bool, now: datetime) -> None:
        if two and self.two_since is None:
            self.two_since = now
        if not two and self.two_since is not None:
            self.two.append(now - self.two_since)
            self.two_since = None

    def longest_closed(self, until: datetime) -> timedelta:
        """Return how long the calendar is closed at the most."""
        spans = self.target.policy.calendar.spans(BEGINS - 30 * DAY, until + 30 * DAY)
        gaps = [after[0] - before[1] for before, after in pairwise(spans)]
        return max(gaps, default=timedelta(0))

    def lateness(self) -> list[timedelta]:
        """Return for each rotation how long after it was due consumers had the new value."""
        born = [*self.created]  # the first secret was there before
        due = [each + self.target.policy.rotate_after for each in born]
        return [at - when for at, when in zip(self.promoted[1:], due, strict=False)]


class Weather:
    """A port whose calls take a moment; one in a hundred is lost, before or after it was applied."""

    def __init__(self, inner: Any, fleet: Fleet, writes: frozenset[str]) -> None:
        self._inner, self._fleet, self._writes = inner, fleet, writes

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if not callable(real) or name == "prove":
            return real

        async def call(*args: Any, **kwargs: Any) -> Any:
            fleet, writes = self._fleet, name in self._writes
            fleet.small.clock.advance(CALL)
            lot = fleet.rng.random() / fleet.faults if fleet.faults else 1.0
            if lot < 0.5:
                fleet.lost[name] += 1
                raise UnknownOutcomeError("lost") if writes and lot < 0.25 else UnavailableError("away")
            answer = await real(*args, **kwargs)
            if writes:
                fleet.applied(name, args[0])
                if lot < 1:
                    fleet.lost[name] += 1
                    raise UnknownOutcomeError("lost after it was applied")
            return answer

        return call


OKTA_WRITES = frozenset({"create_secret", "activate_secret", "deactivate_secret", "delete_secret"})
KV_WRITES = frozenset({"write", "destroy"})


class Fleet:
    """Everything at once."""

    def __init__(self, targets: int, seed: int, *, faults: float = FAULTS) -> None:
        self.rng, self.faults = random.Random(seed), 0.0
        self.small = SmallWorld(clock=ManualClock(BEGINS))
        self.lost: Counter[str] = Counter()
        self.lives: dict[str, Life] = {}
        self._by_place: dict[object, Life] = {}
        for n in sorted(range(targets), key=lambda _: self.rng.random()):
            self._add(n, POLICIES[n % len(POLICIES)], 30 * DAY / targets)
        self.faults = faults
        small = self.small
        small.flaky_okta = Weather(small.okta, self, OKTA_WRITES)  # type: ignore[assignment]
        small.flaky_kv = Weather(small.kv, self, KV_WRITES)  # type: ignore[assignment]
        gate = LedgerGate(small.clock, fleet=targets)
        small.world = replace(small.world, okta=small.flaky_okta, tokens=small.flaky_okta, kv=small.flaky_kv, gate=gate)

    def _add(self, n: int, policy: Policy, later: timedelta) -> None:
        target = replace(self.small.settled(f"t{n}", app_id=f"0oa{n}"), policy=policy)
        life = Life(target, self.small, self.small.clock)
        life.slots = frozenset(each.id for each in self.small.okta.held(target.app_id))
        self.lives[target.name] = self._by_place[target.app_id] = self._by_place[target.consumer] = life
        self.small.clock.advance(later)

    def applied(self, name: str, where: object) -> None:
        """An effect of ours was applied there."""
        if (life := self._by_place.get(where)) is not None:
            life.look()

    async def live(self, span: timedelta) -> None:
        """Let that time pass, and then the weather be fine until all has come to rest."""
        pace = Pace(resync=7 * DAY)
        targets = [life.target for life in self.lives.values()]
        async with Post(self.small, targets, pace=pace) as post:
            await self._until(post, self.small.clock.now() + span, 5 * MINUTE if len(targets) > 50 else MINUTE / 2)

    async def _until(self, post: Post, ends: datetime, least: timedelta) -> None:
        clock, okta = self.small.clock, self.small.okta
        while (now := clock.now()) < ends:
            assert post.running
            due = post.loop._agenda.next_due(now) or now + HOUR
            await post.tick(max(least, due - now))
            post.bell._scheduler.remove_all_jobs()  # of a scheduler that does not run
            post.outcomes.clear()
            for wire in (*post.wires.okta.values(), post.wires.kv):
                wire.asked.clear()
            self.small.told.begun.clear()
            self.small.told.ended.clear()
            self.small.told.doubts.clear()
            if len(okta.asked) > 50_000:
                okta.asked[:] = [each for each in okta.asked if each.at > now - KEEP]
                okta.events.clear()

    def broken(self) -> list[str]:
        """Return which promises were broken."""
        found, now = [], self.small.clock.now()
        for name, life in self.lives.items():
            policy, closed = life.target.policy, life.longest_closed(now)
            two = [*life.two, *([now - life.two_since] if life.two_since else [])]
            late = life.lateness()
            found += [f"{name}: {each}" for each in life.broken]
            found += [f"{name}: rotated {-each} before it was due" for each in late if each < timedelta(0)]
            found += [f"{name}: rotated {each} late" for each in late if each > closed + QUEUE]
            found += [f"{name}: two for {each}" for each in two if each > policy.overlap + closed + QUEUE]
            if abs(len(life.created) - len(life.promoted)) > 1:
                found.append(f"{name}: I7: {len(life.created)} made for {len(life.promoted)} promotions")
            at_most = policy.rotate_after + closed + QUEUE
            if not life.promoted or now - life.promoted[-1] > at_most:
                found.append(f"{name}: not rotated in its last period")
            found += self._unexplained(name, life)
        return found

    def _unexplained(self, name: str, life: Life) -> list[str]:
        """I3: what is at Okta is current, was current here, or is staged."""
        known = {
            version.fields.reveal().get("client_secret")
            for path in (life.target.consumer, life.target.staging)
            for version in self.small.kv.keys[path].versions.values()
        }
        held = self.small.okta.held(life.target.app_id)
        return [f"{name}: I3: {each.id} is explained by nothing" for each in held if each.value.reveal() not in known]

    def seen(self) -> dict[str, Any]:
        """Return what there is to tell."""
        now, lives = self.small.clock.now(), list(self.lives.values())
        told: dict[str, Any] = {
            "targets": len(lives),
            "rotations": sum(len(life.promoted) for life in lives),
            "created": sum(len(life.created) for life in lives),
            "lost calls": self.lost.total(),
        }
        for policy in POLICIES:
            of_it = [life for life in lives if life.target.policy is policy]
            if of_it:
                told[policy.name] = {
                    "longest closed": str(of_it[0].longest_closed(now)),
                    "longest with two, beyond the overlap": _most(of_it, "two", policy.overlap),
                    "shortest with two, beyond the overlap": _least(of_it, policy.overlap),
                    "latest": str(max((each for life in of_it for each in life.lateness()), default=None)),
                }
        return told


def _most(lives: list[Life], what: str, beyond: timedelta) -> str:
    return str(max((each - beyond for life in lives for each in getattr(life, what)), default=None))


def _least(lives: list[Life], beyond: timedelta) -> str:
    return str(min((each - beyond for life in lives for each in life.two), default=None))


def main() -> int:
    """Live, and say what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.clocks.years", description=__doc__)
    parser.add_argument("--years", type=float, default=10)
    parser.add_argument("--targets", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    fleet = Fleet(asked.targets, asked.seed)
    asyncio.run(fleet.live(asked.years * YEAR))
    broken = fleet.broken()
    print(json.dumps(fleet.seen() | {"broken": broken}, indent=1))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
