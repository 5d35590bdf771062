"""What needs no credentials and is not limited: discovery documents and keys (contracts: Okta 5, RFC 8414)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import okta_jose
from .okta_call import answer_json
from .okta_tokens import GRANTS_OF_THE_ORG

if TYPE_CHECKING:
    from .http import Response
    from .okta_call import Call
    from .okta_org import Org

METHODS = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]


def answer_oauth(org: Org, call: Call) -> Response:
    return answer_json(200, _metadata(org, call))


def answer_openid(org: Org, call: Call) -> Response:
    metadata = _metadata(org, call)
    base = _base(call)
    return answer_json(
        200,
        metadata
        | {
            "userinfo_endpoint": f"{base}/v1/userinfo",
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    )


def answer_keys(org: Org, call: Call) -> Response:
    if "server" in call.args:
        org.server(call.args["server"])
    return answer_json(200, {"keys": [okta_jose.public_key()]})


def _base(call: Call) -> str:
    root = f"{call.request.base_url}/oauth2"
    return f"{root}/{call.args['server']}" if "server" in call.args else root


def _metadata(org: Org, call: Call) -> dict[str, object]:
    base = _base(call)
    if "server" in call.args:
        server = org.server(call.args["server"])
        issuer, grants, scopes = base, sorted(server.grant_types), sorted(server.scopes | {"openid"})
    else:
        issuer, grants, scopes = call.request.base_url, list(GRANTS_OF_THE_ORG), ["openid", "offline_access"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/v1/authorize",
        "token_endpoint": f"{base}/v1/token",
        "registration_endpoint": f"{call.request.base_url}/oauth2/v1/clients",
        "jwks_uri": f"{base}/v1/keys",
        "response_types_supported": ["code", "token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": grants,
        "subject_types_supported": ["public"],
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": METHODS,
        "code_challenge_methods_supported": ["S256"],
        "introspection_endpoint": f"{base}/v1/introspect",
        "introspection_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint": f"{base}/v1/revoke",
        "revocation_endpoint_auth_methods_supported": METHODS,
        "dpop_signing_alg_values_supported": okta_jose.KEY_ALGORITHMS,
    }
