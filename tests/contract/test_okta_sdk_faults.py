"""What may go wrong between us and Okta, and which of three outcomes it is: done, not done, unknown."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.okta_admin import OktaSdkAdmin
from rotator.adapters.okta_connection import OktaConnection, PrivateKeyAuth, SswsAuth
from rotator.adapters.okta_pace import OktaPace
from rotator.adapters.okta_session import OktaSession
from rotator.core.budget import Haste, in_haste
from rotator.core.model import AppId, AuthMethod, SecretId
from rotator.core.secret_value import SecretValue
from rotator.errors import (
    ConfigError,
    InvariantError,
    MissingError,
    RateLimitedError,
    RefusedError,
    RotatorError,
    UnavailableError,
    UnknownOutcomeError,
)
from tests.contract.okta_keys import certificate, rsa_pem
from tests.contract.okta_script import Act, Script, error_json, falls_silent, hangs_up, says, secret_json
from tests.fakes.okta import NOON, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

APP = AppId("0oa1")
SECRET = SecretId("ocs1")
VALUE = SecretValue("v" * 64)
TOKEN = SecretValue("00-the-api-token")
CREATE = "POST /api/v1/apps/0oa1/credentials/secrets"
SHORT = timedelta(seconds=0.3)
LONGER = 0.35  # seconds


@pytest.fixture
def script() -> Iterator[Script]:
    with Script() as script:
        yield script


@asynccontextmanager
async def admin_of(
    url: str,
    *,
    auth: SswsAuth | PrivateKeyAuth | None = None,
    answer_within: timedelta = timedelta(seconds=10),
    ca_file: Path | None = None,
    proxy: str | None = None,
    nap: float = 0,
) -> AsyncIterator[OktaSdkAdmin]:
    connection = OktaConnection(url, auth or SswsAuth(TOKEN), answer_within=answer_within, ca_file=ca_file, proxy=proxy)
    clock = ManualClock()

    async def pass_by(seconds: float) -> None:
        await asyncio.sleep(nap)
        clock.advance(timedelta(seconds=seconds))

    session = OktaSession(connection, clock, pace=OktaPace(connection.host, clock, sleep=pass_by))
    try:
        yield OktaSdkAdmin(session)
    finally:
        await session.aclose()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


# --- Writes -----------------------------------------------------------------------------------------------

HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}

LOST_WRITES = [
    pytest.param(hangs_up, id="the connection is cut after the request"),
    pytest.param(says(500, error_json("E0000009")), id="500"),
    pytest.param(says(500), id="500 without a body, which the SDK takes for a success"),
    pytest.param(says(502, b"<html>", HTML), id="a page from a gateway"),
    pytest.param(says(503), id="503 without rate headers, which crashes the SDK"),
    pytest.param(says(408), id="408"),
    pytest.param(says(504, error_json("E0000009"), {"X-Rate-Limit-Reset": "1"}), id="504, which the SDK repeats"),
    pytest.param(says(201), id="success without a body"),
    pytest.param(says(201, b"", JSON), id="success with an empty JSON body"),
    pytest.param(says(200, b"<html>", HTML), id="success with a page"),
    pytest.param(says(201, b'{"id": "ocs', JSON), id="success with broken JSON"),
    pytest.param(says(201, secret_json(), keep=20), id="an answer that breaks off"),
    pytest.param(says(201, {"id": "ocs1"}), id="success with half a secret"),
    pytest.param(says(201, b"[" * 100_000, JSON), id="success with JSON that is nested too deeply"),
    pytest.param(says(201, b" " * (9 << 20), JSON), id="an answer larger than any that makes sense"),
]


@pytest.mark.parametrize("act", LOST_WRITES)
async def test_a_write_without_a_usable_answer_has_an_unknown_outcome_and_is_sent_once(
    script: Script, act: Act
) -> None:
    script.then(act)

    async with admin_of(script.url) as admin:
        with pytest.raises(UnknownOutcomeError):
            await admin.create_secret(APP, VALUE)

    assert script.asked == [CREATE]


async def test_a_write_that_is_not_answered_in_time_has_an_unknown_outcome(script: Script) -> None:
    script.then(falls_silent)

    async with admin_of(script.url, answer_within=SHORT) as admin:
        with pytest.raises(UnknownOutcomeError):
            await admin.create_secret(APP, VALUE)

    assert script.asked == [CREATE]


async def test_an_answer_without_end_is_not_read_to_its_end(script: Script) -> None:
    script.then(says(200, b"[" + b" " * (9 << 20) + b"]", JSON))

    async with admin_of(script.url) as admin:
        with pytest.raises(UnavailableError, match="larger than 8 MB"):
            await admin.list_secrets(APP)


async def test_a_write_to_a_closed_port_changed_nothing() -> None:
    async with admin_of(closed_port()) as admin:
        with pytest.raises(UnavailableError):
            await admin.create_secret(APP, VALUE)


async def test_a_write_while_the_org_is_read_only_changed_nothing(script: Script) -> None:
    script.then(says(503, error_json("E0000010", "Service is in read only mode")))

    async with admin_of(script.url) as admin:
        with pytest.raises(UnavailableError, match="read only") as raised:
            await admin.create_secret(APP, VALUE)

    assert raised.value.request_id == "oaeX"
    assert script.asked == [CREATE]


async def test_a_deletion_that_is_answered_by_a_page_has_an_unknown_outcome(script: Script) -> None:
    script.then(says(200, b"<html>", HTML))

    async with admin_of(script.url) as admin:
        with pytest.raises(UnknownOutcomeError):
            await admin.delete_secret(APP, SECRET)


async def test_a_deletion_that_a_proxy_does_not_find_is_not_taken_for_done(script: Script) -> None:
    script.then(says(404, b"<html>not found</html>", HTML))

    async with admin_of(script.url) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.delete_secret(APP, SECRET)

    assert not isinstance(raised.value, MissingError)


SLOT = "OAuth2ClientSecretMediated"
VALUE_FIELD = "client_secret"
REFUSALS = {
    "both slots are taken, in the wording of 2022": (
        SLOT,
        "You have reached the maximum number of client secrets per client.",
        "slots_full",
    ),
    "both slots are taken, in today's wording": (
        SLOT,
        "You've reached the maximum number of client secrets per client.",
        "slots_full",
    ),
    "the value is taken": (
        VALUE_FIELD,
        "client_secret: An object with this field already exists in the current organization",
        "duplicate_value",
    ),
    "the value is too short": (
        VALUE_FIELD,
        "client_secret: 'client_secret' must be at least '14' characters long.",
        "bad_value",
    ),
    "a flavour that nobody has seen": ("Something", "new", "E0000001"),
}


@pytest.mark.parametrize(("summary", "cause", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_carries_the_reason_as_a_code(script: Script, summary: str, cause: str, code: str) -> None:
    script.then(says(400, error_json("E0000001", f"Api validation failed: {summary}", cause)))

    async with admin_of(script.url) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.create_secret(APP, VALUE)

    assert raised.value.code == code
    assert raised.value.request_id == "oaeX"
    assert cause in str(raised.value)
    assert script.url.removeprefix("http://") in str(raised.value)


async def test_switching_on_what_is_on_is_done_even_where_okta_refuses_it(script: Script) -> None:
    refusal = says(400, error_json("E0000001", "No", "The client secret is already active."))
    script.then(refusal, says(200, secret_json()))

    async with admin_of(script.url) as admin:
        found = await admin.activate_secret(APP, SECRET)

    assert found.active
    assert script.asked[1] == f"GET /api/v1/apps/0oa1/credentials/secrets/{SECRET}"


async def test_a_refusal_stands_where_the_look_that_follows_it_fails(script: Script) -> None:
    script.then(
        says(400, error_json("E0000001", "No", "You can't deactivate the only active client secret.")), says(500)
    )

    async with admin_of(script.url) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.deactivate_secret(APP, SECRET)

    assert raised.value.code == "only_active"


async def test_a_forbidden_change_is_not_looked_up(script: Script) -> None:
    script.then(says(403, error_json("E0000006", "You do not have permission")))

    async with admin_of(script.url) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.deactivate_secret(APP, SECRET)

    assert (raised.value.code, "permission" in raised.value.hint) == ("E0000006", True)
    assert len(script.asked) == 1


# --- Reads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(hangs_up, id="the connection is cut"),
        pytest.param(says(503), id="503"),
        pytest.param(says(500), id="500 without a body"),
        pytest.param(says(200, b"<html>", HTML), id="a page"),
        pytest.param(says(200, [secret_json()], keep=20), id="an answer that breaks off"),
    ],
)
async def test_a_read_is_repeated_when_okta_is_away_for_a_moment(script: Script, act: Act) -> None:
    script.then(act, says(200, [secret_json()]))

    async with admin_of(script.url) as admin:
        found = await admin.list_secrets(APP)

    assert [secret.id for secret in found] == ["ocs1"]
    assert len(script.asked) == 2


async def test_a_read_is_given_up_after_three_tries(script: Script) -> None:
    script.then(says(500))

    async with admin_of(script.url) as admin:
        with pytest.raises(UnavailableError):
            await admin.list_secrets(APP)

    assert len(script.asked) == 3


async def test_a_read_keeps_its_time_limit(script: Script) -> None:
    script.then(falls_silent)

    async with admin_of(script.url, answer_within=SHORT) as admin:
        with pytest.raises(UnavailableError, match=r"no answer|in time"):
            await admin.list_secrets(APP)

    assert len(script.asked) == 1


async def test_a_read_from_a_closed_port_says_so() -> None:
    async with admin_of(closed_port()) as admin:
        with pytest.raises(UnavailableError, match="no connection"):
            await admin.get_app(APP)


async def test_an_app_that_a_proxy_does_not_find_is_not_taken_for_missing(script: Script) -> None:
    script.then(says(404, b"<html>not found</html>", HTML))

    async with admin_of(script.url) as admin:
        with pytest.raises(RefusedError):
            await admin.get_app(APP)


async def test_apps_with_properties_that_the_sdk_does_not_know_do_not_hide_their_page(script: Script) -> None:
    strange = {
        "id": "0oa2",
        "signOnMode": "OPENID_CONNECT",
        "status": "HIBERNATING",
        "features": ["TELEPATHY"],
        "credentials": {"oauthClient": {"client_id": "custom_id", "token_endpoint_auth_method": "tls_client_auth"}},
    }
    script.then(says(200, [{"id": "0oa1", "signOnMode": "SAML_3"}, strange]))

    async with admin_of(script.url) as admin:
        found = [app async for app in admin.list_apps()]

    assert [(app.client_id, app.auth_method, app.status) for app in found] == [
        ("custom_id", AuthMethod.OTHER, "HIBERNATING")
    ]


@pytest.mark.parametrize("shown", ["***MQGQ", "abc......xyz", "", None])
async def test_a_masked_secret_counts_as_hidden(script: Script, shown: str | None) -> None:
    script.then(says(200, [secret_json(client_secret=shown)]))

    async with admin_of(script.url) as admin:
        (found,) = await admin.list_secrets(APP)

    assert found.value is None


# --- Rate limits ------------------------------------------------------------------------------------------

DATE = "Mon, 23 Nov 2026 11:00:00 GMT"  # Okta's clock is an hour behind ours
RESET = "1795431642"  # 11:00:42 of that day

LIMITS = [
    pytest.param({"X-Rate-Limit-Reset": RESET, "Date": DATE}, (43, 43), id="until the reset, by our clock"),
    pytest.param({"X-Rate-Limit-Reset": "1795435242", "Date": DATE}, (120, 120), id="never for long"),
    pytest.param({"X-Rate-Limit-Reset": "1", "Date": DATE}, (1, 1), id="for a second if the reset is past"),
    pytest.param(
        {"X-Rate-Limit-Limit": "0", "X-Rate-Limit-Reset": RESET, "Date": DATE},
        (1, 4),
        id="shortly where it is about calls at once",
    ),
]


@pytest.mark.parametrize(("headers", "wait"), LIMITS)
async def test_a_rate_limit_says_when_to_come_back(
    script: Script, headers: dict[str, str], wait: tuple[int, int]
) -> None:
    script.then(says(429, error_json("E0000047"), headers))

    async with admin_of(script.url) as admin:
        with pytest.raises(RateLimitedError) as raised:
            await admin.create_secret(APP, VALUE)

    assert raised.value.retry_at is not None
    assert wait[0] <= (raised.value.retry_at - NOON).total_seconds() <= wait[1]
    assert script.asked == [CREATE]


async def test_a_rate_limit_without_times_says_no_time(script: Script) -> None:
    script.then(says(429, error_json("E0000047"), {"X-Rate-Limit-Limit": "50"}))

    async with admin_of(script.url) as admin:
        with pytest.raises(RateLimitedError) as raised:
            await admin.create_secret(APP, VALUE)

    assert raised.value.retry_at is None


USED_UP = says(429, error_json("E0000047"), {"X-Rate-Limit-Reset": RESET, "Date": DATE})


async def test_a_read_waits_for_the_next_window_and_asks_again(script: Script) -> None:
    """Longer than an answer may take: its time limit is about Okta's answer, not about the wait for a turn."""
    script.then(USED_UP, says(200, [secret_json()]))

    async with admin_of(script.url, answer_within=SHORT, nap=LONGER) as admin:
        found = await admin.list_secrets(APP)

    assert [secret.id for secret in found] == ["ocs1"]
    assert len(script.asked) == 2


