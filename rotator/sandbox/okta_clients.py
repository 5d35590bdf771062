"""How a client proves itself at a token endpoint (contracts: Okta 5.1, 5.2).

* One kind of credentials per request: Basic header, form fields, or an assertion; never in the query.
* An app's own method counts; `basic` does for `post` only where the org is lenient.
* Every value that is active right now is accepted, as far as the endpoint has heard of it.
* An assertion is good once, for this very URL, and for an hour at most.
* An unknown client is refused in another shape than a wrong secret.
* The fifth wrong secret within a day is written into the System Log.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from . import okta_jose
from .okta_admin import app_actor
from .okta_errors import management_error
from .okta_log import target_of
from .okta_oauth_errors import oauth_refused, unknown_client

if TYPE_CHECKING:
    from .okta_call import Call
    from .okta_jose import Jwt
    from .okta_org import Org
    from .okta_state import OktaApp

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ATTEMPTS, ATTEMPTS_WITHIN = 5, timedelta(hours=24)
LONGEST_ASSERTION = timedelta(hours=1)
SHORTEST_HMAC_SECRET = 32


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client showed: its id and how it means to prove it."""

    method: str  # basic, post, assertion, or none for a public client
    client_id: str
    secret: str = ""
    assertion: Jwt | None = None


def claimed_client(call: Call) -> str:
    """Return who the client says it is, for the rate limits."""
    form = call.form()
    if client_id := form.get("client_id"):
        return client_id
    if basic := _basic(call, decode=False):
        return basic[0]
    assertion = okta_jose.take_apart(form.get("client_assertion", ""))
    return str(assertion.claims.get("sub")) if assertion else "nobody"


def presented(org: Org, call: Call) -> Presented:
    """Read the credentials of a token, introspect or revoke request, without judging them."""
    form, query = call.form(), dict(call.request.query)
    if "client_secret" in query or "client_assertion" in query:
        raise oauth_refused("credentials_in_query", org.settings)
    header = call.request.header("authorization")
    if (header is not None) + ("client_secret" in form) + ("client_assertion" in form) > 1:
        raise oauth_refused("multiple_client_credentials", org.settings)
    if header is not None:
        basic = _basic(call, decode=org.settings.basic_percent_decoding)
        if basic is None:
            raise oauth_refused("invalid_basic_auth_creds", org.settings)
        return Presented("basic", *basic)
    if "client_assertion" in form:
        return _presented_assertion(org, form)
    client_id = form.get("client_id") or query.get("client_id")
    if client_id is None:
        raise oauth_refused("missing_client_credentials", org.settings)
    if "client_secret" in form:
        return Presented("post", client_id, form["client_secret"])
    return Presented("none", client_id)


def known_client(org: Org, shown: Presented) -> OktaApp:
    """Return the app of a client id, whatever its credentials are worth."""
    app = org.clients.get(shown.client_id)
    if app is None or app.sign_on_mode != "OPENID_CONNECT":
        raise unknown_client(org.settings)
    if app.status != "ACTIVE" and org.settings.deactivated_app == "unknown_client":
        raise unknown_client(org.settings)
    if app.status != "ACTIVE" and org.settings.deactivated_app == "generic":
        raise oauth_refused("invalid_client", org.settings)
    return app


def authenticate(org: Org, call: Call, *, shown: Presented) -> OktaApp:
    """Return the app whose client this is, or refuse it."""
    app = known_client(org, shown)
    match shown.method:
        case "none" if app.auth_method == "none":
            return app
        case "none":
            raise oauth_refused("missing_client_credentials", org.settings)
        case "assertion":
            _check_assertion(org, call, app=app, shown=shown)
        case _:
            _check_secret(org, call, app=app, shown=shown)
    return app


def _check_secret(org: Org, call: Call, *, app: OktaApp, shown: Presented) -> None:
    lenient = {"client_secret_basic", "client_secret_post"} if not org.settings.strict_auth_method else set()
    if app.auth_method not in lenient | {f"client_secret_{shown.method}"}:
        raise oauth_refused("invalid_token_endpoint_auth_method", org.settings)
    if not any(hmac.compare_digest(value.encode(), shown.secret.encode()) for value in app.accepted(call.now)):
        _count_failure(org, call, app=app, attempted=shown.secret)
        raise oauth_refused("invalid_client_secret", org.settings)


