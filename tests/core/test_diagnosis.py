"""The checks of a diagnosis, over values: what is said of which evidence, and what is not."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.diagnosis.asking import have_changed_places, other_issuers, request_of, why_not_sent
from rotator.core.diagnosis.causes import Cause
from rotator.core.diagnosis.compare import log_side, slot_of
from rotator.core.diagnosis.evidence import (
    CLIENT_CREDENTIALS,
    INTROSPECTION,
    Answer,
    Asked,
    BasicHeader,
    Captured,
    Complaint,
    Document,
    Evidence,
    Likeness,
    LogSide,
    Sight,
    Slot,
    Subject,
    Trace,
    Traces,
    VaultSide,
    Version,
    issuer_of,
    server_of,
)
from rotator.core.diagnosis.signs import Sign, sign_of
from rotator.core.diagnosis.table import Result, diagnose, possible
from rotator.core.disguise import Disguise, Shape, shape_of, undisguised
from rotator.core.model import (
    App,
    AppId,
    AuthMethod,
    ClientId,
    KvPath,
    OktaSecret,
    SecretId,
    SecretStatus,
)
from rotator.core.secret_value import SecretValue

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ORG, ISSUER, CLIENT = "https://acme.okta.com", "https://acme.okta.com/oauth2/default", "0oa2example2example2"
VALUE = SecretValue("Some-secret_01234567890123456789")
APP = App(
    id=AppId(CLIENT),
    label="Billing",
    status="ACTIVE",
    sign_on_mode="OPENID_CONNECT",
    client_id=ClientId(CLIENT),
    auth_method=AuthMethod.BASIC,
    application_type="service",
    grant_types=frozenset({"client_credentials"}),
    dpop_bound=False,
    created=NOW - 30 * DAY,
)
ASKED = Asked(ISSUER, CLIENT, AuthMethod.BASIC)
SUBJECT = Subject("billing", target="billing", path=KvPath("kv", "billing/okta"), org_url=ORG, server="default")
TOKEN = Answer(200, token=True)
WRONG_SECRET = Answer(401, "invalid_client", "The client secret supplied for a confidential client is invalid.")
UNKNOWN = Answer(401, "invalid_client", "Invalid value for 'client_id' parameter.")
GENERIC = Answer(401, "invalid_client", "Client authentication failed. Either the client or …")
LOG = LogSide(since=NOW - 89 * DAY, whole=True)
DOCUMENT = Document(ISSUER, 200, json=True, issuer=ISSUER)


def slot(*, active: bool = True, likeness: Likeness | None = None, age: timedelta = 10 * DAY, name: str = "1") -> Slot:
    status = SecretStatus.ACTIVE if active else SecretStatus.INACTIVE
    return Slot(SecretId(f"ocs{name}"), status, NOW - age, NOW - age, likeness)


def seen(answer: Answer | None = WRONG_SECRET, **changes: Any) -> Evidence:
    """A target whose value is none of the app's: what is not known of it is left out."""
    usual: dict[str, Any] = {
        "asked": ASKED,
        "answer": answer,
        "document": DOCUMENT,
        "sight": Sight.SEEN,
        "app": APP,
        "slots": (slot(),),
        "vault": VaultSide(1, (Version(1, same=True, holds=None),), client_id=CLIENT),
    }
    return replace(Evidence(SUBJECT, NOW), **usual | changes)


def outside(answer: Answer | None = WRONG_SECRET, **changes: Any) -> Evidence:
    """A client of which nothing is known but the answer."""
    nothing: dict[str, Any] = {"sight": Sight.UNASKED, "app": None, "slots": None, "vault": None}
    return seen(answer, **nothing | {"subject": Subject("the client")} | changes)


def causes(evidence: Evidence) -> list[Cause]:
    return [finding.cause for finding in diagnose(evidence).findings]


def command(evidence: Evidence) -> str:
    return diagnose(evidence).findings[0].command


# --- The table ------------------------------------------------------------------------------------------------


def test_nothing_is_wrong_only_if_okta_has_believed_the_client() -> None:
    assert diagnose(seen(TOKEN)).result is Result.NOTHING_WRONG
    assert diagnose(seen(Answer(200, introspected=True))).result is Result.NOTHING_WRONG
    assert diagnose(seen(Answer(400, "teapot"), slots=None)).result is Result.CANNOT_TELL


def test_who_does_not_answer_is_unreachable_unless_something_else_is_found() -> None:
    lost = Answer(lost="no answer in time")

    assert diagnose(outside(lost)).result is Result.UNREACHABLE
    assert diagnose(seen(lost, app=replace(APP, status="INACTIVE"))).result is Result.FOUND


def test_all_causes_are_named_in_the_order_of_the_table() -> None:
    evidence = seen(
        GENERIC,
        asked=replace(ASKED, issuer=f"{ISSUER}/", method=AuthMethod.POST),
        app=replace(APP, status="INACTIVE"),
        slots=(slot(active=False, likeness=Likeness()),),
    )

    assert causes(evidence) == [Cause.TRAILING_SLASH, Cause.APP_INACTIVE, Cause.REVOKED, Cause.WRONG_METHOD]


