"""The ports: what the application needs of the world, in its own words.

Every call ends in one of three ways: it returns (done), it raises `UnavailableError`, `RefusedError` or
`ConflictError` (not done), or it raises `UnknownOutcomeError` (look again). Reads never raise the last.
Each call has its own time limit. Implementations retry reads, with jitter and inside that limit; never writes.
One contract suite per port (`tests/contract/`) runs against the in-memory fake, the adapter, and the real thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime, timedelta

    from rotator.core.admission import Admission, Brake, Wish
    from rotator.core.agenda import Remembered
    from rotator.core.budget import Window
    from rotator.core.certification.notes import Client, Event, Labelled, RawSecret
    from rotator.core.changes import Heard
    from rotator.core.diagnosis.evidence import Answer, Asked, Document, Traces
    from rotator.core.history import Deed, Ended, Place, Row
    from rotator.core.hooks import HookResult, Occasion
    from rotator.core.last_use import Holding, Requests
    from rotator.core.model import (
        App,
        AppId,
        KvMetadata,
        KvPath,
        KvVersion,
        OktaSecret,
        Proof,
        RotationId,
        SecretId,
        Target,
        VerifySettings,
    )
    from rotator.core.notice_text import Message
    from rotator.core.notices import Batch, Rules, Sight, Standing
    from rotator.core.preflight_facts import Handshake, MountDefaults, NoTls, ServerMetadata, TokenLife, VaultHealth
    from rotator.core.secret_value import SecretFields, SecretValue
    from rotator.core.selection import Member
    from rotator.core.usage import Refusals, UsageLog
    from rotator.errors import RotatorError


class Clock(Protocol):
    """The time, so that tests can bring their own."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        ...


class OktaAdmin(Protocol):
    """The apps of one Okta org and their secrets, as an administrator sees them (contracts: Okta 1, 3)."""

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock was ahead of Okta's when it last answered; nothing if it did not say."""
        ...

    async def get_app(self, app: AppId) -> App | None:
        """Return the app; None if there is none, or none that our role may see."""
        ...

    def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        """Yield every OpenID Connect app that our role may see, page by page; of the first pages only, if so said."""
        ...

    async def list_secrets(self, app: AppId) -> tuple[OktaSecret, ...]:
        """Return both slots, in no particular order. `MissingError` if there is no such app."""
        ...

    async def create_secret(self, app: AppId, value: SecretValue) -> OktaSecret:
        """Register our value as a new active secret. Not idempotent: when in doubt, list.

        `RefusedError` with `code="slots_full"` where the app holds two already, else with Okta's own code.
        """
        ...

    async def activate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch the secret on; returns it as it is now. Done as well if it was on already."""
        ...

    async def deactivate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch the secret off; returns it as it is now. Done as well if it was off already.

        `RefusedError` with `code="only_active"` for the only active one: Okta keeps the app alive.
        """
        ...

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        """Remove an inactive secret for good. Done as well if it is gone already.

        `RefusedError` with `code="still_active"` where somebody switched it on again.
        """
        ...


