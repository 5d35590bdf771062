"""Rules of the house that no linter knows: what is locked, what is declared, and where a secret may be shown."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "requirements" / name for name in ("build.txt", "run.txt", "postgres.txt", "image.txt", "dev.txt")]
EXTRAS = ("postgres", "notify")
MODULES = {file.relative_to(ROOT).as_posix(): file for file in sorted((ROOT / "rotator").rglob("*.py"))}
MAY_REVEAL = ("rotator/adapters/", "rotator/sandbox/", "rotator/core/secret_value.py", "rotator/core/disguise.py")
ABSOLUTE = re.compile(r"(?i)https?:|git\+|file:|@ |--(extra-)?index-url|--find-links|--trusted-host|(?<!\S)(-i|-f|-e) ")


def nodes(path: str) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(MODULES[path].read_text(encoding="utf-8"), path))


def everywhere() -> Iterator[tuple[str, ast.AST]]:
    assert len(MODULES) > 100
    return ((path, node) for path in MODULES for node in nodes(path))


def requirements(lock: Path) -> list[str]:
    """Return each locked requirement with all that belongs to it, on one line; comments are left out."""
    text = re.sub(r"\\\n", " ", lock.read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(lock: Path) -> set[tuple[str, str]]:
    return {(name, version) for name, version in re.findall(r"(?m)^([a-z0-9._-]+)==([^ \\]+)", lock.read_text())}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Return what the project declares, and what these extras bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    each = [*project["dependencies"], *(one for extra in extras for one in optional[extra])]
    return {normal(re.split(r"[<>=!~\[; ]", one)[0]) for one in each}


def test_the_extras_are_those_that_are_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["optional-dependencies"].keys() == set(EXTRAS)


# --- the locks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_host(lock: Path) -> None:
    assert [line for line in lock.read_text(encoding="utf-8").splitlines() if ABSOLUTE.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_locked_requirement_is_one_version_with_hashes(lock: Path) -> None:
    exact = re.compile(r"[a-z0-9._-]+==[^ ]+( ; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+\s*")

    assert requirements(lock)
    assert [line for line in requirements(lock) if not exact.fullmatch(line)] == []


@pytest.mark.parametrize(("lock", "extras"), [("run.txt", ()), ("postgres.txt", ("postgres",)), ("image.txt", EXTRAS)])
def test_every_dependency_is_locked(lock: str, extras: tuple[str, ...]) -> None:
    assert declared(*extras) <= {normal(name) for name, _ in pins(ROOT / "requirements" / lock)}


def test_an_extra_changes_no_version() -> None:
    """So that a container may install one lock after the other."""
    assert pins(ROOT / "requirements/run.txt") <= pins(ROOT / "requirements/postgres.txt")
    assert pins(ROOT / "requirements/postgres.txt") <= pins(ROOT / "requirements/image.txt")


def test_tests_run_with_the_versions_that_the_program_runs_with() -> None:
    assert pins(ROOT / "requirements/image.txt") <= pins(ROOT / "requirements/dev.txt")


# --- the code -----------------------------------------------------------------------------------------------


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and node.level == 0 else []


def test_every_package_that_is_imported_is_declared() -> None:
    named = {name.partition(".")[0] for _, node in everywhere() for name in imported(node)}
    foreign = named - sys.stdlib_module_names - {"rotator"}
    brings = packages_distributions()

    assert {"okta", "psycopg"} <= foreign
    assert {name for name in foreign if not declared(*EXTRAS) & set(map(normal, brings[name]))} == set()


@pytest.mark.parametrize(
    ("extra", "needed_by"),
    [("postgres", "rotator/adapters/postgres_engine.py"), ("notify", "rotator/adapters/apprise_child.py")],
)
def test_what_an_extra_brings_is_imported_only_by_what_needs_it(extra: str, needed_by: str) -> None:
    optional = declared(extra) - declared()
    brings = packages_distributions()
    needs = {
        path
        for path, node in everywhere()
        for name in imported(node)
        if optional & set(map(normal, brings.get(name.partition(".")[0], ())))
    }

    assert optional
    assert needs == {needed_by}


def test_a_secret_is_revealed_only_where_it_leaves_us() -> None:
    reveals = {path for path, node in everywhere() if isinstance(node, ast.Attribute) and node.attr == "reveal"}

    assert "rotator/adapters/okta_sdk.py" in reveals
    assert {path for path in reveals if not path.startswith(MAY_REVEAL)} == set()


def names_of(kind: ast.expr | None) -> set[str]:
    return {"everything"} if kind is None else {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)}


def test_nothing_catches_whatever_comes() -> None:
    caught = [(path, names_of(node.type)) for path, node in everywhere() if isinstance(node, ast.ExceptHandler)]

    assert any("RotatorError" in names for _, names in caught)
    assert [it for it in caught if it[1] & {"everything", "Exception", "BaseException"}] == []


def test_only_the_command_line_prints() -> None:
    prints = {path for path, node in everywhere() if isinstance(node, ast.Name) and node.id == "print"}

    assert prints
    assert {path for path in prints if not path.startswith("rotator/cli/")} == set()


def test_imports_keep_to_their_contracts() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    checked = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert ", 0 broken" in checked.stdout


# --- the run that a change must pass ------------------------------------------------------------------------


def test_the_run_for_changes_is_the_one_for_people() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    steps = re.findall(r"(?m)^(?:part )?(make \w+)", (ROOT / ".ci/run").read_text(encoding="utf-8"))

    assert steps == ["make setup", "make lint", "make audit", "make test"]
    assert re.search(r"(?m)^check: lint audit\n\t@\$\(MAKE\) --no-print-directory test$", makefile)
    assert os.access(ROOT / ".ci/run", os.X_OK)
