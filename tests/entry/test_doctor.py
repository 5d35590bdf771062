"""`rotator doctor` as a command: how it is asked, what it prints, how it ends, and that it changes nothing."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.journal import Wanted
from tests.entry.site import SCOPE, TOKEN_CALLS, WRITES, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.okta_state import OktaApp
    from rotator.sandbox.world import Sandbox

OKTA_WRITES = Wanted(service="okta", method="POST", path="/api/*")


@pytest.fixture(autouse=True)
def nothing_is_changed(box: Sandbox) -> Iterator[None]:
    yield
    assert box.journal.count(WRITES) == 0
    assert box.journal.count(OKTA_WRITES) == 0
    assert box.okta.org.access_tokens == {}


def revoke(site: Site, app: OktaApp) -> None:
    site.box.okta.add_secret_by_admin(app)
    site.box.okta.revoke(app, app.secrets[0].id)


def outside(site: Site, app: OktaApp, secret: str) -> list[str]:
    """Return what is typed for a client that is not configured; its secret comes from stdin or from a file."""
    client = ["--client-id", app.client_id, "--issuer", f"{site.box.okta_url}/oauth2/default", "--scope", SCOPE]
    return ["doctor", *client, "--secret-file", secret]


def test_a_person_reads_what_was_asked_what_came_why_and_what_to_do(site: Site) -> None:
    app = site.add()
    revoke(site, app)

    ran = site.run("doctor", "billing")

    lines = ran.out.splitlines()
    assert (ran.code, lines[0]) == (1, "billing: secret revoked")
    assert [line.split()[0] for line in lines[1:]] == ["asked", "answer", "cause", "remedy", "run"]
    assert lines[-1] == "  run          rotator rotate billing"
    assert site.secrets_in(ran.out + ran.err) == []


def test_a_doubt_is_told_with_what_would_settle_it(site: Site) -> None:
    app = site.add()
    file = site.folder / "secret"
    file.write_text("Some-secret-of-nobody-0123456789")

    ran = site.run_bare(*outside(site, app, str(file)))

    lines = ran.out.splitlines()
    assert (ran.code, lines[0]) == (1, "the client: cannot tell")
    assert lines[3].startswith("  cannot tell  secret revoked, or secret deleted, or ")
    assert [line.split()[0] for line in lines[4:]] == ["because", "settle"]
    assert "Some-secret" not in ran.out + ran.err


def test_a_client_that_works_ends_with_0(site: Site) -> None:
    site.add()

    ran = site.run("doctor", "billing", "-o", "json")

    assert (ran.code, ran.json()["client"]["result"], ran.err) == (0, "nothing wrong", "")
    assert {"version": 1, "command": "doctor", "exit_code": 0}.items() <= ran.json().items()


def test_who_does_not_answer_ends_with_5(site: Site) -> None:
    site.add()
    site.box.faults.drop(Wanted(service="okta"), when="before", times=None)

    assert site.run("doctor", "billing").code == 5


def test_a_vault_that_is_sealed_ends_with_5(site: Site) -> None:
    site.add()
    site.box.vault.seal()

    ran = site.run("doctor", "billing")

    assert ran.code == 5
    assert "Unseal Vault" in ran.err


def test_a_vault_that_is_sealed_does_not_matter_where_a_secret_is_given(site: Site) -> None:
    app = site.add()
    site.box.vault.seal()
    file = site.folder / "secret"
    file.write_text(app.secrets[0].value)

    assert site.run("doctor", "billing", "--secret-file", str(file)).code == 0


def test_a_management_api_that_is_away_leaves_the_outside(site: Site) -> None:
    site.add()
    site.box.faults.answer(503, Wanted(service="okta", path="/api/*"), times=None)

    assert site.run("doctor", "billing").code == 0


def test_a_secret_is_read_from_stdin_byte_for_byte(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.add()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{app.secrets[0].value}\n".encode())))

    ran = site.run_bare(*outside(site, app, "-"))

    assert ran.out.startswith("the client: newline in the secret\n")
    assert site.secrets_in(ran.out + ran.err) == []


def test_an_app_may_be_named_by_its_id(site: Site) -> None:
    app = site.add()

    assert site.run("doctor", app.id).code == 0


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        pytest.param([], "Name a target", id="nothing"),
        pytest.param(["--client-id", "0oa1", "--secret-file", "f"], "Name a target", id="no issuer"),
        pytest.param(["billing", "--issuer", "acme.okta.com"], "write it as https://", id="an issuer without scheme"),
        pytest.param(["billing", "--issuer", "http://acme.okta.com"], "in clear", id="an issuer in clear"),
        pytest.param(["billing", "--authorize", "http://acme.okta.com"], "in clear", id="an authorize in clear"),
        pytest.param(["billing", "--auth-method", "private_key_jwt"], "Invalid value", id="a method with a key"),
        pytest.param(["billing", "--secret-file", "nowhere"], "nowhere cannot be read", id="no such file"),
        pytest.param(["billing", "portal"], "One target at a time", id="two targets"),
        pytest.param(["biling"], "did you mean `billing`?", id="a misspelt target"),
    ],
)
def test_wrong_usage_asks_nobody(site: Site, argv: list[str], says: str) -> None:
    site.add()

    ran = site.run("doctor", *argv)

    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert site.box.journal.count(TOKEN_CALLS) == 0


@pytest.mark.parametrize(("content", "says"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe", "is not text")])
def test_a_file_without_a_secret_is_refused(site: Site, content: bytes, says: str) -> None:
    app = site.add()
    file = site.folder / "secret"
    file.write_bytes(content)

    ran = site.run_bare(*outside(site, app, str(file)))

    assert ran.code == 2
    assert says in ran.err


def test_a_configuration_that_is_named_must_be_there(site: Site) -> None:
    app = site.add()
    file = site.folder / "secret"
    file.write_text(app.secrets[0].value)

    ran = site.run_bare(*outside(site, app, str(file)), "--config", "nowhere.yaml")

    assert ran.code == 2
    assert "nowhere.yaml cannot be read" in ran.err


def test_a_configuration_that_the_environment_names_must_be_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.add()
    file = site.folder / "secret"
    file.write_text(app.secrets[0].value)
    monkeypatch.setenv("ROTATOR_CONFIG", "nowhere.yaml")

    assert site.run_bare(*outside(site, app, str(file))).code == 2


def test_a_configuration_that_has_the_org_lets_more_be_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    app = site.add()
    revoke(site, app)
    file = site.folder / "secret"
    file.write_text(app.secrets[0].value)
    without = site.run_bare(*outside(site, app, str(file)))
    monkeypatch.setenv("ROTATOR_CONFIG", str(site.config))

    ran = site.run_bare(*outside(site, app, str(file)))

    assert without.out.startswith("the client: cannot tell\n")
    assert ran.out.startswith("the client: secret revoked\n")
    assert f"Give the application {app.secrets[1].id}, which is ACTIVE" in ran.out


def test_nothing_secret_is_sent_where_no_okta_answers(site: Site) -> None:
    app = site.add()
    site.box.faults.html(Wanted(service="okta"), status=200, times=None)
    file = site.folder / "secret"
    file.write_text(app.secrets[0].value)

    site.run_bare(*outside(site, app, str(file)))

    assert site.box.journal.count(Wanted(service="okta", method="POST")) == 0


def test_another_targets_path_that_cannot_be_read_is_left_out(site: Site) -> None:
    app = site.add()
    site.add("portal")
    site.box.vault.put("secret", "billing/okta", {"client_id": app.client_id, "client_secret": "Nobody-s-0123456789"})
    site.box.faults.answer(403, Wanted(path="/v1/secret/*/portal/okta"), body={"errors": ["no"]}, times=None)

    (cause,) = site.run("doctor", "billing", "-o", "json").json()["client"]["causes"]
    assert cause["cause"] == "secret never was this app's"


def test_each_version_is_read_once(site: Site) -> None:
    app = site.add()
    for _ in range(3):
        site.box.vault.put(
            "secret", "billing/okta", {"client_id": app.client_id, "client_secret": "Nobody-s-0123456789"}
        )

    site.run("doctor", "billing")

    assert site.box.journal.count(Wanted(service="vault", method="GET", path="/v1/secret/data/billing/okta")) == 4


def test_an_org_that_is_not_asked_is_not_opened(site: Site) -> None:
    """Its key may be broken: that is another client's trouble."""
    site.add()
    (site.folder / "broken").write_text("no key")
    (site.folder / "broken").chmod(0o600)
    for target in site.targets.values():
        target["org"] = "acme"
    broken = {"method": "private_key_jwt", "client_id": "0oa1", "key_file": "broken"}
    site.extra["okta"] = {
        "acme": {"org_url": site.box.okta_url, "auth": site.okta_auth},
        "broken": {"org_url": "https://broken.okta.com", "auth": broken},
    }

    assert site.run("doctor", "billing").code == 0
