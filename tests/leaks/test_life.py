"""Nothing secret gets out of a whole life of the program, by any way; and on every way a leak is seen."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.request import Request as Post
from urllib.request import urlopen

import pytest

from tests.leaks.life import keep_post
from tests.leaks.place import FILES, OTHER, Place, Watcher
from tests.leaks.scanner import Found, Scanner
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.leaks.life import Life

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("life")]

LEAK = "Lk7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0zXoKiYtR-_uVb2nM4cQ8eL1pSx"
NOT_OF_SQLITE = {"a dump of PostgreSQL"}  # looked at where there is one: test_postgres
SELDOM = {"temporary files"}  # nothing may be left of them


def test_nothing_secret_gets_out(life: Life) -> None:
    assert life.place.leaks(life.scanner) == []


@pytest.mark.parametrize("channel", sorted(FILES.keys() - NOT_OF_SQLITE - SELDOM))
def test_every_way_out_was_looked_at(life: Life, channel: str) -> None:
    assert [name for of, name, data in life.place.artefacts() if of == channel and len(data) > len(name) + 1] != []


def test_what_was_made_is_what_is_looked_for(life: Life) -> None:
    assert len(life.made()) >= 3
    assert life.made() <= life.scanner.hashes()


def test_the_life_was_no_failure_all_along(life: Life) -> None:
    went_well = [name for name, code in life.codes.items() if code == 0]

    assert {name[4:] for name in went_well} > {
        "config-show", "status", "plan-billing", "discover---yes", "rotate-shop", "rollback-shop", "history-billing",
        "evidence-billing", "audit-export", "audit-verify", "status---daemon", "notify-test", "simulate---days", "certify---yes",
    }  # fmt: skip


def test_a_bug_of_the_program_is_told_with_its_place_and_without_its_text(life: Life) -> None:
    told = "".join(file.read_text() for file in sorted((life.place.folder / "tracebacks").iterdir()))

    assert "RuntimeError" in told
    assert "broken.py" in told
    assert "list_secrets" in told


def test_no_process_of_ours_or_of_a_hook_dumps_a_core(life: Life) -> None:
    said = {file.read_text().strip() for file in (life.place.folder / "hook").glob("cores-*")}

    assert said == {"0"}


# --- planted ----------------------------------------------------------------------------------------------------


def _write(place: Place, name: str) -> None:
    place.file(name).write_text(f'{{"event": "it_happened", "detail": "refused {LEAK}"}}\n')


def _send(place: Place, path: str) -> None:
    with receiving() as receiver:
        urlopen(Post(f"{receiver.url}/{path}/x", data=LEAK.encode(), method="POST"), timeout=10).close()
        keep_post(place, receiver)


def _insert(place: Place) -> None:
    with closing(sqlite3.connect(place.file("state/rotator/database/state.db"))) as database, database:
        database.execute("CREATE TABLE audit (detail TEXT)")
        database.execute("INSERT INTO audit VALUES (?)", (f"refused {LEAK}",))


def _run(place: Place, *, argument: str = "x", variable: str = "x") -> None:
    with Watcher(place) as watcher:
        looks = watcher.looks
        environ = {"PATH": os.environ["PATH"], "IT": variable}
        with subprocess.Popen(["sh", "-c", "sleep 30; :", argument], env=environ) as process:
            _until_looked(watcher, looks)
            process.kill()


def _keep_for_a_moment(place: Place) -> None:
    with Watcher(place) as watcher:
        file = place.file("tmp/a-moment")
        file.write_text(LEAK)
        _until_looked(watcher, watcher.looks)
        file.unlink()


def _until_looked(watcher: Watcher, before: int) -> None:
    while watcher.looks < before + 2:
        time.sleep(0.01)


PLANTED: dict[str, Callable[[Place], None]] = {
    "what commands say": lambda place: _write(place, "said/000-status"),
    "tracebacks": lambda place: _write(place, "tracebacks/status-0"),
    "the daemon's log": lambda place: _write(place, "log-1"),
    "pages of the daemon": lambda place: _write(place, "pages/metrics"),
    "answers of the control socket": lambda place: _write(place, "answers/status-0"),
    "webhook notices": lambda place: _send(place, "hook"),
    "Apprise notices": lambda place: _send(place, "apprise"),
    "the heartbeat": lambda place: _send(place, "ping"),
    "hook webhooks": lambda place: _send(place, "ci"),
    "what a hook is told": lambda place: _write(place, "hook/env-1"),
    "plans": lambda place: _write(place, "plans/the.plan"),
    "the audit's export": lambda place: _write(place, "audit/export.jsonl"),
    "the inventory": lambda place: _write(place, "state/rotator/inventory/acme.jsonl"),
    "targets that were found": lambda place: _write(place, "emitted/new.yaml"),
    "the state database": _insert,
    "a dump of PostgreSQL": lambda place: _write(place, "dump/state.sql"),
    "temporary files": lambda place: _write(place, "tmp/left"),
    "files of a moment": _keep_for_a_moment,
    "command lines": lambda place: _run(place, argument=LEAK),
    "environments": lambda place: _run(place, variable=LEAK),
    OTHER: lambda place: _write(place, ".cache/anything"),
}


@pytest.mark.parametrize("channel", [*FILES, OTHER])
def test_a_leak_is_seen_on_every_way(tmp_path: Path, channel: str) -> None:
    scanner = Scanner()
    scanner.learn("the leak", LEAK, in_parts=True)
    place = Place(tmp_path)

    PLANTED[channel](place)

    assert {(leak.channel, leak.found) for leak in place.leaks(scanner)} == {(channel, Found("the leak", "raw"))}
