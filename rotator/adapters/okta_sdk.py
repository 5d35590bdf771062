"""The okta SDK, used narrowly. Heavy to import: only `okta_session` does, at the first call.

The SDK builds requests, signs us in and sends through its own executor. Sending and reading are ours, through the two
places it leaves open (its HTTP client and `response_deserialize`), because what it does there is not fit for
credentials (contracts: Okta 7.2, measured with 3.4.6):

 * it repeats a POST by itself, has no time limit, and turns a lost connection into an AttributeError;
 * it takes a refusal without a body for a success, and a page with one unknown enum value for no page at all;
 * it logs whole requests, and its models show the secret in their `repr`.

`okta.client` is never imported: it costs seconds, and reads `okta.yaml` from wherever we happen to stand.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import okta
from okta.api.application_api import ApplicationApi
from okta.api.application_sso_public_keys_api import ApplicationSSOPublicKeysApi
from okta.api_response import ApiResponse
from okta.cache.no_op_cache import NoOpCache
from okta.http_client import HTTPClient
from okta.jwt import JWT
from okta.models.o_auth2_client_secret_request_body import OAuth2ClientSecretRequestBody
from okta.request_executor import RequestExecutor

from rotator.adapters.okta_answers import Answer, Question, clean, error_of
from rotator.adapters.okta_connection import USER_AGENT, OktaConnection, PrivateKeyAuth
from rotator.core.requests import note
from rotator.errors import ConfigError, UnavailableError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from rotator.adapters.okta_pace import OktaPace
    from rotator.core.secret_value import SecretValue

LARGEST_ANSWER = 8 * 1024 * 1024  # a page of 200 apps has 0.3 MB, one of 1,000 log events 4
LOGIN_PATH = "/oauth2/v1/token"
USER_AGENT_SENT = f"{USER_AGENT} okta-sdk-python/{okta.__version__}"


class _Sent:
    """Whether the request may have left this machine."""

    __slots__ = ("maybe",)

    def __init__(self) -> None:
        self.maybe = False


async def _note_sent(_session: object, context: Any, _headers: object) -> None:
    context.trace_request_ctx.maybe = True  # called just before the first byte is written


def open_pool(connection: OktaConnection) -> aiohttp.ClientSession:
    """Return the connections to one org: its own trust, no cookies, nothing from the environment."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=connection.trust(), limit=20),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        proxy=connection.proxy,
        skip_auto_headers=["Content-Type"],  # else a POST without a body claims to be an octet stream
        trace_configs=[trace],
    )


