"""Two daemons on one PostgreSQL: who does what, who follows whom, and that a revived one does no harm."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from rotator.sandbox.journal import Wanted
from tests.entry.daemon import SOON
from tests.entry.site import WRITES, Site
from tests.entry.test_rotate import FRESH
from tests.entry.test_run import BUSY, CREATE, renewed

if TYPE_CHECKING:
    from tests.entry.conftest import Run
    from tests.entry.daemon import Daemon
    from tests.postgres import Cluster

POLL, MISSED = 1.1, 3  # seconds with their jitter; polls that a dead member misses
LOG = Wanted(service="okta", method="GET", path="/api/v1/logs")


class Shared:
    """The database that both have, and how an administrator looks at it."""

    def __init__(self, cluster: Cluster, site: Site) -> None:
        self._cluster = cluster
        url = cluster.new_database()
        self.name = url.partition("@/")[2].partition("?")[0]
        site.extra = {"state": {"url": url}, "engine": "postgres"}

    def ask(self, question: str) -> str:
        """Return the first column of the first row as text; empty if there is none."""
        with psycopg.connect(self._cluster.conninfo(self.name), autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
        return str(row[0]) if row else ""

    def listener(self) -> str:
        """Return who hears the org's log."""
        return self.ask("SELECT owner FROM rotator_cursor WHERE until > now()")

    def until_heard_by(self, daemon: Daemon, within: float = SOON) -> None:
        end = time.monotonic() + within
        while f"/{daemon.pid}/" not in self.listener():
            assert time.monotonic() < end, f"the log is heard by {self.listener() or 'nobody'}"
            time.sleep(0.02)

    def until_at_work(self, members: int, within: float = SOON) -> None:
        end = time.monotonic() + within
        while (found := self.ask("SELECT count(*) FROM procrastinate_workers")) != str(members):
            assert time.monotonic() < end, f"{found} members take jobs"
            time.sleep(0.02)

    def let_time_pass(self) -> None:
        """End every lease, and let no member seem to be alive that does not say so from now on."""
        self._cluster.execute("UPDATE rotator_lease SET until = now()", self.name)
        self._cluster.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 minute'", self.name
        )


@pytest.fixture
def shared(cluster: Cluster, site: Site) -> Shared:
    return Shared(cluster, site)


def test_what_is_due_is_rotated_once_whoever_does_it(site: Site, run: Run, shared: Shared) -> None:
    apps = {f"app{n}": site.add(f"app{n}") for n in range(8)}
    site.release()
    with run() as one, run() as two:
        site.box.journal.wait_until(
            lambda calls: sum(WRITES.fits(call) for call in calls) >= 3 * len(apps), within=SOON
        )
        for daemon in (one, two):
            daemon.until_ready()
            assert daemon.stop() == 0
        done = [event["target"] for daemon in (one, two) for event in daemon.events("staging_closed")]
        assert sorted(done) == sorted(apps)
        assert not one.names("target_failed") + two.names("target_failed")
    assert all(renewed(site, app, name) for name, app in apps.items())
    assert site.box.journal.count(CREATE) == len(apps)
    assert site.box.journal.count(WRITES) == 3 * len(apps)  # staged, promoted, emptied


def test_one_member_hears_the_log_and_another_follows_when_it_dies(site: Site, run: Run, shared: Shared) -> None:
    site.add(age=FRESH)
    site.release()
    with run("--poll", "1s") as first:
        first.until_ready()
        shared.until_heard_by(first)
        with run("--poll", "1s") as second:
            second.until_ready()
            first.signal(signal.SIGSTOP)
            mark, stopped = site.box.journal.mark(), time.monotonic()
            while True:
                asked = site.box.journal.count(LOG, since=mark)
                if f"/{first.pid}/" not in shared.listener():
                    break
                assert asked <= 1  # that was on its way
            shared.until_heard_by(second)
            assert time.monotonic() - stopped < MISSED * POLL + POLL + BUSY
            site.box.journal.wait_until(lambda calls: any(LOG.fits(call) for call in calls[mark:]), within=SOON)
            first.signal(signal.SIGKILL)
            assert second.stop() == 0


def test_a_member_that_is_stopped_in_the_middle_is_followed_and_does_no_harm_when_it_is_revived(
    site: Site, run: Run, shared: Shared
) -> None:
    app = site.add()
    site.answer_within = "30s"  # else the first reads again what it waited for while it was stopped
    site.release()
    create = site.box.faults.hold(CREATE, when="before")
    with run("--resync", "1h") as first:
        create.wait(SOON)
        # The last look before the promotion: after it, the decision is made.
        look = site.box.faults.hold(Wanted(kind="kv.metadata*", path="*/billing/okta"), when="after", nth=2)
        create.release()
        look.wait(SOON)
        first.signal(signal.SIGSTOP)
        with run("--resync", "1h") as second:
            second.until_ready()
            shared.until_at_work(2)  # one that comes later would remove who seems to be dead
            shared.let_time_pass()
            second.until("staging_closed")
            look.release()
            first.signal(signal.SIGCONT)
            first.until("target_busy")
            for daemon in (first, second):
                assert daemon.stop() == 0
            assert second.names("secret_staged", "secret_created") == []
        assert first.names("secret_promoted", "staging_closed") == []
    assert renewed(site, app)
    assert site.box.journal.count(CREATE) == 1
    assert site.box.journal.count(WRITES) == 3
