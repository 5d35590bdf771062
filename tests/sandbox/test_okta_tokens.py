"""Token, introspect and revoke with a client secret (contracts: Okta 5)."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt as jose
from joserfc.jwk import KeySet

from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_state import AccessPolicy, OktaApp

from .okta_client import BASE, Answer, OktaClient, basic, org

if TYPE_CHECKING:
    from rotator.sandbox.okta import OktaEmulator

SECRET = "the-secret-of-the-app-0123456789abcdef"
CUSTOM = "/oauth2/default/v1/token"
ORG = "/oauth2/v1/token"
BASIC, POST = "client_secret_basic", "client_secret_post"


def world(method: str = BASIC, *, settings: dict[str, Any] | None = None, **traits: Any) -> tuple[OktaClient, OktaApp]:
    """Return an org with a custom server and one app with one secret."""
    okta, _ = org(**(settings or {}))
    okta.add_authorization_server(scopes=["app.read", "app.write"])
    return OktaClient(okta), okta.add_app(auth_method=method, secrets=[SECRET], **traits)


def ask(client: OktaClient, app: OktaApp, secret: str = SECRET, *, at: str = CUSTOM, **fields: str) -> Answer:
    """Ask for a token by the app's own method."""
    usual = {"grant_type": "client_credentials", "scope": "app.read"} | fields
    kept = {name: value for name, value in usual.items() if value}
    if app.auth_method == POST:
        return client.form(at, client_id=app.client_id, client_secret=secret, **kept)
    return client.form(at, basic(app.client_id, secret), **kept)


def refusal(answer: Answer) -> tuple[int, str, str]:
    document = answer.document
    assert list(document) == ["error", "error_description"]
    return answer.status, document["error"], document["error_description"]


WRONG_SECRET = (401, "invalid_client", "The client secret supplied for a confidential client is invalid.")
GENERIC = (
    401,
    "invalid_client",
    "Client authentication failed. Either the client or the client credentials are invalid.",
)


def is_unknown_client(answer: Answer) -> bool:
    document = answer.document
    return (
        answer.status == 401
        and document["errorCode"] == document["errorLink"] == "invalid_client"
        and document["errorSummary"] == "Invalid value for 'client_id' parameter."
        and document["errorCauses"] == []
        and document["errorId"].startswith("oae")
    )


# --- Granted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [BASIC, POST])
def test_a_custom_server_grants_a_token_for_the_secret(method: str) -> None:
    client, app = world(method)

    answer = ask(client, app)

    assert answer.status == 200
    assert list(answer.document) == ["token_type", "expires_in", "access_token", "scope"]
    assert (answer.document["token_type"], answer.document["expires_in"]) == ("Bearer", 3600)
    assert answer.document["scope"] == "app.read"


def test_the_token_is_signed_by_the_server_s_published_key() -> None:
    client, app = world()
    token = ask(client, app).document["access_token"]

    keys = KeySet.import_key_set(client.get("/oauth2/default/v1/keys").document)
    claims = jose.decode(token, keys, algorithms=["RS256"]).claims

    assert (claims["iss"], claims["aud"]) == (f"{BASE}/oauth2/default", "api://default")
    assert (claims["cid"], claims["sub"], claims["scp"]) == (app.client_id, app.client_id, ["app.read"])
    assert claims["exp"] - claims["iat"] == 3600


def test_both_secrets_are_good_while_both_are_active() -> None:
    client, app = world()
    client.okta.add_secret_by_admin(app, "another-secret-of-the-app")

    assert [ask(client, app, secret).status for secret in (SECRET, "another-secret-of-the-app")] == [200, 200]


def test_default_scopes_are_granted_where_none_is_asked_for() -> None:
    client, app = world()
    client.okta.add_authorization_server("with-default", default_scopes=["base"])

    answer = ask(client, app, at="/oauth2/with-default/v1/token", scope="")

    assert (answer.status, answer.document["scope"]) == (200, "base")


