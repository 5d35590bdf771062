"""What was certified is relied upon: the pre-flight says so, and what is blocked for it says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.certification.facts import ROWS, Fact, Shown, Verdict
from rotator.core.certification.report import Report, as_document
from rotator.core.certified import Certified, read
from rotator.core.preflight import Check
from rotator.sandbox.okta_state import AdminRole
from tests.certify.runs import certify

if TYPE_CHECKING:
    from tests.entry.site import Site

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def finding(site: Site) -> dict[str, Any]:
    findings = site.run("doctor", "--preflight", "-o", "json").json()["findings"]
    (found,) = [each for each in findings if each["check"] == Check.OKTA_CERTIFIED.value]
    return dict(found)


def kept(site: Site) -> Any:
    return site.folder / "state" / "rotator" / "certified" / "127.0.0.1.json"


# --- the pre-flight ---------------------------------------------------------------------------------------------


def test_an_org_that_was_not_certified_is_told_so(site: Site) -> None:
    site.add()

    found = finding(site)

    assert found["verdict"] == "cannot tell"
    assert "facts about Okta are assumed" in found["detail"]
    assert "rotator certify --org acme" in found["remedy"]


def test_one_that_was_and_is_as_assumed_is_in_order(site: Site) -> None:
    site.add()
    certify(site)

    found = finding(site)

    assert (found["verdict"], found["remedy"]) == ("ok", "")
    assert found["detail"] == f"certified on {datetime.now(UTC):%Y-%m-%d}: {len(Fact)} facts are as assumed"


def test_what_could_not_be_shown_is_open(site: Site) -> None:
    site.add()
    (token,) = site.box.okta.org.api_tokens.values()
    token.role = AdminRole(read_log=False)
    certify(site)

    assert (
        "not shown: hash in the log: secrets, hash in the log: token requests, who we are in the log and 3 more"
        in (finding(site)["detail"])
    )


@pytest.mark.parametrize(
    ("switch", "value", "detail", "remedy"),
    [
        ("create_delay", 2.0, "longer than `propagation` (1 s)", "Set `okta.acme.propagation: "),
        ("hash_formula", "unknown", "hash formula is otherwise than assumed", "blocked, `cannot match`"),
        ("scope_check_first", True, "secret before scope is otherwise", "set `verify.scope` to one that yields"),
    ],
)
def test_what_is_otherwise_is_a_warning(site: Site, switch: str, value: object, detail: str, remedy: str) -> None:
    site.add()
    site.propagation = "4s"
    site.box.okta.settings.switch(switch, value)
    certify(site)
    site.propagation = "1s"

    found = finding(site)

    assert found["verdict"] == "warning"
    assert detail in found["detail"]
    assert remedy in found["remedy"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no JSON", "it is no report"),
        ("[]", "it is no report"),
        ('{"version": 9, "command": "certify", "facts": []}', "it is no report"),
    ],
)
def test_a_report_that_is_none_is_not_relied_upon(site: Site, text: str, why: str) -> None:
    site.add()
    kept(site).parent.mkdir(parents=True)
    kept(site).write_text(text)

    ran = site.run_bare("config", "validate", "--config", str(site.config))

    assert (ran.code, why in ran.err) == (0, True)
    assert finding(site)["verdict"] == "cannot tell"


def test_the_report_of_another_org_is_not_relied_upon(site: Site) -> None:
    site.add()
    certify(site)
    document = json.loads(kept(site).read_text()) | {"host": "other.okta.com"}
    kept(site).write_text(json.dumps(document))

    assert "it is about other.okta.com" in site.run("status").err


# --- matching by hash -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("certified", [False, True])
def test_where_the_hash_is_another_one_cannot_match_says_why(site: Site, certified: bool) -> None:
    site.add()
    site.box.okta.settings.hash_formula = "unknown"
    site.box.okta.settings.plaintext = "absent"
    if certified:
        certify(site)

    told = site.run("rotate", "billing", "-o", "json").target()

    assert told["result"] == "blocked"
    assert told["message"].startswith("cannot match the value in Vault")
    assert ("by its hash none can be matched in this org, as was certified" in told["hint"]) is certified


# --- what is read again -------------------------------------------------------------------------------------------


def certified(*shown: Shown) -> Certified:
    document = as_document(Report("acme", "acme.okta.com", NOON, "0.1", "apps of its own", shown))
    return read(json.loads(json.dumps(document)))


def test_nothing_is_known_of_what_was_not_shown() -> None:
    nothing = certified()

    assert (nothing.hash_formula_holds, nothing.log_hash_matches, nothing.secret_before_scope) == (None, None, None)
    assert (nothing.log_lag, nothing.propagation, nothing.refused_hash_shown) == (None, None, None)
    assert set(nothing.open_facts) == {fact for fact, row in ROWS.items() if row.matters}
    assert nothing.otherwise == ()


def test_each_fact_that_is_relied_upon_has_its_own_answer() -> None:
    known = certified(
        Shown(Fact.HASH_FORMULA, Verdict.OTHERWISE, "another", ""),
        Shown(Fact.LOG_HASH_OF_TOKENS, Verdict.AS_ASSUMED, "same", ""),
        Shown(Fact.SCOPE_ORDER, Verdict.OTHERWISE, "scope first", ""),
        Shown(Fact.LOG_REFUSED, Verdict.AS_ASSUMED, "hash", ""),
        Shown(Fact.LIST_LAG, Verdict.AS_ASSUMED, "within", "", span=(0.5, 1.5)),
        Shown(Fact.CREATE_LAG, Verdict.OTHERWISE, "within", "", span=(None, 8.0)),
        Shown(Fact.LOG_LAG, Verdict.OTHERWISE, "not within", "", span=(120.0, None)),
        Shown(Fact.WRITING, Verdict.NOT_SHOWN, "", "it was not tried"),
    )

    assert (known.hash_formula_holds, known.log_hash_matches, known.secret_before_scope) == (False, True, False)
    assert (known.refused_hash_shown, known.propagation, known.log_lag) == (True, timedelta(seconds=8), None)
    assert known.otherwise == (Fact.HASH_FORMULA, Fact.SCOPE_ORDER, Fact.CREATE_LAG, Fact.LOG_LAG)
    assert Fact.WRITING in known.open_facts
    assert (known.host, known.at) == ("acme.okta.com", NOON)


def test_a_fact_of_a_later_release_is_passed_over() -> None:
    document = as_document(Report("acme", "acme.okta.com", NOON, "9.9", "apps of its own", ()))
    document["facts"].append({"fact": "something new", "verdict": "undecided", "seen": "", "seconds": None})

    assert read(document).verdicts == {}
