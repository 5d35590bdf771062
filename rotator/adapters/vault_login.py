"""Our login at one Vault, kept alive.

* Its end is kept on our own monotonic clock, from what the login and each renewal said (contracts: Vault 1.7, 3.3).
* It is renewed, lazily, when two thirds are over. Where that is refused, or yields less than half of what the first
  login gave, we log in anew while the old token still works.
* A refused call asks `lookup-self`: if the token is dead we log in again, once, under one lock; else it is the policy.
* Three refused logins with the same credentials in a quarter of an hour are enough: Vault locks a role out after five.
* A wrapped secret id is unwrapped only if its wrapping token was made where it should be.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from rotator.adapters.vault_answers import NOT_VAULT_HINT, Question
from rotator.adapters.vault_connection import AppRoleAuth, JwtAuth, KubernetesAuth, TokenAuth, fits_a_header
from rotator.adapters.vault_unwrap import unwrap_secret_id
from rotator.errors import ConfigError, RefusedError, RotatorError, UnavailableError
from rotator.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from rotator.adapters.vault_wire import Answer, VaultWire
    from rotator.core.secret_value import SecretValue

RENEW_AFTER = 2 / 3
TOO_SHORT = 1 / 2
PATIENCE = timedelta(minutes=15).total_seconds()  # as long as Vault locks a role out
REFUSALS = 3
TRY_AGAIN = 30.0  # seconds, where a renewal failed and the token still lives
FOREVER = float("inf")

NOT_ACCEPTED = "it is not accepted, not even for a look at itself: it is dead, or its policy lacks that as well"
LOGIN_HINTS = {
    "token": "Give a new token (`VAULT_TOKEN`, or the file it is read from): this one cannot be renewed any more.",
    "AppRole": (
        "Make a new secret id: this one is wrong, used up or has expired (`secret_id_num_uses`, `secret_id_ttl`). "
        "After five wrong ones Vault refuses the role for 15 minutes."
    ),
    "Kubernetes": "Check `role`, and that Vault's role allows this service account, namespace and audience.",
    "JWT": "Check `role`, and that the token's issuer, audience and claims are those of Vault's role.",
    "mfa": "Give the role a login without a second factor: nobody is here to enter one.",
}


@dataclass(frozen=True, slots=True)
class Login:
    """A token in use, as the client that carries it. Times are monotonic."""

    client: Any  # hvac is untyped
    credential: SecretValue  # what the login was done with: tells whether there is a new one
    given: bool  # by somebody else: never revoked by us
    renewable: bool
    first: float  # how long the first one was to last
    renew_at: float
    ends_at: float


class VaultLogin:
    """Logs in when first needed, and keeps the login alive."""

    def __init__(self, wire: VaultWire, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take how to ask; nothing is sent yet."""
        self._wire = wire
        self._auth = wire.connection.auth
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._refused: list[tuple[SecretValue, float]] = []
        self._unwrapped: tuple[SecretValue, SecretValue] | None = None  # a wrapping token, and what it held
        self._may_look_up = True

    async def current(self) -> Login:
        """Return a login that is good as far as we know: the first call logs in, later ones renew when it is due."""
        login = self._login
        if login is not None and self._monotonic() < login.renew_at:
            return login
        async with self._lock:
            if self._login is None:
                self._login = await self._log_in()
            elif self._monotonic() >= self._login.renew_at:
                self._login = await self._prolong(self._login)
            return self._login

    async def after_refusal(self, login: Login, refusal: RefusedError) -> Login:
        """Return a new login if the one that was refused is dead; else raise the refusal: it is the policy's."""
        async with self._lock:
            if self._login is not None and self._login.client is not login.client:
                return self._login  # another call was first
            if self._monotonic() < login.ends_at and (not self._may_look_up or await self._lives(login)):
                raise refusal
            self._login = await self._log_in(instead_of=login)
            # A policy without `lookup-self` looks like a dead token: do not log in again at each refusal.
            self._may_look_up = await self._lives(self._login)
            return self._login

    async def ask(self, question: Question, work: Callable[[Any], Any], *, or_absent: bool = False) -> Answer:
        """Ask with our token; once more with a new one if it turns out to be dead."""
        login = await self.current()
        try:
            return await self._wire.ask(question, partial(work, login.client), or_absent=or_absent)
        except RefusedError as refusal:
            if refusal.code != "403":
                raise
            login = await self.after_refusal(login, refusal)
        return await self._wire.ask(question, partial(work, login.client), or_absent=or_absent)

    @property
    def ends(self) -> datetime | None:
        """When our login ends unless it is renewed; None without one, or for one that lasts."""
        login = self._login
        if login is None or login.ends_at == FOREVER:
            return None
        return self._wire.clock.now() + timedelta(seconds=login.ends_at - self._monotonic())

    async def close(self) -> None:
        """Revoke the token if a login of ours made it; whether that works does not matter any more."""
        login, self._login = self._login, None
        if login is None or login.given or self._monotonic() >= login.ends_at:
            return
        with suppress(RotatorError):  # it ends by itself
            await self._ask("give the token back", login.client.auth.token.revoke_self)

    # --- keeping it alive ---------------------------------------------------------------------------------

    async def _prolong(self, login: Login) -> Login:
        try:
            return await self._renewed(login) or await self._log_in(instead_of=login)
        except RotatorError:
            now = self._monotonic()
            if now >= login.ends_at:
                raise
            return replace(login, renew_at=min(now + TRY_AGAIN, login.ends_at))  # it works for a while yet

    async def _renewed(self, login: Login) -> Login | None:
        """Return the login prolonged; None if only a new one helps."""
        if not login.renewable:
            return None
        began = self._monotonic()
        try:
            answer = await self._ask("renew the token", login.client.auth.token.renew_self)
        except RefusedError:
            return None
        auth = answer.get("auth")
        if not isinstance(auth, dict) or _span(auth, "lease_duration") < login.first * TOO_SHORT:
            return None
        return replace(
            _login(login.client, login.credential, began, auth, "lease_duration"), first=login.first, given=login.given
        )

    async def _lives(self, login: Login) -> bool:
        try:
            await self._ask("look at the token", login.client.auth.token.lookup_self)
        except RefusedError:
            return False
        return True

    # --- logging in ---------------------------------------------------------------------------------------

    async def _log_in(self, instead_of: Login | None = None) -> Login:
        credential = self._credential()
        if isinstance(self._auth, TokenAuth):
            return await self._take(credential, instead_of)
        self._check_patience(credential)
        began = self._monotonic()
        try:
            answer = await self._exchange(credential)
        except RefusedError:
            self._refused.append((credential, self._monotonic()))
            raise
        self._refused.clear()
        return self._login_from(answer, credential, began)

    def _credential(self) -> SecretValue:
        match self._auth:
            case TokenAuth(token=read) | AppRoleAuth(secret_id=read) | KubernetesAuth(jwt=read) | JwtAuth(jwt=read):
                return read()
        assert_never(self._auth)

    def _check_patience(self, credential: SecretValue) -> None:
        since = self._monotonic() - PATIENCE
        self._refused = [(value, at) for value, at in self._refused if at > since and value == credential]
        if len(self._refused) >= REFUSALS:
            text = f"not tried again: {REFUSALS} logins with these credentials were refused in the last 15 minutes"
            raise RefusedError(
                self._question(self._name()).says(text), code="login", hint=LOGIN_HINTS[self._auth.method]
            )

    async def _exchange(self, credential: SecretValue) -> Mapping[str, Any]:
        client = self._wire.client()
        match self._auth:
            case AppRoleAuth(mount=mount) as auth:
                secret_id = (await self._unwrap(credential, mount) if auth.wrapped else credential).reveal()
                role_id = auth.role_id().reveal()
                work = partial(client.auth.approle.login, role_id, secret_id, use_token=False, mount_point=mount)
            case KubernetesAuth(role=role, mount=mount):
                work = partial(
                    client.auth.kubernetes.login, role, credential.reveal(), use_token=False, mount_point=mount
                )
            case JwtAuth(role=role, mount=mount):
                work = partial(client.auth.jwt.jwt_login, role, credential.reveal(), use_token=False, path=mount)
            case TokenAuth():
                raise AssertionError("a given token is not exchanged")
        return await self._ask(self._name(), work, hint=LOGIN_HINTS[self._auth.method])

    async def _take(self, token: SecretValue, instead_of: Login | None) -> Login:
        """Take the token that we were given. What it may not tell us of itself, a refusal will."""
        if not fits_a_header(token.reveal()):
            raise ConfigError([f"vault {self._host}: the token holds white space or characters that no token has"])
        if instead_of is not None and instead_of.credential == token:
            raise self._ended(instead_of)
        client, began = self._wire.client(token.reveal()), self._monotonic()
        try:
            answer = await self._ask("look at the token", client.auth.token.lookup_self)
        except RefusedError:
            answer = {}
        return replace(_login(client, token, began, answer.get("data"), "ttl"), given=True)

    def _ended(self, login: Login) -> RefusedError:
        over = self._monotonic() - login.ends_at
        ended = self._wire.clock.now() - timedelta(seconds=over) if over >= 0 else None
        text = f"the token ended at {ended:%Y-%m-%d %H:%M:%S} UTC" if ended else NOT_ACCEPTED
        return RefusedError(self._question("use the token").says(text), code="token", hint=LOGIN_HINTS["token"])

    def _login_from(self, answer: Mapping[str, Any], credential: SecretValue, began: float) -> Login:
        auth = answer.get("auth")
        question = self._question(self._name())
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if isinstance(auth, dict) and auth.get("mfa_requirement"):
            raise RefusedError(question.says("a second factor is asked for"), code="mfa", hint=LOGIN_HINTS["mfa"])
        if not isinstance(token, str) or not fits_a_header(token):
            raise UnavailableError(question.says("the answer holds no token"), hint=NOT_VAULT_HINT)
        hide(token)
        return _login(self._wire.client(token), credential, began, auth, "lease_duration")

    async def _unwrap(self, wrapping: SecretValue, mount: str) -> SecretValue:
        """Return the secret id in the wrapping token; once unwrapped it is kept for later logins."""
        if self._unwrapped is None or self._unwrapped[0] != wrapping:
            self._unwrapped = (wrapping, await unwrap_secret_id(self._wire, wrapping, mount))
        return self._unwrapped[1]

    # --- asking -------------------------------------------------------------------------------------------

    @property
    def _host(self) -> str:
        return self._wire.connection.host

    def _name(self) -> str:
        return f"log in by {self._auth.method}"

    def _question(self, what: str, hint: str | None = None) -> Question:
        return Question(self._host, what, refused_hint=hint)

    async def _ask(self, what: str, work: Callable[[], Any], *, hint: str | None = None) -> Mapping[str, Any]:
        return (await self._wire.ask(self._question(what, hint), work)).body


def _login(client: Any, credential: SecretValue, began: float, block: Any, key: str) -> Login:
    """Make a login of what Vault said of its token, under `key` how long it lasts."""
    lasts = _span(block, key)
    return Login(
        client=client,
        credential=credential,
        given=False,
        renewable=isinstance(block, dict) and block.get("renewable") is True,
        first=lasts,
        renew_at=began + lasts * RENEW_AFTER,
        ends_at=began + lasts,
    )


def _span(block: Any, key: str) -> float:
    """Return how many seconds a token lasts; 0 at Vault means for ever, and so does what it does not say."""
    lasts = block.get(key) if isinstance(block, dict) else None
    return float(lasts) if isinstance(lasts, int) and lasts > 0 else FOREVER
