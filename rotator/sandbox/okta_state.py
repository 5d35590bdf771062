"""What an Okta org consists of, as far as it is emulated. Values only; the rules stand where they are kept.

All times are whole seconds, as Okta keeps them, except those of log events and delays.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
AUTH_METHODS = SECRET_METHODS | {"private_key_jwt", "none"}


def secret_hash(value: str) -> str:
    """Return what Okta shows as `secret_hash` (contracts: Okta 1.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@dataclass(slots=True)
class ClientSecret:
    """One of an app's two slots."""

    id: str
    value: str
    created: datetime
    updated: datetime
    active: bool
    shown_from: datetime  # in list and get

    @property
    def status(self) -> str:
        return "ACTIVE" if self.active else "INACTIVE"


@dataclass(slots=True)
class Acceptance:
    """A span in which the token endpoints take a value. Lags behind what the management API shows."""

    secret_id: str
    value: str
    since: datetime
    until: datetime | None = None


@dataclass(slots=True)
class OktaApp:
    """An app; an OAuth client where `sign_on_mode` is OPENID_CONNECT."""

    id: str
    client_id: str
    label: str
    created: datetime
    updated: datetime
    name: str = "oidc_client"
    sign_on_mode: str = "OPENID_CONNECT"
    status: str = "ACTIVE"
    auth_method: str = "client_secret_basic"
    app_type: str = "service"
    grant_types: tuple[str, ...] = ("client_credentials",)
    redirect_uris: tuple[str, ...] = ()
    dpop_bound: bool = False
    outside_network_zone: bool = False  # each of its token requests comes from somewhere that is not allowed
    api_service_integration: bool = False  # made by the integration network: may use a secret for okta.* scopes
    keys: tuple[dict[str, Any], ...] = ()  # public JWKs
    okta_scopes: frozenset[str] = frozenset()  # grants of the management API
    role: AdminRole | None = None
    secrets: list[ClientSecret] = field(default_factory=list)  # oldest first
    acceptances: list[Acceptance] = field(default_factory=list)
    failures: list[tuple[datetime, str]] = field(default_factory=list)  # wrong secrets of the last day, masked

    def accepted(self, now: datetime) -> Iterator[str]:
        """Yield the values that a token endpoint takes at this instant."""
        for span in self.acceptances:
            if span.since <= now and (span.until is None or now < span.until):
                yield span.value


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """A rule of a custom authorization server: which clients get which scopes by which grants. None means any."""

    clients: frozenset[str] | None = None
    grant_types: frozenset[str] = frozenset({"client_credentials", "authorization_code", "refresh_token"})
    scopes: frozenset[str] | None = None
    lifetime_seconds: int = 3600


@dataclass(slots=True)
class AuthorizationServer:
    """A custom authorization server."""

    id: str
    name: str
    audience: str
    scopes: frozenset[str]
    default_scopes: frozenset[str] = frozenset()
    policies: tuple[AccessPolicy, ...] = (AccessPolicy(),)
    grant_types: frozenset[str] = frozenset({"client_credentials", "authorization_code", "refresh_token"})
    active: bool = True


@dataclass(frozen=True, slots=True)
class AdminRole:
    """What an administrator may do, and on which apps (None: all)."""

    apps: frozenset[str] | None = None
    read: bool = True
    manage: bool = True
    view_secrets: bool = True
    read_log: bool = True
    label: str = "Super Administrator"

    def sees(self, app: OktaApp) -> bool:
        return self.apps is None or app.id in self.apps


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, as the System Log shows it."""

    id: str
    kind: str
    alternate_id: str
    name: str


@dataclass(slots=True)
class ApiToken:
    """An SSWS token and the administrator who made it."""

    value: str
    actor: Actor
    role: AdminRole | None
    last_used: datetime
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token that was granted here. `server` is None for the org's own authorization server."""

    value: str
    id: str
    server: str | None
    app_id: str
    client_id: str
    scopes: tuple[str, ...]
    issuer: str
    audience: str
    issued: int
    expires: int
    key_thumbprint: str | None = None  # DPoP


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls the management API. `scopes` is None for an SSWS token: its administrator's rights bound it."""

    actor: Actor
    role: AdminRole | None
    scopes: frozenset[str] | None
