"""The ports of what all members of a service share: who hears each org's log, the brake, the selections' members.

* An org's log is heard by one member at a time, by the database's clock. Who lost it keeps no place any more: a member
  that slept must not put back what another has heard since.
* The brake is one for all. It keeps its reason until it is released; that of a new state gives way to what the first
  member finds that has looked at everything. Who comes to an end later decides nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select, update

from rotator.adapters.store_schema import brake as brakes
from rotator.adapters.store_schema import cursor, member
from rotator.adapters.store_sql import now, put
from rotator.core.admission import Brake
from rotator.core.history import Place
from rotator.core.selection import Member
from rotator.core.survey import NEW_STATE, SURVEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from rotator.adapters.store import Store

_MEMBER = (
    member.c.selection,
    member.c.app_id,
    member.c.client_id,
    member.c.label,
    member.c.since,
    member.c.newcomer,
    member.c.gone_since,
    member.c.doubted_since,
)


class StoreCursors:
    """How far each org's System Log was heard, as one member asks."""

    def __init__(self, store: Store, owner: str) -> None:
        """Take the member's name: no other may have it."""
        self._store = store
        self._owner = owner

    async def take(self, org: str, *, lasting: timedelta) -> tuple[Place | None] | None:
        """Take the org's log for so long, or prolong that; None if another member has it."""
        return await self._store.write(lambda connection: self._take(connection, org, lasting))

    async def keep(self, org: str, place: Place) -> None:
        """Note how far it was heard, unless another member has taken it since."""
        row = {"org": org, "cursor": place.cursor, "heard_at": place.heard_at}
        free = or_(cursor.c.owner.is_(None), cursor.c.owner == self._owner)
        await self._store.write(lambda connection: put(connection, cursor, [row], where=free))

    def _take(self, connection: Connection, org: str, lasting: timedelta) -> tuple[Place | None] | None:
        at = now(connection)
        free = or_(cursor.c.until.is_(None), cursor.c.until <= at, cursor.c.owner == self._owner)
        if not put(connection, cursor, [{"org": org, "owner": self._owner, "until": at + lasting}], where=free):
            return None
        found = connection.execute(select(cursor.c.cursor, cursor.c.heard_at).where(cursor.c.org == org)).one()
        return (Place(found.cursor, found.heard_at) if found.heard_at else None,)


class StoreBrakes:
    """The one brake."""

    def __init__(self, store: Store) -> None:
        """Take the database."""
        self._store = store

    async def brake(self) -> Brake | None:
        """Return why everything only observes; None if it does not."""
        query = select(brakes.c.since, brakes.c.why, brakes.c.hint).where(brakes.c.pulled)
        found = await self._store.read(lambda connection: connection.execute(query).first())
        return Brake(*found) if found else None

    async def end_survey(self, found: Brake | None, at: datetime) -> None:
        """Set what was found in the place of a new state's brake, or release it; nothing if that is on no more."""
        change = {"since": found.since, "why": found.why, "hint": found.hint} if found else _released(SURVEY, at)
        ended = update(brakes).where(brakes.c.pulled & (brakes.c.why == NEW_STATE)).values(change)
        await self._store.write(lambda connection: connection.execute(ended))

    async def release(self, by: str, at: datetime) -> None:
        """Let everything go on; what the breakers have counted until then counts no more."""
        released = update(brakes).values(_released(by, at))
        await self._store.write(lambda connection: connection.execute(released))


def _released(by: str, at: datetime) -> dict[str, object]:
    return {"pulled": False, "released_by": by, "released_at": at}


class StoreRoster:
    """Which apps each selection matched."""

    def __init__(self, store: Store) -> None:
        """Take the database."""
        self._store = store

    async def members(self) -> tuple[Member, ...]:
        """Return all of them, in the order of selection and app id."""
        rows = await self._store.read(lambda connection: connection.execute(select(*_MEMBER)).all())
        found = (Member(*row) for row in rows)
        return tuple(sorted(found, key=lambda each: (each.selection, each.app_id)))  # no engine's own alphabet

    async def note(self, members: Sequence[Member]) -> None:
        """Write these anew, all or none; the others stay."""
        rows = [{column.name: getattr(each, column.name) for column in _MEMBER} for each in members]
        await self._store.write(lambda connection: put(connection, member, rows))

    async def drop(self, selection: str) -> None:
        """Forget a selection."""
        gone = delete(member).where(member.c.selection == selection)
        await self._store.write(lambda connection: connection.execute(gone))
