"""`python -m tests.mutation --minutes 20 --seed 1`: change the code in one place at a time, and see which test notices.

What is changed are the functions of `rotator/core` and `rotator/app`; the tests are the fast ones, stories of
`tests/faults` among them. Which mutants come first is drawn by the seed; those that the time does not reach are told.
Exits with 1 if a mutant survives that `docs/mutation.md` gives no reason for.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutation.accepted import accepted, named
from tests.mutation.loop import KILLED, SURVIVED, UNFIT, UNREACHED, Loop, shares
from tests.mutation.mutants import Mutant, mutants_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
CHANGED = ("rotator/core", "rotator/app")
TESTS = ("tests/core", "tests/app", "tests/doctor", "tests/faults/test_enumerator.py")
PLUGINS = ("randomly", "xdist", "cacheprovider")
TOO_MUCH = ("one_or_two_faults", "act_of_a_person", "order_of_an_operator", "any_read_unanswered")
OWN_CHANGES = ("planted_bug", "alone_catches")
STORIES = 120  # sampled; more of them take too long for one mutant


def every_mutant(only: Sequence[str]) -> list[Mutant]:
    """Return all mutants of all modules, or of those whose path begins so."""
    files = sorted(file for folder in CHANGED for file in (ROOT / folder).rglob("*.py"))
    names = [(file, file.relative_to(ROOT).as_posix()) for file in files]
    return [
        mutant for file, name in names if not only or name.startswith(tuple(only)) for mutant in mutants_of(file, name)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("only", nargs="*", help="modules or folders, as rotator/core/usage.py; default: all")
    parser.add_argument("--minutes", type=float, default=20.0, help="for the mutants; the first run comes on top")
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tests", nargs="*", default=list(TESTS))
    asked = parser.parse_args()
    mutants = every_mutant(asked.only)
    random.Random(asked.seed).shuffle(mutants)
    os.environ["ROTATOR_TEST_SCHEDULES"] = str(STORIES)
    loop = Loop(ROOT, mutants, seconds=asked.minutes * 60, processes=asked.processes)
    chosen = " and ".join(f"not {name}" for name in (*TOO_MUCH, *OWN_CHANGES))
    argv = [*asked.tests, "-q", "-s", "--timeout=0", "-k", chosen, "--rootdir", str(ROOT)]
    pytest.main([*argv, *(f"-pno:{name}" for name in PLUGINS)], plugins=[loop])
    return told(loop, len(mutants), asked.seed)


def told(loop: Loop, number: int, seed: int) -> int:
    """Say what came of them."""
    reasons, verdicts = accepted(), loop.verdicts
    lived = sorted((one for one, end in verdicts.items() if end in {SURVIVED, UNREACHED}), key=str)
    unexplained = [one for one in lived if named(one) not in reasons]
    for file, killed, of in shares(verdicts):
        print(f"{file}: {killed} of {of} killed")
    for one in unexplained:
        print(f"{verdicts[one]}: {one}")
    for name in loop.broken:
        print(f"not used, since it fails without any change: {name}")
    fit = [end for end in verdicts.values() if end != UNFIT]
    share = fit.count(KILLED) / len(fit) if fit else 0.0
    print(
        f"mutation: {len(fit)} mutants of {number}, {fit.count(KILLED)} killed ({share:.1%}), {len(lived)} survived,"
        f" {len(lived) - len(unexplained)} of them with a reason, seed {seed}"
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
