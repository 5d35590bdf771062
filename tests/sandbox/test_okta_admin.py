"""Who may call the management API (contracts: Okta 6.3, 6.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.sandbox.okta_state import AdminRole

from .okta_client import FORM, OktaClient, org
from .okta_keys import KEY, OTHER_KEY, Signer

APPS = "/api/v1/apps"
TOKEN = "/oauth2/v1/token"
ADMINISTRATOR = AdminRole()
READ_ONLY = AdminRole(manage=False, label="Read-only Administrator")


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("SSWS wrong", id="an unknown API token"),
        pytest.param("Bearer wrong", id="an unknown access token"),
        pytest.param("Basic dTpw", id="another scheme"),
        pytest.param("SSWS", id="a scheme alone"),
        pytest.param("", id="an empty header"),
    ],
)
def test_a_caller_without_good_credentials_is_refused(authorization: str | None) -> None:
    okta, _ = org()

    answer = OktaClient(okta, authorization).get(APPS)

    assert (answer.status, answer.document["errorCode"]) == (401, "E0000011")
    assert answer.document["errorSummary"] == "Invalid token provided"


@pytest.mark.parametrize("form", ["SSWS {}", "SSWS{}"])
def test_an_api_token_may_stand_without_a_blank(form: str) -> None:
    okta, _ = org()

    assert OktaClient(okta, form.format(okta.add_api_token())).get(APPS).status == 200


def test_an_api_token_dies_of_thirty_days_without_use() -> None:
    okta, admin = org()
    okta.org.clock.advance(timedelta(days=29))
    used = admin.get(APPS).status
    okta.org.clock.advance(timedelta(days=29))
    used_again = admin.get(APPS).status
    okta.org.clock.advance(timedelta(days=31))

    assert (used, used_again, admin.get(APPS).status) == (200, 200, 401)


def test_an_api_token_may_be_kept_alive_by_the_settings() -> None:
    okta, admin = org(api_token_idle_life=None)
    okta.org.clock.advance(timedelta(days=365))

    assert admin.get(APPS).status == 200


def test_a_revoked_api_token_is_refused() -> None:
    okta, _ = org()
    value = okta.add_api_token()
    okta.revoke_api_token(value)

    assert OktaClient(okta, f"SSWS {value}").get(APPS).status == 401
    assert len(okta.log.events("system.api_token.revoke")) == 1


def test_a_read_only_administrator_changes_nothing() -> None:
    okta, _ = org()
    app = okta.add_app()
    reader = OktaClient(okta, f"SSWS {okta.add_api_token(role=READ_ONLY)}")

    answer = reader.post(f"{APPS}/{app.id}/credentials/secrets")

    assert reader.get(f"{APPS}/{app.id}/credentials/secrets").status == 200
    assert (answer.status, answer.document["errorCode"]) == (403, "E0000006")
    assert answer.document["errorSummary"] == "You do not have permission to perform the requested action"
    assert len(app.secrets) == 1


def test_the_log_needs_a_role_that_may_read_it() -> None:
    okta, _ = org()
    role = AdminRole(read_log=False)

    assert OktaClient(okta, f"SSWS {okta.add_api_token(role=role)}").get("/api/v1/logs").status == 403


def test_an_app_outside_the_resource_set_does_not_exist() -> None:
    okta, _ = org()
    mine, other = okta.add_app("mine"), okta.add_app("other")
    role = AdminRole(apps=frozenset({mine.id}))
    limited = OktaClient(okta, f"SSWS {okta.add_api_token(role=role)}")

    answers = [
        limited.get(f"{APPS}/{other.id}"),
        limited.get(f"{APPS}/{other.id}/credentials/secrets"),
        limited.get(f"/oauth2/v1/clients/{other.client_id}"),
    ]

    assert [answer.status for answer in answers] == [404, 404, 404]
    assert [app["id"] for app in limited.get(APPS).document] == [mine.id]
    assert limited.get(f"{APPS}/{mine.id}/credentials/secrets").status == 200


def test_pages_do_not_count_apps_outside_the_resource_set() -> None:
    okta, _ = org()
    apps = [okta.add_app(f"app {number}") for number in range(6)]
    role = AdminRole(apps=frozenset(app.id for app in apps[1::2]))
    limited = OktaClient(okta, f"SSWS {okta.add_api_token(role=role)}")

    first = limited.get(APPS, limit="2")
    second = limited.follow(first.link("next"))

    assert [len(first.document), len(second.document)] == [2, 1]
    assert second.link("next") is None


def test_a_role_for_some_apps_makes_no_new_ones() -> None:
    okta, _ = org()
    role = AdminRole(apps=frozenset())

    assert OktaClient(okta, f"SSWS {okta.add_api_token(role=role)}").post(APPS, {"label": "x"}).status == 403


@pytest.mark.parametrize(
    ("how", "expected"),
    [pytest.param("masked", "***alue", id="masked"), pytest.param("absent", None, id="absent")],
)
def test_without_the_view_permission_the_plaintext_is_hidden(how: str, expected: str | None) -> None:
    okta, _ = org(without_view_permission=how)
    app = okta.add_app(secrets=["a-hidden-value"])
    role = AdminRole(view_secrets=False)
    blind = OktaClient(okta, f"SSWS {okta.add_api_token(role=role)}")

    (shown,) = blind.get(f"{APPS}/{app.id}/credentials/secrets").document

    assert shown.get("client_secret") == expected
    assert shown["secret_hash"] == okta.org.hash_of("a-hidden-value")


def service_client(
    scopes: tuple[str, ...] = ("okta.apps.read", "okta.apps.manage"), *, role: AdminRole | None = ADMINISTRATOR
) -> OktaClient:
    okta, _ = org()
    app = okta.add_service_app(KEY.public, scopes=scopes, role=role)
    assertion = Signer(KEY, okta).assertion(app.client_id, TOKEN)
    answer = OktaClient(okta).form(TOKEN, grant_type="client_credentials", scope=" ".join(scopes), **assertion)
    assert answer.status == 200, answer.body
    return OktaClient(okta, f"Bearer {answer.document['access_token']}")


def test_an_access_token_of_the_org_opens_the_management_api() -> None:
    client = service_client()
    app = client.okta.add_app()

    assert client.get(f"{APPS}/{app.id}").status == 200
    assert client.post(f"{APPS}/{app.id}/credentials/secrets").status == 201


def test_an_access_token_may_stand_without_a_blank() -> None:
    client = service_client()
    client.authorization = (client.authorization or "").replace(" ", "")

    assert client.get(APPS).status == 200


def test_an_access_token_lives_an_hour() -> None:
    client = service_client()
    client.okta.org.clock.advance(timedelta(seconds=3599))
    young = client.get(APPS).status
    client.okta.org.clock.advance(timedelta(seconds=1))

    assert (young, client.get(APPS).status) == (200, 401)


def test_an_access_token_dies_with_its_app() -> None:
    client = service_client()
    (app,) = client.okta.org.apps.values()
    client.okta.deactivate_app_by_admin(app)

    assert client.get(APPS).status == 401


def test_an_access_token_is_gone_with_its_app() -> None:
    client = service_client()
    (app,) = client.okta.org.apps.values()
    client.okta.delete_app_by_admin(app)

    assert client.get(APPS).status == 401


def test_an_unbound_token_is_no_dpop_token() -> None:
    client = service_client()
    token = (client.authorization or "").removeprefix("Bearer ")
    proof = Signer(KEY, client.okta).proof("GET", APPS, token=token)

    assert client.call("GET", APPS, headers={"authorization": f"DPoP {token}", "dpop": proof}).status == 401


def test_a_token_of_a_custom_server_does_not_open_the_management_api() -> None:
    okta, _ = org()
    okta.add_authorization_server()
    app = okta.add_app(auth_method="client_secret_post", secrets=["a-long-enough-value"])
    fields = {"client_id": app.client_id, "client_secret": "a-long-enough-value"}
    granted = OktaClient(okta).form(
        "/oauth2/default/v1/token", grant_type="client_credentials", scope="app.read", **fields
    )

    assert OktaClient(okta, f"Bearer {granted.document['access_token']}").get(APPS).status == 401


def test_a_call_needs_its_scope() -> None:
    client = service_client(("okta.apps.read",))
    app = client.okta.add_app()

    answer = client.post(f"{APPS}/{app.id}/credentials/secrets")

    assert (answer.status, answer.document["errorCode"]) == (403, "E0000006")
    challenge = answer.header("www-authenticate") or ""
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert "The access token provided does not contain the required scopes." in challenge
    assert 'scope="okta.apps.manage"' in challenge
    assert client.get(f"{APPS}/{app.id}").status == 200


def test_to_manage_is_not_to_read() -> None:
    client = service_client(("okta.apps.manage",))

    assert client.get(APPS).status == 403


@pytest.mark.parametrize(
    ("path", "scope"),
    [("/api/v1/logs", "okta.logs.read"), ("/oauth2/v1/clients/x", "okta.clients.read")],
)
def test_the_log_and_the_clients_have_scopes_of_their_own(path: str, scope: str) -> None:
    assert service_client().get(path).status == 403
    assert service_client((scope,)).get(path).status in {200, 404}


def test_a_service_app_needs_a_role_beside_its_scopes() -> None:
    answer = service_client(role=None).get(APPS)

    assert (answer.status, answer.document["errorCode"]) == (403, "E0000006")
    assert answer.header("www-authenticate") is None


def test_a_scope_does_not_widen_the_role() -> None:
    client = service_client(role=READ_ONLY)
    app = client.okta.add_app()

    assert client.post(f"{APPS}/{app.id}/credentials/secrets").status == 403


def dpop_client() -> tuple[OktaClient, Signer]:
    """Return a service app with a token that is bound to its key."""
    okta, _ = org()
    app = okta.add_service_app(KEY.public, scopes=["okta.apps.read"], dpop_bound=True)
    signer, client = Signer(KEY, okta), OktaClient(okta)
    fields = {"grant_type": "client_credentials", "scope": "okta.apps.read"}
    first = client.form(
        TOKEN, {"dpop": signer.proof("POST", TOKEN)}, **fields, **signer.assertion(app.client_id, TOKEN)
    )
    proof = signer.proof("POST", TOKEN, nonce=first.header("dpop-nonce"))
    answer = client.form(TOKEN, {"dpop": proof}, **fields, **signer.assertion(app.client_id, TOKEN))
    assert answer.document["token_type"] == "DPoP", answer.body
    return OktaClient(okta, f"DPoP {answer.document['access_token']}"), signer


def test_a_bound_token_opens_the_api_with_a_proof_without_nonce() -> None:
    client, signer = dpop_client()
    token = (client.authorization or "").removeprefix("DPoP ")

    assert client.call("GET", APPS, headers={"dpop": signer.proof("GET", APPS, token=token)}).status == 200


def test_the_proof_does_not_name_the_query() -> None:
    client, signer = dpop_client()
    token = (client.authorization or "").removeprefix("DPoP ")

    answer = client.call("GET", f"{APPS}?limit=5", headers={"dpop": signer.proof("GET", APPS, token=token)})

    assert answer.status == 200


def test_a_bound_token_is_no_bearer_token() -> None:
    client, _ = dpop_client()
    client.authorization = (client.authorization or "").replace("DPoP", "Bearer")

    assert client.get(APPS).status == 401


@pytest.mark.parametrize("case", ["no proof", "another method", "another path", "another token", "another key", "old"])
def test_a_bound_token_without_a_fitting_proof_is_refused(case: str) -> None:
    client, signer = dpop_client()
    token = (client.authorization or "").removeprefix("DPoP ")
    proofs: dict[str, str | None] = {
        "no proof": None,
        "another method": signer.proof("POST", APPS, token=token),
        "another path": signer.proof("GET", "/api/v1/logs", token=token),
        "another token": signer.proof("GET", APPS, token="another"),
        "another key": Signer(OTHER_KEY, client.okta).proof("GET", APPS, token=token),
        "old": signer.proof("GET", APPS, token=token, age=301),
    }

    answer = client.call("GET", APPS, headers={"dpop": proofs[case]})

    assert (answer.status, answer.document["errorCode"]) == (401, "E0000011")
    assert 'error="invalid_dpop_proof"' in (answer.header("www-authenticate") or "")


def test_a_proof_is_good_once() -> None:
    client, signer = dpop_client()
    proof = signer.proof("GET", APPS, token=(client.authorization or "").removeprefix("DPoP "))

    assert [client.call("GET", APPS, headers={"dpop": proof}).status for _ in range(2)] == [200, 401]


def test_the_form_type_is_of_no_use_to_the_management_api() -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.call("POST", f"{APPS}/{app.id}/credentials/secrets", headers={"content-type": FORM}, body=b"a=b")

    assert answer.status == 400
