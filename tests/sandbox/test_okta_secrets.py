"""Client secrets of an app (contracts: Okta 1)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_state import OktaApp, secret_hash

from .okta_client import BASE, Answer, OktaClient, org

VALUE = "a-value-of-ours-0123456789abcdefghijklmn"


def path(app: OktaApp, secret_id: str = "", step: str = "") -> str:
    tail = f"/{secret_id}" if secret_id else ""
    return f"/api/v1/apps/{app.id}/credentials/secrets{tail}{f'/lifecycle/{step}' if step else ''}"


def make(client: OktaClient, app: OktaApp, value: str = VALUE) -> str:
    answer = client.post(path(app), {"client_secret": value})
    assert answer.status == 201, answer.body
    return str(answer.document["id"])


def switch_off(client: OktaClient, app: OktaApp, secret_id: str) -> Answer:
    return client.post(path(app, secret_id, "deactivate"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("DRUFXGF9XbLnS9k-Sla3x3POBiIxDreBCdZuFs5B", "FpCwXwSjTRQNtEI11I00-g", id="Okta's own sample"),
        pytest.param("emulator-secret-0001", "yahDtmUavbq0bkgpgy0OJQ", id="a made-up one"),
        pytest.param("a" * 64, "_-BU_nrgy23GXDr5th1SCQ", id="64 letters"),
    ],
)
def test_the_hash_is_half_a_sha256_in_22_characters(value: str, expected: str) -> None:
    assert secret_hash(value) == expected


def test_a_secret_is_shown_in_the_order_and_shape_of_okta() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=[VALUE])

    answer = admin.get(path(app))

    assert answer.status == 200
    assert answer.body.startswith(b'[{"id":"ocs')
    (shown,) = answer.document
    assert list(shown) == ["id", "created", "lastUpdated", "status", "client_secret", "secret_hash", "_links"]
    assert shown["client_secret"] == VALUE
    assert shown["secret_hash"] == secret_hash(VALUE)


def test_ids_have_okta_s_prefixes_and_length() -> None:
    okta, admin = org()
    app = okta.add_app()

    assert re.fullmatch(r"0oa[A-Za-z0-9]{17}", app.id)
    assert re.fullmatch(r"ocs[A-Za-z0-9]{17}", make(admin, app))


def test_times_are_whole_seconds_in_utc() -> None:
    okta, admin = org()
    app = okta.add_app()

    (shown,) = admin.get(path(app)).document

    assert shown["created"] == shown["lastUpdated"] == "2026-03-01T12:00:00.000Z"


def test_created_never_moves_and_last_updated_moves_with_the_status() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)
    okta.org.clock.advance(timedelta(seconds=90))

    off = switch_off(admin, app, made).document
    okta.org.clock.advance(timedelta(seconds=90))
    on = admin.post(path(app, made, "activate")).document

    assert off["created"] == on["created"] == "2026-03-01T12:00:00.000Z"
    assert (off["lastUpdated"], on["lastUpdated"]) == ("2026-03-01T12:01:30.000Z", "2026-03-01T12:03:00.000Z")


def test_an_active_secret_links_to_its_deactivation_alone() -> None:
    okta, admin = org()
    app = okta.add_app()

    (shown,) = admin.get(path(app)).document

    href = f"{BASE}{path(app, shown['id'], 'deactivate')}"
    assert shown["_links"] == {"deactivate": {"href": href, "hints": {"allow": ["POST"]}}}


def test_an_inactive_secret_links_to_activation_then_deletion() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)

    links = switch_off(admin, app, made).document["_links"]

    assert list(links) == ["activate", "delete"]
    assert links["activate"] == {"href": f"{BASE}{path(app, made, 'activate')}", "hints": {"allow": ["POST"]}}
    assert links["delete"] == {"href": f"{BASE}{path(app, made)}", "hints": {"allow": ["DELETE"]}}


def test_every_answer_shows_the_plaintext_of_an_inactive_secret_too() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)

    answers = [
        switch_off(admin, app, made),
        admin.get(path(app, made)),
        admin.post(path(app, made, "activate")),
    ]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [answer.document["client_secret"] for answer in answers] == [VALUE] * 3


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param("shown", VALUE, id="shown"),
        pytest.param("masked", "***klmn", id="masked to its last four characters"),
        pytest.param("absent", None, id="absent"),
    ],
)
def test_the_plaintext_may_be_hidden_after_the_creation(how: str, expected: str | None) -> None:
    okta, admin = org(plaintext=how)
    app = okta.add_app(secrets=[])

    created = admin.post(path(app), {"client_secret": VALUE}).document
    (listed,) = admin.get(path(app)).document
    got = admin.get(path(app, created["id"])).document

    assert created["client_secret"] == VALUE
    assert listed.get("client_secret") == got.get("client_secret") == expected
    assert listed["secret_hash"] == secret_hash(VALUE)


def test_the_hash_formula_may_be_another_one() -> None:
    okta, admin = org(hash_formula="unknown")
    app = okta.add_app(secrets=[VALUE])

    (shown,) = admin.get(path(app)).document

    assert shown["secret_hash"] != secret_hash(VALUE)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", shown["secret_hash"])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param("oldest_first", ["first", "second"], id="oldest first"),
        pytest.param("newest_first", ["second", "first"], id="newest first"),
    ],
)
def test_the_list_has_an_order_that_nobody_promises(order: str, expected: list[str]) -> None:
    okta, admin = org(list_order=order)
    app = okta.add_app(secrets=[GivenSecret("second"), GivenSecret("first", age=timedelta(days=3))])

    assert [shown["client_secret"] for shown in admin.get(path(app)).document] == expected


def test_the_list_may_be_sorted_by_id() -> None:
    okta, admin = org(list_order="by_id")
    apps = [okta.add_app(secrets=["one", "two"]) for _ in range(8)]

    listed = [[shown["id"] for shown in admin.get(path(app)).document] for app in apps]

    assert all(ids == sorted(ids) for ids in listed)
    assert any(ids != [secret.id for secret in app.secrets] for ids, app in zip(listed, apps, strict=True))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="no body"),
        pytest.param({}, id="an empty object"),
        pytest.param({"client_secret": None}, id="a value of null"),
    ],
)
def test_without_a_value_okta_makes_64_url_safe_characters(body: dict[str, object] | None) -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.post(path(app), body)

    assert answer.status == 201
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", answer.document["client_secret"])


def test_an_empty_body_may_be_announced_as_json() -> None:
    okta, admin = org()
    app = okta.add_app()

    assert admin.call("POST", path(app), headers={"content-type": "application/json"}).status == 201


def test_a_new_secret_is_active_and_leaves_the_old_one_active() -> None:
    okta, admin = org()
    app = okta.add_app()

    make(admin, app)

    assert [shown["status"] for shown in admin.get(path(app)).document] == ["ACTIVE", "ACTIVE"]


def test_a_new_secret_may_be_inactive_if_asked() -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.post(path(app), {"client_secret": VALUE, "status": "INACTIVE"})

    assert (answer.status, answer.document["status"]) == (201, "INACTIVE")
    assert VALUE not in list(app.accepted(okta.org.clock.now()))


@pytest.mark.parametrize("active", [pytest.param(True, id="both active"), pytest.param(False, id="one inactive")])
def test_an_app_holds_two_secrets_at_most(active: bool) -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)
    if not active:
        switch_off(admin, app, made)

    answer = admin.post(path(app))

    assert answer.status == 400
    assert answer.document["errorCode"] == answer.document["errorLink"] == "E0000001"
    assert answer.document["errorSummary"] == "Api validation failed: OAuth2ClientSecretMediated"
    assert answer.cause == "You've reached the maximum number of client secrets per client."


def test_a_repeated_create_makes_a_second_secret() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=[])

    assert make(admin, app) != make(admin, app)
    assert len(app.secrets) == 2


JWT = "client_secret_jwt"


@pytest.mark.parametrize(
    ("method", "value", "subject", "cause"),
    [
        pytest.param(
            "client_secret_basic",
            "x" * 101,
            "client_secret",
            "client_secret: 'client_secret' can't be more than '100' characters long.",
            id="too long",
        ),
        pytest.param(
            "client_secret_basic",
            "x" * 13,
            "client_secret",
            "client_secret: 'client_secret' must be at least '14' characters long.",
            id="too short",
        ),
        pytest.param(
            JWT,
            "x" * 31,
            "client_secret",
            "client_secret: 'client_secret' must be at least '32' characters long when 'token_endpoint_auth_method' "
            "is 'client_secret_jwt'.",
            id="too short to sign with",
        ),
        pytest.param(
            "private_key_jwt",
            VALUE,
            "client_secret",
            "'client_secret' can't be used when 'token_endpoint_auth_method' is 'private_key_jwt'.",
            id="an app with a key",
        ),
        pytest.param(
            "client_secret_basic",
            "a-secret-with-ünicode",
            "client_secret",
            "client_secret: ''client_secret'' must only contain printable ASCII: [x20-x7E]+",
            id="not printable ASCII",
        ),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused(method: str, value: str, subject: str, cause: str) -> None:
    okta, admin = org()
    app = okta.add_app(auth_method=method, secrets=[])

    answer = admin.post(path(app), {"client_secret": value})

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000001")
    assert answer.document["errorSummary"] == f"Api validation failed: {subject}"
    assert answer.cause == cause
    assert app.secrets == []


@pytest.mark.parametrize(
    ("method", "value"),
    [
        pytest.param("client_secret_basic", "x" * 14, id="14 characters"),
        pytest.param("client_secret_basic", "x" * 100, id="100 characters"),
        pytest.param("client_secret_basic", " ~" * 10, id="both ends of printable ASCII"),
        pytest.param(JWT, "x" * 32, id="32 characters for HMAC"),
    ],
)
def test_a_value_at_the_edge_of_the_rules_is_taken(method: str, value: str) -> None:
    okta, admin = org()
    app = okta.add_app(auth_method=method, secrets=[])

    assert admin.post(path(app), {"client_secret": value}).status == 201


@pytest.mark.parametrize(
    ("method", "value", "summary", "cause"),
    [
        pytest.param("client_secret_basic", "x" * 101, "client_secret", "cannot be more than", id="too long"),
        pytest.param(
            "private_key_jwt", VALUE, "OAuth2ClientSecretMediated", "cannot be used when", id="an app with a key"
        ),
    ],
)
def test_the_texts_may_be_the_old_ones(method: str, value: str, summary: str, cause: str) -> None:
    okta, admin = org(management_wording="old")
    app = okta.add_app(auth_method=method, secrets=[])

    answer = admin.post(path(app), {"client_secret": value})

    assert answer.document["errorSummary"] == f"Api validation failed: {summary}"
    assert cause in answer.cause


def test_the_third_secret_may_be_refused_in_the_old_text() -> None:
    okta, admin = org(management_wording="old")
    app = okta.add_app(secrets=["one", "two"])

    answer = admin.post(path(app))

    assert answer.cause == "You have reached the maximum number of client secrets per client."


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"client_secret": 7}, id="a number as a value"),
        pytest.param({"status": "SLEEPING"}, id="a status that is none"),
        pytest.param({"status": ["ACTIVE"]}, id="a list as a status"),
        pytest.param(["a list"], id="no object"),
    ],
)
def test_a_body_of_the_wrong_shape_is_not_well_formed(body: object) -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.post(path(app), body)

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000003")


@pytest.mark.parametrize(
    ("scope", "same_app", "other_app"),
    [
        pytest.param("none", 201, 201, id="anywhere"),
        pytest.param("app", 400, 201, id="once in an app"),
        pytest.param("org", 400, 400, id="once in the org"),
    ],
)
def test_a_value_of_ours_may_have_to_be_unique(scope: str, same_app: int, other_app: int) -> None:
    okta, admin = org(unique_secrets=scope)
    holder, other = okta.add_app(secrets=[VALUE]), okta.add_app()

    answers = [admin.post(path(app), {"client_secret": VALUE}) for app in (holder, other)]

    assert [answer.status for answer in answers] == [same_app, other_app]
    refused = [answer.cause for answer in answers if answer.status == 400]
    assert all("already exists" in cause for cause in refused)


def test_the_only_active_secret_cannot_be_deactivated_even_beside_an_inactive_one() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=[GivenSecret("on"), GivenSecret("off", active=False)])
    active = next(secret for secret in app.secrets if secret.active)

    answer = switch_off(admin, app, active.id)

    assert answer.status == 400
    assert answer.document["errorSummary"] == "Api validation failed: OAuth2ClientSecretMediated"
    assert answer.cause == "You can't deactivate the only active client secret."
    assert active.active


def test_an_active_secret_cannot_be_deleted() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)

    answer = admin.delete(path(app, made))

    assert answer.status == 400
    assert answer.cause == "You can't delete an active client secret. Deactivate the secret before deleting it."
    assert len(app.secrets) == 2


def test_a_deletion_answers_204_with_nothing_in_it() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)
    switch_off(admin, app, made)

    answer = admin.delete(path(app, made))

    assert (answer.status, answer.body, answer.header("content-type")) == (204, b"", None)
    assert [secret.id for secret in app.secrets] != [made]
    assert len(app.secrets) == 1


def test_a_deactivated_secret_comes_back_with_its_value() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)
    switch_off(admin, app, made)

    answer = admin.post(path(app, made, "activate"))

    assert (answer.status, answer.document["status"], answer.document["client_secret"]) == (200, "ACTIVE", VALUE)


def test_a_change_to_the_same_state_may_be_fine() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = make(admin, app)
    first = admin.get(path(app, made)).document
    okta.org.clock.advance(timedelta(minutes=1))

    answer = admin.post(path(app, made, "activate"))

    assert (answer.status, answer.document) == (200, first)


def test_a_change_to_the_same_state_may_be_refused() -> None:
    okta, admin = org(same_state="refused")
    app = okta.add_app()
    made = make(admin, app)

    on = admin.post(path(app, made, "activate"))
    switch_off(admin, app, made)
    off = switch_off(admin, app, made)

    assert [answer.document["errorCode"] for answer in (on, off)] == ["E0000001", "E0000001"]
    assert (on.status, off.status) == (400, 400)


def test_deactivating_the_inactive_one_again_is_no_question_of_the_only_active_one() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=[GivenSecret("on"), GivenSecret("off", active=False)])
    inactive = next(secret for secret in app.secrets if not secret.active)

    assert switch_off(admin, app, inactive.id).status == 200


@pytest.mark.parametrize("method", [pytest.param("GET", id="get"), pytest.param("DELETE", id="delete")])
def test_an_unknown_secret_is_not_found(method: str) -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.call(method, path(app, "ocsnone"))

    assert (answer.status, answer.document["errorCode"]) == (404, "E0000007")
    expected = "Not found: Resource not found: ocsnone (OAuth2ClientSecretMediated)"
    assert answer.document["errorSummary"] == expected


def test_an_unknown_app_is_not_found() -> None:
    _, admin = org()

    answer = admin.get("/api/v1/apps/0oanone/credentials/secrets")

    assert answer.status == 404
    assert answer.document["errorSummary"] == "Not found: Resource not found: 0oanone (AppInstance)"


def test_a_secret_of_another_app_is_not_found() -> None:
    okta, admin = org()
    app, other = okta.add_app(), okta.add_app()

    assert admin.get(path(app, other.secrets[0].id)).status == 404


def test_the_list_may_lag_behind_a_create() -> None:
    okta, admin = org(list_lag=5)
    app = okta.add_app()
    made = make(admin, app)

    early = admin.get(path(app)).document
    early_status = admin.get(path(app, made)).status
    third = admin.post(path(app)).status
    okta.org.clock.advance(timedelta(seconds=5))
    late = admin.get(path(app)).document

    assert (len(early), early_status, len(late)) == (1, 404, 2)
    assert third == 400


def test_an_app_with_a_key_has_no_secrets() -> None:
    okta, admin = org()
    app = okta.add_app(auth_method="private_key_jwt")

    answer = admin.get(path(app))

    assert (answer.status, answer.document) == (200, [])


def test_a_change_to_a_key_removes_the_secrets() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=[VALUE])

    okta.set_auth_method_by_admin(app, "private_key_jwt")

    assert admin.get(path(app)).document == []
    assert list(app.accepted(okta.org.clock.now())) == []


def test_a_secret_switched_off_twice_is_not_accepted_any_longer_for_that() -> None:
    okta, admin = org(create_delay=60, deactivate_delay=10)
    app = okta.add_app(secrets=["the-first-secret", VALUE])
    made = next(secret for secret in app.secrets if secret.value == VALUE)
    switch_off(admin, app, made.id)
    okta.org.clock.advance(timedelta(seconds=5))
    admin.post(path(app, made.id, "activate"))
    switch_off(admin, app, made.id)
    still = VALUE in list(app.accepted(okta.org.clock.now()))
    okta.org.clock.advance(timedelta(seconds=5))

    assert still
    assert VALUE not in list(app.accepted(okta.org.clock.now()))


def test_there_is_no_way_to_change_a_secret() -> None:
    okta, admin = org()
    app = okta.add_app()

    answers = [admin.call(method, path(app, app.secrets[0].id)) for method in ("PUT", "PATCH")]

    assert [(answer.status, answer.document["errorCode"]) for answer in answers] == [(405, "E0000022")] * 2
