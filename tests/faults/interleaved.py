"""Several processes at one target at the same time, no lease between them: any of them may sleep at any call.

A schedule is a scene and a seed. At each call of a process to Okta or Vault another one may go first, and time may
pass; now and then one of them dies, or sleeps while the others do all there is to do, and wakes with what it saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from rotator.app.rotate import carry_on
from tests.faults.ports import Crash
from tests.faults.story import Stage, Story, Told

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from rotator.app.rotate import Outcome
    from tests.faults.scenes import Scene

ROUNDS = 3  # in each all processes begin a pass at the same time
PROCESSES = (2, 2, 2, 3)
SPANS = (timedelta(0), timedelta(seconds=1), timedelta(seconds=40), timedelta(hours=1), timedelta(days=4))
DIES = 0.01  # at a call
SLEEPS = 0.04  # from a call on, until the others are done


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which world, and how the turns fall."""

    scene: Callable[[], Scene]
    seed: int

    def __str__(self) -> str:
        return f"{self.scene.__name__} {self.seed}"


def tell_together(schedule: Schedule) -> Told:
    """Play a schedule, and then quietly to its end."""
    return _Together(schedule).play()


class _Together(Stage):
    """A stage with several processes."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(Story(schedule.scene), alone=False)
        self._random = Random(f"{schedule.scene.__name__} {schedule.seed}")

    def play(self) -> Told:
        self.gate.taking_turns = True
        for _ in range(ROUNDS):
            self._round(self._random.choice(PROCESSES))
            self._pass_time(self._random.choice((timedelta(minutes=1), timedelta(days=3), timedelta(days=7))))
        self.gate.taking_turns = False
        return super().play()

    def _round(self, processes: int) -> None:
        awake = [self._process() for _ in range(processes)]
        asleep: list[Coroutine[Any, Any, Outcome]] = []
        while awake or asleep:
            if not awake:
                awake, asleep = asleep, []
            process = self._random.choice(awake)
            self._pass_time(self._random.choice(SPANS) if self._random.random() < SLEEPS else timedelta(0))
            if not self._goes_on(process):
                awake.remove(process)
            elif len(awake) > 1 and self._random.random() < SLEEPS:
                awake.remove(process)
                asleep.append(process)
                self.lines.append("  one falls asleep")

    def _goes_on(self, process: Coroutine[Any, Any, Outcome]) -> bool:
        """Let it take its turn; say whether it has another one."""
        if self._random.random() < DIES:
            self.lines.append("  one dies")
            process.close()
            return False
        try:
            process.send(None)
        except StopIteration as end:
            steps = ", ".join(type(step.action).__name__ for step in end.value.steps)
            self.lines.append(f"{self.scene.clock.now():%m-%d %H:%M:%S} [{steps}] → {end.value.ending!r}")
            return False
        except Crash:
            return False
        return True

    def _process(self) -> Coroutine[Any, Any, Outcome]:
        self._dismiss()
        order, self.force = self.force, None
        return carry_on(self.target, self.world(), tries={}, order=order)

    def _pass_time(self, span: timedelta) -> None:
        if span:
            self._advance(self.scene.clock.now() + span)
