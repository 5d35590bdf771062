"""A client of the Okta emulator without a network: requests as values, answers taken apart."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.http import Request
from rotator.sandbox.okta import OktaEmulator
from rotator.sandbox.okta_settings import OktaSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "https://acme.okta.example"
START = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, taken apart as far as tests look at it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def cause(self) -> str:
        """The text of the first cause in a refusal of the management API."""
        return str(self.document["errorCauses"][0]["errorSummary"])

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def link(self, relation: str) -> str | None:
        for link in self.all("link"):
            url, _, rel = link.partition("; ")
            if rel == f'rel="{relation}"':
                return url.strip("<>")
        return None


@dataclass(slots=True)
class OktaClient:
    """Calls an emulator as one principal."""

    okta: OktaEmulator
    authorization: str | None = None
    user_agent: str = "okta-client/1"

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, body: bytes = b""
    ) -> Request:
        """Return a request of this principal; a header of None is left out."""
        url = urlsplit(path)
        wanted: dict[str, str | None] = {"user-agent": self.user_agent, "authorization": self.authorization}
        if method == "POST":
            wanted["content-length"] = str(len(body))
        wanted |= headers or {}
        sent = tuple((name, value) for name, value in wanted.items() if value is not None)
        return Request(method, unquote(url.path), tuple(parse_qsl(url.query)), sent, body, BASE)

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, body: bytes = b""
    ) -> Answer:
        """Send a request; a header of None is left out."""
        response = self.okta.answer(self.request(method, path, headers=headers, body=body))
        return Answer(response.status, response.headers, response.body)

    def get(self, path: str, **query: str) -> Answer:
        return self.call("GET", f"{path}?{urlencode(query)}" if query else path)

    def follow(self, link: str | None) -> Answer:
        """Follow a link of an answer."""
        assert link
        assert link.startswith(BASE)
        return self.call("GET", link.removeprefix(BASE))

    def post(self, path: str, document: object = None) -> Answer:
        if document is None:
            return self.call("POST", path)
        return self.call("POST", path, headers={"content-type": "application/json"}, body=json.dumps(document).encode())

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def form(self, path: str, headers: Mapping[str, str | None] | None = None, /, **fields: str) -> Answer:
        """Send a form; without the principal's own Authorization."""
        kept = {"content-type": FORM, "authorization": None} | dict(headers or {})
        return self.call("POST", path, headers=kept, body=urlencode(fields).encode())


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Return the header of `client_secret_basic`."""
    return {"authorization": f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"}


def org(**settings: Any) -> tuple[OktaEmulator, OktaClient]:
    """Return an org whose clock stands still, and an administrator with an SSWS token."""
    okta = OktaEmulator(SandboxClock(START, speed=0), OktaSettings(**{"seed": 1, **settings}))
    return okta, OktaClient(okta, f"SSWS {okta.add_api_token()}")
