"""Each threat that the security document names is held off by tests that there are."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.entry.documents import ROOT, code_in, rows_of, sections_of

if TYPE_CHECKING:
    from pathlib import Path

THREATS = rows_of(sections_of(ROOT / "SECURITY.md", 2)["Threats"])


@cache
def names_in(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(one.name for one in functions if one.name.startswith("test_"))


def test_there_are_threats_and_each_is_told_once() -> None:
    assert len(THREATS) >= 20
    assert len({row[0] for row in THREATS}) == len(THREATS)


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0])
def test_a_threat_is_held_off_by_tests_that_there_are(row: list[str]) -> None:
    named = [test.split("::") for test in code_in(row[-1])]

    assert named
    missing = [name for file, name in named if name not in names_in(ROOT / "tests" / file)]
    assert missing == []


def test_what_is_not_promised_is_said() -> None:
    assert "**Memory is not wiped.**" in sections_of(ROOT / "SECURITY.md", 2)["Not promised"]
