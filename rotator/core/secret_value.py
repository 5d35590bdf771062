"""A secret is a type, not a string.

* Only adapters call `reveal()`; CI greps for it.
* It has no text form: `str`, `repr` and `format` show the fingerprint, pickling and JSON fail.
* Two secrets are compared in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


def secret_hash(text: str) -> str:
    """Return Okta's `secret_hash`: 22 characters of base64url (contracts: Okta 1.2; Okta does not document it)."""
    digest = hashlib.sha256(_bytes(text)).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    # JSON can hold half a character, which UTF-8 cannot: no secret of anybody's, but it must not stop us.
    return text.encode("utf-8", "surrogatepass")


class SecretValue:
    """Clear text that only an adapter may look at."""

    __slots__ = ("_text", "hash")

    def __init__(self, text: str) -> None:
        """Wrap `text`; `hash` is its `secret_hash`, which is safe to log and to store."""
        self._text = text
        self.hash = secret_hash(text)

    def reveal(self) -> str:
        """Return the clear text. For adapters, at the moment of the request."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<SecretValue {self.hash}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SecretValue is never serialised")


class SecretFields(Mapping[str, Any]):
    """The content of one KV version. Any value in it may be a secret, so it shows its keys alone.

    Values are what JSON has: strings mostly, but other people's fields may be anything.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """Take a copy of `fields`."""
        self._fields = dict(fields)

    def secret(self, name: str) -> SecretValue | None:
        """Return a field as a secret; None if it is absent, empty or no string."""
        value = self._fields.get(name)
        return SecretValue(value) if isinstance(value, str) and value else None

    def text(self, name: str) -> str | None:
        """Return a field that is no secret by our own layout (an id, a time); None if absent, empty or no string."""
        value = self._fields.get(name)
        return value if isinstance(value, str) and value else None

    def reveal(self) -> dict[str, Any]:
        """Return the clear content. For adapters, at the moment of the request."""
        return dict(self._fields)

    def merged(self, changes: Mapping[str, str | SecretValue]) -> SecretFields:
        """Return a copy with `changes` laid over it."""
        clear = {key: value.reveal() if isinstance(value, SecretValue) else value for key, value in changes.items()}
        return SecretFields(self._fields | clear)

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<SecretFields {sorted(self._fields)}>"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("SecretFields are never serialised")