def _check_assertion(org: Org, call: Call, *, app: OktaApp, shown: Presented) -> None:
    assert shown.assertion
    match app.auth_method:
        case "client_secret_jwt":
            _check_hmac(org, call, app=app, assertion=shown.assertion)
        case "private_key_jwt":
            if not any(shown.assertion.signed_with_key(key) for key in _candidates(app, shown.assertion)):
                raise oauth_refused("invalid_client_assertion_signature", org.settings)
        case _:
            raise oauth_refused("invalid_token_endpoint_auth_method", org.settings)
    if reason := _assertion_flaw(org, call, assertion=shown.assertion):
        raise oauth_refused(reason, org.settings)


def _check_hmac(org: Org, call: Call, *, app: OktaApp, assertion: Jwt) -> None:
    values = list(app.accepted(call.now))
    if values and max(map(len, values)) < SHORTEST_HMAC_SECRET:
        raise oauth_refused("client_secret_too_short", org.settings)
    if not any(assertion.signed_with_secret(value) for value in values):
        _count_failure(org, call, app=app, attempted="(assertion)")
        raise oauth_refused("invalid_client_assertion_signature", org.settings)


def _candidates(app: OktaApp, assertion: Jwt) -> list[dict[str, object]]:
    kid = assertion.header.get("kid")
    return [key for key in app.keys if kid is None or key.get("kid") in {None, kid}]


def _assertion_flaw(org: Org, call: Call, *, assertion: Jwt) -> str:
    claims, now = assertion.claims, org.client_time(call)
    expires, issued = okta_jose.claim_time(claims, "exp"), okta_jose.claim_time(claims, "iat")
    if call.request.base_url + call.request.path not in okta_jose.audiences(claims):
        return "invalid_client_assertion_audience"
    if expires is None or expires <= now:
        return "client_assertion_expired"
    if expires > now + LONGEST_ASSERTION.total_seconds():
        return "client_assertion_too_far"
    # A client's clock may show a second that ours has not reached; the contract does not say how many.
    if issued is not None and issued > now + 1:
        return "client_assertion_issued_later"
    if "jti" in claims and not org.spend(f"{claims['sub']}:{claims['jti']}", until=expires, now=now):
        return "client_assertion_reused"
    return ""


def _presented_assertion(org: Org, form: dict[str, str]) -> Presented:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise oauth_refused("invalid_client_assertion_type", org.settings)
    assertion = okta_jose.take_apart(form["client_assertion"])
    if assertion is None or assertion.claims.get("iss") != assertion.claims.get("sub"):
        raise oauth_refused("invalid_client_assertion_signature", org.settings)
    client_id = str(assertion.claims.get("sub"))
    if form.get("client_id", client_id) != client_id:
        raise oauth_refused("invalid_client", org.settings)
    return Presented("assertion", client_id, assertion=assertion)


def _basic(call: Call, *, decode: bool) -> tuple[str, str] | None:
    scheme, _, encoded = (call.request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not colon:
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if decode else (client_id, secret)


def _count_failure(org: Org, call: Call, *, app: OktaApp, attempted: str) -> None:
    app.failures = [(at, value) for at, value in app.failures if call.now - at < ATTEMPTS_WITHIN]
    app.failures.append((call.now, f"{attempted[:3]}*****"))
    if len(app.failures) < ATTEMPTS:
        return
    masked = ", ".join(value for _, value in app.failures)
    app.failures.clear()
    org.log.record(
        "app.oauth2.invalid_client_credentials",
        call.origin(app_actor(app)),
        now=call.now,
        targets=(target_of(app),),
        result="FAILURE",
        reason="invalid_client_secret",
        debug={"clientSecrets": masked},
    )


def check_form(call: Call) -> None:
    """Refuse a body that is no form."""
    kind = (call.request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise management_error("E0000021")
