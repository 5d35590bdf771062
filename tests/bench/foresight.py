"""The chapter of what is told without a look: a year of a fleet, and a plan and a status from what is remembered."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import TIMES, Chapter, Row
from tests.bench.fleet import UNLIMITED, Fleet
from tests.bench.measure import Took, by_turns, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

YEAR = 365
LOADED = (
    "import rotator.cli.main, rotator.cli.look, rotator.cli.report, rotator.settings, rotator.wiring_state,"
    " rotator.adapters.store, rotator.adapters.store_memory, rotator.adapters.store_service, rotator.core.selection"
)
# As many events as a year has passes of a daemon that rotates every 90 days, through a heap, and its looks in minutes.
EVENTS = """
import heapq, sys
targets, events, minutes = int(sys.argv[1]), [], [0] * (365 * 1440)
for n in range(targets):
    heapq.heappush(events, (n * 7919 % 7776000, 0, n, n))
    for at in range(n % 10080, len(minutes), 10080):
        minutes[at] += 1
while events:
    at, kind, _, who = heapq.heappop(events)
    minutes[at // 60] += 1
    if (later := at + (604800, 259200, 6912000)[kind]) < 31536000:
        heapq.heappush(events, (later, (kind + 1) % 3, who, who))
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    targets: int = 10_000
    runs: int = 5


def measured(folder: Path, size: Size) -> Chapter:
    """Have a year simulated, and what is remembered of a fleet at rest told."""
    folder.chmod(0o700)
    rows = []
    with Sandbox(okta=OktaSettings(limits=UNLIMITED)) as box:
        fleet = Fleet(box, folder / "fleet")
        fleet.select(size.targets)
        fleet.remember()
        config, mark = ["--config", str(fleet.site.config)], box.journal.mark()
        for form in ("table", "json"):
            rows += _from_memory(
                f"`plan --cached --output {form}`", ["plan", "--cached", "-o", form, *config], size, goal=1
            )
        rows += _from_memory("`status --cached --output json`", ["status", "--cached", "-o", "json", *config], size)
        asked = box.journal.count(Wanted(), since=mark)
        rows.append(Row("calls to Okta and Vault", asked, 0))
        rows += _of_a_year(
            ["simulate", "--targets", str(size.targets), "--days", str(YEAR), "-o", "json", *config], size
        )
    return Chapter(
        f"Without a look: {size.targets:,} targets",
        "`--cached` tells what the state database (SQLite) remembers of so many members of a selection at rest; the"
        " floor is a Python that imports the libraries which that needs. `simulate` plays a year of as many invented"
        " targets; its floor is a Python that does nothing but send as many events through a heap and count as many"
        f" looks into minutes. From start to exit; medians of {size.runs} by turns.",
        rows,
    )


def _from_memory(what: str, argv: list[str], size: Size, goal: float | None = None) -> list[Row]:
    ours, floor = by_turns(_rotator(argv), _python(["-c", LOADED]), runs=size.runs)
    return [
        Row(f"{what}: time from start to exit", ours.wall, goal, " s"),
        Row(f"{what}: CPU to the bare imports", ours.cpu / floor.cpu, unit=TIMES, remark=f"{ours.cpu:.2f} s"),
    ]


def _of_a_year(argv: list[str], size: Size) -> list[Row]:
    ours, floor = by_turns(_rotator(argv), _python(["-c", EVENTS, str(size.targets)]), runs=size.runs)
    return [
        Row("`simulate`, a year: time from start to exit", ours.wall, 5, " s"),
        Row("`simulate`, a year: CPU to the bare events", ours.cpu / floor.cpu, unit=TIMES, remark=f"{ours.cpu:.2f} s"),
    ]


def _rotator(argv: list[str]) -> Callable[[], Took]:
    return _python(["-m", "rotator", *argv])


def _python(argv: list[str]) -> Callable[[], Took]:
    return lambda: run(argv, os.environ)
