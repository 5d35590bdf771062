"""Who may call the management API (contracts: Okta 6.3, 6.4).

* `Authorization: SSWS <token>` (the blank may be missing), or `Bearer`/`DPoP` and an access token of the org's own
  authorization server. Anything else is 401 E0000011.
* An SSWS token dies when it was not used for 30 days.
* A bearer token needs the scope of the call: 403 and `insufficient_scope` without it.
* Beyond that an admin role is needed: 403 E0000006 without it. A role may be bound to a set of apps; the others do
  not exist for it.
* A token bound to a key is good only with a fresh proof of that key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import okta_dpop
from .okta_errors import management_error
from .okta_state import AccessToken, Actor, ApiToken, Principal

if TYPE_CHECKING:
    from datetime import datetime

    from .okta_call import Call
    from .okta_org import Org
    from .okta_state import AdminRole, OktaApp

Credential = ApiToken | AccessToken


def find_credential(org: Org, call: Call) -> Credential | None:
    """Return what the caller showed, if it is known here and not worn out."""
    scheme, _, rest = (call.request.header("authorization") or "").partition(" ")
    if scheme.startswith("SSWS"):
        return _living_api_token(org, (scheme[4:] + rest).strip(), now=call.now)
    if scheme == "DPoP" or scheme.startswith("Bearer"):
        return _living_access_token(org, (scheme.removeprefix("Bearer").removeprefix("DPoP") + rest).strip(), call=call)
    return None


def principal_key(credential: Credential | None) -> str:
    """Return under what name the rate limits count the caller."""
    match credential:
        case ApiToken():
            return f"ssws:{credential.value}"
        case AccessToken():
            return credential.client_id
        case None:
            return "nobody"


def authorise(org: Org, call: Call, *, credential: Credential | None, scope: str) -> Principal:
    """Return the caller as a principal that has the scope and the permission of the call."""
    match credential:
        case None:
            raise management_error("E0000011")
        case ApiToken():
            credential.last_used = call.now
            principal = Principal(credential.actor, credential.role, None)
        case AccessToken():
            principal = _bearer(org, call, credential=credential)
    if principal.scopes is not None and scope not in principal.scopes:
        raise management_error("E0000006", headers=(_insufficient(call, scope),))
    if principal.role is None or not _permits(principal.role, scope):
        raise management_error("E0000006")
    return principal


def app_actor(app: OktaApp) -> Actor:
    """Return a client as the System Log names it."""
    return Actor(app.id, "PublicClientApp", app.client_id, app.label)


def _living_api_token(org: Org, value: str, *, now: datetime) -> ApiToken | None:
    token = org.api_tokens.get(value)
    if token is None or token.revoked:
        return None
    life = org.settings.api_token_idle_life
    return token if life is None or now - token.last_used <= life else None


def _living_access_token(org: Org, value: str, *, call: Call) -> AccessToken | None:
    token = org.access_tokens.get(value)
    if token is None or token.server is not None or call.now.timestamp() >= token.expires:
        return None
    app = org.apps.get(token.app_id)
    by_proof = (call.request.header("authorization") or "").startswith("DPoP")
    good = app is not None and app.status == "ACTIVE" and by_proof == (token.key_thumbprint is not None)
    return token if good else None


def _bearer(org: Org, call: Call, *, credential: AccessToken) -> Principal:
    app = org.apps[credential.app_id]
    if credential.key_thumbprint is not None:
        okta_dpop.check_use(org, call, token=credential)
    return Principal(app_actor(app), app.role, frozenset(credential.scopes))


def _permits(role: AdminRole, scope: str) -> bool:
    match scope:
        case "okta.logs.read":
            return role.read_log
        case "okta.apps.manage":
            return role.manage
        case _:
            return role.read


def _insufficient(call: Call, scope: str) -> tuple[str, str]:
    parts = (
        f'authorization_uri="{call.request.base_url}/oauth2/v1/authorize"',
        f'realm="{call.request.base_url}"',
        f'scope="{scope}"',
        'error="insufficient_scope"',
        'error_description="The access token provided does not contain the required scopes."',
        f'resource="{call.request.path}"',
    )
    return ("www-authenticate", f"Bearer {', '.join(parts)}")
