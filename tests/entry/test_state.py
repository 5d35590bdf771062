"""`rotator run` and its state database: what it lets go on when that is lost, in trouble, or of another release."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import rotator
from rotator.adapters.store_upgrade import NEWEST
from tests.entry.site import EXPIRED, STAGING, WRITES, Site
from tests.entry.test_rotate import FRESH
from tests.entry.test_run import BUSY, CREATE, TICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from rotator.sandbox.okta_state import OktaApp
    from tests.entry.conftest import Run
    from tests.postgres import Cluster

    Trouble = Callable[[Site, int], AbstractContextManager[None]]

BRAKED = "the state database is new, yet Vault shows earlier rotations of 1 target"


def revoke(site: Site, app: OktaApp) -> None:
    """Revoke what consumers read, so that another is due at once."""
    holder = site.holder(app)
    assert holder
    site.box.okta.revoke(app, holder.id)


# --- lost -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["beside the daemon", "without a daemon"])
def test_a_lost_database_lifts_no_brake_until_a_person_releases_it(site: Site, run: Run, running: bool) -> None:
    app = site.add()
    site.release()
    with run() as daemon:
        daemon.until("staging_closed")
        assert daemon.stop() == 0
    site.database.unlink()
    revoke(site, app)
    read, writes = site.fields(), site.box.journal.count(WRITES)

    with run() as daemon:
        told = daemon.until("brake_set", level="error")
        assert (told["detail"], "rotator resume --all" in told["hint"]) == (BRAKED, True)
        looks = site.box.journal.mark()
        site.box.journal.wait_until(lambda calls: len(calls) > looks + 4, within=15)  # it goes on looking
        assert (site.fields(), site.box.journal.count(WRITES)) == (read, writes)
        if running:
            assert site.run("resume", "--all").code == 0
            daemon.until("staging_closed")
        assert daemon.stop() == 0
        assert len([event for event in daemon.events("brake_set") if event["level"] == "error"]) == 1
    if not running:
        assert site.run("resume", "--all").code == 0
        with run() as daemon:
            daemon.until("staging_closed")
            assert not daemon.names("brake_set")
    assert site.works(app)
    assert site.fields()["client_secret"] != read["client_secret"]


def test_a_run_for_cron_lifts_no_brake_either(site: Site) -> None:
    app = site.add()
    file = site.folder / "shared" / "state.db"
    site.extra = {"state": {"url": f"sqlite:///{file}"}}
    assert site.run("reconcile").code == 0
    file.unlink()
    revoke(site, app)
    read, writes = site.fields(), site.box.journal.count(WRITES)

    ran = site.run("reconcile")
    assert (ran.code, BRAKED in ran.err, "rotator resume --all" in ran.err) == (4, True, True)
    assert (site.fields(), site.box.journal.count(WRITES)) == (read, writes)
    assert site.run("resume", "--all").code == 0
    assert site.run("reconcile").code == 0
    assert site.works(app)


# --- in trouble -------------------------------------------------------------------------------------------------


@contextmanager
def locked(site: Site, _: int) -> Iterator[None]:
    with closing(sqlite3.connect(site.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def moved_away(site: Site, _: int) -> Iterator[None]:
    aside = site.database.rename(site.folder / "aside")
    yield
    aside.rename(site.database)


@contextmanager
def no_room(_: Site, pid: int) -> Iterator[None]:
    """Let no file grow, nor be written to where it is large, while reading works."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (16_384, resource.RLIM_INFINITY))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(site: Site, _: int) -> Iterator[None]:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    site.database.chmod(0o400)
    yield
    site.database.chmod(0o600)


@pytest.mark.parametrize("trouble", [locked, moved_away, no_room, read_only])
def test_while_its_file_cannot_be_used_nothing_is_begun_and_then_it_goes_on(
    site: Site, run: Run, trouble: Trouble
) -> None:
    app = site.add(age=FRESH)
    site.release()
    with run() as daemon:
        daemon.until_ready()
        writes = site.box.journal.count(WRITES)
        with trouble(site, daemon.pid):
            daemon.until("state_unreachable")
            site.box.okta.add_secret_by_admin(app)
            site.box.okta.revoke(app, app.secrets[0].id)
            time.sleep(2 * TICK)
            assert site.box.journal.count(WRITES) == writes, daemon.log.read_text()
        healed = time.monotonic()
        daemon.until("secret_adopted")
        assert time.monotonic() - healed < 2 * TICK + BUSY
        daemon.until("state_reachable")

        assert daemon.names("state_unreachable", "state_reachable") == ["state_unreachable", "state_reachable"]
        assert not daemon.names("target_failed")
        assert daemon.stop() == 0
    assert site.works(app)


