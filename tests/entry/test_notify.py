"""Notices of the real daemon, over real HTTP: what is told, when, by whom, after which deaths; and nothing secret."""

from __future__ import annotations

import hashlib
import hmac
import signal
import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.sandbox.journal import Wanted
from tests.entry.test_members import Shared
from tests.entry.test_rotate import FRESH
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.entry.conftest import Run
    from tests.entry.daemon import Daemon
    from tests.entry.site import Ran, Site
    from tests.postgres import Cluster

SECRET = "wEbHoOk-sEcReT-of-the-tests-7Yq2kL9m"
TOKEN = "aDdReSs-t0kEn-9Zx4-of-the-tests"
DAY = timedelta(days=1)
OPEN = "x" * 40
SELDOM = ("--resync", "1h")  # so that many targets do not use up what Okta allows
HOOK = {"kind": "webhook", "url_file": "hook-url", "secret_file": "hook-secret"}


class Told:
    """A site whose daemon tells somebody."""

    def __init__(self, site: Site, receiver: Receiver) -> None:
        self.site = site
        self.receiver = receiver
        self.files = {
            "hook-secret": SECRET,
            "hook-url": f"{receiver.url}/hook/{TOKEN}",
            "apprise-url": f"json://127.0.0.1:{receiver.port}/apprise/{TOKEN}",
            "heartbeat-url": f"{receiver.url}/ping/{TOKEN}",
        }
        for name, text in self.files.items():
            (site.folder / name).write_text(f"{text}\n")
            (site.folder / name).chmod(0o600)
        self.tell(hook=HOOK)

    def tell(self, *, heartbeat: bool = False, upcoming: str = "7d", **channels: dict[str, Any]) -> None:
        self.site.extra = {k: v for k, v in self.site.extra.items() if k not in {"notify", "heartbeat"}}
        self.site.extra["notify"] = {"channels": channels, "upcoming": upcoming}
        if heartbeat:
            self.site.extra["heartbeat"] = {"url_file": "heartbeat-url", "every": "1s"}

    def test(self, *args: str) -> Ran:
        """Run `rotator notify test`."""
        return self.site.run_bare("notify", "test", "--config", str(self.site.config), *args)

    def at(self, path: str) -> list[Any]:
        return [each for each in self.receiver.got if each.path.startswith(path)]

    def kinds(self, target: str | None) -> list[str]:
        return [each["kind"] for each in self.receiver.documents() if each.get("target") == target]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def told(site: Site, receiver: Receiver) -> Told:
    return Told(site, receiver)


@pytest.fixture
def shared(cluster: Cluster, site: Site) -> Shared:
    return Shared(cluster, site)


# --- what is told -----------------------------------------------------------------------------------------------


def test_a_rotation_is_told_signed_and_once(told: Told, run: Run) -> None:
    told.site.add()
    told.site.release()
    with run() as daemon:
        daemon.until_ready()
        (notice,) = told.receiver.until(1, kind="rotated")
        daemon.until("notices_sent")
        assert daemon.stop() == 0
    with run() as daemon:
        daemon.until_ready()
        time.sleep(2)
        assert daemon.stop() == 0

    assert notice["target"] == "billing"
    assert notice["detail"].startswith("ocs")
    assert told.kinds("billing") == ["rotated"]
    (got,) = told.at("/hook")
    signed = hmac.new(SECRET.encode(), got.headers["rotator-timestamp"].encode() + b"." + got.body, hashlib.sha256)
    assert got.headers["rotator-signature"] == f"v1={signed.hexdigest()}"


def test_a_failure_is_told_within_a_minute_and_that_it_is_over(told: Told, run: Run) -> None:
    told.site.add(age=FRESH)
    told.site.release()
    with run("--resync", "2s") as daemon:
        daemon.until_ready()
        body = {"errors": ["permission denied"]}
        told.site.box.faults.answer(403, Wanted(path="/v1/secret/*/billing/okta"), body=body, times=None)
        began = time.monotonic()
        (notice,) = told.receiver.until(1, kind="failed")
        assert time.monotonic() - began < 60
        told.site.box.faults.clear()
        daemon.signal(signal.SIGHUP)  # who failed is looked at at once
        told.receiver.until(1, kind="recovered")
        assert daemon.stop() == 0

    assert notice["hint"]
    assert told.kinds("billing") == ["failed", "recovered"]


