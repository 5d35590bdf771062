"""Tell as many sampled stories as wanted, and keep of them what there is to say: how many, and the shortest bad one.

* Story n of a seed is always the same, however many processes tell them: any can be told again alone.
* Nothing grows with their number but the states, which are few.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from random import Random
from typing import TYPE_CHECKING

from tests.faults.schedules import sampled
from tests.faults.story import tell

if TYPE_CHECKING:
    from tests.faults.story import Story

SHAPES = (  # how much befalls one story
    {"faults": 3, "acts": 0, "days": 0, "orders": 0},
    {"faults": 1, "acts": 1, "days": 0, "orders": 0},
    {"faults": 2, "acts": 1, "days": 1, "orders": 0},
    {"faults": 0, "acts": 2, "days": 1, "orders": 0},
    {"faults": 1, "acts": 0, "days": 0, "orders": 2},
    {"faults": 1, "acts": 1, "days": 1, "orders": 2},
)


@dataclass(slots=True)
class Tally:
    """What came of many stories."""

    schedules: int = 0
    effects: int = 0
    races: int = 0
    violations: int = 0  # stories that broke a promise
    states: set[int] = field(default_factory=set)
    shortest: int | None = None  # the number of the story that is told most quickly of those

    def add(self, other: Tally, seed: int) -> None:
        """Take in what another process counted."""
        self.schedules += other.schedules
        self.effects += other.effects
        self.races += other.races
        self.violations += other.violations
        self.states |= other.states
        found = [number for number in (self.shortest, other.shortest) if number is not None]
        self.shortest = min(found, key=lambda number: _length(seed, number), default=None)


def story(seed: int, number: int) -> Story:
    """Return the n-th story of a seed."""
    return sampled(Random(f"{seed} {number}"), **SHAPES[number % len(SHAPES)])


def count(seed: int, *, schedules: int, processes: int = 1, seconds: float | None = None) -> Tally:
    """Tell that many, or as many as the time allows."""
    one = partial(_count, seed, schedules=schedules, step=processes, seconds=seconds)
    if processes == 1:
        return one(0)
    whole = Tally()
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:  # they agree on what `hash` says of a state
        for part in pool.map(one, range(processes)):
            whole.add(part, seed)
    return whole


def _count(seed: int, first: int, *, schedules: int, step: int, seconds: float | None) -> Tally:
    tally, ends = Tally(), None if seconds is None else time.monotonic() + seconds
    for number in range(first, schedules, step):
        if ends is not None and time.monotonic() >= ends:
            break
        told = tell(story(seed, number))
        bad = number if told.violations else None
        tally.add(Tally(1, told.effects, len(told.races), len(told.violations[:1]), told.states, bad), seed)
    return tally


def _length(seed: int, number: int) -> tuple[int, int]:
    return len(str(story(seed, number))), number