async def test_a_write_waits_for_its_turn_and_is_sent_once(script: Script) -> None:
    script.then(USED_UP, says(201, secret_json()))

    async with admin_of(script.url, answer_within=SHORT, nap=LONGER) as admin:
        with pytest.raises(RateLimitedError):
            await admin.create_secret(APP, VALUE)
        made = await admin.create_secret(APP, VALUE)

    assert made.active
    assert script.asked == [CREATE, CREATE]


async def test_a_read_does_not_wait_for_longer_than_its_caller(script: Script) -> None:
    script.then(USED_UP)

    async with admin_of(script.url) as admin:
        with in_haste(Haste(waits=timedelta(seconds=30))), pytest.raises(RateLimitedError) as raised:
            await admin.list_secrets(APP)

    assert raised.value.retry_at is not None
    assert 42 <= (raised.value.retry_at - NOON).total_seconds() <= 43
    assert len(script.asked) == 1


async def test_a_write_after_a_refusal_is_not_sent_before_the_next_window(script: Script) -> None:
    script.then(USED_UP)

    async with admin_of(script.url) as admin:
        with in_haste(Haste(waits=timedelta(0))):
            for _ in range(3):
                with pytest.raises(RateLimitedError):
                    await admin.create_secret(APP, VALUE)

    assert script.asked == [CREATE]


