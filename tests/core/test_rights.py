"""What we need to be allowed, in Vault's words and in Okta's, and which changes there cut consumers off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.changes import Change, concerned
from rotator.core.model import AppId, Destination, KvPath
from rotator.core.okta_rights import guide, set_up_by_api
from rotator.core.selection import Selection
from rotator.core.vault_rights import Rule, as_hcl, consumer_patterns, least_policy
from tests.core.snapshots import TARGET

MEMBERS = Selection(
    "services",
    replace(TARGET, consumer=KvPath("kv", "apps/{app_id}/okta"), also=(Destination(KvPath("kv", "by/x-{client_id}")),)),
    label="svc-*",
)


def test_the_places_of_a_policy_are_exact_and_for_members_a_pattern() -> None:
    found = consumer_patterns([TARGET, TARGET, replace(TARGET, consumer=KvPath("kv", "portal"))], [MEMBERS])

    assert [str(each) for each in found] == ["kv/billing/okta", "kv/portal", "kv/apps/+/okta", "kv/by/+"]


def test_a_policy_is_written_as_vault_reads_it() -> None:
    text = as_hcl(least_policy([TARGET.consumer], KvPath("secret", "rotator/staging")))

    assert str(Rule("kv/x", ("read", "update"))) == 'path "kv/x" { capabilities = ["read", "update"] }'
    assert 'path "kv/data/billing/okta" { capabilities = ["create", "read", "update"] }\n' in text
    assert 'path "secret/destroy/rotator/staging/*" { capabilities = ["update"] }\n' in text
    assert [line for line in text.splitlines() if not line.startswith(("#", "path ")) and line] == []
    assert text.count("\n\n") == 2


def test_a_policy_has_no_reason_without_a_rule() -> None:
    text = as_hcl(least_policy([], KvPath("secret", "rotator/staging")))

    assert [block.splitlines()[-1].startswith("path ") for block in text.split("\n\n")] == [True, True]


def test_the_commands_for_okta_are_safe_to_paste_and_name_each_app() -> None:
    text = set_up_by_api("https://acme.okta.com", "0oa; rm -rf $HOME", ["0oa1", "0oa2"])

    assert text.startswith("org=https://acme.okta.com client='0oa; rm -rf $HOME'\n")
    assert [f"/api/v1/apps/{each}" in text for each in ("0oa1", "0oa2", "0oa3")] == [True, True, False]
    assert "for scope in okta.apps.read okta.apps.manage okta.logs.read; do" in text


def test_the_guide_has_the_commands_and_says_where_there_is_no_target() -> None:
    some, none = (guide("https://acme.okta.com", "0oa9", apps) for apps in (["0oa1"], []))

    assert set_up_by_api("https://acme.okta.com", "0oa9", ["0oa1"]) in some
    assert ("     0oa1\n" in some, "there is no target yet" in some) == (True, False)
    assert "there is no target yet" in none


@pytest.mark.parametrize(
    ("act", "cuts_off"), [("deactivate", True), ("delete", True), ("create", False), ("activate", False)]
)
def test_a_change_that_takes_a_secret_away_may_cut_consumers_off(act: str, cuts_off: bool) -> None:
    change = Change("e1", f"app.oauth2.credentials.lifecycle.{act}", "now", frozenset({"0oa1"}))

    assert change.cuts_off is cuts_off


@pytest.mark.parametrize(
    ("name", "whose"), [("0oa1", {"billing"}), ("client9", {"other"}), ("0oa2", {"other"}), ("x", set())]
)
def test_a_change_is_about_whoever_it_names(name: str, whose: set[str]) -> None:
    change = Change("e1", "any", "now", frozenset({name}))
    targets = [TARGET, replace(TARGET, name="other", app_id=AppId("0oa2"))]

    assert concerned(change, targets, {"other": "client9"}) == whose
