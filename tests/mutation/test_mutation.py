"""Changing the code: which changes there are, that each is one, and that a test which notices is believed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.mutation.__main__ import ROOT, every_mutant
from tests.mutation.accepted import accepted, named, row
from tests.mutation.mutants import Mutant, mutants_of, mutated

if TYPE_CHECKING:
    from pathlib import Path

BACKOFF = "rotator/core/backoff.py"


def of(text: str, folder: Path) -> list[tuple[str, str]]:
    """Return the changes to a function with that body."""
    file = folder / "some.py"
    file.write_text("def f(a, b, c):\n" + "".join(f"    {line}\n" for line in text.splitlines()))
    return [(one.was, one.became) for one in mutants_of(file, "some.py")]


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ("a = b < c", [("b < c", "b <= c"), ("b < c", "b >= c")]),
        ("a = b is None", [("b is None", "b is not None")]),
        ("a = b and c", [("b and c", "b or c")]),
        ("a = not b", [("not b", "b")]),
        ("a = b + c", [("b + c", "b - c")]),
        ("a = 3", [("3", "4")]),
        ("a = True", [("True", "False")]),
        ("a = min(b, c)", [("min(b, c)", "max(b, c)")]),
        ("a = [x for x in b if c]", [("for x in b if c", "for x in b")]),
        ("a = b if c else a", [("c", "not c")]),
        ("if a:\n    b()", [("a", "not a"), ("b()", "pass")]),
        ("raise a", [("raise a", "pass")]),
        ("return a", [("return a", "return None")]),
        ("return None", []),
        ('"""What it is."""', []),
        ("assert a < b", []),
        ("assert_never(a)", []),
        ("a = zip(b, c, strict=True)", []),
        ('a = "text"', []),
        ("a: int = 3", []),
    ],
)
def test_the_changes_of_a_statement(body: str, changes: list[tuple[str, str]], tmp_path: Path) -> None:
    assert of(body, tmp_path) == changes


def test_each_mutant_is_the_module_with_that_one_change() -> None:
    plain = ast.unparse(ast.parse((ROOT / BACKOFF).read_text()))
    changed = [ast.unparse(mutated(ROOT / BACKOFF, one)) for one in every_mutant([BACKOFF])]

    assert len(set(changed)) == len(changed) > 3
    assert plain not in changed
    for text in changed:
        lines = list(zip(plain.splitlines(), text.splitlines(), strict=True))
        assert sum(one != other for one, other in lines) == 1


def run(tests: Path, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.mutation", BACKOFF, "--minutes", "2", "--tests", str(tests), *options]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def all_of_it(tmp_path: Path) -> Path:
    """A test that looks at every result, and cannot but notice."""
    return _test_file(tmp_path, "assert [delay(n) for n in range(20)] == HELD")


def test_what_a_test_notices_is_killed(all_of_it: Path) -> None:
    ran = run(all_of_it)

    (last,) = [line for line in ran.stdout.splitlines() if line.startswith("mutation: ")]
    assert f"{len(every_mutant([BACKOFF]))} mutants" in last
    assert "0 killed" not in last


def test_what_no_test_looks_at_survives_and_is_told_with_its_line(tmp_path: Path) -> None:
    ran = run(_test_file(tmp_path, "delay(1)"))

    assert ran.returncode == 1
    assert f"survived: {BACKOFF}:" in ran.stdout
    assert "(0.0%)" in ran.stdout


def test_what_no_test_reaches_is_told_apart(tmp_path: Path) -> None:
    ran = run(_test_file(tmp_path, "assert True"))

    assert f"unreached: {BACKOFF}:" in ran.stdout


def test_a_test_that_fails_without_a_change_kills_nothing(tmp_path: Path) -> None:
    ran = run(_test_file(tmp_path, "delay(1)\n    assert False"))

    assert "not used, since it fails without any change: " in ran.stdout
    assert ", 0 killed (0.0%)" in ran.stdout


def _test_file(folder: Path, body: str) -> Path:
    from rotator.core.backoff import delay

    held = [delay(n).total_seconds() for n in range(20)]
    file = folder / "test_planted.py"
    file.write_text(
        "from datetime import timedelta\n\nfrom rotator.core.backoff import delay\n\n"
        f"HELD = [timedelta(seconds=s) for s in {held}]\n\n\ndef test_it():\n    {body}\n"
    )
    return file


# --- those that may survive -----------------------------------------------------------------------------------


def test_a_row_of_the_document_is_the_mutant_that_it_was_made_of(tmp_path: Path) -> None:
    mutant = Mutant("rotator/core/usage.py", "told", 139, 139, "a | b", "a & b", 7)
    document = tmp_path / "mutation.md"
    document.write_text(f"| where | was | became | why |\n| --- | --- | --- | --- |\n{row(mutant, 'the same')}\n")

    assert accepted(document) == {named(mutant): "the same"}


def test_each_survivor_that_is_explained_is_one_mutant_that_there_is() -> None:
    there = Counter(named(mutant) for mutant in every_mutant([]))

    assert accepted()
    assert [name for name in accepted() if there[name] != 1] == []
    assert all(accepted().values())