# --- Where the login goes ---------------------------------------------------------------------------------


async def test_a_redirect_is_not_followed(script: Script) -> None:
    with Script() as elsewhere:
        script.then(says(302, b"", {"Location": f"{elsewhere.url}/api/v1/apps/0oa1"}))

        async with admin_of(script.url) as admin:
            with pytest.raises(RefusedError, match="redirect") as raised:
                await admin.get_app(APP)

    assert "org_url" in raised.value.hint
    assert elsewhere.asked == []


async def test_a_next_page_on_another_host_is_not_fetched(script: Script) -> None:
    with Script() as elsewhere:
        script.then(says(200, [], {"Link": f'<{elsewhere.url}/api/v1/apps?after=x>; rel="next"'}))

        async with admin_of(script.url) as admin:
            with pytest.raises(InvariantError, match="another host"):
                _ = [app async for app in admin.list_apps()]

    assert elsewhere.asked == []


async def test_a_next_page_on_the_same_host_in_other_letters_is_fetched(script: Script) -> None:
    elsewhere = script.url.replace("http", "HTTP")
    script.then(says(200, [], {"Link": f'<{elsewhere}/api/v1/apps?after=x%2Fy&limit=2>; rel="next"'}), says(200, []))

    async with admin_of(script.url) as admin:
        _ = [app async for app in admin.list_apps()]

    assert script.asked == ["GET /api/v1/apps"] * 2
    assert script.requests[1].query == (("after", "x/y"), ("limit", "2"))


