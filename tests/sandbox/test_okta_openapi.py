"""The emulator's answers against Okta's own OpenAPI documents, where they lie beside this repository.

Known to be loose in them (contracts: Okta 0): the refusal of an unknown client at the token endpoints has the
management API's shape, which the OAuth document does not list there; and real apps and
events hold nulls where the schema has none (contracts: Okta 3.2 and 4.2 show recorded ones), so nulls are left out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from .okta_client import Answer, OktaClient, basic, org

if TYPE_CHECKING:
    from rotator.sandbox.okta_state import OktaApp

FOLDER = Path(__file__).parents[3] / "shared" / "okta-openapi"
SECRET = "the-secret-of-the-app-0123456789abcdef"
MANAGEMENT, OAUTH = "okta-management-subset.yaml", "okta-oauth-subset.yaml"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="Okta's OpenAPI documents are not beside this repository")


@cache
def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(
        (FOLDER / name).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return loaded


@cache
def validator(name: str, method: str, path: str, status: str) -> Draft202012Validator:
    """Return the validator of a response."""
    response = document(name)["paths"][path][method]["responses"][status]
    schema = resolved(document(name), response)["content"]["application/json"]["schema"]
    return Draft202012Validator(
        {**translated(schema), "components": translated(document(name)["components"])},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def resolved(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = root
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def translated(node: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema: `nullable` becomes a type union, an OpenAPI `discriminator` its own rule."""
    if isinstance(node, list):
        return [translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "discriminator" in node and "oneOf" in node:
        return _by_discriminator(node["discriminator"])
    schema = {key: translated(value) for key, value in node.items() if key not in {"nullable", "example", "examples"}}
    if node.get("nullable") is True:
        return _nullable(schema)
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _by_discriminator(discriminator: dict[str, Any]) -> dict[str, Any]:
    name = discriminator["propertyName"]
    cases = [
        {"if": {"properties": {name: {"const": value}}, "required": [name]}, "then": {"$ref": target}}
        for value, target in discriminator["mapping"].items()
    ]
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {"enum": list(discriminator["mapping"])}},
        "allOf": cases,
    }


def without_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [without_nulls(item) for item in node]
    if isinstance(node, dict):
        return {key: without_nulls(value) for key, value in node.items() if value is not None}
    return node


def assert_valid(answer: Answer, method: str, path: str, *, of: str = MANAGEMENT) -> None:
    """Check status, media type and body of an answer."""
    errors = list(validator(of, method, path, str(answer.status)).iter_errors(without_nulls(answer.document)))

    assert answer.header("content-type") == "application/json"
    assert [(error.json_path, error.message[:200]) for error in errors] == []


APPS = "/api/v1/apps"
SECRETS = "/api/v1/apps/{appId}/credentials/secrets"
CUSTOM = "/oauth2/{authorizationServerId}/v1"


def world() -> tuple[OktaClient, OktaApp]:
    okta, admin = org()
    okta.add_authorization_server()
    return admin, okta.add_app("Billing", secrets=[SECRET])


def test_the_check_itself_can_fail() -> None:
    admin, app = world()
    (shown,) = admin.get(f"{APPS}/{app.id}/credentials/secrets").document

    broken = [shown | {"status": "SLEEPING"}, shown | {"created": 5}, "no object"]

    check = validator(MANAGEMENT, "get", SECRETS + "/{secretId}", "200")
    assert check.is_valid(shown)
    assert [check.is_valid(document) for document in broken] == [False, False, False]


def test_apps_are_as_okta_says() -> None:
    admin, app = world()
    admin.okta.add_app("Web", app_type="web", auth_method="client_secret_post", grant_types=["authorization_code"])
    admin.okta.add_app("Signs", auth_method="private_key_jwt", status="INACTIVE")
    admin.okta.add_app("CRM", name="salesforce", sign_on_mode="SAML_2_0", secrets=[])

    assert_valid(admin.get(APPS), "get", APPS)
    assert_valid(admin.get(f"{APPS}/{app.id}"), "get", "/api/v1/apps/{appId}")


