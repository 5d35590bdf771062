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
* Who may not read the log is refused. A login that is not accepted says nothing of that: the log is unavailable.
* A token request's actor is the client, whoever sent it. Ours are told by our User-Agent, with a service app as well.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from rotator.adapters import okta_usage
from rotator.adapters.okta_events import (
    address_of,
    agent_of,
    hashes_of,
    inner,
    is_by_us,
    names,
    names_of_actor,
    names_of_apps,
    published,
    stamp,
)
from rotator.core.changes import Change, Heard
from rotator.core.usage import Refusals, UsageLog
from rotator.errors import InvariantError, RefusedError, UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from rotator.adapters.okta_answers import Page
    from rotator.adapters.okta_session import OktaSession
    from rotator.core.diagnosis.evidence import Trace, Traces
    from rotator.core.model import App, OktaSecret
    from rotator.core.secret_value import SecretValue

EITHER_SIDE = timedelta(seconds=10)  # Okta cuts `lastUpdated` to whole seconds, the log does not
DEACTIVATED = "app.oauth2.credentials.lifecycle.deactivate"
CHANGED = (
    'eventType sw "app.oauth2.credentials.lifecycle" or eventType sw "application.lifecycle" '
    'or eventType eq "app.oauth2.invalid_client_credentials"'
)
MOST_PAGES = 10  # at a time; the next poll goes on from there
USAGE_PAGES = 3  # of one client's requests: whoever uses the old secret stands on the first
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
                "since": stamp(secret.changed - EITHER_SIDE),
                "until": stamp(secret.changed + EITHER_SIDE),
                "filter": f'eventType eq "{DEACTIVATED}"',
                "sortOrder": "DESCENDING",
                "limit": "1000",
            }
        )
        page = await self._page(f"/api/v1/logs?{query}")
        events = self._events(page.document)
        named = [event for event in events if names(event, {secret.id, secret.hash})]
        likely = [event for event in events if names(event, {app.id, app.client_id})]
        last = next(iter(named or likely), None)
        return last is not None and self._is_ours(last)

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        """Return what others have done to apps and their secrets since the cursor; without one, since that time."""
        if cursor is not None:
            try:
                return await self._polled(cursor)
            except RefusedError:
                pass  # what it answers to a cursor that it took once is not documented; without one we shall see
        return await self._polled(_ascending(CHANGED, since), continued=cursor is None)

    async def traces(self, app: App, value: SecretValue, since: datetime) -> Traces:
        """Return what became of the app's secrets, and who else was seen with that value."""
        wanted = f'(eventType sw "{LIFECYCLE}" and target.id eq "{app.id}")'
        return await self._traces(f'{wanted} or debugContext.debugData.clientSecret eq "{value.hash}"', app, since)

    async def requests(self, app: App, since: datetime) -> Traces:
        """Return the client's requests for tokens."""
        clients = " or ".join(f'actor.id eq "{name}"' for name in dict.fromkeys((app.id, app.client_id)))
        kinds = " or ".join(f'eventType sw "{kind}"' for kind in GRANTS)
        return await self._traces(f"({kinds}) and ({clients})", app, since)

    async def usage(self, app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        """Return who asked for tokens as this client since then: with the old secret, and all that were refused."""
        events, whole = await self._newest_first(okta_usage.uses(app, old), since)
        requests = okta_usage.requests_of(events, ours=lambda event: self._is_ours(event) or is_by_us(event))
        calibrated_at = await self._last_grant(app, current, since) if current else None
        return UsageLog(requests.told, calibrated_at, whole=whole and not requests.unreadable)

    async def refusals(self, clients: Collection[str], cursor: str | None, since: datetime) -> Refusals:
        """Return others' token requests that were refused for their secret, since the cursor or that time."""
        if cursor is not None:
            with suppress(RefusedError):  # as above
                return await self._refused(cursor)
        return await self._refused(_ascending(okta_usage.refusals(clients), since))

    async def _newest_first(self, wanted: str, since: datetime) -> tuple[list[Any], bool]:
        """Return what the first pages have, and whether there are no more."""
        address = _descending(wanted, since, LARGEST_PAGE)
        events: list[Any] = []
        for _ in range(USAGE_PAGES):
            page = await self._page(address)
            events += self._listed(page.document)
            if page.next_link is None or not page.document:
                return events, True
            address = self._within_the_org(page.next_link)
        return events, False

    async def _last_grant(self, app: App, current: str, since: datetime) -> datetime | None:
        """Return when a token was last got with the secret in use, as far as the log tells which one was used."""
        page = await self._page(_descending(okta_usage.grants(app, current), since, 1))
        shown = [event for event in self._listed(page.document) if isinstance(event, dict)]
        return next((published(event) for event in shown if current in hashes_of(event)), None)

    async def _traces(self, wanted: str, app: App, since: datetime) -> Traces:
        from rotator.core.diagnosis.evidence import Traces  # noqa: PLC0415 -- the doctor's alone

        page = await self._page(_descending(wanted, since, LARGEST_PAGE))
        events = [event for event in self._listed(page.document) if isinstance(event, dict)]
        return Traces(tuple(self._trace(event, app) for event in events), whole=len(events) < LARGEST_PAGE)

    def _trace(self, event: dict[str, Any], app: App) -> Trace:
        from rotator.core.diagnosis.evidence import Trace  # noqa: PLC0415 -- the doctor's alone

        kind, outcome, actor = str(event.get("eventType")), inner(event, "outcome"), inner(event, "actor")
        who = [name for name in (actor.get("alternateId"), actor.get("id")) if isinstance(name, str)]
        lifecycle, failed = kind.startswith(LIFECYCLE), outcome.get("result") == "FAILURE"
        others = not lifecycle and not failed and {app.id, app.client_id}.isdisjoint(who)
        return Trace(
            at=datetime.fromisoformat(str(event.get("published"))),
            ours=self._is_ours(event) or is_by_us(event),
            deletion=kind == f"{LIFECYCLE}.delete" and not failed,
            hashes=frozenset(hashes_of(event)),
            client=next(iter(who), None) if others else None,
            who=f"{agent_of(event)} at {address_of(event)}",
            granted=kind.endswith(".access_token") and not failed and not others,
            refused=str(outcome.get("reason") or "") if failed and not lifecycle else "",
        )

    async def _polled(self, address: str, *, continued: bool = True) -> Heard:
        events, address = await self._followed(address)
        return Heard(tuple(_change(event) for event in events if not self._is_ours(event)), address, continued)

    async def _refused(self, address: str) -> Refusals:
        events, address = await self._followed(address)
        found = (okta_usage.refusal_of(event, ours=self._is_ours(event) or is_by_us(event)) for event in events)
        return Refusals(tuple(each for each in found if each is not None), address)

    async def _followed(self, address: str) -> tuple[list[dict[str, Any]], str]:
        """Return the events from there on, and where the next poll goes on."""
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            page = await self._page(address)
            events = self._listed(page.document)
            found += [event for event in events if isinstance(event, dict)]
            if page.next_link is None:
                break
            address = self._within_the_org(page.next_link)
            if not events:
                break
        return found, address

    async def _page(self, address: str) -> Page:
        try:
            return await self._session.read(lambda client: client.fetch(address))
        except UnauthenticatedError as unheard:
            raise UnavailableError(str(unheard), hint=unheard.hint, request_id=unheard.request_id) from None

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
            return us in names_of_actor(event)
        return is_by_us(event)


def _ascending(wanted: str, since: datetime) -> str:
    asked = {"since": stamp(since), "filter": wanted, "sortOrder": "ASCENDING", "limit": str(LARGEST_PAGE)}
    return f"/api/v1/logs?{urlencode(asked)}"


def _descending(wanted: str, since: datetime, limit: int) -> str:
    asked = {"since": stamp(since), "filter": wanted, "sortOrder": "DESCENDING", "limit": str(limit)}
    return f"/api/v1/logs?{urlencode(asked)}"


def _change(event: dict[str, Any]) -> Change:
    found = frozenset(names_of_apps(event))
    return Change(str(event.get("uuid")), str(event.get("eventType")), str(event.get("published")), found)


def _succeeded(event: dict[str, Any]) -> bool:
    return event.get("eventType") == DEACTIVATED and inner(event, "outcome").get("result") == "SUCCESS"
