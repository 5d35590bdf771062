"""What people do in Okta's admin console, and what a scene needs to set an org up.

Nothing here bends a rule: who revokes an app's only active secret is refused, as in the console. Setting up leaves no
trace in the System Log; what an administrator does by hand does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from . import okta_apps
from .okta_jose import thumbprint
from .okta_log import Origin
from .okta_oauth_errors import OAUTH
from .okta_secrets import GENERATED_LENGTH, Slots, place
from .okta_state import (
    AUTH_METHODS,
    SECRET_METHODS,
    AccessPolicy,
    Actor,
    AdminRole,
    ApiToken,
    AuthorizationServer,
    ClientSecret,
    OktaApp,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .okta_org import Org

ADMIN = Actor("00u00000000000000001", "User", "admin@sandbox.example", "Sandbox Admin")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@dataclass(frozen=True, slots=True)
class GivenSecret:
    """A secret that an app has from the start. Without a value it gets one of Okta's."""

    value: str | None = None
    age: timedelta = timedelta(0)
    active: bool = True


class AppTraits(TypedDict, total=False):
    """What `add_app` can be told of an app beside its label; the rest is as in `OktaApp`."""

    auth_method: str
    grant_types: Sequence[str]
    app_type: str
    client_id: str
    name: str
    sign_on_mode: str
    status: str
    redirect_uris: Sequence[str]
    dpop_bound: bool
    outside_network_zone: bool
    api_service_integration: bool
    age: timedelta


