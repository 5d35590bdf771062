"""The Journal port over the state database: a row before each effect, and one after it.

* Before an effect the row must be written, or the effect does not begin.
* After it nothing may fail any more: a row that cannot be written is told to the log, which has the rest as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import delete, insert

from rotator.adapters.store_schema import audit
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rotator.adapters.store import Store
    from rotator.core.history import Deed, Ended
    from rotator.ports import Clock

KEPT = timedelta(days=400)  # a year's audit can still be answered a month late
log = structlog.get_logger()


class StoreJournal:
    """The audit."""

    def __init__(self, store: Store, clock: Clock, retention: timedelta = KEPT) -> None:
        """Take for how long rows are kept."""
        self._store = store
        self._clock = clock
        self._retention = retention

    async def begins(self, deed: Deed) -> int:
        """Write it down and return its number."""
        row = {"at": deed.at, "phase": "begins", "detail": "", **_columns(deed)}
        return await self._store.write(lambda connection: _written(connection, row))

    async def ended(self, number: int, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None) -> None:
        """Write down how it ended. It never raises."""
        row = {
            "at": self._clock.now(),
            "begun": number,
            "phase": "ended",
            "how": how.value,
            "detail": detail,
            "request_id": request_id,
            **_columns(deed),
        }
        try:
            await self._store.write(lambda connection: _written(connection, row))
        except RotatorError as failure:
            log.warning("audit_not_written", target=deed.target, step=deed.step, how=how.value, cause=str(failure))

    async def prune(self) -> None:
        """Remove what is older than the retention."""
        old = delete(audit).where(audit.c.at < self._clock.now() - self._retention)
        await self._store.write(lambda connection: connection.execute(old))


def _written(connection: Connection, row: dict[str, Any]) -> int:
    key = connection.execute(insert(audit), row).inserted_primary_key
    assert key is not None
    number: int = key[0]
    return number


def _columns(deed: Deed) -> dict[str, Any]:
    return {
        "target": deed.target,
        "org": deed.org,
        "app_id": deed.app_id,
        "step": deed.step,
        "actor": deed.actor,
        "rotation_id": deed.rotation,
        "reason": deed.reason,
    }
