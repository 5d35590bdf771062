"""The Journal port over the state database: a row before each effect, and one after it.

* Before an effect the row must be written, or the effect does not begin.
* After it nothing may fail any more: a row that cannot be written is told to the log, which has the rest as well.
* Each row is chained to the one before it (`core.chain`), one transaction at a time, so that members make one chain.
* Each row that was written is told to the log whole, which outlives the file: its text is made fit for that first, so
  that the row in the log has the hash of the row in the database.
* What is kept no longer goes from the old end of the chain alone, and its newest row never.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import delete, func, insert, select, update

from rotator.adapters.store_schema import audit
from rotator.adapters.store_sql import in_turn
from rotator.core.chain import BEGINNING, as_json, chained
from rotator.core.history import Row
from rotator.errors import RotatorError
from rotator.printable import printable
from rotator.redaction import redact

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
        return await self._append({"at": deed.at, "phase": "begins", "detail": "", **_columns(deed)})

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
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
            await self._append(row)
        except RotatorError as failure:
            log.warning("audit_not_written", target=deed.target, step=deed.step, how=how.value, cause=str(failure))

    async def prune(self) -> None:
        """Remove what is older than the retention, up to the first row that is not."""
        young = select(func.min(audit.c.number)).where(audit.c.at >= self._clock.now() - self._retention)
        newest = select(func.max(audit.c.number))
        kept_from = func.coalesce(young.scalar_subquery(), newest.scalar_subquery())
        await self._store.write(lambda connection: connection.execute(delete(audit).where(audit.c.number < kept_from)))

    async def _append(self, columns: dict[str, Any]) -> int:
        fit = {name: _fit(value) for name, value in columns.items()}
        row = await self._store.write(lambda connection: _chained(connection, fit))
        log.info("audit", **{name: value for name, value in as_json(row).items() if value is not None})
        return row.number


def _fit(value: Any) -> Any:
    """Return text as the log shows it, and times in UTC. What may not be kept at all is refused by the tables."""
    if isinstance(value, str):
        return redact(printable(value))
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _chained(connection: Connection, columns: dict[str, Any]) -> Row:
    """Write the row behind the last one. It gets its number from the database, and only then its hash."""
    in_turn(connection)
    last = connection.execute(select(audit.c.hash).order_by(audit.c.number.desc()).limit(1)).scalar()
    key = connection.execute(insert(audit), columns).inserted_primary_key
    assert key is not None
    row = chained(
        Row(**{"begun": None, "how": None, "request_id": None, **columns, "number": key[0]}), last or BEGINNING
    )
    seal = update(audit).where(audit.c.number == row.number).values(previous=row.previous, hash=row.hash)
    connection.execute(seal)
    return row


def _columns(deed: Deed) -> dict[str, Any]:
    return {
        "target": deed.target,
        "org": deed.org,
        "app_id": deed.app_id,
        "step": deed.step,
        "actor": deed.actor,
        "rotation_id": deed.rotation,
        "reason": deed.reason,
        "secret_id": deed.secret,
        "path": deed.path or None,
        "version": deed.version,
        "proof": deed.proof.value if deed.proof else None,
    }
