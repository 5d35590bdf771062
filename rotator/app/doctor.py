"""Examine a client that is refused: gather what its org, its Vault and the token endpoint show, for `core.diagnosis`.

* At most four calls to Okta, discovery documents and our own login apart; one request with a secret at most.
* Nothing is sent where no Okta answers, and nothing that shows itself wrong without it: what is sent is counted there,
  and after five wrong secrets in a day an alarm goes off.
* Values are compared in memory; only how they compare goes on.
* Whatever cannot be looked at is left out, with the reason. That the token endpoint does not answer is one as well.
* It changes nothing.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.app.doctor_vault import ConsumerPath
from rotator.core.budget import Haste, Share, in_haste
from rotator.core.diagnosis.asking import have_changed_places, other_issuers, request_of, why_not_sent
from rotator.core.diagnosis.compare import log_side, slot_of
from rotator.core.diagnosis.evidence import Evidence, Sight, issuer_of, origin_of
from rotator.core.diagnosis.signs import BELIEVED, Sign, sign_of
from rotator.core.disguise import shape_of_value
from rotator.core.model import AppId
from rotator.errors import RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rotator.core.diagnosis.evidence import Complaint
    from rotator.core.model import App, OktaSecret, Target
    from rotator.ports import Clock, Discovery, KvStore, OktaAdmin, OktaTraces, Probe

T = TypeVar("T")

MOST_CALLS = 4
LONGEST_TURN = timedelta(seconds=1)  # to wait for Okta's rate limit: a person is waiting
RETENTION = timedelta(days=89)  # of the System Log, less a day
RECENT = timedelta(hours=1)  # failures of others that are told: what was mended before does not matter
FIRST_APPS = 200  # one page
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
        self._org: OrgSide | None = None
        self._listed: tuple[OktaSecret, ...] = ()
        kv, target = clinic.kv, complaint.target
        self._path = ConsumerPath(target, kv) if target is not None and kv is not None else None

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

    def _note(self, **seen: Any) -> None:
        self._seen = replace(self._seen, **seen)

    async def _called(self, call: Awaitable[T]) -> T:
        """Await a call to Okta's management API, and count it."""
        self._left -= 1
        return await call

    # --- What consumers read ----------------------------------------------------------------------------------

    async def _read_vault(self) -> None:
        """Read what consumers read; a Vault that is away does not matter where a secret was given."""
        if self._path is None:
            return
        try:
            side, value = await self._path.latest()
        except RotatorError:
            if self._value is None:
                raise
            self._path = None
            return
        if self._value is not None:
            side = replace(side, missing="", deleted=None)
        self._value = self._value or value
        self._note(vault=side)

    # --- Where it asks ----------------------------------------------------------------------------------------

    async def _read_documents(self) -> None:
        complaint, discovery = self._complaint, self._clinic.discovery
        document = await discovery.document(complaint.issuer)
        authorize = await discovery.document(issuer_of(complaint.authorize_url)) if complaint.authorize_url else None
        others = [await discovery.document(issuer) for issuer in other_issuers(complaint, document)]
        self._note(document=document, authorize=authorize, others=tuple(others))

    # --- The app ----------------------------------------------------------------------------------------------

    async def _find_app(self) -> None:
        url = self._our_org()
        wanted = self._complaint.target.app_id if self._complaint.target else AppId(self._complaint.client_id or "")
        if url is None or not wanted.strip():
            return
        subject = replace(self._complaint.subject, org_url=url)
        self._note(subject=subject)
        try:
            self._org = self._clinic.orgs[url]()
            app = await self._called(self._org.okta.get_app(wanted))
        except (RefusedError, UnavailableError) as error:
            self._org = None
            self._note(sight=Sight.UNREADABLE, okta_said=str(error))
            return
        if app is not None and self._complaint.target is None and app.client_id != self._complaint.client_id:
            app = None  # an app whose id happens to be this one's client id (contracts: Okta 3.3)
        self._note(app=app, sight=Sight.SEEN if app else Sight.UNSEEN)

    def _our_org(self) -> str | None:
        """Return the address of the org that we manage and that is meant, if it is one."""
        if self._complaint.subject.org_url is not None:
            return self._complaint.subject.org_url
        named = self._seen.document.issuer if self._seen.document else None
        meant = {origin_of(self._complaint.issuer), origin_of(named or "")}
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
                    self._note(elsewhere=url)
                    return
        if self._org is not None and self._left:
            near = await self._nearest(self._org, asked.client_id)
            self._note(nearest=near)

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

    # --- The request ------------------------------------------------------------------------------------------

    async def _ask(self) -> None:
        """Make the application's request, unless it is known already how that ends."""
        asked, value = request_of(self._complaint, self._seen), self._value
        if value is None:
            missing = self._seen.vault.missing if self._seen.vault else ""
            self._note(asked=asked, unsent=missing or "there is no secret to show")
            return
        swapped = have_changed_places(asked, value, self._seen.app)
        self._note(asked=asked, shape=shape_of_value(value), swapped=swapped)
        if unsent := why_not_sent(asked, self._complaint, self._seen):
            self._note(unsent=unsent)
            return
        answer = await self._clinic.probe.ask(asked, value)
        self._left -= 2 if answer.token else 1  # a token is revoked
        self._note(answer=answer)

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
            listed = self._listed = await self._called(self._org.okta.list_secrets(app.id))
        except (RefusedError, UnavailableError) as error:
            self._note(okta_said=str(error))
            return
        slots = tuple(slot_of(secret, value) for secret in listed)
        self._note(slots=slots, values_hidden=any(secret.value is None for secret in listed))
        if self._path is None or self._seen.vault is None:
            return
        self._note(vault=await self._path.compared(self._seen.vault, value, listed))
        if not any(slot.likeness for slot in slots):
            self._note(neighbour=await self._path.held_by(self._clinic.neighbours, value))

    # --- The log ----------------------------------------------------------------------------------------------

    async def _read_log(self) -> None:
        """Ask the log what became of the value, or who else asks for the client, if anything hangs on it."""
        app, value, slots = self._seen.app, self._value, self._seen.slots
        explained = self._seen.neighbour or any(slot.likeness for slot in slots or ())
        wanted = self._believed or (slots is not None and not explained)
        if app is None or value is None or self._org is None or not wanted or not self._left:
            return
        since = self._seen.now - (RECENT if self._believed else RETENTION)
        traces = self._org.traces
        try:
            asks = traces.requests(app, since) if self._believed else traces.traces(app, value, since)
            told = await self._called(asks)
        except (RefusedError, UnavailableError) as error:
            self._note(log_refused=str(error))
            return
        self._note(log=log_side(told, value, self._listed, since=since))
