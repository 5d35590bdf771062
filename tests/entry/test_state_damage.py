"""A state file that is damaged: told with its cause and what to do, while consumers keep what they have."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.entry.site import WRITES, Site
from tests.entry.test_run import CREATE, TICK
from tests.entry.test_state import BRAKED, revoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.entry.conftest import Run

    Damage = Callable[[Path], None]

PAGE = 4096


def half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // PAGE // 2 * PAGE])


def garbage(file: Path) -> None:
    """Of all pages but the first."""
    whole = file.read_bytes()
    file.write_bytes(whole[:PAGE] + b"\xa5" * (len(whole) - PAGE))


def no_head(file: Path) -> None:
    file.write_bytes(b"\0" * PAGE + file.read_bytes()[PAGE:])


def text(file: Path) -> None:
    file.write_text("a backup that went wrong\n" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Let no transaction be under way: one that is would write its pages back, and mend the head of the file.

    The lock is another process's: this one gives up its locks of a file with the first handle of it that it closes.
    """
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdin
        holder.stdout.readline()
        yield
        holder.stdin.close()


each_damage = pytest.mark.parametrize("damage", [half, garbage, no_head, text, empty], ids=lambda it: it.__name__)


@each_damage
def test_a_daemon_whose_file_is_damaged_says_so_begins_nothing_and_goes_on_when_it_is_mended(
    site: Site, run: Run, damage: Damage
) -> None:
    app = site.add()
    site.release()
    with run() as daemon:
        daemon.until("staging_closed")
        daemon.until("audit", step="CloseStaging", phase="ended")
        read, writes = site.fields(), site.box.journal.count(WRITES)
        with held(site.database):
            whole = site.database.read_bytes()
            damage(site.database)
        told = daemon.until("state_unreachable")
        assert (str(site.database) in told["detail"], "move it away" in told["detail"]) == (True, True)
        assert "observes" in told["hint"]
        revoke(site, app)
        time.sleep(2 * TICK)
        assert (site.fields(), site.box.journal.count(WRITES)) == (read, writes)
        if damage is not empty:  # which may as well be a new one
            said = site.run("status", "--cached")
            assert (said.code, str(site.database) in said.err, "move it away" in said.err) == (2, True, True)
        site.database.write_bytes(whole)
        daemon.until("state_reachable")
        daemon.until("staging_closed", 2)
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log.read_text()
        assert not daemon.names("target_failed")
    assert site.works(app)
    assert site.box.journal.count(CREATE) == 2


@each_damage
def test_a_file_that_is_damaged_before_the_start_is_refused_and_a_new_one_keeps_the_brake_on(
    site: Site, run: Run, damage: Damage
) -> None:
    app = site.add()
    site.release()
    with run() as daemon:
        daemon.until("staging_closed")
        assert daemon.stop() == 0
    damage(site.database)
    revoke(site, app)
    writes, read = site.box.journal.count(WRITES), site.fields()
    if damage is not empty:
        for command in ("run", "reconcile"):
            refused = site.run(command)
            assert (refused.code, "Traceback" in refused.err) == (2, False), refused.err
            assert str(site.database) in refused.err
            assert "move it away, a new one is made" in refused.err
        site.database.unlink()
    with run() as daemon:
        daemon.until("brake_set", detail=BRAKED)
        assert (site.fields(), site.box.journal.count(WRITES)) == (read, writes)
        assert site.run("resume", "--all").code == 0
        daemon.until("staging_closed")
        assert daemon.stop() == 0
    assert site.works(app)
    assert site.box.journal.count(CREATE) == 2
