"""The ClientLog port: who asked for tokens, with which secret, and who was refused; one page for each question.

* Newest first, so that of each client the last request stands on the page, however many there are.
* Which name the log has for a client, its own or its app's, is not certain (contracts: Okta 4.2): both are asked for.
* Our own test requests say nothing of those who use a secret.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rotator.adapters.okta_events import hashes_of, inner, is_by_us, names_of_actor, published, stamp
from rotator.core.last_use import WRONG_SECRET, Request, Requests, names_of
from rotator.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rotator.adapters.okta_session import OktaSession
    from rotator.core.model import App

LARGEST_PAGE = 1000
KINDS = '(eventType sw "app.oauth2.token.grant" or eventType sw "app.oauth2.as.token.grant")'
REFUSED = 'outcome.result eq "FAILURE"'


class OktaClientLog:
    """Token requests in the System Log of one org."""

    def __init__(self, session: OktaSession) -> None:
        """Talk through `session`; whoever made it closes it."""
        self._session = session

    async def of_clients(self, apps: Sequence[App], since: datetime, *, refused: bool = False) -> Requests:
        """Return the last requests of these clients; only those that were refused, if so said."""
        names = sorted({name for app in apps for name in names_of(app)})
        clients = " or ".join(f"actor.id eq {json.dumps(name)}" for name in names)
        wanted = [KINDS, f"({clients})", *([REFUSED] if refused else [])]
        return await self._asked(" and ".join(wanted), since)

    async def of_hashes(self, hashes: Sequence[str], since: datetime) -> Requests:
        """Return the last requests with these secrets, by whomever."""
        shown = " or ".join(f"debugContext.debugData.clientSecret eq {json.dumps(each)}" for each in hashes)
        return await self._asked(f"{KINDS} and ({shown})", since)

    async def _asked(self, wanted: str, since: datetime) -> Requests:
        query = urlencode(
            {"since": stamp(since), "filter": wanted, "sortOrder": "DESCENDING", "limit": str(LARGEST_PAGE)}
        )
        page = await self._session.read(lambda client: client.fetch(f"/api/v1/logs?{query}"))
        events = page.document
        if not isinstance(events, list):
            raise UnavailableError(f"okta {self._session.connection.host}: the System Log is no list")
        found = [each for event in events if isinstance(event, dict) and (each := _request(event))]
        return Requests(tuple(found), whole=len(events) < LARGEST_PAGE)


def _request(event: dict[str, Any]) -> Request | None:
    """Return the event as a request; None for our own, for half-way ones, and for those refused for other reasons."""
    outcome, at = inner(event, "outcome"), published(event)
    refused = outcome.get("result") == "FAILURE" and outcome.get("reason") in WRONG_SECRET
    if at is None or is_by_us(event) or not (refused or outcome.get("result") == "SUCCESS"):
        return None
    return Request(at, names_of_actor(event), next(hashes_of(event), None), refused)
