"""The Chronicle port over the state database: the audit, read in pages.

* Pages go by the rows' numbers, so that rows which are written meanwhile shift nothing.
* "Since" a time means from the first row of that time on: members' clocks differ, and a page has no holes.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from rotator.adapters.store_schema import audit
from rotator.core.history import Row

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.adapters.store import Store

PAGE = 500
_COLUMNS = tuple(audit.c[each.name] for each in fields(Row))


class StoreChronicle:
    """The audit, to be read."""

    def __init__(self, store: Store, page: int = PAGE) -> None:
        """Take how many rows a page has at most."""
        self._store = store
        self._page = page

    async def rows(
        self, *, after: int = 0, target: str | None = None, since: datetime | None = None
    ) -> tuple[Row, ...]:
        """Return the next rows after that number; none at the end."""
        query = select(*_COLUMNS).where(audit.c.number > after).order_by(audit.c.number).limit(self._page)
        if target is not None:
            query = query.where(or_(audit.c.target == target, audit.c.app_id == target))
        if since is not None:
            first = select(func.min(audit.c.number)).where(audit.c.at >= since)
            query = query.where(audit.c.number >= first.scalar_subquery())
        found = await self._store.read(lambda connection: connection.execute(query).all())
        return tuple(Row(*row) for row in found)