def test_a_cause_is_named_once() -> None:
    wanted = Answer(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")

    assert causes(seen(wanted, app=replace(APP, dpop_bound=True), slots=(slot(likeness=Likeness()),))) == [Cause.DPOP]


def test_a_doubt_stands_beside_a_cause_unless_it_is_about_it() -> None:
    beside = diagnose(outside(asked=replace(ASKED, issuer=f"{ISSUER}/")))
    about = diagnose(outside(GENERIC, app=replace(APP, auth_method=AuthMethod.NONE), sight=Sight.SEEN))

    assert ([each.cause for each in beside.findings], bool(beside.doubts)) == ([Cause.TRAILING_SLASH], True)
    assert ([each.cause for each in about.findings], about.doubts) == ([Cause.PUBLIC_CLIENT], ())


# --- The secret -----------------------------------------------------------------------------------------------


def test_an_active_secret_that_is_refused_is_not_explained_away() -> None:
    assert possible(diagnose(seen(slots=(slot(likeness=Likeness()),)))) == (Cause.OUT_OF_ORDER,)


@pytest.mark.parametrize(("age", "found"), [(timedelta(minutes=14), [Cause.NOT_YET]), (timedelta(minutes=16), [])])
def test_a_new_secret_has_a_quarter_of_an_hour_to_get_known(age: timedelta, found: list[Cause]) -> None:
    assert causes(seen(slots=(slot(likeness=Likeness(), age=age),))) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({"log": LOG}, [Cause.NEVER_EXISTED], id="no deletion in all its life"),
        pytest.param({"log": None}, [], id="without the log"),
        pytest.param({"log": replace(LOG, whole=False)}, [], id="the log was not read whole"),
        pytest.param({"log": replace(LOG, since=NOW - DAY)}, [], id="the app is older than what was read"),
        pytest.param({"log": LOG, "app": replace(APP, created=None)}, [], id="nobody knows how old the app is"),
        pytest.param({"log": replace(LOG, deletions=1)}, [], id="a deletion that may have been this one"),
        pytest.param(
            {"log": replace(LOG, deletions=1, comparable=True)}, [Cause.NEVER_EXISTED], id="a deletion of another"
        ),
        pytest.param({"log": replace(LOG, deletions=1, deleted=True)}, [Cause.DELETED], id="its deletion"),
        pytest.param({"log": replace(LOG, used_by=frozenset({"0oaB"}))}, [Cause.ANOTHER_APPS], id="another's"),
        pytest.param({"log": None, "shape": Shape(impossible=True)}, [Cause.NEVER_EXISTED], id="it cannot be one"),
        pytest.param({"log": LOG, "values_hidden": True}, [], id="hidden values that fit nothing"),
    ],
)
def test_what_is_said_of_a_secret_that_okta_does_not_list(changes: dict[str, Any], found: list[Cause]) -> None:
    diagnosis = diagnose(seen(**changes))

    assert [finding.cause for finding in diagnosis.findings] == found
    assert bool(diagnosis.doubts) is not bool(found)


def test_what_we_made_or_our_record_names_was_deleted() -> None:
    made = VaultSide(1, (Version(1, same=True, holds=None),), client_id=CLIENT, made=True)
    named = VaultSide(1, (Version(1, same=True, holds=None, names=SecretId("ocs9")),), client_id=CLIENT)

    assert causes(seen(vault=made)) == causes(seen(vault=named)) == [Cause.DELETED]


def test_a_record_that_names_a_listed_secret_tells_nothing() -> None:
    """People copy records: the id stays, and the value is another."""
    copied = VaultSide(1, (Version(1, same=True, holds=None, names=SecretId("ocs1")),), client_id=CLIENT)

    assert causes(seen(vault=copied)) == []


def test_a_hidden_value_can_be_compared_once_one_hash_fits() -> None:
    other = VaultSide(2, (Version(1, same=False, holds=SecretId("ocs1")), Version(2, same=True, holds=None)))

    assert possible(diagnose(seen(values_hidden=True)))[0] is Cause.REVOKED
    assert possible(diagnose(seen(values_hidden=True, vault=other)))[0] is Cause.DELETED


def test_without_the_management_api_a_wrong_secret_may_be_any() -> None:
    assert set(possible(diagnose(outside()))) >= {Cause.REVOKED, Cause.DELETED, Cause.ANOTHER_APPS, Cause.QUOTES}


