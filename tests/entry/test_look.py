"""`rotator plan`, `status` and `verify`: what they show, and that they change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.journal import Wanted
from tests.entry.site import TOKEN_CALLS, WRITES, Site

if TYPE_CHECKING:
    from rotator.sandbox.okta_state import OktaApp
    from rotator.sandbox.world import Sandbox

FRESH = timedelta(days=5)
OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")
LOOKS = ("plan", "status", "verify")


@pytest.fixture(autouse=True)
def nothing_is_changed(box: Sandbox) -> object:
    yield
    assert box.journal.count(WRITES) == 0
    assert box.journal.count(OKTA_WRITES) == 0


# --- plan ---------------------------------------------------------------------------------------------------


def test_a_plan_says_what_would_be_done_why_and_what_follows(site: Site) -> None:
    site.add()

    ran = site.run("plan")

    assert ran.code == 0
    assert "billing  planned" in ran.out
    assert (
        "would make a new secret: expired; then create it at Okta, prove it, write it to secret/billing/okta" in ran.out
    )
    assert "stays active for 7d, switched off for 3d, then goes" in ran.out


@pytest.mark.parametrize(
    ("age", "app", "code"),
    [
        pytest.param(FRESH, None, 0, id="0 if nothing is to be done"),
        pytest.param(timedelta(days=100), None, 2, id="2 if something is"),
        pytest.param(FRESH, "0oaNobody00000000000", 1, id="1 if one cannot be looked at"),
    ],
)
def test_the_detailed_exit_code_is_as_terraforms(site: Site, age: timedelta, app: str | None, code: int) -> None:
    site.add(age=age)
    site.targets["billing"]["app_id"] = app or site.targets["billing"]["app_id"]

    assert site.run("plan", "--detailed-exitcode").code == code


def test_a_plan_tells_what_an_observing_policy_would_not_let_be_done(site: Site) -> None:
    site.add(policy="observing")

    ran = site.run("plan", "-o", "json")

    assert (ran.code, ran.target()["result"], ran.target()["planned"]) == (0, "planned", "Stage")


def test_a_plan_for_a_value_that_okta_does_not_list_tries_it(site: Site) -> None:
    site.add(age=FRESH)
    site.box.vault.put("secret", "billing/okta", {"client_secret": "unknown-to-anybody-at-all"})

    ran = site.run("plan")

    assert ran.code == 1
    assert "unknown value in Vault" in ran.out
    assert "billing: Set `on_unknown_value: rotate`, or have a secret written with `rotator adopt`." in ran.out


# --- status -------------------------------------------------------------------------------------------------


def test_status_shows_the_secret_its_age_and_what_comes_next(site: Site) -> None:
    app = site.add(age=FRESH)

    ran = site.run("status")

    headings, row = ran.out.splitlines()
    assert headings.split() == ["TARGET", "STATE", "SECRET", "AGE", "EXPIRES", "OTHER", "SLOT", "STAGING", "NEXT"]
    expires = site.box.clock.now() + timedelta(days=85)
    assert row.split()[:7] == ["billing", "ok", app.secrets[0].id, "5", "days", f"{expires:%Y-%m-%d}", "-"]
    assert f"{app.secrets[0].id} is rotated after {expires:%Y-%m-%d}" in row
    assert site.box.journal.count(TOKEN_CALLS) == 0


def test_status_in_json_names_every_slot(site: Site) -> None:
    app = site.add(age=FRESH)
    other = site.box.okta.add_secret_by_admin(app)

    target = site.run("status", "-o", "json").target()

    assert (target["state"], target["vault_version"], target["policy"]["mode"]) == ("ok", 1, "auto")
    assert target["secret"]["id"] == app.secrets[0].id
    assert timedelta(seconds=target["secret"]["age_seconds"]).days == 5
    assert datetime.fromisoformat(target["secret"]["expires"]) > site.box.clock.now()
    assert target["others"] == [{"id": other.id, "status": "ACTIVE", "role": "foreign"}]
    assert (target["staging"]["state"], target["next"]["waiting"]) == ("empty", "next_rotation")


@pytest.mark.parametrize(
    ("scene", "state"),
    [
        pytest.param("expired", "expired", id="expired"),
        pytest.param("revoked", "revoked", id="revoked"),
        pytest.param("empty path", "new", id="new"),
        pytest.param("unknown value", "unknown", id="unknown"),
        pytest.param("other app", "blocked", id="blocked"),
    ],
)
def test_status_has_a_word_for_what_is_the_matter(site: Site, scene: str, state: str) -> None:
    app = site.add(age=timedelta(days=100 if scene == "expired" else 5), in_vault=scene != "empty path")
    if scene == "revoked":
        site.box.okta.add_secret_by_admin(app)
        site.box.okta.revoke(app, app.secrets[0].id)
    if scene in {"unknown value", "other app"}:
        client_id = app.client_id if scene == "unknown value" else "0oaTheirs"
        site.box.vault.put("secret", "billing/okta", {"client_id": client_id, "client_secret": "unknown-to-anybody"})

    ran = site.run("status", "-o", "json")

    assert (ran.code, ran.target()["state"]) == (0, state)
    assert bool(ran.target()["hint"]) is (state == "blocked")
    assert site.box.journal.count(TOKEN_CALLS) == 0


# --- verify -------------------------------------------------------------------------------------------------


def test_a_good_secret_is_proven_by_a_token(site: Site) -> None:
    site.add()

    ran = site.run("verify", "billing")

    assert ran.code == 0
    assert "billing  token issued" in ran.out


def test_a_refused_secret_is_a_failure_that_names_its_slot(site: Site) -> None:
    app = site.add()
    site.box.okta.add_secret_by_admin(app)
    site.box.okta.revoke(app, app.secrets[0].id)

    ran = site.run("verify", "-o", "json")

    assert (ran.code, ran.target()["state"]) == (1, "refused")
    assert ran.target()["holders"] == [{"id": app.secrets[0].id, "status": "INACTIVE"}]


def test_a_token_endpoint_that_says_nothing_is_an_outage(site: Site) -> None:
    site.add()
    site.box.faults.drop(TOKEN_CALLS, when="before", times=None)

    ran = site.run("verify")

    assert ran.code == 5
    assert "inconclusive" in ran.out


def test_a_token_endpoint_that_is_out_of_order_proves_nothing(site: Site) -> None:
    site.add()
    site.box.faults.html(TOKEN_CALLS, times=None)

    assert site.run("verify").code == 1


def test_an_empty_path_has_nothing_to_verify(site: Site) -> None:
    site.add(in_vault=False)

    ran = site.run("verify", "-o", "json")

    assert (ran.code, ran.target()["error"]["kind"]) == (1, "MissingError")


# --- several paths ------------------------------------------------------------------------------------------


def elsewhere(site: Site, app: OktaApp, value: str | None) -> None:
    """Give the target another path, with the secret under another name."""
    names = {"client_id": "ID", "client_secret": "KEY"}
    site.targets["billing"]["write_to"].append({"mount": "secret", "path": "reports/okta", "fields": names})
    if value is not None:
        site.box.vault.put("secret", "reports/okta", {"ID": app.client_id, "KEY": value})


def test_all_paths_are_named_for_programs_the_one_that_leads_first(site: Site) -> None:
    app = site.add(age=timedelta(days=5))
    elsewhere(site, app, app.secrets[0].value)

    for command in LOOKS:
        told = site.run(command, "-o", "json").target()
        assert (told["path"], told["paths"]) == ("secret/billing/okta", ["secret/billing/okta", "secret/reports/okta"])


def test_a_plan_names_every_place(site: Site) -> None:
    app = site.add()
    elsewhere(site, app, app.secrets[0].value)

    assert "write it to secret/billing/okta, then to secret/reports/okta" in site.run("plan").out


def test_the_same_secret_at_two_paths_is_tried_once(site: Site) -> None:
    app = site.add()
    elsewhere(site, app, app.secrets[0].value)
    since = site.box.journal.mark()

    ran = site.run("verify", "-o", "json")

    (also,) = ran.target()["also"]
    assert ran.code == 0
    assert also == {
        "path": "secret/reports/okta", "vault_version": 1, "same": True, "state": "token issued",
        "detail": ran.target()["detail"],
    }  # fmt: skip
    assert site.box.journal.count(Wanted(path="/oauth2/*/v1/token"), since=since) == 1
    assert "secret/reports/okta holds the same" in site.run("verify").out


@pytest.mark.parametrize(
    ("there", "code", "says"),
    [
        pytest.param("new", 0, "secret/reports/okta holds another secret: token issued", id="another good one"),
        pytest.param("bad", 1, "secret/reports/okta holds another secret: refused", id="one that is refused"),
        pytest.param(None, 1, "secret/reports/okta holds nothing that can be read", id="nothing"),
    ],
)
def test_another_path_that_holds_something_else_is_told(site: Site, there: str | None, code: int, says: str) -> None:
    app = site.add()
    new = site.box.okta.add_secret_by_admin(app).value
    elsewhere(site, app, {"new": new, "bad": "x" * 40}.get(there) if there else None)

    ran = site.run("verify")

    assert ran.code == code
    assert says in " ".join(ran.out.split())
    assert new not in ran.out + ran.err


# --- all of them --------------------------------------------------------------------------------------------


def test_a_sealed_vault_is_an_outage(site: Site) -> None:
    site.add("billing")
    site.box.vault.seal()

    ran = site.run("status")

    assert ran.code == 5
    assert "billing  unreachable" in ran.out
    assert "Unseal Vault" in ran.out


@pytest.mark.parametrize("command", LOOKS)
def test_one_that_fails_does_not_hide_the_others(site: Site, command: str) -> None:
    site.add("billing", age=FRESH)
    site.add("portal", age=FRESH)
    site.box.faults.answer(403, Wanted(path="/v1/secret/*/portal/okta"), body={"errors": ["no"]}, times=None)

    ran = site.run(command, "-o", "json")

    assert ran.code == 3
    assert [target["exit_code"] for target in ran.json()["targets"]] == [0, 1]


@pytest.mark.parametrize("command", LOOKS)
def test_an_unknown_target_is_corrected(site: Site, command: str) -> None:
    site.add()

    ran = site.run(command, "biling")

    assert ran.code == 2
    assert "did you mean `billing`?" in ran.err


@pytest.mark.parametrize("command", LOOKS)
def test_json_is_versioned(site: Site, command: str) -> None:
    app = site.add(age=FRESH)

    ran = site.run(command, "--output", "json")

    document = ran.json()
    assert (document["version"], document["command"], document["exit_code"], ran.code) == (1, command, 0, 0)
    names = {"target": "billing", "org": "acme", "app_id": app.id, "path": "secret/billing/okta"}
    assert names.items() <= ran.target().items()
    assert ran.err == ""
