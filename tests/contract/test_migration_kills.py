"""Opening a new state file, killed at each of its statements in turn: the next opening makes it whole.

A process that has imported everything forks for each statement. What kills is SIGKILL, so that nothing is tidied up.
In CI it is every sixth statement; ROTATOR_TEST_COMMITS=all has it be each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

STEP = 1 if os.environ.get("ROTATOR_TEST_COMMITS") == "all" else 6
PROGRAM = """
import asyncio, os, signal, sys
from itertools import count
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event
from sqlalchemy.engine import Engine

from rotator.adapters.store import Store
from rotator.adapters.store_schema import VERSION, metadata
from rotator.adapters.store_service import StoreBrakes
from rotator.core.survey import NEW_STATE

folder = Path(sys.argv[1])


async def opened(file):
    store = Store(f"sqlite:///{file}")
    await store.open()
    brake = await StoreBrakes(store).brake()
    context = lambda at: compare_metadata(MigrationContext.configure(at, opts={"version_table": VERSION}), metadata)
    differences = await store.read(context)
    await store.aclose()
    return brake is not None and brake.why == NEW_STATE and not differences


def dies_at(number):
    numbers = count(1)
    def statement(*_):
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "before_cursor_execute", statement)


def forked(work):
    if (pid := os.fork()) == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def first(file, number):
    dies_at(number)
    return 0 if asyncio.run(opened(file)) else 1


import alembic.command, alembic.config, alembic.script  # what the children would each import
killed, wrong = 0, []
for number in count(1, int(sys.argv[2])):
    file = folder / str(number) / "state.db"
    code = forked(lambda: first(file, number))
    if code == 0:
        break
    killed += code == -signal.SIGKILL
    again = forked(lambda: 0 if asyncio.run(opened(file)) else 1)
    if code != -signal.SIGKILL or again != 0:
        wrong.append((number, code, again))
print(killed, wrong)
"""


@pytest.mark.timeout(240)
def test_killed_at_any_statement_the_next_opening_makes_it_whole_and_its_brake_is_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(STEP)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)

    killed, _, wrong = ran.stdout.partition(" ")
    assert (ran.stderr, wrong.strip()) == ("", "[]")
    assert int(killed) > 30 // STEP
