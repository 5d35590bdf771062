"""Apps (contracts: Okta 3)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from .okta_client import BASE, org

APPS = "/api/v1/apps"


def labels(documents: list[dict[str, Any]]) -> list[str]:
    return [document["label"] for document in documents]


def test_a_page_links_to_itself_and_to_the_next_in_two_headers() -> None:
    okta, admin = org()
    apps = [okta.add_app(f"app {number}") for number in range(3)]

    answer = admin.get(APPS, limit="2")

    assert answer.all("link") == [
        f'<{BASE}/api/v1/apps?limit=2>; rel="self"',
        f'<{BASE}/api/v1/apps?after={apps[1].id}&limit=2>; rel="next"',
    ]
    assert labels(answer.document) == ["app 0", "app 1"]


def test_the_last_page_links_to_itself_alone() -> None:
    okta, admin = org()
    for number in range(3):
        okta.add_app(f"app {number}")

    last = admin.follow(admin.get(APPS, limit="2").link("next"))

    assert labels(last.document) == ["app 2"]
    assert len(last.all("link")) == 1
    assert last.link("next") is None


def test_a_page_that_just_fills_up_is_the_last() -> None:
    okta, admin = org()
    okta.add_app()
    okta.add_app()

    assert admin.get(APPS, limit="2").link("next") is None


def test_the_next_link_keeps_the_filter() -> None:
    okta, admin = org()
    for number in range(2):
        okta.add_app(f"app {number}")
        okta.add_app(f"off {number}", status="INACTIVE")

    first = admin.get(APPS, limit="1", filter='status eq "INACTIVE"')
    second = admin.follow(first.link("next"))

    assert labels(first.document) + labels(second.document) == ["off 0", "off 1"]
    assert second.link("next") is None


def test_a_bad_cursor_is_refused() -> None:
    _, admin = org()

    answer = admin.get(APPS, after="nonsense")

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000029")
    assert answer.document["errorSummary"] == "Invalid paging request."
    assert answer.cause == "Invalid cursor."


def test_a_cursor_outlives_the_app_that_it_names() -> None:
    okta, admin = org()
    first, _ = okta.add_app("first"), okta.add_app("second")
    link = admin.get(APPS, limit="1").link("next")

    okta.delete_app_by_admin(first)

    assert labels(admin.follow(link).document) == ["second"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        pytest.param(None, 20, id="20 by default"),
        pytest.param("-1", 20, id="20 for -1"),
        pytest.param("200", 200, id="200 at most"),
        pytest.param("500", 200, id="no more than 200"),
    ],
)
def test_a_page_has_a_size(asked: str | None, given: int) -> None:
    okta, admin = org()
    for number in range(201):
        okta.add_app(f"app {number}", secrets=[])

    answer = admin.get(APPS, **({"limit": asked} if asked else {}))

    assert len(answer.document) == given


@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_a_page_size_that_is_none_is_refused(limit: str) -> None:
    _, admin = org()

    assert admin.get(APPS, limit=limit).status == 400


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param('status eq "ACTIVE"', ["billing", "saml"], id="by status"),
        pytest.param('name eq "oidc_client"', ["billing", "off"], id="by name"),
        pytest.param('name eq "oidc_client" and status eq "ACTIVE"', ["billing"], id="by both"),
        pytest.param('status eq "INACTIVE" or name eq "salesforce"', ["off", "saml"], id="by either"),
    ],
)
def test_apps_are_filtered_by_a_few_attributes(expression: str, expected: list[str]) -> None:
    okta, admin = org()
    okta.add_app("billing")
    okta.add_app("off", status="INACTIVE")
    okta.add_app("saml", name="salesforce", sign_on_mode="SAML_2_0", secrets=[])

    assert labels(admin.get(APPS, filter=expression).document) == expected


def test_apps_are_filtered_by_id() -> None:
    okta, admin = org()
    okta.add_app("one")
    app = okta.add_app("two")

    assert labels(admin.get(APPS, filter=f'id eq "{app.id}"').document) == ["two"]


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param('credentials.oauthClient.client_id eq "x"', id="the client id"),
        pytest.param('label eq "x"', id="the label"),
        pytest.param("status eq", id="half an expression"),
        pytest.param('status is "ACTIVE"', id="an operator that is none"),
    ],
)
def test_other_attributes_cannot_be_filtered_by(expression: str) -> None:
    _, admin = org()

    answer = admin.get(APPS, filter=expression)

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000031")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param("bil", ["Billing"], id="of the label, in any case"),
        pytest.param("sales", ["CRM"], id="of the name"),
        pytest.param("illing", [], id="not from the middle"),
    ],
)
def test_q_is_a_prefix_of_label_or_name(prefix: str, expected: list[str]) -> None:
    okta, admin = org()
    okta.add_app("Billing")
    okta.add_app("CRM", name="salesforce", sign_on_mode="SAML_2_0", secrets=[])

    assert labels(admin.get(APPS, q=prefix).document) == expected


def test_get_and_list_hide_the_secret_of_an_app() -> None:
    okta, admin = org()
    app = okta.add_app(secrets=["a-secret-nobody-may-see"])

    answers = [admin.get(APPS), admin.get(f"{APPS}/{app.id}")]

    assert [answer.status for answer in answers] == [200, 200]
    assert not any(b"client_secret:" in answer.body or b"nobody-may-see" in answer.body for answer in answers)
    assert "client_secret" not in answers[1].document["credentials"]["oauthClient"]


def test_an_app_tells_how_its_client_authenticates() -> None:
    okta, admin = org()
    app = okta.add_app("Billing", auth_method="client_secret_post", app_type="web", dpop_bound=True)

    document = admin.get(f"{APPS}/{app.id}").document

    assert document["signOnMode"] == "OPENID_CONNECT"
    assert document["credentials"]["oauthClient"]["token_endpoint_auth_method"] == "client_secret_post"
    assert document["settings"]["oauthClient"]["application_type"] == "web"
    assert document["settings"]["oauthClient"]["grant_types"] == ["client_credentials"]
    assert document["settings"]["oauthClient"]["dpop_bound_access_tokens"] is True
    secrets = f"{BASE}/api/v1/apps/{app.id}/credentials/secrets"
    assert document["_links"]["clientCredentials"] == [{"name": "secrets", "href": secrets}]


def test_an_app_of_another_kind_has_no_oauth_client() -> None:
    okta, admin = org()
    app = okta.add_app("CRM", name="salesforce", sign_on_mode="SAML_2_0", secrets=[])

    document = admin.get(f"{APPS}/{app.id}").document

    assert "oauthClient" not in document["credentials"]
    assert "oauthClient" not in document["settings"]


def test_the_client_id_is_the_app_id_unless_chosen() -> None:
    okta, admin = org()
    usual, chosen = okta.add_app(), okta.add_app(client_id="billing-client")

    ids = [admin.get(f"{APPS}/{app.id}").document["credentials"]["oauthClient"]["client_id"] for app in (usual, chosen)]

    assert ids == [usual.id, "billing-client"]


def test_a_chosen_client_id_is_no_app_id_in_a_path() -> None:
    okta, admin = org()
    okta.add_app(client_id="billing-client")

    assert admin.get(f"{APPS}/billing-client").status == 404
    assert admin.get(f"{APPS}/billing-client/credentials/secrets").status == 404


def test_a_client_is_found_by_its_client_id_without_its_app_id() -> None:
    okta, admin = org()
    app = okta.add_app("Billing", client_id="billing-client")

    answer = admin.get("/oauth2/v1/clients/billing-client")

    assert (answer.status, answer.document["client_id"]) == (200, "billing-client")
    assert app.id.encode() not in answer.body
    assert "client_secret" not in answer.document


def test_an_unknown_client_is_not_found() -> None:
    _, admin = org()

    assert admin.get("/oauth2/v1/clients/nobody").status == 404


def wanted(**client: object) -> dict[str, object]:
    return {
        "name": "oidc_client",
        "label": "New",
        "signOnMode": "OPENID_CONNECT",
        "credentials": {"oauthClient": {"token_endpoint_auth_method": "client_secret_basic", **client}},
        "settings": {"oauthClient": {"application_type": "service", "grant_types": ["client_credentials"]}},
    }


def test_creating_an_app_answers_200_and_shows_its_first_secret() -> None:
    _, admin = org()

    answer = admin.post(APPS, wanted())

    assert answer.status == 200
    value = answer.document["credentials"]["oauthClient"]["client_secret"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", value)
    (secret,) = admin.get(f"{APPS}/{answer.document['id']}/credentials/secrets").document
    assert (secret["client_secret"], secret["created"]) == (value, answer.document["created"])


def test_an_app_can_be_created_with_a_client_id_and_a_secret_of_ours() -> None:
    _, admin = org()

    document = admin.post(APPS, wanted(client_id="my-client", client_secret="a-value-of-our-own")).document

    client = document["credentials"]["oauthClient"]
    assert (client["client_id"], client["client_secret"]) == ("my-client", "a-value-of-our-own")
    assert document["id"].startswith("0oa")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"label": ""}, id="no label"),
        pytest.param({"label": 7}, id="a label that is a number"),
        pytest.param(wanted(client_id=1234567), id="a client id that is a number"),
        pytest.param({"signOnMode": "SAML_2_0"}, id="a sign-on mode that the sandbox does not make"),
        pytest.param(wanted(client_id="short"), id="a client id that is too short"),
        pytest.param(wanted(client_id="ALL_CLIENTS"), id="a client id that is reserved"),
        pytest.param(wanted(client_id="taken-client"), id="a client id that is taken"),
        pytest.param(wanted(client_secret="short"), id="a secret that is too short"),
        pytest.param(wanted(client_secret=12345678901234), id="a secret that is a number"),
        pytest.param(wanted(token_endpoint_auth_method="smoke"), id="an unknown method"),
        pytest.param({"credentials": "none"}, id="credentials that are no object"),
        pytest.param({"settings": {"oauthClient": {"grant_types": "all"}}}, id="grants that are no list"),
    ],
)
def test_an_app_that_cannot_be_is_not_created(change: dict[str, object]) -> None:
    okta, admin = org()
    okta.add_app(client_id="taken-client")

    answer = admin.post(APPS, wanted() | change)

    assert answer.status == 400
    assert len(admin.get(APPS).document) == 1


def test_an_app_is_deactivated_and_activated_with_an_empty_object() -> None:
    okta, admin = org()
    app = okta.add_app()

    off = admin.post(f"{APPS}/{app.id}/lifecycle/deactivate")
    status = admin.get(f"{APPS}/{app.id}").document["status"]
    on = admin.post(f"{APPS}/{app.id}/lifecycle/activate")

    assert (off.status, off.document, status) == (200, {}, "INACTIVE")
    assert (on.status, on.document, app.status) == (200, {}, "ACTIVE")


def test_only_an_inactive_app_can_be_deleted() -> None:
    okta, admin = org()
    app = okta.add_app()

    early = admin.delete(f"{APPS}/{app.id}")
    admin.post(f"{APPS}/{app.id}/lifecycle/deactivate")
    late = admin.delete(f"{APPS}/{app.id}")

    assert (early.status, late.status, late.body) == (403, 204, b"")
    assert admin.get(f"{APPS}/{app.id}").status == 404


def test_last_updated_follows_the_app_s_status() -> None:
    okta, admin = org()
    app = okta.add_app(age=timedelta(days=400))

    admin.post(f"{APPS}/{app.id}/lifecycle/deactivate")

    document = admin.get(f"{APPS}/{app.id}").document
    assert (document["created"], document["lastUpdated"]) == ("2025-01-25T12:00:00.000Z", "2026-03-01T12:00:00.000Z")


def test_an_app_may_be_created_inactive() -> None:
    _, admin = org()

    document = admin.post(f"{APPS}?activate=false", wanted()).document

    assert document["status"] == "INACTIVE"
    assert admin.post(APPS, wanted()).document["status"] == "ACTIVE"


def test_an_app_without_details_is_a_web_app_of_our_own() -> None:
    _, admin = org()

    document = admin.post(APPS, {"label": "Bare", "signOnMode": "OPENID_CONNECT"}).document

    assert document["name"] == "oidc_client"
    assert document["settings"]["oauthClient"]["application_type"] == "web"
    assert document["settings"]["oauthClient"]["grant_types"] == ["authorization_code"]
    assert document["settings"]["oauthClient"]["response_types"] == ["code"]


def test_an_app_links_to_the_other_state() -> None:
    okta, admin = org()
    on, off = okta.add_app(), okta.add_app(status="INACTIVE")

    links = [admin.get(f"{APPS}/{app.id}").document["_links"] for app in (on, off)]

    assert ["deactivate" in links[0], "activate" in links[0]] == [True, False]
    assert links[1]["activate"] == {"href": f"{BASE}{APPS}/{off.id}/lifecycle/activate"}
