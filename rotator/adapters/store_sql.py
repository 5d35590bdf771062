"""What the two engines say differently."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table

_KEY = 0x726F7461746F72  # "rotator": names our advisory lock among those of others


def now(connection: Connection) -> datetime:
    """Return the time by the database's clock: the only one that all members of a service share."""
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)  # its clock is this machine's
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def in_turn(connection: Connection) -> None:
    """Wait until no other transaction is past this point; it lasts until this one ends."""
    if connection.dialect.name == "postgresql":  # SQLite has let nobody else begin
        connection.execute(select(func.pg_advisory_xact_lock(_KEY)))


def put(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: Collection[str] = (),
    raised: Collection[str] = (),
    where: ColumnElement[bool] | None = None,
) -> int:
    """Insert rows, or write those anew that are there, but for the columns to keep; return how many were written.

    `raised`: columns that count up by one instead. `where`: of those that are there, only those that meet it.
    """
    if not rows:
        return 0
    insert = _insert_of(connection.dialect.name)(table)
    keys = [column.name for column in table.primary_key]
    changes = {name: insert.excluded[name] for name in rows[0] if name not in {*keys, *keep}}
    changes |= {name: table.c[name] + 1 for name in raised}
    statement = insert.on_conflict_do_update(index_elements=keys, set_=changes, where=where)
    return connection.execute(statement.execution_options(preserve_rowcount=True), list(rows)).rowcount


def _insert_of(dialect: str) -> Callable[[Table], Any]:
    """Return the engine's own way to insert. Who only reads needs neither, and PostgreSQL's takes a while to import."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415
    return insert