@pytest.mark.parametrize(
    ("changes", "because", "settle"),
    [
        pytest.param({}, "from outside", "--config", id="no org of ours"),
        pytest.param({"sight": Sight.UNSEEN}, "does not show us the app", "resource set", id="out of sight"),
        pytest.param({"okta_said": "okta acme: 403"}, "okta acme: 403", "our own access", id="refused"),
        pytest.param(
            {"sight": Sight.SEEN, "slots": (slot(),), "values_hidden": True}, "hides", "permission", id="hidden"
        ),
        pytest.param({"captured": Captured()}, "from outside", "rotator doctor TARGET", id="captured"),
    ],
)
def test_a_doubt_says_what_is_missing_and_what_would_settle_it(
    changes: dict[str, Any], because: str, settle: str
) -> None:
    (doubt,) = diagnose(outside(**changes)).doubts

    assert because in doubt.why
    assert settle in doubt.settle


@pytest.mark.parametrize(
    ("changes", "settle"),
    [
        ({"log_refused": "403"}, "Let our role read the System Log (`okta.logs.read`, Report Administrator): 403."),
        (
            {"log": replace(LOG, whole=False)},
            "The System Log does not tell: it goes back 90 days. Ask who put the value there."
            " `vault kv metadata get -mount=kv billing/okta` tells when it was written.",
        ),
        (
            {"log": replace(LOG, whole=False), "subject": replace(SUBJECT, path=None)},
            "The System Log does not tell: it goes back 90 days. Ask who put the value there.",
        ),
    ],
    ids=["a log that may not be read", "a log that does not tell", "no path"],
)
def test_what_would_tell_of_the_past(changes: dict[str, Any], settle: str) -> None:
    (doubt,) = diagnose(seen(**changes)).doubts

    assert doubt.settle == settle


@pytest.mark.parametrize(
    ("changes", "where", "mends"),
    [
        pytest.param({}, "`client_id` of kv/billing/okta is", "vault kv patch -mount=kv billing/okta", id="in Vault"),
        pytest.param(
            {"subject": replace(SUBJECT, options=(("--client-id", "0oa3example3example3"),))},
            "--client-id is",
            "rotator doctor",
            id="as it was typed",
        ),
        pytest.param(
            {"subject": replace(SUBJECT, path=None)}, "--client-id is", "rotator doctor", id="where there is no path"
        ),
    ],
)
def test_where_a_client_id_is_wrong_is_told(changes: dict[str, Any], where: str, mends: str) -> None:
    typed = replace(ASKED, client_id="0oa3example3example3")

    (found, *_) = diagnose(seen(UNKNOWN, asked=typed, **changes)).findings

    assert found.cause is Cause.WRONG_CLIENT_ID
    assert found.evidence == f"{where} 0oa3example3example3; the client id of {CLIENT} is {CLIENT}"
    assert found.command.startswith(mends)
    assert CLIENT in found.command


@pytest.mark.parametrize(
    ("client_id", "shown"),
    [
        ("0oa3example3example3", "0oa3example3example3"),
        (" 0oa3example3example3\n", "0oa3example3example3 with white space around it"),
        ("  ", "nobody"),
        (VALUE.reveal(), "one that does not look like a client id, and is not shown"),
    ],
    ids=["plain", "spaces", "empty", "none"],
)
def test_a_client_id_is_shown_as_far_as_it_may_be(client_id: str, shown: str) -> None:
    (found, *_) = diagnose(seen(UNKNOWN, asked=replace(ASKED, client_id=client_id))).findings

    assert f"is {shown}; the client id" in found.evidence


def test_what_a_value_looks_like_is_likeliest() -> None:
    assert possible(diagnose(outside(shape=Shape(quoted=True))))[0] is Cause.QUOTES
    assert possible(diagnose(outside(shape=Shape(edges=True))))[0] is Cause.SPACES


def test_an_escaped_value_that_nobody_captured_in_a_header_is_an_encoded_one() -> None:
    assert possible(diagnose(outside(shape=Shape(escapes=True))))[0] is Cause.ENCODED


@pytest.mark.parametrize(
    ("others", "remedy"),
    [
        pytest.param(
            (slot(age=5 * DAY, name="on"), slot(active=False, age=DAY, name="off")),
            "Give the application ocson, which is ACTIVE: Okta admin console, Applications,"
            f" Billing ({CLIENT}), General, Client Credentials.",
            id="one that is active, although another one is newer",
        ),
        pytest.param(
            (),
            f"Make a new one: Okta admin console, Applications, Billing ({CLIENT}), General, Client Credentials,"
            " and give it to the application.",
            id="a new one where none is active",
        ),
    ],
)
def test_an_application_with_a_revoked_secret_in_a_file_is_given(others: tuple[Slot, ...], remedy: str) -> None:
    revoked = slot(active=False, likeness=Likeness())
    (found,) = diagnose(seen(slots=(revoked, *others), subject=replace(SUBJECT, secret_file="f"))).findings

    assert (found.cause, found.remedy, found.command) == (Cause.REVOKED, remedy, "")


