"""The chapter of failover: two daemons on PostgreSQL, one of which is killed in the middle of a rotation."""

from __future__ import annotations

import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psycopg

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import Chapter, Row
from tests.bench.fleet import ANOTHER, UNLIMITED, Endings, Fleet
from tests.postgres import cluster_or_skip

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.entry.daemon import Daemon

IN_TIME = 30
CREATE = Wanted(kind="POST /api/v1/apps/{app}/credentials/secrets")
OPTIONS = ("--tick", "30s", "--resync", "7d", "--poll", "1s")
SOON = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A call at which a daemon is killed, before or after it is applied."""

    what: str
    kind: str
    where: str  # in its path; `{app}` and `{name}` are the target's
    when: Literal["before", "after"]


MOMENTS = (
    Moment("before the value is staged", "kv.write", "*/rotator/staging/*/{app}", "before"),
    Moment("after the value was staged", "kv.write", "*/rotator/staging/*/{app}", "after"),
    Moment("before Okta has it", CREATE.kind, "*/{app}/*", "before"),
    Moment("after Okta has it", CREATE.kind, "*/{app}/*", "after"),
    Moment("while it is proven", "POST /oauth2/{server}/v1/token", "*", "before"),
    Moment("before consumers have it", "kv.write", "*/{name}/okta", "before"),
    Moment("after consumers have it", "kv.write", "*/{name}/okta", "after"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    trials: int = 20
    pairs: int = 7  # of daemons, that are tried at the same time


@dataclass(frozen=True, slots=True)
class Failover:
    """One trial: when the daemon was killed, how long the other one took, and creates at Okta beyond the first."""

    moment: Moment
    seconds: float
    doubles: int


class Pair:
    """Two daemons on one database, and a world of their own."""

    def __init__(self, box: Sandbox, folder: Path, url: str, trials: int) -> None:
        extra = {"engine": "postgres", "limits": {"urgent_at_once": trials}}
        self._fleet = Fleet(box, folder, url, extra)
        self._fleet.add_named(trials, older=[ANOTHER])
        self._fleet.remember()
        self._url = url
        self._box = box
        self._around = ExitStack()
        self._daemons: list[Daemon] = []

    def try_all(self, moments: Sequence[Moment]) -> list[Failover]:
        """Kill a daemon at each of these moments, a target for each."""
        with self._around:
            self._daemons = [self._started() for _ in range(2)]
            return [self._try_out(name, moment) for name, moment in zip(self._fleet.apps, moments, strict=True)]

    def _try_out(self, name: str, moment: Moment) -> Failover:
        """Kill whoever rotates that target, at that moment; return what came of it, with two daemons there again."""
        app = self._fleet.apps[name]
        wanted = Wanted(kind=moment.kind, path=moment.where.format(app=app.id, name=name))
        hold = self._box.faults.hold(wanted, when=moment.when)
        self._fleet.revoke(name)
        hold.wait(SOON)
        victim, survivor = self._who_holds(app.id)
        victim.signal(signal.SIGKILL)
        victim.wait()
        killed_at = time.time()
        hold.drop()
        with Endings(survivor) as endings:
            seconds = endings.wait_for(name).timestamp() - killed_at
        assert self._fleet.site.works(app, name)
        creates = self._box.journal.calls(Wanted(kind=CREATE.kind, path=f"*/{app.id}/*"))
        self._daemons = [survivor, self._started()]
        return Failover(moment, seconds, sum(call.applied for call in creates) - 1)

    def _started(self) -> Daemon:
        return self._around.enter_context(self._fleet.daemon(*OPTIONS)).until_ready()

    def _who_holds(self, app: str) -> tuple[Daemon, Daemon]:
        """Return the daemon that is at the app, and the other one."""
        query = "SELECT owner FROM rotator_lease WHERE key LIKE %s"
        with psycopg.connect(self._url) as connection:
            (owner,) = connection.execute(query, [f"%/{app}"]).fetchone() or ("",)
        pid = int(owner.rpartition("/")[2])
        return tuple(sorted(self._daemons, key=lambda daemon: daemon.pid != pid))  # type: ignore[return-value]


def measured(folder: Path, size: Size) -> Chapter:
    """Try it so often, several pairs at the same time."""
    moments = [MOMENTS[n % len(MOMENTS)] for n in range(size.trials)]
    shares = [moments[first :: size.pairs] for first in range(size.pairs)]
    with ExitStack() as around:
        cluster = around.enter_context(cluster_or_skip())
        pairs = []
        for number, share in enumerate(shares):
            box = around.enter_context(Sandbox(okta=OktaSettings(limits=UNLIMITED)))
            pairs.append(Pair(box, folder / f"pair-{number}", cluster.new_database(), len(share)))
        with ThreadPoolExecutor(size.pairs) as at_once:
            done = at_once.map(Pair.try_all, pairs, shares)
        found = [failover for one in done for failover in one]
    seconds = [failover.seconds for failover in found]
    chapter = Chapter(
        "Failover",
        "Two times `rotator run` with `engine: postgres` and default time limits; a secret is revoked, and whoever"
        " rotates it is killed (SIGKILL) at one call of the rotation, which is then lost. Time is from there to the new"
        f" one promoted, verified and recorded by the other one. {size.trials} trials, {size.pairs} pairs at a time on"
        " one machine. Creates are those that the sandbox's journal has as applied.",
        [
            Row(f"the worst of {size.trials}", max(seconds), IN_TIME, " s"),
            Row("median", statistics.median(seconds), unit=" s"),
            Row("creates beyond one for each rotation", sum(failover.doubles for failover in found), 0),
        ],
    )
    for moment in MOMENTS:
        if of_it := [failover.seconds for failover in found if failover.moment is moment]:
            chapter.rows.append(Row(f"killed {moment.what}: the worst of {len(of_it)}", max(of_it), unit=" s"))
    return chapter
