"""The chapter of the daemon at rest: how soon it is ready, how much memory it takes, and what a tick costs."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.chapters import OKTA, TOKENS
from tests.bench.figures import TIMES, Chapter, Row
from tests.bench.fleet import AT_REST, UNLIMITED, Fleet
from tests.bench.measure import cpu_of, resident, run

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.journal import Journal

LIBRARIES = f"{OKTA}{TOKENS}, sqlalchemy.dialects.sqlite, pydantic, apscheduler.schedulers.asyncio, h11"
SHOW_RESIDENT = "import os; from tests.bench.measure import resident; print(resident(os.getpid()))"
READY, SMALL, LARGE = 2.5, 160, 256  # seconds, MB, MB
TICK, GROWTH = 200, 1.0  # ms of CPU, MB


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    targets: int = 1_000
    many: int = 10_000
    ticks: int = 15
    runs: int = 3
    quiet: int = 3  # ticks without a call, after which it is at rest


@dataclass(frozen=True, slots=True)
class Floor:
    """What a Python takes that only imports the libraries: seconds until it has ended, MB."""

    wall: float
    memory: float


@dataclass(frozen=True, slots=True)
class Rested:
    """A daemon at rest: seconds until it was ready, MB after a few ticks and at the end, seconds of CPU for a tick."""

    ready: float
    first: float
    last: float
    tick: float
    calls: int


def measured(folder: Path, size: Size) -> Chapter:
    """Measure it over named targets, then over as many members of a selection, then over many."""
    chapter = Chapter(
        "The daemon at rest",
        "`rotator run --tick 1s` over targets that its state database (SQLite) remembers as settled. Ready: from exec"
        f" to systemd's `READY=1`, median of {size.runs}. Memory is what is resident {size.ticks} ticks after a look at"
        " one of them, for which every library is loaded. CPU of a tick is all that the process takes meanwhile; calls"
        " are those that arrive meanwhile. The floor is a Python that only imports the libraries. A configuration may"
        " have a MiB, so that many targets are members of a selection; that is listed once at the start.",
    )
    runs = [run(["-c", f"{LIBRARIES}\n{SHOW_RESIDENT}"], os.environ) for _ in range(size.runs)]
    floor = Floor(statistics.median(took.wall for took in runs), statistics.median(float(took.out) for took in runs))
    settings = OktaSettings(limits=UNLIMITED)
    with Sandbox(okta=settings) as box:
        named = Fleet(box, folder / "named")
        named.add_named(size.targets)
        chapter.rows += _rows(f"{size.targets:,} named targets", _rested(named, size), floor, (READY, SMALL))
    for count, goals in ((size.targets, (READY, SMALL)), (size.many, (None, LARGE))):
        with Sandbox(okta=settings) as box:
            fleet = Fleet(box, folder / f"selected-{count}")
            fleet.select(count)
            chapter.rows += _rows(f"{count:,} members of a selection", _rested(fleet, size), floor, goals)
    return chapter


def _rested(fleet: Fleet, size: Size) -> Rested:
    fleet.remember()
    ready = []
    for _ in range(size.runs - 1):
        began = time.perf_counter()
        with fleet.daemon(*AT_REST) as daemon:
            daemon.until_ready()
            ready.append(time.perf_counter() - began)
    fleet.remember(due=1)  # so that every library is in
    began = time.perf_counter()
    with fleet.daemon(*AT_REST) as daemon:
        daemon.until_ready()
        ready.append(time.perf_counter() - began)
        fleet.box.journal.wait_until(lambda calls: any(call.service == "vault" for call in calls), within=60)
        mark = _quiet(fleet.box.journal, size.quiet)
        first, cpu = resident(daemon.pid), cpu_of(daemon.pid)
        time.sleep(size.ticks)
        tick = (cpu_of(daemon.pid) - cpu) / size.ticks
        return Rested(statistics.median(ready), first, resident(daemon.pid), tick, fleet.box.journal.count(since=mark))


def _quiet(journal: Journal, ticks: int) -> int:
    """Wait until so many ticks have gone by without a call, and return where the journal stands."""
    before = -1
    while before != (mark := journal.mark()):
        before = mark
        time.sleep(ticks)
    return mark


def _rows(what: str, rested: Rested, floor: Floor, goals: tuple[float | None, float]) -> list[Row]:
    ready, memory = goals
    imports, libraries = f"{floor.wall:.2f} s", f"{floor.memory:.0f} MB"
    return [
        Row(f"{what}: ready", rested.ready, ready, " s"),
        Row(f"{what}: ready, to the bare imports", rested.ready / floor.wall, unit=TIMES, remark=imports),
        Row(f"{what}: memory", rested.last, memory, " MB"),
        Row(f"{what}: memory, to the bare imports", rested.last / floor.memory, unit=TIMES, remark=libraries),
        Row(f"{what}: growth of the memory", rested.last - rested.first, GROWTH, " MB"),
        Row(f"{what}: CPU of a tick", rested.tick * 1000, TICK, " ms"),
        Row(f"{what}: calls to Okta and Vault", rested.calls, 0),
    ]
