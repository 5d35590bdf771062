"""What is made of the notes of a certification: each fact, as assumed, otherwise, and not shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.certification.facts import ROWS, Fact, Shown, Verdict
from rotator.core.certification.notes import Client, Event, Look, Miss, Notes, Plain, Said, Span
from rotator.core.certification.report import Report, as_document
from rotator.core.certification.table import JUDGES, judge
from rotator.core.certified import Certified, read
from rotator.core.diagnosis.evidence import Answer
from rotator.core.model import AppId, ClientId

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
AS_ASSUMED, OTHERWISE, NOT_SHOWN = Verdict
AWAY = Miss("it is away")
NOT_TRIED = "it was not tried"

GOOD, BARE, MASKED = Look(Plain.SHOWN, True), Look(Plain.ABSENT, True), Look(Plain.MASKED, True)
STRANGE = Look(Plain.SHOWN, False)
DONE = Said(ok=True, request_id="done")
TAKEN = Said(ok=False, code="duplicate_value", text="is in use", request_id="dup")
FULL = Said(ok=False, code="slots_full", text="You've reached the maximum of two", request_id="r1")
OLD_FULL = Said(ok=False, code="slots_full", text="You have reached the maximum", request_id="r1")
ONLY = Said(ok=False, code="only_active", text="the only one", request_id="r2")
STILL = Said(ok=False, code="still_active", text="is active", request_id="r3")
NO = Said(ok=False, code="E0000006", text="you may not", request_id="no")

TOKEN = Answer(200, token=True, request_id="token")
INTROSPECTED = Answer(200, introspected=True, request_id="spect")
REFUSED = Answer(401, "invalid_client", "The secret is wrong.", request_id="wrong")
SCOPE = Answer(400, "invalid_scope", "No such scope.", request_id="scope")
GRANT = Answer(400, "unsupported_grant_type", request_id="grant")
REQUEST = Answer(400, "invalid_request", "Not for service apps.", request_id="request")
LOST = Answer(lost="the line was cut")

APP = Client(AppId("0oa1"), ClientId("client1"), "one")
CLIENT = Client(AppId("0oa2"), ClientId("client2"), "two")


def event(kind: str, **traits: Any) -> Event:
    usual = Event(
        kind=kind,
        id="e1",
        targets=frozenset({"0oa1", "ocs1"}),
        actor=("us", "us@acme"),
        agent="rotator/1.0",
        failed=False,
        reason="",
        hash="h1",
        keys_in_lower_case=True,
        request_id="q1",
    )
    return replace(usual, **traits)


LIFECYCLE = "app.oauth2.credentials.lifecycle"
MADE, DELETED = event(f"{LIFECYCLE}.create"), event(f"{LIFECYCLE}.delete")
GRANTED = event("app.oauth2.as.token.grant.access_token", actor=("0oa2", "client2"))
FAILED = event(
    "app.oauth2.as.token.grant", actor=("client2", "0oa2"), failed=True, reason="invalid_client_secret", hash=None
)


def notes(**seen: Any) -> Notes:
    return Notes(
        propagation=4 * SECOND, us="us", own=True, app=APP, client=CLIENT, hash_made="h1", hash_used="h1", **seen
    )


def logged(*events: Event, **seen: Any) -> Notes:
    return notes(events=events, **seen)


def says(fact: Fact, given: Notes) -> Shown:
    return JUDGES[fact](given)


CASES: list[tuple[Fact, Notes, Verdict, str, str]] = [
    # --- the API
    (Fact.HASH_FORMULA, notes(created=GOOD), AS_ASSUMED, "as known", "is what we compute"),
    (Fact.HASH_FORMULA, notes(created=GOOD, listed_on=STRANGE), OTHERWISE, "another", "is not what we compute"),
    (Fact.HASH_FORMULA, notes(got_on=GOOD, created=AWAY), AS_ASSUMED, "as known", "is what we compute"),
    (Fact.HASH_FORMULA, notes(created=AWAY), NOT_SHOWN, "", "it is away"),
    (
        Fact.PLAINTEXT,
        notes(listed_on=GOOD, got_on=GOOD, listed_off=GOOD, got_off=GOOD),
        AS_ASSUMED,
        "shown",
        "list, active: shown; get, active: shown; list, inactive: shown; get, inactive: shown",
    ),
    (
        Fact.PLAINTEXT,
        notes(listed_on=GOOD, got_on=GOOD, listed_off=GOOD),
        NOT_SHOWN,
        "shown",
        "list, inactive: shown; the others could not be looked at",
    ),
    (
        Fact.PLAINTEXT,
        notes(listed_on=BARE, got_on=BARE, listed_off=BARE, got_off=BARE),
        OTHERWISE,
        "absent",
        "list, active: absent",
    ),
    (Fact.PLAINTEXT, notes(listed_on=GOOD, got_off=MASKED), OTHERWISE, "differs", "shown; get, inactive: masked"),
    (Fact.PLAINTEXT, notes(listed_on=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.DUPLICATES, notes(same_app=DONE, other_app=DONE), AS_ASSUMED, "none", "the same value was taken again"),
    (Fact.DUPLICATES, notes(same_app=TAKEN, other_app=DONE), AS_ASSUMED, "app", "is in use"),
    (Fact.DUPLICATES, notes(same_app=TAKEN, other_app=TAKEN), AS_ASSUMED, "org", "is in use; is in use"),
    (Fact.DUPLICATES, notes(same_app=DONE, other_app=TAKEN), AS_ASSUMED, "org", "is in use"),
    (Fact.DUPLICATES, notes(same_app=TAKEN), AS_ASSUMED, "app or org", "is in use"),
    (Fact.DUPLICATES, notes(same_app=DONE), AS_ASSUMED, "none in the app", "taken again"),
    (Fact.DUPLICATES, notes(same_app=NO, other_app=DONE), OTHERWISE, "app", "you may not"),
    (Fact.DUPLICATES, notes(same_app=AWAY, other_app=TAKEN), NOT_SHOWN, "", "it is away"),
    (
        Fact.ERROR_TEXTS,
        notes(full=FULL, only_active=ONLY, still_active=STILL),
        AS_ASSUMED,
        "new",
        "slots_full: You've reached the maximum of two; only_active: the only one; still_active: is active",
    ),
    (Fact.ERROR_TEXTS, notes(full=OLD_FULL), AS_ASSUMED, "old", "slots_full: You have reached the maximum"),
    (Fact.ERROR_TEXTS, notes(only_active=ONLY), AS_ASSUMED, "other", "only_active: the only one"),
    (Fact.ERROR_TEXTS, notes(full=FULL, still_active=DONE), OTHERWISE, "new", "still_active: it was not refused"),
    (Fact.ERROR_TEXTS, notes(full=FULL, still_active=NO), OTHERWISE, "new", "still_active: you may not"),
    (Fact.ERROR_TEXTS, notes(full=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.GONE, notes(gone=replace(NO, code="E0000007")), AS_ASSUMED, "E0000007", "you may not"),
    (Fact.GONE, notes(gone=NO), OTHERWISE, "E0000006", "you may not"),
    (Fact.GONE, notes(gone=DONE), OTHERWISE, "no error", ""),
    (Fact.GONE, notes(gone=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.WRITING, notes(created_said=DONE), AS_ASSUMED, "enough", "a secret was made"),
    (Fact.WRITING, notes(created_said=NO), OTHERWISE, "not enough", "you may not"),
    (Fact.WRITING, notes(created_said=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.SAME_STATE, notes(twice_off=DONE, twice_on=DONE), AS_ASSUMED, "ok", "answered as if"),
    (Fact.SAME_STATE, notes(twice_off=NO, twice_on=DONE), AS_ASSUMED, "differs", "you may not"),
    (Fact.SAME_STATE, notes(twice_off=NO, twice_on=NO), AS_ASSUMED, "refused", "you may not; you may not"),
    (Fact.SAME_STATE, notes(twice_on=NO), AS_ASSUMED, "refused", "you may not"),
    (Fact.SAME_STATE, notes(twice_off=AWAY), NOT_SHOWN, "", "it is away"),
    (
        Fact.LIST_ORDER,
        notes(orders=[frozenset({"oldest first", "by id"}), frozenset({"oldest first"})]),
        AS_ASSUMED,
        "oldest first",
        "in 2 lists of two secrets",
    ),
    (Fact.LIST_ORDER, notes(orders=[frozenset({"b", "a"})]), AS_ASSUMED, "a or b", "in 1 lists"),
    (Fact.LIST_ORDER, notes(orders=[frozenset({"a"}), frozenset({"b"})]), AS_ASSUMED, "none that is known", "in 2"),
    (Fact.LIST_ORDER, notes(), NOT_SHOWN, "", "no list with two secrets"),
    (Fact.LIMITS, notes(limits={"b": 5, "a": 50}), AS_ASSUMED, "told", "calls a minute for us: a 50, b 5"),
    (Fact.LIMITS, notes(), OTHERWISE, "not told", "X-Rate-Limit"),
    # --- the token endpoints
    (Fact.SCOPE_ORDER, notes(wrong_scope=REFUSED), AS_ASSUMED, "secret first", "401 invalid_client: The secret"),
    (Fact.SCOPE_ORDER, notes(wrong_scope=SCOPE), OTHERWISE, "scope first", "400 invalid_scope: No such scope."),
    (Fact.SCOPE_ORDER, notes(wrong_scope=GRANT), OTHERWISE, "something else first", "400 unsupported_grant_type"),
    (Fact.SCOPE_ORDER, notes(wrong_scope=TOKEN), OTHERWISE, "something else first", "a token was issued, and revoked"),
    (Fact.SCOPE_ORDER, notes(wrong_scope=LOST), NOT_SHOWN, "", "the line was cut"),
    (Fact.SCOPE_ORDER, notes(), NOT_SHOWN, "", NOT_TRIED),
    (
        Fact.SCOPE_ORDER,
        notes(wrong_scope=replace(REFUSED, status=400)),
        OTHERWISE,
        "something else first",
        "400 invalid_client",
    ),
    (
        Fact.SCOPE_ORDER,
        notes(wrong_scope=replace(REFUSED, error="access_denied")),
        OTHERWISE,
        "something else first",
        "401 access_denied",
    ),
    (Fact.GRANT_ORDER, notes(wrong_grant=REFUSED), AS_ASSUMED, "secret first", "401"),
    (Fact.GRANT_ORDER, notes(wrong_grant=GRANT), AS_ASSUMED, "grant first", "400"),
    (Fact.GRANT_ORDER, notes(), NOT_SHOWN, "", NOT_TRIED),
    (Fact.PROOF_ORDER, notes(without_proof=REFUSED), AS_ASSUMED, "secret first", "401"),
    (Fact.PROOF_ORDER, notes(without_proof=Answer(400, "use_dpop_nonce")), AS_ASSUMED, "proof first", "400"),
    (Fact.PROOF_ORDER, notes(without_proof=SCOPE), AS_ASSUMED, "something else first", "400"),
    (Fact.PROOF_ORDER, notes(without_proof=LOST), NOT_SHOWN, "", "the line was cut"),
    (Fact.INTROSPECTION, notes(introspected_by_org=INTROSPECTED), AS_ASSUMED, "works", "200"),
    (
        Fact.INTROSPECTION,
        notes(introspected_by_org=INTROSPECTED, introspected=REQUEST),
        AS_ASSUMED,
        "works",
        "200; at the custom server: invalid_request",
    ),
    (
        Fact.INTROSPECTION,
        notes(introspected_by_org=REQUEST, introspected=INTROSPECTED),
        OTHERWISE,
        "refuses service apps",
        "400 invalid_request: Not for service apps.; at the custom server: accepted",
    ),
    (Fact.INTROSPECTION, notes(introspected_by_org=REFUSED), OTHERWISE, "does not", "401"),
    (Fact.INTROSPECTION, notes(introspected_by_org=Answer(500)), OTHERWISE, "does not", "500"),
    (Fact.INTROSPECTION, notes(introspected=INTROSPECTED), NOT_SHOWN, "", NOT_TRIED),
    (Fact.WRONG_SECRET, notes(wrong_scope=REFUSED), AS_ASSUMED, "invalid_client", "401"),
    (
        Fact.WRONG_SECRET,
        notes(wrong_scope=REFUSED, both_ways=Answer(401, description="Cannot supply multiple")),
        AS_ASSUMED,
        "catalogue",
        "401",
    ),
    (
        Fact.WRONG_SECRET,
        notes(wrong_scope=REFUSED, both_ways=Answer(401, description="You CAN'T SUPPLY both")),
        AS_ASSUMED,
        "spec",
        "401",
    ),
    (
        Fact.WRONG_SECRET,
        notes(wrong_scope=REFUSED, both_ways=Answer(401, description="Choose one")),
        AS_ASSUMED,
        "another wording",
        "401",
    ),
    (Fact.WRONG_SECRET, notes(wrong_scope=SCOPE, wrong_grant=REFUSED), AS_ASSUMED, "invalid_client", "The secret"),
    (Fact.WRONG_SECRET, notes(wrong_scope=SCOPE, wrong_grant=GRANT), OTHERWISE, "invalid_scope", "No such scope"),
    (
        Fact.WRONG_SECRET,
        notes(wrong_grant=GRANT, both_ways=Answer(401, description="Cannot supply")),
        OTHERWISE,
        "catalogue",
        "400",
    ),
    (Fact.WRONG_SECRET, notes(wrong_scope=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.APP_OFF, notes(app_off=REFUSED), AS_ASSUMED, "refused as any other", "401"),
    (
        Fact.APP_OFF,
        notes(app_off=replace(REFUSED, description="Invalid value for 'client_id' parameter.")),
        AS_ASSUMED,
        "unknown client",
        "client_id",
    ),
    (Fact.APP_OFF, notes(app_off=INTROSPECTED), AS_ASSUMED, "accepted", "200"),
    (Fact.APP_OFF, notes(app_off=Answer(403)), AS_ASSUMED, "403 without an error code", "403"),
    (Fact.APP_OFF, notes(), NOT_SHOWN, "", NOT_TRIED),
    (Fact.PERCENT, notes(percent=INTROSPECTED), AS_ASSUMED, "not decoded", "200"),
    (Fact.PERCENT, notes(percent=REFUSED), AS_ASSUMED, "decoded", "401"),
    (Fact.PERCENT, notes(percent=SCOPE), NOT_SHOWN, "", "400 invalid_scope"),
    (Fact.PERCENT, notes(percent=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.OTHER_METHOD, notes(other_method=TOKEN), AS_ASSUMED, "taken", "a token was issued"),
    (Fact.OTHER_METHOD, notes(other_method=REFUSED), AS_ASSUMED, "refused", "401"),
    (Fact.OTHER_METHOD, notes(other_method=LOST), NOT_SHOWN, "", "the line was cut"),
    (
        Fact.CHALLENGE,
        notes(wrong_scope=replace(REFUSED, headers={"www-authenticate": "Basic"})),
        AS_ASSUMED,
        "sent",
        "Basic",
    ),
    (Fact.CHALLENGE, notes(wrong_scope=REFUSED), AS_ASSUMED, "not sent", "a 401 without it"),
    (Fact.CHALLENGE, notes(wrong_scope=SCOPE), NOT_SHOWN, "", "no 401 was seen"),
    (Fact.CHALLENGE, notes(wrong_scope=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.BOTH_WAYS, notes(both_ways=REQUEST), AS_ASSUMED, "400", "Not for service apps."),
    (Fact.BOTH_WAYS, notes(), NOT_SHOWN, "", NOT_TRIED),
    (Fact.ORG_SERVER, notes(by_org=GRANT), AS_ASSUMED, "unknown there", "400"),
    (Fact.ORG_SERVER, notes(by_org=REFUSED), AS_ASSUMED, "not with a secret", "401"),
    (Fact.ORG_SERVER, notes(by_org=TOKEN), AS_ASSUMED, "even with a secret", "a token"),
    (Fact.ORG_SERVER, notes(by_org=SCOPE), AS_ASSUMED, "invalid_scope", "400"),
    (Fact.ORG_SERVER, notes(), NOT_SHOWN, "", NOT_TRIED),
    # --- the System Log
    (Fact.LOG_HASH, logged(MADE), AS_ASSUMED, "same", f"{LIFECYCLE}.create has it"),
    (Fact.LOG_HASH, logged(DELETED, replace(MADE, hash="h2")), OTHERWISE, "different", "has another one"),
    (Fact.LOG_HASH, logged(replace(MADE, hash=None)), OTHERWISE, "absent", "has none"),
    (Fact.LOG_HASH, logged(replace(MADE, targets=frozenset({"0oa9"}))), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_HASH, logged(replace(MADE, targets=frozenset({"client1"}))), AS_ASSUMED, "same", ""),
    (Fact.LOG_HASH, replace(logged(MADE), app=None), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_HASH, logged(), NOT_SHOWN, "", "no such event was seen in time"),
    (Fact.LOG_HASH, notes(events=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.LOG_DELETION, logged(MADE, DELETED), AS_ASSUMED, "same", f"{LIFECYCLE}.delete has it"),
    (Fact.LOG_DELETION, logged(replace(DELETED, targets=frozenset())), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_HASH_OF_TOKENS, logged(GRANTED, granted=TOKEN), AS_ASSUMED, "same", "access_token has it"),
    (
        Fact.LOG_HASH_OF_TOKENS,
        logged(replace(GRANTED, hash="h2"), replace(GRANTED, request_id="token"), granted=TOKEN),
        AS_ASSUMED,
        "same",
        "access_token has it",
    ),
    (Fact.LOG_HASH_OF_TOKENS, logged(GRANTED), AS_ASSUMED, "same", "has it"),
    (Fact.LOG_HASH_OF_TOKENS, logged(replace(GRANTED, actor=("x", "y"))), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_HASH_OF_TOKENS, logged(FAILED, granted=TOKEN), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_HASH_OF_TOKENS, logged(GRANTED, granted=SCOPE), NOT_SHOWN, "", "no token was issued (invalid_scope)"),
    (Fact.LOG_HASH_OF_TOKENS, notes(events=AWAY, granted=TOKEN), NOT_SHOWN, "", "it is away"),
    (Fact.LOG_KEYS, logged(MADE), AS_ASSUMED, "lower", "create"),
    (Fact.LOG_KEYS, logged(replace(MADE, keys_in_lower_case=False)), AS_ASSUMED, "camel", "create"),
    (Fact.LOG_KEYS, logged(replace(MADE, keys_in_lower_case=None)), NOT_SHOWN, "", "the event has no details"),
    (Fact.LOG_KEYS, logged(), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_ACTOR, logged(GRANTED), AS_ASSUMED, "app id", "alternate id: client id"),
    (Fact.LOG_ACTOR, logged(FAILED), AS_ASSUMED, "client id", "alternate id: app id"),
    (
        Fact.LOG_ACTOR,
        logged(replace(GRANTED, actor=("x", "client2"))),
        AS_ASSUMED,
        "something else",
        "alternate id: client id",
    ),
    (Fact.LOG_ACTOR, logged(replace(GRANTED, actor=("0oa2", "x"))), AS_ASSUMED, "app id", "something else"),
    (
        Fact.LOG_ACTOR,
        replace(logged(replace(GRANTED, actor=("0oa2", "0oa2"))), client=replace(CLIENT, client_id=ClientId("0oa2"))),
        NOT_SHOWN,
        "",
        "are the same",
    ),
    (Fact.LOG_ACTOR, replace(logged(GRANTED), client=None), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_US, logged(MADE), AS_ASSUMED, "our client id", "actor us"),
    (
        Fact.LOG_US,
        logged(replace(MADE, actor=("1", "us"))),
        AS_ASSUMED,
        "our client id as alternate id",
        "actor 1",
    ),
    (Fact.LOG_US, logged(replace(MADE, actor=("1", "2"))), OTHERWISE, "neither of our ids", "actor 1"),
    (
        Fact.LOG_US,
        replace(logged(MADE), us=None),
        AS_ASSUMED,
        "an administrator, with our User-Agent",
        "User-Agent rotator/1.0",
    ),
    (Fact.LOG_US, replace(logged(replace(MADE, agent="curl")), us=None), OTHERWISE, "an administrator", "curl"),
    (Fact.LOG_US, logged(), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_REASON, logged(FAILED), AS_ASSUMED, "invalid_client_secret", "token.grant"),
    (Fact.LOG_REASON, logged(replace(FAILED, reason="no_scope")), OTHERWISE, "no_scope", "token.grant"),
    (Fact.LOG_REASON, logged(replace(FAILED, reason="")), OTHERWISE, "none", "token.grant"),
    (
        Fact.LOG_REASON,
        logged(
            FAILED, replace(FAILED, reason="invalid_client", request_id="wrong"), wrong_scope=REFUSED, wrong_grant=AWAY
        ),
        AS_ASSUMED,
        "invalid_client",
        "token.grant",
    ),
    (Fact.LOG_REASON, logged(replace(FAILED, reason="other"), FAILED), AS_ASSUMED, "invalid_client_secret", ""),
    (Fact.LOG_REASON, logged(GRANTED, replace(FAILED, actor=("x", "y"))), NOT_SHOWN, "", "no such event"),
    (Fact.LOG_REASON, notes(events=AWAY), NOT_SHOWN, "", "it is away"),
    (Fact.LOG_REFUSED, logged(FAILED), AS_ASSUMED, "absent", "token.grant"),
    (Fact.LOG_REFUSED, logged(replace(FAILED, hash="h")), AS_ASSUMED, "hash", "token.grant"),
    (Fact.LOG_REFUSED, logged(MADE), NOT_SHOWN, "", "no such event"),
]


@pytest.mark.parametrize(("fact", "given", "verdict", "seen", "detail"), CASES)
def test_a_fact(fact: Fact, given: Notes, verdict: Verdict, seen: str, detail: str) -> None:
    found = says(fact, given)

    assert (found.fact, found.verdict, found.seen) == (fact, verdict, seen)
    assert detail in found.detail
    assert found.follows == (ROWS[fact].otherwise if verdict is OTHERWISE else "")


@pytest.mark.parametrize(
    ("span", "verdict", "seen", "detail", "numbers"),
    [
        (
            Span(None, SECOND),
            AS_ASSUMED,
            "at once",
            "at the first look, 1.0 s after (4 s are allowed for)",
            (None, 1.0),
        ),
        (Span(None, 9 * SECOND), AS_ASSUMED, "at once", "at the first look, 9.0 s after", (None, 9.0)),
        (Span(SECOND, 4 * SECOND), AS_ASSUMED, "within 4.0 s", "not yet after 1.0 s, then (4 s", (1.0, 4.0)),
        (Span(SECOND, 5 * SECOND), OTHERWISE, "within 5.0 s", "not yet after 1.0 s", (1.0, 5.0)),
        (Span(9 * SECOND, None), OTHERWISE, "not within 9 s", "not yet after 9.0 s, when looking ended", (9.0, None)),
        (Span(None, None), OTHERWISE, "not within 0 s", "not yet after 0.0 s", (None, None)),
    ],
)
@pytest.mark.parametrize("fact", [Fact.LIST_LAG, Fact.CREATE_LAG, Fact.DEACTIVATE_LAG])
def test_how_long_something_takes(
    fact: Fact, span: Span, verdict: Verdict, seen: str, detail: str, numbers: tuple[float | None, float | None]
) -> None:
    field = fact.name.lower()

    found = says(fact, notes(**{field: replace(span, evidence=("r1",))}))

    assert (found.verdict, found.seen, found.span, found.evidence) == (verdict, seen, numbers, ("r1",))
    assert detail in found.detail
    assert says(fact, notes(**{field: AWAY})).detail == "it is away"


def test_the_log_may_take_a_minute() -> None:
    within, later = (says(Fact.LOG_LAG, notes(log_lag=Span(SECOND, seconds * SECOND))).verdict for seconds in (60, 61))

    assert (within, later) == (AS_ASSUMED, OTHERWISE)


@pytest.mark.parametrize(
    ("fact", "given", "evidence"),
    [
        (Fact.DUPLICATES, notes(same_app=TAKEN, other_app=DONE), ("dup", "done")),
        (Fact.DUPLICATES, notes(same_app=replace(TAKEN, request_id=None)), ()),
        (Fact.ERROR_TEXTS, notes(full=FULL, only_active=ONLY, still_active=STILL), ("r1", "r2", "r3")),
        (Fact.ERROR_TEXTS, notes(full=FULL, still_active=NO), ("r1", "no")),
        (Fact.GONE, notes(gone=NO), ("no",)),
        (Fact.WRITING, notes(created_said=DONE), ("done",)),
        (Fact.WRITING, notes(created_said=NO), ("no",)),
        (Fact.SAME_STATE, notes(twice_off=NO, twice_on=DONE), ("no", "done")),
        (Fact.SCOPE_ORDER, notes(wrong_scope=REFUSED), ("wrong",)),
        (Fact.SCOPE_ORDER, notes(wrong_scope=replace(REFUSED, request_id=None)), ()),
        (Fact.INTROSPECTION, notes(introspected_by_org=REQUEST), ("request",)),
        (Fact.WRONG_SECRET, notes(wrong_scope=SCOPE), ("scope",)),
        (Fact.LOG_HASH, logged(MADE), ("e1", "q1")),
        (Fact.LOG_HASH, logged(replace(MADE, request_id=None)), ("e1",)),
    ],
)
def test_okta_s_names_of_what_was_seen_are_kept(fact: Fact, given: Notes, evidence: tuple[str, ...]) -> None:
    assert says(fact, given).evidence == evidence


def test_every_fact_is_judged_and_has_a_case() -> None:
    timed = {Fact.LIST_LAG, Fact.CREATE_LAG, Fact.DEACTIVATE_LAG, Fact.LOG_LAG}

    assert [each.fact for each in judge(notes())] == list(Fact)
    assert {fact for fact, *_ in CASES} | timed == set(Fact)


# --- the report, and what is relied upon ------------------------------------------------------------------------


def report(given: Notes, **more: Any) -> Report:
    return Report("acme", "acme.okta.com", NOON, "rotator 1", "apps of our own", judge(given), **more)


def relied_upon(given: Notes) -> Certified:
    return read(as_document(report(given)))


@pytest.mark.parametrize(
    ("more", "code"), [({}, 0), ({"left": ("app 1",)}, 1), ({"why_not": "the time was up"}, 1)], ids=str
)
def test_what_is_left_behind_and_an_early_end_are_failures(more: dict[str, Any], code: int) -> None:
    found = report(notes(created_said=NO), **more)

    assert (found.exit_code, as_document(found)["exit_code"]) == (code, code)
    assert found.count(OTHERWISE) == 2  # the rights, and no limits told
    assert found.count(OTHERWISE) + found.count(NOT_SHOWN) + found.count(AS_ASSUMED) == len(Fact)


def test_a_report_is_read_again_as_it_was_written() -> None:
    lag = Span(SECOND, 3 * SECOND)
    found = relied_upon(
        logged(
            replace(GRANTED, hash="h2"),
            FAILED,
            created=GOOD,
            list_lag=lag,
            create_lag=Span(None, 2 * SECOND),
            log_lag=Span(SECOND, None),
            wrong_scope=REFUSED,
            limits={"apps": 50},
        )
    )

    assert (found.host, found.at) == ("acme.okta.com", NOON)
    assert (found.hash_formula_holds, found.log_hash_matches, found.secret_before_scope) == (True, False, True)
    assert found.refused_hash_shown is False
    assert (found.propagation, found.log_lag) == (3 * SECOND, None)
    assert set(found.otherwise) == {Fact.LOG_HASH_OF_TOKENS, Fact.LOG_LAG}
    assert Fact.PLAINTEXT in found.open_facts
    assert Fact.LIST_ORDER not in found.open_facts, "nothing hangs on it"
    assert found.seen[Fact.LIST_LAG] == "within 3.0 s"


def test_of_what_was_not_shown_nothing_is_relied_upon() -> None:
    found = relied_upon(notes(limits={"apps": 50}, log_lag=Span(None, SECOND), create_lag=Span(SECOND, None)))

    assert (found.hash_formula_holds, found.log_hash_matches, found.refused_hash_shown) == (None, None, None)
    assert (found.propagation, found.log_lag) == (None, SECOND)
    assert found.otherwise == (Fact.CREATE_LAG,)
    assert Fact.LIMITS not in found.open_facts
    assert relied_upon(logged(replace(FAILED, hash="h"))).refused_hash_shown is True


def test_of_two_spans_the_one_that_was_shown_counts() -> None:
    found = relied_upon(notes(list_lag=Span(SECOND, 2 * SECOND), create_lag=Span(SECOND, None)))

    assert found.propagation == 2 * SECOND


@pytest.mark.parametrize("broken", [[], {}, {"version": 1, "command": "certify"}, {"version": 2}, None], ids=str)
def test_what_is_no_report_is_not_read(broken: object) -> None:
    with pytest.raises(ValueError, match="it is no report"):
        read(broken)


@pytest.mark.parametrize("other", [{"version": 2}, {"command": "plan"}], ids=str)
def test_the_report_of_another_release_or_command_is_not_read(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of this release"):
        read(as_document(report(notes())) | other)


def test_facts_that_this_release_does_not_know_are_left_out() -> None:
    document = as_document(report(notes(created=GOOD)))
    document["facts"].append({"fact": "whether it will rain"})

    assert read(document).verdicts[Fact.HASH_FORMULA] is AS_ASSUMED
