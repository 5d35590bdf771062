"""The real command, killed before and after each of its calls, and run again: it settles, whenever it died.

One undisturbed run tells which calls there are. Then, for each of them, a trial of its own: the call is held before or
after it is applied, the process gets SIGKILL at that instant, the same command is run again until it is done, and the
call goes its way once that one has looked: what was not applied yet arrives late. After every call of all of this it is
checked that consumers have a value that Okta takes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import pytest

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import GoOn
from rotator.sandbox.world import Sandbox
from tests.entry.site import STAGING, Site
from tests.entry.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.sandbox.faults import Reply, Verdict
    from rotator.sandbox.journal import Call

When = Literal["before", "after"]

AT_ONCE = 8  # the longest part of some trials is waiting for an earlier attempt that might still arrive
RUNS = 4  # of the same command, until it is done
SOON = 60.0  # seconds
BACK = timedelta(days=12)
LIST = "GET /api/v1/apps/{app}/credentials/secrets"
CREATE = "POST /api/v1/apps/{app}/credentials/secrets"

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]


class Scene(NamedTuple):
    """The command that dies, the time that went by after each pass before it, and how the slots are in the end."""

    command: str
    prepared: tuple[timedelta, ...]
    then: dict[str, str]
    bare: bool = False  # the app has no secret yet, and so room for two


ROTATED = Scene("rotate", (), {"old": "ACTIVE", "new": "ACTIVE"})
SWITCHED_OFF = Scene("reconcile", (timedelta(days=8),), {"old": "INACTIVE", "new": "ACTIVE"})
FIRST = Scene("rotate", (), {"new": "ACTIVE"}, bare=True)
REMOVED = Scene("reconcile", (timedelta(days=8), timedelta(days=4)), {"new": "ACTIVE"})


@dataclass
class Watch:
    """After each call: do consumers have a value that works? An act of the sandbox that changes nothing."""

    trial: Trial
    name: str = "watch"
    broken: list[str] = field(default_factory=list)

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        self.look(f"after call {call.n}, {call.kind}")
        return GoOn()

    def look(self, when: str) -> None:
        with self.trial.box.lock:
            if self.trial.site.fields() and not self.trial.site.works(self.trial.app):
                self.broken.append(when)


class Trial:
    """A world of its own in which the command dies once."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        folder.mkdir()
        self.scene = scene
        self.box = Sandbox(clock=SandboxClock(datetime.now(UTC) - BACK))  # so that it can go on, up to our own time
        self.box.start()
        self.site = Site(self.box, folder, answer_within="2s", propagation="1s")
        self.app = self.site.add(bare=scene.bare, in_vault=not scene.bare)
        self.old = "" if scene.bare else self.app.secrets[0].id
        self.watch = Watch(self)
        self.box.clock.advance(BACK - sum(scene.prepared, timedelta(0)))

    @property
    def argv(self) -> list[str]:
        return self.site.argv(self.scene.command, "billing")

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.site.folder), "XDG_STATE_HOME": str(self.site.folder / "state")}

    @property
    def log(self) -> Path:
        return self.site.folder / "log"

    def problems(self) -> list[str]:
        """Return what is not as it should be once the command is done."""
        site, holder = self.site, self.site.holder(self.app)
        found = [f"consumers had no value that works {when}" for when in self.watch.broken]
        slots = {"old" if secret.id == self.old else "new": secret.status for secret in self.app.secrets}
        if slots != self.scene.then or len(slots) != len(self.app.secrets):
            found.append(f"Okta holds {slots}")
        if holder is None or holder.id == self.old or not site.works(self.app):
            found.append("Vault does not hold the new value")
        elif site.fields()["client_secret_id"] != holder.id or ("note" in site.fields()) is self.scene.bare:
            found.append("the record does not fit its secret, or lost somebody else's field")
        if (staged := site.staged(self.app)).get("state") != "empty" or "client_secret" in staged:
            found.append(f"staging is {staged.get('state')}")
        if self.readable_values():
            found.append("an older staged value can be read")
        return found

    def readable_values(self) -> list[int]:
        path = f"{STAGING}/127.0.0.1/{self.app.id}"
        key = self.box.vault.key("secret", path)
        versions = range(1, key.current + 1) if key else range(0)
        return [n for n in versions if "client_secret" in (self.box.vault.read("secret", path, version=n) or {})]