def test_an_org_that_is_away_is_told_once_for_all_and_stops_the_heart(told: Told, run: Run) -> None:
    for name in ("one", "two", "three"):
        told.site.add(name, age=FRESH)
    told.site.release()
    told.tell(heartbeat=True, hook=HOOK)
    with run() as daemon:
        daemon.until_ready()
        told.receiver.until_requests(1)
        told.site.box.faults.answer(401, Wanted(service="okta"), body={"errorCode": "E0000011"}, times=None)
        daemon.until("okta_refused_us")
        (notice,) = told.receiver.until(1, kind="failed")
        beats = len(told.at("/ping"))
        time.sleep(2.5)
        assert len(told.at("/ping")) == beats
        told.site.box.faults.clear()
        told.receiver.until(1, kind="recovered")
        told.receiver.until_requests(len(told.receiver.got) + 1)
        assert daemon.stop() == 0

    assert notice["subject"] == "okta acme"
    assert [each["subject"] for each in told.receiver.documents()] == ["okta acme"] * 2
    assert beats


def test_a_brake_that_was_set_is_told_and_what_it_held_back_when_it_is_released(told: Told, run: Run) -> None:
    told.site.extra["limits"] = {"urgent_at_once": 1}
    told.site.add("one")
    told.site.add("two")
    with run(*SELDOM) as daemon:
        daemon.until_ready()
        (notice,) = told.receiver.until(1, kind="brake")
        assert told.site.run("resume", "--all").code == 0
        told.receiver.until(2, kind="rotated")
        told.receiver.until(1, kind="recovered")
        assert daemon.stop() == 0

    assert notice["detail"].startswith("everything only observes: 2 targets are due at once")


# --- deaths -----------------------------------------------------------------------------------------------------


def test_what_was_to_be_told_when_it_was_killed_is_told_after_the_next_start(told: Told, run: Run) -> None:
    told.receiver.statuses = [503]
    told.site.add()
    told.site.release()
    with run() as daemon:
        daemon.until_ready().until("channel_failing")
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    refused = len(told.receiver.got)
    told.receiver.statuses = [200]
    with run() as daemon:
        daemon.until_ready().until("notices_sent")
        assert daemon.stop() == 0

    assert refused
    ids = {each.headers["idempotency-key"] for each in told.receiver.got}
    assert (len(ids), told.kinds("billing")[-1]) == (1, "rotated")


def test_a_notice_that_was_in_the_box_and_never_tried_survives_a_kill(told: Told, run: Run) -> None:
    """The receiver does not answer: the daemon dies while it waits, with the channel taken."""
    told.receiver.deaf.set()
    told.site.extra["notify"]["channels"]["hook"]["answer_within"] = "1s"
    told.site.add()
    told.site.release()
    with run() as daemon:
        daemon.until_ready()
        told.receiver.until_requests(1)
        daemon.signal(signal.SIGKILL)
        daemon.wait()
    told.receiver.deaf.clear()
    with closing(sqlite3.connect(told.site.database)) as state:
        state.execute("UPDATE rotator_channel SET until = '2026-01-01 00:00:00.000000'")  # its time is up
        state.commit()
    with run() as daemon:
        daemon.until_ready().until("notices_sent")
        assert daemon.stop() == 0

    assert len({each.headers["idempotency-key"] for each in told.receiver.got}) == 1


def test_two_members_tell_each_thing_once(told: Told, run: Run, shared: Shared) -> None:
    told.tell(hook=HOOK)
    for number in range(4):
        told.site.add(f"app{number}")
    told.site.add("stuck", older=(OPEN,))
    told.site.release()
    with run(*SELDOM) as one, run(*SELDOM) as two:
        told.receiver.until(4, kind="rotated")
        told.receiver.until(1, kind="late")
        time.sleep(3)
        for daemon in (one, two):
            daemon.until_ready()
            assert daemon.stop() == 0

    said = sorted((each["target"], each["kind"]) for each in told.receiver.documents() if each["target"])
    assert said == [*((f"app{number}", "rotated") for number in range(4)), ("stuck", "blocked"), ("stuck", "late")]


# --- another configuration --------------------------------------------------------------------------------------


def test_channels_are_followed_at_a_reload(told: Told, run: Run) -> None:
    told.site.extra.pop("notify")
    told.site.add("stuck", older=(OPEN,))
    told.site.release()
    with run() as daemon:
        daemon.until_ready().until("target_blocked")
        told.tell(hook=HOOK)
        assert told.site.config.exists()  # written anew
        daemon.signal(signal.SIGHUP)
        daemon.until("configuration_reloaded")
        told.receiver.until(1, kind="blocked")
        assert daemon.stop() == 0


# --- nothing secret ---------------------------------------------------------------------------------------------


def everything_kept(site: Site, daemon: Daemon) -> str:
    with closing(sqlite3.connect(site.database)) as state:
        rows = "\n".join(state.iterdump())
    return daemon.log.read_text() + rows + site.database.read_bytes().decode("latin-1")


