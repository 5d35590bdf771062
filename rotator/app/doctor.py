"""Examine a client that is refused: gather what its org, its Vault and the token endpoint show, for `core.diagnosis`.

* At most four calls to Okta, discovery documents and our own login apart; one request with a secret at most.
* Nothing is sent where no Okta answers, and nothing that shows itself wrong without it: what is sent is counted there,
  and after five wrong secrets in a day an alarm goes off.
* Values are compared here, in memory, by value where Okta shows one and else by hash; only how they compare goes on.
* Whatever cannot be looked at is left out, with the reason. That the token endpoint does not answer is one as well.
* It changes nothing.
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from rotator.core.budget import Haste, Share, in_haste
from rotator.core.diagnosis.evidence import (
    CLIENT_CREDENTIALS,
    INTROSPECTION,
    Asked,
    Evidence,
    Failures,
    Likeness,
    LogSide,
    Sight,
    Slot,
    VaultSide,
    Version,
    issuer_of,
    origin_of,
)
from rotator.core.diagnosis.signs import BELIEVED, REASONS, Sign, sign_of
from rotator.core.disguise import shape_of_value, undisguised
from rotator.core.model import AppId, AuthMethod, StagingState
from rotator.core.records import UnreadableRecordError, read_consumer, read_staging
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import datetime

    from rotator.core.diagnosis.evidence import Document, Subject, Trace, Traces
    from rotator.core.model import App, ConsumerVersion, KvMetadata, OktaSecret, Target
    from rotator.ports import Clock, Discovery, KvStore, OktaAdmin, OktaTraces, Probe

T = TypeVar("T")

MOST_CALLS = 4
LONGEST_TURN = timedelta(seconds=1)  # to wait for Okta's rate limit: a person is waiting
RETENTION = timedelta(days=89)  # of the System Log, less a day
RECENT = timedelta(hours=1)  # failures of others that are told: what was mended before does not matter
FIRST_APPS = 200  # one page
MOST_NEIGHBOURS = 20
NEARLY = 0.9  # of a client id's characters are the same: one of twenty was mistyped


@dataclass(frozen=True, slots=True)
class OrgSide:
    """An org that we manage."""

    okta: OktaAdmin
    traces: OktaTraces


@dataclass(frozen=True, slots=True)
class Clinic:
    """The ports of an examination. Orgs are opened when they are needed, by their address."""

    discovery: Discovery
    probe: Probe
    clock: Clock
    orgs: Mapping[str, Callable[[], OrgSide]] = field(default_factory=dict)
    kv: KvStore | None = None
    neighbours: tuple[Target, ...] = ()  # other targets in the same Vault


@dataclass(frozen=True, slots=True)
class Complaint:
    """Who is refused, as far as whoever asks has said. What is None is looked up."""

    subject: Subject
    issuer: str
    target: Target | None = None
    client_id: str | None = None
    value: SecretValue | None = None
    method: AuthMethod | None = None
    grant: str | None = None
    scope: str | None = None
    authorize_url: str = ""
    issuer_given: bool = False


async def examine(complaint: Complaint, clinic: Clinic) -> Evidence:
    """Look, ask once, look further where that was refused; return all that was seen."""
    with in_haste(Haste(Share.URGENT, LONGEST_TURN)):
        return await _Examination(complaint, clinic).made()


class _Examination:
    """One client, as far as it has been looked at."""

    def __init__(self, complaint: Complaint, clinic: Clinic) -> None:
        self._complaint = complaint
        self._clinic = clinic
        self._left = MOST_CALLS
        self._seen = Evidence(complaint.subject, clinic.clock.now(), authorize_url=complaint.authorize_url)
        self._value = complaint.value
        self._metadata: KvMetadata | None = None
        self._versions: dict[int, ConsumerVersion] = {}
        self._org: OrgSide | None = None
        self._hashes: frozenset[str] = frozenset()  # of the secrets that Okta lists

    async def made(self) -> Evidence:
        await self._read_vault()
        await self._read_documents()
        await self._find_app()
        await self._ask()
        if not self._believed:
            await self._look_for_the_client()
            await self._compare()
        await self._read_log()
        return self._seen

    # --- What consumers read ----------------------------------------------------------------------------------

    async def _read_vault(self) -> None:
        target, kv = self._complaint.target, self._clinic.kv
        if target is None or kv is None:
            return
        self._metadata = known = await kv.read_metadata(target.consumer)
        current = None if known is None or known.current == 0 else await self._version(known.current)
        side = VaultSide(latest=known.current if known else 0, client_id=current.client_id if current else None)
        if self._value is None:
            self._value = current.value if current else None
            side = replace(side, missing=self._missing(target, current), deleted=self._deleted(current))
        self._seen = replace(self._seen, vault=side)

    def _missing(self, target: Target, current: ConsumerVersion | None) -> str:
        known = self._metadata
        if known is None or known.current == 0:
            return f"{target.consumer} holds nothing: no version was ever written"
        if current is None:
            return f"version {known.current} of {target.consumer} is deleted"
        if current.value is None:
            there = ", ".join(f"`{name}`" for name in sorted(current.fields)) or "no field at all"
            return f"version {current.number} of {target.consumer} has no `{target.fields.client_secret}`, but {there}"
        return ""

    def _deleted(self, current: ConsumerVersion | None) -> int | None:
        """Return the latest version if it can be brought back."""
        if current is not None or self._metadata is None or self._metadata.current == 0:
            return None
        latest = self._metadata.versions.get(self._metadata.current)
        return latest.number if latest and latest.deleted and not latest.destroyed else None

    async def _version(self, number: int) -> ConsumerVersion | None:
        target, kv = self._complaint.target, self._clinic.kv
        assert target
        assert kv
        if number not in self._versions and (found := await kv.read(target.consumer, number)) is not None:
            self._versions[number] = read_consumer(found, target.fields)
        return self._versions.get(number)

    # --- Where it asks ----------------------------------------------------------------------------------------

    async def _read_documents(self) -> None:
        complaint, discovery = self._complaint, self._clinic.discovery
        document = await discovery.document(complaint.issuer)
        authorize = await discovery.document(issuer_of(complaint.authorize_url)) if complaint.authorize_url else None
        others = [await discovery.document(issuer) for issuer in self._others(document)]
        self._seen = replace(self._seen, document=document, authorize=authorize, others=tuple(others))

    def _others(self, document: Document) -> list[str]:
        """Return the issuers that may be meant where this one gives no token."""
        if document.address != origin_of(document.address) and document.status == 200:
            return []
        subject, origin = self._complaint.subject, origin_of(document.address)
        known = [subject.server] if subject.server and origin == subject.org_url else []
        found = [f"{origin}/oauth2/{server}" for server in dict.fromkeys([*known, "default"])]
        return [issuer for issuer in found if issuer != document.address]

    # --- The app ----------------------------------------------------------------------------------------------

    async def _find_app(self) -> None:
        url = self._our_org()
        wanted = self._complaint.target.app_id if self._complaint.target else AppId(self._complaint.client_id or "")
        if url is None or not wanted.strip():
            return
        subject = replace(self._complaint.subject, org_url=url)
        self._seen = replace(self._seen, subject=subject)
        try:
            self._org = self._clinic.orgs[url]()
            app = await self._called(self._org.okta.get_app(wanted))
        except (RefusedError, UnavailableError) as error:
            self._org = None
            self._seen = replace(self._seen, sight=Sight.UNREADABLE, okta_said=str(error))
            return
        if app is not None and self._complaint.target is None and app.client_id != self._complaint.client_id:
            app = None  # an app whose id happens to be this one's client id (contracts: Okta 3.3)
        self._seen = replace(self._seen, app=app, sight=Sight.SEEN if app else Sight.UNSEEN)

    def _our_org(self) -> str | None:
        """Return the address of the org that we manage and that is meant, if it is one."""
        if self._complaint.subject.org_url is not None:
            return self._complaint.subject.org_url
        document = self._seen.document
        meant = {origin_of(self._complaint.issuer), origin_of(document.issuer) if document and document.issuer else ""}
        return next((url for url in self._clinic.orgs if origin_of(url) in meant), None)

    async def _look_for_the_client(self) -> None:
        """Look where else the client may be, if Okta does not know its id there."""
        asked = self._seen.asked
        if self._sign is not Sign.UNKNOWN_CLIENT or self._seen.app is not None or asked is None:
            return
        for url, opened in self._clinic.orgs.items():
            if self._left > 1 and url != self._seen.subject.org_url:
                app = await self._app_of(opened, asked.client_id)
                if app is not None and app.client_id == asked.client_id:
                    self._seen = replace(self._seen, elsewhere=url)
                    return
        if self._org is not None and self._left:
            near = await self._nearest(self._org, asked.client_id)
            self._seen = replace(self._seen, nearest=near)

    async def _app_of(self, opened: Callable[[], OrgSide], client_id: str) -> App | None:
        try:
            return await self._called(opened().okta.get_app(AppId(client_id)))
        except RotatorError:
            return None  # another org's trouble is not this client's

    async def _nearest(self, org: OrgSide, client_id: str) -> str | None:
        self._left -= 1
        known: list[str] = []
        try:
            async with aclosing(org.okta.list_apps()) as apps:  # type: ignore[type-var]  # a generator, as every port's
                async for app in apps:
                    known.append(app.client_id)
                    if len(known) == FIRST_APPS:
                        break
        except (RefusedError, UnavailableError):
            return None
        return next(iter(get_close_matches(client_id, known, n=1, cutoff=NEARLY)), None)

    async def _called(self, call: Awaitable[T]) -> T:
        """Await a call to Okta's management API, and count it."""
        self._left -= 1
        return await call

    # --- The request ------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        """Make the application's request, unless it is known already how that ends."""
        asked = self._asked()
        shape = shape_of_value(self._value) if self._value else self._seen.shape
        self._seen = replace(
            self._seen,
            asked=asked,
            shape=shape,
            swapped=self._swapped(asked),
            method_given=self._complaint.method is not None,
            grant_given=self._complaint.grant is not None,
        )
        unsent = self._unsent(asked)
        if unsent or self._value is None:
            self._seen = replace(self._seen, unsent=unsent)
            return
        self._left -= 1
        answer = await self._clinic.probe.ask(asked, self._value)
        if answer.token:
            self._left -= 1  # it was revoked
        self._seen = replace(self._seen, answer=answer)

    def _asked(self) -> Asked:
        complaint, app, vault = self._complaint, self._seen.app, self._seen.vault
        in_vault = vault.client_id if vault else None
        target = complaint.target
        return Asked(
            issuer=complaint.issuer,
            client_id=complaint.client_id or in_vault or (app.client_id if app else ""),
            method=complaint.method or _method_of(app),
            grant=complaint.grant or self._grant(app),
            scope=complaint.scope or (target.verify.scope if target else None),
        )

    def _grant(self, app: App | None) -> str:
        """Return how the application asks: by introspection where it gets no token without a user or a proof."""
        if app is None:
            return CLIENT_CREDENTIALS
        has_server = self._complaint.issuer_given or "/oauth2/" in self._complaint.issuer
        by_itself = app.allows_client_credentials and has_server and not app.dpop_bound
        return CLIENT_CREDENTIALS if by_itself else INTROSPECTION

    def _swapped(self, asked: Asked) -> bool:
        """Say whether the id stands in the secret's place, and something else in its own."""
        app, value = self._seen.app, self._value
        if value is None or (app is not None and asked.client_id == app.client_id):
            return False
        if app is not None:
            return any(value == SecretValue(each) for each in (app.client_id, app.id))
        named = SecretValue(asked.client_id)
        return shape_of_value(value).like_a_client_id and not shape_of_value(named).like_a_client_id

    def _unsent(self, asked: Asked) -> str:
        """Return why nothing is sent."""
        seen, document = self._seen, self._seen.document
        if self._value is None:
            return seen.vault.missing if seen.vault and seen.vault.missing else "there is no secret to show"
        if seen.swapped:
            return "nothing was sent: the secret would stand in Okta's log as a client id"
        if document is not None and document.status == 200 and not document.json:
            return "nothing was sent: what answers there is not Okta"
        if document is not None and document.error in {"E0000007", "E0000015"}:
            return f"nothing was sent: Okta answers {document.error} for that server"
        if self._complaint.method is None and seen.app is not None and not seen.app.auth_method.uses_secret:
            return f"nothing was sent: the app authenticates by {seen.app.auth_method.value}"
        if asked.method is AuthMethod.SECRET_JWT and shape_of_value(self._value).too_short_for_jwt:
            return "nothing was sent: the secret is too short to sign with"
        return ""

    @property
    def _sign(self) -> Sign | None:
        return sign_of(self._seen.answer) if self._seen.answer else None

    @property
    def _believed(self) -> bool:
        return self._sign in BELIEVED

    # --- The secret -------------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Compare the value with the app's secrets, and with what Vault had."""
        app, value = self._seen.app, self._value
        if app is None or value is None or self._org is None or not app.auth_method.uses_secret or not self._left:
            return
        try:
            listed = await self._called(self._org.okta.list_secrets(app.id))
        except (RefusedError, UnavailableError) as error:
            self._seen = replace(self._seen, okta_said=str(error), sight=Sight.UNREADABLE)
            return
        self._hashes = frozenset(secret.hash for secret in listed)
        self._seen = replace(
            self._seen,
            slots=tuple(_slot(secret, value) for secret in listed),
            values_hidden=any(secret.value is None for secret in listed),
        )
        await self._compare_with_vault(value, listed)
        if not any(slot.likeness for slot in self._seen.slots or ()):
            self._seen = replace(self._seen, neighbour=await self._neighbour(value))

    async def _compare_with_vault(self, value: SecretValue, listed: tuple[OktaSecret, ...]) -> None:
        target, kv, known = self._complaint.target, self._clinic.kv, self._metadata
        if target is None or kv is None or known is None or self._seen.vault is None:
            return
        for number, info in known.versions.items():
            if not info.deleted:
                await self._version(number)
        versions = [_compared(self._versions[number], value, listed) for number in sorted(self._versions)]
        staged, made = await self._staging(target, kv, value)
        self._seen = replace(
            self._seen, vault=replace(self._seen.vault, versions=tuple(versions), staged=staged, made=made)
        )

    async def _staging(self, target: Target, kv: KvStore, value: SecretValue) -> tuple[bool, bool]:
        """Say whether the value is staged, and whether we made it."""
        found = await kv.read(target.staging)
        if found is None:
            return False, False
        try:
            record = read_staging(found, ())
        except UnreadableRecordError:
            return False, False
        staged = record.state is StagingState.STAGED and record.value == value
        return staged, any(made.hash == value.hash for made in record.made)

    async def _neighbour(self, value: SecretValue) -> str | None:
        """Return another target that holds the value."""
        kv = self._clinic.kv
        for target in self._clinic.neighbours[:MOST_NEIGHBOURS] if kv else ():
            assert kv
            try:
                found = await kv.read(target.consumer)
            except RotatorError:
                continue  # another target's trouble is not this client's
            if found is not None and found.fields.secret(target.fields.client_secret) == value:
                return target.name
        return None

    # --- The log ----------------------------------------------------------------------------------------------

    async def _read_log(self) -> None:
        """Ask the log what became of the value, or who else asks for the client, if anything hangs on it."""
        app, value, known = self._seen.app, self._value, self._seen.slots
        explained = self._seen.neighbour or any(slot.likeness for slot in known or ())
        wanted = self._believed or (known is not None and not explained)
        if app is None or value is None or self._org is None or not wanted or not self._left:
            return
        since = self._seen.now - (RECENT if self._believed else RETENTION)
        traces = self._org.traces
        try:
            asks = traces.requests(app, since) if self._believed else traces.traces(app, value, since)
            told = await self._called(asks)
        except (RefusedError, UnavailableError) as error:
            self._seen = replace(self._seen, log_refused=str(error))
            return
        self._seen = replace(self._seen, log=self._log_side(told, value, since))

    def _log_side(self, told: Traces, value: SecretValue, since: datetime) -> LogSide:
        deletions = [trace for trace in told.traces if trace.deletion]
        return LogSide(
            since=since,
            whole=told.whole,
            deleted=any(value.hash in trace.hashes for trace in deletions),
            deletions=len(deletions),
            comparable=any(self._hashes & trace.hashes for trace in told.traces),
            used_by=frozenset(t.client for t in told.traces if t.client and value.hash in t.hashes),
            failures=_failures(told.traces),
        )


