"""The Hooks port: real commands, and what they get of us and we of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from rotator.adapters.clock import SystemClock
from rotator.adapters.hook_command import KEPT, Ended
from rotator.adapters.hooks import PATH, Command, ConfiguredHooks, last_line
from rotator.core.hooks import Occasion
from rotator.core.model import AppId, KvPath, RotationId, SecretId
from rotator.core.secret_value import SecretValue
from rotator.redaction import hide
from tests.fakes.hooks import BAD, GOOD, FakeHooks
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.hooks import HookResult
    from rotator.ports import Hooks

OCCASION = Occasion(
    target="billing",
    org="acme",
    app_id=AppId("0oa1example1example1"),
    client_id="client-1",
    rotation=RotationId("rotation-1"),
    path=KvPath("kv", "billing/okta"),
    version=7,
    secret=SecretId("ocs1"),
    promoted_at=NOON,
)
CANARY = "Cnry7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0zXoKiYtR-_uVb2nM4cQ8eL1pS"  # as long as a secret of ours
SOON = timedelta(seconds=20)


def shell(
    script: str, *, timeout: timedelta = SOON, environment: Mapping[str, str] | None = None, folder: Path = Path("/")
) -> Command:
    given = tuple((name, SecretValue(value)) for name, value in (environment or {}).items())
    return Command(("/bin/sh", "-c", script), given, folder, timeout)


async def ran(hook: Command, occasion: Occasion = OCCASION) -> HookResult:
    return await ConfiguredHooks({"it": hook}, SystemClock()).run("it", occasion)


# --- what every implementation promises -------------------------------------------------------------------------


@pytest.fixture(params=["memory", "commands"])
def hooks(request: pytest.FixtureRequest) -> Hooks:
    """A hook that works, one that fails, and one that works the second time."""
    if request.param == "memory":
        twice = {"good": lambda _: GOOD, "bad": lambda _: BAD, "second": lambda before: GOOD if before else BAD}
        return FakeHooks(twice)
    folder: Path = request.getfixturevalue("tmp_path")
    scripts = {"good": "true", "bad": "echo it went wrong >&2; exit 1", "second": "ls done || { touch done; false; }"}
    return ConfiguredHooks({name: shell(each, folder=folder) for name, each in scripts.items()}, SystemClock())


@pytest.mark.parametrize(("name", "good"), [("good", [True, True]), ("bad", [False] * 2), ("second", [False, True])])
async def test_a_hook_ends_good_or_not_each_time_that_it_is_run(hooks: Hooks, name: str, good: list[bool]) -> None:
    assert [(await hooks.run(name, OCCASION)).good for _ in good] == good


async def test_what_went_wrong_is_told_in_one_line(hooks: Hooks) -> None:
    assert (await hooks.run("bad", OCCASION)).detail == "exit code 1: it went wrong"


async def test_a_hook_that_the_configuration_has_no_more_is_not_good_and_no_error(hooks: Hooks) -> None:
    gone = await hooks.run("gone", OCCASION)

    assert (gone.good, gone.detail) == (False, "the configuration has no such hook any more")


# --- what a command gets of us ----------------------------------------------------------------------------------


async def test_a_command_gets_references_and_what_it_was_given_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    monkeypatch.setenv("ROTATOR_OKTA__ACME__AUTH__TOKEN", CANARY)
    dump = Command(
        ("/bin/cp", "/proc/self/environ", str(tmp_path / "environ")),
        (("REGION", SecretValue("north")),),
        Path("/"),
        SOON,
    )

    assert (await ran(dump)).good

    found = (tmp_path / "environ").read_text().rstrip("\0").split("\0")
    assert sorted(found) == sorted(
        [
            f"PATH={PATH}",
            "LANG=C.UTF-8",
            "REGION=north",
            "ROTATOR_TARGET=billing",
            "ROTATOR_ORG=acme",
            "ROTATOR_APP_ID=0oa1example1example1",
            "ROTATOR_CLIENT_ID=client-1",
            "ROTATOR_ROTATION_ID=rotation-1",
            "ROTATOR_VAULT_PATH=kv/billing/okta",
            "ROTATOR_VAULT_VERSION=7",
            "ROTATOR_SECRET_ID=ocs1",
            "ROTATOR_PROMOTED_AT=2026-11-23T12:00:00+00:00",
        ]
    )


async def test_a_command_has_its_arguments_as_they_are_and_its_folder(tmp_path: Path) -> None:
    words = ("a b", "$HOME", "*", "")
    script = 'printf "%s\\n" "$PWD" "$@" > seen'
    hook = Command(("/bin/sh", "-c", script, "sh", *words), (), tmp_path, SOON)

    assert (await ran(hook)).good

    assert (tmp_path / "seen").read_text().splitlines() == [str(tmp_path), *words]


OPEN = """
import os, sys
def is_open(number):
    try:
        return bool(os.fstat(number))
    except OSError:
        return False
