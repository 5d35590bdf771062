"""The command line starts quickly: nothing heavy is imported before a command runs (design: "Figures to reach")."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

import pytest

HEAVY = (
    "okta", "hvac", "sqlalchemy", "pydantic", "aiohttp", "requests", "httpx2", "authlib", "structlog", "ruamel",
    "apprise",
)  # fmt: skip
OTHERS = (
    "rotator.core.diagnosis.evidence", "rotator.core.preflight_facts", "rotator.core.last_use",
    "rotator.core.certification.facts", "rotator.app.preflight", "rotator.adapters.webhook", "httpx2",
)  # fmt: skip
RUNS = 7
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("ROTATOR_", "_ROTATOR"))}


def seconds(*argv: str, **environ: str) -> float:
    """Return the CPU time of one run: unlike the time on the wall it hardly depends on what else is running."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *argv], capture_output=True, check=True, env={**ENVIRONMENT, **environ})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def ratio(*argv: str, **environ: str) -> float:
    """Return how many times as much as a bare Python it takes: runs by turns, since other work comes and goes."""
    runs = [(seconds(*argv, **environ), seconds("-c", "pass")) for _ in range(RUNS)]
    return statistics.median(took for took, _ in runs) / statistics.median(floor for _, floor in runs)


COMPLETION = {"_ROTATOR_COMPLETE": "bash_complete", "COMP_WORDS": "rotator st", "COMP_CWORD": "1"}


@pytest.mark.parametrize(
    ("argv", "environ", "limit"),
    [
        pytest.param(["-m", "rotator", "--version"], {}, 6, id="the version within 6 times a bare Python"),
        pytest.param(["-m", "rotator", "--help"], {}, 10, id="the help within 10 times a bare Python"),
        pytest.param(["-m", "rotator"], COMPLETION, 6, id="a completion within 6 times a bare Python"),
    ],
)
def test_it_starts_within_a_multiple_of_bare_python(argv: list[str], environ: dict[str, str], limit: float) -> None:
    ratios = []
    for _ in range(3):
        ratios.append(ratio(*argv, **environ))
        if ratios[-1] <= limit:
            return

    pytest.fail(f"took {min(ratios):.1f} times as much as `python -c pass`")


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        pytest.param(["--version"], {}, id="the version"),
        pytest.param(["--help"], {}, id="the help"),
        pytest.param(["config", "--help"], {}, id="the help of a group"),
        pytest.param(["config", "validate", "--help"], {}, id="the help of a command"),
        pytest.param(["history", "--help"], {}, id="the help of what reads the audit"),
        pytest.param(["audit", "verify", "--help"], {}, id="the help of what checks it"),
        pytest.param(["notify", "test", "--help"], {}, id="the help of what sends a test"),
        pytest.param(["staus"], {}, id="a misspelt command"),
        pytest.param([], COMPLETION, id="a completion"),
    ],
)
def test_nothing_heavy_is_imported_to_answer(argv: list[str], environ: dict[str, str]) -> None:
    program = (
        "import sys\n"
        "from rotator.cli.main import main\n"
        "main(sys.argv[1:])\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), 'imported', file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, *argv],
        capture_output=True,
        text=True,
        check=True,
        env={**ENVIRONMENT, **environ},
    )

    assert process.stderr.splitlines()[-1] == "imported"


@pytest.mark.parametrize("command", ["rotator.cli.look", "rotator.cli.act"])
def test_a_pass_loads_nothing_that_only_others_need(command: str) -> None:
    program = (
        f"import sys, {command}, rotator.cli.passes, rotator.wiring, rotator.wiring_hooks\n"
        "import rotator.adapters.okta_log, rotator.adapters.okta_tokens, rotator.adapters.hooks\n"
        f"print(*sorted(set({OTHERS!r}) & set(sys.modules)), 'imported')\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert process.stdout == "imported\n"


def test_a_completion_names_the_commands() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "rotator"], capture_output=True, text=True, check=True, env={**ENVIRONMENT, **COMPLETION}
    )

    assert answer.stdout.split() == ["plain,status"]


def test_a_completion_knows_the_options_of_a_command() -> None:
    words = {**COMPLETION, "COMP_WORDS": "rotator config validate --o", "COMP_CWORD": "3"}
    answer = subprocess.run(
        [sys.executable, "-m", "rotator"], capture_output=True, text=True, check=True, env={**ENVIRONMENT, **words}
    )

    assert answer.stdout.split() == ["plain,--output"]