async def test_cookies_are_not_kept(script: Script) -> None:
    script.then(says(200, [], {"Set-Cookie": "sid=abc; Path=/"}))

    async with admin_of(script.url) as admin:
        await admin.list_secrets(APP)
        await admin.list_secrets(APP)

    assert [request.header("cookie") for request in script.requests] == [None, None]


async def test_requests_are_well_formed_and_say_who_we_are(script: Script) -> None:
    script.then(says(200, secret_json()))

    async with admin_of(script.url) as admin:
        await admin.activate_secret(APP, SECRET)

    (request,) = script.requests
    assert request.header("authorization") == "SSWS 00-the-api-token"
    assert (request.header("user-agent") or "").startswith("rotator/")
    assert (request.header("content-type"), request.header("content-length")) == (None, "0")


async def test_a_server_with_a_certificate_of_nobody_is_not_talked_to(tmp_path: Path) -> None:
    with Script(tls=certificate(tmp_path)) as script:
        async with admin_of(script.url) as admin:
            with pytest.raises(UnavailableError, match="not trusted") as raised:
                await admin.create_secret(APP, VALUE)

    assert "ca_file" in raised.value.hint
    assert script.asked == []


async def test_a_server_that_the_ca_file_vouches_for_is_talked_to(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with Script(says(200, []), tls=tls) as script:
        async with admin_of(script.url, ca_file=tls.cert) as admin:
            assert await admin.list_secrets(APP) == ()


async def test_an_unreadable_ca_file_is_a_mistake_in_the_configuration(script: Script, tmp_path: Path) -> None:
    async with admin_of(script.url, ca_file=tmp_path / "none.pem") as admin:
        with pytest.raises(ConfigError, match=r"none\.pem"):
            await admin.list_secrets(APP)


async def test_the_proxy_of_the_configuration_is_used(script: Script) -> None:
    async with admin_of("http://127.0.0.1:9", proxy=script.url) as admin:
        assert await admin.list_secrets(APP) == ()

    (request,) = script.requests
    assert request.path == "http://127.0.0.1:9/api/v1/apps/0oa1/credentials/secrets"


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.okta.com",
        "https://acme-admin.okta.com",
        "https://acme.okta.com/oauth2",
        "https://user:pw@acme.okta.com",
        "acme.okta.com",
        "https://",
        "http://127.0.0.1.evil.example",
        "https://acme.okta.com:port",
    ],
)
def test_an_address_that_is_no_org_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="org_url"):
        OktaConnection(url, SswsAuth(TOKEN))


