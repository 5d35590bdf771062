"""`rotator adopt`, the real command over real HTTP against the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from tests.entry.site import WRITES, Site

if TYPE_CHECKING:
    from rotator.sandbox.okta_state import OktaApp

FRESH = timedelta(days=5)


def remove_path(site: Site) -> None:
    """`vault kv metadata delete`."""
    answer = requests.delete(
        f"{site.box.vault_url}/v1/secret/metadata/billing/okta", headers={"X-Vault-Token": "root"}, timeout=5
    )
    assert answer.status_code == 204


def with_two(site: Site) -> OktaApp:
    """An app with two active secrets, and nothing in Vault."""
    return site.add(age=FRESH, in_vault=False, older=["older-secret-of-somebody"])


def test_the_named_one_of_two_is_written_and_told(site: Site) -> None:
    app = with_two(site)
    assert site.run("reconcile").code == 1

    ran = site.run("adopt", "billing", "--secret", app.secrets[0].id)

    assert ran.code == 0
    assert ran.out.startswith(f"billing: adopted {app.secrets[0].id}\n  proof  token issued")
    assert "where  secret/billing/okta version 1" in ran.out
    assert site.holder(app) is app.secrets[0]
    assert site.run("reconcile").code == 0


def test_without_a_name_two_are_one_too_many(site: Site) -> None:
    app = with_two(site)

    ran = site.run("adopt", "billing")

    assert ran.code == 1
    assert all(secret.id in ran.err for secret in app.secrets)
    assert "Name the one in use with --secret." in ran.err
    assert site.box.journal.count(WRITES) == 0


def test_a_path_that_was_removed_gets_its_secret_back(site: Site) -> None:
    app = site.add()
    site.run("rotate", "billing")
    current = site.holder(app)
    assert current
    remove_path(site)
    assert "consumer path was removed and made anew" in site.run("reconcile").out

    assert site.run("adopt", "billing", "--secret", current.id).code == 0

    assert site.works(app)
    assert site.run("reconcile").code == 0
    assert site.run("status", "-o", "json").target()["state"] == "ok"


def test_json_tells_what_was_adopted(site: Site) -> None:
    app = site.add(in_vault=False)

    ran = site.run("adopt", "billing", "-o", "json")

    target = ran.target()
    assert (ran.json()["version"], ran.json()["command"], target["result"]) == (1, "adopt", "adopted")
    assert (target["secret_id"], target["vault_version"]) == (app.secrets[0].id, 1)


def test_nothing_is_overwritten_with_nobody_to_ask(site: Site) -> None:
    app = site.add(age=FRESH)
    site.box.vault.put("secret", "billing/okta", {"client_id": app.client_id, "client_secret": "unknown-to-anybody"})

    ran = site.run("adopt", "billing")

    assert ran.code == 2
    assert "--yes agrees beforehand" in ran.err
    assert site.fields()["client_secret"] == "unknown-to-anybody"
    assert site.run("adopt", "billing", "--yes").code == 0
    assert site.works(app)


def test_nothing_is_adopted_where_all_is_well(site: Site) -> None:
    site.add(age=FRESH)

    ran = site.run("adopt", "billing")

    assert ran.code == 1
    assert "nothing is to be adopted" in ran.err
    assert site.box.journal.count(WRITES) == 0


@pytest.mark.parametrize("args", [["bilingg"], []], ids=["an unknown target", "no target"])
def test_a_wrong_call_is_explained(site: Site, args: list[str]) -> None:
    site.add()

    ran = site.run("adopt", *args)

    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert site.box.journal.calls() == ()


def test_a_sealed_vault_is_an_outage(site: Site) -> None:
    site.add(in_vault=False)
    site.box.vault.seal()

    ran = site.run("adopt", "billing")

    assert ran.code == 5
    assert "Unseal Vault" in ran.err
