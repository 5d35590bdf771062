"""The documents of rules and the tests that pin them do not drift apart.

A row is `| rule | what | contract | tests |`; tests are `file::name` in `tests/sandbox/`. A rule marked [?] names,
right after the mark, the switch that sets it either way.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from rotator.sandbox.okta_settings import OktaSettings

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "sandbox"
OKTA, VAULT = ROOT / "docs" / "sandbox-rules-okta.md", ROOT / "docs" / "sandbox-rules-vault.md"
# Numbers and names of an org, and not facts about Okta that are in doubt.
NO_SWITCHES = {
    "plan",
    "limits",
    "principal_share",
    "window",
    "api_access_management",
    "api_token_idle_life",
    "seed",
}

DOCUMENTS = [pytest.param(OKTA, id="Okta"), pytest.param(VAULT, id="Vault")]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row."""

    id: str
    what: str
    tests: tuple[str, ...]

    @property
    def switch(self) -> str | None:
        """The name after a [?]; empty if there is none, None if the rule is not in doubt."""
        if "[?]" not in self.what:
            return None
        named = re.search(r"\[\?\]\s*`(\w+)`", self.what)
        return named[1] if named else ""


def rules(document: Path) -> list[Rule]:
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in document.read_text().splitlines()]
    found = []
    for row, below in pairwise([*rows, []]):
        if len(row) < 4 or _is_line(row) or _is_line(below):
            continue
        found.append(Rule(row[0].strip("`"), " ".join(row[1:-1]), tuple(re.findall(r"[\w/.]+\.py::\w+", row[-1]))))
    return found


def _is_line(row: list[str]) -> bool:
    """Say whether that is the line below a table's head."""
    return bool(row) and all(set(cell) <= set("-: ") for cell in row)


@cache
def names_in(name: str) -> frozenset[str]:
    """Return the tests of a file, by reading it rather than by running it."""
    path = TESTS / name.removeprefix("tests/sandbox/")
    if not path.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_there_are_rules(document: Path) -> None:
    assert len(rules(document)) > 10


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_rule_names_tests_that_exist(document: Path) -> None:
    untested = [rule.id for rule in rules(document) if not rule.tests]
    missing = [
        f"{rule.id}: {test}"
        for rule in rules(document)
        for test in rule.tests
        if test.partition("::")[2] not in names_in(test.partition("::")[0])
    ]

    assert (untested, missing) == ([], [])


def test_no_rule_is_listed_twice() -> None:
    ids = [rule.id for document in (OKTA, VAULT) for rule in rules(document)]

    assert sorted(ids) == sorted(set(ids))


def test_every_doubtful_rule_has_a_switch_and_every_switch_a_rule() -> None:
    doubtful = {rule.switch for rule in rules(OKTA) if rule.switch is not None}
    switches = {field.name for field in fields(OktaSettings)} - NO_SWITCHES

    assert doubtful == switches
