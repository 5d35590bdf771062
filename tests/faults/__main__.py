"""`python -m tests.faults --schedules 100000 --seed 1`: tell sampled stories of faults, people and orders, and count.

One line says what came of them, with the upper end of what may still be wrong: of N stories without a violation, at
most 3/N would show one, at 95 %. If there is one, the shortest is told, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.faults.count import count, story
from tests.faults.story import replay


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, help="end after so long, however many were told")
    parser.add_argument("--tell", type=int, metavar="N", help="tell the n-th one, and nothing else")
    asked = parser.parse_args()
    if asked.tell is not None:
        print(replay(story(asked.seed, asked.tell)))
        return 0
    seconds = None if asked.minutes is None else asked.minutes * 60
    tally = count(asked.seed, schedules=asked.schedules, processes=asked.processes, seconds=seconds)
    print(
        f"stories: {tally.schedules} schedules, {tally.violations} violations, seed {asked.seed};"
        f" {tally.effects} effects, {len(tally.states)} states, {tally.races} races;"
        f" bound {3 / max(tally.schedules, 1):.1e}"
    )
    if tally.shortest is None:
        return 0
    print(f"the shortest is number {tally.shortest}:\n{replay(story(asked.seed, tally.shortest))}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
