"""Counting stories: the same ones whoever tells them, none lost, and the shortest bad one is named."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.faults import bugs
from tests.faults.count import SHAPES, count, story
from tests.faults.story import tell

if TYPE_CHECKING:
    import pytest

SEED = 7
FEW = 2 * len(SHAPES)


def test_two_processes_count_what_one_counts() -> None:
    one, two = count(SEED, schedules=FEW), count(SEED, schedules=FEW, processes=2)

    assert (one.schedules, one.violations) == (FEW, 0)
    assert one.states
    assert one == two


def test_another_seed_tells_other_stories() -> None:
    assert [str(story(SEED, n)) for n in range(FEW)] != [str(story(SEED + 1, n)) for n in range(FEW)]


def test_the_time_ends_it() -> None:
    assert count(SEED, schedules=10**9, seconds=0).schedules == 0


def test_a_bug_is_counted_and_its_shortest_story_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bugs.the_value_is_staged_after_okta_has_it(monkeypatch)

    tally = count(SEED, schedules=60)

    bad = [n for n in range(60) if tell(story(SEED, n)).violations]
    assert tally.violations == len(bad) > 1
    assert tally.shortest == min(bad, key=lambda n: (len(str(story(SEED, n))), n))


def test_the_command_says_it_in_a_line() -> None:
    argv = [sys.executable, "-m", "tests.faults", "--schedules", "12", "--seed", "7", "--processes", "1"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("stories: 12 schedules, 0 violations, seed 7;")
    assert ran.stdout.endswith("bound 2.5e-01\n")


def test_a_story_can_be_told_alone() -> None:
    argv = [sys.executable, "-m", "tests.faults", "--seed", "7", "--tell", "3"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert ran.stdout.startswith(f"{story(7, 3)}\n")