def test_a_policy_sets_the_life_of_a_token() -> None:
    client, app = world()
    client.okta.add_authorization_server(policies=[AccessPolicy(lifetime_seconds=300)])

    assert ask(client, app).document["expires_in"] == 300


# --- Who are you ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [BASIC, POST])
def test_a_wrong_secret_is_an_invalid_client(method: str) -> None:
    client, app = world(method)

    assert refusal(ask(client, app, "wrong")) == WRONG_SECRET


@pytest.mark.parametrize("method", [BASIC, POST])
def test_an_unknown_client_is_refused_in_the_management_shape(method: str) -> None:
    client, app = world(method)
    app.client_id = "nobody"

    assert is_unknown_client(ask(client, app))


def test_an_app_of_another_kind_is_no_client() -> None:
    client, app = world(sign_on_mode="SAML_2_0")

    assert is_unknown_client(ask(client, app))


def test_an_inactive_secret_is_a_wrong_one() -> None:
    client, app = world()
    client.okta.add_secret_by_admin(app, "another-secret-of-the-app")

    client.okta.revoke(app, app.secrets[0].id)

    assert refusal(ask(client, app)) == WRONG_SECRET
    assert ask(client, app, "another-secret-of-the-app").status == 200


def test_a_reactivated_secret_is_good_again() -> None:
    client, app = world()
    client.okta.add_secret_by_admin(app)
    client.okta.revoke(app, app.secrets[0].id)

    client.okta.activate_secret_by_admin(app, app.secrets[0].id)

    assert ask(client, app).status == 200


def test_a_new_secret_may_be_heard_of_late() -> None:
    client, app = world(settings={"create_delay": 3})
    client.okta.add_secret_by_admin(app, "another-secret-of-the-app")

    early = ask(client, app, "another-secret-of-the-app")
    client.okta.org.clock.advance(timedelta(seconds=3))

    assert refusal(early) == WRONG_SECRET
    assert ask(client, app, "another-secret-of-the-app").status == 200


def test_a_deactivation_may_be_heard_of_late_even_after_the_deletion() -> None:
    client, app = world(settings={"deactivate_delay": 3})
    client.okta.add_secret_by_admin(app)
    first = app.secrets[0].id
    client.okta.revoke(app, first)
    client.okta.delete_secret_by_admin(app, first)

    early = ask(client, app)
    client.okta.org.clock.advance(timedelta(seconds=3))

    assert early.status == 200
    assert refusal(ask(client, app)) == WRONG_SECRET


def test_what_an_app_had_from_the_start_needs_no_time_to_spread() -> None:
    client, app = world(settings={"create_delay": 30})

    assert ask(client, app).status == 200


@pytest.mark.parametrize(("own", "other"), [(BASIC, POST), (POST, BASIC)])
def test_another_method_than_the_app_s_own_is_refused(own: str, other: str) -> None:
    client, app = world(own)

    assert refusal(_ask_as(client, app, method=other)) == GENERIC


def _ask_as(client: OktaClient, app: OktaApp, *, method: str) -> Answer:
    fields = {"grant_type": "client_credentials", "scope": "app.read"}
    if method == POST:
        return client.form(CUSTOM, client_id=app.client_id, client_secret=SECRET, **fields)
    return client.form(CUSTOM, basic(app.client_id, SECRET), **fields)


@pytest.mark.parametrize("own", [BASIC, POST])
def test_a_lenient_org_takes_basic_for_post_and_post_for_basic(own: str) -> None:
    client, app = world(own, settings={"strict_auth_method": False})

    assert [_ask_as(client, app, method=method).status for method in (BASIC, POST)] == [200, 200]


def test_a_lenient_org_still_takes_no_secret_from_an_app_with_a_key() -> None:
    client, app = world(settings={"strict_auth_method": False})
    app.auth_method = "private_key_jwt"

    assert refusal(_ask_as(client, app, method=BASIC)) == GENERIC