def test_a_secret_of_the_app_is_no_disguise_of_its_other_one() -> None:
    slots = (slot(likeness=Likeness()), slot(likeness=Likeness(Disguise.QUOTES), name="2"))

    assert causes(seen(slots=slots)) == []
    assert causes(seen(GENERIC, slots=slots, asked=replace(ASKED, method=AuthMethod.POST))) == [Cause.WRONG_METHOD]


def test_what_okta_has_taken_needs_no_line_end_taken_off() -> None:
    assert causes(seen(slots=None, shape=Shape(newline=True))) == [Cause.NEWLINE]
    assert causes(seen(TOKEN, slots=None, shape=Shape(newline=True))) == []


def test_under_its_quotes_it_is_known_although_okta_hides_the_values() -> None:
    slots = (slot(likeness=Likeness(Disguise.QUOTES)), slot(name="2"))

    assert causes(seen(slots=slots, values_hidden=True)) == [Cause.QUOTES]


def test_a_disguise_of_an_active_secret_comes_before_one_of_another() -> None:
    worn = Likeness(Disguise.QUOTES)
    slots = (slot(active=False, likeness=worn, name="off"), slot(likeness=worn, name="on"))

    assert "ocson, ACTIVE, with quotes around it" in diagnose(seen(slots=slots)).findings[0].evidence


def test_a_secret_in_place_of_an_older_one_is_only_about_the_file() -> None:
    """What Vault itself holds is never an older version: a rollback made it the latest."""
    rolled = VaultSide(3, (Version(1, same=True, holds=None), Version(3, same=True, holds=None)), client_id=CLIENT)
    held = VaultSide(3, (Version(1, same=True, holds=None), Version(3, same=False, holds=None)), client_id=CLIENT)
    off = (slot(active=False, likeness=Likeness()),)

    assert causes(seen(vault=rolled, slots=off)) == [Cause.REVOKED]
    assert causes(seen(vault=held, slots=off, subject=replace(SUBJECT, secret_file="f"))) == [Cause.OLDER_VERSION]


# --- The client and its server ------------------------------------------------------------------------------------


def test_an_unknown_client_whose_app_is_active_here_is_a_doubt() -> None:
    assert possible(diagnose(seen(UNKNOWN, slots=(slot(likeness=Likeness()),)))) == (
        Cause.OTHER_ORG,
        Cause.OUT_OF_ORDER,
    )


def test_an_unknown_client_of_an_app_that_is_off_is_that() -> None:
    off = seen(UNKNOWN, app=replace(APP, status="INACTIVE"), slots=(slot(likeness=Likeness()),))

    assert (causes(off), diagnose(off).doubts) == ([Cause.APP_INACTIVE], ())


def test_a_custom_domain_that_its_document_names_is_none_mixed_up() -> None:
    domain = "https://id.acme.example/oauth2/default"
    asked = replace(ASKED, issuer=domain)
    same, mixed = Document(domain, 200, json=True, issuer=domain), Document(domain, 200, json=True, issuer=ISSUER)

    assert causes(outside(TOKEN, asked=asked, document=same)) == []
    assert causes(outside(TOKEN, asked=asked, document=mixed)) == [Cause.CUSTOM_DOMAIN]


def test_an_address_that_knows_the_client_is_no_other_org() -> None:
    """A custom domain, which the configuration does not have."""
    asked = replace(ASKED, issuer="https://id.acme.example/oauth2/default")
    active, off = (slot(likeness=Likeness()),), (slot(active=False, likeness=Likeness()),)

    assert possible(diagnose(seen(asked=asked, slots=active))) == (Cause.OUT_OF_ORDER,)
    assert causes(seen(asked=asked, slots=off)) == [Cause.REVOKED]
    assert causes(seen(UNKNOWN, asked=asked, slots=active)) == [Cause.OTHER_ORG]


def test_no_command_sends_the_secret_where_only_a_server_says() -> None:
    domain, asked = "https://id.acme.example/oauth2/default", replace(ASKED, issuer=f"{ISSUER}/")
    strange = Document(ISSUER, 200, json=True, issuer=domain)
    ours = Document(domain, 200, json=True, issuer=ISSUER)

    assert domain not in " ".join(
        each.command for each in diagnose(seen(TOKEN, asked=asked, document=strange)).findings
    )
    assert command(seen(TOKEN, asked=replace(ASKED, issuer=domain), document=ours)).endswith(f"--issuer {ISSUER}")


def test_an_app_that_is_no_oauth_client_is_the_wrong_one() -> None:
    saml = replace(APP, sign_on_mode="SAML_2_0", auth_method=AuthMethod.OTHER)

    assert causes(seen(None, app=saml, slots=None)) == [Cause.WRONG_CLIENT_ID]


