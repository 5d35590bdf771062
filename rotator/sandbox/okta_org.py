"""The state of one emulated org, and how it finds and names things."""

from __future__ import annotations

import string
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from .okta_errors import management_error, not_found
from .okta_limits import RateLimits
from .okta_log import SystemLog
from .okta_state import secret_hash

if TYPE_CHECKING:
    from .clock import SandboxClock
    from .okta_call import Call
    from .okta_settings import OktaSettings
    from .okta_state import AccessToken, ApiToken, AuthorizationServer, OktaApp

_LETTERS = string.ascii_letters + string.digits
_URL_SAFE = _LETTERS + "-_"


@dataclass(slots=True)
class Org:
    """Everything there is."""

    clock: SandboxClock
    settings: OktaSettings
    rng: Random
    log: SystemLog
    limits: RateLimits
    apps: dict[str, OktaApp] = field(default_factory=dict)  # in the order of their creation
    clients: dict[str, OktaApp] = field(default_factory=dict)  # by client id
    order: dict[str, int] = field(default_factory=dict)  # of all app ids there ever were, for cursors
    servers: dict[str, AuthorizationServer] = field(default_factory=dict)
    api_tokens: dict[str, ApiToken] = field(default_factory=dict)
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)  # oldest first
    spent: dict[str, float] = field(default_factory=dict)  # one-time identifiers, until when they count
    nonces: deque[tuple[str, float]] = field(default_factory=deque)
    scripted_refusals: deque[str] = field(default_factory=deque)  # of the next token requests
    calls: Counter[str] = field(default_factory=Counter)  # by method and path pattern

    @classmethod
    def founded(cls, clock: SandboxClock, settings: OktaSettings) -> Org:
        """Return an org without apps."""
        rng = Random(settings.seed)  # noqa: S311 -- a world that can be replayed; nothing real hangs on it
        return cls(clock, settings, rng, SystemLog(settings, rng), RateLimits(settings))

    def new_id(self, prefix: str) -> str:
        """Return an id as Okta makes them: a prefix of three characters and 17 more."""
        return prefix + "".join(self.rng.choices(_LETTERS, k=17))

    def new_text(self, length: int) -> str:
        """Return characters of Okta's alphabet for secrets."""
        return "".join(self.rng.choices(_URL_SAFE, k=length))

    def hash_of(self, value: str) -> str:
        """Return the `secret_hash` of a value, by the formula that holds in this org."""
        salt = "" if self.settings.hash_formula == "sha256_128" else "pepper:"
        return secret_hash(salt + value)

    def logged_hash(self, value: str) -> str | None:
        """Return what the System Log shows of a secret."""
        match self.settings.log_hash:
            case "same":
                return self.hash_of(value)
            case "different":
                return secret_hash(f"log:{value}")
            case "absent":
                return None

    def enlist(self, app: OktaApp) -> None:
        """Take an app in."""
        self.apps[app.id] = self.clients[app.client_id] = app
        self.order[app.id] = len(self.order)

    def strike(self, app: OktaApp) -> None:
        """Take an app out; cursors that name it stay good."""
        del self.apps[app.id], self.clients[app.client_id]

    def visible_app(self, call: Call) -> OktaApp:
        """Return the app that the path names, if the caller may see it."""
        assert call.principal
        assert call.principal.role
        app = self.apps.get(call.args["app"])
        if app is None or not call.principal.role.sees(app):
            raise not_found(call.args["app"], "AppInstance")
        return app

    def server(self, name: str) -> AuthorizationServer:
        """Return a custom authorization server."""
        if not self.settings.api_access_management:
            raise management_error("E0000015")
        server = self.servers.get(name)
        if server is None or not server.active:
            raise not_found(name, "AuthorizationServer")
        return server

    def client_time(self, call: Call) -> float:
        """Return the time by which assertions and proofs are judged, in Unix seconds."""
        return time.time() if self.settings.client_clock == "real" else call.now.timestamp()

    def spend(self, identifier: str, *, until: float, now: float) -> bool:
        """Use a one-time identifier up; False if it was used already."""
        if len(self.spent) > 10_000:
            self.spent = {name: end for name, end in self.spent.items() if end > now}
        if self.spent.get(identifier, 0.0) > now:
            return False
        self.spent[identifier] = until
        return True

    def keep(self, token: AccessToken, *, now: float) -> None:
        """Remember a token, and forget those that have expired."""
        while self.access_tokens and (oldest := next(iter(self.access_tokens.values()))).expires <= now:
            del self.access_tokens[oldest.value]
        self.access_tokens[token.value] = token
