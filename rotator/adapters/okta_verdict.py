"""What an answer of Okta's token or introspection endpoint says about the secret that was sent. Pure.

* The status is looked at first, then `error` or `errorCode`: Okta has two shapes of body (contracts: Okta 5.2).
* REFUSED is a 401 `invalid_client` that can be about the secret. Descriptions are used only to take cases out, those
  that name another cause: unknown client, wrong kind of client or server, a malformed or missing credential, a clock.
  Any other wording, the general "client authentication failed" among them, counts as refused: we always use the
  method that the app itself is set to.
* An error that Okta gives only to a client that it knows and believes (scope, grant, policy) shows a good secret.
  Where it may come before the secret is looked at, the verdict is `weak`: ask again by introspection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.core.model import ProofLevel

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `body` is None where it was no JSON object."""

    status: int
    body: Mapping[str, Any] | None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What it shows. A weak one shows nothing about the secret, for a reason that introspection may get round."""

    level: ProofLevel
    detail: str
    weak: bool = False


# Descriptions of `invalid_client` that name another cause than the secret, in lower case, and what to tell people.
OTHER_CAUSES: tuple[tuple[str, str], ...] = (
    ("client_id", "Okta does not know this client id; is it the right org, and the app active?"),
    ("must use the private_key_jwt", "the org's own server takes no secret for client_credentials"),
    ("must use either private_key_jwt", "this integration must use client_secret_basic"),
    ("application_type", "this type of app may not use client_credentials at the org's own server"),
    ("token_endpoint_auth_method", "the app is set to another way of authenticating"),
    ("no client credentials", "the secret did not arrive; something in between may take the header out"),
    ("not valid client credentials", "the header with the secret did not arrive intact"),
    ("too short", "the secret is too short for client_secret_jwt"),
    ("audience claim", "Okta knows its token endpoint under another address; check org_url"),
    ("client_assertion token is expired", "the clock here is behind"),
    ("too far into the future", "the clock here is ahead"),
    ("issued before the current time", "the clock here is ahead"),
    ("already been used", "the request reached Okta twice"),
)

# Errors that show an authenticated client, and what to mend so that a token is issued.
BELIEVED: Mapping[str, str] = {
    "invalid_scope": "set verify.scope to one that the server offers to this app",
    "unauthorized_client": "the app may not use this grant or this server",
    "access_denied": "no access policy of the server lets this app have a token",
    "invalid_grant": "the grant itself was refused",
}

# Errors that a server may give before it looks at the secret.
BEFORE_THE_SECRET = frozenset({"unsupported_grant_type", "use_dpop_nonce", "invalid_dpop_proof"})


def of_grant(reply: Reply) -> Verdict:
    """Judge the answer to a client_credentials request."""
    if reply.status == 200 and reply.body is not None and isinstance(reply.body.get("access_token"), str):
        return Verdict(ProofLevel.TOKEN_ISSUED, "client_credentials")
    return _of_error(reply, "client_credentials")


def of_introspection(reply: Reply) -> Verdict:
    """Judge the answer to an introspection of a token that never was."""
    if reply.status == 200 and reply.body is not None and isinstance(reply.body.get("active"), bool):
        return Verdict(ProofLevel.CLIENT_AUTHENTICATED, "introspection: the client was authenticated")
    return _of_error(reply, "introspection")


def _of_error(reply: Reply, probe: str) -> Verdict:
    if trouble := _trouble(reply):
        return Verdict(ProofLevel.INCONCLUSIVE, f"{probe}: {trouble}")
    assert reply.body is not None
    error = _word(reply.body, "error") or _word(reply.body, "errorCode")
    said = _word(reply.body, "error_description") or _word(reply.body, "errorSummary")
    if reply.status == 401 and error == "invalid_client":
        return _refused(probe, said)
    if error in BELIEVED and reply.status in {400, 401}:
        return Verdict(ProofLevel.CLIENT_AUTHENTICATED, f"{probe}: {error}: {BELIEVED[error]} ({said})")
    weak = error in BEFORE_THE_SECRET or (reply.status == 403 and error == "access_denied")
    return Verdict(ProofLevel.INCONCLUSIVE, f"{probe}: {reply.status} {error or 'without an error code'}: {said}", weak)


def _trouble(reply: Reply) -> str | None:
    if reply.status == 429:
        return "Okta's rate limit is used up"
    if 300 <= reply.status <= 399:
        return f"answered with a redirect ({reply.status}), which is not followed; check org_url"
    if reply.status >= 500:
        return f"answered {reply.status}"
    if reply.body is None:
        return f"answered {reply.status} without JSON; this is no Okta endpoint, or something in between answered"
    if reply.status == 404:
        return "there is no such authorization server; check verify.authorization_server"
    if reply.status == 200:
        return "answered 200 without what was asked for; this is no Okta endpoint"
    return None


def _refused(probe: str, said: str) -> Verdict:
    for words, cause in OTHER_CAUSES:
        if words in said.lower():
            return Verdict(ProofLevel.INCONCLUSIVE, f"{probe}: invalid_client: {cause}")
    return Verdict(ProofLevel.REFUSED, f"{probe}: invalid_client: {said or 'no description'}")


def _word(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
