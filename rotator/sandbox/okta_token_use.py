"""Introspection and revocation (contracts: Okta 5.3).

* Both authenticate the client first, as the token endpoint does; neither knows of grants, scopes, policies or DPoP.
* A token that is unknown here, expired, revoked or of another server is `{"active":false}`.
* A client revokes its own tokens only; revoking anything else changes nothing and is answered 200 as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .okta_admin import app_actor
from .okta_call import answer_empty, answer_json
from .okta_clients import authenticate, check_form, presented
from .okta_log import Target
from .okta_oauth_errors import oauth_refused

if TYPE_CHECKING:
    from .http import Response
    from .okta_call import Call
    from .okta_org import Org
    from .okta_state import AccessToken, OktaApp


def answer_introspect(org: Org, call: Call) -> Response:
    server = _server_name(org, call)
    app = _client(org, call)
    if org.settings.introspect_refuses_service_apps and app.app_type == "service":
        raise oauth_refused("invalid_client_application_type", org.settings, endpoint="/introspect")
    token = _living(org, call, server=server)
    return answer_json(200, {"active": False} if token is None else _document(token))


def answer_revoke(org: Org, call: Call) -> Response:
    server = _server_name(org, call)
    app = _client(org, call)
    token = _living(org, call, server=server)
    if token is not None and token.client_id == app.client_id:
        del org.access_tokens[token.value]
        kind = "app.oauth2.token.revoke" if server is None else "app.oauth2.as.token.revoke"
        target = Target(token.id, "access_token", None, "Access Token")
        org.log.record(kind, call.origin(app_actor(app)), now=call.now, targets=(target,))
    return answer_empty(200)


def _server_name(org: Org, call: Call) -> str | None:
    return org.server(call.args["server"]).id if "server" in call.args else None


def _client(org: Org, call: Call) -> OktaApp:
    check_form(call)
    return authenticate(org, call, shown=presented(org, call))


def _living(org: Org, call: Call, *, server: str | None) -> AccessToken | None:
    value = call.form().get("token")
    if not value:
        raise oauth_refused("missing_token", org.settings)
    token = org.access_tokens.get(value)
    if token is None or token.server != server or token.expires <= call.now.timestamp():
        return None
    return token


def _document(token: AccessToken) -> dict[str, object]:
    return {
        "active": True,
        "scope": " ".join(token.scopes),
        "username": token.client_id,
        "exp": token.expires,
        "iat": token.issued,
        "sub": token.client_id,
        "aud": token.audience,
        "iss": token.issuer,
        "jti": token.id,
        "token_type": "DPoP" if token.key_thumbprint else "Bearer",
        "client_id": token.client_id,
    }
