"""What trials of a certification have in common: how an answer becomes a note, and how long something is waited for.

* Of each client at most `WRONG_SECRETS` requests are sent that Okta may count as a wrong secret.
* A moment is waited for by looking again at times that are set beforehand, so that looking has an end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from rotator.core.certification.at_tokens import ACCEPTED, REFUSED, how
from rotator.core.certification.notes import WRONG_SECRETS, Miss, Said, Span
from rotator.core.diagnosis.evidence import CLIENT_CREDENTIALS, INTROSPECTION, Answer, Asked
from rotator.core.model import AuthMethod
from rotator.core.requests import collected
from rotator.errors import RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from rotator.core.certification.notes import Client, Event, Maybe, Notes
    from rotator.core.model import AppId
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock, Mint, OktaAdmin, OktaLab, Trail

T = TypeVar("T")

NO_SUCH_SCOPE = "rotator.certify.none"
BELIEVED = frozenset({"invalid_scope", "access_denied", "unauthorized_client"})  # said to a client that is known
NO_SERVER = Miss("no custom authorization server was named, or it is not there: give --authorization-server")
SPENT = Miss(f"{WRONG_SECRETS} requests with a wrong secret are the most for one client, and were sent")
LOG_LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 25.0, 40.0, 60.0, 90.0, 120.0, 180.0, 240.0, 300.0)  # seconds
SLACK = timedelta(seconds=10)  # of clocks


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be certified. `machine` and `run` go into labels; `given`: an app to use instead of own ones."""

    org_url: str
    propagation: timedelta
    machine: str
    run: str
    server: str | None = None
    scope: str | None = None
    given: AppId | None = None
    log_within: timedelta = timedelta(minutes=2)
    limit: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Means:
    """By what it is done."""

    lab: OktaLab
    admin: OktaAdmin
    mint: Mint
    trail: Trail
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    tell: Callable[[str], None]


