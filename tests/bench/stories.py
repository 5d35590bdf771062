"""Tell the fault enumerator's stories and print how many, how fast and how many states, as JSON."""

from __future__ import annotations

import json
import sys
import time
from random import Random
from typing import TYPE_CHECKING

from tests.faults.scenes import expired
from tests.faults.schedules import sampled, with_up_to_two_faults
from tests.faults.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.story import Told


def count(told: Iterable[Told], *, seconds: float | None = None) -> dict[str, float]:
    """Tell them all, or for so many seconds of CPU."""
    began = time.process_time()
    schedules, effects, violations, states = 0, 0, 0, set[int]()
    for end in told:
        schedules += 1
        effects += end.effects
        violations += len(end.violations)
        states |= end.states
        if seconds is not None and time.process_time() - began > seconds:
            break
    took = time.process_time() - began
    return {
        "schedules": schedules,
        "effects": effects,
        "violations": violations,
        "states": len(states),
        "per_second": schedules / took,
    }


def main(seed: int, seconds: float) -> None:
    random = Random(seed)
    endless = (tell(sampled(random, faults=2, acts=1, days=1)) for _ in iter(int, 1))
    found = {
        "enumerated": count(told for _, told in with_up_to_two_faults(expired)),
        "sampled": count(endless, seconds=seconds),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