class Running(Protocol):
    """A command that runs."""

    def kill(self) -> None: ...

    def wait(self) -> int: ...


class Start(Protocol):
    """How a command is started."""

    def __call__(self, trial: Trial) -> Running: ...


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture
def forked(zygote: Zygote) -> Start:
    return lambda trial: zygote.run(trial.argv, trial.log, **trial.environ)


@contextmanager
def begun(scene: Scene, folder: Path) -> Iterator[Trial]:
    """Open a world at the point where the command is to die, and close it."""
    trial = Trial(scene, folder)
    try:
        for days in scene.prepared:
            asyncio.run(trial.site.reconcile())
            trial.box.clock.advance(days)
        yield trial
    finally:
        trial.box.stop()


def die_once(scene: Scene, folder: Path, number: int, *, when: When, start: Start) -> list[str]:
    """Kill the command at its n-th call, run it again until it is done; return what is wrong then."""
    with begun(scene, folder) as trial:
        hold = trial.box.faults.hold(when=when, nth=number)
        trial.box.faults.arm(trial.watch, when="after", times=None)
        victim = start(trial)
        call = hold.wait(SOON)
        victim.kill()
        victim.wait()
        trial.watch.look("when it was killed")
        mark = trial.box.journal.mark()
        next_one = start(trial)
        trial.box.journal.wait_until(lambda calls: any(it.n > mark and it.kind == LIST for it in calls), within=SOON)
        hold.release()  # what was not applied yet arrives after the next run has looked
        trial.box.journal.wait_until(lambda calls: calls[call.n - 1].applied)
        trial.watch.look("after the call that outlived its process")
        codes = [next_one.wait()]
        while codes[-1] != 0 and len(codes) < RUNS:
            codes.append(again(trial, start))
        problems = trial.problems() if codes[-1] == 0 else [f"it ends with {codes}: {trial.log.read_text()}"]
        return [f"killed {when} call {number}, {call.kind}: {problem}" for problem in problems]


def again(trial: Trial, start: Start) -> int:
    return start(trial).wait()


def calls_of(scene: Scene, folder: Path, start: Start) -> list[Call]:
    """Return the calls that the command makes when nothing befalls it."""
    with begun(scene, folder) as trial:
        mark = trial.box.journal.mark()
        assert again(trial, start) == 0, trial.log.read_text()
        assert trial.problems() == []
        return list(trial.box.journal.calls(since=mark))


@pytest.mark.parametrize("scene", [ROTATED, SWITCHED_OFF, REMOVED], ids=["rotate", "switch off", "remove"])
def test_whenever_it_is_killed_the_next_run_settles_the_target(scene: Scene, tmp_path: Path, forked: Start) -> None:
    calls = calls_of(scene, tmp_path / "undisturbed", forked)
    before: list[tuple[int, When]] = [(number, "before") for number in range(1, len(calls) + 1)]
    # After a read is as before the next call: what the process has learnt dies with it.
    after: list[tuple[int, When]] = [(n, "after") for n, call in enumerate(calls, start=1) if call.method != "GET"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(
            lambda it: die_once(scene, tmp_path / f"{it[0]}-{it[1]}", it[0], when=it[1], start=forked),
            [*before, *after],
        )
        problems = [problem for found in ended for problem in found]

    assert problems == []


class Program:
    """The program itself, as a shell starts it."""

    def __init__(self, trial: Trial) -> None:
        with trial.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rotator", *trial.argv],
                stdout=log,
                stderr=log,
                env=dict(os.environ) | trial.environ,
            )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        return self._process.wait(60)


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_program_itself_makes_no_second_secret_where_there_is_room_for_two(
    when: When, tmp_path: Path, forked: Start
) -> None:
    kinds = [call.kind for call in calls_of(FIRST, tmp_path / "undisturbed", forked)]
    create = kinds.index(CREATE) + 1

    assert die_once(FIRST, tmp_path / "killed", create, when=when, start=Program) == []
