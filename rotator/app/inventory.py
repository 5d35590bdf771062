"""Who the targets are: those of the configuration, and the members of its selections.

* Each org is listed at most once, whatever the number of its selections; by routine calls, since nobody waits for it.
  A few apps that are named by their ids are asked for one by one instead.
* A listing that failed half-way is none.
* Where an org cannot be reached the members known so far are used: a restart while Okta is down works.
* The members are read after the listing, which may take long: what a person decided meanwhile is not undone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core import membership as core
from rotator.core.budget import Haste, in_haste
from rotator.core.membership import next_members, put_off, unlisted
from rotator.core.selection import targets_of
from rotator.errors import ConfigError, MissingError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rotator.core.membership import Notice, Selected
    from rotator.core.model import App, Target
    from rotator.core.selection import Member, Selection, Wanted
    from rotator.ports import Clock, OktaAdmin, Roster

    OktaOf = Callable[[str], OktaAdmin]  # by the org's alias; `ConfigError` if it cannot even be tried

FEW = 20  # apps by their ids, of one org: one call each, and the list may be long

Listing = tuple["App", ...] | RotatorError


@dataclass(frozen=True, slots=True)
class Stock:
    """All targets, the members among them, and what is to be told of the selections."""

    targets: tuple[Target, ...]
    members: tuple[Member, ...]
    notices: tuple[Notice, ...]


async def take_stock(wanted: Wanted, okta_of: OktaOf, roster: Roster, clock: Clock) -> Stock:
    """List the apps of each org that has selections, and return who the targets are now; the roster learns it."""
    orgs = list(dict.fromkeys(selection.target.org for selection in wanted.selections))
    with in_haste(Haste()):
        listed = await asyncio.gather(*(_listing(org, wanted.selections, okta_of) for org in orgs))
    listings = dict(zip(orgs, listed, strict=True))
    known = await roster.members()
    for name in sorted({member.selection for member in known} - {selection.name for selection in wanted.selections}):
        await roster.drop(name)
    now = clock.now()
    selected = [_selected(each, listings[each.target.org], known, now=now) for each in wanted.selections]
    members = tuple(member for each in selected for member in each.members)
    before = set(known)
    if changed := [member for member in members if member not in before]:
        await roster.note(changed)
    return Stock(targets_of(wanted, members), members, tuple(notice for each in selected for notice in each.notices))


async def let_in(roster: Roster, names: Sequence[str]) -> tuple[Member, ...]:
    """Have members do what their policy says, as a person says so; return whom that changed.

    Names are those of members, their app ids, or selections. `MissingError` for a name that nobody has.
    """
    members = await roster.members()
    known = {name for member in members for name in (member.name, str(member.app_id), member.selection)}
    if unknown := [name for name in names if name not in known]:
        raise MissingError(f"no selection has a member {unknown[0]}", hint="`rotator status` names them all.")
    changed = core.let_in(members, names)
    if changed:
        await roster.note(changed)
    return changed


async def _listing(org: str, selections: Sequence[Selection], okta_of: OktaOf) -> Listing:
    """Return the org's apps as far as its selections need them, or why they cannot be known."""
    own = [selection for selection in selections if selection.target.org == org]
    ids = sorted({app_id for selection in own for app_id in selection.apps})
    try:
        okta = okta_of(org)
        if len(ids) > FEW or any(selection.label is not None for selection in own):
            return tuple([app async for app in okta.list_apps()])
        asked = [await okta.get_app(app_id) for app_id in ids]
    except RotatorError as error:
        return error
    return tuple(app for app in asked if app is not None)


def _selected(selection: Selection, listing: Listing, known: Sequence[Member], *, now: datetime) -> Selected:
    own = [member for member in known if member.selection == selection.name]
    match listing:
        case UnavailableError() | ConfigError():
            return put_off(selection, listing, known=own)
        case RotatorError():
            return unlisted(selection, listing, known=own, now=now)
    return next_members(selection, listing, known=own, now=now)
