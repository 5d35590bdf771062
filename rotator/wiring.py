"""The one place that names concrete adapters: from settings to the ports that each target needs.

* Targets share what can be shared: one connection to an org and one view of its rate limits, one login at a Vault,
  however many targets there are.
* Nothing is opened, read or imported before a target needs it: an org whose key cannot be read is that target's
  failure, not everybody's.
* Whoever opens the worlds closes them: logins that we made are given back, connections end.
* Other settings may be followed while passes are under way: those go on with the connections that they have.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.adapters.no_state import NoJournal, OpenGate, PassingRoster
from rotator.app.observe import World
from rotator.errors import RotatorError
from rotator.settings import AppRoleAuth, JwtAuth, KubernetesAuth, PrivateKeyJwtAuth, SswsAuth, TokenAuth
from rotator.settings.places import lease_directory
from rotator.wiring_hooks import open_hooks
from rotator.wiring_state import StatePlace, file_leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    from rotator.adapters.okta_connection import OktaConnection, OktaWay
    from rotator.adapters.okta_http import Outside
    from rotator.adapters.okta_log import OktaSystemLog
    from rotator.adapters.okta_session import OktaSession
    from rotator.adapters.vault_connection import Auth, VaultConnection
    from rotator.adapters.vault_kv import VaultKv
    from rotator.app.discover import Registry
    from rotator.app.doctor import Clinic, OrgSide
    from rotator.app.preflight import OrgWay, VaultWay, Ways
    from rotator.core.model import Target
    from rotator.ports import Clock, Engine, Leases, OktaAdmin, OwnPlace, Progress, Roster, TokenEndpoint
    from rotator.settings import Org, Settings, Vault
    from rotator.wiring_state import State

    Warn = Callable[[str], None]
    Sleep = Callable[[float], Awaitable[None]]
    Close = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _OrgPorts:
    """What is open to one org. Closing it twice does no harm."""

    okta: OktaAdmin
    log: OktaSystemLog
    tokens: TokenEndpoint
    session: OktaSession
    close: tuple[Close, ...]

    async def aclose(self) -> None:
        for each in self.close:
            await each()


class Worlds:
    """The ports of one run, by target. From `open_worlds`."""

    def __init__(
        self,
        settings: Settings,
        closing: AsyncExitStack,
        *,
        progress: Progress,
        clock: Clock,
        leases_in: Path,
        warn: Warn,
        sleep: Sleep,
        state: State | None,
    ) -> None:
        """Open nothing yet; `closing` gets what is to be closed in the end."""
        from rotator.adapters.mint import RandomMint

        self._settings = settings
        self._closing = closing
        self._progress = progress
        self.clock = clock
        self._leases_in = leases_in
        self._leases: Leases = state.leases if state else file_leases(settings, leases_in)
        self._gate = state.gate if state else OpenGate()
        self._journal = state.journal if state else NoJournal()
        self._warn = warn
        self._sleep = sleep
        self._mint = RandomMint()
        self._hooks = open_hooks(settings, clock)
        self.state = state
        self.roster: Roster = state.roster if state else PassingRoster()
        self._orgs: dict[str, _OrgPorts] = {}
        self._vaults: dict[str, VaultKv] = {}
        self._outside: Outside | None = None

    def of(self, target: Target) -> World:
        """Return the ports for a target; `ConfigError` if its org or its Vault cannot even be tried."""
        org = self._org(target.org)
        return World(
            okta=org.okta,
            log=org.log,
            tokens=org.tokens,
            kv=self._vault(target.vault),
            leases=self._leases,
            clock=self.clock,
            mint=self._mint,
            progress=self._progress,
            gate=self._gate,
            journal=self._journal,
            hooks=self._hooks,
            actor=self.state.owner if self.state else "rotator",
        )

    def okta_of(self, alias: str) -> OktaAdmin:
        """Return the apps of an org; `ConfigError` if it cannot even be tried."""
        return self._org(alias).okta

    def registry(self, alias: str) -> Registry:
        """Return the ports for the inventory of an org; `ConfigError` if it cannot even be tried."""
        from rotator.adapters.notebook import FileNotebook
        from rotator.adapters.okta_access import OktaOwnAccess
        from rotator.adapters.okta_last_use import OktaClientLog
        from rotator.app.discover import Registry
        from rotator.settings.places import inventory_directory

        org, ports = self._settings.orgs[alias], self._org(alias)
        notebook = FileNotebook(inventory_directory(), urlsplit(org.url).netloc)
        usage, window = OktaClientLog(ports.session), OktaOwnAccess(ports.session).window
        return Registry(org.host, ports.okta, usage, notebook, window, self.clock)

    def ways(self) -> Ways:
        """Return how the pre-flight reaches what it looks at: over the connections that everything else uses."""
        from rotator.app.preflight import Ways

        places: list[OwnPlace] = [file_leases(self._settings, self._leases_in)]
        if self._settings.state.made:
            places.append(StatePlace(self._settings.state, self.state))
        return Ways(self._org_way, self._vault_way, tuple(places), self.clock)

    def clinic(self, target: Target | None = None) -> Clinic:
        """Return the ports for an examination of a target's client, or of one that is no target's."""
        from rotator.adapters.okta_discovery import OktaDiscovery
        from rotator.adapters.okta_http import Outside
        from rotator.adapters.okta_probe import OktaProbe
        from rotator.app.doctor import Clinic

        if self._outside is None:
            self._outside = Outside(self._way_to)
            self._closing.push_async_callback(self._outside.aclose)
        others = [each for each in self._settings.targets if target and each.vault == target.vault and each != target]
        return Clinic(
            discovery=OktaDiscovery(self._outside),
            probe=OktaProbe(self._outside, self.clock),
            clock=self.clock,
            orgs={org.url: partial(self._org_side, alias) for alias, org in self._settings.orgs.items()},
            kv=self._vault(target.vault) if target else None,
            neighbours=tuple(others),
        )

    def _way_to(self, url: str) -> OktaWay:
        """Return how a server is reached: as its org is, if that is one of ours."""
        from rotator.adapters.okta_connection import OktaWay

        for org in self._settings.orgs.values():
            if urlsplit(url).netloc == urlsplit(org.url).netloc:
                return OktaWay(org.ca_file, org.proxy, org.answer_within)
        return OktaWay()

    def _org_side(self, alias: str) -> OrgSide:
        from rotator.app.doctor import OrgSide

        org = self._org(alias)
        return OrgSide(org.okta, org.log)

    async def keep_alive(self) -> dict[str, RotatorError | None]:
        """Renew the logins at Vaults that are due; return what came of it, by alias."""
        found: dict[str, RotatorError | None] = {}
        for alias, kv in tuple(self._vaults.items()):
            try:
                await kv.renew_if_due()
            except RotatorError as error:
                found[alias] = error
            else:
                found[alias] = None
        return found

    def logins_end(self) -> dict[str, datetime | None]:
        """Return when our login at each Vault ends unless it is renewed, by alias; None for never, or none yet."""
        return {alias: kv.login_ends for alias, kv in self._vaults.items()}

    def follow(self, settings: Settings) -> AsyncExitStack:
        """Go over to other settings; close what is returned once no pass that began before is under way.

        Every org is opened anew: its key or token is read at that time, and may have been replaced where it lies. A
        Vault that stays as it was keeps its login, which a wrapped secret id cannot give twice.
        """
        left = AsyncExitStack()
        for org in self._orgs.values():
            left.push_async_callback(org.aclose)
        self._orgs.clear()
        for alias in tuple(self._vaults):
            if self._settings.vaults[alias] != settings.vaults.get(alias):
                left.push_async_callback(self._vaults.pop(alias).aclose)
        self._settings = settings
        self._hooks = open_hooks(settings, self.clock)
        if self.state:
            self.state.follow(settings)
        else:
            self._leases = file_leases(settings, self._leases_in)
        return left

    def _org(self, alias: str) -> _OrgPorts:
        if alias not in self._orgs:
            self._orgs[alias] = self._open_org(self._settings.orgs[alias])
        return self._orgs[alias]

    def _vault(self, alias: str) -> VaultKv:
        if alias not in self._vaults:
            self._vaults[alias] = self._open_vault(self._settings.vaults[alias])
        return self._vaults[alias]

    def _org_way(self, alias: str) -> OrgWay:
        from rotator.adapters.handshake import TlsHandshake
        from rotator.adapters.okta_access import OktaOwnAccess
        from rotator.app.preflight import OrgWay

        org, ports = self._settings.orgs[alias], self._org(alias)
        access, connection = OktaOwnAccess(ports.session), ports.session.connection
        handshakes = TlsHandshake(
            connection.org_url, connection.trust, proxy=connection.proxy, answer_within=connection.answer_within
        )
        signs = isinstance(org.auth, PrivateKeyJwtAuth)
        return OrgWay(access, ports.okta, ports.log, handshakes, org.rate_share, signs, org.propagation, org.certified)

    def _vault_way(self, alias: str) -> VaultWay:
        from rotator.adapters.handshake import TlsHandshake
        from rotator.app.preflight import VaultWay

        kv, auth, connection = self._vault(alias), self._settings.vaults[alias].auth, self._vault(alias).connection
        handshakes = TlsHandshake(
            connection.address, connection.trust, proxy=connection.proxy, answer_within=connection.answer_within
        )
        once = isinstance(auth, AppRoleAuth) and auth.wrapped
        return VaultWay(kv.access, kv, handshakes, given=isinstance(auth, TokenAuth), once=once)

    def _open_org(self, org: Org) -> _OrgPorts:
        from rotator.adapters.okta_admin import OktaSdkAdmin
        from rotator.adapters.okta_log import OktaSystemLog
        from rotator.adapters.okta_pace import OktaPace
        from rotator.adapters.okta_session import OktaSession
        from rotator.adapters.okta_tokens import OktaTokenEndpoint

        connection = okta_connection(org)
        pace = OktaPace(connection.host, self.clock, shares=org.rate_share, sleep=self._sleep)
        session = OktaSession(connection, self.clock, pace=pace)
        tokens = OktaTokenEndpoint(connection, self.clock, pace=pace)
        admin, log = OktaSdkAdmin(session), OktaSystemLog(session)
        ports = _OrgPorts(admin, log, tokens, session, (session.aclose, tokens.aclose))
        self._closing.push_async_callback(ports.aclose)
        return ports

    def _open_vault(self, vault: Vault) -> VaultKv:
        from rotator.adapters.vault_kv import VaultKv

        kv = VaultKv(vault_connection(vault), self.clock, warn=self._warn)
        self._closing.push_async_callback(kv.aclose)
        return kv


@asynccontextmanager
async def open_worlds(
    settings: Settings,
    *,
    progress: Progress,
    warn: Warn,
    clock: Clock | None = None,
    sleep: Sleep = asyncio.sleep,
    leases_in: Path | None = None,
    state: State | None = None,
) -> AsyncIterator[Worlds]:
    """Open the worlds of these settings and close them in the end.

    `state`, which whoever opened it closes, gives leases, gate, journal and roster; without one every rotation may
    begin, and the log is the only history. `warn` is told what Vault says besides; `clock`, `sleep` in its seconds,
    and `leases_in` are for tests and the sandbox.
    """
    from rotator.adapters.clock import SystemClock

    clock = clock or SystemClock()
    leases_in = leases_in or lease_directory()
    async with AsyncExitStack() as closing:
        yield Worlds(
            settings,
            closing,
            progress=progress,
            clock=clock,
            leases_in=leases_in,
            warn=warn,
            sleep=sleep,
            state=state,
        )


def open_engine(settings: Settings, at_once: int) -> Engine:
    """Return who makes the daemon's passes: `at_once` at most in this process."""
    if not settings.several:
        from rotator.adapters.local_engine import LocalEngine

        return LocalEngine()
    from rotator.adapters.postgres_engine import PostgresEngine

    state = settings.state
    return PostgresEngine(state.url, state.password.read if state.password else None, at_once=at_once)