def test_an_app_whose_method_nobody_knows_is_a_doubt() -> None:
    unsent = "nothing was sent: the app authenticates by other"
    odd = diagnose(seen(None, app=replace(APP, auth_method=AuthMethod.OTHER), slots=None, unsent=unsent))

    assert (odd.result, [each.why for each in odd.doubts]) == (Result.CANNOT_TELL, [unsent])


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x-rate-limit-limit": "100", "x-rate-limit-reset": "1795435200"}, "the window ends at 12:00:00 UTC"),
        ({"x-rate-limit-limit": "0", "x-rate-limit-reset": "1795435200"}, "too many requests at the same time"),
        ({"x-rate-limit-reset": "soon"}, "429 E0000047"),
    ],
)
def test_a_limit_is_told_with_its_end(headers: dict[str, str], says: str) -> None:
    (found,) = diagnose(outside(Answer(429, "E0000047", headers=headers))).findings

    assert found.evidence.endswith(says)


def test_a_secret_from_stdin_has_no_file_to_be_mended() -> None:
    held = VaultSide(2, (Version(1, same=True, holds=None), Version(2, same=False, holds=None)), client_id=CLIENT)
    stdin = replace(SUBJECT, secret_file="-")

    assert command(seen(vault=held, subject=stdin)) == ""
    assert command(seen(slots=None, subject=stdin, shape=Shape(newline=True))) == ""
    assert "from stdin" in diagnose(seen(vault=held, subject=stdin)).findings[0].evidence


def test_two_addresses_of_one_server_are_no_different_servers() -> None:
    domain = "https://id.acme.example/oauth2/default"
    authorize = {"authorize_url": f"{domain}/v1/authorize", "authorize": Document(domain, 200, True, ISSUER)}

    assert causes(seen(TOKEN, **authorize)) == []
    assert causes(seen(TOKEN, **authorize | {"authorize": Document(domain, 200, True, domain)})) == [
        Cause.DIFFERENT_SERVERS
    ]


def test_the_orgs_own_server_is_wrong_for_a_secret_whatever_okta_says_first() -> None:
    at_org = seen(asked=replace(ASKED, issuer=ORG), document=None, slots=(slot(active=False, likeness=Likeness()),))

    assert causes(at_org) == [Cause.ORG_SERVER, Cause.REVOKED]


def test_introspection_at_the_orgs_own_server_is_fine() -> None:
    asked = replace(ASKED, issuer=ORG, grant=INTROSPECTION)

    assert causes(seen(Answer(200, introspected=True), asked=asked, document=None)) == []


# --- The request --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        pytest.param(GENERIC, True, id="the general words"),
        pytest.param(UNKNOWN, True, id="refused before the method"),
        pytest.param(WRONG_SECRET, False, id="Okta has gone on to the secret"),
        pytest.param(TOKEN, False, id="Okta does not mind"),
    ],
)
def test_another_method_is_the_cause_unless_okta_went_past_it(answer: Answer, named: bool) -> None:
    asked = replace(ASKED, method=AuthMethod.POST)

    assert (Cause.WRONG_METHOD in causes(seen(answer, asked=asked, slots=(slot(likeness=Likeness()),)))) is named


def captured(answer: Answer, **request: Any) -> Evidence:
    return outside(answer, asked=None, document=None, captured=Captured(**request))


def test_a_captured_request_is_judged_by_itself_too() -> None:
    """Whatever the answer says: it may be of a proxy, or a limit."""
    limit = Answer(429)

    assert causes(captured(limit, basic=BasicHeader(readable=False, why="no colon"))) == [
        Cause.MALFORMED_BASIC,
        Cause.RATE_LIMIT,
    ]
    assert causes(captured(limit, secret_in_query=True)) == [Cause.IN_QUERY, Cause.RATE_LIMIT]
    assert causes(captured(limit, methods=2)) == [Cause.TWO_METHODS, Cause.RATE_LIMIT]


def test_a_captured_request_that_okta_took_is_fine() -> None:
    odd = BasicHeader(readable=True, secret=Shape(quoted=True, escapes=True))

    assert diagnose(captured(TOKEN, basic=odd, path="/oauth2//v1/token")).result is Result.NOTHING_WRONG


def test_a_path_that_there_is_not_may_be_two_things() -> None:
    nowhere = Answer(404, "E0000008", "The requested path was not found")

    assert possible(diagnose(captured(nowhere, path="/oauth2/v2/token")))[0] is Cause.TRAILING_SLASH
    assert causes(captured(nowhere, path="/oauth2/default//v1/token")) == [Cause.TRAILING_SLASH]


def failed(reason: str, *, minutes: int, who: str = "job", ours: bool = False, granted: bool = False) -> Trace:
    at = NOW - timedelta(minutes=minutes)
    return Trace(at, ours=ours, who=who, granted=granted, refused="" if granted else reason)


def with_failures(*traces: Trace) -> Evidence:
    log = log_side(Traces(traces, whole=True), VALUE, (), since=NOW - timedelta(hours=1))
    return seen(TOKEN, slots=None, log=log)


