"""The System Log: what is written into it, and when it shows (contracts: Okta 4.1, 4.2).

* An event is published when it happens and persisted later; only then a query can see it.
* An event tells who did it, with which program, and how it ended; of a client secret it holds a hash.
* After 90 days an event is gone.
"""

from __future__ import annotations

import uuid
from bisect import insort
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from random import Random

    from .okta_settings import OktaSettings
    from .okta_state import Actor, OktaApp

RETENTION = timedelta(days=90)

MESSAGES = {
    "app.oauth2.credentials.lifecycle.create": "Create client credentials",
    "app.oauth2.credentials.lifecycle.activate": "Activate client credentials",
    "app.oauth2.credentials.lifecycle.deactivate": "Deactivate client credentials",
    "app.oauth2.credentials.lifecycle.delete": "Delete client credentials",
    "app.oauth2.client.read_client_secret": "Read client secret",
    "app.oauth2.invalid_client_credentials": "Multiple requests with invalid client credentials",
    "app.oauth2.client.lifecycle.create": "Create OAuth client",
    "app.oauth2.client.lifecycle.update": "Update OAuth client",
    "app.oauth2.client.lifecycle.activate": "Activate OAuth client",
    "app.oauth2.client.lifecycle.deactivate": "Deactivate OAuth client",
    "app.oauth2.client.lifecycle.delete": "Delete OAuth client",
    "application.lifecycle.create": "Create application",
    "application.lifecycle.update": "Update application",
    "application.lifecycle.activate": "Activate application",
    "application.lifecycle.deactivate": "Deactivate application",
    "application.lifecycle.delete": "Delete application",
    "app.oauth2.token.grant": "OIDC token request",
    "app.oauth2.token.grant.access_token": "OIDC access token is granted",
    "app.oauth2.as.token.grant": "OAuth2 token request",
    "app.oauth2.as.token.grant.access_token": "OAuth2 access token is granted",
    "app.oauth2.token.revoke": "OIDC token is revoked",
    "app.oauth2.as.token.revoke": "OAuth2 token is revoked",
    "system.api_token.create": "Create API token",
    "system.api_token.revoke": "Revoke API token",
    "system.org.rate_limit.warning": "Rate limit warning",
    "system.org.rate_limit.violation": "Rate limit violation",
    "core.concurrency.org.limit.violation": "Too many concurrent requests in flight",
}
WARNINGS = frozenset(
    {
        "app.oauth2.invalid_client_credentials",
        "system.org.rate_limit.warning",
        "system.org.rate_limit.violation",
        "core.concurrency.org.limit.violation",
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act came from."""

    actor: Actor
    user_agent: str
    uri: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Target:
    """What an act was done to."""

    id: str
    kind: str
    alternate_id: str | None
    name: str | None
    detail: Mapping[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.kind,
            "alternateId": self.alternate_id,
            "displayName": self.name,
            "detailEntry": self.detail,
        }


def target_of(app: OktaApp, detail: Mapping[str, Any] | None = None) -> Target:
    """Name an app as the target of an event."""
    kind = "PublicClientApp" if app.sign_on_mode == "OPENID_CONNECT" else "AppInstance"
    return Target(app.id, kind, app.client_id, app.label, detail)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `serial` orders what happened at the same instant."""

    serial: int
    uuid: str
    kind: str
    published: datetime
    persisted: datetime
    origin: Origin
    targets: tuple[Target, ...] = ()
    result: str = "SUCCESS"
    reason: str | None = None
    debug: Mapping[str, str] = field(default_factory=dict)

    def values(self, path: str) -> tuple[Any, ...]:
        """Return what a filter finds at a path of the event: nothing, one value, or one for each target."""
        match path:
            case "eventType":
                return (self.kind,)
            case "actor.id":
                return (self.origin.actor.id,)
            case "target.id":
                return tuple(target.id for target in self.targets)
            case "outcome.result":
                return (self.result,)
            case "debugContext.debugData.clientSecret":
                return (self.debug["clientSecret"],) if "clientSecret" in self.debug else ()
        return tuple(_walk(self.document(), path.split(".")))

    def document(self) -> dict[str, Any]:
        """Return the event as the API shows it."""
        actor, agent = self.origin.actor, self.origin.user_agent
        return {
            "actor": {
                "id": actor.id,
                "type": actor.kind,
                "alternateId": actor.alternate_id,
                "displayName": actor.name,
                "detailEntry": None,
            },
            "client": {
                "userAgent": {"rawUserAgent": agent, "os": "Unknown", "browser": "UNKNOWN"},
                "zone": "None",
                "device": "Unknown",
                "id": None,
                "ipAddress": "127.0.0.1",
                "geographicalContext": {},
            },
            "device": None,
            "authenticationContext": {
                "authenticationProvider": None,
                "credentialProvider": None,
                "credentialType": None,
                "issuer": None,
                "interface": None,
                "authenticationStep": 0,
                "externalSessionId": "unknown",
            },
            "displayMessage": MESSAGES[self.kind],
            "eventType": self.kind,
            "outcome": {"result": self.result, "reason": self.reason},
            "published": milliseconds(self.published),
            "securityContext": {"asNumber": 0, "asOrg": "sandbox", "isp": "sandbox", "domain": ".", "isProxy": False},
            "severity": "WARN" if self.kind in WARNINGS or self.result == "FAILURE" else "INFO",
            "debugContext": {
                "debugData": {
                    **self.debug,
                    "requestId": self.origin.request_id,
                    "requestUri": self.origin.uri,
                    "url": f"{self.origin.uri}?",
                    "threatSuspected": "false",
                }
            },
            "legacyEventType": self._legacy(),
            "transaction": {"type": "WEB", "id": self.origin.request_id, "detail": {}},
            "uuid": self.uuid,
            "version": "0",
            "request": {"ipChain": []},
            "target": [target.document() for target in self.targets] or None,
        }

    def _legacy(self) -> str | None:
        if ".token.grant" not in self.kind:
            return None
        return f"{self.kind}_{'success' if self.result == 'SUCCESS' else 'failure'}"


def milliseconds(at: datetime) -> str:
    """Write a time as the System Log does."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _walk(node: Any, path: list[str]) -> list[Any]:  # JSON
    if isinstance(node, list):
        return [value for item in node for value in _walk(item, path)]
    if not path:
        return [] if node is None else [node]
    if not isinstance(node, dict) or path[0] not in node:
        return []
    return _walk(node[path[0]], path[1:])


@dataclass(slots=True)
class SystemLog:
    """All events of one org, in both of its orders."""

    settings: OktaSettings
    rng: Random
    by_persistence: list[Event] = field(default_factory=list)
    by_publication: list[Event] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)  # seconds by event type, before the settings' delay
    serial: int = 0

    def record(
        self,
        kind: str,
        origin: Origin,
        *,
        now: datetime,
        targets: tuple[Target, ...] = (),
        result: str = "SUCCESS",
        reason: str | None = None,
        debug: Mapping[str, str] | None = None,
    ) -> Event:
        """Write an event that happens now; it shows after the delay of its kind."""
        self.serial += 1
        delay = timedelta(seconds=self.delays.get(kind, self.settings.log_delay))
        name = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        event = Event(self.serial, name, kind, now, now + delay, origin, targets, result, reason, debug or {})
        insort(self.by_persistence, event, key=attrgetter("persisted", "serial"))
        insort(self.by_publication, event, key=attrgetter("published", "serial"))
        return event

    def events(self, kind: str = "") -> list[Event]:
        """Return what happened, oldest first, visible or not; of one kind or of all."""
        return [event for event in self.by_publication if not kind or event.kind == kind]
