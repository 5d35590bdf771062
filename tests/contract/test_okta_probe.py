"""The Probe and the Discovery port: one request as an application makes it, and what servers publish."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from rotator.adapters.okta_connection import OktaWay
from rotator.adapters.okta_discovery import OktaDiscovery
from rotator.adapters.okta_http import Outside
from rotator.adapters.okta_probe import OktaProbe
from rotator.core.diagnosis.evidence import INTROSPECTION, Asked
from rotator.core.diagnosis.signs import Sign, sign_of
from rotator.core.model import AuthMethod
from rotator.core.secret_value import SecretValue
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox
from tests.contract.okta_script import Script, error_json, falls_silent, hangs_up, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rotator.sandbox.okta_state import OktaApp

VALUE = SecretValue("Some-secret_01234567890123456789")
CLIENT = "0oa2example2example2"
SOON = timedelta(milliseconds=300)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        box.okta.add_authorization_server("default", scopes=["billing.read"], default_scopes=["billing.read"])
        yield box


@asynccontextmanager
async def outside(within: timedelta = timedelta(seconds=5)) -> AsyncIterator[Outside]:
    opened = Outside(lambda _: OktaWay(answer_within=within))
    try:
        yield opened
    finally:
        await opened.aclose()


async def asked_of(url: str, **changes: Any) -> Any:
    """Ask a scripted server with `changes`, and return its answer."""
    within, value = changes.pop("within", timedelta(seconds=5)), changes.pop("value", VALUE)
    usual: dict[str, Any] = {"issuer": f"{url}/oauth2/default", "client_id": CLIENT, "method": AuthMethod.BASIC}
    asked = Asked(**usual | changes)
    async with outside(within) as ways:
        return await OktaProbe(ways, SandboxClock()).ask(asked, value)


def an_app(box: Sandbox, **traits: Any) -> OktaApp:
    return box.okta.add_app("billing", secrets=[VALUE.reveal()], **traits)


# --- What is sent ---------------------------------------------------------------------------------------------


async def test_exactly_the_applications_request_goes_out() -> None:
    with Script(says(400, {"error": "invalid_scope"})) as script:
        await asked_of(script.url, scope="billing.read")

    (request,) = script.requests
    pair = base64.b64encode(f"{CLIENT}:{VALUE.reveal()}".encode()).decode()
    assert request.header("authorization") == f"Basic {pair}"
    assert request.form() == {"grant_type": "client_credentials", "scope": "billing.read"}
    assert (request.raw_path, request.header("cookie")) == ("/oauth2/default/v1/token", None)


async def test_form_fields_are_sent_as_form_fields() -> None:
    with Script(says(401, {"error": "invalid_client"})) as script:
        await asked_of(script.url, method=AuthMethod.POST)

    (request,) = script.requests
    assert request.header("authorization") is None
    assert request.form()["client_secret"] == VALUE.reveal()


async def test_a_value_that_cannot_be_right_is_sent_as_it_is() -> None:
    with Script(says(401, {"error": "invalid_client"})) as script:
        await asked_of(script.url, value=SecretValue("with a newline and ü\n"), method=AuthMethod.POST)

    assert parse_qs(script.requests[0].body.decode())["client_secret"] == ["with a newline and ü\n"]


@pytest.mark.parametrize(
    ("grant", "field"), [("authorization_code", "code"), ("refresh_token", "refresh_token"), (INTROSPECTION, "token")]
)
async def test_other_grants_show_something_that_never_was(grant: str, field: str) -> None:
    with Script(says(400, {"error": "invalid_grant"})) as script:
        await asked_of(script.url, grant=grant)

    assert script.requests[0].form()[field] == "rotator-probe"
    assert script.requests[0].path.endswith("/introspect" if grant == INTROSPECTION else "/token")


@pytest.mark.parametrize("answer", [hangs_up, says(503), says(429), says(401, {"error": "invalid_client"})])
async def test_it_asks_once_whatever_comes(answer: Any) -> None:
    with Script(answer) as script:
        await asked_of(script.url)

    assert len(script.requests) == 1


async def test_a_token_that_comes_is_revoked(box: Sandbox) -> None:
    app = an_app(box)

    answer = await asked_of(box.okta_url, client_id=app.client_id)

    assert sign_of(answer) is Sign.TOKEN
    assert box.okta.org.access_tokens == {}


@pytest.mark.parametrize("url", ["http://okta.example", "ftp://okta.example", "https://me:pw@okta.example", "nonsense"])
async def test_nothing_is_sent_in_clear_or_to_a_strange_address(url: str) -> None:
    answer = await asked_of(url)

    assert sign_of(answer) is Sign.SILENT
    assert "pw" not in answer.lost


# --- What comes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [AuthMethod.BASIC, AuthMethod.POST, AuthMethod.SECRET_JWT])
async def test_each_method_is_understood(box: Sandbox, method: AuthMethod) -> None:
    app = an_app(box, auth_method=method.value)

    assert sign_of(await asked_of(box.okta_url, client_id=app.client_id, method=method)) is Sign.TOKEN


async def test_both_shapes_of_error_are_read() -> None:
    with Script(says(401, error_json("invalid_client", "Invalid value for 'client_id' parameter."))) as script:
        managed = await asked_of(script.url)
        script.then(says(401, {"error": "invalid_client", "error_description": "Nope"}))
        oauth = await asked_of(script.url)

    assert (managed.error, managed.request_id, sign_of(managed)) == ("invalid_client", "oaeX", Sign.UNKNOWN_CLIENT)
    assert (oauth.error, oauth.description, sign_of(oauth)) == ("invalid_client", "Nope", Sign.VAGUE)


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        pytest.param(says(200, b"<html>"), Sign.NOT_OKTA, id="a page"),
        pytest.param(says(302, b"", {"Location": "https://elsewhere.example"}), Sign.NOT_OKTA, id="a redirect"),
        pytest.param(says(502, b"<html>"), Sign.AILING, id="a page of a proxy"),
        pytest.param(says(200, {"hello": 1}), Sign.NOT_OKTA, id="other JSON"),
        pytest.param(says(429, {"error": "invalid_grant"}), Sign.LIMIT, id="a limit"),
        pytest.param(hangs_up, Sign.SILENT, id="nothing"),
        pytest.param(falls_silent, Sign.SILENT, id="silence"),
    ],
)
async def test_whatever_comes_is_an_answer(answer: Any, sign: Sign) -> None:
    with Script(answer) as script:
        assert sign_of(await asked_of(script.url, within=SOON)) is sign


async def test_nothing_secret_is_in_the_answer() -> None:
    """Not even where a server sends back what it was sent."""
    pair = base64.b64encode(f"{CLIENT}:{VALUE.reveal()}".encode()).decode()
    echo = {"error": "invalid_client", "error_description": f"no {VALUE.reveal()} in Basic {pair}\n"}
    with Script(says(401, echo, {"WWW-Authenticate": f"Basic {pair}"})) as script:
        answer = await asked_of(script.url)

    assert VALUE.reveal() not in repr(answer)
    assert pair not in repr(answer)
    assert "\n" not in answer.description


async def test_the_other_clock_is_compared_with_ours() -> None:
    with Script(says(401, {"error": "invalid_client"}, {"Date": "Fri, 27 Nov 2015 12:00:00 GMT"})) as script:
        answer = await asked_of(script.url)

    assert answer.skew is not None
    assert answer.skew < timedelta(days=-365)


# --- Discovery ------------------------------------------------------------------------------------------------


async def test_a_document_is_read_for_an_org_and_for_a_custom_server(box: Sandbox) -> None:
    async with outside() as ways:
        org = await OktaDiscovery(ways).document(box.okta_url)
        custom = await OktaDiscovery(ways).document(f"{box.okta_url}/oauth2/default/")

    assert (org.issuer, org.token_endpoint) == (box.okta_url, f"{box.okta_url}/oauth2/v1/token")
    assert custom.issuer == custom.address == f"{box.okta_url}/oauth2/default"
    assert custom.authorization_endpoint == f"{box.okta_url}/oauth2/default/v1/authorize"


async def test_a_document_costs_nothing_of_any_limit(box: Sandbox) -> None:
    async with outside() as ways:
        await OktaDiscovery(ways).document(box.okta_url)

    (call,) = box.journal.calls(Wanted(service="okta"))
    assert call.bucket is None


async def test_a_server_that_there_is_not_says_so(box: Sandbox) -> None:
    async with outside() as ways:
        document = await OktaDiscovery(ways).document(f"{box.okta_url}/oauth2/nope")

    assert (document.status, document.error, document.issuer) == (404, "E0000007", None)


@pytest.mark.parametrize(
    ("answer", "json_came", "lost"),
    [
        pytest.param(says(200, b"<html>"), False, False, id="a page"),
        pytest.param(says(200, json.dumps(["issuer"]).encode()), False, False, id="a list"),
        pytest.param(says(200, {"issuer": 7}), True, False, id="an issuer that is none"),
        pytest.param(hangs_up, False, True, id="nothing"),
        pytest.param(falls_silent, False, True, id="silence"),
    ],
)
async def test_what_is_no_document_is_told_as_such(answer: Any, json_came: bool, lost: bool) -> None:
    with Script(answer) as script:
        async with outside(SOON) as ways:
            document = await OktaDiscovery(ways).document(script.url)

    assert (document.issuer, document.json, bool(document.lost)) == (None, json_came, lost)


async def test_each_server_is_reached_in_its_own_way(tmp_path: Any) -> None:
    """With a proxy for one of them, which the other does not see."""
    with Script(says(200, {"issuer": "direct"})) as direct, Script(says(200, {"issuer": "by proxy"})) as proxy:
        ways = Outside(lambda url: OktaWay(proxy=None if direct.url in url else proxy.url))
        try:
            found = [(await OktaDiscovery(ways).document(url)).issuer for url in (direct.url, "http://localhost:9")]
        finally:
            await ways.aclose()

    assert found == ["direct", "by proxy"]
