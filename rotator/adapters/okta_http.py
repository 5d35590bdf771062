"""One exchange with an Okta server that does not know us: by httpx2, as the token endpoint and discovery are asked.

* Redirects are not followed, no cookie is kept, nothing is taken from the environment.
* An answer is read up to a megabyte.
* No exception gets out: those of httpx2 carry the request, and with it the secret.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from rotator.adapters.okta_answers import clean
from rotator.adapters.okta_connection import USER_AGENT
from rotator.core.model import AuthMethod

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    import httpx2

    from rotator.adapters.okta_connection import OktaWay
    from rotator.core.secret_value import SecretValue

LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Came:
    """An answer. `document` is None where it is no JSON object; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    document: dict[str, Any] | None

    @property
    def request_id(self) -> str | None:
        """Okta's name for the exchange."""
        return str((self.document or {}).get("errorId") or self.headers.get("x-okta-request-id") or "") or None


class Outside:
    """Servers as applications reach them: each in its own way, with the trust and the proxy that are its org's."""

    def __init__(self, way_to: Callable[[str], OktaWay]) -> None:
        """Open nothing yet; `way_to` says how a URL is reached."""
        self._way_to = way_to
        self._clients: dict[OktaWay, httpx2.AsyncClient] = {}

    async def ask(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, auth: Any = None
    ) -> Came | Lost:
        """Send a request once, within its time limit; nothing is sent in clear, but to loopback."""
        way = self._way_to(url)
        if problem := way.problem_with(url):
            return Lost(problem)
        if way not in self._clients:
            self._clients[way] = open_client(way.trust(), proxy=way.proxy, answer_within=way.answer_within)
        try:
            async with asyncio.timeout(way.answer_within.total_seconds()):
                return await exchange(self._clients[way], method, url, form=form, auth=auth)
        except TimeoutError:
            return Lost(f"no answer within {way.answer_within}")

    async def aclose(self) -> None:
        """Close the connections."""
        while self._clients:
            _, http = self._clients.popitem()
            await http.aclose()


def open_client(trust: ssl.SSLContext, *, proxy: str | None, answer_within: timedelta) -> httpx2.AsyncClient:
    """Return a client; whoever opens it closes it."""
    import httpx2  # noqa: PLC0415 -- a tenth of a second that a command which proves nothing does not pay

    return httpx2.AsyncClient(
        verify=trust,
        proxy=proxy,
        trust_env=False,
        follow_redirects=False,
        timeout=answer_within.total_seconds(),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


async def exchange(
    http: httpx2.AsyncClient, method: str, url: str, *, form: Mapping[str, str] | None = None, auth: Any = None
) -> Came | Lost:
    """Send a request once and return what came."""
    import httpx2  # noqa: PLC0415 -- loaded by then

    try:
        async with http.stream(method, url, data=form, auth=auth) as response:
            body = await _read(response)
    except httpx2.HTTPError as lost:
        # Its text may be long and technical; what people need is the kind. The exception itself is let go.
        return Lost(_why(lost, httpx2))
    if body is None:
        return Lost(f"the answer is larger than {LARGEST_ANSWER >> 20} MB")
    return Came(response.status_code, dict(response.headers), _object(body))


def client_auth(client_id: str, value: SecretValue, method: AuthMethod, *, issued: int, life: int) -> Any:
    """Return a client's way of signing a request; a new one each time, for an assertion is good for once."""
    from authlib.integrations.httpx_client import OAuth2ClientAuth  # noqa: PLC0415 -- heavy
    from authlib.oauth2.rfc7523 import ClientSecretJWT  # noqa: PLC0415 -- heavy

    way: Any = method.value
    if method is AuthMethod.SECRET_JWT:
        way = ClientSecretJWT(claims={"iat": issued, "exp": issued + life})
    return OAuth2ClientAuth(client_id, value.reveal(), way)


async def _read(response: httpx2.Response) -> bytes | None:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            return None
    return bytes(body)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _why(lost: Exception, httpx2: Any) -> str:
    match lost:
        case httpx2.ConnectError():
            return f"no connection ({clean(str(lost))})"
        case httpx2.TimeoutException():
            return "no answer in time"
        case httpx2.ProxyError():
            return "the proxy refused or cannot be reached"
        case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
            return "the connection was closed before the answer came"
    return f"no usable answer ({type(lost).__name__})"
