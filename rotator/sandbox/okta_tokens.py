"""The token endpoints: `/oauth2/v1/token` and `/oauth2/{server}/v1/token` (contracts: Okta 5.1, 5.2).

* First who the client is, then whether it may use the grant, then scopes, then policy. Where an org is set so, the
  grant or the scope is looked at before the credentials.
* The org's own server gives `client_credentials` to service apps with a key and to integrations alone, and only
  scopes of the management API that were granted to the app.
* A custom server gives its own scopes, and only those that a policy allows the client.
* A DPoP-bound client needs a proof, and a nonce of ours within it.
* Every request is written into the System Log, with a hash of the secret that was good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import okta_dpop, okta_grants, okta_jose
from .okta_admin import app_actor
from .okta_call import answer_json
from .okta_clients import authenticate, check_form, known_client, presented
from .okta_errors import OktaError
from .okta_log import Origin, Target
from .okta_oauth_errors import oauth_refused
from .okta_state import AccessPolicy, AccessToken, Actor

if TYPE_CHECKING:
    from .http import Response
    from .okta_call import Call
    from .okta_clients import Presented
    from .okta_org import Org
    from .okta_state import AuthorizationServer, OktaApp

GRANTS_OF_THE_ORG = ("authorization_code", "client_credentials", "implicit", "password", "refresh_token")


@dataclass(slots=True)
class TokenRequest:
    """One request for a token, as far as it has got. `server` is None for the org's own."""

    org: Org
    call: Call
    server: AuthorizationServer | None
    form: dict[str, str]
    shown: Presented | None = None
    app: OktaApp | None = None
    policy: AccessPolicy = field(default_factory=AccessPolicy)

    def granted(self) -> Response:
        """Answer with a token, or refuse."""
        self.shown = presented(self.org, self.call)
        if self.org.settings.grant_check_first:
            self._check_grant(known_client(self.org, self.shown))
        if self.org.settings.scope_check_first and self.form.get("grant_type") == "client_credentials":
            self._scopes(known_client(self.org, self.shown))
        bound_to = self._proof() if self.org.settings.dpop_check_first else None
        self.app = authenticate(self.org, self.call, shown=self.shown)
        self._check_scripted()
        self._check_grant(self.app)
        if self.app.outside_network_zone:
            raise oauth_refused("network_zone", self.org.settings)
        self._check_codes()
        bound_to = bound_to or self._proof()
        scopes = self._scopes(self.app)
        return self._token(self.app, scopes=scopes, bound_to=bound_to)

    def _proof(self) -> str | None:
        assert self.shown
        app = known_client(self.org, self.shown)
        if not app.dpop_bound and self.call.request.header("dpop") is None:
            return None
        return okta_dpop.check_token_request(self.org, self.call)

    def _check_scripted(self) -> None:
        if self.org.scripted_refusals:
            raise oauth_refused(self.org.scripted_refusals.popleft(), self.org.settings)

    def _check_grant(self, app: OktaApp) -> None:
        grant = self.form.get("grant_type")
        served = sorted(self.server.grant_types) if self.server else GRANTS_OF_THE_ORG
        if not grant:
            raise oauth_refused("missing_grant_type", self.org.settings, grants=", ".join(served))
        if grant not in served:
            raise oauth_refused("unsupported_grant_type", self.org.settings, grants=", ".join(served))
        if grant == "client_credentials" and self.server is None:
            okta_grants.check_org_client_credentials(self.org, app)
        if grant not in app.grant_types:
            raise oauth_refused("unauthorized_grant", self.org.settings, grants=", ".join(app.grant_types))
        if self.server is not None and app.api_service_integration:
            raise oauth_refused("org_server_only", self.org.settings)

    def _check_codes(self) -> None:
        """Refuse every code and refresh token: nobody signs in here, so none was ever given out."""
        match self.form["grant_type"]:
            case "authorization_code" if not self.form.get("code"):
                raise oauth_refused("missing_code", self.org.settings)
            case "authorization_code":
                raise oauth_refused("invalid_authorization_code", self.org.settings)
            case "refresh_token" if not self.form.get("refresh_token"):
                raise oauth_refused("missing_refresh_token", self.org.settings)
            case "refresh_token":
                raise oauth_refused("invalid_refresh_token", self.org.settings)

    def _scopes(self, app: OktaApp) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(self.form.get("scope", "").split()))
        if self.server is None:
            return okta_grants.org_scopes(self.org, app, asked=asked)
        asked = okta_grants.custom_scopes(self.org, self.server, asked=asked)
        self.policy = okta_grants.evaluate(self.org, self.server, app=app, scopes=asked)
        return asked

    def _token(self, app: OktaApp, *, scopes: tuple[str, ...], bound_to: str | None) -> Response:
        token = mint(self.call, self.server, app=app, scopes=scopes, life=self.policy.lifetime_seconds, key=bound_to)
        self.org.keep(token, now=self.call.now.timestamp())
        self._tell_success(token)
        document = {
            "token_type": "DPoP" if bound_to else "Bearer",
            "expires_in": token.expires - token.issued,
            "access_token": token.value,
            "scope": " ".join(scopes),
        }
        return answer_json(200, document)

    def _tell_success(self, token: AccessToken) -> None:
        target = Target(token.id, "access_token", None, "Access Token", {"subject": token.client_id})
        debug = self._debug() | {"grantedScopes": ",".join(token.scopes)}
        if self.shown and self.shown.secret and (logged := self.org.logged_hash(self.shown.secret)):
            debug["clientSecret"] = logged
        kind = f"{self._kind()}.access_token"
        self.org.log.record(kind, self._origin(), now=self.call.now, targets=(target,), debug=debug)

    def tell_failure(self, refusal: OktaError) -> None:
        """Write into the log why there is no token."""
        result = "CHALLENGE" if refusal.reason == "use_dpop_nonce" else "FAILURE"
        debug = self._debug()
        refused = self.shown.secret if self.shown and self.org.settings.log_refused == "hash" else ""
        if refused and (logged := self.org.logged_hash(refused)):
            debug["clientSecret"] = logged
        self.org.log.record(
            self._kind(), self._origin(), now=self.call.now, result=result, reason=refusal.reason, debug=debug
        )

    def _kind(self) -> str:
        return "app.oauth2.token.grant" if self.server is None else "app.oauth2.as.token.grant"

    def _debug(self) -> dict[str, str]:
        known = self.org.clients.get(self.shown.client_id) if self.shown else None
        return {
            "clientAuthType": known.auth_method if known else "",
            "grantType": self.form.get("grant_type", ""),
            "requestedScopes": ",".join(self.form.get("scope", "").split()),
        }

    def _origin(self) -> Origin:
        client_id = self.shown.client_id if self.shown else "unknown"
        app = self.org.clients.get(client_id)
        if app is None:
            return self.call.origin(Actor(client_id, "PublicClientApp", client_id, "unknown"))
        actor = app_actor(app)
        if self.org.settings.log_actor_id == "client_id":
            actor = Actor(app.client_id, actor.kind, actor.alternate_id, actor.name)
        return self.call.origin(actor)