def problem_with(url: str) -> str | None:
    """Say why a client's secret is not sent to that address; None if it may be."""
    from rotator.adapters.okta_connection import OktaWay

    return OktaWay.problem_with(url)


def okta_connection(org: Org) -> OktaConnection:
    """Return how to reach an org; its secrets are read now."""
    from rotator.adapters import okta_connection as okta
    from rotator.adapters.okta_key import key_in_pem

    auth: okta.SswsAuth | okta.PrivateKeyAuth
    match org.auth:
        case SswsAuth(token=token):
            auth = okta.SswsAuth(token.read())
        case PrivateKeyJwtAuth(client_id=client_id, key=source, kid=kid, scopes=scopes):
            key = key_in_pem(source.read(), org.alias)
            auth = okta.PrivateKeyAuth(client_id, key.pem, kid or key.kid, scopes)
    return okta.OktaConnection(
        org_url=org.url, auth=auth, ca_file=org.ca_file, proxy=org.proxy, answer_within=org.answer_within
    )


def vault_connection(vault: Vault) -> VaultConnection:
    """Return how to reach a Vault; its secrets are read at each login."""
    from rotator.adapters import vault_connection as kv

    return kv.VaultConnection(
        address=vault.address,
        auth=_vault_auth(vault),
        namespace=vault.namespace,
        ca_file=vault.ca_file,
        proxy=vault.proxy,
        answer_within=vault.answer_within,
    )


def _vault_auth(vault: Vault) -> Auth:
    from rotator.adapters import vault_connection as kv

    match vault.auth:
        case TokenAuth(token=token):
            return kv.TokenAuth(token.read)
        case AppRoleAuth(role_id=role_id, secret_id=secret_id, wrapped=wrapped, mount=mount):
            return kv.AppRoleAuth(role_id.read, secret_id.read, wrapped, mount)
        case KubernetesAuth(role=role, jwt=jwt, mount=mount):
            return kv.KubernetesAuth(role, jwt.read, mount)
        case JwtAuth(role=role, jwt=jwt, mount=mount):
            return kv.JwtAuth(role, jwt.read, mount)
