"""What is sent to the token endpoints, and what comes of answers that no sane server gives."""

from __future__ import annotations

import asyncio
import base64
import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_pace import OktaPace
from rotator.adapters.okta_tokens import OktaTokenEndpoint
from rotator.core.budget import Haste, in_haste
from rotator.core.model import App, AppId, AuthMethod, ClientId, ProofLevel, VerifySettings
from rotator.core.secret_value import SecretValue
from tests.contract.okta_keys import certificate
from tests.contract.okta_script import Act, Script, error_json, falls_silent, hangs_up, says
from tests.fakes.okta import NOON, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

VALUE = SecretValue("s3cret" * 10)
AT_DEFAULT = VerifySettings(authorization_server="default", scope="billing.read")
INACTIVE = says(200, {"active": False})
TOKEN = says(200, {"access_token": "issued-token", "token_type": "Bearer", "expires_in": 3600})
WRONG = says(401, {"error": "invalid_client", "error_description": "The client secret supplied is invalid."})


@pytest.fixture
def script() -> Iterator[Script]:
    with Script(INACTIVE) as script:
        yield script


@asynccontextmanager
async def tokens_of(
    url: str,
    *,
    answer_within: timedelta = timedelta(seconds=10),
    ca_file: Path | None = None,
    proxy: str | None = None,
    nap: float = 0,
) -> AsyncIterator[OktaTokenEndpoint]:
    login, clock = SswsAuth(SecretValue("never used here")), ManualClock()
    connection = OktaConnection(url, login, answer_within=answer_within, ca_file=ca_file, proxy=proxy)

    async def pass_by(seconds: float) -> None:
        await asyncio.sleep(nap)
        clock.advance(timedelta(seconds=seconds))

    tokens = OktaTokenEndpoint(connection, clock, pace=OktaPace(connection.host, clock, sleep=pass_by))
    try:
        yield tokens
    finally:
        await tokens.aclose()


def app(
    method: AuthMethod = AuthMethod.BASIC, *, grants: tuple[str, ...] = ("client_credentials",), dpop: bool = False
) -> App:
    return App(
        id=AppId("0oa1"),
        label="Billing",
        status="ACTIVE",
        sign_on_mode="OPENID_CONNECT",
        client_id=ClientId("client-1"),
        auth_method=method,
        application_type="service",
        grant_types=frozenset(grants),
        dpop_bound=dpop,
    )


# --- Which request ----------------------------------------------------------------------------------------

TOKEN_URL, INTROSPECT_URL, REVOKE_URL = (
    f"POST /oauth2/default/v1/{name}" for name in ("token", "introspect", "revoke")
)


async def test_a_token_is_asked_for_and_revoked(script: Script) -> None:
    script.then(TOKEN, says(200))

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    assert (proof.level, proof.at, "revoked" in proof.detail) == (ProofLevel.TOKEN_ISSUED, NOON, True)
    assert script.asked == [TOKEN_URL, REVOKE_URL]
    assert script.requests[0].form() == {"grant_type": "client_credentials", "scope": "billing.read"}
    assert script.requests[1].form()["token"] == "issued-token"


@pytest.mark.parametrize("revocation", [says(500), hangs_up])
async def test_a_failed_revocation_is_a_remark_only(script: Script, revocation: Act) -> None:
    script.then(TOKEN, revocation)

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    assert (proof.level, "revoking the test token failed" in proof.detail) == (ProofLevel.TOKEN_ISSUED, True)


async def test_no_scope_is_sent_where_none_is_configured(script: Script) -> None:
    script.then(TOKEN, says(200))

    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(), VALUE, VerifySettings(authorization_server="default"))

    assert script.requests[0].form() == {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    ("client", "settings", "asked"),
    [
        pytest.param(app(grants=("authorization_code",)), AT_DEFAULT, INTROSPECT_URL, id="an app without the grant"),
        pytest.param(app(dpop=True), AT_DEFAULT, INTROSPECT_URL, id="a DPoP-bound app"),
        pytest.param(app(), VerifySettings(), "POST /oauth2/v1/introspect", id="the org's own server"),
        pytest.param(
            app(grants=()), VerifySettings(authorization_server="a/../b"), "POST /oauth2/a/../b/v1/introspect",
            id="a server with a strange name, which stays one segment",
        ),
    ],
)  # fmt: skip
async def test_where_no_token_can_be_had_a_bogus_one_is_introspected(
    script: Script, client: App, settings: VerifySettings, asked: str
) -> None:
    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(client, VALUE, settings)

    assert proof.level is ProofLevel.CLIENT_AUTHENTICATED
    assert script.asked == [asked]
    assert "rotator-probe" in script.requests[0].form()["token"]


@pytest.mark.parametrize("error", ["unsupported_grant_type", "use_dpop_nonce"])
async def test_an_error_that_may_come_before_the_secret_leads_to_an_introspection(script: Script, error: str) -> None:
    script.then(says(400, {"error": error}), WRONG)

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    assert (proof.level, error in proof.detail) == (ProofLevel.REFUSED, True)
    assert script.asked == [TOKEN_URL, INTROSPECT_URL]


