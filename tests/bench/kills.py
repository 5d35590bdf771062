"""The chapter of kills by the hundred: daemons on PostgreSQL whose leases are scaled down, killed again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import Chapter, Row
from tests.bench.fleet import UNLIMITED, Fleet
from tests.entry.site import EXPIRED
from tests.postgres import cluster_or_skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.okta_state import OktaApp

SCALE = 30
AT_ONCE = 8  # passes of each daemon
MEMBERS = 2
AT_WORK = 0.6  # seconds at most, from when a daemon is seen at work until it is killed
SETTLING = 240.0
CREATE = Wanted(method="POST", path="/api/v1/apps/*/credentials/secrets")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    targets: int = 500
    seconds: float = 60.0  # of killing, if there is work for so long
    seed: int = 1


class Members:
    """Daemons that are killed and followed by new ones."""

    def __init__(self, zygote: subprocess.Popen[str], url: str) -> None:
        self._zygote = zygote
        self._url = url
        self._pids = [self._new() for _ in range(MEMBERS)]
        self.kills = 0
        self.trials = 0  # rotations that a killed one was at

    def kill(self, after: float, until: float) -> None:
        """Kill the oldest one so long after it is seen at work, and start another; nobody is at work after `until`."""
        if (victim := self.next_at_work(after, until)) is None:
            return
        self._pids.remove(victim)
        self.trials += self.at(victim)
        os.kill(victim, signal.SIGKILL)
        self.kills += 1
        self._pids.append(self._new())

    def next_at_work(self, after: float, until: float) -> int | None:
        """Return the one whose turn it is so long after it is seen at work; None if nobody was until then."""
        while not self.at(self._pids[0]):
            if time.monotonic() > until:
                return None
            time.sleep(0.01)
        time.sleep(after)
        self._pids.append(self._pids.pop(0))
        return self._pids[-1]

    def end(self) -> None:
        """Kill them all."""
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)

    def _new(self) -> int:
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._zygote.stdin.write("another\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())

    def at(self, pid: int) -> int:
        """Return how many targets it holds."""
        return len(self.held(f"member/{pid}"))

    def held(self, by: str = "member/%") -> list[str]:
        """Return the apps that are held, by anybody."""
        query = "SELECT key FROM rotator_lease WHERE owner LIKE %s AND until > now()"
        with psycopg.connect(self._url) as connection:
            return [key.rpartition("/")[2] for (key,) in connection.execute(query, [by]).fetchall()]

    def dead(self) -> int:
        """Return how many have ended by themselves."""
        return sum(not Path(f"/proc/{pid}").exists() for pid in self._pids)


@contextmanager
def members_of(fleet: Fleet, url: str) -> Iterator[Members]:
    """Start them, and end them."""
    argv = [sys.executable, "-m", "tests.bench.member", str(fleet.site.config), str(SCALE), str(AT_ONCE)]
    with (fleet.folder / "members.log").open("wb") as log:
        zygote = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        members = Members(zygote, url)
        try:
            yield members
        finally:
            members.end()
            zygote.communicate()  # closes its stdin


def measured(folder: Path, size: Size) -> Chapter:
    """Kill while there is something to rotate, then let the rest be done."""
    rng = random.Random(size.seed)
    with ExitStack() as around:
        url = around.enter_context(cluster_or_skip()).new_database()
        box = around.enter_context(Sandbox(okta=OktaSettings(limits=UNLIMITED)))
        fleet = Fleet(box, folder / "fleet", url)
        fleet.add_named(size.targets, age=EXPIRED)
        fleet.remember(due=size.targets)
        members = around.enter_context(members_of(fleet, url))
        ends = time.monotonic() + size.seconds
        while time.monotonic() < ends and len(not_rotated(fleet)) > AT_ONCE:
            members.kill(rng.uniform(0, AT_WORK), ends)
        ends = time.monotonic() + SETTLING
        while (left := not_rotated(fleet)) and time.monotonic() < ends:
            time.sleep(0.1)
        creates = Counter(call.path for call in box.journal.calls(CREATE) if call.applied)
        keys = [key for name in fleet.apps if (key := box.vault.key("secret", f"{name}/okta"))]
    return Chapter(
        "Kills by the hundred",
        f"{MEMBERS} daemons on PostgreSQL, {AT_ONCE} passes each, over {size.targets:,} expired secrets; one is killed"
        f" (SIGKILL) at a random moment in the first {AT_WORK} s in which it is seen at work, and another started."
        f" Leases, heartbeats and the time in which a create may still arrive are scaled 1:{SCALE}. A trial is a target"
        " that a daemon held when it was killed. At the end the rest is rotated without kills.",
        [
            Row("trials", members.trials, remark=f"{members.kills} kills"),
            Row("creates beyond one for each rotation", sum(made - 1 for made in creates.values()), 0),
            Row("promotions beyond one for each rotation", sum(max(0, key.current - 2) for key in keys), 0),
            Row("not rotated and at rest in the end", len(left), 0),
        ],
    )


def not_rotated(fleet: Fleet) -> list[str]:
    """Return the targets that are not rotated and at rest."""
    with fleet.box.lock:
        return [name for name, app in fleet.apps.items() if not is_rotated(fleet, name, app)]


def is_rotated(fleet: Fleet, name: str, app: OktaApp) -> bool:
    new = fleet.site.holder(app, name)
    return new is not None and new is not app.secrets[0] and fleet.site.staged(app).get("state") == "empty"
