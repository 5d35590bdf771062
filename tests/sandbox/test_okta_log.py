"""The System Log: what is written, and how it is read (contracts: Okta 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.sandbox.okta_state import OktaApp, secret_hash

from .okta_client import BASE, Answer, OktaClient, basic, org
from .okta_keys import KEY, Signer

if TYPE_CHECKING:
    from rotator.sandbox.okta_log import Event

LOGS = "/api/v1/logs"
SECRET = "the-secret-of-the-app-0123456789abcdef"
CUSTOM = "/oauth2/default/v1/token"
LIFECYCLE = "app.oauth2.credentials.lifecycle"


def kinds(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [event["eventType"] for event in answer.document]


def labels(answer: Answer) -> list[str]:
    """Return whom each event was about."""
    return [event["target"][0]["displayName"] for event in answer.document]


def world(**settings: Any) -> tuple[OktaClient, OktaApp]:
    okta, admin = org(**settings)
    okta.add_authorization_server()
    return admin, okta.add_app("Billing", client_id="billing-client", secrets=[SECRET])


def ask(admin: OktaClient, app: OktaApp, secret: str = SECRET, at: str = CUSTOM) -> Answer:
    return admin.form(at, basic(app.client_id, secret), grant_type="client_credentials", scope="app.read")


def only(admin: OktaClient, kind: str) -> Event:
    (event,) = admin.okta.log.events(kind)
    return event


# --- What is written --------------------------------------------------------------------------------------


def test_the_life_of_a_secret_is_written_down() -> None:
    admin, app = world()
    path = f"/api/v1/apps/{app.id}/credentials/secrets"
    made = admin.post(path).document["id"]
    admin.post(f"{path}/{made}/lifecycle/deactivate")
    admin.post(f"{path}/{made}/lifecycle/activate")
    admin.post(f"{path}/{made}/lifecycle/deactivate")
    admin.delete(f"{path}/{made}")

    steps = [event.kind.rpartition(".")[2] for event in admin.okta.log.events()]

    assert steps == ["create", "deactivate", "activate", "deactivate", "delete"]


def test_a_refused_change_is_not_written_down() -> None:
    admin, app = world()

    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets/{app.secrets[0].id}/lifecycle/deactivate")
    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets/{app.secrets[0].id}/lifecycle/activate")

    assert admin.okta.log.events() == []


def test_a_secret_s_event_names_its_hash_and_its_client() -> None:
    admin, app = world()
    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets", {"client_secret": "a-new-value-of-ours"})

    (target,) = only(admin, f"{LIFECYCLE}.create").document()["target"]

    assert (target["id"], target["type"], target["alternateId"]) == (app.id, "PublicClientApp", "billing-client")
    detail = target["detailEntry"]
    assert detail["ClientCredentialsType"] == "secret"
    assert detail["ClientSecret"] == secret_hash("a-new-value-of-ours")
    assert (detail["ClientId"], detail["ClientName"], detail["Status"]) == ("billing-client", "Billing", "ACTIVE")
    assert "a-new-value-of-ours" not in str(detail)


def test_details_may_be_written_in_lower_case() -> None:
    admin, app = world(log_detail_keys="lower")
    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets")

    (target,) = only(admin, f"{LIFECYCLE}.create").document()["target"]

    assert target["detailEntry"]["clientcredentialstype"] == "secret"


def test_each_reading_of_secrets_is_written_down() -> None:
    admin, app = world()
    path = f"/api/v1/apps/{app.id}/credentials/secrets"
    empty = admin.okta.add_app("Empty", secrets=[])

    admin.get(path)
    admin.get(f"{path}/{app.secrets[0].id}")
    admin.get(f"/api/v1/apps/{empty.id}/credentials/secrets")
    admin.get(f"/api/v1/apps/{app.id}")

    events = admin.okta.log.events()
    assert [event.kind for event in events] == ["app.oauth2.client.read_client_secret"] * 2
    assert {event.targets[0].id for event in events} == {app.id}


def test_the_administrator_of_an_api_token_is_a_user() -> None:
    admin, app = world()
    admin.user_agent = "rotator/1.0"
    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets")

    document = only(admin, f"{LIFECYCLE}.create").document()

    assert document["actor"]["type"] == "User"
    assert document["actor"]["id"].startswith("00u")
    assert document["client"]["userAgent"]["rawUserAgent"] == "rotator/1.0"


def test_a_service_app_acts_as_itself() -> None:
    admin, app = world()
    okta = admin.okta
    service = okta.add_service_app(KEY.public, scopes=["okta.apps.manage"])
    assertion = Signer(KEY, okta).assertion(service.client_id, "/oauth2/v1/token")
    fields = {"grant_type": "client_credentials", "scope": "okta.apps.manage"}
    token = admin.form("/oauth2/v1/token", **fields, **assertion).document["access_token"]

    OktaClient(okta, f"Bearer {token}").post(f"/api/v1/apps/{app.id}/credentials/secrets")

    actor = only(admin, f"{LIFECYCLE}.create").document()["actor"]
    assert (actor["id"], actor["type"], actor["alternateId"]) == (service.id, "PublicClientApp", service.client_id)


def test_a_person_at_the_console_is_somebody_else() -> None:
    admin, app = world()
    admin.post(f"/api/v1/apps/{app.id}/credentials/secrets")

    admin.okta.revoke(app, app.secrets[0].id)

    ours, theirs = admin.okta.log.events()
    assert theirs.kind == f"{LIFECYCLE}.deactivate"
    assert theirs.origin.actor.id != ours.origin.actor.id
    assert theirs.origin.user_agent.startswith("Mozilla")


def test_an_app_s_life_is_written_down_for_the_app_and_its_client() -> None:
    admin, app = world()

    admin.post(f"/api/v1/apps/{app.id}/lifecycle/deactivate")
    admin.delete(f"/api/v1/apps/{app.id}")

    assert [event.kind for event in admin.okta.log.events()] == [
        "application.lifecycle.deactivate",
        "app.oauth2.client.lifecycle.deactivate",
        "application.lifecycle.delete",
        "app.oauth2.client.lifecycle.delete",
    ]


def test_a_granted_token_names_the_secret_by_its_hash() -> None:
    admin, app = world()
    ask(admin, app)

    document = only(admin, "app.oauth2.as.token.grant.access_token").document()

    actor = document["actor"]
    assert (actor["id"], actor["type"], actor["alternateId"]) == (app.id, "PublicClientApp", "billing-client")
    assert document["outcome"] == {"result": "SUCCESS", "reason": None}
    debug = document["debugContext"]["debugData"]
    assert debug["clientSecret"] == secret_hash(SECRET)
    assert (debug["clientAuthType"], debug["grantType"]) == ("client_secret_basic", "client_credentials")
    assert (debug["requestedScopes"], debug["grantedScopes"]) == ("app.read", "app.read")
    assert (debug["requestUri"], debug["url"]) == (CUSTOM, f"{CUSTOM}?")
    assert document["target"][0]["type"] == "access_token"
    assert document["legacyEventType"] == "app.oauth2.as.token.grant.access_token_success"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param("same", secret_hash(SECRET), id="the API's hash"),
        pytest.param("different", secret_hash(f"log:{SECRET}"), id="another one"),
        pytest.param("absent", None, id="nothing"),
    ],
)
def test_the_log_may_name_a_secret_otherwise(how: str, expected: str | None) -> None:
    admin, app = world(log_hash=how)
    ask(admin, app)
    admin.okta.add_secret_by_admin(app, SECRET)

    assert only(admin, "app.oauth2.as.token.grant.access_token").debug.get("clientSecret") == expected
    detail = only(admin, f"{LIFECYCLE}.create").targets[0].detail
    assert detail is not None
    assert detail.get("ClientSecret") == expected


def test_the_actor_of_a_token_may_be_its_client_id() -> None:
    admin, app = world(log_actor_id="client_id")
    ask(admin, app)

    assert only(admin, "app.oauth2.as.token.grant.access_token").origin.actor.id == "billing-client"


def test_a_refused_token_says_why_and_may_not_say_by_which_secret() -> None:
    admin, app = world()
    ask(admin, app, "wrong-secret")

    event = only(admin, "app.oauth2.as.token.grant")

    assert (event.result, event.reason) == ("FAILURE", "invalid_client_secret")
    assert event.origin.actor.id == app.id
    assert "clientSecret" not in event.debug


def test_a_refused_token_may_say_by_which_secret() -> None:
    admin, app = world(log_refused="hash")
    ask(admin, app, "wrong-secret")

    assert only(admin, "app.oauth2.as.token.grant").debug["clientSecret"] == secret_hash("wrong-secret")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"scope": "unknown"}, "unknown_scopes", id="for its scope"),
        pytest.param({"grant_type": "urn:made:up"}, "unsupported_grant_type", id="for its grant"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="for a grant that nobody has"),
    ],
)
def test_a_token_refused_for_another_reason_says_that(fields: dict[str, str], reason: str) -> None:
    admin, app = world()
    usual = {"grant_type": "client_credentials", "scope": "app.read"} | fields
    admin.form(CUSTOM, basic(app.client_id, SECRET), **usual)

    assert only(admin, "app.oauth2.as.token.grant").reason == reason


def test_an_unknown_client_is_written_down_by_the_id_it_gave() -> None:
    admin, _ = world()
    admin.form(CUSTOM, basic("nobody", SECRET), grant_type="client_credentials")

    event = only(admin, "app.oauth2.as.token.grant")

    assert (event.origin.actor.id, event.reason) == ("nobody", "invalid_client_id")


def test_the_org_s_own_server_has_other_event_types() -> None:
    admin, app = world()
    ask(admin, app, at="/oauth2/v1/token")

    assert only(admin, "app.oauth2.token.grant").reason == "unsupported_auth_method_client_creds"


def test_a_question_for_a_nonce_is_a_challenge() -> None:
    okta, _ = org()
    okta.add_authorization_server()
    app = okta.add_app(secrets=[SECRET], dpop_bound=True)
    client = OktaClient(okta)

    headers = {**basic(app.client_id, SECRET), "dpop": Signer(KEY, okta).proof("POST", CUSTOM)}
    client.form(CUSTOM, headers, grant_type="client_credentials", scope="app.read")

    (event,) = okta.log.events("app.oauth2.as.token.grant")
    assert (event.result, event.reason) == ("CHALLENGE", "use_dpop_nonce")


def test_introspection_is_no_grant_and_leaves_no_trace() -> None:
    admin, app = world()

    admin.form("/oauth2/v1/introspect", basic(app.client_id, SECRET), token="x")
    admin.form("/oauth2/v1/introspect", basic(app.client_id, "wrong"), token="x")

    assert admin.okta.log.events() == []


def test_a_revoked_token_is_written_down_if_it_was_one() -> None:
    admin, app = world()
    token = ask(admin, app).document["access_token"]

    for _ in range(2):
        admin.form("/oauth2/default/v1/revoke", basic(app.client_id, SECRET), token=token)

    assert only(admin, "app.oauth2.as.token.revoke").origin.actor.id == app.id


WRONG = "app.oauth2.invalid_client_credentials"


def test_the_fifth_wrong_secret_within_a_day_is_a_warning() -> None:
    admin, app = world()
    counts = []
    for _ in range(6):
        ask(admin, app, "wrong-secret")
        counts.append(len(admin.okta.log.events(WRONG)))

    assert counts == [0, 0, 0, 0, 1, 1]
    document = only(admin, WRONG).document()
    assert (document["severity"], document["actor"]["id"]) == ("WARN", app.id)
    assert "wro*****" in document["debugContext"]["debugData"]["clientSecrets"]
    assert "wrong-secret" not in str(document)


def test_wrong_secrets_of_yesterday_do_not_count() -> None:
    admin, app = world()
    for _ in range(4):
        ask(admin, app, "wrong-secret")
    admin.okta.org.clock.advance(timedelta(hours=24))

    ask(admin, app, "wrong-secret")

    assert admin.okta.log.events(WRONG) == []


def test_wrong_secrets_are_counted_by_client() -> None:
    admin, app = world()
    other = admin.okta.add_app(secrets=[SECRET])

    for attempt in range(8):
        ask(admin, app if attempt % 2 else other, "wrong-secret")

    assert admin.okta.log.events(WRONG) == []


# --- How it is read ---------------------------------------------------------------------------------------


def chronicle(*, count: int = 5, **settings: Any) -> OktaClient:
    """Return an org with an event a minute about `app 0`, `app 1` and so on."""
    okta, admin = org(**settings)
    for number in range(count):
        okta.add_secret_by_admin(okta.add_app(f"app {number}"))
        okta.org.clock.advance(timedelta(minutes=1))
    return admin


SINCE, UNTIL = "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"


def test_a_bounded_query_ends() -> None:
    admin = chronicle()

    first = admin.get(LOGS, since=SINCE, until=UNTIL, limit="3")
    second = admin.follow(first.link("next"))

    assert labels(first) + labels(second) == [f"app {number}" for number in range(5)]
    assert second.link("next") is None
    assert (
        first.link("self")
        == f"{BASE}/api/v1/logs?since=2026-03-01T12%3A00%3A00Z&until=2026-03-01T13%3A00%3A00Z&limit=3"
    )


def test_a_bounded_query_has_both_bounds() -> None:
    admin = chronicle()

    answer = admin.get(LOGS, since="2026-03-01T12:01:00Z", until="2026-03-01T12:03:00Z")

    assert labels(answer) == ["app 1", "app 2"]


def test_later_pages_keep_the_lower_bound() -> None:
    admin = chronicle()

    first = admin.get(LOGS, since="2026-03-01T12:01:00Z", sortOrder="DESCENDING", limit="3")
    second = admin.follow(first.link("next"))

    assert labels(first) + labels(second) == ["app 4", "app 3", "app 2", "app 1"]
    assert second.link("next") is None


def test_the_next_link_carries_a_cursor_instead_of_since() -> None:
    admin = chronicle()

    link = admin.get(LOGS, since=SINCE, until=UNTIL, limit="3").link("next") or ""

    assert "after=" in link
    assert "since=" not in link


def test_the_newest_may_come_first() -> None:
    admin = chronicle()

    assert labels(admin.get(LOGS, sortOrder="DESCENDING", limit="2")) == ["app 4", "app 3"]


def test_polling_always_has_a_next_link() -> None:
    admin = chronicle()

    full = admin.get(LOGS, limit="5")
    empty = admin.follow(full.link("next"))
    again = admin.follow(empty.link("next"))

    assert (len(full.document), empty.document, again.document) == (5, [], [])
    assert again.link("next")


def test_polling_resumes_where_it_stopped() -> None:
    admin = chronicle()
    link = admin.get(LOGS, since="2026-03-01T12:03:00Z").link("next")

    admin.okta.add_secret_by_admin(admin.okta.add_app("new"))

    assert labels(admin.follow(link)) == ["new"]


def test_polling_page_by_page_misses_and_repeats_nothing() -> None:
    admin = chronicle(count=7)

    seen, link = [], f"{BASE}{LOGS}?limit=2"
    for _ in range(6):
        page = admin.follow(link)
        seen += labels(page)
        link = page.link("next") or ""

    assert seen == [f"app {number}" for number in range(7)]


def test_polling_nothing_yet_finds_what_comes() -> None:
    okta, admin = org()
    link = admin.get(LOGS, filter='eventType sw "app.oauth2.credentials"').link("next")

    okta.add_secret_by_admin(okta.add_app("first"))

    assert labels(admin.follow(link)) == ["first"]


def test_polling_asking_for_nothing_skips_nothing() -> None:
    admin = chronicle(count=1)

    nothing = admin.get(LOGS, limit="0")
    after = (nothing.link("next") or "").replace("limit=0", "limit=10")

    assert nothing.document == []
    assert labels(admin.follow(after)) == ["app 0"]


def test_an_event_shows_when_it_is_persisted() -> None:
    okta, admin = org(log_delay=30)
    okta.add_secret_by_admin(okta.add_app())

    early = kinds(admin.get(LOGS)), kinds(admin.get(LOGS, since=SINCE, until=UNTIL))
    okta.org.clock.advance(timedelta(seconds=30))
    late = kinds(admin.get(LOGS)), kinds(admin.get(LOGS, since=SINCE, until=UNTIL))

    assert early == ([], [])
    assert late == ([f"{LIFECYCLE}.create"],) * 2


def test_a_late_event_is_polled_in_the_order_of_persistence() -> None:
    admin, app = world()
    okta = admin.okta
    okta.log.delays[f"{LIFECYCLE}.create"] = 60
    okta.add_secret_by_admin(app)
    okta.org.clock.advance(timedelta(seconds=10))
    okta.revoke(app, app.secrets[0].id)
    polled = admin.get(LOGS)

    okta.org.clock.advance(timedelta(seconds=60))

    assert kinds(polled) == [f"{LIFECYCLE}.deactivate"]
    assert kinds(admin.follow(polled.link("next"))) == [f"{LIFECYCLE}.create"]
    by_persistence, by_publication = admin.get(LOGS), admin.get(LOGS, since=SINCE, until=UNTIL)
    assert kinds(by_persistence) == list(reversed(kinds(by_publication)))
    assert kinds(by_publication)[0] == f"{LIFECYCLE}.create"


def test_pages_of_a_poll_follow_persistence_too() -> None:
    admin, app = world()
    okta = admin.okta
    okta.log.delays[f"{LIFECYCLE}.create"] = 60
    okta.add_secret_by_admin(app)
    okta.revoke(app, app.secrets[0].id)
    okta.activate_secret_by_admin(app, app.secrets[0].id)
    okta.org.clock.advance(timedelta(seconds=60))

    seen, link = [], f"{BASE}{LOGS}?limit=1"
    for _ in range(4):
        page = admin.follow(link)
        seen += [kind.rpartition(".")[2] for kind in kinds(page)]
        link = page.link("next") or ""

    assert seen == ["deactivate", "activate", "create"]


def test_asking_for_nothing_keeps_the_cursor() -> None:
    admin = chronicle(count=2)
    link = admin.get(LOGS, limit="1").link("next") or ""

    nothing = admin.follow(link.replace("limit=1", "limit=0"))

    assert labels(admin.follow((nothing.link("next") or "").replace("limit=0", "limit=5"))) == ["app 1"]


def test_without_since_seven_days_are_looked_at() -> None:
    okta, admin = org()
    okta.add_secret_by_admin(okta.add_app("old"))
    okta.org.clock.advance(timedelta(days=7, seconds=1))
    okta.add_secret_by_admin(okta.add_app("new"))

    assert labels(admin.get(LOGS)) == ["new"]
    assert labels(admin.get(LOGS, since=SINCE)) == ["old", "new"]


def test_an_event_is_gone_after_ninety_days() -> None:
    okta, admin = org(api_token_idle_life=None)
    okta.add_secret_by_admin(okta.add_app())
    okta.org.clock.advance(timedelta(days=90, seconds=1))

    assert kinds(admin.get(LOGS, since=SINCE)) == []
    assert kinds(admin.get(LOGS, since=SINCE, until="2026-12-01T00:00:00Z")) == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param(f'eventType eq "{LIFECYCLE}.create"', ["create"], id="by type"),
        pytest.param('eventType sw "app.oauth2.credentials"', ["create", "deactivate"], id="by the type's beginning"),
        pytest.param('eventType sw "app.oauth2" and outcome.result eq "FAILURE"', ["grant"], id="by both"),
        pytest.param(
            f'eventType eq "{LIFECYCLE}.create" or eventType eq "{LIFECYCLE}.deactivate"',
            ["create", "deactivate"],
            id="by either",
        ),
        pytest.param('target.id eq "APP"', ["create", "deactivate"], id="by target"),
        pytest.param('actor.id eq "APP"', ["access_token", "grant"], id="by actor"),
        pytest.param(
            'eventType sw "app.oauth2" and actor.id eq "APP" and debugContext.debugData.clientSecret eq "HASH"',
            ["access_token"],
            id="by the secret's hash",
        ),
        pytest.param(
            '(actor.id eq "APP" or target.id eq "APP") and severity eq "WARN"', ["grant"], id="in parentheses"
        ),
        pytest.param('not (outcome.result eq "SUCCESS")', ["grant"], id="by what it is not"),
        pytest.param('eventType gt "app.oauth2.client"', ["create", "deactivate"], id="by what comes after"),
        pytest.param('eventType le "app.oauth2.as.token.grant"', ["grant"], id="by what does not"),
        pytest.param('eventType ge "app.oauth2.credentials.lifecycle.deactivate"', ["deactivate"], id="or equals"),
        pytest.param('eventType lt "app.oauth2.as.token.grant.access_token"', ["grant"], id="by what comes before"),
        pytest.param(
            'eventType gt "app.oauth2.credentials.lifecycle.create"', ["deactivate"], id="by what comes later"
        ),
        pytest.param('eventType ew "create"', ["create"], id="by the end"),
        pytest.param('eventType ne "app.oauth2.as.token.grant" and actor.id eq "APP"', ["access_token"], id="but one"),
        pytest.param("eventType.length pr", [], id="by what is within no object"),
        pytest.param("debugContext.debugData.clientSecret pr", ["access_token"], id="by what is there"),
        pytest.param('client.userAgent.rawUserAgent co "Firefox"', ["create", "deactivate"], id="by any other field"),
    ],
)
def test_events_are_filtered(expression: str, expected: list[str]) -> None:
    admin, app = world()
    admin.okta.add_secret_by_admin(app)
    ask(admin, app)
    ask(admin, app, "wrong")
    admin.okta.revoke(app, app.secrets[0].id)

    filled = expression.replace("APP", app.id).replace("HASH", secret_hash(SECRET))
    found = kinds(admin.get(LOGS, filter=filled))

    assert [kind.rpartition(".")[2] for kind in found] == expected


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param('published gt "2026-01-01T00:00:00Z"', id="by time"),
        pytest.param('colour eq "red"', id="by what does not exist"),
        pytest.param('eventType is "x"', id="by an operator that does not exist"),
        pytest.param("eventType eq x", id="by a bare word"),
        pytest.param("eventType eq", id="by half an expression"),
        pytest.param('(eventType eq "x"', id="by an open parenthesis"),
        pytest.param('eventType eq "x" eventType eq "y"', id="by two expressions"),
        pytest.param('eventType eq "x', id="by an open string"),
        pytest.param("", id="by nothing"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(expression: str) -> None:
    _, admin = org()

    answer = admin.call("GET", admin.request("GET", LOGS).path + "?filter=" + expression.replace(" ", "%20"))
    if not expression:
        answer = admin.get(LOGS, filter=" ")

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000053")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"limit": "1001"}, id="a page too large"),
        pytest.param({"limit": "-1"}, id="a page less than nothing"),
        pytest.param({"since": "yesterday"}, id="a time that is none"),
        pytest.param({"until": "13:00"}, id="an end that is none"),
        pytest.param({"since": UNTIL, "until": SINCE}, id="an end before its beginning"),
        pytest.param({"sortOrder": "RANDOM"}, id="an order that is none"),
        pytest.param({"after": "nonsense"}, id="a cursor that is none"),
        pytest.param({"after": "b1_1_1"}, id="a cursor of a bounded query in a polling one"),
        pytest.param({"after": "p1_1_1", "until": UNTIL}, id="a cursor of a polling query in a bounded one"),
        pytest.param({"q": "w" * 41}, id="a word too long"),
        pytest.param({"q": "w " * 11}, id="too many words"),
    ],
)
def test_a_query_that_cannot_be_is_refused(query: dict[str, str]) -> None:
    _, admin = org()

    answer = admin.get(LOGS, **query)

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000001")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"q": "w" * 40}, id="a word of forty letters"),
        pytest.param({"q": "w " * 10}, id="ten words"),
        pytest.param({"since": "2026-03-02T00:00:00Z"}, id="polling from the future"),
        pytest.param({"since": "2026-02-28T12:00:00"}, id="a time without a zone"),
        pytest.param({"since": "2026-03-01T14:00:00+02:00", "until": SINCE}, id="an empty span"),
    ],
)
def test_a_query_at_the_edge_of_the_rules_is_taken(query: dict[str, str]) -> None:
    _, admin = org()

    answer = admin.get(LOGS, **query)

    assert (answer.status, answer.document) == (200, [])


@pytest.mark.parametrize(("limit", "given"), [(None, 100), ("0", 0), ("1000", 130)])
def test_a_page_of_events_has_a_size(limit: str | None, given: int) -> None:
    admin, app = world()
    for _ in range(65):
        secret = admin.okta.add_secret_by_admin(app)
        admin.okta.revoke(app, app.secrets[0].id)
        app.secrets[:] = [secret]

    answer = admin.get(LOGS, **({"limit": limit} if limit else {}))

    assert len(answer.document) == given


def test_words_are_looked_for_anywhere() -> None:
    admin = chronicle()

    assert labels(admin.get(LOGS, q="CREATE firefox")) == [f"app {number}" for number in range(5)]
    assert labels(admin.get(LOGS, q="nobody")) == []


def test_an_event_has_the_fields_of_a_real_one() -> None:
    admin, app = world()
    ask(admin, app)

    (event,) = admin.get(LOGS).document

    assert list(event)[:4] == ["actor", "client", "device", "authenticationContext"]
    assert event["published"] == "2026-03-01T12:00:00.250Z"
    assert event["transaction"]["type"] == "WEB"
    assert (event["version"], event["request"]) == ("0", {"ipChain": []})
    assert len(event["uuid"]) == 36