def test_no_credentials_are_no_client() -> None:
    client, app = world()
    expected = (401, "invalid_client", "No client credentials found.")

    answers = [
        client.form(CUSTOM, grant_type="client_credentials", scope="app.read"),
        client.form(CUSTOM, client_id=app.client_id, grant_type="client_credentials", scope="app.read"),
    ]

    assert [refusal(answer) for answer in answers] == [expected, expected]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic !!!", id="no base64"),
        pytest.param(f"Basic {base64.b64encode(b'no colon').decode()}", id="no colon"),
        pytest.param("Bearer token", id="another scheme"),
        pytest.param(f"Basic {base64.b64encode(bytes([0xFF, 0xFE])).decode()}", id="no text"),
    ],
)
def test_a_malformed_basic_header_is_no_credentials(header: str) -> None:
    client, _ = world()

    answer = client.form(CUSTOM, {"authorization": header}, grant_type="client_credentials")

    expected = (401, "invalid_client", "Found Authentication header but was not valid client credentials.")
    assert refusal(answer) == expected


@pytest.mark.parametrize(("status", "settings"), [(401, {}), (400, {"multiple_credentials_status": 400})])
def test_two_kinds_of_credentials_are_refused(status: int, settings: dict[str, Any]) -> None:
    client, app = world(settings=settings)

    answer = client.form(
        CUSTOM, basic(app.client_id, SECRET), client_id=app.client_id, client_secret=SECRET, grant_type="x"
    )

    assert refusal(answer)[:2] == (status, "invalid_request")
    assert refusal(answer)[2].startswith("Cannot supply multiple client credentials. Use one of the following:")


def test_a_client_id_beside_the_header_is_no_second_kind() -> None:
    client, app = world()

    assert ask(client, app, client_id=app.client_id).status == 200


def test_credentials_in_the_query_are_refused() -> None:
    client, app = world()

    answer = client.form(f"{CUSTOM}?client_id={app.client_id}&client_secret={SECRET}", grant_type="client_credentials")

    expected = (400, "invalid_request", "Client credentials cannot be supplied via query parameters.")
    assert refusal(answer) == expected


@pytest.mark.parametrize(
    ("decodes", "statuses"), [pytest.param(False, [200, 401], id="raw"), pytest.param(True, [401, 200], id="decoded")]
)
def test_basic_credentials_may_be_percent_decoded(decodes: bool, statuses: list[int]) -> None:
    client, app = world(settings={"basic_percent_decoding": decodes})
    value = "a+value%20with/marks"
    client.okta.add_secret_by_admin(app, value)

    answers = [ask(client, app, value), ask(client, app, "a%2Bvalue%2520with%2Fmarks")]

    assert [answer.status for answer in answers] == statuses


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param("unknown_client", "unknown", id="as unknown"),
        pytest.param("generic", "generic", id="as failed"),
        pytest.param("accepted", "granted", id="not at all"),
    ],
)
def test_the_client_of_a_deactivated_app_may_be_refused(how: str, expected: str) -> None:
    client, app = world(settings={"deactivated_app": how})
    assert ask(client, app).status == 200
    client.okta.deactivate_app_by_admin(app)

    answer = ask(client, app)

    verdicts = {
        "unknown": answer.status == 401 and "errorCode" in answer.document and is_unknown_client(answer),
        "generic": answer.status == 401 and "error" in answer.document and refusal(answer) == GENERIC,
        "granted": answer.status == 200,
    }
    assert [name for name, holds in verdicts.items() if holds] == [expected]


def test_an_invalid_client_may_be_challenged() -> None:
    challenges = []
    for settings in ({}, {"www_authenticate": True}):
        client, app = world(settings=settings)
        challenges.append([ask(client, app, "wrong").header("www-authenticate")])
        app.client_id = "nobody"
        challenges[-1].append(ask(client, app).header("www-authenticate"))

    assert challenges[0] == [None, None]
    assert all(challenge and challenge.startswith("Basic realm=") for challenge in challenges[1])


