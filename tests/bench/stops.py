"""The chapter of stops by the hundred: daemons on PostgreSQL that are frozen in the middle, and revived too late.

With another `kind` it is their database that something befalls: it is started anew, its connections are cut, or it is
frozen for longer than a lease.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
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
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rotator.sandbox.faults import Reply, Verdict
    from rotator.sandbox.journal import Call
    from tests.bench.kills import Members
    from tests.postgres import Cluster

LEASE = LASTING.total_seconds() / SCALE
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname LIKE 'state_%' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
WHAT = {
    "stopped": "one is frozen (SIGSTOP) and revived while the other one works",
    "database frozen": "their database is frozen (SIGSTOP) and revived",
    "database restarted": "their database is stopped as in a crash, and started again within 1.6 s",
    "connections cut": "all connections to their database are cut (pg_terminate_backend)",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: trials at least, if there is work for so many, in so many seconds at most."""

    kind: str = "stopped"
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
        if call.method != "GET":
            concerned = [name for name, app in self.fleet.apps.items() if app.id in call.path or name in call.path]
            self.look(f"after call {call.n}, {call.kind} {call.path}", concerned)
        return GoOn()

    def look(self, when: str, names: Iterable[str]) -> None:
        """See whether these apps take what Vault holds and what it held before."""
        now = self.fleet.box.clock.now()
        with self.fleet.box.lock:
            for name in names:
                app = self.fleet.apps[name]
                self.looks += 1
                owed = {self.fleet.site.fields(name).get("client_secret"), self._first[name]}
                if owed - set(app.accepted(now)):
                    self.broken.append(f"{name} {when}")


@dataclass
class Stops:
    """What is done to whom, and what it came to."""

    members: Members
    cluster: Cluster
    rng: random.Random
    stops: int = 0
    trials: int = 0  # targets that were held when it happened
    open: dict[str, float] = field(default_factory=dict)  # of their apps, since when it is over
    longest: float = 0.0  # seconds, until such a one was rotated and at rest

    def one(self, kind: str, until: float) -> None:
        """Wait until a daemon is at work, and a moment more; then let it happen."""
        if (victim := self.members.next_at_work(self.rng.uniform(0, AT_WORK), until)) is None:
            return
        held = self.members.held(f"member/{victim}" if kind == "stopped" else "member/%")
        self.trials += len(held)
        self.stops += 1
        longer = LEASE * self.rng.uniform(1.2, 4)
        match kind:
            case "stopped":
                with frozen([victim]):
                    time.sleep(longer)
            case "database frozen":
                with frozen(self.cluster.processes()):
                    time.sleep(longer)
            case "database restarted":
                self.cluster.stop()
                time.sleep(self.rng.uniform(0, longer))
                self.cluster.start()
            case "connections cut":
                self.cluster.execute(CUT)
            case _:
                raise ValueError(kind)
        self.open |= dict.fromkeys(held, time.monotonic())

    def note(self, fleet: Fleet) -> list[str]:
        """Note who is at rest by now; return who is not."""
        left = not_rotated(fleet)
        unsettled = {fleet.apps[name].id for name in left}
        for app in self.open.keys() - unsettled:
            self.longest = max(self.longest, time.monotonic() - self.open.pop(app))
        return left


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Freeze these processes while the context lasts."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def measured(folder: Path, size: Size) -> Chapter:
    """Freeze and revive while there is something to rotate, then let the rest be done."""
    with ExitStack() as around:
        cluster = around.enter_context(cluster_or_skip())
        url = cluster.new_database()
        box = around.enter_context(Sandbox(okta=OktaSettings(limits=UNLIMITED)))
        fleet = Fleet(box, folder / "fleet", url)
        fleet.add_named(size.targets, age=EXPIRED)
        fleet.remember(due=size.targets)
        consumers = Consumers(fleet)
        box.faults.arm(consumers, when="after", times=None)
        members = around.enter_context(members_of(fleet, url))
        seen = Stops(members, cluster, random.Random(size.seed))
        ends = time.monotonic() + size.seconds
        while seen.trials < size.trials and time.monotonic() < ends and seen.note(fleet):
            seen.one(size.kind, ends)
        ends = time.monotonic() + SETTLING
        while (left := seen.note(fleet)) and time.monotonic() < ends:
            time.sleep(0.1)
        dead = members.dead()
        faults = (fleet.folder / "members.log").read_text(encoding="utf-8").count("Traceback")
        consumers.look("in the end", fleet.apps)
        creates = Counter(call.path for call in box.journal.calls(CREATE) if call.applied)
        made = [len(json.loads(fleet.site.staged(app).get("made", "[]"))) for app in fleet.apps.values()]
        keys = [key for name in fleet.apps if (key := box.vault.key("secret", f"{name}/okta"))]
    bound = f"{3 / seen.trials:.1e}" if seen.trials else "none"
    return Chapter(
        "Stops by the hundred",
        f"Two daemons on PostgreSQL, {AT_ONCE} passes each, over {size.targets:,} expired secrets; {WHAT[size.kind]},"
        f" at a random moment in the first {AT_WORK} s in which one is seen at work. What is frozen is so for 1.2 to 4"
        f" times a lease. Leases and heartbeats are scaled 1:{SCALE}. A trial is a target that was held when it"
        " happened. After each write it is looked whether the app takes what its consumers hold, and what they held"
        f" before. None in n trials means less than 3/n with 95 % certainty: {bound}.",
        [
            Row("trials", seen.trials, remark=f"{seen.stops} stops"),
            Row("values made beyond one for each rotation", sum(max(0, values - 1) for values in made), 0),
            Row("late creates of a value that was there already", sum(each - 1 for each in creates.values())),
            Row("promotions beyond one for each rotation", sum(max(0, key.current - 2) for key in keys), 0),
            Row("values that were not taken", len(consumers.broken), 0, remark=f"{consumers.looks:,} looks"),
            Row("not rotated and at rest in the end", len(left), 0),
            Row("daemons that ended, and faults that they logged", dead + faults, 0),
            Row("from the end of it to rest, the longest", seen.longest, unit=" s"),
        ],
    )