# --- How the secret is sent -------------------------------------------------------------------------------


async def test_basic_sends_the_secret_in_the_header_alone(script: Script) -> None:
    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(AuthMethod.BASIC), VALUE, VerifySettings())

    (request,) = script.requests
    assert (
        request.header("authorization") == "Basic " + base64.b64encode(f"client-1:{VALUE.reveal()}".encode()).decode()
    )
    assert set(request.form()) == {"token", "token_type_hint"}


async def test_post_sends_the_secret_in_the_body_alone(script: Script) -> None:
    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(AuthMethod.POST), VALUE, VerifySettings())

    (request,) = script.requests
    assert (request.header("authorization"), request.query) == (None, ())
    assert (request.form()["client_id"], request.form()["client_secret"]) == ("client-1", VALUE.reveal())


async def test_secret_jwt_sends_a_new_short_lived_assertion_for_each_endpoint(script: Script) -> None:
    script.then(TOKEN, says(200))

    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(AuthMethod.SECRET_JWT), VALUE, AT_DEFAULT)

    key = OctKey.import_key(VALUE.reveal())
    claims = [jwt.decode(request.form()["client_assertion"], key).claims for request in script.requests]
    assert [claim["aud"] for claim in claims] == [
        f"{script.url}/oauth2/default/v1/{name}" for name in ("token", "revoke")
    ]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert {(claim["iss"], claim["sub"]) for claim in claims} == {("client-1", "client-1")}
    assert {(claim["iat"], claim["exp"]) for claim in claims} == {(int(NOON.timestamp()), int(NOON.timestamp()) + 300)}
    assert not any(VALUE.reveal().encode() in request.body for request in script.requests)


async def test_requests_say_who_we_are_and_carry_no_login_of_ours_and_no_cookie(script: Script) -> None:
    script.then(says(200, {"active": False}, {"Set-Cookie": "sid=abc; Path=/"}))

    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(AuthMethod.POST), VALUE, VerifySettings())
        await tokens.prove(app(AuthMethod.POST), VALUE, VerifySettings())

    assert all((request.header("user-agent") or "").startswith("rotator/") for request in script.requests)
    assert [request.header("cookie") for request in script.requests] == [None, None]
    assert [request.header("authorization") for request in script.requests] == [None, None]


@pytest.mark.parametrize(
    ("client", "value"),
    [
        pytest.param(app(AuthMethod.PRIVATE_KEY_JWT), VALUE, id="an app with a key"),
        pytest.param(app(AuthMethod.OTHER), VALUE, id="an app with a method that we do not know"),
        pytest.param(app(), SecretValue("pasted" * 5 + "\n"), id="a pasted newline"),
        pytest.param(app(), SecretValue("pass\N{EN DASH}word" * 5), id="a character beyond ASCII"),
        pytest.param(app(), SecretValue(""), id="nothing"),
        pytest.param(app(AuthMethod.SECRET_JWT), SecretValue("short" * 4), id="too short for a JWT"),
    ],
)
async def test_what_cannot_be_a_secret_is_not_sent(script: Script, client: App, value: SecretValue) -> None:
    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(client, value, AT_DEFAULT)

    assert proof.level is ProofLevel.INCONCLUSIVE
    assert script.asked == []


@pytest.mark.parametrize(
    ("method", "level"),
    [
        pytest.param(AuthMethod.BASIC, ProofLevel.INCONCLUSIVE, id="in a header, which may be decoded or not"),
        pytest.param(AuthMethod.POST, ProofLevel.REFUSED, id="but not in a body, which always is"),
    ],
)
async def test_a_refused_value_with_a_percent_sign_is_in_doubt(
    script: Script, method: AuthMethod, level: ProofLevel
) -> None:
    script.then(WRONG)

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(method), SecretValue("made%20by+hand" * 2), VerifySettings())

    assert proof.level is level


# --- Strange answers --------------------------------------------------------------------------------------

ECHO = {"error": "invalid_client", "error_description": f"you sent {VALUE.reveal()}\x1b[31m\nand more"}
STRANGE = [
    pytest.param(hangs_up, id="the connection is cut"),
    pytest.param(falls_silent, id="no answer"),
    pytest.param(says(200, b"<html>hello</html>", {"Content-Type": "text/html"}), id="a page"),
    pytest.param(says(200, {"active": False}, keep=5), id="an answer that breaks off"),
    pytest.param(says(200, b" " * (2 << 20)), id="an answer larger than any that makes sense"),
    pytest.param(says(200, b"[" * 100_000), id="JSON that is nested too deeply"),
    pytest.param(says(200, [1]), id="JSON that is no object"),
    pytest.param(says(500, ECHO), id="500"),
    pytest.param(says(429, error_json("E0000047")), id="a rate limit"),
    pytest.param(says(200, b"xx", {"Content-Encoding": "gzip"}), id="an encoding that is none"),
]


