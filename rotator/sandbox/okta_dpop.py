"""Proof of possession (contracts: Okta 6.4, RFC 9449).

* A token request without a nonce of ours is answered by one: `use_dpop_nonce`. A nonce lives 24 hours and is taken
  for three days.
* A proof is good once, for one method and one URL without its query, and for five minutes.
* At the API itself the proof needs no nonce; it names the access token by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from . import okta_jose
from .okta_errors import management_error
from .okta_oauth_errors import oauth_refused

if TYPE_CHECKING:
    from .okta_call import Call
    from .okta_jose import Jwt
    from .okta_org import Org
    from .okta_state import AccessToken

FRESH_FOR = timedelta(minutes=5)
NONCE_TAKEN_FOR = timedelta(days=3)
NONCE_RENEWED_AFTER = timedelta(days=1)


def check_token_request(org: Org, call: Call) -> str:
    """Return the thumbprint of the key that the token will be bound to."""
    text = call.request.header("dpop")
    if text is None:
        raise oauth_refused("missing_dpop_proof", org.settings)
    proof = okta_jose.take_apart(text)
    flaw = _flaw(org, call, proof=proof)
    if flaw or proof is None:
        raise oauth_refused("invalid_dpop_proof", org.settings, why=flaw)
    if not _nonce_is_ours(org, str(proof.claims.get("nonce")), now=call.now.timestamp()):
        nonce = _current_nonce(org, now=call.now.timestamp())
        raise oauth_refused("use_dpop_nonce", org.settings, headers=(("dpop-nonce", nonce),))
    return okta_jose.thumbprint(proof.header["jwk"]) or ""


def check_use(org: Org, call: Call, *, token: AccessToken) -> None:
    """Refuse a call of the management API whose proof does not fit the token."""
    proof = okta_jose.take_apart(call.request.header("dpop") or "")
    flaw = _flaw(org, call, proof=proof)
    if proof is not None and not flaw:
        digest = hashlib.sha256(token.value.encode()).digest()
        if proof.claims.get("ath") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            flaw = "'ath' does not match the access token."
        elif okta_jose.thumbprint(proof.header["jwk"]) != token.key_thumbprint:
            flaw = "the key is not the one the access token is bound to."
    if flaw:
        text = f'DPoP error="invalid_dpop_proof", error_description="The DPoP proof JWT is invalid: {flaw}"'
        raise management_error("E0000011", headers=(("www-authenticate", text),))


def _flaw(org: Org, call: Call, *, proof: Jwt | None) -> str:
    if proof is None or proof.header.get("typ") != "dpop+jwt":
        return "it is no DPoP proof."
    key, issued = proof.header.get("jwk"), okta_jose.claim_time(proof.claims, "iat")
    if not isinstance(key, dict) or "d" in key or not proof.signed_with_key(key):
        return "the signature is invalid."
    if proof.claims.get("htm") != call.request.method:
        return "'htm' does not match the request."
    if proof.claims.get("htu") != call.request.base_url + call.request.path:
        return "'htu' does not match the request."
    now = org.client_time(call)
    if issued is None or abs(now - issued) > FRESH_FOR.total_seconds():
        return "'iat' is too old or in the future."
    if not org.spend(f"dpop:{proof.claims.get('jti')}", until=now + FRESH_FOR.total_seconds() * 2, now=now):
        return "'jti' has already been used."
    return ""


def _current_nonce(org: Org, *, now: float) -> str:
    while org.nonces and org.nonces[0][1] + NONCE_TAKEN_FOR.total_seconds() < now:
        org.nonces.popleft()
    if not org.nonces or org.nonces[-1][1] + NONCE_RENEWED_AFTER.total_seconds() < now:
        org.nonces.append((org.new_text(32), now))
    return org.nonces[-1][0]


def _nonce_is_ours(org: Org, nonce: str, *, now: float) -> bool:
    return any(nonce == known and now - issued <= NONCE_TAKEN_FOR.total_seconds() for known, issued in org.nonces)
