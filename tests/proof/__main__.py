"""`make proof`, or `python -m tests.proof --minutes 20 --seed 1`: the promises, tried for as long as wanted.

One line for each kind: how often it was tried, how often a promise was broken, the seed, and the bound 3/N: if nothing
was found in N tries, at most one in so many shows something, at 95 %. A kind that cannot be tried here is told with its
reason. Exits with 1 if anything was broken.

 * stories: the real core on in-memory fakes, with faults, people and operators at any moment (tests/faults)
 * rotations: whole lives over HTTP, while one call in a hundred goes wrong (tests/proof/stack.py)
 * kills: daemons on PostgreSQL that are killed at work (tests/bench/kills.py)
 * soak: two daemons, everything against them, and consumers who ask all the time (tests/soak)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.alone import alone
from tests.bench.measure import clean_environ
from tests.faults.count import count, story
from tests.faults.story import replay
from tests.postgres import NONE
from tests.soak.__main__ import MEMBERS, SETTLING

if TYPE_CHECKING:
    from collections.abc import Callable

ENDLESS = 10**9
POSTGRES = ("initdb", "pg_ctl")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one kind."""

    kind: str
    tries: int
    what: str
    broken: tuple[str, ...] = ()
    skipped: str = ""

    def line(self, seed: int) -> str:
        if self.skipped:
            return f"{self.kind}: SKIPPED: {self.skipped}"
        bound = f"{3 / self.tries:.1e}" if self.tries else "none"
        return f"{self.kind}: {self.tries} {self.what}, {len(self.broken)} violations, seed {seed}; bound {bound}"


def stories(minutes: float, seed: int) -> Tried:
    """Tell stories in every process that there is."""
    tally = count(seed, schedules=ENDLESS, processes=os.cpu_count() or 1, seconds=minutes * 60)
    shortest = "" if tally.shortest is None else replay(story(seed, tally.shortest))
    return Tried("stories", tally.schedules, "schedules", (shortest,) * tally.violations)


def rotations(minutes: float, seed: int) -> Tried:
    """Let apps live over HTTP, in a process of its own."""
    found = _asked(["-m", "tests.proof.stack", str(minutes), str(seed)])
    return Tried("rotations", found["rotations"], "rotations", tuple(found["wrong"]))


def kills(minutes: float, seed: int) -> Tried:
    """Kill daemons at work."""
    if missing := _no_postgres():
        return Tried("kills", 0, "", skipped=missing)
    seconds = minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        size = {"targets": max(20, int(seconds * 4)), "seconds": seconds, "seed": seed}
        chapter = alone("kills", Path(folder) / "kills", clean_environ(folder), **size)
    trials, *broken = chapter.rows
    return Tried(
        "kills",
        int(trials.figure),
        "targets held when killed",
        tuple(row.what for row in broken for _ in range(int(row.figure))),
    )


def soak(minutes: float, seed: int) -> Tried:
    """Let two daemons run, with everything against them; the time in which they settle is part of it."""
    if missing := _no_postgres():
        return Tried("soak", 0, "", skipped=missing)
    rest = max(0.2, minutes - SETTLING / 60)
    targets = max(MEMBERS, min(30, int(rest * 15)))  # no more than have time to settle
    argv = ["-m", "tests.soak", "--minutes", str(rest), "--seed", str(seed), "--targets", str(targets)]
    found = _asked(argv, also=1)
    return Tried("soak", found["rotations"], "rotations", tuple(found["broken"]))


KINDS: dict[str, tuple[Callable[[float, int], Tried], float]] = {  # and the part of the time that each gets
    "stories": (stories, 0.4),
    "rotations": (rotations, 0.2),
    "kills": (kills, 0.15),
    "soak": (soak, 0.25),
}


def _asked(argv: list[str], *, also: int = 0) -> dict[str, Any]:
    """Run a program of ours, and return what it prints; `also` is another exit code with which it may end."""
    ran = subprocess.run([sys.executable, *argv], capture_output=True, text=True, check=False)
    if ran.returncode not in {0, also}:
        raise RuntimeError(f"{argv} ended with {ran.returncode}:\n{ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _no_postgres() -> str:
    return "" if all(map(shutil.which, POSTGRES)) else NONE


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.proof", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"any of {', '.join(KINDS)}; default: all")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=20261127)
    asked = parser.parse_args()
    if unknown := set(asked.kinds) - KINDS.keys():
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    chosen = {name: KINDS[name] for name in asked.kinds or KINDS}
    whole, broken = sum(part for _, part in chosen.values()), False
    for work, part in chosen.values():
        tried = work(asked.minutes * part / whole, asked.seed)
        print(tried.line(asked.seed), flush=True)
        for what in dict.fromkeys(tried.broken):
            print(what, file=sys.stderr)
        broken |= bool(tried.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