@pytest.mark.parametrize("act", STRANGE)
async def test_a_strange_answer_is_inconclusive_and_tells_no_secret(
    script: Script, act: Act, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    script.then(act)

    with caplog.at_level(logging.DEBUG):
        async with tokens_of(script.url, answer_within=timedelta(seconds=0.3)) as tokens:
            proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    basic = base64.b64encode(f"client-1:{VALUE.reveal()}".encode()).decode()
    told = repr(proof) + caplog.text + "".join(capfd.readouterr())
    assert proof.level is ProofLevel.INCONCLUSIVE
    assert VALUE.reveal() not in told
    assert basic not in told
    assert proof.detail.isprintable()


# --- Rate limits ------------------------------------------------------------------------------------------

USED_UP = says(
    429,
    error_json("E0000047"),
    {"X-Rate-Limit-Reset": "1795431642", "Date": "Mon, 23 Nov 2026 11:00:00 GMT"},  # 42 seconds later
)


async def test_a_token_request_waits_for_its_turn_and_only_then_for_an_answer(script: Script) -> None:
    script.then(USED_UP, TOKEN, says(200))

    async with tokens_of(script.url, answer_within=timedelta(seconds=0.3), nap=0.35) as tokens:
        levels = [(await tokens.prove(app(), VALUE, AT_DEFAULT)).level for _ in range(2)]

    assert levels == [ProofLevel.INCONCLUSIVE, ProofLevel.TOKEN_ISSUED]


async def test_a_token_request_that_cannot_go_in_time_is_not_sent_and_shows_nothing(script: Script) -> None:
    script.then(USED_UP)

    async with tokens_of(script.url) as tokens:
        await tokens.prove(app(), VALUE, AT_DEFAULT)
        with in_haste(Haste(waits=timedelta(seconds=5))):
            proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    assert (proof.level, proof.unanswered) == (ProofLevel.INCONCLUSIVE, True)
    assert "our share of the rate limit of /oauth2/default/v1/token is used up" in proof.detail
    assert script.asked == [TOKEN_URL]


async def test_a_refusal_that_repeats_the_secret_does_not_get_it_into_the_detail(script: Script) -> None:
    script.then(says(401, ECHO))

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, AT_DEFAULT)

    assert proof.level is ProofLevel.REFUSED
    assert VALUE.reveal() not in proof.detail
    assert proof.detail.isprintable()


async def test_an_answer_without_end_is_not_read_to_its_end(script: Script) -> None:
    script.then(says(200, b'{"active": false' + b" " * (2 << 20) + b"}"))

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, VerifySettings())

    assert (proof.level, "larger than" in proof.detail) == (ProofLevel.INCONCLUSIVE, True)


async def test_a_redirect_is_not_followed(script: Script) -> None:
    with Script(INACTIVE) as elsewhere:
        script.then(says(307, b"", {"Location": f"{elsewhere.url}/oauth2/v1/introspect"}))

        async with tokens_of(script.url) as tokens:
            proof = await tokens.prove(app(), VALUE, VerifySettings())

    assert (proof.level, "redirect" in proof.detail) == (ProofLevel.INCONCLUSIVE, True)
    assert elsewhere.asked == []


async def test_the_id_of_the_request_is_kept_for_oktas_support(script: Script) -> None:
    script.then(says(401, {"error": "invalid_client"}, {"X-Okta-Request-Id": "abc123"}))

    async with tokens_of(script.url) as tokens:
        proof = await tokens.prove(app(), VALUE, VerifySettings())

    assert proof.request_id == "abc123"


async def test_only_the_ca_file_vouches_for_the_server(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with Script(INACTIVE, tls=tls) as script:
        async with tokens_of(script.url) as tokens:
            stranger = await tokens.prove(app(), VALUE, VerifySettings())
        async with tokens_of(script.url, ca_file=tls.cert) as tokens:
            friend = await tokens.prove(app(), VALUE, VerifySettings())

    assert (stranger.level, friend.level) == (ProofLevel.INCONCLUSIVE, ProofLevel.CLIENT_AUTHENTICATED)
    assert len(script.asked) == 1


async def test_the_proxy_of_the_configuration_is_used_and_none_of_the_environment(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Script(INACTIVE) as elsewhere:
        monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with tokens_of("http://127.0.0.1:9", proxy=script.url) as tokens:
            proof = await tokens.prove(app(), VALUE, VerifySettings())
        async with tokens_of(script.url) as tokens:
            await tokens.prove(app(), VALUE, VerifySettings())

    assert proof.level is ProofLevel.CLIENT_AUTHENTICATED
    assert [request.path for request in script.requests] == [
        "http://127.0.0.1:9/oauth2/v1/introspect",
        "/oauth2/v1/introspect",
    ]
    assert elsewhere.asked == []