def test_only_an_invalid_client_is_challenged() -> None:
    client, app = world(settings={"www_authenticate": True})

    assert ask(client, app, scope="unknown").header("www-authenticate") is None


def test_the_texts_may_be_those_of_the_spec() -> None:
    client, app = world(settings={"oauth_wording": "spec"})

    missing = refusal(client.form(CUSTOM, grant_type="client_credentials"))[2]
    app.client_id = "nobody"

    assert missing == "No client credentials found"
    assert ask(client, app).document["errorSummary"] == "Invalid value for `client_id` parameter"


# --- What may you have ------------------------------------------------------------------------------------


def test_a_request_names_its_grant() -> None:
    client, app = world()

    status, error, text = refusal(ask(client, app, grant_type=""))

    assert (status, error) == (400, "invalid_request")
    assert text.startswith("The token request must specify a 'grant_type'. Valid values: [")


def test_a_grant_that_the_client_lacks_is_refused() -> None:
    client, app = world(grant_types=["authorization_code"])

    text = "The client is not authorized to use the provided grant type. Configured grant types: [authorization_code]."
    assert refusal(ask(client, app)) == (400, "unauthorized_client", text)


def test_a_grant_that_the_server_lacks_is_refused() -> None:
    client, app = world()

    status, error, text = refusal(ask(client, app, grant_type="urn:made:up"))

    assert (status, error) == (400, "unsupported_grant_type")
    assert text.startswith("The authorization grant type is not supported by the authorization server.")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param(False, "invalid_client", id="the secret first"),
        pytest.param(True, "unauthorized_client", id="the grant first"),
    ],
)
def test_the_grant_may_be_looked_at_before_the_secret(first: bool, expected: str) -> None:
    client, app = world(grant_types=["authorization_code"], settings={"grant_check_first": first})

    assert refusal(ask(client, app, "wrong"))[1] == expected


@pytest.mark.parametrize(("first", "expected"), [(False, "invalid_client"), (True, "invalid_scope")])
def test_the_scope_may_be_looked_at_before_the_secret(first: bool, expected: str) -> None:
    client, app = world(settings={"scope_check_first": first})

    assert refusal(ask(client, app, "wrong", scope="no.such"))[1] == expected
    assert refusal(ask(client, app, scope="no.such"))[1] == "invalid_scope"


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        pytest.param(
            "",
            "The authorization server resource does not have any configured default scopes, 'scope' must be provided.",
            id="none, and no default",
        ),
        pytest.param(
            "made.up",
            "One or more scopes are not configured for the authorization server resource.",
            id="an unknown one",
        ),
        pytest.param("openid", "Cannot request 'openid' scopes using client credentials.", id="openid"),
    ],
)
def test_a_scope_that_cannot_be_is_invalid(scope: str, text: str) -> None:
    client, app = world()

    assert refusal(ask(client, app, scope=scope)) == (400, "invalid_scope", text)


def with_policy(*policies: AccessPolicy) -> tuple[OktaClient, OktaApp]:
    client, app = world()
    client.okta.add_authorization_server(scopes=["app.read", "app.write"], policies=policies)
    return client, app


NO_POLICY = (
    401,
    "access_denied",
    "Policy evaluation failed for this request, please check the policy configurations.",
)


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param((), id="there is none"),
        pytest.param((AccessPolicy(clients=frozenset({"another"})),), id="none for this client"),
        pytest.param((AccessPolicy(grant_types=frozenset({"authorization_code"})),), id="none for this grant"),
    ],
)
def test_without_a_policy_access_is_denied_with_401(policies: tuple[AccessPolicy, ...]) -> None:
    client, app = with_policy(*policies)

    assert refusal(ask(client, app)) == NO_POLICY


def test_a_policy_may_reject_all_scopes() -> None:
    client, app = with_policy(AccessPolicy(scopes=frozenset()))

    text = "Policy evaluation succeeded, but all the requested scopes were rejected."
    assert refusal(ask(client, app)) == (400, "access_denied", text)


