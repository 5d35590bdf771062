"""Each fact about Okta that could be either way: certified against an org that is so, and named rightly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.certification.facts import ROWS, Fact, Verdict
from rotator.sandbox.okta_settings import OktaSettings
from tests.certify.runs import certify, made_by_us
from tests.entry.test_docs import assumed

if TYPE_CHECKING:
    from tests.entry.site import Site

# What the report says where a switch of the sandbox is turned: the fact, and what was seen of it.
NAMED: dict[tuple[str, str], dict[Fact, str]] = {
    ("hash_formula", "unknown"): {Fact.HASH_FORMULA: "another"},
    ("plaintext", "masked"): {Fact.PLAINTEXT: "masked"},
    ("plaintext", "absent"): {Fact.PLAINTEXT: "absent"},
    ("without_view_permission", "absent"): {Fact.PLAINTEXT: "absent"},
    ("list_lag", "2.0"): {Fact.LIST_LAG: "within"},
    ("create_delay", "2.0"): {Fact.CREATE_LAG: "within"},
    ("deactivate_delay", "2.0"): {Fact.DEACTIVATE_LAG: "within"},
    ("log_delay", "2.0"): {Fact.LOG_LAG: "within"},
    ("unique_secrets", "app"): {Fact.DUPLICATES: "app"},
    ("unique_secrets", "org"): {Fact.DUPLICATES: "org"},
    ("management_wording", "old"): {Fact.ERROR_TEXTS: "old"},
    ("grant_check_first", "True"): {Fact.GRANT_ORDER: "grant first"},
    ("scope_check_first", "True"): {Fact.SCOPE_ORDER: "scope first"},
    ("dpop_check_first", "True"): {Fact.PROOF_ORDER: "proof first"},
    ("introspect_refuses_service_apps", "True"): {Fact.INTROSPECTION: "refuses service apps"},
    ("oauth_wording", "spec"): {Fact.WRONG_SECRET: "spec"},
    ("log_hash", "different"): {
        Fact.LOG_HASH: "different",
        Fact.LOG_HASH_OF_TOKENS: "different",
        Fact.LOG_DELETION: "different",
    },
    ("log_hash", "absent"): {Fact.LOG_HASH: "absent", Fact.LOG_HASH_OF_TOKENS: "absent", Fact.LOG_DELETION: "absent"},
    ("log_detail_keys", "lower"): {Fact.LOG_KEYS: "lower"},
    ("log_actor_id", "client_id"): {Fact.LOG_ACTOR: "client id"},
    ("log_refused", "hash"): {Fact.LOG_REFUSED: "hash"},
    ("same_state", "refused"): {Fact.SAME_STATE: "refused"},
    ("list_order", "newest_first"): {Fact.LIST_ORDER: "newest first"},
    ("list_order", "by_id"): {Fact.LIST_ORDER: "by id"},
    ("deactivated_app", "generic"): {Fact.APP_OFF: "refused as any other"},
    ("deactivated_app", "accepted"): {Fact.APP_OFF: "accepted"},
    ("basic_percent_decoding", "True"): {Fact.PERCENT: "decoded"},
    ("strict_auth_method", "False"): {Fact.OTHER_METHOD: "taken"},
    ("www_authenticate", "True"): {Fact.CHALLENGE: "sent"},
    ("multiple_credentials_status", "400"): {Fact.BOTH_WAYS: "400"},
    ("org_server_client_credentials", "unsupported"): {Fact.ORG_SERVER: "unknown there"},
}
NOT_SETTLED = {("client_clock", "real")}  # the sandbox's own: a real org has one clock
USUAL = {
    Fact.HASH_FORMULA: "as known",
    Fact.PLAINTEXT: "shown",
    Fact.LIST_LAG: "at once",
    Fact.CREATE_LAG: "at once",
    Fact.DEACTIVATE_LAG: "at once",
    Fact.DUPLICATES: "none",
    Fact.ERROR_TEXTS: "new",
    Fact.GONE: "E0000007",
    Fact.SCOPE_ORDER: "secret first",
    Fact.GRANT_ORDER: "secret first",
    Fact.PROOF_ORDER: "secret first",
    Fact.INTROSPECTION: "works",
    Fact.WRONG_SECRET: "catalogue",
    Fact.LOG_HASH: "same",
    Fact.LOG_HASH_OF_TOKENS: "same",
    Fact.LOG_KEYS: "camel",
    Fact.LOG_ACTOR: "app id",
    Fact.LOG_US: "an administrator, with our User-Agent",
    Fact.LOG_LAG: "at once",
    Fact.LOG_REASON: "invalid_client_secret",
    Fact.LOG_DELETION: "same",
    Fact.WRITING: "enough",
    Fact.SAME_STATE: "ok",
    Fact.APP_OFF: "unknown client",
    Fact.PERCENT: "not decoded",
    Fact.OTHER_METHOD: "refused",
    Fact.CHALLENGE: "not sent",
    Fact.BOTH_WAYS: "401",
    Fact.ORG_SERVER: "not with a secret",
    Fact.LOG_REFUSED: "absent",
    Fact.LIMITS: "told",
}
LAGS = {Fact.LIST_LAG, Fact.CREATE_LAG, Fact.DEACTIVATE_LAG, Fact.LOG_LAG}
SECONDS = 2.0
# What differs beside that for a reason of its own.
BESIDE: dict[tuple[str, str], set[Fact]] = {
    ("scope_check_first", "True"): {Fact.ORG_SERVER},  # it is asked without a scope
}


def seen(facts: dict[str, dict[str, Any]]) -> dict[Fact, str]:
    return {Fact(name): each["seen"] for name, each in facts.items()}


def test_every_switch_of_the_assumptions_is_certified() -> None:
    assert NAMED.keys() | NOT_SETTLED == assumed().keys()
    assert USUAL.keys() | {Fact.LIST_ORDER} == set(ROWS) == set(Fact)


def test_an_org_as_it_is_assumed_is_certified_so(site: Site) -> None:
    site.add()

    facts = certify(site)

    told = seen(facts)
    assert "oldest first" in told.pop(Fact.LIST_ORDER)
    assert told == USUAL
    assert {each["verdict"] for each in facts.values()} == {Verdict.AS_ASSUMED.value}
    assert made_by_us(site) == []


@pytest.mark.parametrize("switch", [pytest.param(each, id="=".join(each)) for each in NAMED])
def test_an_org_that_is_otherwise_is_certified_so(site: Site, switch: tuple[str, str]) -> None:
    name, value = switch
    kind = type(getattr(OktaSettings(), name))
    site.add()
    site.box.okta.settings.switch(name, value == "True" if kind is bool else kind(value))
    if name == "without_view_permission":
        (token,) = site.box.okta.org.api_tokens.values()
        assert token.role
        token.role = replace(token.role, view_secrets=False)

    facts = certify(site)

    told, wanted = seen(facts), NAMED[switch]
    for fact, word in wanted.items():
        assert word in told[fact]
    order = told.pop(Fact.LIST_ORDER)
    assert name == "list_order" or "oldest first" in order
    assert {fact for fact in told if told[fact] != USUAL[fact]} - {Fact.LIST_ORDER} == (
        wanted.keys() - {Fact.LIST_ORDER} | BESIDE.get(switch, set())
    )
    for fact in wanted.keys() & LAGS:
        sooner, later = facts[fact.value]["seconds"]
        assert sooner < SECONDS <= later + 0.3
    assert made_by_us(site) == []


@pytest.mark.parametrize(
    ("switch", "value", "fact"),
    [
        ("hash_formula", "unknown", Fact.HASH_FORMULA),
        ("plaintext", "masked", Fact.PLAINTEXT),
        ("scope_check_first", True, Fact.SCOPE_ORDER),
        ("introspect_refuses_service_apps", True, Fact.INTROSPECTION),
        ("log_hash", "different", Fact.LOG_HASH_OF_TOKENS),
        ("create_delay", 60.0, Fact.CREATE_LAG),
    ],
)
def test_what_matters_and_is_otherwise_says_what_follows(site: Site, switch: str, value: object, fact: Fact) -> None:
    site.add()
    site.propagation = "1s"
    site.box.okta.settings.switch(switch, value)

    told = certify(site)[fact.value]

    assert (told["verdict"], told["matters"]) == ("otherwise", True)
    assert told["follows"] == ROWS[fact].otherwise