class OktaLog(Protocol):
    """The System Log of one org, as far as two questions need it (contracts: Okta 4)."""

    async def deactivated_by_us(self, app: App, secret: OktaSecret) -> bool:
        """Say whether the last deactivation of that secret was our own act.

        False as well where the log shows no such event. `RefusedError` where we may not read the log.
        """
        ...

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        """Return what others have done to apps and their secrets since the cursor; without one, since that time.

        Each change at least once, in no particular order. A cursor that is not taken any more counts as none.
        `RefusedError` where we may not read the log.
        """
        ...

    async def usage(self, app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        """Return who asked for tokens as this client since then: with the old secret's hash, and all that were refused.

        `current` is the hash of the secret in use, if any, by which the log shows that it tells hashes. Two queries at
        most; what does not fit into their answers is told as missing. `RefusedError` where we may not read the log.
        """
        ...

    async def refusals(self, clients: Collection[str], cursor: str | None, since: datetime) -> Refusals:
        """Return others' token requests that were refused for their secret, since the cursor; without one, since then.

        Of these clients, by app id or client id; of any, where there are none. Each at least once, in no particular
        order. A cursor goes with the clients that it was given for; one that is not taken any more counts as none.
        `RefusedError` where we may not read the log, or may not ask it so.
        """
        ...


class ClientLog(Protocol):
    """Who uses which secret, as the System Log of one org has it (contracts: Okta 4.3). One query for each call."""

    async def of_clients(self, apps: Sequence[App], since: datetime, *, refused: bool = False) -> Requests:
        """Return the last token requests of these clients; of those refused for their secret only, if so said.

        `RefusedError` where we may not read the log.
        """
        ...

    async def of_hashes(self, hashes: Sequence[str], since: datetime) -> Requests:
        """Return the last token requests with the secrets of these hashes, likewise."""
        ...


class Notebook(Protocol):
    """What was found of the secrets of one org's apps, so that nobody asks twice. No values and no hashes in it."""

    def recall(self) -> Mapping[AppId, Holding]:
        """Return the last answer about each app."""
        ...

    def open(self) -> AbstractContextManager[Callable[[Holding], None]]:
        """Return what writes an answer down at once, while the context lasts; `BusyError` if another process does."""
        ...


class OktaAccess(Protocol):
    """What one org says of itself and of our access to it. Nothing is changed (contracts: Okta 5, 6)."""

    async def metadata(self, server: str | None = None) -> ServerMetadata:
        """Return what the org's own authorization server publishes, or a custom one. Needs no login, has no limit.

        `MissingError` if there is no such server.
        """
        ...

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes that Okta said our token has. An API token needs none, has none."""
        ...

    def window(self) -> Window | None:
        """Return what the last answers said of the small bucket, that of the apps and their secrets."""
        ...


class VaultAccess(Protocol):
    """What one Vault says of itself and of our access to it. Nothing is changed (contracts: Vault 1.9, 3.3 to 3.5)."""

    async def health(self) -> VaultHealth:
        """Return how the node is. Needs no login; a sealed one answers as well."""
        ...

    async def sign_in(self) -> None:
        """Log in unless we are."""
        ...

    async def token(self) -> TokenLife:
        """Return our token as it sees itself. `RefusedError` where its policy does not let it, or it is dead."""
        ...

    async def check_mount(self, path: KvPath) -> None:
        """Return if a KV engine of version 2 is mounted right there; `RefusedError` if not."""
        ...

    async def defaults(self, mount: str) -> MountDefaults:
        """Return what the mount says for all its keys. The least policy does not allow it: `RefusedError`."""
        ...

    async def rights(self, paths: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Return what our token may do on each of these paths of the API; `deny` alone for nothing."""
        ...


class Handshakes(Protocol):
    """The TLS side of one address."""

    async def handshake(self) -> Handshake | NoTls:
        """Return how a connection came about. `RefusedError` for a certificate that is not trusted."""
        ...


class OwnPlace(Protocol):
    """Where we keep something of our own: files, or a database."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def try_out(self) -> None:
        """Return if it can be written; one of our errors if not. It is left as it was."""
        ...


class TokenEndpoint(Protocol):
    """The token endpoint, as a client of that app meets it (contracts: Okta 5)."""

    async def prove(self, app: App, value: SecretValue, settings: VerifySettings) -> Proof:
        """Authenticate as the app with that value and say what it showed. Any token it yields is revoked.

        `client_credentials` where the app has that grant and the settings name a server (the org's own gives no
        token for a secret), else the introspection probe. It never raises for what the server answers or fails to
        answer: that is `INCONCLUSIVE`, with the cause in `detail`.
        """
        ...


class OktaTraces(Protocol):
    """The System Log of one org, as far as it tells why a client is refused (contracts: Okta 4)."""

    async def traces(self, app: App, value: SecretValue, since: datetime) -> Traces:
        """Return what became of the app's secrets, and who else was seen with that value.

        One query, newest first; what did not fit into its answer is left out. `RefusedError` where we may not read it.
        """
        ...

    async def requests(self, app: App, since: datetime) -> Traces:
        """Return the client's requests for tokens, those that were refused and those that were granted, likewise."""
        ...


class Discovery(Protocol):
    """What authorization servers publish of themselves to everybody (RFC 8414). It counts against no limit."""

    async def document(self, issuer: str) -> Document:
        """Return what is published under the issuer's address. It never raises: what is lost says why."""
        ...


class Probe(Protocol):
    """The token endpoint as an application meets it with one request, be it right or wrong."""

    async def ask(self, asked: Asked, value: SecretValue) -> Answer:
        """Send exactly that, once, and say what came. Any token it yields is revoked. It never raises.

        A refusal counts at Okta, which raises an alarm after five wrong secrets in a day: ask once.
        """
        ...


class OktaLab(Protocol):
    """One org, as its certification tries it out: answers as they are, and refusals as `RefusedError` with their text.

    Whatever a write has lost on its way is looked for by whoever asked: the lab repeats nothing.
    """

    @property
    def us(self) -> str | None:
        """Our client id there; None where we use an API token."""
        ...

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock was ahead of Okta's when it last answered."""
        ...

    def limits(self) -> Mapping[str, int]:
        """Return the calls a minute that answers told of, by bucket."""
        ...

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes of our token. An API token has none."""
        ...

    async def has_server(self, name: str) -> bool:
        """Say whether there is a custom authorization server of that name or id. It needs no login."""
        ...

    async def apps_labelled(self, prefix: str) -> tuple[Labelled, ...]:
        """Return the apps whose label begins so."""
        ...

    async def make_app(
        self, label: str, value: SecretValue, *, client_id: str | None = None, dpop_bound: bool = False
    ) -> Client:
        """Make a service app that may ask for tokens by itself, with that secret; Okta chooses the id unless told."""
        ...

    async def switch_app_off(self, app: AppId) -> None:
        """Deactivate the app. Done as well if it is gone."""
        ...

    async def delete_app(self, app: AppId) -> None:
        """Delete an inactive app. Done as well if it is gone."""
        ...

    async def list_secrets(self, app: AppId) -> tuple[RawSecret, ...]:
        """Return both slots, in Okta's order."""
        ...

    async def get_secret(self, app: AppId, secret: SecretId) -> RawSecret:
        """Return one; `MissingError` if there is none."""
        ...

    async def create_secret(self, app: AppId, value: SecretValue) -> RawSecret:
        """Register the value."""
        ...

    async def switch_secret(self, app: AppId, secret: SecretId, *, on: bool) -> None:
        """Switch it on or off, whatever it is."""
        ...

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        """Delete it, whatever it is."""
        ...

    def with_percent_signs(self, value: SecretValue) -> SecretValue:
        """Return a secret of which a server that decodes percent signs reads another one."""
        ...

    async def events(self, names: Sequence[str], since: datetime) -> tuple[Event, ...]:
        """Return the events that these ids are the actor or a target of, oldest first."""
        ...

    async def ask(self, asked: Asked, value: SecretValue, *, both_ways: bool = False) -> Answer:
        """Send a client's request, once; `both_ways`: with the secret in the form as well. It never raises."""
        ...


class Trail(Protocol):
    """What of a certification must be found again after a crash, on an app that is not ours to remove."""

    def left(self) -> tuple[AppId, str] | None:
        """Return the app on which a secret of ours may be, and the secret's hash by our formula."""
        ...

    def note(self, app: AppId, value_hash: str) -> None:
        """Write it down, before the secret is made."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...


class KvStore(Protocol):
    """The KV v2 engines of one Vault, logged in (contracts: Vault 1, 3)."""

    async def read_metadata(self, path: KvPath) -> KvMetadata | None:
        """Return what is known of the key without its values; None if nothing was ever written there."""
        ...

    async def read(self, path: KvPath, version: int | None = None) -> KvVersion | None:
        """Return a version, the latest by default; None if it is absent, deleted or destroyed."""
        ...

    async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
        """Write a new version if the counter still is `cas`; returns its number.

        `ConflictError` if it is not. It may be repeated as it is after an unknown outcome: at most one applies.
        """
        ...

    async def destroy(self, path: KvPath, versions: Sequence[int]) -> None:
        """Destroy versions by number. Idempotent."""
        ...


class Hooks(Protocol):
    """What is run after a promotion (configuration: `hooks`)."""

    async def run(self, name: str, occasion: Occasion) -> HookResult:
        """Run the hook of that name once; it is told references, never values. It never raises for what it does."""
        ...


class Lease(Protocol):
    """A hold on one target. Whoever sleeps may lose it: ask before each effect."""

    async def confirm(self, outlives: timedelta) -> None:
        """Return if the target is ours and stays so for that long, prolonged if need be; `BusyError` if it is not."""
        ...


class Leases(Protocol):
    """One writer per target. Safety rests on CAS and removal by id; this saves useless work."""

    def hold(self, target: Target) -> AbstractAsyncContextManager[Lease]:
        """Hold the target while the context lasts; `BusyError` at once if somebody else does."""
        ...


class Gate(Protocol):
    """Whether one more rotation may begin, over all processes that share the state (`core.admission`)."""

    async def ask(self, wish: Wish) -> Admission:
        """Say whether it may begin now, and note that it did. Asked again before it ended, it is the same beginning."""
        ...

    async def ended(self, target: str, *, good: bool) -> None:
        """Note how the rotation of that target ended that was let begin; nothing if none was."""
        ...


class Journal(Protocol):
    """The audit: a row before each effect and one after it."""

    async def begins(self, deed: Deed) -> int:
        """Write it down and return its number. Where that fails the effect must not begin: `UnavailableError`."""
        ...

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        """Write down how it ended. It never raises: the effect is over, and the log has it all the same.

        Without a number it is a proof: it changes nothing, and has no row before it.
        """
        ...


class Chronicle(Protocol):
    """The audit, to be read: its rows as they stand, oldest first, in pages."""

    async def rows(
        self, *, after: int = 0, target: str | None = None, since: datetime | None = None
    ) -> tuple[Row, ...]:
        """Return the next rows after that number; none at the end.

        `target`: its alone, by its name or its app's id. `since`: from the first row on that is not older.
        """
        ...


class Memory(Protocol):
    """What the members of a service know of its targets. Losing it costs looks, and sets the brake."""

    async def recall(self) -> tuple[Remembered, ...]:
        """Return what is remembered."""
        ...

    async def news(self) -> tuple[Remembered, ...]:
        """Return what was written by anybody since this or `recall` was asked last, all of it and perhaps more."""
        ...

    async def remember(self, what: Sequence[Remembered]) -> None:
        """Write these anew, all or none. `known_since` of one that is known already is kept."""
        ...

    async def forget(self, names: Sequence[str]) -> None:
        """Remove these."""
        ...


class Cursors(Protocol):
    """How far each org's System Log was heard, and who hears it: one member at a time."""

    async def take(self, org: str, *, lasting: timedelta) -> tuple[Place | None] | None:
        """Take the org's log for so long, or prolong that; return the place in it. None if another member has it."""
        ...

    async def keep(self, org: str, place: Place) -> None:
        """Note how far it was heard."""
        ...


class Brakes(Protocol):
    """Whether everything only observes (design: "State and scale"). A new state database has its brake on."""

    async def brake(self) -> Brake | None:
        """Return why everything only observes; None if it does not."""
        ...

    async def end_survey(self, found: Brake | None, at: datetime) -> None:
        """Set what was found in the place of a new state's brake (`core.survey`), or release it if nothing was.

        It does nothing where that brake is on no more: another member, or a person, has decided meanwhile.
        """
        ...

    async def release(self, by: str, at: datetime) -> None:
        """Let everything go on; what the breakers have counted until then counts no more."""
        ...


class Roster(Protocol):
    """Which apps each selection matched when it was last listed, for all members of a service."""

    async def members(self) -> tuple[Member, ...]:
        """Return all of them, in the order of selection and app id."""
        ...

    async def note(self, members: Sequence[Member]) -> None:
        """Write these anew, all or none; the others stay."""
        ...

    async def drop(self, selection: str) -> None:
        """Forget a selection that the configuration has no more."""
        ...


class Outbox(Protocol):
    """What people are to be told, and what they were; for all members of a service. It survives them.

    Each notice goes out at least once: one that was sent and not noted as sent is sent again.
    """

    async def standing(self) -> tuple[Standing, ...]:
        """Return all that was told and lasts."""
        ...

    async def tell(self, sight: Sight, rules: Rules) -> int:
        """Put what is due after a look into the box (`core.notices`); return how many. Of two members one does."""
        ...

    async def forget(self, subjects: Sequence[str]) -> None:
        """Forget what stands of these, telling nobody."""
        ...

    async def waiting(self) -> Mapping[str, int]:
        """Return how many notices wait to be sent, by channel."""
        ...

    async def take(self, channel: str, at_most: int, *, lasting: timedelta) -> Batch | None:
        """Take the channel for so long, and what its next message holds, at most so many messages an hour.

        None if nothing is to be sent now, or another member has the channel.
        """
        ...

    async def sent(self, batch: Batch) -> None:
        """Note that it was sent, and give the channel back."""
        ...

    async def put_off(self, batch: Batch, until: datetime) -> None:
        """Note that it was not, and give the channel back: nothing of it is taken before then."""
        ...

    async def give_up(self, batch: Batch) -> None:
        """Note that it is not going to be sent, and give the channel back."""
        ...


class Notifier(Protocol):
    """A way to people."""

    async def send(self, message: Message) -> None:
        """Hand it over. `UnavailableError`: it may work later; `RefusedError`: not as long as all is as it is.

        With `code="message"` it is this message that is refused, and another may be taken. It keeps a time limit.
        No error names the address: that is a secret.
        """
        ...


class Heart(Protocol):
    """Whoever misses our pings and raises an alarm."""

    async def beat(self) -> None:
        """Ping once; `UnavailableError` or `RefusedError` as of a notifier."""
        ...


class Engine(Protocol):
    """Who makes a pass over a target: this process, or whichever member of the service takes it."""

    def serving(self, work: Callable[[str], Awaitable[None]]) -> AbstractAsyncContextManager[None]:
        """Let `work` make passes here, by a target's name, whoever asked for them, while the context lasts."""
        ...

    async def see_to(self, target: str) -> None:
        """Have a pass made and return when it has ended, wherever. At most one of a target waits, one is under way."""
        ...


class Progress(Protocol):
    """Told of everything that carrying on a target does, as it happens."""

    def doing(self, target: Target, step: str) -> None:
        """Say what begins."""
        ...

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:
        """Say what has ended, and how, in one line without secrets; `rotation` is the one that it belongs to."""
        ...

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        """Say what did not end as expected, or nobody knows how; the pass looks again."""
        ...


class Mint(Protocol):
    """Where new values come from, so that the core and its tests know no randomness."""

    def value(self) -> SecretValue:
        """Return a new secret: 64 characters of `[A-Za-z0-9_-]`, which every client authentication encodes alike."""
        ...

    def rotation_id(self) -> RotationId:
        """Return a new identifier; it sorts by nothing and means nothing."""
        ...
