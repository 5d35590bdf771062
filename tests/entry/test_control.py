"""The real daemon and whoever asks it: an operator who has its configuration and its socket, and no credentials."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.entry.daemon import Daemon
from tests.entry.site import WRITES, Ran, Site
from tests.entry.test_rotate import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entry.zygote import Zygote

    Run = Callable[..., Daemon]

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def run(site: Site, zygote: Zygote) -> Run:
    def start(argv: list[str], daemon: Daemon) -> object:
        return zygote.run(argv, daemon.log, **daemon.environ)

    return lambda *options: Daemon(site, start, "--resync", "1h", *options)  # type: ignore[arg-type]


@dataclass
class Operator:
    """Somebody with a copy of the configuration whose secret files are not there."""

    site: Site

    def run(self, command: str, *args: str) -> Ran:
        elsewhere = self.site.folder / "operator"
        elsewhere.mkdir(exist_ok=True)
        shutil.copy(self.site.config, elsewhere / "config.yaml")
        return self.site.run_bare(command, "--config", str(elsewhere / "config.yaml"), *args)

    def one(self, command: str, *args: str) -> dict[str, Any]:
        ran = self.run(command, *args, "-o", "json")
        assert ran.code == 0, ran
        return ran.target()


@pytest.fixture
def operator(site: Site) -> Operator:
    return Operator(site)


# --- through the daemon -----------------------------------------------------------------------------------------


def test_without_credentials_only_the_daemon_can_help(site: Site, operator: Operator, run: Run) -> None:
    site.add(age=FRESH)
    assert (operator.run("status").code, "cannot be read" in operator.run("status").err) == (2, True)
    assert operator.run("pause", "billing").code == 2

    with run() as daemon:
        daemon.until_ready()

        assert operator.run("status", "--daemon").code == 0
        assert operator.run("pause", "billing").code == 0


def test_a_pause_through_the_daemon_holds_until_it_is_lifted(site: Site, operator: Operator, run: Run) -> None:
    app = site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()

        paused = operator.one("pause", "billing", "--reason", "change freeze")
        assert (paused["result"], paused["now"].startswith(f"change freeze (by {ME}, ")) == ("paused", True)
        assert site.staged(app)["pause"] == paused["now"]
        assert daemon.until("target_paused")["detail"] == paused["now"]
        assert daemon.until("command_answered")["by"] == ME
        assert operator.one("pause", "billing")["result"] == "already paused"
        assert operator.one("status", "--daemon")["state"] == "paused"

        resumed = operator.one("resume", "billing")
        assert (resumed["result"], resumed["before"]) == ("resumed", paused["now"])
        daemon.until("target_recovered")
        assert operator.one("resume", "billing")["result"] == "not paused"
        assert daemon.stop() == 0
    assert len(app.secrets) == 1


def test_a_rotation_through_the_daemon_is_told_as_one_from_here(site: Site, operator: Operator, run: Run) -> None:
    app, old = site.add(age=FRESH), site.fields()["client_secret"]
    with run() as daemon:
        daemon.until_ready()
        assert operator.one("rotate", "--daemon", "billing")["result"] == "nothing due"

        told = operator.one("rotate", "--daemon", "--force", "billing")

        assert (told["result"], told["secret_id"]) == ("rotated", app.secrets[-1].id)
        assert (len(app.secrets), site.works(app), site.fields()["client_secret"] != old) == (2, True, True)
        assert operator.one("status", "--daemon")["secret"]["id"] == app.secrets[-1].id


def test_the_blocks_name_who_does_the_rest(site: Site, operator: Operator, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        ran = operator.run("rotate", "--daemon", "--force", "billing")

    assert ran.code == 0
    assert ran.out.startswith("billing: rotated\n  found  ordered")
    assert "; the daemon then switches it off" in ran.out


def test_every_pause_is_lifted_at_once_and_the_brake_is_another_matter(
    site: Site, operator: Operator, run: Run
) -> None:
    for name in ("one", "two"):
        site.add(name, age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        assert [each["result"] for each in operator.run("pause", "--all", "-o", "json").json()["targets"]] == [
            "paused"
        ] * 2
        for name in ("one", "two"):
            daemon.until("target_paused", target=name)

        released = operator.run("resume", "--all")
        assert (released.code, "still paused: one, two; `rotator resume --paused`" in released.out) == (0, True)

        lifted = operator.run("resume", "--paused", "-o", "json").json()["targets"]
        assert [each["result"] for each in lifted] == ["resumed"] * 2


def test_who_may_not_reach_the_socket_is_told_who_may(site: Site, operator: Operator, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        socket = site.folder / "state" / "rotator" / "control.sock"
        socket.chmod(0)
        if os.access(socket, os.W_OK):
            pytest.skip("root may reach every socket")
        ran = operator.run("status", "--daemon")

    assert (ran.code, "control.group" in ran.err) == (1, True)


@pytest.mark.parametrize("command", [("status", "--daemon"), ("rotate", "--daemon", "billing")])
def test_without_a_daemon_that_is_said(site: Site, operator: Operator, command: tuple[str, ...]) -> None:
    site.add(age=FRESH)

    ran = operator.run(*command)

    assert ran.code == 1
    assert f"no daemon answers at {site.folder}/state/rotator/control.sock" in ran.err
    assert "rotator run" in ran.err


def test_a_killed_daemon_leaves_a_socket_that_nobody_answers_and_the_next_one_takes(
    site: Site, operator: Operator, run: Run
) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    assert operator.run("status", "--daemon").code == 1

    with run() as daemon:
        daemon.until_ready()
        assert operator.run("status", "--daemon").code == 0
        daemon.stop()
    assert not (site.folder / "state" / "rotator" / "control.sock").exists()


def test_nothing_secret_is_answered_or_logged(site: Site, operator: Operator, run: Run) -> None:
    site.add()
    said = ""
    with run() as daemon:
        daemon.until_ready().until("staging_closed")
        for command in (
            ("status", "--daemon"),
            ("rotate", "--daemon", "--force", "billing"),
            ("pause", "billing"),
            ("resume", "billing"),
        ):
            for output in ("table", "json"):
                ran = operator.run(*command, "-o", output)
                said += ran.out + ran.err
        said += daemon.log.read_text()

    assert len(said) > 1000
    assert site.secrets_in(said) == []


# --- from here --------------------------------------------------------------------------------------------------


def test_without_a_daemon_it_is_written_from_here(site: Site) -> None:
    app = site.add()

    ran = site.run("pause", "billing", "--reason", "audit")

    assert (ran.code, ran.out.startswith(f"billing: paused — audit (by {ME}, ")) == (0, True)
    assert site.run("rotate", "billing").code == 4
    assert len(app.secrets) == 1
    assert site.run("resume", "billing").code == 0
    assert site.run("rotate", "billing", "-o", "json").target()["result"] == "rotated"


def test_beside_a_daemon_it_is_told_to_look(site: Site, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()

        assert site.run("pause", "billing", "--direct").code == 0

        assert daemon.until("command_answered")["command"] == "wake"
        daemon.until("target_paused")


def test_beside_a_rotation_from_here_it_is_told_to_look(site: Site, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        site.run("rotate", "billing", "--dry-run")

        assert site.run("rotate", "billing", "--force").code == 0

        assert daemon.until("command_answered")["targets"] == ["billing"]
        assert [event["command"] for event in daemon.events("command_answered")] == ["wake"]


def test_a_record_of_another_release_is_blocked_and_left(site: Site) -> None:
    app = site.add(age=FRESH)
    site.box.vault.put("secret", f"rotator/staging/127.0.0.1/{app.id}", {"state": "elsewhere"})
    writes = site.box.journal.count(WRITES)

    ran = site.run("pause", "billing", "-o", "json")

    told = ran.target()
    assert (ran.code, told["result"], told["error"]["code"]) == (1, "blocked", "blocked")
    assert "docs/recovery.md" in told["hint"]
    assert site.box.journal.count(WRITES) == writes


@pytest.mark.parametrize(
    "argv",
    [
        ("pause",),
        ("pause", "billing", "--all"),
        ("resume",),
        ("resume", "billing", "--all"),
        ("resume", "--paused", "--all"),
        ("rotate", "--daemon"),
        ("rotate", "--daemon", "--dry-run", "billing"),
        ("pause", "billing", "--reason", "two\nlines"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked(site: Site, argv: tuple[str, ...]) -> None:
    site.add()

    assert site.run(*argv).code == 2
    assert site.box.journal.count() == 0
