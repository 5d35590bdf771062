"""The OktaLog port: one filtered query per question, read as raw JSON.

* An act is ours if the actor is our own service app. With an administrator's API token the actor is that person, so
  our User-Agent tells; a person with the same token and another tool is not us.
* Only the moment at which the secret last changed counts, by Okta's own clock on both sides: an earlier deactivation
  of ours says nothing about a later one that the log does not show yet. That also bounds the query.
* Which of the event's fields names the secret is not documented well, and its hash there may not be the one that the
  API shows (contracts: Okta 4.1). So its id or hash counts wherever it stands among the targets and the debug data;
  failing that, an event on the app will do: only one of its two slots can have been switched off just then.
* Changes are polled: without an end, ascending, so in the order of persistence, in which nothing comes late. The
  cursor is the `next` link, without its host; there is one after an empty page too (contracts: Okta 4.4).
* Traces are one page: what did not fit into it is told as missing. Of a hash nothing is said but that it stands there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from rotator.adapters.okta_connection import USER_AGENT_PREFIX
from rotator.core.changes import Change, Heard
from rotator.core.diagnosis.evidence import Trace, Traces
from rotator.errors import InvariantError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.adapters.okta_answers import Page
    from rotator.adapters.okta_session import OktaSession
    from rotator.core.model import App, OktaSecret
    from rotator.core.secret_value import SecretValue

EITHER_SIDE = timedelta(seconds=10)  # Okta cuts `lastUpdated` to whole seconds, the log does not
DEACTIVATED = "app.oauth2.credentials.lifecycle.deactivate"
CHANGED = (
    'eventType sw "app.oauth2.credentials.lifecycle" or eventType sw "application.lifecycle" '
    'or eventType eq "app.oauth2.invalid_client_credentials"'
)
MOST_PAGES = 10  # at a time; the next poll goes on from there
LARGEST_PAGE = 1000
LIFECYCLE = "app.oauth2.credentials.lifecycle"
GRANTS = ("app.oauth2.token.grant", "app.oauth2.as.token.grant")


class OktaSystemLog:
    """The System Log of one org."""

    def __init__(self, session: OktaSession) -> None:
        """Talk through `session`; whoever made it closes it."""
        self._session = session

    async def deactivated_by_us(self, app: App, secret: OktaSecret) -> bool:
        """Say whether the last deactivation of that secret was our own act."""
        query = urlencode(
            {
                "since": _stamp(secret.changed - EITHER_SIDE),
                "until": _stamp(secret.changed + EITHER_SIDE),
                "filter": f'eventType eq "{DEACTIVATED}"',
                "sortOrder": "DESCENDING",
                "limit": "1000",
            }
        )
        page = await self._session.read(lambda client: client.fetch(f"/api/v1/logs?{query}"))
        events = self._events(page.document)
        named = [event for event in events if _names(event, {secret.id, secret.hash})]
        likely = [event for event in events if _names(event, {app.id, app.client_id})]
        last = next(iter(named or likely), None)
        return last is not None and self._is_ours(last)

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        """Return what others have done to apps and their secrets since the cursor; without one, since that time."""
        if cursor is not None:
            try:
                return await self._polled(cursor)
            except RefusedError:
                pass  # what it answers to a cursor that it took once is not documented; without one we shall see
        query = urlencode({"since": _stamp(since), "filter": CHANGED, "sortOrder": "ASCENDING", "limit": "1000"})
        return await self._polled(f"/api/v1/logs?{query}", continued=cursor is None)

    async def traces(self, app: App, value: SecretValue, since: datetime) -> Traces:
        """Return what became of the app's secrets, and who else was seen with that value."""
        wanted = f'(eventType sw "{LIFECYCLE}" and target.id eq "{app.id}")'
        return await self._traces(f'{wanted} or debugContext.debugData.clientSecret eq "{value.hash}"', app, since)

    async def requests(self, app: App, since: datetime) -> Traces:
        """Return the client's requests for tokens."""
        clients = " or ".join(f'actor.id eq "{name}"' for name in dict.fromkeys((app.id, app.client_id)))
        kinds = " or ".join(f'eventType sw "{kind}"' for kind in GRANTS)
        return await self._traces(f"({kinds}) and ({clients})", app, since)

    async def _traces(self, wanted: str, app: App, since: datetime) -> Traces:
        asked = {"since": _stamp(since), "filter": wanted, "sortOrder": "DESCENDING", "limit": str(LARGEST_PAGE)}
        page = await self._page(f"/api/v1/logs?{urlencode(asked)}")
        events = [event for event in self._listed(page.document) if isinstance(event, dict)]
        return Traces(tuple(self._trace(event, app) for event in events), whole=len(events) < LARGEST_PAGE)

    def _trace(self, event: dict[str, Any], app: App) -> Trace:
        kind, outcome, actor = str(event.get("eventType")), _inner(event, "outcome"), _inner(event, "actor")
        names = [name for name in (actor.get("alternateId"), actor.get("id")) if isinstance(name, str)]
        lifecycle, failed = kind.startswith(LIFECYCLE), outcome.get("result") == "FAILURE"
        others = not lifecycle and not failed and {app.id, app.client_id}.isdisjoint(names)
        return Trace(
            at=datetime.fromisoformat(str(event.get("published"))),
            ours=self._is_ours(event) or _is_by_us(event),
            deletion=kind == f"{LIFECYCLE}.delete" and not failed,
            hashes=frozenset(_hashes(event)),
            client=next(iter(names), None) if others else None,
            who=_who(event),
            granted=kind.endswith(".access_token") and not failed and not others,
            refused=str(outcome.get("reason") or "") if failed and not lifecycle else "",
        )

    async def _polled(self, address: str, *, continued: bool = True) -> Heard:
        found: list[Change] = []
        for _ in range(MOST_PAGES):
            page = await self._page(address)
            events = self._listed(page.document)
            found += [_change(event) for event in events if isinstance(event, dict) and not self._is_ours(event)]
            if page.next_link is None:
                break
            address = self._within_the_org(page.next_link)
            if not events:
                break
        return Heard(tuple(found), address, continued)

    async def _page(self, address: str) -> Page:
        return await self._session.read(lambda client: client.fetch(address))

    def _within_the_org(self, link: str) -> str:
        connection = self._session.connection
        if not connection.same_origin(link):
            raise InvariantError(
                f"okta {connection.host}: the System Log is said to go on at another host",
                hint="Check org_url: it must be the org's own address, not a custom domain in front of it.",
            )
        parts = urlsplit(link)
        return f"{parts.path}?{parts.query}"

    def _listed(self, page: object) -> list[Any]:
        if not isinstance(page, list):
            raise UnavailableError(f"okta {self._session.connection.host}: the System Log is no list")
        return page

    def _events(self, page: object) -> list[dict[str, Any]]:
        seen = [event for event in self._listed(page) if isinstance(event, dict) and _succeeded(event)]
        return sorted(seen, key=lambda event: str(event.get("published")), reverse=True)

    def _is_ours(self, event: dict[str, Any]) -> bool:
        us = self._session.our_client_id
        if us is not None:
            actor = _inner(event, "actor")
            return us in {actor.get("id"), actor.get("alternateId")}
        return _is_by_us(event)


