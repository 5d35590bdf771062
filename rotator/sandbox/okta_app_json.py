"""An app as the management API shows it (contracts: Okta 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .okta_call import seconds

if TYPE_CHECKING:
    from .okta_state import OktaApp


def document(app: OktaApp, base_url: str, *, secret: str | None = None) -> dict[str, Any]:
    """Return an app; with its secret only in the answer to its creation."""
    here = f"{base_url}/api/v1/apps/{app.id}"
    return {
        "id": app.id,
        "orn": f"orn:okta:idp:00o{'0' * 17}:apps:{app.name}:{app.id}",
        "name": app.name,
        "label": app.label,
        "status": app.status,
        "lastUpdated": seconds(app.updated),
        "created": seconds(app.created),
        "accessibility": {"selfService": False, "errorRedirectUrl": None, "loginRedirectUrl": None},
        "visibility": {
            "autoLaunch": False,
            "autoSubmitToolbar": False,
            "hide": {"iOS": True, "web": True},
            "appLinks": {f"{app.name}_link": True},
        },
        "features": [],
        "signOnMode": app.sign_on_mode,
        "credentials": _credentials(app, secret),
        "universalLogout": None,
        "settings": _settings(app),
        "_links": _links(app, here),
    }


def client_document(app: OktaApp) -> dict[str, Any]:
    """Return an app as `/oauth2/v1/clients` shows it, without its secret."""
    return {
        "client_id": app.client_id,
        "client_id_issued_at": int(app.created.timestamp()),
        "client_name": app.label,
        "client_uri": None,
        "logo_uri": None,
        "redirect_uris": list(app.redirect_uris),
        "response_types": _response_types(app),
        "grant_types": list(app.grant_types),
        "token_endpoint_auth_method": app.auth_method,
        "application_type": app.app_type,
    }


def filterable(app: OktaApp, path: str) -> tuple[object, ...]:
    """Return what a filter finds in an app."""
    match path:
        case "id":
            return (app.id,)
        case "status":
            return (app.status,)
        case "name":
            return (app.name,)
        case "credentials.signing.kid":
            return (_signing_kid(app),)
        case _:
            return (False,)


def _credentials(app: OktaApp, secret: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "userNameTemplate": {"template": "${source.login}", "type": "BUILT_IN"},
        "signing": {"kid": _signing_kid(app)},
    }
    if app.sign_on_mode != "OPENID_CONNECT":
        return shown
    client: dict[str, Any] = {"autoKeyRotation": True, "client_id": app.client_id}
    if secret is not None:
        client["client_secret"] = secret
    client |= {"token_endpoint_auth_method": app.auth_method, "pkce_required": False}
    return shown | {"oauthClient": client}


def _settings(app: OktaApp) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "app": {},
        "notifications": {"vpn": {"network": {"connection": "DISABLED"}, "message": None, "helpUrl": None}},
        "manualProvisioning": False,
        "implicitAssignment": False,
        "emOptInStatus": "NONE",
        "notes": {"admin": None, "enduser": None},
    }
    if app.sign_on_mode != "OPENID_CONNECT":
        return shown
    client: dict[str, Any] = {
        "client_uri": None,
        "logo_uri": None,
        "redirect_uris": list(app.redirect_uris),
        "response_types": _response_types(app),
        "grant_types": list(app.grant_types),
    }
    if app.keys:
        client["jwks"] = {"keys": list(app.keys)}
    client |= {
        "application_type": app.app_type,
        "consent_method": "TRUSTED",
        "issuer_mode": "ORG_URL",
        "idp_initiated_login": {"mode": "DISABLED", "default_scope": []},
        "wildcard_redirect": "DISABLED",
        "dpop_bound_access_tokens": app.dpop_bound,
        "participate_slo": False,
    }
    return shown | {"oauthClient": client}


def _links(app: OktaApp, here: str) -> dict[str, Any]:
    turn = "deactivate" if app.status == "ACTIVE" else "activate"
    links: dict[str, Any] = {turn: {"href": f"{here}/lifecycle/{turn}"}}
    if app.sign_on_mode == "OPENID_CONNECT":
        links["clientCredentials"] = [{"name": "secrets", "href": f"{here}/credentials/secrets"}]
    return links


def _response_types(app: OktaApp) -> list[str]:
    types = ["code"] if "authorization_code" in app.grant_types else []
    return types + (["token"] if "client_credentials" in app.grant_types or "implicit" in app.grant_types else [])


def _signing_kid(app: OktaApp) -> str:
    return f"kid-{app.id[3:]}"
