"""The long tiers in small: each says its line, and what is broken is not passed over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.faults import bugs
from tests.postgres import NONE
from tests.proof.__main__ import KINDS, Tried, stories
from tests.proof.stack import batch

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_says_how_many_how_bad_and_how_sure() -> None:
    assert Tried("stories", 300, "schedules").line(7) == "stories: 300 schedules, 0 violations, seed 7; bound 1.0e-02"
    assert "2 violations" in Tried("soak", 10, "rotations", ("a", "b")).line(7)
    assert Tried("kills", 0, "", skipped=NONE).line(7) == f"kills: SKIPPED: {NONE}"


def test_lives_over_http_while_calls_go_wrong(tmp_path: Path) -> None:
    rotations, wrong = batch(11, tmp_path)

    assert wrong == []
    assert rotations >= 8


def test_an_outage_over_http_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bugs.the_overlap_is_skipped(monkeypatch)

    _, wrong = batch(11, tmp_path)

    assert any("does not take what Vault held a moment ago" in one for one in wrong)


def test_a_broken_story_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KINDS["stories"][0] is stories
    bugs.the_value_is_staged_after_okta_has_it(monkeypatch)

    tried = stories(0.05, 7)

    assert tried.broken
    assert "Violation(promise='I2'" in tried.broken[0]


def test_the_command_says_one_line_for_each_kind() -> None:
    argv = [sys.executable, "-m", "tests.proof", "stories", "rotations", "--minutes", "0.05", "--seed", "7"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == ["stories", "rotations"], ran.stderr
    assert all(", seed 7; bound " in line for line in ran.stdout.splitlines())


@pytest.mark.skipif(shutil.which("initdb") is None, reason=NONE)
def test_kills_are_tried() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.proof", "kills", "--minutes", "0.05", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.startswith("kills: "), ran.stderr
    assert "targets held when killed" in ran.stdout


def test_a_kind_that_there_is_not_is_refused() -> None:
    argv = [sys.executable, "-m", "tests.proof", "story"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert f"no such kind: story; there are {', '.join(KINDS)}" in ran.stderr
