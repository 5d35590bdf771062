"""Keys of clients, and what clients sign with them: assertions and proofs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from rotator.sandbox.okta_clients import ASSERTION_TYPE

from .okta_client import BASE

if TYPE_CHECKING:
    from rotator.sandbox.okta import OktaEmulator

_serial = count(1)


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair: elliptic, which signs ES256, or RSA, which signs RS256."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    kid: str

    @property
    def algorithm(self) -> str:
        return "ES256" if isinstance(self.private, ec.EllipticCurvePrivateKey) else "RS256"

    @property
    def public(self) -> dict[str, str]:
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = self.private.public_key().public_numbers()
            return {"kty": "RSA", "n": encoded(numbers.n.to_bytes(256, "big")), "e": "AQAB", "kid": self.kid}
        point = self.private.public_key().public_numbers()
        x, y = (encoded(part.to_bytes(32, "big")) for part in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid}

    def sign(self, signed: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


KEY = Key(ec.generate_private_key(ec.SECP256R1()), "k1")
OTHER_KEY = Key(ec.generate_private_key(ec.SECP256R1()), "k1")
RSA_KEY = Key(rsa.generate_private_key(public_exponent=65537, key_size=2048), "k2")


def jwt(header: dict[str, Any], claims: dict[str, Any], *, key: Key | str) -> str:
    """Return a signed token; a string signs as the secret of an HMAC."""
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    if isinstance(key, Key):
        return f"{signed}.{encoded(key.sign(signed.encode()))}"
    digest = header["alg"].replace("HS", "sha")
    return f"{signed}.{encoded(hmac.digest(key.encode(), signed.encode(), digest))}"


@dataclass(frozen=True, slots=True)
class Signer:
    """A client's hand: signs with a key or a secret, by the org's clock."""

    key: Key | str
    okta: OktaEmulator

    def assertion(
        self, client_id: str, path: str, *, header: dict[str, Any] | None = None, **claims: Any
    ) -> dict[str, str]:
        """Return the form fields of an assertion for a path; a claim of None is left out."""
        now = int(self.okta.org.clock.now().timestamp())
        usual = {
            "iss": client_id,
            "sub": client_id,
            "aud": f"{BASE}{path}",
            "iat": now,
            "exp": now + 300,
            "jti": f"jti-{next(_serial)}",
        }
        kept = {name: value for name, value in (usual | claims).items() if value is not None}
        usual_header = (
            {"alg": "HS256"} if isinstance(self.key, str) else {"alg": self.key.algorithm, "kid": self.key.kid}
        )
        token = jwt(usual_header | (header or {}), kept, key=self.key)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token}

    def proof(self, method: str, path: str, *, nonce: str | None = None, token: str | None = None, age: int = 0) -> str:
        """Return a DPoP proof for a call; `token` is the access token that it goes with."""
        assert isinstance(self.key, Key)
        claims: dict[str, Any] = {
            "htm": method,
            "htu": f"{BASE}{path}",
            "iat": int(self.okta.org.clock.now().timestamp()) - age,
            "jti": f"proof-{next(_serial)}",
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if token is not None:
            claims["ath"] = encoded(hashlib.sha256(token.encode()).digest())
        return jwt({"typ": "dpop+jwt", "alg": self.key.algorithm, "jwk": self.key.public}, claims, key=self.key)
