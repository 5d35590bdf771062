"""An Okta org as a function from requests to responses.

 * The path is looked up first, then the method, then the front end's own rules (a POST needs a length), then the
   rate limit, then who calls and what he may, and only then what he wants.
 * Every answer carries the front end's headers and, where the path is limited, those of the rate limit.

Each rule is listed in `docs/sandbox-rules-okta.md`, with the contract's section and the test that pins it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import okta_apps, okta_discovery, okta_log_query, okta_secrets, okta_token_use, okta_tokens
from .clock import SandboxClock
from .http import Request, Response
from .okta_admin import authorise, find_credential, principal_key
from .okta_call import Call, answer_json, front_end_headers
from .okta_clients import claimed_client
from .okta_console import Console
from .okta_errors import OktaError, enveloped, management_error
from .okta_org import Org
from .okta_settings import OktaSettings
from .okta_state import Actor

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from .okta_limits import Verdict
    from .okta_log import SystemLog

    Answer = Callable[[Org, Call], Response]

SYSTEM = Actor("system", "SystemPrincipal", "system@okta.com", "Okta System")
LENGTH_REQUIRED = (
    b"<html>\r\n<head><title>411 Length Required</title></head>\r\n<body>\r\n"
    b"<center><h1>411 Length Required</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class Route:
    """One kind of call. `scope` is empty where the management API's authorisation does not apply."""

    method: str
    pattern: str
    answer: Answer
    bucket: str | None
    scope: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.pattern}"


READ, MANAGE = "okta.apps.read", "okta.apps.manage"
_APPS = "/api/v1/apps"
_APP = "/api/v1/apps/{app}"
_SECRETS = f"{_APP}/credentials/secrets"
_SECRET = f"{_SECRETS}/{{secret}}"
_CUSTOM = "/oauth2/{server}"

ROUTES = (
    Route("GET", _APPS, okta_apps.answer_list, "apps", READ),
    Route("POST", _APPS, okta_apps.answer_create, "apps", MANAGE),
    Route("GET", _APP, okta_apps.answer_get, "app", READ),
    Route("DELETE", _APP, okta_apps.answer_delete, "app", MANAGE),
    Route("POST", f"{_APP}/lifecycle/activate", okta_apps.answer_activate, "apps", MANAGE),
    Route("POST", f"{_APP}/lifecycle/deactivate", okta_apps.answer_deactivate, "apps", MANAGE),
    Route("GET", _SECRETS, okta_secrets.answer_list, "apps", READ),
    Route("POST", _SECRETS, okta_secrets.answer_create, "apps", MANAGE),
    Route("GET", _SECRET, okta_secrets.answer_get, "apps", READ),
    Route("DELETE", _SECRET, okta_secrets.answer_delete, "apps", MANAGE),
    Route("POST", f"{_SECRET}/lifecycle/activate", okta_secrets.answer_activate, "apps", MANAGE),
    Route("POST", f"{_SECRET}/lifecycle/deactivate", okta_secrets.answer_deactivate, "apps", MANAGE),
    Route("GET", "/api/v1/logs", okta_log_query.answer_list, "logs", "okta.logs.read"),
    Route("GET", "/oauth2/v1/clients/{client}", okta_apps.answer_client, "clients", "okta.clients.read"),
    Route("POST", "/oauth2/v1/token", okta_tokens.answer_org, "token"),
    Route("POST", "/oauth2/v1/introspect", okta_token_use.answer_introspect, "oauth2"),
    Route("POST", "/oauth2/v1/revoke", okta_token_use.answer_revoke, "oauth2"),
    Route("GET", "/oauth2/v1/keys", okta_discovery.answer_keys, None),
    Route("GET", "/.well-known/openid-configuration", okta_discovery.answer_openid, None),
    Route("GET", "/.well-known/oauth-authorization-server", okta_discovery.answer_oauth, None),
    Route("POST", f"{_CUSTOM}/v1/token", okta_tokens.answer_custom, "token:{server}"),
    Route("POST", f"{_CUSTOM}/v1/introspect", okta_token_use.answer_introspect, "oauth2:{server}"),
    Route("POST", f"{_CUSTOM}/v1/revoke", okta_token_use.answer_revoke, "oauth2:{server}"),
    Route("GET", f"{_CUSTOM}/v1/keys", okta_discovery.answer_keys, None),
    Route("GET", f"{_CUSTOM}/.well-known/openid-configuration", okta_discovery.answer_openid, None),
    Route("GET", f"{_CUSTOM}/.well-known/oauth-authorization-server", okta_discovery.answer_oauth, None),
)
Args = dict[str, str]


def _by_length() -> dict[int, list[tuple[list[str], dict[str, Route]]]]:
    patterns: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        patterns.setdefault(route.pattern, {})[route.method] = route
    table: dict[int, list[tuple[list[str], dict[str, Route]]]] = {}
    for pattern, methods in patterns.items():
        parts = pattern.split("/")
        table.setdefault(len(parts), []).append((parts, methods))
    return table


_TABLE = _by_length()