def test_a_connection_shows_nothing_secret() -> None:
    shown = repr(OktaConnection("https://acme.okta.com/", SswsAuth(TOKEN), proxy="http://me:hunter2@proxy:3128"))

    assert "hunter2" not in shown
    assert TOKEN.reveal() not in shown


SURROUNDED = """
import asyncio, json, sys
from rotator.adapters.okta_admin import OktaSdkAdmin
from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_session import OktaSession
from rotator.adapters.clock import SystemClock
from rotator.core.secret_value import SecretValue

early = sorted(name for name in sys.modules if name.partition(".")[0] in {"okta", "aiohttp", "httpx2", "authlib"})

async def ask():
    session = OktaSession(OktaConnection(sys.argv[1], SswsAuth(SecretValue("right"))), SystemClock())
    await OktaSdkAdmin(session).list_secrets("0oa1")
    await session.aclose()

asyncio.run(ask())
print(json.dumps([early, "okta.client" in sys.modules]))
"""


def test_neither_files_nor_the_environment_change_whom_we_talk_to(script: Script, tmp_path: Path) -> None:
    """And nothing heavy is loaded before the first call."""
    with Script() as elsewhere:
        planted = f"okta:\n  client:\n    orgUrl: {elsewhere.url}\n    token: wrong\n    authorizationMode: SSWS\n"
        for place in (tmp_path, tmp_path / ".okta"):
            place.mkdir(exist_ok=True)
            (place / "okta.yaml").write_text(planted)
        around = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "OKTA_CLIENT_ORGURL"), elsewhere.url)
        around |= {"OKTA_CLIENT_TOKEN": "wrong", "HOME": str(tmp_path), "OKTA_CLIENT_LOGGING_ENABLED": "true"}
        done = subprocess.run(
            [sys.executable, "-c", SURROUNDED, script.url],
            cwd=tmp_path,
            env=os.environ | around | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [[], False]
    assert [request.header("authorization") for request in script.requests] == ["SSWS right"]
    assert elsewhere.asked == []


# --- Our own login with a key -----------------------------------------------------------------------------

LOGIN = "POST /oauth2/v1/token"
LOGIN_JSON: dict[str, object] = {"access_token": "tok-1", "token_type": "Bearer", "expires_in": 3600}
GRANTED = says(200, LOGIN_JSON)
GRANTED_AGAIN = says(200, LOGIN_JSON | {"access_token": "tok-2"})


def our_app() -> PrivateKeyAuth:
    return PrivateKeyAuth("0oaUs", SecretValue(rsa_pem()), kid="k1")


async def test_one_login_serves_many_calls(script: Script) -> None:
    script.then(GRANTED, says(200, []))

    async with admin_of(script.url, auth=our_app()) as admin:
        await admin.list_secrets(APP)
        await admin.list_secrets(APP)

    assert script.asked[0] == LOGIN
    assert script.requests[0].form()["scope"] == "okta.apps.read okta.apps.manage"
    assert [request.header("authorization") for request in script.requests[1:]] == ["Bearer tok-1"] * 2


async def test_a_token_that_okta_takes_no_more_is_renewed(script: Script) -> None:
    script.then(GRANTED, says(401, error_json("E0000011")), GRANTED_AGAIN, says(201, secret_json()))

    async with admin_of(script.url, auth=our_app()) as admin:
        made = await admin.create_secret(APP, VALUE)

    assert made.id == "ocs1"
    assert script.asked == [LOGIN, CREATE, LOGIN, CREATE]


async def test_a_login_that_stays_refused_ends_after_one_renewal(script: Script) -> None:
    script.then(GRANTED, says(401, error_json("E0000011")), GRANTED_AGAIN, says(401, error_json("E0000011")))

    async with admin_of(script.url, auth=our_app()) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.list_secrets(APP)

    assert (raised.value.code, "login" in raised.value.hint) == ("E0000011", True)
    assert len(script.asked) == 4


LOST_LOGINS: list[object] = [
    pytest.param(hangs_up, UnavailableError, id="the connection is cut"),
    pytest.param(says(500), UnavailableError, id="500"),
    pytest.param(says(200, b"<html>", HTML), UnavailableError, id="a page"),
    pytest.param(says(200, {"token_type": "Bearer"}), UnavailableError, id="no token in it"),
    pytest.param(says(200, LOGIN_JSON | {"expires_in": "3600"}), UnavailableError, id="no number of seconds"),
    pytest.param(says(200, LOGIN_JSON | {"token_type": "DPoP"}), UnavailableError, id="a token of another type"),
    pytest.param(
        says(200, json.dumps(LOGIN_JSON).encode(), {"Content-Type": "text/plain"}),
        UnavailableError,
        id="plain text",
    ),
    pytest.param(says(200, [1]), UnavailableError, id="no object"),
    pytest.param(says(401, {"error": "invalid_client", "error_description": "x"}), RefusedError, id="invalid_client"),
    pytest.param(says(429, error_json("E0000047")), RateLimitedError, id="a rate limit"),
]


@pytest.mark.parametrize(("act", "kind"), LOST_LOGINS)
async def test_a_failed_login_before_a_write_changed_nothing(
    script: Script, act: Act, kind: type[RotatorError]
) -> None:
    script.then(act)

    async with admin_of(script.url, auth=our_app()) as admin:
        with pytest.raises(kind) as raised:
            await admin.create_secret(APP, VALUE)

    assert not isinstance(raised.value, UnknownOutcomeError)
    assert script.asked == [LOGIN]


@pytest.mark.parametrize("key", ["/etc/hostname", "{'kty': __import__('os')}", "-----BEGIN RSA PRIVATE KEY-----\nAAAA"])
async def test_a_key_that_is_none_is_a_mistake_in_the_configuration(script: Script, key: str) -> None:
    async with admin_of(script.url, auth=PrivateKeyAuth("0oaUs", SecretValue(key))) as admin:
        with pytest.raises(ConfigError, match="PEM") as raised:
            await admin.list_secrets(APP)

    assert key not in str(raised.value)
    assert script.asked == []


async def test_a_service_app_that_demands_dpop_is_told_what_to_change(script: Script) -> None:
    script.then(
        says(400, {"error": "invalid_dpop_proof", "error_description": "The DPoP proof JWT header is missing."})
    )

    async with admin_of(script.url, auth=our_app()) as admin:
        with pytest.raises(RefusedError) as raised:
            await admin.list_secrets(APP)

    assert "Require DPoP" in raised.value.hint


async def test_a_key_is_never_the_name_of_a_file(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(rsa_pem())

    async with admin_of(script.url, auth=PrivateKeyAuth("0oaUs", SecretValue(str(file)))) as admin:
        with pytest.raises(ConfigError, match="PEM"):
            await admin.list_secrets(APP)


# --- Secrets ----------------------------------------------------------------------------------------------


def seen_in(error: BaseException | None) -> str:
    """Return all that an error can tell, and those behind it."""
    parts = []
    while error is not None:
        parts += [str(error), repr(error), repr(error.__dict__)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


ECHO = error_json(
    "E0000001", f"Api validation failed: {VALUE.reveal()}", f"you sent {TOKEN.reveal()}\x1b[31m\nand more"
)
SPOILT = json.dumps(secret_json(client_secret=VALUE.reveal(), status="ASLEEP")).encode()


@pytest.mark.parametrize(
    "act",
    [
        *LOST_WRITES,
        pytest.param(says(400, ECHO), id="Okta repeats what we sent"),
        pytest.param(says(201, SPOILT, JSON), id="a secret in a state that nobody knows"),
        pytest.param(says(201, SPOILT[:-3], JSON), id="broken JSON with the secret in it"),
    ],
)
async def test_no_error_and_no_log_tells_a_secret(
    script: Script, act: Act, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    script.then(act)

    with caplog.at_level(logging.DEBUG):
        async with admin_of(script.url) as admin:
            with pytest.raises(RotatorError) as raised:
                await admin.create_secret(APP, VALUE)

    told = seen_in(raised.value) + caplog.text + "".join(capfd.readouterr())
    assert VALUE.reveal() not in told
    assert TOKEN.reveal() not in told
    assert str(raised.value).isprintable()


async def test_the_sdks_own_log_stays_off(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with admin_of(script.url) as admin:
            await admin.list_secrets(APP)

    sdk = logging.getLogger("okta-sdk-python")
    assert (sdk.disabled, sdk.handlers) == (True, [])
    assert [record for record in caplog.records if record.name.startswith("okta")] == []
