"""One process that rotates by turns: with rotator, and by bare calls; what each took is printed as JSON.

`rotations CONFIG CALLS TASK...`: of three tasks each, the first is rotator's, the second has the calls that the work
needs, the third those that are named, which rotator makes.
`later CONFIG TARGET DAYS`: one pass over a target, so many days from now.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.app.rotate import carry_on
from rotator.cli.progress import LogProgress, log_warning
from rotator.core.actions import Promote
from rotator.errors import RotatorError
from rotator.logs import start
from rotator.settings import find_targets, load
from rotator.wiring import open_worlds
from tests.bench.bare import Clients, Rotation
from tests.bench.calls import NEEDED

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rotator.settings import Settings
    from tests.bench.bare import Task

WARM_UP = 2  # rounds that are not counted


class LaterClock:
    """The time, and some days."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


async def rotations(
    settings: Settings, calls: list[str], rounds: list[list[Task]]
) -> dict[str, list[tuple[float, float]]]:
    """Rotate by turns; return seconds of CPU and on the wall for each."""
    took: dict[str, list[tuple[float, float]]] = {"rotator": [], "needed": [], "same": []}
    clients = Clients.open(rounds[0][0])
    async with open_worlds(settings, progress=LogProgress(), warn=log_warning) as worlds:

        async def ours(task: Task) -> None:
            (target,) = find_targets(settings, [task["app"]])
            outcome = await carry_on(target, worlds.of(target), told=True)
            assert not isinstance(outcome.ending, RotatorError), outcome.ending
            assert any(isinstance(step.action, Promote) for step in outcome.steps), outcome.steps

        for mine, needed, same in rounds:
            took["rotator"].append(await _timed(ours(mine)))
            took["needed"].append(await _timed(Rotation(needed, clients).make(NEEDED)))
            took["same"].append(await _timed(Rotation(same, clients).make(calls)))
    await clients.close()
    return {who: figures[WARM_UP:] for who, figures in took.items()}


async def _timed(work: Awaitable[None]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    await work
    return time.process_time() - cpu, time.perf_counter() - wall


async def later(settings: Settings, name: str, by: timedelta) -> list[str]:
    """Make one pass over a target as if that much time had gone by; return what was done."""
    (target,) = find_targets(settings, [name])
    async with open_worlds(settings, progress=LogProgress(), warn=log_warning, clock=LaterClock(by)) as worlds:
        outcome = await carry_on(target, worlds.of(target))
    assert not isinstance(outcome.ending, RotatorError), outcome.ending
    return [type(step.action).__name__ for step in outcome.steps]


def main(command: str, config: str, *rest: str) -> None:
    start(level="info", style="json")
    settings = load(Path(config))
    if command == "later":
        name, days = rest
        print(json.dumps(asyncio.run(later(settings, name, timedelta(days=float(days))))))
        return
    calls, *tasks = [json.loads(one) for one in rest]
    rounds = [tasks[n : n + 3] for n in range(0, len(tasks), 3)]
    print(json.dumps(asyncio.run(rotations(settings, calls, rounds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
