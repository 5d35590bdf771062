"""The same small org twice: in memory, and in the sandbox behind real HTTP, reached through the adapters."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from joserfc.jwk import RSAKey

from rotator.adapters.okta_admin import OktaSdkAdmin
from rotator.adapters.okta_connection import OktaConnection, PrivateKeyAuth, SswsAuth
from rotator.adapters.okta_log import OktaSystemLog
from rotator.adapters.okta_session import OktaSession
from rotator.adapters.okta_tokens import OktaTokenEndpoint
from rotator.core.model import AppId, AuthMethod
from rotator.core.secret_value import SecretValue
from rotator.sandbox.world import Sandbox
from tests.contract.okta_keys import rsa_pem
from tests.fakes.okta import FakeOkta, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from datetime import timedelta

    from rotator.core.model import OktaSecret
    from rotator.ports import OktaAdmin, OktaLog, TokenEndpoint
    from rotator.sandbox.okta_settings import OktaSettings

CLIENT_CREDENTIALS = ("client_credentials",)


class OktaWorld(Protocol):
    """An org, our ports to it, and what other people do in it."""

    admin: OktaAdmin
    tokens: TokenEndpoint
    log: OktaLog

    def add_app(
        self,
        *values: str,
        method: AuthMethod = AuthMethod.BASIC,
        grants: tuple[str, ...] = CLIENT_CREDENTIALS,
        client_id: str | None = None,
        label: str = "An app",
        dpop: bool = False,
    ) -> AppId:
        """Add an app with these active secrets."""
        ...

    def add_saml_app(self) -> None:
        """Add an app that has no client."""
        ...

    def deactivate_app(self, app: AppId) -> None:
        """Let somebody deactivate the app."""
        ...

    def deactivate(self, app: AppId, secret: OktaSecret) -> None:
        """Let somebody deactivate the secret."""
        ...

    def activate(self, app: AppId, secret: OktaSecret) -> None:
        """Let somebody activate the secret."""
        ...

    def hide_values(self) -> None:
        """Show no plaintext any more."""
        ...

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        ...


class FakeWorld:
    """The org in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.okta = FakeOkta(self.clock)
        self.admin: OktaAdmin = self.okta
        self.tokens: TokenEndpoint = self.okta
        self.log: OktaLog = self.okta
        self._apps = 0

    def add_app(
        self,
        *values: str,
        method: AuthMethod = AuthMethod.BASIC,
        grants: tuple[str, ...] = CLIENT_CREDENTIALS,
        client_id: str | None = None,
        label: str = "An app",
        dpop: bool = False,
    ) -> AppId:
        self._apps += 1
        made = self.okta.add_app(
            f"0oa{self._apps}",
            *values,
            auth_method=method,
            grants=frozenset(grants),
            client_id=client_id,
            label=label,
            dpop_bound=dpop,
        )
        return made.id

    def add_saml_app(self) -> None:
        self.okta.change_app(replace(self.okta.add_app("0oaSaml"), sign_on_mode="SAML_2_0"))

    def deactivate_app(self, app: AppId) -> None:
        self.okta.change_app(replace(self.okta.app(app), status="INACTIVE"))

    def deactivate(self, app: AppId, secret: OktaSecret) -> None:
        with self.okta.by("somebody"):
            at_once(self.okta.deactivate_secret(app, secret.id))

    def activate(self, app: AppId, secret: OktaSecret) -> None:
        with self.okta.by("somebody"):
            at_once(self.okta.activate_secret(app, secret.id))

    def hide_values(self) -> None:
        self.okta.shows_values = False

    def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


class SandboxWorld:
    """The org in the sandbox."""

    def __init__(self, box: Sandbox, session: OktaSession, tokens: OktaTokenEndpoint) -> None:
        self.box = box
        self.admin: OktaAdmin = OktaSdkAdmin(session)
        self.tokens: TokenEndpoint = tokens
        self.log: OktaLog = OktaSystemLog(session)

    def add_app(
        self,
        *values: str,
        method: AuthMethod = AuthMethod.BASIC,
        grants: tuple[str, ...] = CLIENT_CREDENTIALS,
        client_id: str | None = None,
        label: str = "An app",
        dpop: bool = False,
    ) -> AppId:
        named = {"client_id": client_id} if client_id else {}
        with self.box.lock:
            made = self.box.okta.add_app(
                label,
                secrets=values,
                auth_method=method.value,
                grant_types=grants,
                dpop_bound=dpop,
                **named,  # type: ignore[arg-type]  # one optional key of the typed dict
            )
        return AppId(made.id)

    def add_saml_app(self) -> None:
        with self.box.lock:
            self.box.okta.add_app("Intranet", secrets=(), name="intranet", sign_on_mode="SAML_2_0")

    def deactivate_app(self, app: AppId) -> None:
        with self.box.lock:
            self.box.okta.deactivate_app_by_admin(app)

    def deactivate(self, app: AppId, secret: OktaSecret) -> None:
        with self.box.lock:
            self.box.okta.revoke(app, secret.id)

    def activate(self, app: AppId, secret: OktaSecret) -> None:
        with self.box.lock:
            self.box.okta.activate_secret_by_admin(app, secret.id)

    def hide_values(self) -> None:
        self.box.okta.settings.plaintext = "masked"

    def advance(self, by: timedelta) -> None:
        self.box.clock.advance(by)


def at_once(coroutine: Coroutine[None, None, object]) -> None:
    """Drive a coroutine of the fake, which never suspends, without a loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the fake suspended")


@asynccontextmanager
async def sandbox_world(settings: OktaSettings | None = None, *, with_key: bool = False) -> AsyncIterator[SandboxWorld]:
    """Open the sandbox and our connections to it: with an API token, or as a service app with a key."""
    with Sandbox(okta=settings) as box:
        box.okta.add_authorization_server("default", scopes=["billing.read"], default_scopes=["billing.read"])
        auth = _key_login(box) if with_key else SswsAuth(SecretValue(box.okta.add_api_token()))
        connection = OktaConnection(box.okta_url, auth)
        session, tokens = OktaSession(connection, box.clock), OktaTokenEndpoint(connection, box.clock)
        try:
            yield SandboxWorld(box, session, tokens)
        finally:
            await tokens.aclose()
            await session.aclose()


def _key_login(box: Sandbox) -> PrivateKeyAuth:
    key = RSAKey.import_key(rsa_pem())
    scopes = ("okta.apps.read", "okta.apps.manage", "okta.logs.read")
    us = box.okta.add_service_app(dict(key.as_dict(private=False), kid="k1"), scopes=scopes)
    return PrivateKeyAuth(us.client_id, SecretValue(rsa_pem()), kid="k1", scopes=scopes)