class Transport(HTTPClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's HTTP client, replaced: one request, one answer or one of our errors."""

    def __init__(
        self, connection: OktaConnection, pool: aiohttp.ClientSession, *, now: Callable[[], datetime], pace: OktaPace
    ) -> None:
        """Send through `pool`, each request in its turn; `now` puts Okta's rate-limit times on our clock."""
        self._connection = connection
        self._pool = pool
        self._now = now
        self._pace = pace
        self.scopes: frozenset[str] = frozenset()  # of our token, as far as Okta told
        seconds = connection.answer_within.total_seconds()
        # Half the time for the connection: a host that swallows packets is found out before anything is sent.
        self._timeout = aiohttp.ClientTimeout(total=seconds, connect=seconds / 2)

    async def send_request(self, request: Mapping[str, Any]) -> tuple[None, Answer, str, None]:
        """Send `request` once and return its successful answer as the SDK wants it."""
        question = self._question(request)
        async with self._pace.turn(question.path) as turn:
            answer = await self._exchange(question, request)
            turn.answered(answer.status, answer.headers)
        if error := error_of(question, answer, now=self._now()):
            raise error
        if question.writes:
            note(answer.headers.get("x-okta-request-id"))
        if question.login and not _is_login(answer):
            raise UnavailableError(question.says("answered without a token that can be used"))
        if question.login:
            self.scopes = frozenset(str(answer.document().get("scope") or "").split())
        return None, answer, answer.body.decode("utf-8", "replace"), None

    @staticmethod
    def check_response_for_error(_url: str, _response: Answer, _body: str) -> tuple[None, None]:
        """Find nothing: `send_request` has raised for every answer that is no success."""
        return None, None

    def _question(self, request: Mapping[str, Any]) -> Question:
        path = urlsplit(request["url"]).path
        login = path == LOGIN_PATH
        secrets = [request["headers"].get("Authorization", "").rpartition(" ")[2]]
        secrets += _secrets_in(request["data"])
        if login:
            secrets.append(str(request["form"].get("client_assertion", "")))
        return Question(
            org=self._connection.host,
            method=request["method"],
            path=path,
            writes=request["method"] != "GET" and not login,
            login=login,
            hidden=tuple(filter(None, secrets)),
        )

    async def _exchange(self, question: Question, request: Mapping[str, Any]) -> Answer:
        """Return the answer. What aiohttp raises is read and let go: it carries the request's headers."""
        sent = _Sent()
        try:
            async with self._pool.request(
                request["method"],
                request["url"],
                headers=request["headers"] | {"User-Agent": USER_AGENT_SENT},
                data=_body_of(request),
                timeout=self._timeout,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as response:
                return Answer(response.status, _joined(response), await _read(response), response.reason or "")
        except (aiohttp.ClientError, TimeoutError, OSError, _TooLargeError) as lost:
            reason, hint = _why(lost)
        failed = UnknownOutcomeError if question.writes and sent.maybe else UnavailableError
        raise failed(question.says(reason), hint=hint)


class NarrowClient(ApplicationApi, ApplicationSSOPublicKeysApi):  # type: ignore[misc]  # the SDK has no types
    """The two of the SDK's 120 API classes that are needed, answering raw JSON."""

    def __init__(
        self, connection: OktaConnection, pool: aiohttp.ClientSession, *, now: Callable[[], datetime], pace: OktaPace
    ) -> None:
        """Hand the login to the executor alone: the API classes would send it a second time, without its space."""
        super().__init__({"client": {"orgUrl": connection.org_url}})
        logging.getLogger("okta-sdk-python").disabled = True
        self._transport = Transport(connection, pool, now=now, pace=pace)
        self._request_executor = RequestExecutor(
            {"client": _settings(connection)},
            NoOpCache(),
            http_client=lambda _config: self._transport,
        )

    def response_deserialize(self, response_data: Any, response_types_map: object = None) -> Any:  # noqa: ARG002
        """Leave the answer as it is: the models refuse what they do not know, and show secrets."""
        raw = response_data.read()
        return ApiResponse(
            status_code=response_data.status, headers=response_data.getheaders(), data=None, raw_data=raw
        )

    async def fetch(self, path: str) -> Answer:
        """GET a path of the org, with its query."""
        request, lost = await self._request_executor.create_request("GET", path)
        if lost is not None:
            raise self._no_login()
        answer, _, _ = await self._request_executor.execute(request)
        assert isinstance(answer, Answer)
        return answer

    async def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Send something to a path of the org. Its answer is raw; a secret in the body shows in no error."""
        request, lost = await self._request_executor.create_request(method, path, body)
        if lost is not None:
            raise self._no_login()
        answer, _, _ = await self._request_executor.execute(request)
        assert isinstance(answer, Answer)
        return answer

    async def fetch_openly(self, path: str) -> Answer:
        """GET what the org publishes, without our login."""
        url = f"{self.configuration.host}{path}"
        request = {"method": "GET", "url": url, "headers": {"Accept": "application/json"}, "data": None, "form": None}
        _, answer, _, _ = await self._transport.send_request(request)
        return answer

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes that Okta said our token has. An API token has none."""
        login = self._request_executor._oauth  # noqa: SLF001 -- the SDK would sign in at the next call only
        if login is not None:
            token, _, _ = await login.get_oauth_token()
            if token is None:
                raise self._no_login()
        return self._transport.scopes

    async def call(self, method: Callable[..., Any], *args: object, **query: object) -> Answer:
        """Await one of the SDK's methods and return what Okta answered."""
        outcome = await method(*args, **query)
        response = outcome[1]
        if not isinstance(response, ApiResponse):
            raise self._no_login()
        return Answer(response.status_code, response.headers or {}, response.raw_data)

    def forget_login(self) -> bool:
        """Drop the access token, so that the next call signs in afresh; False where there was none to drop."""
        login = self._request_executor._oauth  # noqa: SLF001 -- the SDK renews by age alone, never on a 401
        if login is None or login.get_current_token()[0] is None:
            return False
        login.clear_access_token()
        return True

    def _no_login(self) -> UnavailableError:
        return UnavailableError(f"okta {urlsplit(self.configuration.host).netloc}: our own login brought no token")


def new_secret(value: SecretValue) -> OAuth2ClientSecretRequestBody:
    """Return the body that registers a value of ours."""
    return OAuth2ClientSecretRequestBody(client_secret=value.reveal())


class _TooLargeError(Exception):
    """The answer is larger than any that makes sense."""


def _settings(connection: OktaConnection) -> dict[str, Any]:
    common = {
        "orgUrl": connection.org_url,
        "requestTimeout": connection.answer_within.total_seconds(),
        "rateLimit": {"maxRetries": 0},
    }
    auth = connection.auth
    if not isinstance(auth, PrivateKeyAuth):
        return common | {"authorizationMode": "SSWS", "token": auth.token.reveal()}
    return common | {
        "authorizationMode": "PrivateKey",
        "clientId": auth.client_id,
        "scopes": list(auth.scopes),
        "privateKey": _checked_key(connection.host, auth.key),
        "kid": auth.kid,
        "oauthTokenRenewalOffset": 5,
    }


def _checked_key(org: str, key: SecretValue) -> str:
    pem = key.reveal().strip()
    usable = pem.startswith("-----BEGIN")  # else the SDK takes it for a file name, or evaluates it
    if usable:
        try:
            JWT.get_PEM_JWK(pem)
        except (ValueError, TypeError):
            usable = False
    if not usable:
        raise ConfigError([f"auth of {org}: the key is not an RSA private key in PEM without a password"])
    return pem


def _body_of(request: Mapping[str, Any]) -> str | None:
    if request["data"]:
        return json.dumps(request["data"])
    return urlencode(request["form"]) if request["form"] else None


def _joined(response: aiohttp.ClientResponse) -> dict[str, str]:
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in response.headers.items():
        values[name.lower()].append(value)
    return {name: ", ".join(several) for name, several in values.items()}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            response.close()
            raise _TooLargeError
    return bytes(body)


def _secrets_in(body: object) -> Iterator[str]:
    """Yield every client secret in a body, however deep it stands."""
    for name, value in body.items() if isinstance(body, dict) else ():
        if name == "client_secret" and isinstance(value, str):
            yield value
        yield from _secrets_in(value)


def _is_login(answer: Answer) -> bool:
    try:
        token = answer.document()
    except ValueError:
        return False
    return (
        isinstance(token, dict)
        and answer.content_type == "application/json"
        and isinstance(token.get("access_token"), str)
        and isinstance(token.get("expires_in", 0), int)
        and str(token.get("token_type")).lower() == "bearer"
    )


def _why(lost: Exception) -> tuple[str, str | None]:
    """Return why there is no answer, and what to do if a person can do something."""
    match lost:
        case aiohttp.ClientConnectorCertificateError():
            problem = getattr(lost.certificate_error, "verify_message", "") or "certificate refused"
            return f"its TLS certificate is not trusted ({clean(problem)})", "Check org_url and ca_file of this org."
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved", "Check org_url, and name resolution here."
        case aiohttp.ClientProxyConnectionError():
            return "the proxy cannot be reached", "Check proxy of this org."
        case aiohttp.ClientHttpProxyError():
            return f"the proxy refused to connect ({lost.status})", "Check proxy of this org."
        case aiohttp.ClientSSLError():
            return "the TLS handshake failed", "Check org_url and ca_file of this org."
        case aiohttp.ClientConnectorError():
            return f"no connection ({clean(lost.os_error.strerror or 'refused')})", None
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time", None
        case asyncio.TimeoutError():
            return "no answer in time", None
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return "the connection was closed before the answer came", None
        case aiohttp.ClientPayloadError():
            return "the answer broke off", None
        case _TooLargeError():
            return f"the answer is larger than {LARGEST_ANSWER >> 20} MB", None
    return f"no usable answer ({type(lost).__name__})", None