print([number for number in range(1000) if is_open(number)], repr(sys.stdin.read()), file=sys.stderr)
"""


async def test_a_command_inherits_no_file_and_reads_nothing() -> None:
    ours = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        result = await ran(Command((sys.executable, "-Ic", OPEN), (), Path("/"), SOON))
    finally:
        os.close(ours)

    assert result.detail == "exit code 0: [0, 1, 2] ''"


async def test_a_command_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    dump = Command(("/bin/cp", "/proc/self/stat", str(tmp_path / "stat")), (), Path("/"), SOON)

    assert (await ran(dump)).good

    pid, *rest = (tmp_path / "stat").read_text().split()
    group, session = rest[3], rest[4]
    assert pid == group == session


# --- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "good", "detail"),
    [
        pytest.param("exit 0", True, "exit code 0", id="good"),
        pytest.param("echo done >&2", True, "exit code 0: done", id="good, and says so"),
        pytest.param("echo no such unit >&2; exit 5", False, "exit code 5: no such unit", id="bad"),
        pytest.param("exit 3", False, "exit code 3", id="bad without a word"),
        pytest.param("echo first >&2; echo last >&2; echo >&2; exit 1", False, "exit code 1: last", id="many lines"),
        pytest.param("echo data; exit 1", False, "exit code 1", id="its output is nobody's"),
        pytest.param("kill -TERM $$", False, "ended by SIGTERM", id="by a signal"),
        pytest.param(
            "printf '\\033[31mred\\007\\n' >&2; exit 1", False, "exit code 1: \\x1b[31mred\\x07", id="steering"
        ),
        pytest.param("printf '\\377\\n' >&2; exit 1", False, "exit code 1: \N{REPLACEMENT CHARACTER}", id="no text"),
    ],
)
async def test_how_a_command_ended_is_told(script: str, good: bool, detail: str) -> None:
    result = await ran(shell(script))

    assert (result.good, result.detail) == (good, detail)


async def test_a_program_that_is_gone_is_told_and_no_error() -> None:
    gone = await ran(Command(("/no/such/program",), (), Path("/"), SOON))

    assert (gone.good, gone.detail) == (False, "it cannot be started (no such file or directory)")


async def test_an_id_that_no_environment_can_hold_is_told_and_no_error() -> None:
    odd = await ran(shell("true"), replace(OCCASION, client_id="a\0b"))

    assert (odd.good, odd.detail) == (False, "it cannot be started (an id holds a character that ends a text)")


class Leash:
    """A pipe that whoever is alive holds open: it ends when the last of them does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "leash"
        os.mkfifo(self.path)
        self._end = asyncio.StreamReader()
        self._pipe: asyncio.ReadTransport | None = None

    async def held(self) -> None:
        """Return once somebody holds it."""
        file = await asyncio.to_thread(self.path.open, "rb", buffering=0)
        reading = asyncio.StreamReaderProtocol(self._end)
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: reading, file)

    async def let_go(self) -> None:
        """Return once nobody holds it any more."""
        assert self._pipe
        try:
            async with asyncio.timeout(60):
                await self._end.read()
        finally:
            self._pipe.close()


@pytest.fixture
async def leash(tmp_path: Path) -> Leash:
    return Leash(tmp_path)


async def test_a_command_is_killed_at_its_time_limit_with_all_that_it_started(leash: Leash) -> None:
    script = f"sleep 1000 > {leash.path} & echo slow >&2; wait"

    result, _ = await asyncio.gather(ran(shell(script, timeout=timedelta(seconds=1.5))), leash.held())

    assert (result.good, result.detail) == (False, "not at its end after 1.5 s, so it was killed: slow")
    await leash.let_go()