class Console:
    """One org, seen by those who may do everything."""

    org: Org

    # --- Setting up -----------------------------------------------------------------------------------------

    def add_app(
        self, label: str = "My app", *, secrets: Sequence[str | GivenSecret] | None = None, **traits: Unpack[AppTraits]
    ) -> OktaApp:
        """Add an app; with one secret of its own age unless told otherwise."""
        now = self.org.clock.now().replace(microsecond=0)
        age = traits.pop("age", timedelta(0))
        app = self._app(label, created=now - age, traits=traits)
        if app.client_id in self.org.clients:
            raise ValueError(f"there is a client {app.client_id!r} already")
        if secrets is None:
            secrets = [GivenSecret(age=age)] if app.auth_method in SECRET_METHODS else []
        for given in sorted(map(_given, secrets), key=lambda given: given.age, reverse=True):
            secret = place(self.org, app, value=given.value or self._text(), now=now - given.age, active=given.active)
            # What was there before the sandbox began has reached the token endpoints long ago.
            for span in app.acceptances:
                span.since = min(span.since, secret.created)
        self.org.enlist(app)
        return app

    def add_service_app(
        self,
        keys: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        scopes: Iterable[str],
        role: AdminRole | None = AdminRole(),  # noqa: B008 -- frozen
        label: str = "Rotator",
        dpop_bound: bool = False,
    ) -> OktaApp:
        """Add a service app that calls the management API with a key; `keys` are public JWKs."""
        jwks = [dict(keys)] if hasattr(keys, "keys") else [dict(key) for key in keys]
        if not all(thumbprint(key) for key in jwks):
            raise ValueError("the keys must be public JWKs")
        app = self.add_app(label, auth_method="private_key_jwt", dpop_bound=dpop_bound)
        app.keys, app.okta_scopes, app.role = tuple(jwks), frozenset(scopes), role
        return app

    def add_api_token(self, value: str | None = None, *, role: AdminRole | None = AdminRole()) -> str:  # noqa: B008
        """Add an SSWS token of an administrator with that role; returns it."""
        value = value or f"00{self.org.new_text(40)}"
        actor = Actor(self.org.new_id("00u"), "User", "rotation@sandbox.example", "Rotation account")
        self.org.api_tokens[value] = ApiToken(value, actor, role, self.org.clock.now())
        return value

    def add_authorization_server(
        self,
        server_id: str = "default",
        *,
        scopes: Iterable[str] = ("app.read",),
        default_scopes: Iterable[str] = (),
        policies: Sequence[AccessPolicy] = (AccessPolicy(),),
        audience: str = "api://default",
    ) -> AuthorizationServer:
        """Add a custom authorization server; everybody gets everything unless policies say otherwise."""
        known = frozenset(scopes) | frozenset(default_scopes)
        server = AuthorizationServer(
            server_id, server_id, audience, known, default_scopes=frozenset(default_scopes), policies=tuple(policies)
        )
        self.org.servers[server_id] = server
        return server

    # --- By hand --------------------------------------------------------------------------------------------

    def add_secret_by_admin(self, app: OktaApp | str, value: str | None = None) -> ClientSecret:
        """Add a secret in the console."""
        return self._slots(app).create(value=value)

    def revoke(self, app: OktaApp | str, secret_id: str) -> ClientSecret:
        """Deactivate a secret in the console. Okta refuses it for the only active one."""
        slots = self._slots(app)
        secret = slots.named(secret_id, now=self.org.clock.now())
        slots.deactivate(secret)
        return secret

    def activate_secret_by_admin(self, app: OktaApp | str, secret_id: str) -> ClientSecret:
        """Activate a secret in the console."""
        slots = self._slots(app)
        secret = slots.named(secret_id, now=self.org.clock.now())
        slots.activate(secret)
        return secret

    def delete_secret_by_admin(self, app: OktaApp | str, secret_id: str) -> None:
        """Delete an inactive secret in the console."""
        slots = self._slots(app)
        slots.delete(slots.named(secret_id, now=self.org.clock.now()))

    def deactivate_app_by_admin(self, app: OktaApp | str) -> None:
        """Deactivate an app in the console."""
        okta_apps.switch(self.org, self._app_of(app), what="deactivate", origin=self._by_hand())

    def activate_app_by_admin(self, app: OktaApp | str) -> None:
        """Activate an app in the console."""
        okta_apps.switch(self.org, self._app_of(app), what="activate", origin=self._by_hand())

    def delete_app_by_admin(self, app: OktaApp | str) -> None:
        """Deactivate and delete an app in the console."""
        self.deactivate_app_by_admin(app)
        okta_apps.remove(self.org, self._app_of(app), origin=self._by_hand())

    def set_auth_method_by_admin(self, app: OktaApp | str, method: str) -> None:
        """Change how an app authenticates; a key instead of a secret removes its secrets (contracts: Okta 1.4)."""
        app = self._app_of(app)
        if method not in AUTH_METHODS:
            raise ValueError(f"{method!r} is no authentication method")
        app.auth_method = method
        if method == "private_key_jwt":
            app.secrets.clear()
            app.acceptances.clear()
        okta_apps.tell_lifecycle(self.org, app, what="update", origin=self._by_hand())

    def revoke_api_token(self, value: str) -> None:
        """Revoke an SSWS token."""
        self.org.api_tokens[value].revoked = True
        self.org.log.record("system.api_token.revoke", self._by_hand(), now=self.org.clock.now())

    # --- The weather ----------------------------------------------------------------------------------------

    def compete(self, bucket: str, share: float) -> None:
        """Let others use that part of a bucket's org limit, evenly over each window; 0 ends it."""
        self.org.limits.competitors[bucket] = share

    def crowd(self, calls: int) -> None:
        """Refuse the next calls as too many at the same time."""
        self.org.limits.concurrent = calls

    def refuse_tokens(self, reason: str, *, times: int = 1) -> None:
        """Refuse the next token requests of authenticated clients, for a reason of the token endpoints' table."""
        if reason not in OAUTH:
            raise ValueError(f"{reason!r} is none of {', '.join(sorted(OAUTH))}")
        self.org.scripted_refusals.extend([reason] * times)

    # --------------------------------------------------------------------------------------------------------

    def _app(self, label: str, *, created: Any, traits: AppTraits) -> OktaApp:
        app_id = self.org.new_id("0oa")
        rest: dict[str, Any] = dict(traits)
        client_id = rest.pop("client_id", app_id)
        for name in ("grant_types", "redirect_uris"):
            if name in rest:
                rest[name] = tuple(rest[name])
        return OktaApp(app_id, client_id, label, created=created, updated=created, **rest)

    def _app_of(self, app: OktaApp | str) -> OktaApp:
        return self.org.apps[app] if isinstance(app, str) else app

    def _slots(self, app: OktaApp | str) -> Slots:
        return Slots(self.org, self._app_of(app), self._by_hand())

    def _by_hand(self) -> Origin:
        return Origin(ADMIN, BROWSER, "/admin", f"{self.org.rng.getrandbits(128):032x}")

    def _text(self) -> str:
        return self.org.new_text(GENERATED_LENGTH)


def _given(secret: str | GivenSecret) -> GivenSecret:
    return GivenSecret(secret) if isinstance(secret, str) else secret