def test_others_who_are_refused_are_told_although_we_are_not() -> None:
    method = "invalid_token_endpoint_auth_method"
    said = diagnose(with_failures(failed(method, minutes=9), failed(method, minutes=5)))

    assert [each.cause for each in said.findings] == [Cause.WRONG_METHOD]
    assert "2 within the hour" in said.findings[0].evidence
    assert "the last at 11:55 UTC" in said.findings[0].evidence


def test_others_who_are_refused_for_what_okta_names_are_told_with_the_remedy() -> None:
    (found,) = diagnose(with_failures(failed("no_matching_policy", minutes=5))).findings

    assert found.cause is Cause.POLICY
    assert "the System Log has others that were: 1 within the hour, `no_matching_policy`" in found.evidence
    assert "an access policy of the server" in found.remedy


def test_others_with_another_secret_are_a_doubt() -> None:
    assert diagnose(with_failures(failed("invalid_client_secret", minutes=5))).result is Result.CANNOT_TELL


@pytest.mark.parametrize(
    "traces",
    [
        pytest.param([failed("invalid_client_secret", minutes=5, ours=True)], id="ours"),
        pytest.param([failed("", minutes=1, granted=True), failed("invalid_client_secret", minutes=5)], id="mended"),
        pytest.param([failed("no_reason_that_is_known", minutes=5)], id="of no known meaning"),
    ],
)
def test_a_refusal_that_does_not_matter_is_not_told(traces: list[Trace]) -> None:
    assert diagnose(with_failures(*traces)).result is Result.NOTHING_WRONG


def test_one_who_is_granted_a_token_mends_nobody_else() -> None:
    mended = failed("", minutes=1, granted=True, who="portal")

    assert diagnose(with_failures(mended, failed("invalid_client_secret", minutes=5))).doubts


# --- Commands -------------------------------------------------------------------------------------------------


def test_a_command_is_safe_in_a_shell() -> None:
    target = "bill; rm -rf $HOME"
    subject = replace(SUBJECT, target=target)

    assert shlex.split(command(seen(subject=subject, slots=(slot(active=False, likeness=Likeness()),)))) == [
        *("rotator", "rotate", target)
    ]


def test_what_passes_by_itself_is_asked_again_by_whoever_asked_and_nothing_else_is() -> None:
    limit = Answer(429, "E0000047")

    assert command(outside(limit)) == "rotator doctor"
    assert command(captured(limit)) == ""
    assert command(outside(Answer(400, "invalid_scope", "One or more scopes are not configured"))) == ""


def test_no_other_issuer_is_named_where_the_right_org_was_asked() -> None:
    page = Document(ISSUER, 200, json=False)
    elsewhere = replace(page, address="https://proxy.example/oauth2/default")

    assert command(seen(None, document=page, asked=ASKED)) == ""
    assert (
        command(seen(None, document=elsewhere, asked=replace(ASKED, issuer=elsewhere.address)))
        == f"rotator doctor billing --issuer {ISSUER}"
    )


def test_a_client_id_that_may_be_the_secret_is_not_shown() -> None:
    options = (("--client-id", VALUE.reveal()), ("--issuer", f"{ISSUER}/"))
    evidence = outside(
        asked=replace(ASKED, client_id=VALUE.reveal(), issuer=f"{ISSUER}/"), subject=Subject("x", options=options)
    )
    known = seen(UNKNOWN, asked=replace(ASKED, client_id=VALUE.reveal()))

    assert "--client-id ID" in command(evidence)
    assert VALUE.reveal() not in repr(diagnose(evidence)) + repr(diagnose(known))


def test_what_was_typed_is_typed_again_with_what_mends_it() -> None:
    subject = replace(SUBJECT, options=(("--auth-method", "client_secret_post"), ("--scope", "a b")))
    evidence = seen(GENERIC, subject=subject, asked=replace(ASKED, method=AuthMethod.POST))
    (found,) = [each for each in diagnose(evidence).findings if each.cause is Cause.WRONG_METHOD]

    assert found.command == "rotator doctor billing --auth-method client_secret_basic --scope 'a b'"


# --- What is asked --------------------------------------------------------------------------------------------


def complaint(**changes: Any) -> Complaint:
    return replace(Complaint(SUBJECT, ISSUER), **changes)


def test_the_request_is_that_of_the_app_unless_somebody_said_otherwise() -> None:
    nothing = Evidence(SUBJECT, NOW, app=replace(APP, auth_method=AuthMethod.POST))

    assert request_of(complaint(), nothing) == Asked(ISSUER, CLIENT, AuthMethod.POST)
    said = complaint(client_id="0oaX", method=AuthMethod.BASIC, grant="refresh_token", scope="s")
    assert request_of(said, nothing) == Asked(ISSUER, "0oaX", AuthMethod.BASIC, "refresh_token", "s")


