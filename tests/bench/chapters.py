"""The chapters: what is measured, against which floor, and what was to be reached (design: "Figures to reach")."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.bench.calls import NEEDED, named
from tests.bench.figures import TIMES, Chapter, Row
from tests.bench.measure import Took, by_turns, run
from tests.bench.world import serving, tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.world import World

HEAVY = ("okta", "hvac", "sqlalchemy", "pydantic")
ROTATOR = ["-m", "rotator"]
COMPLETION = {"_ROTATOR_COMPLETE": "bash_complete", "COMP_WORDS": "rotator st", "COMP_CWORD": "1"}
LOADED = (
    "import sys\nfrom rotator.cli.main import main\nmain(sys.argv[1:])\n"
    f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
)
OKTA = (
    "import okta.api.application_api, okta.api.application_sso_public_keys_api, okta.request_executor; "
    "import okta.models.o_auth2_client_secret_request_body, hvac, structlog, ruamel.yaml, rich_click"
)
TOKENS = "; import httpx2, authlib.integrations.httpx_client"
ROUNDS = 20
TARGETS = 200


def start_up(environ: dict[str, str]) -> Chapter:
    """Measure what an answer that needs no Okta takes."""
    bare = _program(["-c", "pass"], environ)
    asked: dict[str, tuple[list[str], dict[str, str], float]] = {
        "`rotator --version`": (["--version"], {}, 6),
        "`rotator --help`": (["--help"], {}, 10),
        "completion": ([], COMPLETION, 6),
    }
    chapter = Chapter("Start", "The floor is `python -c pass`. Median of 9 runs by turns.")
    for what, (argv, more, goal) in asked.items():
        took, floor = by_turns(_program([*ROTATOR, *argv], environ | more), bare)
        chapter.rows.append(Row(f"{what}, wall", took.wall / floor.wall, goal, TIMES, f"{took.wall * 1000:.0f} ms"))
        chapter.rows.append(Row(f"{what}, CPU", took.cpu / floor.cpu, goal, TIMES))
    for word in ("--version", "--help"):
        heavy = _heavy_modules(word, environ)
        remark = heavy or f"none of {', '.join(HEAVY)}"
        chapter.rows.append(Row(f"heavy modules loaded by `rotator {word}`", len(heavy.split()), 0, "", remark))
    return chapter


def rotation(folder: Path, environ: dict[str, str]) -> Chapter:
    """Measure a rotation to promoted and verified, and the rest of its life, in calls and against bare calls."""
    chapter = Chapter(
        "One rotation",
        "Over HTTP to the sandbox in another process. Calls are those that its journal has. The floor is the work by"
        " plain calls, in sequence, through the same libraries (the okta SDK's own narrow classes, hvac, httpx2 with"
        f" authlib's signing), in the same process with warm connections; medians of {ROUNDS} by turns. rotator makes"
        " more calls to Vault than the work needs: it looks at the consumers' path before each decision, so that nobody"
        " is overwritten. One row has the very calls that"
        " it makes as its floor.",
    )
    with serving(folder / "rotation", {"expired": 3 * (ROUNDS + 2) + 1}, environ) as world:
        name, *others = sorted(world.apps)
        mark = world.mark()
        run([*ROTATOR, "rotate", "--config", str(world.config), name], environ)
        calls = world.calls(mark)
        chapter.rows += _calls(calls)
        chapter.rows += _against_bare_calls(world, others, named(calls), environ)
        done = _retire(world, name, environ)
        assert done == ["AskUsage", "Verify", "Deactivate", "AskUsage", "Delete"], done
        life = tally([call for call in world.calls(mark) if world.apps[name] in call["path"]])
        chapter.rows.append(Row("its whole life, with deactivate and delete: apps bucket", life["apps"], 6))
    return chapter


def _calls(made: list[dict[str, Any]]) -> list[Row]:
    calls = tally(made)
    others = ", ".join(f"{bucket}: {calls[bucket]}" for bucket in sorted(calls) if bucket not in {"apps", "vault"})
    return [
        Row("rotate, to promoted and verified: calls of Okta's apps bucket", calls["apps"], 3),
        Row("rotate: other calls to Okta", calls.total() - calls["apps"] - calls["vault"], remark=others),
        Row("rotate: calls to Vault, login included", calls["vault"]),
    ]


def _retire(world: World, name: str, environ: dict[str, str]) -> list[str]:
    """Let the overlap go by, then the soak, with a pass after each; return what was done."""
    done: list[str] = []
    for days, since in ((8, 8), (12, 4)):
        world.advance(timedelta(days=since))
        took = run(["-m", "tests.bench.client", "later", str(world.config), name, str(days)], environ)
        done += json.loads(took.out)
    return done


def _against_bare_calls(world: World, names: list[str], calls: list[str], environ: dict[str, str]) -> list[Row]:
    tasks = [json.dumps(world.task(name)) for name in names]
    took = run(["-m", "tests.bench.client", "rotations", str(world.config), json.dumps(calls), *tasks], environ)
    figures: dict[str, list[tuple[float, float]]] = json.loads(took.out)
    cpu, wall = (
        {who: statistics.median(one[column] for one in each) for who, each in figures.items()} for column in (0, 1)
    )
    needed, same = f"{len(NEEDED)} calls, {_ms(cpu['needed'])}", f"{len(calls)} calls, {_ms(cpu['same'])}"
    return [
        Row("CPU of the client, warm", cpu["rotator"] * 1000, unit=" ms"),
        Row("time on the wall, warm", wall["rotator"] * 1000, unit=" ms"),
        Row("CPU to the calls that the work needs", cpu["rotator"] / cpu["needed"], 1.3, TIMES, needed),
        Row("CPU to the calls that it makes", cpu["rotator"] / cpu["same"], 1.3, TIMES, same),
        Row("wall to the calls that the work needs", wall["rotator"] / wall["needed"], unit=TIMES),
    ]


def one_off(folder: Path, environ: dict[str, str]) -> Chapter:
    """Measure the command from start to exit."""
    runs = 7
    chapter = Chapter(
        "`rotator rotate`, one target, from start to exit",
        "The floors are a Python script that does the work by bare calls, and a Python that only imports the libraries"
        f" (okta narrow, hvac, httpx2, authlib, structlog, ruamel.yaml, rich-click). Medians of {runs} by turns.",
    )
    with serving(folder / "one-off", {"expired": 2 * runs}, environ) as world:
        names = iter(sorted(world.apps))
        ours, script, imports = by_turns(
            lambda: run([*ROTATOR, "rotate", "--config", str(world.config), next(names)], environ),
            lambda: run(["-m", "tests.bench.bare", json.dumps(world.task(next(names)))], environ),
            lambda: run(["-c", OKTA + TOKENS], environ),
            runs=runs,
        )
    chapter.rows = [
        Row("time from start to exit", ours.wall, unit=" s"),
        Row("time to the bare script", ours.wall / script.wall, unit=TIMES, remark=f"{script.wall:.2f} s"),
        Row("CPU to the bare script", ours.cpu / script.cpu, 1.3, TIMES),
        Row("CPU to the bare imports", ours.cpu / imports.cpu, unit=TIMES),
        Row("peak memory", ours.peak, unit=" MB"),
        Row("peak memory to the bare imports", ours.peak / imports.peak, unit=TIMES, remark=f"{imports.peak:.0f} MB"),
    ]
    return chapter


def settled(folder: Path, environ: dict[str, str]) -> Chapter:
    """Measure commands over many targets that have nothing due."""
    chapter = Chapter(
        f"{TARGETS} settled targets",
        "One org, one Vault, nothing due; the rate limits of the sandbox are lifted. Medians of 3 runs by turns. The"
        " floor is a Python that imports the libraries which the command needs. None reads what is remembered"
        " (`--cached`): each asks Okta and Vault about each target.",
    )
    with serving(folder / "settled", {"settled": TARGETS}, environ) as world:
        commands = {
            "`reconcile`": ["reconcile"],
            "`plan --output json`": ["plan", "--output", "json"],
            "`status --output json`": ["status", "--output", "json"],
        }
        for what, argv in commands.items():
            chapter.rows += _over_all(world, what, argv, environ)
    return chapter


def _over_all(world: World, what: str, argv: list[str], environ: dict[str, str]) -> list[Row]:
    mark = world.mark()
    ours, imports = by_turns(
        _program([*ROTATOR, *argv, "--config", str(world.config)], environ), _program(["-c", OKTA], environ), runs=3
    )
    per_target = Counter({bucket: calls / 3 / TARGETS for bucket, calls in tally(world.calls(mark)).items()})
    writes = sum(call["method"] != "GET" for call in world.calls(mark))
    calls = ", ".join(f"{bucket}: {per_target[bucket]:.2f}" for bucket in sorted(per_target))
    goal = 1.5 if "status" in what else None
    return [
        Row(f"{what}: calls for each target", round(sum(per_target.values()), 2), remark=calls),
        Row(f"{what}: writes", writes, 0),
        Row(
            f"{what}: time for each target",
            (ours.wall - imports.wall) / TARGETS * 1000,
            unit=" ms",
            remark="above imports",
        ),
        Row(f"{what}: CPU to the bare imports", ours.cpu / imports.cpu, goal, TIMES, f"{ours.cpu:.1f} s"),
        Row(f"{what}: peak memory", ours.peak, unit=" MB"),
    ]


def enumerator(environ: dict[str, str], seed: int) -> Chapter:
    """Measure the fault enumerator on one core."""
    seconds = 10
    took = run(["-m", "tests.bench.stories", str(seed), str(seconds)], environ)
    found = json.loads(took.out)
    rows = []
    for title, one in found.items():
        what = {
            "enumerated": "one expired secret, every placement of up to two faults",
            "sampled": f"any scene, two faults, two acts of people, for {seconds} s of CPU",
        }[title]
        rows += [
            Row(f"{what}: schedules", one["schedules"], remark=f"{one['effects']:,} effects"),
            Row(f"{what}: schedules a second", one["per_second"]),
            Row(f"{what}: distinct states", one["states"]),
            Row(f"{what}: violations", one["violations"], 0),
        ]
    return Chapter("The fault enumerator", "One process, on the real core and in-memory fakes; one core.", rows)


def _program(argv: list[str], environ: dict[str, str]) -> Callable[[], Took]:
    return lambda: run(argv, environ)


def _heavy_modules(word: str, environ: dict[str, str]) -> str:
    return run(["-c", LOADED, word], environ).out.splitlines()[-1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
