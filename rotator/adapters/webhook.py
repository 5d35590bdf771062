"""The Notifier port by a signed HTTP POST, and the Heart port by a GET.

* Only https, but for loopback; no redirect is followed; nothing is taken from the environment.
* The signature is over the time and the body: who has the secret can tell that it is ours, unchanged, and not an old
  one sent again.
* No error names the address: it may be all that it takes to write there.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.adapters.okta_connection import USER_AGENT, OktaWay
from rotator.adapters.okta_http import open_client
from rotator.errors import ConfigError, RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from rotator.core.notice_text import Message
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock

    Read = Callable[[], SecretValue]

TIMESTAMP, SIGNATURE, ID = "Rotator-Timestamp", "Rotator-Signature", "Rotator-Id"
SCHEME = "v1"
MAY_WORK_LATER = frozenset({408, 425, 429})
HINT = "Look whether the receiver is up, and can be reached from here."
OF_THE_MESSAGE = frozenset({400, 413, 415, 422})  # another message may be taken


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is called, as messages name it, and how it is reached."""

    name: str
    url: Read
    within: timedelta
    ca_file: Path | None = None
    proxy: str | None = None

    async def call(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        """Make one request, within the time limit; return if it was answered by a 2xx."""
        url = self.url().reveal()
        if OktaWay.problem_with(url):
            raise RefusedError(f"{self.name}: its address is not taken", hint="Write `https://`, host and path.")
        try:
            async with asyncio.timeout(self.within.total_seconds()):
                status = await self._status(method, url, body, headers)
        except TimeoutError:
            raise UnavailableError(f"{self.name}: no answer within {self.within}", hint=HINT) from None
        if not 200 <= status < 300:
            raise _refused(self.name, status)

    async def _status(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> int:
        import httpx2  # noqa: PLC0415 -- heavy

        try:
            async with (
                open_client(self._trust(), proxy=self.proxy, answer_within=self.within) as http,
                http.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                return int(response.status_code)
        except httpx2.HTTPError as lost:
            # Its text may name the address; the exception itself holds the request.
            why = "no connection" if isinstance(lost, httpx2.ConnectError) else type(lost).__name__
            raise UnavailableError(f"{self.name}: cannot be reached ({why})", hint=HINT) from None
        except (httpx2.InvalidURL, ValueError):
            raise RefusedError(f"{self.name}: its address is none", hint="Write `https://`, host and path.") from None

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as unreadable:
            raise ConfigError([f"{self.name}: ca_file cannot be read ({type(unreadable).__name__})"]) from unreadable


class Webhook:
    """A program that takes JSON."""

    def __init__(self, receiver: Receiver, secret: Read, clock: Clock) -> None:
        """Take what reads the secret that both sides know, each time anew."""
        self._receiver = receiver
        self._secret = secret
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Post the message, signed."""
        body = json.dumps(message.document).encode()
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            ID: message.id,
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._secret(), timestamp, body),
        }
        await self._receiver.call("POST", body, headers)


class Heartbeat:
    """A URL that wants to be fetched again and again."""

    def __init__(self, receiver: Receiver) -> None:
        """Fetch nothing yet."""
        self._receiver = receiver

    async def beat(self) -> None:
        """Fetch it once."""
        await self._receiver.call("GET", None, {"User-Agent": USER_AGENT})


def signature(secret: SecretValue, timestamp: str, body: bytes) -> str:
    """Return what proves that whoever has the secret sent that body at that time."""
    signed = hmac.new(secret.reveal().encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"{SCHEME}={signed.hexdigest()}"


def _refused(name: str, status: int) -> RotatorError:
    if status >= 500 or status in MAY_WORK_LATER:
        return UnavailableError(f"{name}: the receiver answered {status}", hint="Look into the receiver's own log.")
    if 300 <= status < 400:
        hint = "Name the address that it leads to; a redirect is not followed."
        return RefusedError(f"{name}: the receiver redirects ({status})", code=str(status), hint=hint)
    code = "message" if status in OF_THE_MESSAGE else str(status)
    return RefusedError(f"{name}: the receiver answered {status}", code=code, hint="Look into the receiver's own log.")