@pytest.mark.parametrize(
    ("app", "issuer", "grant"),
    [
        pytest.param(APP, ISSUER, CLIENT_CREDENTIALS, id="an app that may, at a custom server"),
        pytest.param(None, ISSUER, CLIENT_CREDENTIALS, id="an app that is not known"),
        pytest.param(APP, ORG, INTROSPECTION, id="at the org's own server, which nobody named"),
        pytest.param(replace(APP, dpop_bound=True), ISSUER, INTROSPECTION, id="bound to DPoP"),
        pytest.param(replace(APP, grant_types=frozenset()), ISSUER, INTROSPECTION, id="an app that may not"),
    ],
)
def test_who_gets_no_token_alone_is_asked_about_by_introspection(app: App | None, issuer: str, grant: str) -> None:
    assert request_of(complaint(issuer=issuer), Evidence(SUBJECT, NOW, app=app)).grant == grant


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        pytest.param({}, True, id="usually"),
        pytest.param({"document": Document(ISSUER, 200, json=False)}, False, id="not where no Okta answers"),
        pytest.param({"document": Document(ISSUER, 404, True, error="E0000007")}, False, id="not where no server is"),
        pytest.param({"document": Document(ISSUER, lost="no answer")}, True, id="where only the document is missing"),
        pytest.param({"swapped": True}, False, id="not with the secret for a name"),
        pytest.param({"app": replace(APP, auth_method=AuthMethod.PRIVATE_KEY_JWT)}, False, id="not for a key"),
    ],
)
def test_a_secret_is_sent_only_where_that_tells_something(changes: dict[str, Any], sent: bool) -> None:
    assert (why_not_sent(ASKED, complaint(), seen(None, **changes)) == "") is sent


def test_nothing_is_sent_without_a_client_id_or_with_a_secret_too_short_to_sign() -> None:
    jwt = replace(ASKED, method=AuthMethod.SECRET_JWT)

    assert why_not_sent(replace(ASKED, client_id=""), complaint(), seen(None))
    assert why_not_sent(jwt, complaint(), seen(None, shape=Shape(too_short_for_jwt=True)))


def test_places_have_changed_only_if_the_secret_is_the_apps_id_and_the_id_is_not() -> None:
    as_id = SecretValue(CLIENT)

    assert have_changed_places(replace(ASKED, client_id="a-secret"), as_id, APP)
    assert have_changed_places(replace(ASKED, client_id="a-secret"), as_id, replace(APP, id=AppId("0oa9")))
    assert not have_changed_places(ASKED, as_id, APP)
    assert not have_changed_places(replace(ASKED, client_id="0oaX"), VALUE, APP)
    assert have_changed_places(replace(ASKED, client_id="a-secret"), as_id, None)


def test_other_issuers_are_looked_for_only_where_this_one_gives_no_token() -> None:
    assert other_issuers(complaint(), DOCUMENT) == []
    assert other_issuers(complaint(), replace(DOCUMENT, address=f"{ORG}/oauth2/billing")) == []
    assert other_issuers(complaint(), Document(ORG, 200, True, ORG)) == [ISSUER]
    gone = Document(f"{ORG}/oauth2/nope", 404, True)
    assert other_issuers(complaint(subject=replace(SUBJECT, server="billing")), gone) == [
        f"{ORG}/oauth2/billing",
        ISSUER,
    ]


@pytest.mark.parametrize(
    ("url", "server", "issuer"),
    [
        ("https://acme.okta.com", None, "https://acme.okta.com"),
        ("https://acme.okta.com/oauth2/v1/token", None, "https://acme.okta.com"),
        ("https://acme.okta.com/oauth2/default", "default", "https://acme.okta.com/oauth2/default"),
        ("https://acme.okta.com/oauth2/aus1/v1/authorize?x=1", "aus1", "https://acme.okta.com/oauth2/aus1"),
    ],
)
def test_an_endpoint_belongs_to_an_issuer(url: str, server: str | None, issuer: str) -> None:
    assert (server_of(url), issuer_of(url)) == (server, issuer)


