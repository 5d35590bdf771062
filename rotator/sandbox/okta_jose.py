"""Signed tokens: those that this org grants, and those that clients make (RFC 7515, 7517, 7638)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.util import to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HMAC_ALGORITHMS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
KEY_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
_REGISTRY = jws.JWSRegistry(algorithms=KEY_ALGORITHMS)
_REGISTRY.max_header_length = 16_384  # joserfc's 512 bytes are less than a proof with an RSA key has


@dataclass(frozen=True, slots=True)
class Jwt:
    """A compact token taken apart, not yet verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    def signed_with_secret(self, secret: str) -> bool:
        """Say whether the secret made this signature."""
        digest = HMAC_ALGORITHMS.get(str(self.header.get("alg")))
        if digest is None:
            return False
        signed, _, signature = self.text.rpartition(".")
        return hmac.compare_digest(hmac.digest(secret.encode(), signed.encode(), digest), _decoded(signature))

    def signed_with_key(self, key: Mapping[str, Any]) -> bool:
        """Say whether the private half of this public JWK made the signature."""
        try:
            jws.deserialize_compact(to_bytes(self.text), import_key(dict(key)), registry=_REGISTRY)
        except (JoseError, ValueError, KeyError, TypeError):
            return False
        return True


def take_apart(text: str) -> Jwt | None:
    """Return a token's parts; None if it is no compact JWT."""
    try:
        header, claims, signature = text.split(".")
        _decoded(signature)
        parts = [json.loads(_decoded(part)) for part in (header, claims)]
    except (ValueError, binascii.Error):
        return None
    if not all(isinstance(part, dict) for part in parts):
        return None
    return Jwt(text, parts[0], parts[1])


def thumbprint(key: Mapping[str, Any]) -> str | None:
    """Return the RFC 7638 thumbprint of a public key; None if it is no key."""
    try:
        return str(import_key(dict(key)).thumbprint())
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def sign(claims: Mapping[str, Any]) -> str:
    """Return a token of this org."""
    header = {"kid": public_key()["kid"], "alg": "RS256"}
    signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    signature = _signing_key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


@lru_cache(maxsize=1)
def public_key() -> dict[str, str]:
    """Return the key that this org's tokens can be verified with."""
    numbers = _signing_key().public_key().public_numbers()
    key = {"kty": "RSA", "e": _encoded(_bytes(numbers.e)), "n": _encoded(_bytes(numbers.n))}
    kid = _encoded(hashlib.sha256(json.dumps(key, sort_keys=True).encode()).digest())
    return {"kty": "RSA", "alg": "RS256", "kid": kid, "use": "sig", "e": key["e"], "n": key["n"]}


def claim_time(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a time; None if it is missing or no number."""
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def audiences(claims: Mapping[str, Any]) -> Iterable[str]:
    """Return whom the token is for."""
    found = claims.get("aud")
    return [found] if isinstance(found, str) else found if isinstance(found, list) else []


@lru_cache(maxsize=1)
def _signing_key() -> rsa.RSAPrivateKey:
    # One for the process: making it takes longer than a hundred calls of the emulator.
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