def find_route(method: str, path: str) -> tuple[Route, Args]:
    """Return the kind of call and the variable parts of its path."""
    parts = path.split("/")
    for pattern, methods in _TABLE.get(len(parts), ()):
        if all(want == have or (want[:1] == "{" and have) for want, have in zip(pattern, parts, strict=True)):
            if method not in methods:
                raise management_error("E0000022")
            args = {want[1:-1]: have for want, have in zip(pattern, parts, strict=True) if want[:1] == "{"}
            return methods[method], args
    raise management_error("E0000008")


class OktaEmulator(Console):
    """One Okta org: answers requests, and lets scenes and tests act as the people in it."""

    def __init__(self, clock: SandboxClock | None = None, settings: OktaSettings | None = None) -> None:
        """Found an org without apps."""
        self.org = Org.founded(clock or SandboxClock(), settings or OktaSettings())

    @property
    def settings(self) -> OktaSettings:
        """How the org behaves; may be changed while it runs."""
        return self.org.settings

    @property
    def log(self) -> SystemLog:
        """What happened, as the org knows it."""
        return self.org.log

    @property
    def calls(self) -> Counter[str]:
        """Calls by rate-limit bucket, those that were refused included."""
        return self.org.limits.calls

    @property
    def refused(self) -> Counter[str]:
        """Calls refused with 429, by bucket."""
        return self.org.limits.refused

    @property
    def calls_by_kind(self) -> Counter[str]:
        """Calls by method and path pattern."""
        return self.org.calls

    def kind_of(self, request: Request) -> tuple[str, str | None]:
        """Name the kind of call and its rate-limit bucket, for the journal."""
        try:
            route, args = find_route(request.method, request.path)
        except OktaError:
            return request.method, None
        return route.name, route.bucket.format(**args) if route.bucket else None

    def answer(self, request: Request) -> Response:
        """Apply a request and answer it."""
        call = Call(request, self.org.clock.now(), f"{self.org.rng.getrandbits(128):032x}")
        limits: tuple[tuple[str, str], ...] = ()
        try:
            route, call.args = find_route(request.method, request.path)
            if request.method == "POST" and _lacks_length(request):
                return Response(411, (("content-type", "text/html"),), LENGTH_REQUIRED)
            credential = find_credential(self.org, call) if route.scope else None
            self.org.calls[route.name] += 1
            if route.bucket is not None:
                key = principal_key(credential) if route.scope else claimed_client(call)
                verdict = self.org.limits.admit(route.bucket.format(**call.args), key, now=call.now)
                limits = verdict.headers
                self._check(verdict, route, call=call)
            if route.scope:
                call.principal = authorise(self.org, call, credential=credential, scope=route.scope)
            answer = route.answer(self.org, call)
        except OktaError as refusal:
            answer = self._refusal(refusal)
        return Response(answer.status, answer.headers + front_end_headers(call, limits), answer.body)

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the sandbox's control endpoint offers; what the console refuses is a ValueError."""
        offered: dict[str, Callable[..., Any]] = {
            "state": self.state,
            "revoke": lambda app, secret_id: {"status": self.revoke(app, secret_id).status},
            "add_secret": lambda app: {"id": self.add_secret_by_admin(app).id},
            "delete_secret": self.delete_secret_by_admin,
            "deactivate_app": self.deactivate_app_by_admin,
            "activate_app": self.activate_app_by_admin,
            "set": self.change,
        }
        return {name: _for_a_person(act) for name, act in offered.items()}

    def change(self, **settings: Any) -> dict[str, Any]:
        """Set switches and delays by name."""
        for name, value in settings.items():
            self.settings.switch(name, value)
        return settings

    def state(self) -> dict[str, Any]:
        """Return a summary without secrets."""
        return {
            "apps": {
                app.id: {
                    "label": app.label,
                    "client_id": app.client_id,
                    "status": app.status,
                    "secrets": {secret.id: secret.status for secret in app.secrets},
                }
                for app in self.org.apps.values()
            },
            "authorization_servers": list(self.org.servers),
            "events": len(self.log.by_publication),
            "calls": dict(self.calls),
            "refused": dict(self.refused),
        }

    def _check(self, verdict: Verdict, route: Route, *, call: Call) -> None:
        if verdict.event:
            self.log.record(verdict.event, call.origin(SYSTEM), now=call.now)
        if verdict.allowed:
            return
        if self.settings.oauth_wording == "spec" and not route.scope:
            raise enveloped(429, "E0000047", "You exceeded the maximum number of requests. Try again in a while.")
        raise management_error("E0000047")

    def _refusal(self, refusal: OktaError) -> Response:
        body = dict(refusal.body)
        if "errorId" in body:
            body["errorId"] = f"oae{self.org.new_text(22)}"
        return answer_json(refusal.status, body, refusal.headers)


def _for_a_person(act: Callable[..., Any]) -> Callable[..., Any]:
    def acted(**arguments: Any) -> Any:
        try:
            return act(**arguments)
        except OktaError as refusal:
            raise ValueError(f"Okta refuses: {refusal}") from refusal

    return acted


def _lacks_length(request: Request) -> bool:
    return request.header("content-length") is None and request.header("transfer-encoding") is None
