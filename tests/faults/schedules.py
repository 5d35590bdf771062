"""Which stories are told: every placement of one and two faults, every act at every effect, and samples beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.operations import OPERATIONS
from tests.faults.people import ACTS
from tests.faults.ports import Fault
from tests.faults.scenes import SCENES, cut_short, hidden, ordered, proven_silent, slow, unique
from tests.faults.story import Story, Told, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from tests.faults.scenes import Scene

_OF_WRITES = tuple(fault for fault in Fault if fault is not Fault.CRASH_BEFORE)
_OF_PROOFS = (Fault.CRASH_BEFORE, Fault.ERROR, Fault.SLEEP)


FAULTS_OF_ORDERS = (Fault.CRASH_AFTER, Fault.UNHEARD, Fault.LATER)
# Where these differ from others one fault shows it.
LIKE_ANOTHER = frozenset({hidden, unique, ordered, slow, proven_silent, cut_short})
MOST_FAULTED = 5  # effects, of an operator's order and what follows it


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
        if scene not in LIKE_ANOTHER:
            yield from ((two, tell(two)) for two in _next_faults(one, first))


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


def with_one_order(scene: Callable[[], Scene]) -> Iterator[tuple[Story, Told]]:
    """Each order of an operator before each of the first passes, without a fault and with one in what it does."""
    for operation in OPERATIONS:
        for number in range(1, 6):
            plain = Story(scene, orders=((number, operation),))
            yield plain, (told := tell(plain))
            for effect in range(1, min(told.effects, MOST_FAULTED) + 1):
                fault = FAULTS_OF_ORDERS[(effect + number) % len(FAULTS_OF_ORDERS)]
                story = Story(scene, ((effect, fault),), orders=((number, operation), (number + 1, operation)))
                yield story, tell(story)


def sampled(random: Random, *, faults: int, acts: int, days: int, orders: int = 0) -> Story:
    """A story with that many faults and acts, anywhere."""
    numbers = sorted(random.sample(range(1, 19), faults))
    return Story(
        random.choice(SCENES),
        tuple((number, random.choice(list(Fault))) for number in numbers),
        tuple((random.randint(1, 16), random.choice(ACTS)) for _ in range(acts)),
        tuple((random.randint(1, 6), random.choice(ACTS)) for _ in range(days)),
        orders=tuple((random.randint(1, 6), random.choice(OPERATIONS)) for _ in range(orders)),
    )