@dataclass(slots=True)
class Bench:
    """Where trials are made, and the notes of them."""

    wish: Wish
    means: Means
    notes: Notes
    method: AuthMethod = AuthMethod.BASIC
    server_is_there: bool = True
    wrong: Counter[str] = field(default_factory=Counter)  # by client
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Begin now."""
        self.began = self.means.clock.now()

    def tell(self, step: str) -> None:
        """Say what begins."""
        self.means.tell(step)

    async def answered(self, asked: Awaitable[T]) -> tuple[Maybe[Said], T | None]:
        """Return what the management API said, and what came back if it was no refusal."""
        with collected() as requests:
            try:
                came = await asked
            except RefusedError as refused:
                return Said(ok=False, code=refused.code, text=_told(refused), request_id=refused.request_id), None
            except RotatorError as error:
                return Miss(str(error)), None
        return Said(ok=True, request_id=requests[-1] if requests else None), came

    # --- requests of clients ------------------------------------------------------------------------------

    @property
    def custom(self) -> str | None:
        """The issuer of the custom authorization server, if there is one."""
        if not self.wish.server or not self.server_is_there:
            return None
        return f"{self.wish.org_url}/oauth2/{self.wish.server}"

    async def ask(self, asked: Asked, value: SecretValue, *, both_ways: bool = False) -> Maybe[Answer]:
        """Send a client's request, unless that client has had enough of those that may count as wrong."""
        if self.wrong[asked.client_id] >= WRONG_SECRETS:
            return SPENT
        answer = await self.means.lab.ask(asked, value, both_ways=both_ways)
        if answer.lost:
            return Miss(answer.lost)
        self.wrong[asked.client_id] += how(answer) == REFUSED
        return answer

    async def introspect(self, client: Client, value: SecretValue, issuer: str | None = None) -> Maybe[Answer]:
        """Introspect a token that never was: at the custom server if there is one, unless another one is said."""
        issuer = issuer or self.custom or self.wish.org_url
        return await self.ask(Asked(issuer, client.client_id, self.method, INTROSPECTION), value)

    async def token(self, client: Client, value: SecretValue, *, scope: str | None) -> Maybe[Answer]:
        """Ask the custom server for a token, which is revoked at once."""
        if self.custom is None:
            return NO_SERVER
        return await self.ask(Asked(self.custom, client.client_id, self.method, CLIENT_CREDENTIALS, scope), value)

    async def wrong_token(self, client: Client, *, scope: str | None = NO_SUCH_SCOPE) -> Maybe[Answer]:
        """Ask for a token with a secret that never was one, for a scope that there is not."""
        return await self.token(client, self.means.mint.value(), scope=scope)

    async def taken(self, client: Client, value: SecretValue, evidence: list[str]) -> Maybe[bool]:
        """Say whether the token endpoints take the secret at this moment."""
        answer = await self.introspect(client, value)
        if isinstance(answer, Miss):
            return answer
        if answer.error == "invalid_request":  # it refuses this kind of app, whatever its secret
            answer = await self.token(client, value, scope=self.wish.scope)
            if isinstance(answer, Miss):
                return answer
        evidence.extend([answer.request_id] if answer.request_id else [])
        if how(answer) == REFUSED:
            return False
        known = how(answer) == ACCEPTED or answer.error in BELIEVED
        return True if known else Miss(f"{answer.status} {answer.error}: {answer.description}")

    async def settled(self) -> None:
        """Wait for as long as a change may take, if one was seen to take any time."""
        lag = self.notes.create_lag
        if not isinstance(lag, Miss) and lag.sooner is not None:
            self.tell(f"waits {self.wish.propagation.total_seconds():.0f} s: changes take time here")
            await self.means.sleep(self.wish.propagation.total_seconds())

    # --- time ---------------------------------------------------------------------------------------------

    async def waited(self, happened: Callable[[list[str]], Awaitable[Maybe[bool]]], at: Sequence[float]) -> Maybe[Span]:
        """Look at these moments, in seconds from now, whether it has happened; return between which it did."""
        began, sooner, evidence = self.means.clock.now(), None, list[str]()
        for moment in at:
            left = moment - (self.means.clock.now() - began).total_seconds()
            if left > 0:
                await self.means.sleep(left)
            asked_at = self.means.clock.now() - began
            found = await happened(evidence)
            if isinstance(found, Miss):
                return found if sooner is None else Span(sooner, None, tuple(evidence))
            if found:
                return Span(sooner, self.means.clock.now() - began, tuple(evidence))
            sooner = asked_at
        return Span(sooner, None, tuple(evidence))

    def moments(self, *parts: float) -> list[float]:
        """Return moments as parts of the time that a change may take."""
        return [part * self.wish.propagation.total_seconds() for part in parts]

    # --- the System Log -----------------------------------------------------------------------------------

    async def wait_for_event(self, kind: str) -> None:
        """Measure how long an event about the app's secrets takes, from now, until the log has it."""
        self.tell(f"waits for the System Log, {self.wish.log_within.total_seconds():.0f} s at most")

        async def stands_there(_evidence: list[str]) -> Maybe[bool]:
            events = await self._events()
            return events if isinstance(events, Miss) else any(event.kind == kind for event in events)

        self.notes.log_lag = await self.waited(stands_there, self._log_moments())

    async def read_log(self) -> None:
        """Read the events of all that was done; wait for those that are looked for, as long as is allowed."""
        if isinstance(self.notes.log_lag, Miss) or self.notes.log_lag.later is None:
            self.notes.events = await self._events()  # whatever there is
            return
        self.tell("reads the System Log")

        async def all_there(_evidence: list[str]) -> Maybe[bool]:
            self.notes.events = await self._events()
            return self.notes.events if isinstance(self.notes.events, Miss) else self._complete(self.notes.events)

        await self.waited(all_there, [0.0, *self._log_moments()])

    async def _events(self) -> Maybe[tuple[Event, ...]]:
        clients = [each for each in (self.notes.app, self.notes.client) if each is not None]
        names = [name for each in clients for name in (each.app, each.client_id)]
        since = self.began - self.means.lab.clock_ahead - SLACK
        try:
            return await self.means.lab.events(list(dict.fromkeys(map(str, names))), since)
        except RotatorError as error:
            return Miss(str(error))

    def _complete(self, events: tuple[Event, ...]) -> bool:
        granted, notes = self.notes.granted, self.notes
        wanted = [any(each.failed for each in events)] if isinstance(notes.wrong_scope, Answer) else []
        if isinstance(granted, Answer) and granted.token:
            wanted.append(any(each.kind.endswith(".access_token") for each in events))
        return all(wanted)

    def _log_moments(self) -> list[float]:
        most = self.wish.log_within.total_seconds()
        return [*(each for each in LOG_LOOKS if each < most), most]


def _told(refused: RefusedError) -> str:
    """Return what Okta said, without whom we asked for what."""
    return str(refused).split(": ", 2)[-1]
