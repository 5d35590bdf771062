"""The Okta emulator as clients meet it: over HTTP, with the libraries that the service uses."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import ClientSecretJWT

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.world import Sandbox

from .okta_client import START

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "the-secret-of-the-app-0123456789abcdef"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(clock=SandboxClock(START, speed=0)) as box:
        yield box


def send(box: Sandbox, method: str, path: str, *, token: str, body: bytes | None = None) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection(urlsplit(box.okta_url).netloc, timeout=10)
    connection.request(method, path, body=body, headers={"Authorization": f"SSWS {token}"})
    response = connection.getresponse()
    found = response.read()
    connection.close()
    return response, found


def test_a_page_comes_with_two_link_headers_and_three_cookies(box: Sandbox) -> None:
    token = box.okta.add_api_token()
    for number in range(3):
        box.okta.add_app(f"app {number}")

    response, body = send(box, "GET", "/api/v1/apps?limit=2", token=token)

    assert [app["label"] for app in json.loads(body)] == ["app 0", "app 1"]
    links = response.headers.get_all("Link")
    assert links is not None
    assert [link.partition("; ")[2] for link in links] == ['rel="self"', 'rel="next"']
    assert all(link.startswith(f"<{box.okta_url}/api/v1/apps?") for link in links)
    assert len(response.headers.get_all("Set-Cookie") or []) == 3


def test_the_only_date_is_the_sandbox_s(box: Sandbox) -> None:
    response, _ = send(box, "GET", "/api/v1/apps", token=box.okta.add_api_token())

    assert response.headers.get_all("Date") == ["Sun, 01 Mar 2026 12:00:00 GMT"]


def test_a_secret_lives_and_dies_over_http(box: Sandbox) -> None:
    token, app = box.okta.add_api_token(), box.okta.add_app()
    path = f"/api/v1/apps/{app.id}/credentials/secrets"

    created, body = send(box, "POST", path, token=token, body=b"")
    one = f"{path}/{json.loads(body)['id']}"
    off, _ = send(box, "POST", f"{one}/lifecycle/deactivate", token=token, body=b"")
    gone, nothing = send(box, "DELETE", one, token=token)

    assert (created.status, off.status, gone.status, nothing) == (201, 200, 204, b"")
    assert gone.headers["Content-Type"] is None
    assert [call.bucket for call in box.journal.calls()] == ["apps", "apps", "apps"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt"])
def test_authlib_gets_a_token_by_each_method(method: str) -> None:
    with Sandbox() as box:
        box.okta.add_authorization_server()
        app = box.okta.add_app(auth_method=method, secrets=[SECRET])
        url = f"{box.okta_url}/oauth2/default/v1/token"
        with OAuth2Client(app.client_id, SECRET, token_endpoint_auth_method=method, scope="app.read") as client:
            client.register_client_auth_method(ClientSecretJWT(url))

            token = client.fetch_token(url, grant_type="client_credentials")

    assert (token["token_type"], token["scope"]) == ("Bearer", "app.read")


def test_a_fast_clock_opens_the_window_early() -> None:
    with Sandbox(clock=SandboxClock(START, speed=0)) as box:
        headers = {"Authorization": f"SSWS {box.okta.add_api_token()}"}
        with httpx2.Client(base_url=box.okta_url, headers=headers) as client:
            statuses = [client.get("/api/v1/apps").status_code for _ in range(51)]
            client.post("/_sandbox/clock", json={"advance": "60s"})
            statuses.append(client.get("/api/v1/apps").status_code)

    assert statuses == [200] * 50 + [429, 200]


def test_a_person_revokes_a_secret_by_curl(box: Sandbox) -> None:
    app = box.okta.add_app()
    first = app.secrets[0].id
    box.okta.add_secret_by_admin(app)

    answer = httpx2.post(f"{box.okta_url}/_sandbox/okta/revoke", json={"app": app.id, "secret_id": first})

    assert (answer.status_code, answer.json()) == (200, {"status": "INACTIVE"})
    assert not app.secrets[0].active


def test_a_person_is_told_what_the_console_refuses(box: Sandbox) -> None:
    app = box.okta.add_app()

    answer = httpx2.post(f"{box.okta_url}/_sandbox/okta/revoke", json={"app": app.id, "secret_id": app.secrets[0].id})

    assert answer.status_code == 400
    assert "only active" in answer.text
