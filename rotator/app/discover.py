"""The inventory of an org: every app that has client secrets, their age and use, and who keeps them fresh.

* The list of apps is read anew each time: a call for 200 apps. The secrets of an app are the costly question, one call
  of the small bucket and one entry in Okta's log; an answer is written down at once and never asked for again, unless
  a person wants it anew. So a run that was killed goes on where it was.
* The log is asked before the secrets, for many clients in one query. A busy client fills the page: the others are then
  asked for without it, so there are at most as many queries as clients. What is still open about an app with two
  secrets is asked for by itself.
* Where the log does not say, use is not known; the inventory goes on.
* An org that has not answered, or has refused, a few times in a row is left alone: what was found stays found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rotator.core.budget import Haste, in_haste
from rotator.core.inventory import BATCH, Entry, keepers, with_secrets
from rotator.core.last_use import holding_of, names_of, refusals_unseen, trails_of, unseen_hashes
from rotator.errors import MissingError, RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from rotator.core.budget import Window
    from rotator.core.last_use import Holding, Request, Requests, Trail
    from rotator.core.model import App, AppId
    from rotator.core.selection import Member, Wanted
    from rotator.ports import ClientLog, Clock, Notebook, OktaAdmin

RETENTION = timedelta(days=90)  # of the System Log
PATIENCE = timedelta(minutes=10)  # for a turn: others may be there, and nobody waits for us
ENOUGH = 3  # answers missed or refused in a row


@dataclass(frozen=True, slots=True)
class Registry:
    """How one org is asked, and what of it is known already."""

    host: str
    okta: OktaAdmin
    clients: ClientLog
    notebook: Notebook
    window: Callable[[], Window | None]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Survey:
    """The apps of an org that may have secrets, before anything costly was asked. `others` have none."""

    org: str
    entries: tuple[Entry, ...] = ()
    others: int = 0
    window: Window | None = None
    error: RotatorError | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: the entries anew, and why the log or the org could not be asked to the end."""

    entries: tuple[Entry, ...]
    log_error: RotatorError | None = None
    error: RotatorError | None = None


async def survey(
    org: str, registry_of: Callable[[str], Registry], wanted: Wanted, *, members: Sequence[Member]
) -> Survey:
    """List the apps of an org, with who keeps each and what was found of it before."""
    try:
        registry = registry_of(org)
        with in_haste(Haste(waits=PATIENCE)):
            listed = [app async for app in registry.okta.list_apps()]
        known = registry.notebook.recall()
    except RotatorError as error:
        return Survey(org, error=error)
    apps = with_secrets(listed)
    kept = keepers(wanted, registry.host, apps, members=members, now=registry.clock.now())
    entries = (Entry(org, app, kept.get(app.id), known.get(app.id), cached=app.id in known) for app in apps)
    return Survey(org, tuple(entries), len(listed) - len(apps), registry.window())


async def ask(registry: Registry, entries: Sequence[Entry], asked: Callable[[Entry], None]) -> Asked:
    """Ask for the secrets of these apps, one after the other, and tell `asked` of each."""
    found: list[Entry] = []
    log = _Log(registry.clients, registry.clock.now() - RETENTION)
    missed: list[RotatorError] = []
    with in_haste(Haste(waits=PATIENCE)), registry.notebook.open() as write_down:
        for first in range(0, len(entries), BATCH):
            batch = entries[first : first + BATCH]
            trails = await log.trails([entry.app for entry in batch])
            for entry in batch:
                if len(missed) == ENOUGH:
                    return Asked(tuple(found), log.error, missed[-1])
                try:
                    holding = await _holding(registry, entry.app, log, trails[entry.app.id], write_down)
                    found.append(replace(entry, holding=holding, cached=False))
                    missed.clear()
                except (RefusedError, UnavailableError) as error:
                    found.append(replace(entry, failed=str(error)))
                    missed += [] if isinstance(error, MissingError) else [error]
                asked(found[-1])
    return Asked(tuple(found), log.error)


async def _holding(
    registry: Registry, app: App, log: _Log, trail: Trail | None, write_down: Callable[[Holding], None]
) -> Holding:
    secrets = await registry.okta.list_secrets(app.id)
    holding = holding_of(app, secrets, trail, at=registry.clock.now())
    write_down(holding)  # before the log is asked again: a listing is not to be lost with it
    if trail is None:
        return holding
    more = trail
    if hashes := unseen_hashes(secrets, trail):
        more = await log.with_hashes(more, hashes)
    if refusals_unseen(secrets, trail):
        more = await log.with_refusals(more, app)
    if more is not trail:
        holding = holding_of(app, secrets, more, at=holding.asked_at)
        write_down(holding)
    return holding


class _Log:
    """The questions to the log; none any more once it said that we may not ask."""

    def __init__(self, clients: ClientLog, since: datetime) -> None:
        self._clients = clients
        self._since = since
        self.error: RotatorError | None = None

    async def trails(self, apps: Sequence[App]) -> dict[AppId, Trail | None]:
        """Return what the log says of each of these clients; None where it says nothing that could be used."""
        found: list[Request] = []
        whole: Sequence[App] = ()
        pending = list(apps)
        while pending:
            page = await self._asked(partial(self._clients.of_clients, pending, self._since))
            found += page.found if page else ()
            if page and page.whole:
                whole, pending = pending, []
            elif page and len(rest := _not_in(page, pending)) < len(pending):
                pending = rest
            else:
                break
        silent = {app.id for app in pending}
        trails = trails_of(apps, found, whole=(app.id for app in whole), since=self._since)
        return {app.id: None if app.id in silent else trail for app, trail in zip(apps, trails, strict=True)}

    async def with_hashes(self, trail: Trail, hashes: Sequence[str]) -> Trail:
        """Return the trail with the last use of the secrets with these hashes."""
        for each in hashes:
            page = await self._asked(partial(self._clients.of_hashes, [each], self._since))
            trail = trail.with_more(page, known=[each]) if page else trail
        return trail

    async def with_refusals(self, trail: Trail, app: App) -> Trail:
        """Return the trail with the last refusals of the client."""
        page = await self._asked(partial(self._clients.of_clients, [app], self._since, refused=True))
        return trail.with_more(page) if page else trail

    async def _asked(self, question: Callable[[], Awaitable[Requests]]) -> Requests | None:
        """Return the answer; None where there is none."""
        if isinstance(self.error, RefusedError):
            return None
        try:
            return await question()
        except RotatorError as error:
            self.error = error
            return None


def _not_in(page: Requests, apps: Sequence[App]) -> list[App]:
    """Return the clients of which nothing stands on the page."""
    met = {name for request in page.found for name in request.client}
    return [app for app in apps if names_of(app).isdisjoint(met)]
