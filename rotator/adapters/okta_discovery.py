"""The Discovery port: `/.well-known/openid-configuration`, which everybody may read and nobody counts (Okta 6.2).

* What is no document is told as such: a page for people, an error of Okta's, or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.adapters.okta_http import Lost
from rotator.core.diagnosis.evidence import Document

if TYPE_CHECKING:
    from rotator.adapters.okta_http import Came, Outside

WELL_KNOWN = "/.well-known/openid-configuration"


class OktaDiscovery:
    """What servers publish of themselves, asked without a login."""

    def __init__(self, outside: Outside) -> None:
        """Ask through `outside`; whoever made it closes it."""
        self._outside = outside

    async def document(self, issuer: str) -> Document:
        """Return what is published under the issuer's address."""
        address = issuer.rstrip("/")
        came = await self._outside.ask("GET", address + WELL_KNOWN)
        return Document(address, lost=came.reason) if isinstance(came, Lost) else _document(address, came)


def _document(address: str, came: Came) -> Document:
    said = came.document or {}
    return Document(
        address=address,
        status=came.status,
        json=came.document is not None,
        issuer=_text(said.get("issuer")),
        authorization_endpoint=_text(said.get("authorization_endpoint")),
        token_endpoint=_text(said.get("token_endpoint")),
        error=_text(said.get("errorCode")) or _text(said.get("error")) or "",
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
