"""A tiny Okta org in memory: OktaAdmin, TokenEndpoint and OktaLog over the same secrets.

It keeps the vendor's rules (contracts: Okta 1.3, 1.4, 5): two slots, the only active secret stays on, an active one
cannot be deleted, values of our own are 14 to 100 printable characters. Its coroutines never suspend: an enumerator can
drive them without an event loop. What other people do goes through `by`, under the same rules.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.changes import Change, Heard
from rotator.core.diagnosis.evidence import Trace, Traces
from rotator.core.model import (
    App,
    AppId,
    AuthMethod,
    ClientId,
    OktaSecret,
    Proof,
    ProofLevel,
    SecretId,
    SecretStatus,
    VerifySettings,
)
from rotator.core.secret_value import SecretValue, secret_hash
from rotator.core.usage import Refusal, Refusals, TokenRequest, UsageLog
from rotator.errors import MissingError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator

    from rotator.ports import Clock

US = "rotator"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by


@dataclass(slots=True)
class HeldSecret:
    """A slot that is taken."""

    id: SecretId
    value: SecretValue
    status: SecretStatus
    created: datetime
    changed: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the System Log."""

    at: datetime
    act: str  # create, activate, deactivate, delete
    app: AppId
    secret: SecretId
    actor: str
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token, in the System Log: for us or by us, granted or refused for its secret."""

    at: datetime
    app: AppId
    granted: bool
    hash: str
    address: str
    agent: str
    ours: bool = False


@dataclass(slots=True)
class HeldApp:
    """An app and its slots."""

    app: App
    secrets: list[HeldSecret] = field(default_factory=list)


class FakeOkta:
    """One org. The switches may be turned at any time."""

    def __init__(self, clock: Clock, *, hash_of: Callable[[str], str] = secret_hash) -> None:
        """Start without apps; `hash_of` is Okta's formula, which it does not document."""
        self.events: list[Event] = []
        self.shows_values = True
        self.unique_values = False  # within an app; Okta's rule is not known
        self.server_answers = True  # the token endpoint; else every proof is inconclusive
        self.shows_log = True  # to our role
        self.logs_hashes = True  # of the secret with which a token was got
        self.logs_refused_hash = False  # likewise of one that was refused
        self.log_lag = timedelta(0)  # after which a token request shows
        self.asked: list[Asked] = []  # for tokens
        self.clock_ahead = timedelta(0)  # of ours, theirs is not
        self.cursors = 0  # raise it, and those that were given are not taken any more
        self._clock = clock
        self._hash_of = hash_of
        self._apps: dict[AppId, HeldApp] = {}
        self._actor = US
        self._made = 0

    # --- The world around -----------------------------------------------------------------------------------

    def add_app(
        self,
        app_id: str = "0oa1",
        *values: str,
        auth_method: AuthMethod = AuthMethod.BASIC,
        grants: frozenset[str] = frozenset({"client_credentials"}),
        client_id: str | None = None,
        label: str = "An app",
        dpop_bound: bool = False,
    ) -> App:
        """Add an app that somebody made, with these values as its active secrets."""
        app = App(
            id=AppId(app_id),
            label=label,
            status="ACTIVE",
            sign_on_mode="OPENID_CONNECT",
            client_id=ClientId(client_id or app_id),
            auth_method=auth_method,
            application_type="service",
            grant_types=grants,
            dpop_bound=dpop_bound,
        )
        self._apps[app.id] = HeldApp(app)
        with self.by("somebody"):
            for value in values:
                self._create(self._apps[app.id], SecretValue(value))
        return app

    def app(self, app_id: str = "0oa1") -> App:
        """Return the app as it is."""
        return self._app(AppId(app_id)).app

    def change_app(self, app: App) -> None:
        """Put the app in another state."""
        self._apps[app.id].app = app

    def remove_app(self, app_id: str) -> None:
        """Delete the app and its secrets."""
        del self._apps[AppId(app_id)]

    @contextmanager
    def by(self, actor: str) -> Iterator[FakeOkta]:
        """Let somebody else be who acts, within the block."""
        before, self._actor = self._actor, actor
        try:
            yield self
        finally:
            self._actor = before

    def held(self, app_id: str = "0oa1") -> tuple[HeldSecret, ...]:
        """Return the slots as they are, values and all."""
        return tuple(replace(secret) for secret in self._apps[AppId(app_id)].secrets)

    def accepts(self, value: str, app_id: str = "0oa1") -> bool:
        """Say whether a consumer with that value gets in."""
        held = self._apps[AppId(app_id)]
        return held.app.status == "ACTIVE" and any(
            secret.status is SecretStatus.ACTIVE and secret.value.reveal() == value for secret in held.secrets
        )

    def ask_for_token(
        self, value: str, address: str = "192.0.2.7", agent: str = "job/1.0", *, app_id: str = "0oa1"
    ) -> bool:
        """Ask for a token as a consumer does; say whether there was one."""
        return self._asked(AppId(app_id), value, address=address, agent=agent)

    # --- OktaAdmin ------------------------------------------------------------------------------------------

    async def get_app(self, app: AppId) -> App | None:
        """Return the app; None if there is none."""
        held = self._apps.get(app)
        return held.app if held else None

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        """Yield every OpenID Connect app."""
        for held in list(self._apps.values()):
            if held.app.sign_on_mode == "OPENID_CONNECT":
                yield held.app

    async def list_secrets(self, app: AppId) -> tuple[OktaSecret, ...]:
        """Return both slots."""
        return tuple(self._seen(secret) for secret in self._app(app).secrets)

    async def create_secret(self, app: AppId, value: SecretValue) -> OktaSecret:
        """Register `value` as a new active secret."""
        return self._seen(self._create(self._app(app), value))

    async def activate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch it on."""
        return self._seen(self._switch(app, secret, SecretStatus.ACTIVE))

    async def deactivate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch it off, unless it is the only active one."""
        found = self._secret(app, secret)
        active = [other for other in self._app(app).secrets if other.status is SecretStatus.ACTIVE]
        if active == [found]:
            raise RefusedError("You can't deactivate the only active client secret.", code="only_active")
        return self._seen(self._switch(app, secret, SecretStatus.INACTIVE))

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        """Remove it, if it is off."""
        try:
            found = self._secret(app, secret)
        except MissingError:
            return
        if found.status is SecretStatus.ACTIVE:
            raise RefusedError("You can't delete an active client secret.", code="still_active")
        self._app(app).secrets.remove(found)
        self._note("delete", app, found)

    # --- TokenEndpoint --------------------------------------------------------------------------------------

    async def prove(self, app: App, value: SecretValue, settings: VerifySettings) -> Proof:
        """Say what a request with that value shows."""
        level, detail = self._verdict(app, value, settings)
        if level is ProofLevel.TOKEN_ISSUED:
            self._asked(app.id, value.reveal(), address="198.51.100.1", agent=US, ours=True)
        return Proof(level, detail, self._clock.now())

    # --- OktaLog --------------------------------------------------------------------------------------------

    async def deactivated_by_us(self, app: App, secret: OktaSecret) -> bool:
        """Say whether the last deactivation of that secret was our own act."""
        acts = [
            event for event in self.events if (event.app, event.secret, event.act) == (app.id, secret.id, "deactivate")
        ]
        return bool(acts) and acts[-1].actor == US

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        """Return what others have done since the cursor; without one, since that time."""
        self._check_log()
        era, _, place = (cursor or "").partition(":")
        known = era == str(self.cursors)
        begins = int(place) if known else 0
        changes = tuple(
            self._change(number, event)
            for number, event in enumerate(self.events)
            if number >= begins and (known or event.at >= since) and event.actor != US
        )
        return Heard(changes, f"{self.cursors}:{len(self.events)}", continued=known or cursor is None)

    async def traces(self, app: App, value: SecretValue, since: datetime) -> Traces:
        """Return what became of the app's secrets; who else used a value is not written down here."""
        self._check_log()
        seen = [event for event in reversed(self.events) if event.app == app.id and event.at >= since]
        return Traces(tuple(self._trace(event) for event in seen), whole=True)

    async def requests(self, app: App, since: datetime) -> Traces:
        """Return nothing: requests are not written down here."""
        self._check_log()
        return Traces((), whole=True)

    async def usage(self, app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        """Return who asked for tokens as this client since then: with the old secret, and all that were refused."""
        self._check_log()
        last = self._clock.now() - self.log_lag
        shown = [self._request(asked) for asked in self.asked if asked.app == app.id and since <= asked.at <= last]
        requests = [each for each in reversed(shown) if old in each.hashes or not each.granted]
        calibrated = [each.at for each in shown if each.granted and current in each.hashes]
        return UsageLog(tuple(requests), max(calibrated, default=None))

    async def refusals(self, clients: Collection[str], cursor: str | None, since: datetime) -> Refusals:
        """Return others' token requests that were refused since the cursor; without one, since that time."""
        self._check_log()
        era, _, place = (cursor or "").partition(":")
        begins = int(place) if era == str(self.cursors) else None
        last = self._clock.now() - self.log_lag
        shown = [asked for asked in self.asked if asked.at <= last]
        found = tuple(
            Refusal(f"request{number}", self._names(asked), asked.address, asked.agent)
            for number, asked in enumerate(shown)
            if (number >= begins if begins is not None else asked.at >= since)
            if not asked.granted and not asked.ours and (not clients or self._names(asked) & set(clients))
        )
        return Refusals(found, f"{self.cursors}:{len(shown)}")

    # --- Inside ---------------------------------------------------------------------------------------------

    def _names(self, of: Event | Asked) -> frozenset[str]:
        held = self._apps.get(of.app)
        return frozenset({of.app, held.app.client_id} if held and held.app.client_id else {of.app})

    def _check_log(self) -> None:
        if not self.shows_log:
            raise RefusedError("You do not have permission to access the feature", code="E0000006", hint="A role.")

    def _asked(self, app: AppId, value: str, *, address: str, agent: str, ours: bool = False) -> bool:
        granted = self.accepts(value, app)
        self.asked.append(Asked(self._clock.now(), app, granted, self._hash_of(value), address, agent, ours))
        return granted

    def _request(self, asked: Asked) -> TokenRequest:
        told = self.logs_hashes and (asked.granted or self.logs_refused_hash)
        hashes = frozenset({asked.hash}) if told else frozenset[str]()
        return TokenRequest(asked.at, asked.granted, hashes, asked.address, asked.agent, asked.ours)

    def _app(self, app: AppId) -> HeldApp:
        if app not in self._apps:
            raise MissingError(f"Not found: Resource not found: {app} (AppInstance)", code="E0000007")
        return self._apps[app]

    def _secret(self, app: AppId, secret: SecretId) -> HeldSecret:
        for held in self._app(app).secrets:
            if held.id == secret:
                return held
        raise MissingError(f"Not found: Resource not found: {secret} (OAuth2ClientSecretMediated)", code="E0000007")

    def _create(self, held: HeldApp, value: SecretValue) -> HeldSecret:
        text = value.reveal()
        if len(held.secrets) >= 2:
            raise RefusedError("You've reached the maximum number of client secrets per client.", code="slots_full")
        shortest = 32 if held.app.auth_method is AuthMethod.SECRET_JWT else 14
        if not shortest <= len(text) <= 100 or not (text.isascii() and text.isprintable()):
            raise RefusedError(f"'client_secret' must be {shortest} to 100 printable characters.", code="bad_value")
        if not held.app.auth_method.uses_secret:
            raise RefusedError("'client_secret' can't be used with this method.", code="bad_value")
        if self.unique_values and any(secret.value == value for secret in held.secrets):
            raise RefusedError("An object with this field already exists.", code="duplicate_value")
        self._made += 1
        now = self._now()
        secret = HeldSecret(SecretId(f"ocs{self._made:017d}"), value, SecretStatus.ACTIVE, now, now)
        held.secrets.append(secret)
        self._note("create", held.app.id, secret)
        return secret

    def _switch(self, app: AppId, secret: SecretId, status: SecretStatus) -> HeldSecret:
        found = self._secret(app, secret)
        if found.status is not status:
            found.status, found.changed = status, self._now()
            self._note("activate" if status is SecretStatus.ACTIVE else "deactivate", app, found)
        return found

    def _verdict(self, app: App, value: SecretValue, settings: VerifySettings) -> tuple[ProofLevel, str]:
        held = self._apps.get(app.id)
        if not self.server_answers:
            return ProofLevel.INCONCLUSIVE, "no answer in time"
        if held is None or held.app.status != "ACTIVE" or not held.app.auth_method.uses_secret:
            return ProofLevel.INCONCLUSIVE, "Okta does not know this client id as one with a secret"
        if not self.accepts(value.reveal(), app.id):
            return ProofLevel.REFUSED, "invalid_client"
        if held.app.allows_client_credentials and settings.authorization_server and not held.app.dpop_bound:
            return ProofLevel.TOKEN_ISSUED, "a token was issued"
        return ProofLevel.CLIENT_AUTHENTICATED, "introspection"

    def _seen(self, secret: HeldSecret) -> OktaSecret:
        return OktaSecret(
            id=secret.id,
            status=secret.status,
            created=secret.created,
            changed=secret.changed,
            hash=self._hash_of(secret.value.reveal()),
            value=secret.value if self.shows_values else None,
        )

    def _change(self, number: int, event: Event) -> Change:
        kind = f"app.oauth2.credentials.lifecycle.{event.act}"
        return Change(f"event{number}", kind, event.at.isoformat(), self._names(event))

    def _trace(self, event: Event) -> Trace:
        return Trace(event.at, ours=event.actor == US, deletion=event.act == "delete", hashes=frozenset({event.hash}))

    def _note(self, act: str, app: AppId, secret: HeldSecret) -> None:
        hashed = self._hash_of(secret.value.reveal())
        self.events.append(Event(self._clock.now(), act, app, secret.id, self._actor, hashed))

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)  # Okta keeps whole seconds
