"""What a certification asks before, what it leaves behind, and what it does where it may do little."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import RSAKey

from rotator.core.certification.facts import Fact
from rotator.core.certification.notes import WRONG_SECRETS
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from rotator.sandbox.world import Sandbox
from tests.certify.runs import MARK, certify, facts_of, made_by_us
from tests.contract.okta_keys import rsa_pem
from tests.entry.site import Site

if TYPE_CHECKING:
    from pathlib import Path

SOON = 60.0  # seconds, on a busy machine
MAKE_APP = Wanted(service="okta", method="POST", path="/api/v1/apps")
MAKE_SECRET = Wanted(service="okta", method="POST", path="/api/v1/apps/*/credentials/secrets")
DEACTIVATE = Wanted(service="okta", method="POST", path="/api/v1/apps/*/credentials/secrets/*/lifecycle/deactivate")
INTROSPECT = Wanted(service="okta", method="POST", path="/oauth2/*/v1/introspect")
REMOVE_APP = Wanted(service="okta", kind="DELETE /api/v1/apps/{app}")
LOGS = Wanted(service="okta", path="/api/v1/logs")


class Certifying:
    """The program, certifying; it is held at a call until the test has done something to it."""

    def __init__(self, site: Site, *options: str) -> None:
        argv = site.argv("certify", "--yes", *options)
        home = {"HOME": str(site.folder), "XDG_STATE_HOME": str(site.folder / "state")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rotator", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ) | home,
        )

    def ends(self, *signals: signal.Signals) -> tuple[int, str, str]:
        for number in signals:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out, err


# --- before it begins -----------------------------------------------------------------------------------------


def test_it_asks_before_anything_is_sent(site: Site) -> None:
    site.add()

    ran = site.run("certify")

    assert ran.code == 2
    assert "makes three service apps labelled `rotator-certify-…`" in ran.err
    assert "at most 4 requests that count as a wrong secret: Okta raises an alarm at the" in ran.err
    assert "give --yes" in ran.err
    assert site.box.journal.count() == 0


def test_of_several_orgs_one_is_named(site: Site) -> None:
    okta = {"org_url": site.box.okta_url, "auth": site.okta_auth}
    site.extra = {"okta": {"acme": okta, "beta": okta}}

    assert "Name the org" in site.run("certify", "--yes").err
    assert "did you mean `beta`?" in site.run("certify", "--yes", "--org", "bete").err
    assert site.run("certify", "--yes", "--org", "beta").code == 0


# --- what is left behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [MAKE_APP, MAKE_SECRET, DEACTIVATE, INTROSPECT, LOGS], ids=lambda each: each.path)
def test_what_a_killed_run_has_left_the_next_one_removes(site: Site, held: Wanted) -> None:
    site.add()
    hold = site.box.faults.hold(held, when="after")
    run = Certifying(site)
    hold.wait(SOON)
    code, _, _ = run.ends(signal.SIGKILL)
    hold.drop()
    assert code == -signal.SIGKILL
    assert made_by_us(site)

    facts = certify(site)

    assert made_by_us(site) == []
    assert len(site.box.okta.org.apps) == 1
    assert facts[Fact.HASH_FORMULA.value]["verdict"] == "as assumed"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_that_is_interrupted_removes_what_it_made(site: Site, number: signal.Signals, code: int) -> None:
    site.add()
    hold = site.box.faults.hold(INTROSPECT, when="before")
    run = Certifying(site)
    hold.wait(SOON)
    ended, out, err = run.ends(number)

    assert (ended, out) == (code, "")
    assert "removes what it made" in err
    assert "Traceback" not in err
    assert made_by_us(site) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lost", [MAKE_APP, MAKE_SECRET, DEACTIVATE], ids=lambda each: each.path)
def test_a_lost_answer_leaves_nothing_behind(site: Site, lost: Wanted, when: Any) -> None:
    site.add()
    site.box.faults.drop(lost, when=when)

    ran = site.run("certify", "--yes")

    assert ran.code in {0, 1}
    assert made_by_us(site) == []
    assert "Traceback" not in ran.err


def test_an_okta_that_fails_half_way_leaves_what_it_cannot_remove_and_says_so(site: Site) -> None:
    site.add()
    site.answer_within = "1s"
    site.box.faults.drop(Wanted(service="okta", path="/api/v1/apps/*"), when="before", times=None)

    ran = site.run("certify", "--yes")

    assert ran.code == 1
    assert "Left behind: app 0oa" in ran.out
    assert made_by_us(site)
    site.box.faults.clear()
    certify(site)
    assert made_by_us(site) == []


def test_only_its_own_leftovers_are_removed(site: Site) -> None:
    theirs = [
        site.box.okta.add_app(label)
        for label in (f"{MARK}mine", f"x{MARK}00000000-00000000-a", f"{MARK}00000000-00000000-a", "rotator")
    ]
    old = site.box.okta.add_app(f"{MARK}00000000-11111111-b", age=timedelta(hours=2))

    ran = site.run("certify", "--yes")

    left = site.box.okta.org.apps
    assert all(app.id in left and app.status == "ACTIVE" for app in theirs)
    assert old.id not in left
    assert f"leaves alone {MARK}00000000-00000000-a" in ran.err


# --- what it costs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_no_client_sends_so_many_wrong_secrets_that_okta_raises_an_alarm(site: Site, delay: float) -> None:
    site.add()
    site.propagation = "1s"
    site.box.okta.settings.create_delay = delay
    site.box.okta.settings.deactivate_delay = delay

    certify(site)

    assert not site.box.okta.log.events("app.oauth2.invalid_client_credentials")
    assert all(len(app.failures) <= WRONG_SECRETS for app in site.box.okta.org.apps.values())


def test_it_takes_few_calls_and_keeps_within_the_limits_of_a_small_org(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: None
) -> None:
    with Sandbox(okta=OktaSettings(limits={"apps": 100})) as box:
        site = Site(box, tmp_path, capsys)
        site.add()

        certify(site)

        assert box.okta.calls["apps"] <= 35
        assert box.okta.calls["logs"] <= 5
        assert not box.okta.refused


def test_nothing_secret_is_said_or_kept(site: Site) -> None:
    site.add()
    report = site.folder / "report.md"
    hold = site.box.faults.hold(Wanted(service="okta", method="DELETE", path="/api/v1/apps/*"), when="before")
    hold_last = site.box.faults.hold(REMOVE_APP, when="before")
    run = Certifying(site, "-o", "json", "--report", str(report))
    hold.wait(SOON)  # a secret is to be deleted
    made = values_of(site)
    hold.release()
    hold_last.wait(SOON)
    made |= values_of(site)
    hold_last.release()
    code, out, err = run.ends()

    kept = site.folder / "state" / "rotator" / "certified" / "127.0.0.1.json"
    everything = out + err + report.read_text() + kept.read_text()
    assert (code, len(made)) == (0, 6)  # with that of the target
    assert [value for value in made if value in everything] == []
    assert site.secrets_in(everything) == []


def values_of(site: Site) -> set[str]:
    apps = site.box.okta.org.apps.values()
    return {secret.value for app in apps for secret in app.secrets} | {
        span.value for app in apps for span in app.acceptances
    }


# --- where it may do little -----------------------------------------------------------------------------------


def test_without_the_log_the_rest_is_shown(site: Site) -> None:
    site.add()
    (token,) = site.box.okta.org.api_tokens.values()
    token.role = AdminRole(read_log=False)

    facts = certify(site)

    of_the_log = {name for name, each in facts.items() if each["verdict"] == "not shown"}
    assert of_the_log == {fact.value for fact in Fact if fact.name.startswith("LOG_")}
    assert "403" in facts[Fact.LOG_HASH.value]["detail"]


def test_without_a_custom_server_what_takes_one_is_left_out(site: Site) -> None:
    site.add(verify={})
    del site.box.okta.org.servers["default"]

    ran = site.run("certify", "--yes", "-o", "json")

    facts = facts_of(ran)
    missing = {name for name, each in facts.items() if each["verdict"] == "not shown"}
    assert missing == {Fact.SCOPE_ORDER.value, Fact.PROOF_ORDER.value, Fact.LOG_HASH_OF_TOKENS.value}
    assert "finds no authorization server 'default'" in ran.err
    assert facts[Fact.INTROSPECTION.value]["seen"] == "works"


def test_a_role_that_may_make_no_app_is_told_so_and_nothing_is_assumed_to_be_shown(site: Site) -> None:
    app = site.add()
    (token,) = site.box.okta.org.api_tokens.values()
    token.role = AdminRole(apps=frozenset({app.id}))

    ran = site.run("certify", "--yes")

    assert ran.code == 1
    assert "no app could be made" in ran.out
    assert "--app" in ran.out
    assert made_by_us(site) == []


def test_a_service_app_is_known_in_the_log_by_its_client_id(site: Site) -> None:
    site.add()
    granted = ["okta.apps.read", "okta.apps.manage", "okta.logs.read"]
    key = dict(RSAKey.import_key(rsa_pem()).as_dict(private=False), kid="k1")
    us = site.box.okta.add_service_app(key, scopes=granted)
    (site.folder / "okta.pem").write_text(rsa_pem())
    (site.folder / "okta.pem").chmod(0o600)
    auth = {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "okta.pem"}
    site.extra = {"okta": {"acme": {"org_url": site.box.okta_url, "auth": auth}}}

    assert certify(site)[Fact.LOG_US.value]["seen"] == "our client id"


# --- on an app that is given ------------------------------------------------------------------------------------


def test_on_a_given_app_only_a_secret_of_its_own_comes_and_goes(site: Site) -> None:
    app = site.add()
    before = [replace(secret) for secret in app.secrets]

    facts = certify(site, "--app", app.id)

    assert app.secrets == before
    assert app.status == "ACTIVE"
    assert site.box.journal.count(MAKE_APP) == 0
    shown = {name for name, each in facts.items() if each["verdict"] != "not shown"}
    wanted = {
        Fact.HASH_FORMULA,
        Fact.PLAINTEXT,
        Fact.CREATE_LAG,
        Fact.LOG_HASH,
        Fact.LOG_HASH_OF_TOKENS,
        Fact.SCOPE_ORDER,
    }
    assert {fact.value for fact in wanted} <= shown
    assert facts[Fact.APP_OFF.value]["detail"] == "it takes an app of its own"
    assert len(app.failures) <= 2


def test_a_given_app_needs_room(site: Site) -> None:
    app = site.add(older=["older-secret-of-somebody"])

    ran = site.run("certify", "--yes", "--app", app.id)

    assert ran.code == 1
    assert "holds two secrets" in ran.out
    assert len(app.secrets) == 2


@pytest.mark.parametrize("held", [MAKE_SECRET, INTROSPECT, LOGS], ids=lambda each: each.path)
def test_a_secret_that_a_killed_run_left_on_a_given_app_is_removed_by_the_next(site: Site, held: Wanted) -> None:
    app = site.add()
    before = [secret.id for secret in app.secrets]
    hold = site.box.faults.hold(held, when="after")
    run = Certifying(site, "--app", app.id)
    hold.wait(SOON)
    run.ends(signal.SIGKILL)
    hold.drop()
    assert held is LOGS or len(app.secrets) == 2

    certify(site)

    assert [secret.id for secret in app.secrets] == before
    assert not list((site.folder / "state" / "rotator" / "certified").glob("*.trail"))


def test_what_others_made_on_a_given_app_meanwhile_stays(site: Site) -> None:
    app = site.add()
    hold = site.box.faults.hold(MAKE_SECRET, when="before")
    run = Certifying(site, "--app", app.id)
    hold.wait(SOON)
    run.ends(signal.SIGKILL)
    hold.drop()
    theirs = site.box.okta.add_secret_by_admin(app)

    site.run("certify", "--yes")

    assert theirs in app.secrets


# --- the report -------------------------------------------------------------------------------------------------


def test_the_report_is_written_for_people_and_kept_for_the_program(site: Site) -> None:
    site.add()
    report = site.folder / "report.md"

    ran = site.run("certify", "--yes", "-o", "json", "--report", str(report))

    told = report.read_text()
    kept = json.loads((site.folder / "state" / "rotator" / "certified" / "127.0.0.1.json").read_text())
    assert kept == ran.json()
    assert told.startswith("# What was certified of 127.0.0.1\n")
    assert "| Is the secret looked at before the scope? | it is | **secret first**: 401 invalid_client:" in told
    events = {event.uuid for event in site.box.okta.log.events()}
    assert events & {name for each in kept["facts"] for name in each["evidence"]}


def test_the_configuration_may_say_where_it_is_kept(site: Site) -> None:
    site.add()
    okta: dict[str, Any] = {"org_url": site.box.okta_url, "auth": site.okta_auth, "certified": "acme.json"}
    site.extra = {"okta": {"acme": okta}}

    certify(site)

    assert json.loads((site.folder / "acme.json").read_text())["org"] == "acme"