def test_a_policy_may_deny_some_scopes() -> None:
    client, app = with_policy(AccessPolicy(scopes=frozenset({"app.read"})))

    text = "Some of the requested scopes were denied by the policy. Denied scopes: [app.write]."
    assert refusal(ask(client, app, scope="app.read app.write")) == (400, "access_denied", text)


def test_the_first_policy_for_the_client_decides() -> None:
    client, app = with_policy(AccessPolicy(clients=frozenset({"another"}), scopes=frozenset()), AccessPolicy())

    assert ask(client, app).status == 200


def test_a_client_outside_its_network_zone_is_denied() -> None:
    client, app = world(outside_network_zone=True)

    text = "The request is made from outside the client's permitted network zones."
    assert refusal(ask(client, app)) == (403, "access_denied", text)


@pytest.mark.parametrize(
    ("grant", "field", "text"),
    [
        pytest.param(
            "authorization_code", "code", "The authorization code is invalid or has expired.", id="an unknown code"
        ),
        pytest.param(
            "refresh_token", "refresh_token", "The refresh token is invalid or expired.", id="an unknown refresh token"
        ),
    ],
)
@pytest.mark.parametrize("at", [CUSTOM, ORG])
def test_what_was_never_given_out_is_an_invalid_grant(at: str, grant: str, field: str, text: str) -> None:
    client, app = world(app_type="web", grant_types=["authorization_code", "refresh_token"])

    good = refusal(ask(client, app, at=at, grant_type=grant, **{field: "bogus"}))
    bad = refusal(ask(client, app, "wrong", at=at, grant_type=grant, **{field: "bogus"}))

    assert (good, bad) == ((400, "invalid_grant", text), WRONG_SECRET)


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_a_grant_needs_its_code(grant: str) -> None:
    client, app = world(app_type="web", grant_types=["authorization_code", "refresh_token"])

    assert refusal(ask(client, app, grant_type=grant))[:2] == (400, "invalid_request")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("user_rate_limited", (429, "invalid_grant")),
        ("server_error", (500, "server_error")),
        ("temporarily_unavailable", (400, "temporarily_unavailable")),
    ],
)
def test_a_scene_may_refuse_the_next_token_request(reason: str, expected: tuple[int, str]) -> None:
    client, app = world()
    client.okta.refuse_tokens(reason)

    assert refusal(ask(client, app))[:2] == expected
    assert ask(client, app).status == 200


# --- The org's own server ---------------------------------------------------------------------------------


def test_the_org_s_server_takes_no_secret_for_client_credentials() -> None:
    client, app = world()

    text = (
        "Client Credentials requests to the Org Authorization Server must use the private_key_jwt "
        "token_endpoint_auth_method."
    )
    assert refusal(ask(client, app, at=ORG, scope="okta.apps.read")) == (401, "invalid_client", text)
    assert refusal(ask(client, app, "wrong", at=ORG, scope="okta.apps.read")) == WRONG_SECRET


def test_the_org_s_server_takes_service_apps_alone() -> None:
    client, app = world(app_type="web")

    text = (
        "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the "
        "Org Authorization Server."
    )
    assert refusal(ask(client, app, at=ORG, scope="okta.apps.read")) == (401, "invalid_client", text)


def test_the_org_s_server_may_not_know_client_credentials() -> None:
    client, app = world(settings={"org_server_client_credentials": "unsupported"})

    text = "'client_credentials' grant type can only be used with a custom authorization server."
    assert refusal(ask(client, app, at=ORG, scope="okta.apps.read")) == (400, "unsupported_grant_type", text)


def integration(method: str = BASIC) -> tuple[OktaClient, OktaApp]:
    client, app = world(method, api_service_integration=True)
    app.okta_scopes = frozenset({"okta.apps.read"})
    return client, app


def test_an_integration_may_use_its_secret_for_okta_scopes() -> None:
    client, app = integration()

    answer = ask(client, app, at=ORG, scope="okta.apps.read")

    assert (answer.status, answer.document["scope"]) == (200, "okta.apps.read")