def answer_org(org: Org, call: Call) -> Response:
    return _answer(TokenRequest(org, call, None, call.form()))


def answer_custom(org: Org, call: Call) -> Response:
    return _answer(TokenRequest(org, call, org.server(call.args["server"]), call.form()))


def _answer(request: TokenRequest) -> Response:
    check_form(request.call)
    try:
        return request.granted()
    except OktaError as refusal:
        request.tell_failure(refusal)
        raise


def mint(
    call: Call, server: AuthorizationServer | None, *, app: OktaApp, scopes: tuple[str, ...], life: int, key: str | None
) -> AccessToken:
    """Sign an access token."""
    base, issued = call.request.base_url, int(call.now.timestamp())
    issuer = base if server is None else f"{base}/oauth2/{server.id}"
    audience = base if server is None else server.audience
    token_id = f"AT.{call.id}"
    claims: dict[str, object] = {
        "ver": 1,
        "jti": token_id,
        "iss": issuer,
        "aud": audience,
        "iat": issued,
        "exp": issued + life,
        "cid": app.client_id,
        "scp": list(scopes),
        "sub": app.client_id,
    }
    if key is not None:
        claims["cnf"] = {"jkt": key}
    return AccessToken(
        okta_jose.sign(claims),
        token_id,
        server.id if server else None,
        app_id=app.id,
        client_id=app.client_id,
        scopes=scopes,
        issuer=issuer,
        audience=audience,
        issued=issued,
        expires=issued + life,
        key_thumbprint=key,
    )