def test_secrets_are_as_okta_says() -> None:
    admin, app = world()
    path = f"{APPS}/{app.id}/credentials/secrets"
    created = admin.post(path, {})
    one = f"{path}/{created.document['id']}"

    assert_valid(created, "post", SECRETS)
    assert_valid(admin.post(f"{one}/lifecycle/deactivate"), "post", SECRETS + "/{secretId}/lifecycle/deactivate")
    assert_valid(admin.get(path), "get", SECRETS)
    assert_valid(admin.get(one), "get", SECRETS + "/{secretId}")
    assert_valid(admin.post(f"{one}/lifecycle/activate"), "post", SECRETS + "/{secretId}/lifecycle/activate")


def test_events_are_as_okta_says() -> None:
    admin, app = world()
    admin.post(f"{APPS}/{app.id}/credentials/secrets")
    for secret in (SECRET, "wrong"):
        admin.form(
            "/oauth2/default/v1/token",
            basic(app.client_id, secret),
            grant_type="client_credentials",
            scope="app.read",
        )
    admin.okta.crowd(1)
    admin.get(APPS)
    admin.get(f"{APPS}/{app.id}/credentials/secrets")

    answer = admin.get("/api/v1/logs")

    assert len(answer.document) == 5
    assert_valid(answer, "get", "/api/v1/logs")


def test_refusals_of_the_management_api_are_as_okta_says() -> None:
    admin, app = world()
    path = f"{APPS}/{app.id}/credentials/secrets"
    one = f"{path}/{app.secrets[0].id}"

    assert_valid(OktaClient(admin.okta).get(path), "get", SECRETS)
    assert_valid(admin.get(f"{path}/ocsnone"), "get", SECRETS + "/{secretId}")
    assert_valid(admin.post(path, {"client_secret": "short"}), "post", SECRETS)
    assert_valid(admin.delete(one), "delete", SECRETS + "/{secretId}")
    assert_valid(admin.post(f"{one}/lifecycle/deactivate"), "post", SECRETS + "/{secretId}/lifecycle/deactivate")
    admin.okta.crowd(1)
    assert_valid(admin.get(APPS), "get", APPS)


def test_tokens_and_their_use_are_as_okta_says() -> None:
    admin, app = world()
    credentials = basic(app.client_id, SECRET)
    granted = admin.form("/oauth2/default/v1/token", credentials, grant_type="client_credentials", scope="app.read")
    token = granted.document["access_token"]

    assert_valid(granted, "post", f"{CUSTOM}/token", of=OAUTH)
    introspected = [admin.form("/oauth2/default/v1/introspect", credentials, token=text) for text in (token, "x")]
    assert [answer.document["active"] for answer in introspected] == [True, False]
    for answer in introspected:
        assert_valid(answer, "post", f"{CUSTOM}/introspect", of=OAUTH)
    assert_valid(admin.get("/oauth2/v1/keys"), "get", "/oauth2/v1/keys", of=OAUTH)


def test_refusals_of_the_token_endpoints_are_as_okta_says() -> None:
    admin, app = world()
    wrong = basic(app.client_id, "wrong")

    answers = [
        admin.form("/oauth2/v1/introspect", wrong, token="x"),
        admin.form("/oauth2/v1/introspect", basic(app.client_id, SECRET)),
    ]

    assert [answer.status for answer in answers] == [401, 400]
    for answer in answers:
        assert_valid(answer, "post", "/oauth2/v1/introspect", of=OAUTH)
    refused = admin.form("/oauth2/default/v1/token", wrong, grant_type="client_credentials")
    assert_valid(refused, "post", f"{CUSTOM}/token", of=OAUTH)


@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_discovery_is_as_okta_says(name: str) -> None:
    admin, _ = world()

    path = f"/oauth2/{{authorizationServerId}}/.well-known/{name}"
    assert_valid(admin.get(f"/oauth2/default/.well-known/{name}"), "get", path, of=OAUTH)


def test_the_org_s_discovery_is_as_okta_says() -> None:
    admin, _ = world()

    path = "/.well-known/openid-configuration"
    assert_valid(admin.get(path), "get", path, of=OAUTH)


def test_a_client_is_as_okta_says() -> None:
    admin, app = world()

    answer = admin.get(f"/oauth2/v1/clients/{app.client_id}")

    assert_valid(answer, "get", "/oauth2/v1/clients/{clientId}", of=OAUTH)