def test_an_integration_uses_basic_or_a_key() -> None:
    client, app = integration(POST)

    status, error, text = refusal(ask(client, app, at=ORG, scope="okta.apps.read"))

    assert (status, error) == (401, "invalid_client")
    assert text.startswith("OAuth Integration Client Credentials requests to the Org Authorization Server must use")


def test_an_integration_cannot_use_a_custom_server() -> None:
    client, app = integration()

    text = "This client cannot use a custom authorization server."
    assert refusal(ask(client, app)) == (400, "unauthorized_client", text)


@pytest.mark.parametrize(
    ("scope", "error", "text"),
    [
        pytest.param("", "invalid_scope", "No scopes were requested.", id="none"),
        pytest.param("app.read", "invalid_scope", "One or more scopes are not configured", id="not of the org"),
        pytest.param("openid", "invalid_scope", "Cannot request 'openid' scopes", id="openid"),
        pytest.param("okta.users.read", "consent_required", "You are not allowed any", id="not granted to the app"),
    ],
)
def test_the_org_s_server_grants_what_was_granted_to_the_app(scope: str, error: str, text: str) -> None:
    client, app = integration()

    found = refusal(ask(client, app, at=ORG, scope=scope))

    assert found[:2] == (400, error)
    assert found[2].startswith(text)


# --- Servers ----------------------------------------------------------------------------------------------


def test_an_unknown_server_is_not_found() -> None:
    client, app = world()

    answer = ask(client, app, at="/oauth2/nowhere/v1/token")

    assert (answer.status, answer.document["errorCode"]) == (404, "E0000007")


def test_without_the_licence_there_is_no_custom_server() -> None:
    client, app = world(settings={"api_access_management": False})

    answer = ask(client, app)

    assert (answer.status, answer.document["errorCode"]) == (401, "E0000015")
    expected = "You do not have permission to access the feature you are requesting"
    assert answer.document["errorSummary"] == expected


def test_a_default_server_can_be_switched_off() -> None:
    client, app = world()
    client.okta.org.servers["default"].active = False

    assert ask(client, app).status == 404


def test_a_token_request_is_a_form() -> None:
    client, _ = world()

    answer = client.call("POST", CUSTOM, headers={"content-type": "application/json"}, body=b"{}")

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000021")


# --- Introspect and revoke --------------------------------------------------------------------------------


def probe(
    client: OktaClient, app: OktaApp, secret: str = SECRET, *, at: str = "/oauth2/v1", token: str = "x"
) -> Answer:
    return client.form(f"{at}/introspect", basic(app.client_id, secret), token=token)


@pytest.mark.parametrize("at", ["/oauth2/v1", "/oauth2/default/v1"])
def test_introspecting_a_made_up_token_tells_a_good_secret_from_a_bad_one(at: str) -> None:
    client, app = world(grant_types=["authorization_code"], dpop_bound=True)

    good, bad = probe(client, app, at=at), probe(client, app, "wrong", at=at)

    assert (good.status, good.body) == (200, b'{"active":false}')
    assert refusal(bad) == WRONG_SECRET


def test_a_living_token_is_introspected_at_its_own_server() -> None:
    client, app = world()
    token = ask(client, app).document["access_token"]

    here, elsewhere = (probe(client, app, at=at, token=token) for at in ("/oauth2/default/v1", "/oauth2/v1"))

    assert here.document["active"] is True
    assert (here.document["client_id"], here.document["scope"]) == (app.client_id, "app.read")
    assert elsewhere.document == {"active": False}


def test_an_expired_token_is_not_active() -> None:
    client, app = world()
    token = ask(client, app).document["access_token"]
    client.okta.org.clock.advance(timedelta(seconds=3600))

    assert probe(client, app, at="/oauth2/default/v1", token=token).document == {"active": False}