# --- Values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worn", "disguise"),
    [
        (f"{VALUE.reveal()}\n", Disguise.NEWLINE),
        (f"{VALUE.reveal()}\r\n", Disguise.NEWLINE),
        (f"{VALUE.reveal()}\\n", Disguise.NEWLINE),
        (f"  {VALUE.reveal()}", Disguise.SPACES),
        (f"\N{ZERO WIDTH NO-BREAK SPACE}{VALUE.reveal()}", Disguise.SPACES),
        (f'"{VALUE.reveal()}"', Disguise.QUOTES),
        (f"'{VALUE.reveal()}'\n", Disguise.QUOTES),
        (VALUE.reveal().replace("_", "%5F"), Disguise.PERCENT),
        ("U29tZS1zZWNyZXRfMDEyMzQ1Njc4OTAxMjM0NTY3ODk=", Disguise.BASE64),
        ("U29tZS1zZWNyZXRfMDEyMzQ1Njc4OTAxMjM0NTY3ODkK", Disguise.BASE64),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_value_is_told_from_what_it_wears(worn: str, disguise: Disguise, hidden: bool) -> None:
    held = OktaSecret(SecretId("ocs1"), SecretStatus.ACTIVE, NOW, NOW, VALUE.hash, None if hidden else VALUE)

    likeness = slot_of(held, SecretValue(worn)).likeness

    assert likeness == Likeness(disguise)


def test_a_value_is_first_of_all_itself() -> None:
    quoted = SecretValue('"a value with quotes of its own"')
    held = OktaSecret(SecretId("ocs1"), SecretStatus.ACTIVE, NOW, NOW, quoted.hash, quoted)

    assert slot_of(held, quoted).likeness == Likeness()
    assert slot_of(held, SecretValue("quite another value")).likeness is None


def test_a_plain_value_wears_nothing() -> None:
    assert undisguised(SecretValue("plain-value_of-letters")) == ()


def test_under_quotes_lies_what_is_between_them_with_and_without_white_space() -> None:
    found = [(disguise, value.reveal()) for disguise, value in undisguised(SecretValue('" abc-def "'))]

    assert found == [(Disguise.QUOTES, " abc-def "), (Disguise.QUOTES, "abc-def")]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("with\ncontrol characters", "newline"),
        (" a space before it", "edges"),
        ("'in quotes'", "quoted"),
        ("fifty%20percent", "escapes"),
        ("one plus + one", "special"),
        ("too short", "impossible"),
        ("x" * 101, "impossible"),
        ("not ascii: übermäßig", "impossible"),
        ("x" * 31, "too_short_for_jwt"),
        (CLIENT, "like_a_client_id"),
    ],
)
def test_what_can_be_said_of_a_value(text: str, claim: str) -> None:
    assert getattr(shape_of(text), claim)
    assert not getattr(shape_of(VALUE.reveal()), claim)


# --- Signs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        pytest.param(Answer(429, "invalid_client", "The client secret supplied"), Sign.LIMIT, id="the status first"),
        pytest.param(Answer(500, "invalid_client"), Sign.AILING, id="a failure, whatever it says"),
        pytest.param(Answer(401, "access_denied"), Sign.POLICY, id="a 401 that is no bad secret"),
        pytest.param(Answer(403, "access_denied"), Sign.ZONE, id="a zone"),
        pytest.param(Answer(401, "invalid_client", "Nope"), Sign.VAGUE, id="words that nobody has seen"),
        pytest.param(Answer(404, "E0000007"), Sign.NO_SERVER, id="no server"),
        pytest.param(Answer(404, json=False), Sign.NOT_OKTA, id="a page that is missing"),
        pytest.param(Answer(200, json=False), Sign.NOT_OKTA, id="a page"),
        pytest.param(Answer(302), Sign.NOT_OKTA, id="a redirect"),
        pytest.param(Answer(lost="closed"), Sign.SILENT, id="nothing"),
        pytest.param(Answer(None, "E0000047"), Sign.LIMIT, id="a body without its status"),
        pytest.param(Answer(499, "invalid_client"), Sign.VAGUE, id="no failure of the server"),
        pytest.param(Answer(400, description="API Rate Limit exceeded"), Sign.LIMIT, id="a limit by its words"),
        pytest.param(Answer(299), Sign.OTHER, id="no redirect yet"),
        pytest.param(Answer(300), Sign.NOT_OKTA, id="the first of the redirects"),
        pytest.param(Answer(399), Sign.NOT_OKTA, id="the last of them"),
        pytest.param(Answer(400), Sign.OTHER, id="no redirect any more"),
        pytest.param(Answer(200), Sign.NOT_OKTA, id="json of somebody else's"),
        pytest.param(Answer(404), Sign.NOT_OKTA, id="and a 404 of theirs"),
        pytest.param(Answer(200, introspected=True), Sign.AUTHENTICATED, id="an introspection"),
        pytest.param(Answer(401, "access_denied", "outside the Network Zone"), Sign.ZONE, id="a zone by its words"),
        pytest.param(
            Answer(400, "unsupported_grant_type", "Use a Custom Authorization Server."),
            Sign.ORG_SERVER,
            id="org server",
        ),
        pytest.param(Answer(400, "unsupported_grant_type", "Not this one."), Sign.GRANT, id="a grant"),
        pytest.param(
            Answer(400, "unauthorized_client", "Use a Custom Authorization Server."), Sign.GRANT, id="a client's grant"
        ),
        pytest.param(
            Answer(400, "invalid_request", "Cannot supply multiple client credentials."),
            Sign.TWO_METHODS,
            id="two ways",
        ),
        pytest.param(Answer(400, "invalid_request", "Nope"), Sign.OTHER, id="a request in other words"),
        pytest.param(Answer(400, "teapot"), Sign.OTHER, id="an error that nobody knows"),
    ],
)
def test_what_an_answer_says(answer: Answer, sign: Sign) -> None:
    assert sign_of(answer) is sign
