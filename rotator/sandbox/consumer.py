"""An application as all this is for: reads its credentials from Vault and asks Okta for a token, by plain HTTP.

* It has nothing of the rotator, and a Vault token of its own that may read one path.
* What it tells is fit to be shown: how long a value is and its hash, never the value, never the token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import requests

from .okta_state import secret_hash

if TYPE_CHECKING:
    from types import TracebackType

LONGEST_WAIT = 10  # seconds
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one version of the path holds."""

    version: int
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def hash(self) -> str:
        """Okta's `secret_hash` of the value, which is no secret."""
        return secret_hash(self.client_secret)


@dataclass(frozen=True, slots=True)
class Granted:
    """What the token endpoint answered, without the token."""

    status: int
    error: str | None
    expires_in: int | None

    @property
    def token(self) -> bool:
        return self.status == 200 and self.expires_in is not None


class Consumer:
    """One application. Use it as a context manager."""

    def __init__(self, *, vault_url: str, vault_token: str, mount: str, path: str, token_url: str) -> None:
        """Know where to read and where to ask."""
        self._secret_url = f"{vault_url}/v1/{mount}/data/{path}"
        self._token_url = token_url
        self._vault_token = vault_token
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy and no .netrc of whoever runs it: all of it is on loopback

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def read(self, version: int | None = None) -> Credentials | None:
        """Read a version of the path, the latest by default; None if there is none."""
        answer = self._http.get(
            self._secret_url,
            params={} if version is None else {"version": str(version)},
            headers={"X-Vault-Token": self._vault_token},
            timeout=LONGEST_WAIT,
        )
        if answer.status_code == NOT_FOUND:
            return None
        answer.raise_for_status()
        found = answer.json()["data"]
        fields = found["data"]
        return Credentials(found["metadata"]["version"], fields["client_id"], fields["client_secret"])

    def ask(self, credentials: Credentials, scope: str) -> Granted:
        """Ask for a token with these credentials."""
        answer = self._http.post(
            self._token_url,
            data={"grant_type": "client_credentials", "scope": scope},
            auth=(credentials.client_id, credentials.client_secret),
            timeout=LONGEST_WAIT,
        )
        told = answer.json()
        return Granted(
            answer.status_code, told.get("error"), told.get("expires_in") if "access_token" in told else None
        )
