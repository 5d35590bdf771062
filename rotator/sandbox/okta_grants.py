"""Which client may use which grant, and which scopes it gets (contracts: Okta 5.1, 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .okta_oauth_errors import oauth_refused

if TYPE_CHECKING:
    from .okta_errors import OktaError
    from .okta_org import Org
    from .okta_state import AccessPolicy, AuthorizationServer, OktaApp


def check_org_client_credentials(org: Org, app: OktaApp) -> None:
    """Refuse the org's own server to all but service apps with a key and integrations."""
    if org.settings.org_server_client_credentials == "unsupported":
        raise oauth_refused("client_credentials_at_org_server", org.settings)
    if app.api_service_integration:
        if app.auth_method not in {"private_key_jwt", "client_secret_basic"}:
            raise oauth_refused("unsupported_auth_method_client_creds_oauth_integration", org.settings)
        return
    if app.app_type != "service":
        raise oauth_refused("invalid_application_type_client_credentials", org.settings)
    if app.auth_method != "private_key_jwt":
        raise oauth_refused("unsupported_auth_method_client_creds", org.settings)


def org_scopes(org: Org, app: OktaApp, *, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of the management API that the app gets: all that it asks for, or none."""
    if not asked:
        raise oauth_refused("no_scopes", org.settings)
    if "openid" in asked:
        raise oauth_refused("openid_with_client_credentials", org.settings)
    if not all(scope.startswith("okta.") for scope in asked):
        raise oauth_refused("unknown_scopes", org.settings)
    if not app.okta_scopes.issuperset(asked):
        raise oauth_refused("scopes_not_granted", org.settings)
    return asked


def custom_scopes(org: Org, server: AuthorizationServer, *, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes that are asked for, or the server's defaults."""
    if "openid" in asked:
        raise oauth_refused("openid_with_client_credentials", org.settings)
    if not asked and not server.default_scopes:
        raise oauth_refused("no_default_scopes", org.settings)
    if not server.scopes.issuperset(asked):
        raise oauth_refused("unknown_scopes", org.settings)
    return asked or tuple(sorted(server.default_scopes))


def evaluate(org: Org, server: AuthorizationServer, *, app: OktaApp, scopes: tuple[str, ...]) -> AccessPolicy:
    """Return the first policy for this client, if it allows the scopes."""
    for policy in server.policies:
        if "client_credentials" in policy.grant_types and (policy.clients is None or app.client_id in policy.clients):
            if refusal := _denied(org, policy, scopes=scopes):
                raise refusal
            return policy
    raise oauth_refused("no_matching_policy", org.settings)


def _denied(org: Org, policy: AccessPolicy, *, scopes: tuple[str, ...]) -> OktaError | None:
    denied = [scope for scope in scopes if policy.scopes is not None and scope not in policy.scopes]
    if not denied:
        return None
    if len(denied) == len(scopes):
        return oauth_refused("all_scopes_rejected", org.settings)
    return oauth_refused("some_scopes_denied", org.settings, scopes=", ".join(denied))
