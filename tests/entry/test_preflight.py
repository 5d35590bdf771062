"""`rotator doctor --preflight`: what it finds before a rotation, what that costs, and that it changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import RSAKey

from rotator.app.preflight import preflight
from rotator.core.preflight import Check, held_back
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.contract.okta_keys import certificate, rsa_pem
from tests.entry.site import TOKEN_CALLS, WRITES, Ran, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.preflight import Finding

OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")
TWO_HOURS = timedelta(hours=2)


@pytest.fixture(autouse=True)
def nothing_is_changed(box: Sandbox) -> object:
    yield
    assert box.journal.count(WRITES) == 0
    assert box.journal.count(OKTA_WRITES) == 0
    assert box.journal.count(Wanted(path="/oauth2/*/v1/*")) == 0


def found(ran: Ran, check: Check) -> list[dict[str, Any]]:
    return [each for each in ran.json()["findings"] if each["check"] == check.value]


def verdicts(ran: Ran, check: Check) -> list[str]:
    return [each["verdict"] for each in found(ran, check)]


# --- what it says -------------------------------------------------------------------------------------------


def test_it_says_one_line_for_each_check_and_below_what_to_do(site: Site) -> None:
    site.add()

    ran = site.run("doctor", "--preflight")

    lines = ran.out.splitlines()
    assert lines[0].split() == ["VERDICT", "OF", "CHECK", "FOUND"]
    assert [line for line in lines if line.startswith("ok") and "billing" in line and "all that are needed" in line]
    assert "vault main, no more rights: Make a role of its own for it" in ran.out
    assert (ran.code, ran.err) == (0, "")


def test_it_says_the_same_to_programs(site: Site) -> None:
    site.add()

    ran = site.run("doctor", "--preflight", "-o", "json")

    document = ran.json()
    assert (document["version"], document["command"], document["exit_code"]) == (1, "preflight", 0)
    assert {each["check"] for each in document["findings"]} == {check.value for check in Check}
    assert found(ran, Check.APP) == [
        {
            "check": "app",
            "kind": "target",
            "about": "billing",
            "verdict": "ok",
            "detail": "billing, client_secret_basic",
            "remedy": "",
            "outage": False,
        }
    ]
    assert site.secrets_in(ran.out) == []


def test_only_the_targets_that_are_named_are_looked_at(site: Site) -> None:
    site.add("billing")
    site.add("portal")

    ran = site.run("doctor", "--preflight", "portal", "-o", "json")

    assert [each["about"] for each in found(ran, Check.APP)] == ["portal"]
    assert site.run("doctor", "--preflight", "biling").code == 2


# --- what it costs ------------------------------------------------------------------------------------------


def test_ten_targets_cost_few_calls(site: Site) -> None:
    for number in range(10):
        site.add(f"app-{number}")

    assert site.run("doctor", "--preflight").code == 0

    kinds = Counter(call.kind for call in site.box.journal.calls())
    assert kinds == {
        "GET /.well-known/oauth-authorization-server": 1,
        "GET /oauth2/{server}/.well-known/oauth-authorization-server": 1,
        "GET /api/v1/apps": 1,
        "GET /api/v1/logs": 1,
        "sys.health": 1,
        "token.lookup-self": 2,  # one by the login
        "sys.capabilities-self": 1,
        "sys.mounts": 1,
        "kv.config.read": 1,
        "kv.metadata.read": 20,
    }


def test_each_org_and_each_vault_is_asked_its_own_questions_once(site: Site) -> None:
    okta: dict[str, Any] = {"org_url": site.box.okta_url, "auth": site.okta_auth}
    vault: dict[str, Any] = {
        "address": site.box.vault_url,
        "auth": {"method": "token", "token_file": "vault-token"},
        "staging": {"mount": "secret", "prefix": "rotator/staging"},
    }
    site.extra = {"okta": {"acme": okta, "beta": okta}, "vaults": {"main": vault, "other": vault}}
    for number, (org, alias) in enumerate([("acme", "main"), ("beta", "main"), ("beta", "other"), ("acme", "other")]):
        site.add(f"app-{number}")
        site.targets[f"app-{number}"] |= {"org": org, "vault": alias}

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert [each["about"] for each in found(ran, Check.OKTA_ROLE)] == ["acme", "beta"]
    assert [each["about"] for each in found(ran, Check.VAULT_SEAL)] == ["main", "other"]
    kinds = Counter(call.kind for call in site.box.journal.calls())
    assert (kinds["GET /api/v1/apps"], kinds["sys.capabilities-self"], kinds["sys.health"]) == (2, 2, 2)


def test_an_app_beyond_the_first_page_of_the_list_is_asked_for_by_itself(site: Site) -> None:
    for number in range(210):
        site.box.okta.add_app(f"other-{number}")
    site.add()

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert verdicts(ran, Check.APP) == ["ok"]
    kinds = Counter(call.kind for call in site.box.journal.calls())
    assert (kinds["GET /api/v1/apps"], kinds["GET /api/v1/apps/{app}"]) == (1, 1)


# --- what is wrong ------------------------------------------------------------------------------------------


def test_an_org_that_is_away_is_an_outage_and_hides_no_vault(site: Site) -> None:
    site.add()
    site.okta_url = "http://127.0.0.1:1"

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 5
    assert next(each["check"] for each in ran.json()["findings"] if each["kind"] == "okta") == "okta reachable"
    assert verdicts(ran, Check.APP) == []
    assert verdicts(ran, Check.RIGHTS) == ["ok"]


def test_a_sealed_vault_is_an_outage_and_hides_no_org(site: Site) -> None:
    site.add()
    site.box.vault.seal()

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 5
    assert verdicts(ran, Check.VAULT_SEAL) == ["failed"]
    assert verdicts(ran, Check.VAULT_LOGIN) == []
    assert verdicts(ran, Check.APP) == ["ok"]


def test_a_vault_that_is_away_is_an_outage(site: Site) -> None:
    site.add()
    site.vault_url = "http://127.0.0.1:1"

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert (ran.code, verdicts(ran, Check.VAULT_REACHABLE)) == (5, ["failed"])


def test_an_api_token_that_okta_does_not_know_is_a_failed_login(site: Site) -> None:
    site.add()
    (site.folder / "okta-token").write_text("00of-nobody-at-all")

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 1
    assert verdicts(ran, Check.OKTA_LOGIN) == ["failed"]
    assert verdicts(ran, Check.OKTA_ROLE) == []


def test_a_key_that_cannot_be_read_is_a_failed_login_of_that_org_alone(site: Site) -> None:
    site.add()
    site.okta_auth = {"method": "private_key_jwt", "client_id": "0oa1", "key_file": "okta-token"}

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 1
    assert [each["check"] for each in ran.json()["findings"] if each["kind"] == "okta"] == [
        "okta tls",
        "okta login",
    ]
    assert verdicts(ran, Check.RIGHTS) == ["ok"]


@pytest.mark.parametrize(
    ("scopes", "login", "scope"),
    [
        pytest.param(["okta.apps.read", "okta.apps.manage", "okta.logs.read"], "ok", ["ok"], id="as it should be"),
        pytest.param(["okta.apps.read", "okta.users.manage"], "ok", ["failed"], id="asking for more than is granted"),
        pytest.param(None, "failed", [], id="a client that Okta does not know"),
    ],
)
def test_a_service_app_is_told_what_its_login_is_worth(
    site: Site, scopes: list[str] | None, login: str, scope: list[str]
) -> None:
    site.add()
    granted = ["okta.apps.read", "okta.apps.manage", "okta.logs.read"]
    us = site.box.okta.add_service_app(
        dict(RSAKey.import_key(rsa_pem()).as_dict(private=False), kid="k1"), scopes=granted
    )
    (site.folder / "okta.pem").write_text(rsa_pem())
    (site.folder / "okta.pem").chmod(0o600)
    client_id = us.client_id if scopes else "0oaNobody00000000000"
    auth = {"method": "private_key_jwt", "client_id": client_id, "key_file": "okta.pem", "scopes": scopes or granted}
    site.extra = {"okta": {"acme": {"org_url": site.box.okta_url, "auth": auth}}}

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == (0 if scope == ["ok"] else 1)
    assert (verdicts(ran, Check.OKTA_LOGIN), verdicts(ran, Check.OKTA_SCOPES)) == ([login], scope)
    assert bool(verdicts(ran, Check.APP)) is (scope == ["ok"])
    assert "BEGIN" not in ran.out


def test_a_dead_vault_token_is_a_failed_login(site: Site) -> None:
    site.add()
    (site.folder / "vault-token").write_text("s.nobody-knows-this-one")

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 1
    assert verdicts(ran, Check.VAULT_LOGIN) == ["failed"]
    assert verdicts(ran, Check.RIGHTS) == []


def test_a_role_without_apps_is_no_success(site: Site) -> None:
    site.add()
    (site.folder / "okta-token").write_text(site.box.okta.add_api_token(role=AdminRole(apps=frozenset())))

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert ran.code == 1
    assert (verdicts(ran, Check.OKTA_ROLE), verdicts(ran, Check.APP)) == (["failed"], ["failed"])


@pytest.mark.parametrize(
    ("usage", "code", "verdict"), [("off", 0, "warning"), ("stop_if_seen", 0, "warning"), ("required", 1, "failed")]
)
def test_a_log_that_may_not_be_read_is_a_failure_where_proof_is_required(
    site: Site, usage: str, code: int, verdict: str
) -> None:
    site.add()
    site.policy = f"{{mode: auto, usage: {usage}}}"
    (site.folder / "okta-token").write_text(site.box.okta.add_api_token(role=AdminRole(read_log=False)))

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert (ran.code, verdicts(ran, Check.OKTA_LOG)) == (code, [verdict])


@pytest.mark.parametrize(
    ("verify", "verdict"),
    [
        pytest.param({"authorization_server": "default"}, "ok", id="a server"),
        pytest.param({}, "ok", id="none"),
        pytest.param({"authorization_server": "elsewhere"}, "failed", id="a server that is not there"),
        pytest.param({"authorization_server": "default", "scope": "no.such"}, "warning", id="a scope that is not"),
    ],
)
def test_how_the_secret_is_to_be_proven(site: Site, verify: dict[str, str], verdict: str) -> None:
    site.add(verify=verify)

    assert verdicts(site.run("doctor", "--preflight", "-o", "json"), Check.VERIFICATION) == [verdict]


def test_a_mount_of_version_1_is_a_failure_of_the_targets_there(site: Site) -> None:
    site.box.vault.add_mount("old", version=1)
    site.add("billing")
    site.add("portal")
    site.targets["portal"]["write_to"] = [{"mount": "old", "path": "portal/okta"}]

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert verdicts(ran, Check.MOUNT) == ["ok", "failed"]
    assert [each["about"] for each in found(ran, Check.EXPIRY)] == ["billing"]


def test_what_an_operator_set_on_the_mount_is_found(site: Site) -> None:
    site.add()
    config = site.box.vault.kv("secret").config
    config.max_versions = 2
    config.delete_after = timedelta(hours=1)

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert (verdicts(ran, Check.EXPIRY), verdicts(ran, Check.VERSIONS)) == (["failed"], ["warning"])


def test_a_directory_that_cannot_be_written_is_a_failure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add()
    (site.folder / "taken").write_text("a file")
    monkeypatch.setenv("STATE_DIRECTORY", str(site.folder / "taken"))

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert (ran.code, verdicts(ran, Check.PLACE)) == (1, ["failed"])


def test_a_clock_that_is_wrong_is_found_on_both_sides(site: Site) -> None:
    site.add()
    site.box.clock.advance(TWO_HOURS)

    ran = site.run("doctor", "--preflight", "-o", "json")

    assert (verdicts(ran, Check.OKTA_CLOCK), verdicts(ran, Check.VAULT_CLOCK)) == (["warning"], ["warning"])


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_looked_at_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: None, trusted: bool
) -> None:
    tls = certificate(tmp_path)
    with Sandbox(tls=tls) as box:
        site = Site(box, tmp_path, capsys)
        site.add()
        site.policy = "{}"
        document = json.loads(site.config.read_text())
        if trusted:
            document["okta"]["acme"]["ca_file"] = document["vaults"]["main"]["ca_file"] = str(tls.cert)
        site.extra = {"okta": document["okta"], "vaults": document["vaults"]}

        ran = site.run("doctor", "--preflight", "-o", "json")

        told = [*verdicts(ran, Check.OKTA_TLS), *verdicts(ran, Check.VAULT_TLS)]
        assert told == (["warning"] * 2 if trusted else ["failed"] * 2)  # it ends tomorrow
        assert (ran.code, bool(box.journal.count())) == ((0, True) if trusted else (1, False))
        assert bool(verdicts(ran, Check.OKTA_REACHABLE)) is trusted


# --- as the daemon uses it ----------------------------------------------------------------------------------


async def look(site: Site) -> tuple[Finding, ...]:
    settings = load(site.config)
    async with open_worlds(settings, progress=Told(), warn=print, leases_in=site.folder / "leases") as worlds:
        return await preflight(settings.targets, worlds.ways())


def test_the_targets_that_pass_are_told_from_those_that_do_not(site: Site) -> None:
    site.add("billing")
    site.add("portal", verify={"authorization_server": "elsewhere"})
    site.add("ledger")
    site.box.okta.deactivate_app_by_admin(site.targets["ledger"]["app_id"])

    findings = asyncio.run(look(site))

    held = held_back(load(site.config).targets, findings)
    assert {name: finding.check for name, finding in held.items()} == {
        "portal": Check.VERIFICATION,
        "ledger": Check.APP,
    }


def test_a_fleet_is_looked_at_within_okta_share_of_the_small_bucket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: None
) -> None:
    with Sandbox(okta=OktaSettings(plan="integrator")) as box:
        site = Site(box, tmp_path, capsys)
        for number in range(50):
            site.add(f"app-{number}")

        ran = site.run("doctor", "--preflight", "-o", "json")

        assert set(verdicts(ran, Check.APP)) == {"ok"}
        assert box.okta.calls["apps"] == 1
        assert box.journal.count(TOKEN_CALLS) == 1  # a discovery document
        assert not box.okta.refused
