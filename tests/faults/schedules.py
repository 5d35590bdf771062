"""Which stories are told: every placement of one and two faults, every act at every effect, and samples beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.ports import Fault
from tests.faults.story import ACTS, SCENES, Story, Told, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.faults.story import Scene

_OF_WRITES = tuple(fault for fault in Fault if fault is not Fault.CRASH_BEFORE)
_OF_PROOFS = (Fault.CRASH_BEFORE, Fault.ERROR, Fault.SLEEP)


def faults_of(name: str, number: int) -> tuple[Fault, ...]:
    """Faults that differ: to crash before an effect is to crash after the one before, and a proof changes nothing."""
    if name == "prove":
        return _OF_PROOFS
    return tuple(Fault) if number == 1 else _OF_WRITES


def with_up_to_two_faults(scene: Callable[[], Scene]) -> Iterator[tuple[Story, Told]]:
    """Tell the story without a fault, with each one, and with each second one after it."""
    plain = Story(scene)
    told = tell(plain)
    yield plain, told
    for one in _next_faults(plain, told):
        first = tell(one)
        yield one, first
        for two in _next_faults(one, first):
            yield two, tell(two)


def _next_faults(story: Story, told: Told) -> Iterator[Story]:
    after = max((number for number, _fault in story.faults), default=0)
    for number, name in enumerate(told.names, start=1):
        if number > after:
            for fault in faults_of(name, number):
                yield Story(story.scene, (*story.faults, (number, fault)), story.acts, story.days)


def with_one_read_unanswered(scene: Callable[[], Scene]) -> Iterator[Story]:
    """Each read fails once, with and without a crash in the life before or after it."""
    told = tell(Story(scene))
    for number in range(1, told.reads + 1):
        yield Story(scene, unreadable=(number,))
        yield Story(scene, faults=((2, Fault.CRASH_AFTER),), unreadable=(number,))


def with_one_act(scene: Callable[[], Scene]) -> Iterator[Story]:
    """Each person's act right before each effect, and before each of the first passes."""
    told = tell(Story(scene))
    for act in ACTS:
        yield from (Story(scene, acts=((number, act),)) for number in range(1, told.effects + 1))
        yield from (Story(scene, days=((number, act),)) for number in range(1, 6))


def sampled(random: Random, *, faults: int, acts: int, days: int) -> Story:
    """A story with that many faults and acts, anywhere."""
    numbers = sorted(random.sample(range(1, 19), faults))
    return Story(
        random.choice(SCENES),
        tuple((number, random.choice(list(Fault))) for number in numbers),
        tuple((random.randint(1, 16), random.choice(ACTS)) for _ in range(acts)),
        tuple((random.randint(1, 6), random.choice(ACTS)) for _ in range(days)),
    )
