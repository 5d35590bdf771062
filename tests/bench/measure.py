"""Run a program and say what it took.

* CPU, memory and time are those of the one process, from `wait4`.
* This module must stay light: on Linux a child's peak memory begins with that of whoever started it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RUNS = 9


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a program took, in seconds and megabytes, and what it printed."""

    wall: float
    cpu: float
    peak: float
    out: str


def run(argv: Sequence[str], environ: Mapping[str, str], *, code: int = 0) -> Took:
    """Run Python with these arguments; it must end with `code`."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(environ)
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != code:
            raise RuntimeError(f"{list(argv)} ended with {process.returncode}:\n{out.read()}\n{err.read()}")
        return Took(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def by_turns(*programs: Callable[[], Took], runs: int = RUNS) -> list[Took]:
    """Run each program that many times, by turns, since other work comes and goes; return the median of each."""
    rounds = [[program() for program in programs] for _ in range(runs)]
    return [median(column) for column in zip(*rounds, strict=True)]


def median(runs: Sequence[Took]) -> Took:
    """Return the median of each figure."""
    return replace(
        runs[0],
        wall=statistics.median(took.wall for took in runs),
        cpu=statistics.median(took.cpu for took in runs),
        peak=statistics.median(took.peak for took in runs),
    )


def resident(pid: int) -> float:
    """Return the megabytes of memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def clean_environ(home: str) -> dict[str, str]:
    """Return an environment in which nothing leads to the user's own accounts."""
    vendors = ("OKTA_", "VAULT_", "ROTATOR_", "_ROTATOR", "XDG_", "STATE_DIRECTORY", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(vendors)}
    return kept | {"HOME": home, "XDG_STATE_HOME": f"{home}/state", "PYTHONHASHSEED": "0"}