async def test_a_command_that_will_not_hear_of_its_end_is_killed(leash: Leash) -> None:
    script = f"trap '' TERM INT HUP; exec > {leash.path}; while :; do sleep 1; done"

    result, _ = await asyncio.gather(ran(shell(script, timeout=timedelta(seconds=1.5))), leash.held())

    assert result.detail == "not at its end after 1.5 s, so it was killed"
    await leash.let_go()


async def test_a_command_ends_with_whoever_waits_for_it(leash: Leash) -> None:
    task = asyncio.create_task(ran(shell(f"sleep 1000 > {leash.path} & wait")))
    await leash.held()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await leash.let_go()


def alive(marker: str) -> list[str]:
    """Return the processes that have it in their environment."""
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is another's
            found += [each.parent.name] if marker.encode() in each.read_bytes() else []
    return found


@pytest.mark.parametrize("steps", range(10))
async def test_whenever_it_is_not_wanted_any_more_nothing_of_it_stays(steps: int) -> None:
    marker = f"target-{uuid4()}"
    task = asyncio.create_task(ran(shell("sleep 1000 & sleep 1000 & wait"), replace(OCCASION, target=marker)))
    for _ in range(steps):
        await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251 -- nothing of ours goes on while it starts what it starts

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(500):  # what is killed takes a moment to be gone
        if not alive(marker):
            return
        await asyncio.sleep(0.01)
    assert alive(marker) == []


async def test_what_a_command_leaves_behind_ends_with_it(leash: Leash) -> None:
    script = f"exec 3> {leash.path}; sleep 1000 & exit 0"

    result, _ = await asyncio.gather(ran(shell(script)), leash.held())

    assert result.detail == "exit code 0"
    await leash.let_go()


async def test_who_left_for_a_session_of_its_own_does_not_hold_us_up(tmp_path: Path) -> None:
    away = (
        "import subprocess as s; print(s.Popen(['sleep', '1000'], start_new_session=True).pid, file=open('pid', 'w'))"
    )
    hook = Command((sys.executable, "-Ic", away), (), tmp_path, SOON)

    async with asyncio.timeout(60):
        result = await ran(hook)

    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert result.detail == "exit code 0"


# --- what we get of it ------------------------------------------------------------------------------------------


async def test_however_much_a_command_says_little_is_kept() -> None:
    script = "head -c 100000000 /dev/zero; head -c 100000000 /dev/zero | tr '\\0' x >&2; echo ' and out' >&2"
    await ran(shell("true"))
    tracemalloc.start()
    try:
        result = await ran(shell(script, timeout=timedelta(seconds=60)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert result.detail == "exit code 0: and out"
    assert peak < 2_000_000


async def test_a_long_line_is_cut_short() -> None:
    result = await ran(shell("yes word | head -n 1000 | tr '\\n' ' ' >&2; exit 1"))

    assert result.detail.startswith("exit code 1: word word")
    assert result.detail.endswith(" …")
    assert len(result.detail) <= len("exit code 1: ") + 200


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"echo refused: {CANARY} >&2; exit 1", id="a value"),
        pytest.param("echo client_secret=hunter2-and-more >&2; exit 1", id="a short one with its name"),
        pytest.param("echo known-before-it-is-said >&2; exit 1", id="one that we know"),
        pytest.param("echo token is $TOKEN >&2; exit 1", id="one that it was given"),
        pytest.param(f"printf '%0170d {CANARY}' 0 >&2; exit 1", id="where the line is cut short"),
        pytest.param(
            f"printf '%s' {CANARY} >&2; head -c {KEPT - 20} /dev/zero | tr '\\0' . >&2; exit 1", id="cut through"
        ),
        pytest.param(f"echo {CANARY}; exit 1", id="on its output"),
    ],
)
async def test_no_secret_gets_out_by_what_a_command_says(script: str) -> None:
    hide("known-before-it-is-said")
    secrets = (CANARY, "hunter2-and-more", "known-before-it-is-said", "given-and-short")

    result = await ran(shell(script, environment={"TOKEN": "given-and-short"}))

    assert result.detail.startswith("exit code 1")
    pieces = [secret[at : at + 8] for secret in secrets for at in range(len(secret) - 7)]
    assert [piece for piece in pieces if piece in result.detail] == []


def test_of_what_was_cut_through_the_rest_is_told() -> None:
    assert last_line(Ended(1, "half-a-word and more", cut=True), ()) == "and more"
    assert last_line(Ended(1, "\n whole line", cut=True), ()) == "whole line"
    assert last_line(Ended(1, "half-a-word", cut=True), ()) == ""
