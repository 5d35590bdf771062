"""The ClientLog port: who asked for tokens, with which secret, and who was refused; one page for each question.

* Newest first, so that of each client the last request stands on the page, however many there are.
* Which name the log has for a client, its own or its app's, is not certain (contracts: Okta 4.2): both are asked for.
* Our own test requests say nothing of those who use a secret.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rotator.adapters.okta_connection import USER_AGENT_PREFIX
from rotator.core.last_use import WRONG_SECRET, Request, Requests, names_of
from rotator.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            {"since": _stamp(since), "filter": wanted, "sortOrder": "DESCENDING", "limit": str(LARGEST_PAGE)}
        )
        page = await self._session.read(lambda client: client.fetch(f"/api/v1/logs?{query}"))
        events = page.document
        if not isinstance(events, list):
            raise UnavailableError(f"okta {self._session.connection.host}: the System Log is no list")
        found = [each for event in events if isinstance(event, dict) and (each := _request(event))]
        return Requests(tuple(found), whole=len(events) < LARGEST_PAGE)


def _request(event: dict[str, Any]) -> Request | None:
    """Return the event as a request; None for our own, for half-way ones, and for those refused for other reasons."""
    result, reason = (_inner(event, "outcome").get(name) for name in ("result", "reason"))
    refused = result == "FAILURE" and reason in WRONG_SECRET
    at = _time(event.get("published"))
    if at is None or _is_by_us(event) or not (refused or result == "SUCCESS"):
        return None
    actor = _inner(event, "actor")
    names = frozenset(name for name in (actor.get("id"), actor.get("alternateId")) if isinstance(name, str))
    shown = _inner(_inner(event, "debugContext"), "debugData")
    shown_hash = next((text for name, text in shown.items() if name.lower() == "clientsecret"), None)
    return Request(at, names, shown_hash if isinstance(shown_hash, str) else None, refused)


def _is_by_us(event: dict[str, Any]) -> bool:
    agent = _inner(_inner(event, "client"), "userAgent").get("rawUserAgent")
    return isinstance(agent, str) and agent.startswith(USER_AGENT_PREFIX)


def _inner(item: dict[str, Any], name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