def test_whatever_is_told_nothing_secret_gets_anywhere(told: Told, run: Run) -> None:
    site = told.site
    site.extra["limits"] = {"urgent_at_once": 1}
    site.add("due")
    site.add("also-due")
    site.add("stuck", older=(OPEN,))
    site.add("soon", age=88 * DAY)
    site.add("overdue", policy="manual")
    site.add("broken", age=FRESH)
    denied = {"errors": ["permission denied"]}
    site.box.faults.answer(403, Wanted(path="/v1/secret/*/broken/okta"), body=denied, times=None)
    told.tell(
        heartbeat=True,
        hook=HOOK,
        chat={"kind": "apprise", "url_file": "apprise-url"},
        # It cannot be reached: what goes wrong is told as well.
        lost={"kind": "apprise", "url_file": "lost-url"},
        gone={"kind": "webhook", "url_file": "gone-url", "secret_file": "hook-secret"},
    )
    told.files |= {"lost-url": f"json://127.0.0.1:9/{TOKEN}-lost", "gone-url": f"http://127.0.0.1:9/{TOKEN}-gone"}
    for name in ("lost-url", "gone-url"):
        (site.folder / name).write_text(told.files[name])
        (site.folder / name).chmod(0o600)
    with run(*SELDOM) as daemon:
        daemon.until_ready()
        told.receiver.until(1, kind="brake")
        resumed = site.run("resume", "--all")
        told_by_hook = ("rotated", "blocked", "failed", "upcoming", "late", "recovered")
        for kind in told_by_hook:
            told.receiver.until(1, kind=kind)
        daemon.until("channel_failing", channel="lost")
        daemon.until("channel_failing", channel="gone")
        end = time.monotonic() + 20
        while len(told.at("/apprise")) < len(told_by_hook) and time.monotonic() < end:
            time.sleep(0.1)
        tested = told.test()
        assert daemon.stop() == 0

    said = "".join(each.body.decode() for each in told.receiver.got)
    kept = everything_kept(site, daemon)
    commands = "".join((resumed.out, resumed.err, tested.out, tested.err))
    assert told.at("/ping")
    assert len(told.at("/apprise")) >= len(told_by_hook)
    for text in (said, kept, commands):
        assert site.secrets_in(text) == []
        for secret in (TOKEN, SECRET, *told.files.values()):
            assert secret not in text
    assert f":{told.receiver.port}" not in kept + commands


# --- the command ------------------------------------------------------------------------------------------------


def test_a_test_message_is_sent_through_every_channel(told: Told) -> None:
    told.tell(
        hook={**HOOK, "events": ["late"]},
        chat={"kind": "apprise", "url_file": "apprise-url"},
    )

    ran = told.test()

    assert (ran.code, [line.split() for line in ran.out.splitlines()]) == (
        0,
        [["CHANNEL", "KIND", "RESULT", "DETAIL"], ["hook", "webhook", "taken"], ["chat", "apprise", "taken"]],
    )
    assert told.at("/hook")[0].json()["kind"] == "test"
    assert told.at("/apprise")[0].json()["title"] == "rotator: test"


def test_what_came_of_it_is_said_to_programs(told: Told) -> None:
    told.receiver.statuses = [404]
    told.tell(
        hook=HOOK,
        chat={"kind": "apprise", "url_file": "apprise-url"},
    )

    ran = told.test("hook", "-o", "json")

    assert (ran.code, ran.json()) == (
        1,
        {
            "version": 1,
            "command": "notify test",
            "exit_code": 1,
            "channels": [
                {
                    "channel": "hook",
                    "kind": "webhook",
                    "result": "not taken",
                    "message": "channel hook: HTTP 404",
                    "hint": "Look whether the receiver is up and can be reached from here, and into its own log.",
                }
            ],
        },
    )


@pytest.mark.parametrize(
    ("statuses", "code"),
    [pytest.param([200, 500], 3, id="one of two"), pytest.param([500], 5, id="none is there")],
)
def test_the_exit_code_says_how_many_were_taken(told: Told, statuses: list[int], code: int) -> None:
    told.receiver.statuses = statuses
    told.tell(one=HOOK, two=HOOK)

    assert told.test().code == code


def test_a_channel_that_is_not_there_is_a_mistake(told: Told) -> None:
    ran = told.test("hok")

    assert (ran.code, ran.out) == (2, "")
    assert "there is no channel 'hok'; did you mean `hook`?" in ran.err


def test_without_channels_there_is_nothing_to_try(site: Site) -> None:
    site.add()

    ran = site.run_bare("notify", "test", "--config", str(site.config))

    assert ran.code == 2
    assert "add one under `notify.channels`" in ran.err


def test_without_apprise_neither_command_nor_daemon_goes_on(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    told.site.add()
    told.tell(chat={"kind": "apprise", "url_file": "apprise-url"})

    tested, ran = told.test(), told.site.run("run")

    assert (tested.code, ran.code) == (2, 2)
    for said in (tested.out + tested.err, ran.err):
        assert "notify.channels.chat: Apprise is not installed; run `pip install 'rotator[notify]'`" in said
