"""The chapters with tiny numbers: each can be measured alone, and says what it is to say. No figure is tested."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.bench.__main__ import WORKS
from tests.bench.alone import alone
from tests.bench.figures import Chapter, Row, as_json, put
from tests.bench.measure import clean_environ
from tests.bench.peers.contestants import TWO_PHASE
from tests.bench.peers.kills import calls_of, kill
from tests.bench.stops import WHAT
from tests.entry.zygote import Zygote
from tests.postgres import NONE

if TYPE_CHECKING:
    from pathlib import Path


STOPS = int(os.environ.get("ROTATOR_TEST_STOPS", "10"))
SEED = int(os.environ.get("ROTATOR_TEST_SEED", "20261127"))
AT_REST = [
    *("ready", "ready, to the bare imports", "memory", "memory, to the bare imports"),
    *("growth of the memory", "CPU of a tick", "calls to Okta and Vault"),
]


def names(chapter: Chapter) -> list[str]:
    """Return what its rows are about; each can be printed."""
    assert all(math.isfinite(row.figure) for row in chapter.rows)
    assert all(len(row.cells()) == 4 for row in chapter.rows)
    return [row.what for row in chapter.rows]


def tiny(name: str, folder: Path, **size: float | str) -> Chapter:
    return alone(name, folder / name, clean_environ(str(folder)), **size)


@pytest.fixture
def postgres() -> None:
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip(NONE)


def test_the_daemon_at_rest(tmp_path: Path) -> None:
    chapter = tiny("daemon", tmp_path, targets=2, many=3, ticks=1, runs=1, quiet=1)

    fleets = ("2 named targets", "2 members of a selection", "3 members of a selection")
    assert names(chapter) == [f"{fleet}: {what}" for fleet in fleets for what in AT_REST]
    assert [row.goal for row in chapter.rows if row.what.endswith(": memory")] == [160, 160, 256]


def test_the_limit_with_a_competitor(tmp_path: Path) -> None:
    chapter = tiny("limits", tmp_path, targets=11)

    assert [row.goal for row in chapter.rows] == [0, 3, None, 1.1, 1, 0, 0]
    assert names(chapter)[-1] == "refused with 429"
    assert "2 windows" in [row.remark for row in chapter.rows]


def test_revoked_secrets(tmp_path: Path) -> None:
    chapter = tiny("revoked", tmp_path, targets=4, trials=1, at_once=2, poll=1, window=2)

    one, many = "one among 4: p95 of 1", "2 at once: the last one"
    assert names(chapter)[:4] == [one, "one: median", "one: the worst", many]
    assert chapter.rows[0].goal == 6


@pytest.mark.usefixtures("postgres")
def test_failover(tmp_path: Path) -> None:
    chapter = tiny("failover", tmp_path, trials=1, pairs=1)

    worst, killed = "the worst of 1", "killed before the value is staged: the worst of 1"
    assert names(chapter) == [worst, "median", "creates beyond one for each rotation", killed]


@pytest.mark.usefixtures("postgres")
def test_kills(tmp_path: Path) -> None:
    chapter = tiny("kills", tmp_path, targets=3, seconds=3, seed=1)

    assert names(chapter)[0] == "trials"
    assert [row.goal for row in chapter.rows] == [None, 0, 0, 0]


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("kind", WHAT)
def test_stops(tmp_path: Path, kind: str) -> None:
    trials = STOPS if kind == "stopped" else STOPS // 2
    chapter = tiny("stops", tmp_path, kind=kind, trials=trials, targets=3 * trials, seconds=5 * trials, seed=SEED)

    assert names(chapter)[0] == "trials"
    assert [row.what for row in chapter.rows if row.met is False] == []


def test_the_peers(tmp_path: Path) -> None:
    chapter = tiny("peers.chapter", tmp_path, apps=2, late=0.2, every=40)

    told = (
        "2 apps, time",
        "calls of the apps bucket for each",
        "calls to Vault for each",
        "refused with 429, but for token requests",
    )
    assert names(chapter)[:4] == [f"rotator: {what}" for what in told]
    assert {row.what.partition(": ")[0] for row in chapter.rows} == {"rotator", "a script from cron", "two phases"}
    assert {row.what.partition(": ")[0] for row in chapter.rows if row.goal is not None} == {"rotator"}


def test_what_peers_lose_when_killed_at_the_wrong_moment_is_seen(tmp_path: Path) -> None:
    """So that a figure of nothing lost means something."""
    with Zygote(tmp_path, TWO_PHASE.program) as zygote:
        calls = calls_of(TWO_PHASE, 0, tmp_path / "undisturbed", zygote)
        create = next(n for n, call in enumerate(calls, start=1) if call.kind.startswith("POST"))
        came = kill(TWO_PHASE, 0, tmp_path / "killed", zygote, number=create, when="after")

    assert came.lost == 1
    assert came.stuck


def test_a_year_of_one_app(tmp_path: Path) -> None:
    chapter = tiny("year", tmp_path, lives=1)

    assert names(chapter)[4] == "calls to Okta for each app and year"
    assert all(row.goal is None for row in chapter.rows)


def test_what_is_told_without_a_look(tmp_path: Path) -> None:
    chapter = tiny("foresight", tmp_path, targets=3, runs=1)

    assert [row.goal for row in chapter.rows if row.goal is not None] == [1, 1, 0, 5]
    assert names(chapter)[-1] == "`simulate`, a year: CPU to the bare events"
    (calls,) = [row.figure for row in chapter.rows if row.what == "calls to Okta and Vault"]
    assert calls == 0


def test_a_chapter_is_put_in_the_place_of_its_title_and_the_others_stay() -> None:
    before = as_json({"date": "then"}, [Chapter("A", "a", [Row("x", 1, 2)]), Chapter("B", "b", [Row("y", 3)])])

    conditions, chapters = put([Chapter("A", "anew", [Row("x", 5, 2)])], {"date": "now", "load before": "1.0"}, before)

    assert chapters == [Chapter("A", "anew", [Row("x", 5, 2)]), Chapter("B", "b", [Row("y", 3)])]
    assert conditions == {"date": "then", "chapter 'A'": "by itself on now, load before 1.0"}


def test_a_chapter_that_there_is_not_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.bench", "daemons", "--into", str(tmp_path)]
    ran = subprocess.run(argv, env=clean_environ(str(tmp_path)), capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert f"no such chapter: daemons; there are {', '.join(WORKS)}" in ran.stderr
    assert list(tmp_path.iterdir()) == []
