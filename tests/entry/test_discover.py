"""`rotator discover` over real HTTP: what it finds, what it costs, and that it never asks twice."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.app.discover import ask, survey
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_admin import app_actor
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_log import Origin
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.settings.yaml_text import parse
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.entry.paced import Watched
from tests.entry.site import PLENTY, SCOPE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.sandbox.okta_state import ClientSecret, OktaApp
    from tests.entry.site import Ran
    from tests.entry.zygote import Zygote

DAY = timedelta(days=1)
PAGES = Wanted(service="okta", method="GET", path="/api/v1/apps")
LISTINGS = Wanted(service="okta", method="GET", path="/api/v1/apps/*/credentials/secrets")
LOG = Wanted(service="okta", path="/api/v1/logs")
WRITES = [Wanted(service=service, method=method) for service in ("okta", "vault") for method in ("PUT", "DELETE")]
TO = "secret/apps/{app_id}/okta"


@dataclass
class Org:
    """An org with apps of all kinds. `secretive` are those that hold client secrets."""

    site: Site
    secretive: dict[str, OktaApp] = field(default_factory=dict)

    def add(self, label: str, *ages: float, used: float | None = None, **traits: Any) -> OktaApp:
        """Add an app with secrets of these ages in days, the last of which was used so many days ago."""
        app = self.site.box.okta.add_app(label, secrets=[GivenSecret(age=age * DAY) for age in ages], **traits)
        if used is not None:
            self.used(app, app.secrets[-1], ago=used * DAY)
        self.secretive[label] = app
        return app

    def used(self, app: OktaApp, secret: ClientSecret, *, ago: timedelta, agent: str = "billing/1.0") -> None:
        """Have the log tell that the secret was used then."""
        self._request(app, secret, ago, agent=agent)

    def refused(self, app: OktaApp, secret: ClientSecret, *, ago: timedelta) -> None:
        """Have the log tell that somebody showed the secret then, and was refused."""
        self._request(app, secret, ago, result="FAILURE", reason="invalid_client_secret")

    def _request(
        self, app: OktaApp, secret: ClientSecret, ago: timedelta, *, agent: str = "billing/1.0", **ending: Any
    ) -> None:
        org = self.site.box.okta.org
        logged = org.logged_hash(secret.value)
        granted = not ending
        org.log.record(
            f"app.oauth2.as.token.grant{'.access_token' if granted else ''}",
            Origin(app_actor(app), agent, "/oauth2/default/v1/token", "r"),
            now=org.clock.now() - ago,
            debug={"clientSecret": logged} if logged and granted else {},
            **ending,
        )

    def calls(self, wanted: Wanted, since: int = 0) -> int:
        return self.site.box.journal.count(wanted, since=since)

    @property
    def cache(self) -> Path:
        (file,) = (self.site.folder / "state" / "rotator" / "inventory").glob("*.jsonl")
        return file


@pytest.fixture
def org(site: Site) -> Org:
    site.box.okta.settings.limits = PLENTY
    return Org(site)


def furnish(org: Org) -> None:
    """Fill the org: 62 apps, of which 44 have client secrets, three of those no active one of ours to speak of."""
    okta = org.site.box.okta
    for n in range(20):
        org.add(f"plain {n}", 10 + 20 * n, used=n % 5)
    for n in range(5):
        org.secretive[f"target-{n}"] = org.site.add(f"target-{n}", age=30 * DAY)
        org.add(f"svc-{n}", 5, used=1)
    org.site.selections["services"] = {
        "where": {"label": "svc-*"},
        "newcomers": "policy",
        "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
    }
    for n in range(5):
        okta.deactivate_app_by_admin(org.add(f"inactive {n}", 50))
    for n in range(3):
        org.add(f"two {n}", 300, 200, used=1)
        org.add(f"idle {n}", 60)
        tried = org.add(f"tried {n}", 100, 20, used=1)
        okta.revoke(tried, tried.secrets[0].id)
        org.site.box.okta.org.apps[tried.id].secrets[0].updated -= 10 * DAY
        org.refused(tried, tried.secrets[0], ago=2 * DAY)
    for n in range(12):
        okta.add_app(f"public {n}", auth_method="none")
    for n in range(5):
        okta.add_app(f"key {n}", auth_method="private_key_jwt")
    okta.add_app("saml", sign_on_mode="SAML_2_0", auth_method="none")
    assert (len(okta.org.apps), len(org.secretive)) == (62, 44)


def by_label(ran: Ran) -> dict[str, dict[str, Any]]:
    return {app["label"]: app for app in ran.json()["apps"]}


def hazards(app: dict[str, Any]) -> set[str]:
    return {each["hazard"] for each in app["risk"]["reasons"]}


# --- What it finds --------------------------------------------------------------------------------------------


def test_every_app_with_a_client_secret_is_found_with_its_risk(org: Org) -> None:
    furnish(org)

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert ran.code == 0, ran.err
    found = by_label(ran)
    assert found.keys() == org.secretive.keys()
    assert ran.json()["orgs"] == [
        {
            "org": "acme",
            "apps_with_secrets": 44,
            "other_apps": 17,
            "listings": 44,
            "not_asked": 0,
            "problem": None,
            "log_problem": None,
        }
    ]
    scores = [app["risk"]["score"] for app in ran.json()["apps"]]
    assert scores == sorted(scores, reverse=True)
    assert {app["managed_by"] for app in found.values()} == {
        None,
        *(f"target-{n}" for n in range(5)),
        *(f"services/{org.secretive[f'svc-{n}'].id}" for n in range(5)),
    }
    assert hazards(found["plain 19"]) == {"unmanaged", "past policy age", "not rotated for long"}
    assert hazards(found["plain 4"]) == {"unmanaged", "past policy age"}
    assert hazards(found["plain 0"]) == {"unmanaged"}
    assert hazards(found["target-0"]) == {"never used"}
    assert hazards(found["svc-0"]) == set()
    assert hazards(found["inactive 0"]) == {"unmanaged", "app inactive", "never used"}
    assert {"two active", "never used", "no free slot"} < hazards(found["two 0"])
    assert hazards(found["idle 0"]) == {"unmanaged", "never used"}
    assert {"tried after off", "no free slot"} < hazards(found["tried 0"])
    assert found["two 0"]["slots_taken"] == 2


def test_use_is_told_of_each_secret_by_its_hash(org: Org) -> None:
    org.add("two", 300, 200, used=1)

    (app,) = org.site.run("discover", "--yes", "-o", "json").json()["apps"]

    old, new = app["secrets"]
    assert (old["last_used"], old["last_used_of"]) == (None, "secret")
    assert datetime.now(UTC) - datetime.fromisoformat(old["not_used_since"]) >= 89 * DAY
    assert datetime.now(UTC) - datetime.fromisoformat(new["last_used"]) < 2 * DAY
    assert [each["age_days"] for each in app["secrets"]] == [300, 200]


@pytest.mark.parametrize("log_hash", ["different", "absent"])
def test_without_comparable_hashes_use_is_told_of_the_client(org: Org, log_hash: str) -> None:
    org.site.box.okta.settings.switch("log_hash", log_hash)
    org.add("two", 300, 200, used=1)

    (app,) = org.site.run("discover", "--yes", "-o", "json").json()["apps"]

    assert {each["last_used_of"] for each in app["secrets"]} == {"client"}
    assert all(each["last_used"] for each in app["secrets"])
    assert "never used" not in hazards(app)


def test_a_real_request_is_a_use_and_a_test_request_of_ours_is_none(org: Org) -> None:
    app = org.site.add("billing", age=60 * DAY)
    verified = org.site.run("verify", "billing", "-o", "json")
    before = org.site.run("discover", "--yes", "-o", "json").json()["apps"][0]
    asked = {"grant_type": "client_credentials", "scope": SCOPE}
    url = f"{org.site.box.okta_url}/oauth2/default/v1/token"
    granted = requests.post(url, data=asked, auth=(app.client_id, app.secrets[0].value), timeout=5)

    after = org.site.run("discover", "--yes", "--fresh", "-o", "json").json()["apps"][0]

    assert (verified.code, granted.status_code) == (0, 200)
    assert before["secrets"][0]["last_used"] is None
    assert after["secrets"][0]["last_used"] is not None


def test_a_log_that_may_not_be_read_leaves_use_unknown(org: Org) -> None:
    for n in range(25):
        org.add(f"app {n}", 60)
    (token,) = org.site.box.okta.org.api_tokens.values()
    token.role = AdminRole(read_log=False)

    ran = org.site.run("discover", "--yes", "-o", "json")

    apps = ran.json()["apps"]
    assert (ran.code, {app["secrets"][0]["last_used_of"] for app in apps}) == (0, {"unknown"})
    assert not any("never used" in hazards(app) for app in apps)
    assert org.calls(LOG) == 1
    assert ran.json()["orgs"][0]["log_problem"]
    assert "last use is not known of all" in ran.err


def test_a_busy_client_does_not_hide_the_others_nor_its_own_other_secret(org: Org) -> None:
    busy, quiet = org.add("busy", 300, 200), org.add("quiet", 300, used=50)
    org.used(busy, busy.secrets[0], ago=40 * DAY)
    for n in range(1005):
        org.used(busy, busy.secrets[1], ago=timedelta(minutes=n))

    found = by_label(org.site.run("discover", "--yes", "-o", "json"))

    ages = [[(datetime.now(UTC) - datetime.fromisoformat(each["last_used"])).days for each in found[label]["secrets"]]
            for label in ("busy", "quiet")]  # fmt: skip
    assert ages == [[40, 0], [50]]
    assert quiet.secrets
    assert org.calls(LOG) == 3  # both, then the quiet one, then the busy one's other secret


def test_a_busy_client_does_not_hide_who_was_refused(org: Org) -> None:
    busy = org.add("busy", 300, 200)
    org.site.box.okta.revoke(busy, busy.secrets[0].id)
    busy.secrets[0].updated -= 30 * DAY
    org.refused(busy, busy.secrets[0], ago=20 * DAY)
    for n in range(1005):
        org.used(busy, busy.secrets[1], ago=timedelta(minutes=n))

    (app,) = org.site.run("discover", "--yes", "-o", "json").json()["apps"]

    assert "tried after off" in hazards(app)
    assert org.calls(LOG) == 3


def test_who_is_only_observed_says_why(org: Org) -> None:
    org.add("svc-1", 5, used=1)
    org.site.selections["services"] = {
        "where": {"label": "svc-*"},
        "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
    }

    (app,) = org.site.run("discover", "--yes", "-o", "json").json()["apps"]

    assert hazards(app) == {"only observed"}
    assert f"`rotator resume services/{app['app_id']}` lets it in" in app["only_observed"]


# --- What it costs --------------------------------------------------------------------------------------------


def test_it_asks_once_for_each_app_with_a_secret_and_changes_nothing(org: Org) -> None:
    furnish(org)
    state = [(app.id, [(each.id, each.active) for each in app.secrets]) for app in org.secretive.values()]

    ran = org.site.run("discover", "--yes")

    assert "acme: 44 apps with client secrets. To be asked: 44 calls, each with an entry in Okta's log" in ran.err
    assert (org.calls(PAGES), org.calls(LISTINGS)) == (1, 44)
    assert org.calls(LOG) == 3  # 44 clients, twenty in a query
    assert org.calls(Wanted(bucket="apps")) == 45
    assert [org.calls(each) for each in WRITES] == [0, 0, 0, 0]
    assert state == [(app.id, [(each.id, each.active) for each in app.secrets]) for app in org.secretive.values()]


def test_a_second_run_asks_for_nothing_but_the_list_and_shows_the_age(org: Org) -> None:
    furnish(org)
    first = org.site.run("discover", "--yes", "-o", "json")
    mark = org.site.box.journal.mark()

    again = org.site.run("discover", "-o", "json")
    table = org.site.run("discover")

    assert (again.code, org.calls(LISTINGS, mark), org.calls(LOG, mark), org.calls(PAGES, mark)) == (0, 0, 0, 2)
    assert all(app["cached"] for app in again.json()["apps"])
    assert [app["secrets"] for app in again.json()["apps"]] == [app["secrets"] for app in first.json()["apps"]]
    assert [app["asked_at"] for app in again.json()["apps"]] == [app["asked_at"] for app in first.json()["apps"]]
    assert "known of 44" in table.err
    assert "nothing is to be asked" in table.err
    assert "0 min ago" in table.out


def test_a_new_app_is_all_that_is_asked_for_and_fresh_asks_anew(org: Org) -> None:
    org.add("old", 10)
    org.site.run("discover", "--yes")
    org.add("new", 1)
    mark = org.site.box.journal.mark()
    assert org.site.run("discover", "--yes", "-o", "json").code == 0
    assert org.calls(LISTINGS, mark) == 1
    mark = org.site.box.journal.mark()

    found = by_label(org.site.run("discover", "--yes", "--fresh", "--label", "ol?", "-o", "json"))

    assert org.calls(LISTINGS, mark) == 1
    assert [(label, app["cached"]) for label, app in found.items()] == [("old", False)]


def test_filters_save_calls(org: Org) -> None:
    furnish(org)

    unmanaged = org.site.run("discover", "--unmanaged", "--label", "*-*", "--yes", "-o", "json")
    few = org.site.run("discover", "--limit", "3", "--yes", "-o", "json")
    none = org.site.run("discover", "--limit", "0", "-o", "json")

    assert unmanaged.json()["apps"] == []
    assert (len(few.json()["apps"]), few.json()["orgs"][0]["not_asked"]) == (3, 41)
    assert "41 apps were not asked, and are not shown" in few.err
    assert {(app["managed_by"], app["status"]) for app in few.json()["apps"]} == {(None, "ACTIVE")}
    assert none.json()["apps"] == [app | {"cached": True} for app in few.json()["apps"]]
    assert org.calls(LISTINGS) == 3


def test_without_a_terminal_calls_must_have_been_allowed(org: Org) -> None:
    org.add("app", 10)

    ran = org.site.run("discover")

    assert ran.code == 2
    assert "give --yes" in ran.err
    assert org.calls(LISTINGS) == 0


def test_an_org_that_is_not_configured_is_refused(org: Org) -> None:
    ran = org.site.run("discover", "--org", "akme", "--yes")

    assert ran.code == 2
    assert "did you mean `acme`" in ran.err


# --- Several orgs ---------------------------------------------------------------------------------------------


def configure(site: Site, **urls: str) -> None:
    site.extra["okta"] = {
        alias: {"org_url": url, "auth": site.okta_auth, "answer_within": "2s"} for alias, url in urls.items()
    }


def test_an_org_with_two_aliases_is_asked_once(org: Org) -> None:
    org.add("app", 10)
    configure(org.site, acme=org.site.box.okta_url, again=org.site.box.okta_url)

    ran = org.site.run("discover", "--yes", "--emit", "-", "--to", TO)

    (entry,) = parse(ran.out, "emitted").data["targets"].values()
    assert (org.calls(PAGES), org.calls(LISTINGS), entry["org"]) == (1, 1, "acme")


def test_an_org_that_is_away_does_not_hide_the_other(org: Org) -> None:
    org.add("app", 10)
    configure(org.site, acme=org.site.box.okta_url, away="http://127.0.0.1:9")

    both = org.site.run("discover", "--yes", "-o", "json")
    one = org.site.run("discover", "--org", "acme", "-o", "json")

    assert (both.code, one.code) == (3, 0)
    assert [bool(each["problem"]) for each in both.json()["orgs"]] == [False, True]
    assert [app["label"] for app in both.json()["apps"]] == ["app"]
    assert "away: " in both.err


# --- Faults ---------------------------------------------------------------------------------------------------


def test_an_app_that_cannot_be_asked_is_a_failure_of_its_own(org: Org) -> None:
    lost, _ = org.add("lost", 10), org.add("found", 10)
    org.site.box.faults.answer(403, Wanted(path=f"*{lost.id}/credentials/secrets"), body={}, times=None)

    ran = org.site.run("discover", "--yes", "-o", "json")

    found = by_label(ran)
    assert ran.code == 3
    assert found["lost"]["failed"]
    assert found["found"]["secrets"]


def test_an_org_that_does_not_answer_is_left_alone_and_what_was_found_is_kept(org: Org) -> None:
    for n in range(8):
        org.add(f"app {n}", 100 - n, age=(100 - n) * DAY)
    org.site.box.faults.answer(503, LISTINGS, body={}, times=None, nth=3)

    ran = org.site.run("discover", "--yes", "-o", "json")
    org.site.box.faults.clear()
    mark = org.site.box.journal.mark()
    again = org.site.run("discover", "--yes", "-o", "json")

    assert ran.code == 5
    assert [bool(app["secrets"]) for app in ran.json()["apps"]].count(True) == 2
    assert ran.json()["orgs"][0]["not_asked"] == 3
    assert (again.code, len(again.json()["apps"]), org.calls(LISTINGS, mark)) == (0, 8, 6)


def test_a_role_that_may_not_read_secrets_is_not_refused_for_each_app(org: Org) -> None:
    for n in range(8):
        org.add(f"app {n}", 10)
    org.site.box.faults.answer(403, LISTINGS, body={}, times=None)

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert (ran.code, org.calls(LISTINGS), ran.json()["orgs"][0]["not_asked"]) == (1, 3, 5)


def test_refusals_here_and_there_stop_nothing(org: Org) -> None:
    apps = [org.add(f"app {n}", 10, age=(100 - n) * DAY) for n in range(8)]
    for n in (0, 1, 3, 4, 6):
        path = f"*{apps[n].id}/credentials/secrets"
        org.site.box.faults.answer(403, Wanted(path=path), body={}, times=None)

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert (ran.code, [bool(app["failed"]) for app in ran.json()["apps"]].count(True)) == (3, 5)


def test_apps_that_went_away_meanwhile_stop_nothing(org: Org) -> None:
    for n in range(8):
        org.add(f"app {n}", 10)
    gone = {"errorCode": "E0000007", "errorSummary": "Not found", "errorCauses": []}
    org.site.box.faults.answer(404, LISTINGS, body=gone, times=4)

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert (ran.code, [bool(app["failed"]) for app in ran.json()["apps"]].count(True)) == (3, 4)


def test_an_org_that_cannot_be_listed_is_an_error(org: Org) -> None:
    org.site.box.faults.answer(503, PAGES, body={}, times=None)

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert ran.code == 5
    assert ran.json()["orgs"][0]["problem"]


def test_killed_in_the_middle_it_goes_on_and_asks_nothing_twice(org: Org, zygote: Zygote) -> None:
    for n in range(12):
        org.add(f"app {n}", 10)
    box, log = org.site.box, org.site.folder / "log"
    environ = {"HOME": str(org.site.folder), "XDG_STATE_HOME": str(org.site.folder / "state")}
    hold = box.faults.hold(LISTINGS, when="before", nth=6)
    victim = zygote.run(org.site.argv("discover", "--yes"), log, **environ)
    hold.wait(20)

    victim.kill()
    victim.wait()
    box.faults.clear()
    hold.release()
    again = org.site.run("discover", "--yes", "-o", "json")

    assert again.code == 0, log.read_text()
    assert len(again.json()["apps"]) == 12
    assert [app["cached"] for app in again.json()["apps"]].count(True) == 5
    asked = [call.path for call in box.journal.calls(LISTINGS) if call.fault is None]
    assert sorted(asked) == sorted(set(asked))
    assert len(asked) == 12


def test_interrupted_it_says_how_to_go_on_and_keeps_what_it_has(org: Org, zygote: Zygote) -> None:
    for n in range(5):
        org.add(f"app {n}", 10)
    box, log = org.site.box, org.site.folder / "log"
    environ = {"HOME": str(org.site.folder), "XDG_STATE_HOME": str(org.site.folder / "state")}
    hold = box.faults.hold(LISTINGS, when="before", nth=3)
    running = zygote.run(org.site.argv("discover", "--yes"), log, **environ)
    hold.wait(20)

    os.kill(running.pid, signal.SIGINT)
    code = running.wait()
    hold.release()

    assert code == 130
    assert "what was found is kept; the same command without --fresh goes on from there" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert len(org.site.run("discover", "--limit", "0", "-o", "json").json()["apps"]) == 2


def test_two_at_once_do_not_ask_the_same(org: Org, zygote: Zygote) -> None:
    org.add("app", 10)
    box, log = org.site.box, org.site.folder / "log"
    environ = {"HOME": str(org.site.folder), "XDG_STATE_HOME": str(org.site.folder / "state")}
    hold = box.faults.hold(LISTINGS, when="before")
    first = zygote.run(org.site.argv("discover", "--yes"), log, **environ)
    hold.wait(20)

    second = org.site.run("discover", "--yes")
    hold.release()

    assert (second.code, first.wait()) == (4, 0)
    assert "another `rotator discover` is asking" in second.err
    assert org.calls(LISTINGS) == 1


def test_a_line_that_was_cut_off_costs_one_question(org: Org) -> None:
    for n in range(3):
        org.add(f"app {n}", 10)
    org.site.run("discover", "--yes")
    org.cache.write_text(org.cache.read_text()[:-40])
    mark = org.site.box.journal.mark()

    ran = org.site.run("discover", "--yes", "-o", "json")

    assert (ran.code, len(ran.json()["apps"]), org.calls(LISTINGS, mark)) == (0, 3, 1)
    assert [json.loads(line)["form"] for line in org.cache.read_text().splitlines()] == [1, 1, 1]


# --- At a terminal --------------------------------------------------------------------------------------------


class Terminal:
    """Somebody at a terminal, who types an answer when asked."""

    def __init__(self, org: Org, *args: str) -> None:
        self.screen = ""
        self._ours, theirs = pty.openpty()
        environ = {**os.environ, "HOME": str(org.site.folder), "TERM": "xterm", "COLUMNS": "200"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rotator", *org.site.argv("discover", *args)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environ,
        )
        os.close(theirs)

    def until(self, text: str) -> None:
        while text not in self.screen:
            self.screen += os.read(self._ours, 4096).decode()

    def types(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def ends(self) -> int:
        with suppress(OSError):  # the other side is closed
            while more := os.read(self._ours, 4096):
                self.screen += more.decode()
        os.close(self._ours)
        return self._process.wait()


def test_at_a_terminal_it_says_what_it_costs_and_asks(org: Org) -> None:
    for n in range(3):
        org.add(f"app {n}", 10)
    terminal = Terminal(org)
    terminal.until("Ask Okta now? [y/N]: ")
    assert "To be asked: 3 calls" in terminal.screen
    assert org.calls(LISTINGS) == 0

    terminal.types("y\n")

    assert terminal.ends() == 0, terminal.screen
    assert "3/3" in terminal.screen
    assert "a minute are ours" in terminal.screen.partition("[y/N]")[2]
    assert "RISK" in terminal.screen
    assert org.calls(LISTINGS) == 3


def test_who_says_no_is_shown_what_is_known(org: Org) -> None:
    org.add("app", 10)
    org.site.run("discover", "--yes")
    org.add("other", 10)
    terminal = Terminal(org)
    terminal.until("Ask Okta now? [y/N]: ")

    terminal.types("n\n")

    assert terminal.ends() == 0
    assert "1 apps were not asked" in terminal.screen
    assert org.calls(LISTINGS) == 1


# --- The rate limit -------------------------------------------------------------------------------------------


class TestLimited:
    """An org with 20 calls a minute in the small bucket, of which a token gets half, and others use a third."""

    @pytest.fixture
    def box(self) -> Iterator[Sandbox]:
        with Sandbox(clock=SandboxClock(speed=50.0), okta=OktaSettings(plan="integrator")) as box:
            yield box

    async def test_it_takes_as_long_as_our_share_makes_it_and_meets_no_refusal(self, site: Site) -> None:
        org = Org(site)
        for n in range(25):
            org.add(f"app {n}", 10)
        site.box.okta.compete("apps", 0.3)
        pace = Watched(site.box.clock)
        settings, clock = load(site.config), site.box.clock

        async with open_worlds(
            settings, progress=Told(), warn=print, clock=clock, sleep=pace.jump, leases_in=site.folder / "leases"
        ) as worlds:
            found = await survey("acme", worlds.registry, settings, members=())
            done = await ask(worlds.registry("acme"), found.entries, lambda _: None)

        calls = site.box.journal.calls(Wanted(bucket="apps"))
        assert len(done.entries) == 25
        assert all(each.holding for each in done.entries)
        assert (len(calls), +site.box.okta.refused) == (26, {})
        assert (calls[-1].at - calls[0].at).total_seconds() == pytest.approx((26 / 4 - 1) * 60, rel=0.2)


# --- What it writes -------------------------------------------------------------------------------------------


def test_what_it_emits_can_be_used_as_it_is(org: Org) -> None:
    furnish(org)
    org.add("Grüße: \u202e# 'x'\n- {y}", 10)
    org.add("target 0", 10)  # its name is taken
    org.add("null", 10)
    org.add("123", 10)
    file = org.site.folder / "new.yaml"

    ran = org.site.run("discover", "--yes", "--emit", str(file), "--to", TO, "-o", "json")
    emitted = parse(file.read_text(), "emitted").data["targets"]
    org.site.targets.update(emitted)
    valid = org.site.run_bare("config", "validate", "--config", str(org.site.config), "-o", "json")

    wanted = {app["app_id"] for app in ran.json()["apps"] if app["managed_by"] is None and app["status"] == "ACTIVE"}
    assert ran.code == 0, ran.err
    assert {entry["app_id"] for entry in emitted.values()} == wanted
    assert valid.code == 0, valid.err
    assert valid.json()["targets"] == 5 + len(wanted)
    assert {"app-null", "app-123", f"target-0-{org.secretive['target 0'].id}"} < emitted.keys()
    again = by_label(org.site.run("discover", "-o", "json"))
    assert {app["managed_by"] is None for app in again.values() if app["status"] == "ACTIVE"} == {False}


def test_it_emits_to_stdout_and_nothing_else_there(org: Org) -> None:
    app = org.add("Billing API", 10)

    ran = org.site.run("discover", "--yes", "--emit", "-", "--to", TO)

    assert parse(ran.out, "emitted").data["targets"] == {
        "billing-api": {"app_id": app.id, "write_to": [{"mount": "secret", "path": f"apps/{app.id}/okta"}]}
    }


def test_it_never_overwrites(org: Org) -> None:
    org.add("app", 10)
    file = org.site.folder / "there.yaml"
    file.write_text("mine")

    ran = org.site.run("discover", "--yes", "--emit", str(file), "--to", TO)

    assert (ran.code, file.read_text(), org.calls(LISTINGS)) == (2, "mine", 0)


@pytest.mark.parametrize("args", [["--emit", "-"], ["--to", TO], ["--emit", "-", "--to", TO, "--vault", "other"]])
def test_what_does_not_go_together_is_refused_before_anything_is_asked(org: Org, args: list[str]) -> None:
    assert org.site.run("discover", "--yes", *args).code == 2
    assert org.calls(PAGES) == 0


@pytest.mark.parametrize("to", ["secret/one-for-all", "secret/../{app_id}", "{app_id}"])
def test_a_place_that_cannot_be_is_refused_before_anything_is_asked(org: Org, to: str) -> None:
    ran = org.site.run("discover", "--yes", "--emit", "-", "--to", to)

    assert ran.code == 2
    assert "--to" in ran.err
    assert org.calls(PAGES) == 0


def test_a_csv_carries_nothing_out(org: Org) -> None:
    labels = ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\uff1d1", 'plain, with "quotes"\nand a line']
    for label in labels:
        org.add(label, 10)
    org.add("two", 10, 20)

    ran = org.site.run("discover", "--yes", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))

    assert len(rows) == len(labels) + 2
    assert {row["app_id"] for row in rows} == {app.id for app in org.secretive.values()}
    assert not [value for row in rows for value in row.values() if value.lstrip()[:1] in set("=+-@\uff1d")]
    assert {row["label"] for row in rows} >= {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "' =1"}


@pytest.mark.parametrize("output", ["table", "json", "csv"])
def test_nothing_secret_is_shown_or_kept(org: Org, output: str) -> None:
    furnish(org)
    file = org.site.folder / "new.yaml"

    ran = org.site.run("discover", "--yes", "--emit", str(file), "--to", TO, "-o", output)

    secrets = [secret for app in org.secretive.values() for secret in app.secrets]
    hashes = [org.site.box.okta.org.hash_of(secret.value) for secret in secrets]
    everything = "\n".join([ran.out, ran.err, file.read_text(), org.cache.read_text()])
    assert len(secrets) == 50
    assert org.site.secrets_in(everything) == []
    assert [each for each in hashes if each in everything] == []
    assert secrets[0].id in ran.out
    assert secrets[0].id in org.cache.read_text()


def test_what_is_kept_is_ours_alone(org: Org) -> None:
    org.add("app", 10)
    org.site.run("discover", "--yes")

    assert stat.S_IMODE(org.cache.stat().st_mode) == 0o600
    assert stat.S_IMODE(org.cache.parent.stat().st_mode) == 0o700
    org.cache.parent.chmod(0o755)
    ran = org.site.run("discover", "--fresh", "--yes")
    assert ran.code == 1
    assert "must be yours alone" in ran.err
