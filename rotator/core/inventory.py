"""The apps of an org that have client secrets: who keeps each fresh, what of them is known, and what asking costs.

* An app is kept by a target of the configuration, or by a selection that means it and takes it; the target first.
* A member that a listing has not brought yet is what a listing would make of it: a newcomer, unless the selection says
  otherwise.
* What is asked first is what most likely nobody looks after: active, unmanaged, old.
* The cost is told by Okta's own figures: its limit, what others leave of it, and our share of that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from math import ceil
from typing import TYPE_CHECKING

from rotator.core.model import Mode
from rotator.core.selection import Member, Newcomers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rotator.core.budget import Window
    from rotator.core.last_use import Holding
    from rotator.core.model import App, AppId, Policy
    from rotator.core.selection import Selection, Wanted

BATCH = 20  # clients of one query of the System Log: their names must fit into its address
WINDOW = timedelta(minutes=1)  # Okta counts by the minute
AT_BEST = timedelta(seconds=0.5)  # a listing where no limit makes it wait


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps an app's secret fresh: a target or a member. `only_observed`: why it does not, and what to do."""

    name: str
    policy: Policy
    only_observed: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An app of the inventory. Without a holding it was not asked, or (`failed`) asking ended so."""

    org: str
    app: App
    keeper: Keeper | None = None
    holding: Holding | None = None
    cached: bool = False
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which apps are meant."""

    label: str | None = None  # a pattern, as of a shell
    unmanaged: bool = False

    def means(self, entry: Entry) -> bool:
        """Say whether the app is meant."""
        if self.unmanaged and entry.keeper is not None:
            return False
        return self.label is None or fnmatchcase(entry.app.label, self.label)


@dataclass(frozen=True, slots=True)
class Cost:
    """What asking takes. `each_minute` of the listings are ours; None where Okta tells of no limit."""

    listings: int
    queries: int
    each_minute: int | None
    takes: timedelta


def with_secrets(apps: Iterable[App]) -> tuple[App, ...]:
    """Return the apps that may have client secrets: those that authenticate with one, active or not."""
    return tuple(app for app in apps if app.sign_on_mode == "OPENID_CONNECT" and app.auth_method.uses_secret)


def keepers(
    wanted: Wanted, host: str, apps: Sequence[App], *, members: Iterable[Member], now: datetime
) -> Mapping[AppId, Keeper]:
    """Return who keeps which of an org's apps; `host` is the org's, whatever aliases lead to it."""
    orgs = wanted.sites.orgs
    known = {(member.selection, member.app_id): member for member in members}
    found: dict[AppId, Keeper] = {}
    for target in wanted.targets:
        if orgs[target.org] == host:
            found.setdefault(target.app_id, _keeper(target.name, target.policy, target.only_observed))
    for selection in wanted.selections:
        if orgs[selection.target.org] != host:
            continue
        for app in apps:
            if selection.means(app.id, app.label) and selection.takes(app):
                member = known.get((selection.name, app.id)) or _newcomer(selection, app, now)
                found.setdefault(app.id, _kept(selection, member))
    return found


def in_order_of_asking(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return them with those first that most likely nobody looks after."""
    return tuple(
        sorted(
            entries,
            key=lambda each: (
                each.app.status != "ACTIVE",
                each.keeper is not None,
                each.app.created.timestamp() if each.app.created else 0.0,
                each.app.id,
            ),
        )
    )


def cost_of(listings: int, window: Window | None, *, share: float, now: datetime) -> Cost:
    """Return what so many listings of secrets take, by what the last answers said of their bucket."""
    queries = ceil(listings / BATCH)
    if window is None:
        return Cost(listings, queries, None, listings * AT_BEST)
    over = now >= window.opens
    others_leave = window.limit if over else min(window.limit, window.ours + window.left)
    each_minute = max(1, int(window.limit * share + 1e-9))
    at_once = max(0, int(others_leave * share + 1e-9) - (0 if over else window.ours))
    if listings <= at_once:
        return Cost(listings, queries, each_minute, listings * AT_BEST)
    begins = timedelta(0) if over else window.opens - now
    full, rest = divmod(listings - at_once - 1, each_minute)
    last = min((rest + 1) * AT_BEST, WINDOW)
    return Cost(listings, queries, each_minute, max(begins, timedelta(0)) + full * WINDOW + last)


# ----------------------------------------------------------------------------------------------------------


def _kept(selection: Selection, member: Member) -> Keeper:
    target = selection.target_of(replace(member, gone_since=None))  # it is there now
    return _keeper(target.name, target.policy, target.only_observed)


def _keeper(name: str, policy: Policy, only_observed: str) -> Keeper:
    if not only_observed and policy.mode is Mode.OBSERVE:
        only_observed = f"its policy `{policy.name}` observes; `mode: auto` or `manual` lets it act"
    return Keeper(name, policy, only_observed)


def _newcomer(selection: Selection, app: App, now: datetime) -> Member:
    newcomer = selection.newcomers is Newcomers.OBSERVE
    return Member(selection.name, app.id, app.client_id, app.label, now, newcomer=newcomer)
