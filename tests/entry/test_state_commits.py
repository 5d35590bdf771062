"""`rotator rotate`, with something befalling each of its transactions in turn: it ends or goes on, and settles.

In CI each transaction meets one of the faults; ROTATOR_TEST_COMMITS=all lets each meet all of them.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.entry.faulty_state import FAULTS
from tests.entry.test_kill import AT_ONCE, ROTATED, RUNS, Trial, begun
from tests.entry.test_run import CREATE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.entry.site import Site
    from tests.entry.zygote import Zygote

ALL = os.environ.get("ROTATOR_TEST_COMMITS") == "all"
HERE = "tests.entry.faulty_state"

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]


@pytest.fixture
def released(site: Site) -> Path:
    """A state database whose brake a person has released."""
    site.release()
    return site.database


def with_state(trial: Trial, released: Path) -> Trial:
    """Have a state database that has been there for long."""
    folder = trial.site.folder / "database"
    folder.mkdir(mode=0o700)
    shutil.copy(released, folder / "state.db")
    trial.site.extra = {"state": {"url": f"sqlite:///{folder}/state.db"}}
    return trial


def ran(trial: Trial, zygote: Zygote, number: int, *before: str) -> tuple[int, str]:
    """Run the command; return its exit code, and what it said."""
    out = trial.site.folder / f"log-{number}"
    code = zygote.run(trial.argv, out, before=before, **trial.environ).wait()
    return code, out.read_text()


def transactions(folder: Path, zygote: Zygote, released: Path) -> int:
    """Return how many there are when nothing befalls any."""
    with begun(ROTATED, folder) as trial:
        counted = folder / "counted"
        code, said = ran(with_state(trial, released), zygote, 0, HERE, "count_them", str(counted))
        assert (code, trial.problems()) == (0, []), said
        return int(counted.read_text())


def befallen(folder: Path, zygote: Zygote, released: Path, fault: str, number: int) -> list[str]:
    """Let it befall that transaction, run the command again until it is done; return what is wrong then."""
    with begun(ROTATED, folder) as trial:
        trial.box.faults.arm(trial.watch, when="after", times=None)
        runs = [ran(with_state(trial, released), zygote, 0, HERE, "befall", fault, str(number))]
        while (runs[-1][0] != 0 or len(runs) == 1) and len(runs) < RUNS:
            runs.append(ran(trial, zygote, len(runs)))
        problems = trial.problems() if runs[-1][0] == 0 else [f"it ends with {[code for code, _ in runs]}"]
        creates, key = trial.box.journal.count(CREATE), trial.box.vault.key("secret", "billing/okta")
        if (creates, key.current if key else 0) != (1, 2):
            problems.append(f"{creates} creates, and {key} at the path")
        problems += [said for code, said in runs if "Traceback" in said or code not in {0, 1, 3, 5, -9}]
        return [f"{fault}, transaction {number}: {problem}" for problem in problems]


def test_whatever_befalls_a_transaction_nothing_is_made_twice_and_the_next_run_settles(
    tmp_path: Path, zygote: Zygote, released: Path
) -> None:
    many = transactions(tmp_path / "undisturbed", zygote, released)
    trials = [(FAULTS[(n + k) % len(FAULTS)], n) for n in range(1, many + 1) for k in range(len(FAULTS) if ALL else 1)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(
            lambda it: befallen(tmp_path / f"{it[0].replace(' ', '-')}-{it[1]}", zygote, released, *it), trials
        )
        problems = [problem for found in ended for problem in found]

    assert many > 10
    assert problems == []