@pytest.mark.parametrize("engine", ["local", "postgres"])
def test_while_postgresql_is_away_nothing_is_begun_and_then_it_goes_on(
    site: Site, run: Run, cluster: Cluster, engine: str
) -> None:
    app = site.add(age=FRESH)
    site.extra = {"state": {"url": cluster.new_database()}, "engine": engine}
    site.release()
    with run() as daemon:
        daemon.until_ready()
        cluster.execute("CHECKPOINT")
        writes = site.box.journal.count(WRITES)
        cluster.stop()
        try:
            daemon.until("state_unreachable")
            site.box.okta.add_secret_by_admin(app)
            site.box.okta.revoke(app, app.secrets[0].id)
            time.sleep(2 * TICK)
            assert site.box.journal.count(WRITES) == writes
        finally:
            cluster.start()
        healed = time.monotonic()
        daemon.until("secret_adopted")
        assert time.monotonic() - healed < 2 * TICK + BUSY

        daemon.until("state_reachable")
        told = daemon.names("state_unreachable", "state_reachable")
        # The queue's own connections may come back after the others.
        assert told == ["state_unreachable", "state_reachable"] * (1 if engine == "local" else len(told) // 2)
        assert not daemon.names("target_failed")
        assert daemon.stop() == 0
    assert site.works(app)


# --- another release --------------------------------------------------------------------------------------------

OLD, NEW = "o" * 64, "n" * 64
BEFORE = datetime.now(UTC) - timedelta(minutes=10)  # an attempt of that time is no longer under way


def hashed(value: str) -> str:
    return urlsafe_b64encode(sha256(value.encode()).digest()[:16]).decode().rstrip("=")


# As release 0.1 writes it.
STAGED = {
    "state": "staged",
    "client_secret": NEW,
    "secret_hash": hashed(NEW),
    "rotation_id": "rot-1",
    "base_version": "1",
    "base_hash": hashed(OLD),
    "reason": "expired",
    "staged_at": BEFORE.isoformat(),
    "made": f'[{{"hash": "{hashed(NEW)}", "at": "{BEFORE.isoformat()}"}}]',
    "pause": "",
    "order": "null",
}


def staged(site: Site) -> OktaApp:
    """Leave a rotation as it is when its value was written down, and nothing else."""
    app = site.add(age=EXPIRED, bare=True, in_vault=False)
    site.box.okta.add_secret_by_admin(app, OLD)
    site.box.vault.put("secret", "billing/okta", {"client_id": app.client_id, "client_secret": OLD, "note": "theirs"})
    site.box.vault.put("secret", f"{STAGING}/127.0.0.1/{app.id}", STAGED)
    return app


def created(site: Site) -> OktaApp:
    """Leave one whose value Okta has; whether it was tried is written nowhere."""
    app = staged(site)
    site.box.okta.add_secret_by_admin(app, NEW)
    return app


def promoted(site: Site) -> OktaApp:
    """Leave one whose value consumers read, before its record was closed."""
    app = created(site)
    fields = {
        "client_id": app.client_id,
        "client_secret": NEW,
        "client_secret_id": app.secrets[1].id,
        "rotation_id": "rot-1",
        "rotated_at": BEFORE.isoformat(),
        "retiring_secret_id": app.secrets[0].id,
        "retiring_mode": "overlap",
        "note": "theirs",
    }
    site.box.vault.put("secret", "billing/okta", fields)
    return app


@pytest.mark.parametrize("left", [staged, created, promoted])
def test_what_another_release_left_half_done_is_finished_once_a_person_has_agreed(
    site: Site, run: Run, left: Callable[[Site], OktaApp]
) -> None:
    app = left(site)
    with run() as daemon:
        daemon.until("brake_set", detail=BRAKED)
        assert site.staged(app) == STAGED
        assert site.run("resume", "--all").code == 0
        daemon.until("staging_closed")
        assert daemon.stop() == 0

    fields = site.fields()
    assert (fields["client_secret"], fields["rotation_id"], fields["note"]) == (NEW, "rot-1", "theirs")
    assert [secret.value for secret in app.secrets] == [OLD, NEW]
    assert site.box.journal.count(CREATE) == (left is staged)
    assert site.staged(app)["state"] == "empty"


NEXT = f"{int(NEWEST) + 1:04}"
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{NEWEST}"


def upgrade() -> None:
    op.add_column("rotator_target", sa.Column("note", sa.Text, nullable=False, server_default="theirs"))
"""


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it is, with one more migration."""
    folder = tmp_path_factory.mktemp("next")
    package = folder / "rotator"
    shutil.copytree(Path(rotator.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    adapters = package / "adapters"
    (adapters / "migrations" / "versions" / f"state_{NEXT}.py").write_text(MIGRATION)
    upgrade = adapters / "store_upgrade.py"
    upgrade.write_text(upgrade.read_text().replace(f'NEWEST = "{NEWEST}"', f'NEWEST = "{NEXT}"'))
    return folder


@pytest.mark.parametrize("shared", [False, True], ids=["sqlite", "postgres"])
def test_the_next_release_upgrades_the_database_and_this_one_then_refuses_it(
    site: Site, next_release: Path, request: pytest.FixtureRequest, shared: bool
) -> None:
    app = site.add()
    url = request.getfixturevalue("cluster").new_database() if shared else f"sqlite:///{site.database}"
    site.extra = {"state": {"url": url}}
    assert site.run("reconcile").code == 0  # which looks, and then lets itself go on
    revoke(site, app)

    argv = [sys.executable, "-m", "rotator", *site.argv("reconcile")]
    upgraded = subprocess.run(argv, cwd=next_release, capture_output=True, text=True, check=False)
    assert upgraded.returncode == 0, upgraded.stderr  # it knows that it may go on
    assert site.works(app)

    for command in ("run", "reconcile"):
        refused = site.run(command)
        assert refused.code == 2
        assert "was made by a newer release; run that, or name another database by `state.url`" in refused.err
        assert "Traceback" not in refused.err