def _is_by_us(event: dict[str, Any]) -> bool:
    agent = _inner(_inner(event, "client"), "userAgent").get("rawUserAgent")
    return isinstance(agent, str) and agent.startswith(USER_AGENT_PREFIX)


def _who(event: dict[str, Any]) -> str:
    client = _inner(event, "client")
    return f"{_inner(client, 'userAgent').get('rawUserAgent')} at {client.get('ipAddress')}"


def _hashes(event: dict[str, Any]) -> Iterator[str]:
    """Yield what the event has under the name of a client secret, which is a hash."""
    targets = event.get("target")
    details = [_inner(target, "detailEntry") for target in targets or () if isinstance(target, dict)]
    for fields in (*details, _inner(_inner(event, "debugContext"), "debugData")):
        for name, text in fields.items():
            if name.lower() == "clientsecret" and isinstance(text, str):
                yield text


def _change(event: dict[str, Any]) -> Change:
    names = frozenset(_names_of_apps(event.get("target")))
    return Change(str(event.get("uuid")), str(event.get("eventType")), str(event.get("published")), names)


def _names_of_apps(targets: object) -> Iterator[str]:
    """Yield app ids and client ids, wherever the targets of an event have them."""
    for target in targets if isinstance(targets, list) else ():
        if not isinstance(target, dict):
            continue
        details = {key.lower(): value for key, value in _inner(target, "detailEntry").items()}
        for name in (target.get("id"), target.get("alternateId"), details.get("clientid")):
            if isinstance(name, str):
                yield name


def _succeeded(event: dict[str, Any]) -> bool:
    return event.get("eventType") == DEACTIVATED and _inner(event, "outcome").get("result") == "SUCCESS"


def _names(event: dict[str, Any], names: set[str]) -> bool:
    return not names.isdisjoint(_strings([event.get("target"), event.get("debugContext")]))


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)


def _inner(item: dict[str, Any], name: str) -> dict[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
