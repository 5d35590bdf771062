"""The chapter of stops by the hundred: daemons on PostgreSQL that are frozen in the middle, and revived too late."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator.adapters.store_leases import LASTING
from rotator.sandbox.faults import GoOn
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import Chapter, Row
from tests.bench.fleet import UNLIMITED, Fleet
from tests.bench.kills import AT_ONCE, AT_WORK, CREATE, SCALE, SETTLING, members_of, not_rotated
from tests.entry.site import EXPIRED
from tests.postgres import cluster_or_skip

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.faults import Reply, Verdict
    from rotator.sandbox.journal import Call
    from tests.bench.kills import Members

LEASE = LASTING.total_seconds() / SCALE


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: trials at least, if there is work for so many, in so many seconds at most."""

    trials: int = 100
    targets: int = 400
    seconds: float = 240.0
    seed: int = 1


@dataclass
class Consumers:
    """After each call: does every consumer have a value that works? An act of the sandbox that changes nothing."""

    fleet: Fleet
    name: str = "consumers"
    looks: int = 0
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._first = {name: app.secrets[0].value for name, app in self.fleet.apps.items()}

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        if call.method != "GET" and not call.path.startswith("/oauth2"):
            self.look(f"after call {call.n}, {call.kind} {call.path}")
        return GoOn()

    def look(self, when: str) -> None:
        """See whether each app takes what Vault holds and what it held before."""
        now = self.fleet.box.clock.now()
        with self.fleet.box.lock:
            for name, app in self.fleet.apps.items():
                self.looks += 1
                owed = {self.fleet.site.fields(name).get("client_secret"), self._first[name]}
                if owed - set(app.accepted(now)):
                    self.broken.append(f"{name} {when}")


@dataclass
class Stops:
    """What was seen."""

    stops: int = 0
    trials: int = 0  # targets that a daemon held when it was frozen


def frozen_and_revived(members: Members, rng: random.Random, until: float, seen: Stops) -> None:
    """Freeze one that is at work, for longer than its lease; revive it while the other one works."""
    if (victim := members.next_at_work(rng.uniform(0, AT_WORK), until)) is None:
        return
    os.kill(victim, signal.SIGSTOP)
    try:
        seen.trials += members.at(victim)
        seen.stops += 1
        time.sleep(LEASE * rng.uniform(1.2, 4))
    finally:
        os.kill(victim, signal.SIGCONT)


def measured(folder: Path, size: Size) -> Chapter:
    """Freeze and revive while there is something to rotate, then let the rest be done."""
    rng, seen = random.Random(size.seed), Stops()
    with ExitStack() as around:
        url = around.enter_context(cluster_or_skip()).new_database()
        box = around.enter_context(Sandbox(okta=OktaSettings(limits=UNLIMITED)))
        fleet = Fleet(box, folder / "fleet", url)
        fleet.add_named(size.targets, age=EXPIRED)
        fleet.remember(due=size.targets)
        consumers = Consumers(fleet)
        box.faults.arm(consumers, when="after", times=None)
        members = around.enter_context(members_of(fleet, url))
        ends = time.monotonic() + size.seconds
        while seen.trials < size.trials and time.monotonic() < ends and not_rotated(fleet):
            frozen_and_revived(members, rng, ends, seen)
        revived, ends = time.monotonic(), time.monotonic() + SETTLING
        while (left := not_rotated(fleet)) and time.monotonic() < ends:
            time.sleep(0.1)
        settling = time.monotonic() - revived
        consumers.look("in the end")
        creates = Counter(call.path for call in box.journal.calls(CREATE) if call.applied)
        made = [len(json.loads(fleet.site.staged(app)["made"])) for app in fleet.apps.values()]
        keys = [key for name in fleet.apps if (key := box.vault.key("secret", f"{name}/okta"))]
    bound = f"{3 / seen.trials:.1e}" if seen.trials else "none"
    return Chapter(
        "Stops by the hundred",
        f"Two daemons on PostgreSQL, {AT_ONCE} passes each, over {size.targets:,} expired secrets; one is frozen"
        f" (SIGSTOP) at a random moment in the first {AT_WORK} s in which it is seen at work, for 1.2 to 4 times its"
        f" lease, and revived while the other one works. Leases and heartbeats are scaled 1:{SCALE}. A trial is a"
        " target that a daemon held when it was frozen. After each write it is looked whether each consumer's value,"
        f" and the one before it, are taken. None in n trials means less than 3/n with 95 % certainty: {bound}.",
        [
            Row("trials", seen.trials, remark=f"{seen.stops} stops"),
            Row("values made beyond one for each rotation", sum(values - 1 for values in made), 0),
            Row("late creates of a value that was there already", sum(each - 1 for each in creates.values())),
            Row("promotions beyond one for each rotation", sum(max(0, key.current - 2) for key in keys), 0),
            Row("values that were not taken", len(consumers.broken), 0, remark=f"{consumers.looks:,} looks"),
            Row("not rotated and at rest in the end", len(left), 0),
            Row("the rest was done after the last revival in", settling, unit=" s"),
        ],
    )