def _method_of(app: App | None) -> AuthMethod:
    """Return the app's own method, or what most libraries do."""
    return app.auth_method if app is not None and app.auth_method.uses_secret else AuthMethod.BASIC


def _slot(secret: OktaSecret, value: SecretValue) -> Slot:
    return Slot(secret.id, secret.status, secret.created, secret.changed, _likeness(secret, value))


def _likeness(secret: OktaSecret, value: SecretValue) -> Likeness | None:
    if secret.carries(value):
        return Likeness()
    return next((Likeness(disguise) for disguise, bare in undisguised(value) if secret.carries(bare)), None)


def _compared(version: ConsumerVersion, value: SecretValue, listed: tuple[OktaSecret, ...]) -> Version:
    held = version.value
    holds = next((secret.id for secret in listed if held is not None and secret.carries(held)), None)
    return Version(version.number, held == value, holds, version.secret_id)


def _failures(traces: Iterable[Trace]) -> tuple[Failures, ...]:
    """Return what others are refused for, most often first: those that have not been granted a token since."""
    mended: set[str] = set()
    refused: list[Trace] = []
    for trace in sorted(traces, key=lambda trace: trace.at, reverse=True):
        if trace.granted:
            mended.add(trace.who)
        elif trace.refused in REASONS and trace.who not in mended and not trace.ours:
            refused.append(trace)
    times, last = Counter(trace.refused for trace in refused), {trace.refused: trace.at for trace in reversed(refused)}
    return tuple(Failures(REASONS[reason], reason, count, last[reason]) for reason, count in times.most_common())
