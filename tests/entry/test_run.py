"""`rotator run`, the real daemon against the sandbox: outages, signals, and the deaths it may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.journal import Wanted
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.entry.daemon import SOON, Daemon
from tests.entry.site import WRITES, Site
from tests.entry.test_rotate import FRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.sandbox.okta_state import OktaApp

    Run = Callable[..., Daemon]

CREATE = Wanted(method="POST", path="/api/v1/apps/*/credentials/secrets")
OKTA, VAULT = Wanted(service="okta"), Wanted(service="vault")
GET_APP = Wanted(service="okta", method="GET", path="/api/v1/apps/*")
TICK = 1.1  # seconds, with its jitter
BUSY = 20  # seconds by which a busy machine may be late


class Program:
    """The program itself, as systemd starts it."""

    def __init__(self, argv: list[str], daemon: Daemon) -> None:
        with daemon.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rotator", *argv], stdout=log, stderr=log, env=dict(os.environ) | daemon.environ
            )
        self.pid = self._process.pid

    def wait(self) -> int:
        return self._process.wait(SOON)


def renewed(site: Site, app: OktaApp, name: str = "billing") -> bool:
    """Say whether consumers read a value of ours that works, with the older one still there."""
    return site.works(app, name) and "rotation_id" in site.fields(name) and len(app.secrets) == 2


# --- a life -----------------------------------------------------------------------------------------------------


def test_the_program_says_when_it_is_ready_rotates_what_is_due_and_stops_when_it_is_told(site: Site) -> None:
    due, young = site.add(), site.add("young", age=FRESH)
    site.release()

    with Daemon(site, Program) as daemon:
        daemon.until_ready().until("staging_closed")
        assert daemon.stop() == 0
        assert daemon.told() == "STOPPING=1"

    assert renewed(site, due)
    assert len(young.secrets) == 1
    assert [name for name in daemon.names() if not name.startswith("preflight_")] == [
        "control_served",
        "daemon_started",
        "secret_staged",
        "secret_created",
        "secret_tried",
        "secret_promoted",
        "secret_tried",
        "staging_closed",
        "daemon_stopping",
        "daemon_stopped",
    ]
    assert daemon.events()[1].items() >= {"targets": 2, "orgs": 1, "vaults": 1}.items()
    assert site.secrets_in(daemon.log.read_text()) == []


def test_a_secret_that_is_revoked_while_it_runs_is_replaced(site: Site, run: Run) -> None:
    app = site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        site.box.okta.add_secret_by_admin(app)
        site.box.okta.revoke(app, app.secrets[0].id)
        daemon.until("secret_adopted")

        assert site.works(app)
        assert daemon.stop() == 0


def test_how_each_target_stands_is_logged_on_sigusr1(site: Site, run: Run) -> None:
    app = site.add(age=FRESH)
    site.add("second", age=FRESH)
    with run("--no-preflight") as daemon:
        daemon.until_ready()
        for count in range(1, 100):  # until it has looked
            daemon.signal(signal.SIGUSR1)
            second = daemon.until("status", count, target="second")
            if second["state"] == "resting":
                break
            time.sleep(0.1)

        assert second["state"] == "resting"
        assert daemon.until("status", count, target="billing")["secret_id"] == app.secrets[0].id


def test_the_watchdog_is_fed_while_it_runs(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add(age=FRESH)
    daemon = run()
    monkeypatch.setattr(Daemon, "environ", {**daemon.environ, "WATCHDOG_USEC": "1000000"})
    with daemon:
        told = [daemon.told() for _ in range(4)]

    assert told.count("WATCHDOG=1") >= 2
    assert told.index("READY=1") <= 1


# --- outages ----------------------------------------------------------------------------------------------------


def test_while_okta_is_away_it_waits_asks_once_a_tick_and_goes_on_within_two_ticks(site: Site, run: Run) -> None:
    names = [f"app{n}" for n in range(8)]
    apps = {name: site.add(name) for name in names}
    site.release()
    site.box.faults.drop(OKTA, when="before", times=None)
    with run() as daemon:
        daemon.until("okta_unreachable", okta="acme")
        time.sleep(TICK)  # for the passes that were begun before anybody knew
        mark = site.box.journal.mark()
        time.sleep(3 * TICK)
        asked = site.box.journal.count(GET_APP, since=mark)
        # One probe a tick, however many targets: a read, tried three times, and each time twice by aiohttp.
        assert 6 <= asked < len(names) * 2 * 6

        site.box.faults.clear()
        healed = time.monotonic()
        daemon.until("secret_staged")
        assert time.monotonic() - healed < 2 * TICK + BUSY
        daemon.until("staging_closed", 8)

        assert daemon.names("okta_unreachable", "okta_reachable") == ["okta_unreachable", "okta_reachable"]
        assert not daemon.names("target_failed")
        assert daemon.alive
        assert daemon.stop() == 0
    assert all(renewed(site, app, name) for name, app in apps.items())


def test_while_vault_is_sealed_it_waits_and_goes_on_when_it_is_unsealed(site: Site, run: Run) -> None:
    app = site.add()
    site.box.vault.seal()
    with run() as daemon:
        daemon.until("vault_sealed", vault="main")
        time.sleep(2 * TICK)
        site.box.vault.unseal()
        healed = time.monotonic()
        daemon.until("secret_staged")
        assert time.monotonic() - healed < 2 * TICK + BUSY
        daemon.until("staging_closed")

        assert daemon.names("vault_sealed", "vault_reachable") == ["vault_sealed", "vault_reachable"]
        assert daemon.alive
    assert renewed(site, app)


def test_when_its_token_for_vault_has_ended_it_waits_and_goes_on_with_the_one_that_is_put_in_its_place(
    site: Site, run: Run
) -> None:
    app = site.add(age=FRESH)
    file, token = site.folder / "vault-token", site.box.vault.create_token(["root"], renewable=False)
    following = file.read_text()
    file.write_text(token)
    with run() as daemon:
        daemon.until_ready()
        site.box.vault.revoke_token(token)
        daemon.until("vault_refused_us", vault="main")
        site.box.okta.add_secret_by_admin(app)
        site.box.okta.revoke(app, app.secrets[0].id)
        time.sleep(2 * TICK)
        file.write_text(following)
        healed = time.monotonic()
        daemon.until("secret_adopted")
        assert time.monotonic() - healed < 2 * TICK + BUSY

        assert daemon.names("vault_refused_us", "vault_reachable") == ["vault_refused_us", "vault_reachable"]
        assert not daemon.names("target_failed")
        assert daemon.alive
    assert site.works(app)


# --- stopping and dying -----------------------------------------------------------------------------------------


def test_sigterm_lets_what_is_under_way_finish(site: Site, run: Run) -> None:
    app = site.add()
    hold = site.box.faults.hold(CREATE, when="before")
    with run() as daemon:
        hold.wait(SOON)
        daemon.signal(signal.SIGTERM)
        assert daemon.until("daemon_stopping")["under_way"] == ["billing"]
        hold.release()

        assert daemon.wait() == 0
    assert renewed(site, app)
    assert site.staged(app)["state"] == "empty"
    assert not daemon.names("passes_cut_off")


def test_a_second_sigterm_stops_at_once_and_the_next_start_settles_it(site: Site, run: Run) -> None:
    app = site.add()
    hold = site.box.faults.hold(WRITES, when="before")
    with run() as daemon:
        hold.wait(SOON)
        daemon.signal(signal.SIGTERM)
        daemon.until("daemon_stopping")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 143
    assert daemon.until("passes_cut_off")["targets"] == ["billing"]
    hold.drop()

    with run() as again:
        again.until("staging_closed")
    assert renewed(site, app)


def test_what_does_not_finish_in_time_is_cut_off(site: Site, run: Run) -> None:
    site.add()
    hold = site.box.faults.hold(CREATE, when="before")
    with run("--drain", "1s") as daemon:
        hold.wait(SOON)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert 0.9 < time.monotonic() - began < 4 + BUSY
    assert daemon.until("passes_cut_off")["targets"] == ["billing"]


def test_an_interrupt_stops_it_as_orderly_and_says_so(site: Site, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        daemon.signal(signal.SIGINT)

        assert daemon.wait() == 130
    assert daemon.names()[-1] == "daemon_stopped"


def test_killed_and_started_again_it_makes_no_second_secret(site: Site, run: Run) -> None:
    app = site.add(in_vault=False, bare=True)
    hold = site.box.faults.hold(CREATE, when="after")
    with run() as daemon:
        hold.wait(SOON)
        daemon.signal(signal.SIGKILL)
        assert daemon.wait() == -signal.SIGKILL
    hold.drop()

    with run() as again:
        again.until("staging_closed")
    assert site.works(app)
    assert len(app.secrets) == 1


# --- another configuration --------------------------------------------------------------------------------------


def test_sighup_takes_up_the_configuration_and_keeps_the_old_one_if_the_new_is_bad(site: Site, run: Run) -> None:
    site.add(age=FRESH)
    with run() as daemon:
        daemon.until_ready()
        pid, added = daemon.pid, site.add("added")
        good = site.config.read_text()

        config = site.folder / "config.yaml"
        config.write_text(good.replace('"0oa', '"nonsense 0oa').replace('{"mode": "manual"}', '{"mood": "manual"}'))
        daemon.signal(signal.SIGHUP)
        kept = daemon.until("configuration_kept")
        assert len(kept["problems"]) >= 3
        assert daemon.told().startswith("RELOADING=1\nMONOTONIC_USEC=")
        daemon.until_ready()

        config.write_text(good)
        daemon.signal(signal.SIGHUP)
        reloaded = daemon.until("configuration_reloaded")
        assert (reloaded["targets"], reloaded["added"]) == (2, 1)
        daemon.until("staging_closed", target="added")
        assert (daemon.pid, daemon.alive) == (pid, True)
        assert daemon.stop() == 0
    assert renewed(site, added, "added")
    assert site.secrets_in(daemon.log.read_text()) == []


def test_a_revoked_secret_that_a_breaker_leaves_as_it_is_is_told(site: Site, run: Run) -> None:
    """Its consumers had nothing that works, and the log was silent."""
    apps = {name: site.add(name) for name in ("one", "two")}
    site.extra["limits"] = {"urgent_at_once": 1}
    site.release()
    with run() as daemon:
        for name in apps:
            daemon.until("staging_closed", target=name)
        for name, app in apps.items():
            current = site.holder(app, name)
            assert current
            site.box.okta.revoke(app, current.id)
            if name == "one":
                daemon.until("staging_closed", 2, target=name)
        daemon.until("target_stopped", target="two")
        (told,) = daemon.events("target_stopped")
        assert told["level"] == "error"
        assert "replaced within a day because they were revoked or unknown: 1; 1 may be" in told["detail"]
        assert "rotator resume --all" in told["hint"]

        assert site.run("resume", "--all").code == 0
        daemon.until("staging_closed", 2, target="two")
        daemon.until("target_recovered", target="two")
    assert all(renewed(site, app, name) for name, app in apps.items())


def test_a_target_that_failed_is_tried_again_at_once_when_its_configuration_has_changed(site: Site, run: Run) -> None:
    app = site.add()
    (place,) = site.targets["billing"]["write_to"]
    place["mount"] = "mistyped"
    with run("--resync", "1h") as daemon:
        daemon.until("target_failed")
        place["mount"] = "secret"
        site.argv("run")  # which writes the configuration anew
        daemon.signal(signal.SIGHUP)
        daemon.until("staging_closed")
        daemon.until("target_recovered")

        assert daemon.names("target_failed", "target_recovered") == ["target_failed", "target_recovered"]
    assert renewed(site, app)


def test_a_token_of_okta_that_was_replaced_is_read_on_sighup(site: Site, run: Run) -> None:
    app = site.add()
    site.box.okta.revoke_api_token(site.api_token)
    with run() as daemon:
        daemon.until("okta_refused_us")
        (site.folder / "okta-token").write_text(site.box.okta.add_api_token())
        daemon.signal(signal.SIGHUP)
        daemon.until("staging_closed")

    assert renewed(site, app)


async def test_other_settings_open_orgs_anew_and_keep_the_login_at_a_vault_that_stays(site: Site) -> None:
    from rotator.settings import load

    site.add(age=FRESH)
    settings = load(site.config)
    async with open_worlds(settings, progress=Told(), warn=print, leases_in=site.folder / "leases") as worlds:
        (target,) = settings.targets
        before = worlds.of(target)
        async with worlds.follow(load(site.config)):
            after = worlds.of(target)
            assert (after.okta is before.okta, after.kv is before.kv) == (False, True)
            assert await before.okta.get_app(target.app_id) == await after.okta.get_app(target.app_id)

        site.answer_within = "4s"
        async with worlds.follow(load(site.config)):
            assert worlds.of(target).kv is not before.kv
            assert await worlds.keep_alive() == {"main": None}


# --- others -----------------------------------------------------------------------------------------------------


def test_a_second_daemon_leaves_alone_what_the_first_works_on(site: Site, run: Run) -> None:
    app = site.add()
    hold = site.box.faults.hold(CREATE, when="before")
    with run() as first:
        hold.wait(SOON)
        with run() as second:
            second.until("target_busy")
            hold.release()
            first.until("staging_closed")
            second.until("target_recovered")
            assert not second.names("secret_staged", "secret_created", "target_failed")
    assert renewed(site, app)
    assert site.box.journal.count(CREATE) == 1


def test_two_daemons_write_as_much_as_one(site: Site, run: Run) -> None:
    apps = {f"app{n}": site.add(f"app{n}") for n in range(4)}
    with run() as first, run() as second:
        first.until_ready()
        second.until_ready()
        site.box.journal.wait_until(lambda calls: sum(CREATE.fits(call) for call in calls) >= 4, within=SOON)
        time.sleep(2 * TICK)
    assert all(renewed(site, app, name) for name, app in apps.items())
    assert site.box.journal.count(CREATE) == 4
    assert site.box.journal.count(WRITES) == 3 * 4  # staged, promoted, emptied


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--tick", "0s"], "'0s'", id="a tick of nothing"),
        pytest.param(["--tick", "soon"], "is no duration", id="no duration"),
        pytest.param(["--resync", "30d"], "is not between 1s and 7d", id="a resync of a month"),
    ],
)
def test_a_wrong_option_is_explained(site: Site, options: list[str], says: str) -> None:
    site.add()
    ran = site.run("run", *options)

    assert (ran.code, ran.out) == (2, "")
    assert says in " ".join(ran.err.split())


def test_a_wrong_configuration_is_explained(site: Site) -> None:
    site.add()
    site.targets["billing"]["app_id"] = "no id"
    ran = site.run("run")

    assert ran.code == 2
    assert "billing" in ran.err
    assert "Traceback" not in ran.err
