"""What the token endpoints say when they refuse (contracts: Okta 5.2).

There are two shapes of body: an unknown client is refused in that of the management API, all else with `error` and
`error_description`. The keys of the table are Okta's internal words where known; the System Log shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .okta_errors import Headers, OktaError, enveloped

if TYPE_CHECKING:
    from .okta_settings import OktaSettings


@dataclass(frozen=True, slots=True)
class OAuthRefusal:
    """A row of the token endpoints' table: both wordings, the second only where it differs."""

    status: int
    error: str
    text: str
    spec: str = ""


OAUTH = {
    "invalid_client_secret": OAuthRefusal(
        401, "invalid_client", "The client secret supplied for a confidential client is invalid."
    ),
    "invalid_client": OAuthRefusal(
        401,
        "invalid_client",
        "Client authentication failed. Either the client or the client credentials are invalid.",
    ),
    "invalid_token_endpoint_auth_method": OAuthRefusal(
        401,
        "invalid_client",
        "Client authentication failed. Either the client or the client credentials are invalid.",
    ),
    "missing_client_credentials": OAuthRefusal(
        401, "invalid_client", "No client credentials found.", "No client credentials found"
    ),
    "invalid_basic_auth_creds": OAuthRefusal(
        401, "invalid_client", "Found Authentication header but was not valid client credentials."
    ),
    "unsupported_auth_method_client_creds": OAuthRefusal(
        401,
        "invalid_client",
        "Client Credentials requests to the Org Authorization Server must use the private_key_jwt "
        "token_endpoint_auth_method.",
    ),
    "invalid_application_type_client_credentials": OAuthRefusal(
        401,
        "invalid_client",
        "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the "
        "Org Authorization Server.",
    ),
    "unsupported_auth_method_client_creds_oauth_integration": OAuthRefusal(
        401,
        "invalid_client",
        "OAuth Integration Client Credentials requests to the Org Authorization Server must use either "
        "private_key_jwt or client_secret_basic as the token_endpoint_auth_method.",
    ),
    "client_secret_too_short": OAuthRefusal(
        401, "invalid_client", "The client secret is too short to verify a JWT HMAC."
    ),
    "invalid_client_assertion_signature": OAuthRefusal(
        401, "invalid_client", "The client_assertion signature is invalid."
    ),
    "invalid_client_assertion_audience": OAuthRefusal(
        401, "invalid_client", "The audience claim for client_assertion must be the endpoint invoked for the request."
    ),
    "client_assertion_expired": OAuthRefusal(401, "invalid_client", "The client_assertion token is expired."),
    "client_assertion_too_far": OAuthRefusal(
        401, "invalid_client", "The client_assertion token has an expiration too far into the future."
    ),
    "client_assertion_reused": OAuthRefusal(401, "invalid_client", "The client_assertion token has already been used."),
    "client_assertion_issued_later": OAuthRefusal(
        401, "invalid_client", "The client_assertion token must be issued before the current time."
    ),
    "invalid_client_assertion_type": OAuthRefusal(
        400, "invalid_request", "The 'client_assertion_type' is invalid.", "The `client_assertion_type` is invalid."
    ),
    "multiple_client_credentials": OAuthRefusal(
        401,
        "invalid_request",
        "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization "
        "header, credentials in the post body, or a client_assertion in the post body.",
        "Can't supply multiple client credentials. Use one of the following: credentials in the Authorization "
        "header, credentials in the post body, or a `client_assertion` in the post body.",
    ),
    "credentials_in_query": OAuthRefusal(
        400, "invalid_request", "Client credentials cannot be supplied via query parameters."
    ),
    "missing_grant_type": OAuthRefusal(
        400, "invalid_request", "The token request must specify a 'grant_type'. Valid values: [{grants}]"
    ),
    "missing_token": OAuthRefusal(
        400, "invalid_request", "The 'token' parameter is required.", "The `token` parameter is required."
    ),
    "missing_code": OAuthRefusal(400, "invalid_request", "The 'code' parameter is required."),
    "missing_refresh_token": OAuthRefusal(400, "invalid_request", "The 'refresh_token' parameter is required."),
    "invalid_client_application_type": OAuthRefusal(
        400,
        "invalid_request",
        "Clients with 'application_type' of 'service' are not allowed to access the '{endpoint}' endpoint.",
    ),
    "unauthorized_grant": OAuthRefusal(
        400,
        "unauthorized_client",
        "The client is not authorized to use the provided grant type. Configured grant types: [{grants}].",
    ),
    "org_server_only": OAuthRefusal(
        400, "unauthorized_client", "This client cannot use a custom authorization server."
    ),
    "unsupported_grant_type": OAuthRefusal(
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server. "
        "Configured grant types: [{grants}].",
        "The grant type in the request isn't supported.",
    ),
    "client_credentials_at_org_server": OAuthRefusal(
        400,
        "unsupported_grant_type",
        "'client_credentials' grant type can only be used with a custom authorization server.",
    ),
    "no_scopes": OAuthRefusal(400, "invalid_scope", "No scopes were requested."),
    "no_default_scopes": OAuthRefusal(
        400,
        "invalid_scope",
        "The authorization server resource does not have any configured default scopes, 'scope' must be provided.",
    ),
    "unknown_scopes": OAuthRefusal(
        400, "invalid_scope", "One or more scopes are not configured for the authorization server resource."
    ),
    "scopes_not_granted": OAuthRefusal(400, "consent_required", "You are not allowed any of the requested scopes."),
    "openid_with_client_credentials": OAuthRefusal(
        400, "invalid_scope", "Cannot request 'openid' scopes using client credentials."
    ),
    "no_matching_policy": OAuthRefusal(
        401, "access_denied", "Policy evaluation failed for this request, please check the policy configurations."
    ),
    "all_scopes_rejected": OAuthRefusal(
        400, "access_denied", "Policy evaluation succeeded, but all the requested scopes were rejected."
    ),
    "some_scopes_denied": OAuthRefusal(
        400, "access_denied", "Some of the requested scopes were denied by the policy. Denied scopes: [{scopes}]."
    ),
    "network_zone": OAuthRefusal(
        403, "access_denied", "The request is made from outside the client's permitted network zones."
    ),
    "invalid_authorization_code": OAuthRefusal(
        400, "invalid_grant", "The authorization code is invalid or has expired."
    ),
    "invalid_refresh_token": OAuthRefusal(400, "invalid_grant", "The refresh token is invalid or expired."),
    "user_rate_limited": OAuthRefusal(429, "invalid_grant", "API call exceeded rate limit due to too many requests."),
    "missing_dpop_proof": OAuthRefusal(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing."),
    "invalid_dpop_proof": OAuthRefusal(400, "invalid_dpop_proof", "The DPoP proof JWT is invalid: {why}"),
    "use_dpop_nonce": OAuthRefusal(400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof."),
    "server_error": OAuthRefusal(
        500,
        "server_error",
        "The authorization server encountered an unexpected condition that prevented it from fulfilling the request.",
    ),
    "temporarily_unavailable": OAuthRefusal(
        400,
        "temporarily_unavailable",
        "The authorization server is currently unable to handle the request due to a temporary overloading or "
        "maintenance of the server.",
    ),
}


def oauth_refused(reason: str, settings: OktaSettings, *, headers: Headers = (), **values: str) -> OktaError:
    """Return a row of the table as a refusal."""
    row = OAUTH[reason]
    text = row.spec if row.spec and settings.oauth_wording == "spec" else row.text
    status = settings.multiple_credentials_status if reason == "multiple_client_credentials" else row.status
    body: dict[str, object] = {"error": row.error, "error_description": text.format(**values)}
    return OktaError(status, body, _challenged(row, settings) + headers, reason=reason)


def unknown_client(settings: OktaSettings, reason: str = "invalid_client_id") -> OktaError:
    """Return the one refusal of the token endpoints that has the management API's shape."""
    spec = settings.oauth_wording == "spec"
    text = "Invalid value for `client_id` parameter" if spec else "Invalid value for 'client_id' parameter."
    headers = _challenged(OAUTH["invalid_client"], settings)
    return enveloped(401, "invalid_client", text, headers=headers, reason=reason)


def _challenged(row: OAuthRefusal, settings: OktaSettings) -> Headers:
    if not settings.www_authenticate or row.error != "invalid_client":
        return ()
    return (("www-authenticate", 'Basic realm="Okta"'),)
