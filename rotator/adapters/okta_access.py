"""The OktaAccess port: what one org publishes, and what it says of our own login (contracts: Okta 5, 6).

* Metadata is read tolerantly: what a server does not publish is not known, and no error.
* It is asked for without our login: nothing of ours goes where nothing of it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rotator.core.budget import bucket_of
from rotator.core.preflight_facts import ServerMetadata
from rotator.errors import UnavailableError

if TYPE_CHECKING:
    from rotator.adapters.okta_session import OktaSession
    from rotator.core.budget import Window

APPS = "/api/v1/apps"


class OktaOwnAccess:
    """One org, asked through the session that everything else there uses."""

    def __init__(self, session: OktaSession) -> None:
        """Talk through `session`; whoever made it closes it."""
        self._session = session

    async def metadata(self, server: str | None = None) -> ServerMetadata:
        """Return what an authorization server publishes of itself."""
        between = f"/oauth2/{quote(server, safe='')}" if server else ""
        path = f"{between}/.well-known/oauth-authorization-server"
        page = await self._session.read(lambda client: client.fetch_openly(path))
        document = page.document
        if not isinstance(document, dict) or not isinstance(document.get("issuer"), str):
            raise UnavailableError(
                f"okta {self._session.connection.host}: {path} is no metadata of an authorization server",
                hint="Check org_url: something else than Okta answers there.",
            )
        return ServerMetadata(
            issuer=document["issuer"],
            grant_types=_words(document, "grant_types_supported"),
            scopes=_words(document, "scopes_supported"),
            auth_methods=_words(document, "token_endpoint_auth_methods_supported"),
            at=page.at,
        )

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes that Okta said our token has."""
        return await self._session.sign_in()

    def window(self) -> Window | None:
        """Return what the last answers said of the small bucket."""
        return self._session.windows.get(bucket_of(APPS))


def _words(document: dict[str, Any], name: str) -> frozenset[str]:
    words = document.get(name)
    return frozenset(word for word in words if isinstance(word, str)) if isinstance(words, list) else frozenset()
