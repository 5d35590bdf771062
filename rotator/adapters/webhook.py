"""One signed POST to somebody else's server, or one plain GET: by httpx2.

* The signature is HMAC-SHA256 over the timestamp, a full stop and the body, with a secret that both sides know:
  `Rotator-Timestamp` and `Rotator-Signature: v1=<hex>`. Whoever receives it refuses what is not signed, or is old.
* Only https, but for loopback. Redirects are not followed, no cookie is kept, nothing is taken from the environment.
* Of the answer only the status counts; its body is not read.
* Sent once: who may send it again, and when, is the caller's to know. `Idempotency-Key` tells the receiver.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rotator import __version__

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import httpx2

    from rotator.core.secret_value import SecretValue


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is reached: whom to trust, the proxy, and how long all of it may take."""

    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Posted:
    """Whether the server took it, and in a few words what came of it; never the address, which may be secret."""

    good: bool
    detail: str
    status: int | None = None  # None where no answer came
    never: bool = False  # its address or its authorities are none: it was not even tried


async def post(url: SecretValue, body: bytes, *, secret: SecretValue, key: str, at: datetime, way: Way) -> Posted:
    """Send a JSON document once, signed; `key` is the same for whatever is sent again. It never raises."""
    address = url.reveal()
    if problem := _problem_with(address):
        return Posted(good=False, detail=problem, never=True)
    headers = {**signed(body, secret, at), "Idempotency-Key": quote(key, safe=""), "Content-Type": "application/json"}
    return await _sent("POST", address, body, headers=headers, way=way)


async def fetch(url: SecretValue, way: Way) -> Posted:
    """Fetch an address once, for its own sake. It never raises."""
    address = url.reveal()
    if problem := _problem_with(address):
        return Posted(good=False, detail=problem, never=True)
    return await _sent("GET", address, None, headers={}, way=way)


async def _sent(method: str, url: str, body: bytes | None, *, headers: dict[str, str], way: Way) -> Posted:
    try:
        trust = ssl.create_default_context(cafile=way.ca_file)
        async with asyncio.timeout(way.timeout.total_seconds()):
            return await _exchange(method, url, body, headers=headers, trust=trust, way=way)
    except TimeoutError:
        return Posted(good=False, detail=f"no answer within {way.timeout.total_seconds():g} s")
    except OSError as unreadable:
        said = f"`ca_file` cannot be used ({unreadable.strerror or 'no certificate in it'})"
        return Posted(good=False, detail=said, never=True)


def signed(body: bytes, secret: SecretValue, at: datetime) -> dict[str, str]:
    """Return the two headers by which the receiver knows who sent the body, and when."""
    timestamp = str(int(at.timestamp()))
    mac = hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return {"Rotator-Timestamp": timestamp, "Rotator-Signature": f"v1={mac.hexdigest()}"}


async def _exchange(
    method: str, url: str, body: bytes | None, *, headers: dict[str, str], trust: ssl.SSLContext, way: Way
) -> Posted:
    import httpx2  # noqa: PLC0415 -- a tenth of a second that a command without a webhook does not pay

    client = httpx2.AsyncClient(
        verify=trust,
        proxy=way.proxy,
        trust_env=False,
        follow_redirects=False,
        timeout=way.timeout.total_seconds(),
        headers={"User-Agent": f"rotator/{__version__}"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )
    try:
        async with client, client.stream(method, url, content=body, headers=headers) as response:
            return _judged(response)
    except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
        # The exception itself is let go: it carries the request, and with it the address.
        return Posted(good=False, detail=_why(lost, httpx2))


def _judged(response: httpx2.Response) -> Posted:
    if response.is_redirect:
        said = f"HTTP {response.status_code}: it leads elsewhere, which is not followed"
        return Posted(good=False, detail=said, status=response.status_code)
    return Posted(response.is_success, f"HTTP {response.status_code}", response.status_code)


def _why(lost: Exception, httpx2: Any) -> str:
    match lost:
        case httpx2.ProxyError():
            return "the proxy refused or cannot be reached"
        case httpx2.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in str(lost):
            return "its certificate is not trusted"
        case httpx2.ConnectError():
            return "no connection"
        case httpx2.TimeoutException():
            return "no answer in time"
        case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
            return "the connection was closed before the answer came"
    return f"no usable answer ({type(lost).__name__})"


def _problem_with(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.username is not None or parts.password is not None:
        return "its address is none that anything is sent to"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return ""
    return "its address is not encrypted, so nothing was sent"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
