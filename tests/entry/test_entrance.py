"""`rotator run` looks first whether all is there: who lacks something waits, and comes in by itself; others go on."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import RSAKey

from rotator.core import vault_rights
from rotator.core.preflight import Check
from rotator.sandbox.journal import Wanted
from rotator.settings import load
from tests.contract.okta_keys import rsa_pem
from tests.entry.daemon import SOON
from tests.entry.site import SCOPE, WRITES, Site
from tests.entry.test_rotate import FRESH
from tests.entry.test_run import renewed
from tests.entry.test_watch import until

if TYPE_CHECKING:
    from tests.entry.conftest import Run
    from tests.entry.daemon import Daemon

SECRETS = Wanted(path="/api/v1/apps/*/credentials/secrets*")
MANY = 8


def allow(site: Site, *, but_not: str = "") -> None:
    """Let our token do what all targets need, but nothing on paths that hold some text."""
    rules = {
        rule.path: rule.capabilities for target in load(site.config).targets for rule in vault_rights.of_target(target)
    }
    site.box.vault.add_policy(
        "least", {path: held for path, held in rules.items() if not but_not or but_not not in path}
    )


def resting(site: Site) -> int:
    """Return how many targets are remembered as resting: one that rests, and is not written down yet, is looked at."""
    with closing(sqlite3.connect(f"file:{site.database}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM rotator_target WHERE state = 'resting'").fetchone()
    return int(count)


def held_back(daemon: Daemon) -> dict[str, Any]:
    return daemon.until("preflight_failed")


def test_a_target_that_vault_does_not_let_us_touch_is_held_back_and_comes_in_by_itself(site: Site, run: Run) -> None:
    held, other = site.add("held"), site.add("other")
    (site.folder / "vault-token").write_text(site.box.vault.create_token(["least"]))
    allow(site, but_not="held/okta")
    site.release()

    with run() as daemon:
        told = held_back(daemon.until_ready())
        daemon.until("staging_closed", target="other")
        assert told.items() >= {"check": "vault rights", "target": "held", "level": "error"}.items()
        assert "on secret/data/held/okta" in told["detail"]
        assert "rotator policy vault" in told["hint"]
        assert daemon.until("preflight_made")["held_back"] == 1
        assert renewed(site, other, "other")
        assert (len(held.secrets), "rotation_id" in site.fields("held")) == (1, False)

        allow(site)
        daemon.until("preflight_passed", targets=["held"])
        daemon.until("staging_closed", target="held")
        assert daemon.stop() == 0

    assert renewed(site, held, "held")
    assert site.secrets_in(daemon.log.read_text()) == []


def test_an_org_that_grants_less_than_is_needed_waits_and_the_other_goes_on(site: Site, run: Run) -> None:
    key = dict(RSAKey.import_key(rsa_pem()).as_dict(private=False), kid="k1")
    us = site.box.okta.add_service_app(key, scopes=["okta.apps.read", "okta.logs.read"])
    (site.folder / "okta.pem").write_text(rsa_pem())
    (site.folder / "okta.pem").chmod(0o600)
    signs = {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "okta.pem"}
    beta = {"org_url": site.box.okta_url.replace("127.0.0.1", "localhost"), "auth": signs}
    acme = {"org_url": site.box.okta_url, "auth": site.okta_auth}
    site.extra = {"okta": {"acme": acme, "beta": beta}}
    held, other = site.add("held"), site.add("other")
    site.targets["held"]["org"], site.targets["other"]["org"] = "beta", "acme"
    site.release()

    with run() as daemon:
        told = held_back(daemon.until_ready())
        daemon.until("staging_closed", target="other")
        assert told.items() >= {"check": "okta scopes", "okta": "beta"}.items()
        assert len(held.secrets) == 1

        site.box.okta.org.apps[us.id].okta_scopes |= {"okta.apps.manage"}
        daemon.until("preflight_passed", targets=["held"])
        daemon.until("staging_closed", target="held")

    assert renewed(site, held, "held")
    assert renewed(site, other, "other")


def test_a_sealed_vault_holds_nobody_back_and_is_looked_into_when_it_is_open(site: Site, run: Run) -> None:
    app = site.add()
    site.add("held", verify={"authorization_server": "elsewhere"})
    config = site.box.vault.kv("secret").config
    config.delete_after = -config.delete_after
    site.box.vault.seal()
    site.release()

    with run() as daemon:
        sealed = daemon.until_ready().until("preflight_failed", check="vault unsealed")
        assert (sealed["level"], sealed["vault"]) == ("warning", "main")
        daemon.until("preflight_failed", check="verification", target="held")
        assert daemon.until("preflight_made")["held_back"] == 1
        site.box.vault.unseal()
        daemon.until("staging_closed", target="billing")

    assert renewed(site, app)


def test_a_target_that_cannot_be_proven_waits_until_it_can(site: Site, run: Run) -> None:
    held, other = site.add("held", verify={"authorization_server": "elsewhere"}), site.add("other")
    site.release()

    with run() as daemon:
        assert held_back(daemon.until_ready())["check"] == "verification"
        daemon.until("staging_closed", target="other")
        assert renewed(site, other, "other")
        assert len(held.secrets) == 1
        shown = {each["target"]: each for each in status(site)}
        assert "there is no authorization server 'elsewhere'" in shown["held"]["only_observed"]
        assert shown["other"]["only_observed"] == ""

        site.box.okta.add_authorization_server("elsewhere", scopes=[SCOPE], default_scopes=[SCOPE])
        daemon.until("staging_closed", target="held")
        assert status(site)[0]["only_observed"] == ""

    assert renewed(site, held, "held")


def status(site: Site) -> list[dict[str, Any]]:
    targets: list[dict[str, Any]] = site.run("status", "--daemon", "-o", "json").json()["targets"]
    return targets


def test_people_see_who_is_held_back_and_why(site: Site, run: Run) -> None:
    site.add("held", verify={"authorization_server": "elsewhere"})

    with run() as daemon:
        daemon.until_ready().until("preflight_made")
        shown = site.run("status", "--daemon")

    assert "held: only looked at, since the pre-flight failed, verification of target held: there is no" in shown.out


def test_another_configuration_is_looked_at_at_once(site: Site, run: Run) -> None:
    held = site.add("held", verify={"authorization_server": "elsewhere"})
    site.release()

    with run("--resync", "7d") as daemon:
        held_back(daemon.until_ready())
        site.targets["held"]["verify"] = {}
        assert site.config.exists()
        daemon.signal(signal.SIGHUP)
        daemon.until("preflight_passed", targets=["held"])
        daemon.until("staging_closed", target="held")

    assert renewed(site, held, "held")


def test_without_it_nothing_is_looked_at_first(site: Site, run: Run) -> None:
    app = site.add(verify={"authorization_server": "elsewhere"})
    site.release()

    with run("--no-preflight") as daemon:
        daemon.until_ready().until("secret_created")

        assert not [name for name in daemon.names() if name.startswith("preflight")]
    assert len(app.secrets) == 2


def test_of_many_settled_targets_none_is_looked_at_again_after_a_restart(site: Site, run: Run) -> None:
    for number in range(MANY):
        site.add(f"app-{number}", age=FRESH)
    journal = site.box.journal
    with run("--resync", "7d", "--no-preflight") as daemon:
        daemon.until_ready()
        until(lambda: resting(site) == MANY, SOON)
        assert daemon.stop() == 0
    mark = journal.mark()

    with run("--resync", "7d") as daemon:
        made = daemon.until_ready().until("preflight_made")

        assert (made["targets"], made["failed"]) == (1, 0)
        assert journal.count(Wanted(kind="kv.metadata.read"), since=mark) == 2
        assert journal.count(Wanted(bucket="apps"), since=mark) == 1
        assert journal.count(WRITES, since=mark) == 0


def test_what_is_wrong_with_many_targets_is_one_line(site: Site, run: Run) -> None:
    for number in range(30):
        site.add(f"app-{number}", verify={"authorization_server": "elsewhere"})
    site.release()

    with run() as daemon:
        told = held_back(daemon.until_ready())
        made = daemon.until("preflight_made")
        lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if '"preflight_failed"' in line]

    assert (told["count"], len(told["targets"]), made["held_back"], len(lines)) == (30, 10, 30, 1)
    assert Check(told["check"]) is Check.VERIFICATION


@pytest.mark.parametrize("slow", ["okta", "vault"])
def test_it_is_ready_however_slow_the_answers_are(site: Site, run: Run, slow: str) -> None:
    site.add()
    hold = site.box.faults.hold(Wanted(service=slow), when="before")

    with run() as daemon:
        daemon.until_ready()
        hold.wait(15)
        assert not daemon.events("preflight_made")