def test_introspection_needs_a_token() -> None:
    client, app = world()

    answer = client.form("/oauth2/v1/introspect", basic(app.client_id, SECRET))

    assert refusal(answer) == (400, "invalid_request", "The 'token' parameter is required.")


def test_a_public_client_introspects_with_its_id_in_the_query() -> None:
    client, app = world("none", app_type="browser", grant_types=["authorization_code"])

    answer = client.form(f"/oauth2/v1/introspect?client_id={app.client_id}", token="x")

    assert (answer.status, answer.document) == (200, {"active": False})


def test_introspection_may_refuse_service_apps() -> None:
    client, app = world(settings={"introspect_refuses_service_apps": True})

    text = "Clients with 'application_type' of 'service' are not allowed to access the '/introspect' endpoint."
    web = client.okta.add_app(app_type="web", secrets=[SECRET])
    assert refusal(probe(client, app)) == (400, "invalid_request", text)
    assert probe(client, web).status == 200


def test_a_revoked_token_is_not_active() -> None:
    client, app = world()
    token = ask(client, app).document["access_token"]

    answer = client.form("/oauth2/default/v1/revoke", basic(app.client_id, SECRET), token=token)

    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"", None)
    assert probe(client, app, at="/oauth2/default/v1", token=token).document == {"active": False}


def test_revoking_a_made_up_token_tells_a_good_secret_from_a_bad_one() -> None:
    client, app = world()

    answers = [
        client.form("/oauth2/v1/revoke", basic(app.client_id, secret), token="x") for secret in (SECRET, "wrong")
    ]

    assert [answer.status for answer in answers] == [200, 401]


def test_a_client_revokes_its_own_tokens_alone() -> None:
    client, app = world()
    other = client.okta.add_app(secrets=[SECRET])
    token = ask(client, app).document["access_token"]

    client.form("/oauth2/default/v1/revoke", basic(other.client_id, SECRET), token=token)

    assert probe(client, app, at="/oauth2/default/v1", token=token).document["active"] is True


# --- Discovery --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "issuer", "endpoints"),
    [
        pytest.param("", BASE, f"{BASE}/oauth2/v1", id="the org's own"),
        pytest.param("/oauth2/default", f"{BASE}/oauth2/default", f"{BASE}/oauth2/default/v1", id="a custom one"),
    ],
)
@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_a_server_describes_itself(root: str, issuer: str, endpoints: str, name: str) -> None:
    client, _ = world()

    document = client.get(f"{root}/.well-known/{name}").document

    assert document["issuer"] == issuer
    assert document["token_endpoint"] == f"{endpoints}/token"
    assert document["introspection_endpoint"] == f"{endpoints}/introspect"
    assert document["revocation_endpoint"] == f"{endpoints}/revoke"
    assert document["jwks_uri"] == f"{endpoints}/keys"
    assert "client_credentials" in document["grant_types_supported"]
    assert ("userinfo_endpoint" in document) == (name == "openid-configuration")


def test_an_unknown_server_describes_nothing() -> None:
    client, _ = world()

    paths = ("/oauth2/nowhere/v1/keys", "/oauth2/nowhere/.well-known/openid-configuration")
    assert [client.get(path).status for path in paths] == [404, 404]


def test_tokens_survive_neither_their_end_nor_fill_the_memory() -> None:
    client, app = world()
    for _ in range(3):
        ask(client, app)
    client.okta.org.clock.advance(timedelta(hours=2))

    ask(client, app)

    assert len(client.okta.org.access_tokens) == 1


def test_a_token_names_nothing_secret() -> None:
    client, app = world()

    token = ask(client, app).document["access_token"]

    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert SECRET not in json.dumps(claims)


def test_an_inactive_secret_from_the_start_is_not_accepted() -> None:
    okta: OktaEmulator
    okta, _ = org()
    okta.add_authorization_server()
    app = okta.add_app(secrets=[GivenSecret("on-secret-value"), GivenSecret(SECRET, active=False)])

    assert refusal(ask(OktaClient(okta), app)) == WRONG_SECRET
