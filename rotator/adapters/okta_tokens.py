"""The TokenEndpoint port: authlib signs, httpx2 sends (`okta_http`), `okta_verdict` judges.

* `client_credentials` where the app has that grant and a custom authorization server is named. The org's own server
  gives no token for a client secret (contracts: Okta 5.1), and a DPoP-bound app gets none without a proof: there, and
  where the grant's answer comes too early to say anything, we introspect a token that never was. That mints nothing.
* A token that was issued is revoked at once, as well as that goes.
* What the secret cannot be sent as, is not sent: such a value is never called refused.
* Every call takes its turn in Okta's budget (`okta_pace`), shared with those of the management API.
* Redirects are not followed, no cookie is kept, nothing is taken from the environment.
* No exception gets out: those of httpx2 carry the request, and with it the secret.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rotator.adapters import okta_verdict
from rotator.adapters.okta_answers import clean
from rotator.adapters.okta_http import Came, Lost, client_auth, exchange, open_client
from rotator.adapters.okta_pace import OktaPace, in_time
from rotator.adapters.okta_verdict import Reply, Verdict
from rotator.core.model import AuthMethod, Proof, ProofLevel
from rotator.errors import RateLimitedError

if TYPE_CHECKING:
    import httpx2

    from rotator.adapters.okta_connection import OktaConnection
    from rotator.core.model import App, VerifySettings
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock

REVOKE_WITHIN = 5.0  # seconds; a token that outlives this ends by itself within the hour
ASSERTION_LIFE = 300  # seconds; Okta allows an hour, but a clock ahead of its own would pass that
SHORTEST_FOR_JWT = 32
NO_SUCH_TOKEN = "rotator-probe"  # noqa: S105 -- it never was a token


class OktaTokenEndpoint:
    """The token, introspection and revocation endpoints of one org and its authorization servers."""

    def __init__(self, connection: OktaConnection, clock: Clock, *, pace: OktaPace | None = None) -> None:
        """Open nothing yet; `pace` is the org's, by default one of our own. Of the login nothing is used."""
        self._connection = connection
        self._clock = clock
        self._pace = pace or OktaPace(connection.host, clock)
        self._http: httpx2.AsyncClient | None = None

    async def prove(self, app: App, value: SecretValue, settings: VerifySettings) -> Proof:
        """Authenticate as the app with that value and say what it showed."""
        if unfit := _unfit(app, value):
            return Proof(ProofLevel.INCONCLUSIVE, unfit, self._clock.now())
        attempt = _Attempt(self._opened(), self._pace, self._base(settings), app=app, value=value, clock=self._clock)
        verdict = Verdict(ProofLevel.INCONCLUSIVE, f"no answer within {self._connection.answer_within}")
        try:
            async with in_time(self._connection.answer_within):
                verdict = await attempt.verdict(settings)
        except TimeoutError:
            pass
        detail = verdict.detail + await attempt.revoked()
        if verdict.level is ProofLevel.REFUSED and (doubt := _doubt(app, value)):
            verdict, detail = Verdict(ProofLevel.INCONCLUSIVE, ""), f"{detail}; {doubt}"
        return Proof(
            verdict.level,
            clean(detail, hide=(value.reveal(), _basic(app, value))),
            self._clock.now(),
            request_id=attempt.request_id,
            unanswered=attempt.unanswered and verdict.level is ProofLevel.INCONCLUSIVE,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    def _opened(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = open_client(
                self._connection.trust(), proxy=self._connection.proxy, answer_within=self._connection.answer_within
            )
        return self._http

    def _base(self, settings: VerifySettings) -> str:
        server = settings.authorization_server
        between = f"/{quote(server, safe='')}" if server else ""
        return f"{self._connection.org_url}/oauth2{between}/v1"


class _Attempt:
    """One value tried at one server."""

    def __init__(
        self, http: httpx2.AsyncClient, pace: OktaPace, base: str, *, app: App, value: SecretValue, clock: Clock
    ) -> None:
        self._http = http
        self._pace = pace
        self._base = base
        self._app = app
        self._value = value
        self._clock = clock
        self._token: str | None = None
        self.request_id: str | None = None
        self.unanswered = True

    async def verdict(self, settings: VerifySettings) -> Verdict:
        """Ask for a token where one can be had; else, or if that shows nothing, introspect."""
        if not (self._app.allows_client_credentials and settings.authorization_server) or self._app.dpop_bound:
            return await self._introspect()
        granted = await self._ask_for_token(settings.scope)
        if not granted.weak:
            return granted
        shown = await self._introspect()
        return Verdict(shown.level, f"{shown.detail}; before that, {granted.detail}")

    async def revoked(self) -> str:
        """Revoke the token, if there is one; returns what to add to the detail."""
        if self._token is None:
            return ""
        form = {"token": self._token, "token_type_hint": "access_token"}
        try:
            async with asyncio.timeout(REVOKE_WITHIN):
                reply = await self._post("revoke", form)
        except TimeoutError:
            reply = Lost("no answer in time")
        if isinstance(reply, Reply) and reply.status == 200:
            return ", test token revoked"
        why = reply.reason if isinstance(reply, Lost) else f"answered {reply.status}"
        return f", but revoking the test token failed ({why})"

    async def _ask_for_token(self, scope: str | None) -> Verdict:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        reply = await self._post("token", form)
        if isinstance(reply, Lost):
            return Verdict(ProofLevel.INCONCLUSIVE, f"client_credentials: {reply.reason}")
        verdict = okta_verdict.of_grant(reply)
        if verdict.level is ProofLevel.TOKEN_ISSUED and reply.body is not None:
            self._token = reply.body["access_token"]
        return verdict

    async def _introspect(self) -> Verdict:
        reply = await self._post("introspect", {"token": NO_SUCH_TOKEN, "token_type_hint": "access_token"})
        if isinstance(reply, Lost):
            return Verdict(ProofLevel.INCONCLUSIVE, f"introspection: {reply.reason}")
        return okta_verdict.of_introspection(reply)

    async def _post(self, endpoint: str, form: dict[str, str]) -> Reply | Lost:
        url = f"{self._base}/{endpoint}"
        try:
            async with self._pace.turn(urlsplit(url).path) as turn:
                came = await exchange(self._http, "POST", url, form=form, auth=self._auth())
                if isinstance(came, Came):
                    turn.answered(came.status, came.headers)
        except RateLimitedError as early:
            return Lost(str(early))
        if isinstance(came, Lost):
            return came
        self.unanswered = False
        self.request_id = came.request_id
        return Reply(came.status, came.document, self.request_id)

    def _auth(self) -> Any:
        """Return the app's own way of signing a request; a new one each time, for an assertion is good for once."""
        app, issued = self._app, int(self._clock.now().timestamp())
        return client_auth(app.client_id, self._value, app.auth_method, issued=issued, life=ASSERTION_LIFE)


def _unfit(app: App, value: SecretValue) -> str | None:
    """Return why the value cannot be tried at all."""
    text = value.reveal()
    if not app.auth_method.uses_secret:
        return f"the app authenticates by {app.auth_method.value}, not with a secret"
    if not text or not text.isascii() or not text.isprintable():
        return "the value has characters that no Okta secret can have (a pasted newline?); it was not sent"
    if app.auth_method is AuthMethod.SECRET_JWT and len(text) < SHORTEST_FOR_JWT:
        return (
            f"the value is shorter than {SHORTEST_FOR_JWT} characters, too short for client_secret_jwt; it was not sent"
        )
    return None


def _doubt(app: App, value: SecretValue) -> str | None:
    """Return why a refusal of this value may not be about the secret: whether Okta decodes Basic is not known."""
    if app.auth_method is AuthMethod.BASIC and not {"%", "+"}.isdisjoint(value.reveal()):
        return "the value holds % or +, which Okta may have read differently in a Basic header"
    return None


def _basic(app: App, value: SecretValue) -> str:
    return base64.b64encode(f"{app.client_id}:{value.reveal()}".encode()).decode()
