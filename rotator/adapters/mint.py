"""The Mint port over the operating system's randomness."""

from __future__ import annotations

import secrets

from rotator.core.model import RotationId
from rotator.core.secret_value import SecretValue
from rotator.redaction import hide

BYTES = 48  # as base64url that is 64 characters, without padding


class RandomMint:
    """New values and names."""

    def value(self) -> SecretValue:
        """Return a new secret of 384 random bits."""
        text = secrets.token_urlsafe(BYTES)
        hide(text)
        return SecretValue(text)

    def rotation_id(self) -> RotationId:
        """Return a new identifier."""
        return RotationId(secrets.token_hex(8))
