"""pytest as the judge: run all tests once to see which reach what, then fork for each mutant and run those.

* A mutant is killed if one test fails, or does not end in several times its time; by its own clocks, so that nobody
  has to look after it.
* Tests that take long come last, and one alone may take no longer than `LONGEST`.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from _pytest.runner import runtestprotocol

from tests.mutation.swap import held, swap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    import pytest

    from tests.mutation.mutants import Mutant
    from tests.mutation.swap import Held

LONGEST = 4.0  # seconds of CPU of one test, traced
MEMORY = 4 << 30
KILLED, SURVIVED, UNREACHED, UNFIT = "killed", "survived", "unreached", "unfit"
_CODES = {0: SURVIVED, 3: UNFIT}


@dataclass(slots=True)
class Reach:
    """Which lines each test reaches, and what it takes."""

    tests: dict[tuple[str, int], list[pytest.Item]] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)

    def of(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests that reach its line, or else its statement, the quickest first."""
        lines = ((mutant.file, mutant.line), (mutant.file, mutant.statement))
        reaching = next((self.tests[line] for line in lines if line in self.tests), [])
        return sorted(reaching, key=lambda item: self.took[item.nodeid])


class Loop:
    """Takes the place of pytest's own loop over tests."""

    def __init__(self, root: Path, mutants: Sequence[Mutant], *, seconds: float, processes: int) -> None:
        self._root, self._mutants = root, mutants
        self._seconds, self._processes = seconds, processes
        self.verdicts: dict[Mutant, str] = {}
        self.broken: list[str] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge until all are judged or the time is over."""
        reach = self._look(session.items)
        known = held(self._root / "rotator")
        gc.freeze()  # else each process walks through all that was there before it, and copies it
        ends = time.monotonic() + self._seconds
        running: dict[int, Mutant] = {}
        waiting = iter(self._mutants)
        while True:
            while len(running) < self._processes and time.monotonic() < ends and (one := next(waiting, None)):
                self._begin(one, reach, known, running)
            if not running and (time.monotonic() >= ends or len(self.verdicts) == len(self._mutants)):
                return True
            self._collect(running)

    def _look(self, items: Sequence[pytest.Item]) -> Reach:
        """Run every test once, and see what it reaches."""
        reach = Reach()
        for item, following in zip(items, [*items[1:], None], strict=True):
            lines, began = set[tuple[str, int]](), time.process_time()
            with _traced(str(self._root / "rotator"), lines):
                reports = runtestprotocol(item, nextitem=following, log=False)
            took = time.process_time() - began
            if any(report.failed for report in reports):
                self.broken.append(item.nodeid)
            elif took <= LONGEST:
                reach.took[item.nodeid] = took
                for file, line in lines:
                    reach.tests.setdefault((os.path.relpath(file, self._root), line), []).append(item)
        return reach

    def _begin(self, one: Mutant, reach: Reach, known: Held, running: dict[int, Mutant]) -> None:
        items = reach.of(one)
        if not items:
            self.verdicts[one] = UNREACHED
            return
        pid = os.fork()
        if pid == 0:
            _judge(lambda: swap(self._root / one.file, one, known), items, reach.took)
        running[pid] = one

    def _collect(self, running: dict[int, Mutant]) -> None:
        """Take in who has ended."""
        for pid, mutant in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del running[pid]
                self.verdicts[mutant] = _CODES.get(os.waitstatus_to_exitcode(status), KILLED)
        time.sleep(0.002)


def _judge(change: Callable[[], bool], items: Sequence[pytest.Item], took: Mapping[str, float]) -> None:
    """In a process of its own: change, run the tests, say how it went by the exit code."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    code = 1
    try:
        code = 0 if change() else 3
        if code == 0:
            code = int(_any_fails(items, took))
    finally:
        os._exit(code)


def _any_fails(items: Sequence[pytest.Item], took: Mapping[str, float]) -> bool:
    for item, following in zip(items, [*items[1:], None], strict=True):
        limit = 2 + 2 * took[item.nodeid]
        signal.setitimer(signal.ITIMER_PROF, limit)  # either of them ends the process
        signal.setitimer(signal.ITIMER_REAL, 20 * limit)  # for one that waits for ever; others have the machine too
        if any(report.failed for report in runtestprotocol(item, nextitem=following, log=False)):
            return True
    return False


class _traced:  # noqa: N801 -- used like a function
    """Notes the lines of a folder that run meanwhile, in this thread."""

    def __init__(self, folder: str, lines: set[tuple[str, int]]) -> None:
        self._folder, self._lines = folder, lines

    def __enter__(self) -> None:
        sys.settrace(self._called)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        return self._line if frame.f_code.co_filename.startswith(self._folder) else None

    def _line(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


def shares(verdicts: dict[Mutant, str]) -> Iterator[tuple[str, int, int]]:
    """Yield each module with how many of its mutants were killed, of how many that a test could have noticed."""
    for file in sorted({mutant.file for mutant in verdicts}):
        ends = [verdict for mutant, verdict in verdicts.items() if mutant.file == file and verdict != UNFIT]
        yield file, ends.count(KILLED), len(ends)
