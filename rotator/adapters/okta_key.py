"""The private key of our service app, in the one form that the SDK takes: RSA in PEM.

Okta's console shows a key that it makes as a JWK, so that form is taken as well.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError


class Key(NamedTuple):
    """The key, and its id where the JWK names it."""

    pem: SecretValue
    kid: str | None


def key_in_pem(key: SecretValue, org: str) -> Key:
    """Return the key in PEM; what is no JWK stays as it is."""
    text = key.reveal().strip()
    if not text.startswith("{"):
        return Key(key, None)
    pem, kid = _from_jwk(text)
    if pem is None:
        raise ConfigError([f"auth of {org}: the key is a JWK, but no private RSA key that can be read"])
    return Key(SecretValue(pem), kid)


def _from_jwk(text: str) -> tuple[str | None, str | None]:
    """Return the key in PEM and its id; None where it is no private RSA key: what is wrong may quote it."""
    from joserfc.errors import JoseError  # noqa: PLC0415 -- heavy
    from joserfc.jwk import RSAKey  # noqa: PLC0415 -- heavy

    try:
        document = json.loads(text)
        key = RSAKey.import_key(document)
        pem = key.as_pem(private=True).decode() if key.is_private else None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None, None
    kid = document.get("kid")
    return pem, kid if isinstance(kid, str) else None
