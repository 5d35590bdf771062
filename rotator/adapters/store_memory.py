"""The Memory port over the state database: when to look at each target next, for all members.

* Since when a target is known never changes while it is remembered.
* What was written since a time is found by the database's clock, and a little from before: a transaction that was
  under way at that time was not seen by then.
* A word of another release is no reason to fail: it costs a look.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from rotator.adapters.store_schema import target
from rotator.adapters.store_sql import now, put
from rotator.core.agenda import Entry, LastLook, Remembered, State
from rotator.core.foresight import Step
from rotator.core.model import Proof, ProofLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from rotator.adapters.store import Store

UNSEEN = timedelta(minutes=1)  # longer than a transaction may last, and clocks may differ
AT_ONCE = 500  # names in one statement
_STATES = {state.value: state for state in State}
_LEVELS = {level.value: level for level in ProofLevel}


class StoreMemory:
    """What is remembered."""

    def __init__(self, store: Store) -> None:
        """Take the database."""
        self._store = store
        self._asked_at: datetime | None = None  # by the database's clock

    async def recall(self) -> tuple[Remembered, ...]:
        """Return what is remembered."""
        return await self._read(since=None)

    async def news(self) -> tuple[Remembered, ...]:
        """Return what was written since this or `recall` was asked last, and somewhat more."""
        return await self._read(since=self._asked_at)

    async def _read(self, since: datetime | None) -> tuple[Remembered, ...]:
        query = select(target) if since is None else select(target).where(target.c.changed_at >= since - UNSEEN)

        def read(connection: Connection) -> tuple[datetime, list[dict[str, Any]]]:
            rows = connection.execute(query)
            names = tuple(rows.keys())  # a mapping of sqlalchemy's takes twice as long to read
            return now(connection), [dict(zip(names, row, strict=True)) for row in rows]

        self._asked_at, rows = await self._store.read(read)
        return tuple([_remembered(row) for row in rows])

    async def remember(self, what: Sequence[Remembered]) -> None:
        """Write these anew, all or none."""

        def write(connection: Connection) -> None:
            at = now(connection)
            put(connection, target, [{**_columns(each), "changed_at": at} for each in what], keep=("known_since",))

        await self._store.write(write)

    async def forget(self, names: Sequence[str]) -> None:
        """Remove these."""

        def remove(connection: Connection) -> None:
            for first in range(0, len(names), AT_ONCE):
                connection.execute(delete(target).where(target.c.name.in_(names[first : first + AT_ONCE])))

        await self._store.write(remove)


def _columns(what: Remembered) -> dict[str, Any]:
    entry = what.entry
    return {
        "name": what.name,
        "settings": what.settings,
        "known_since": what.known_since,
        "next_at": entry.at,
        "state": entry.state.value,
        "failures": entry.failures,
        "soon": entry.soon,
        "overdue_since": entry.overdue_since,
        **_columns_of_look(what.last),
        **_columns_of_proof(what.last.proof if what.last else None),
    }


def _columns_of_look(last: LastLook | None) -> dict[str, Any]:
    step = last and last.step
    return {
        "looked_at": last and last.at,
        "result": last.result if last else "",
        "detail": last.detail if last else "",
        "hint": last.hint if last else "",
        "waiting": last.waiting if last else "",
        "until": last and last.until,
        "secret_id": last and last.secret_id,
        "secret_created": last and last.secret_created,
        "planned": last.planned if last else "",
        "rotated_before": bool(last and last.rotated_before),
        "unreached": bool(last and last.unreached),
        "step": step and step.name,
        "step_secret": step and step.secret,
        "step_why": step and step.why,
        "vault_version": last and last.vault_version,
    }


def _columns_of_proof(proof: Proof | None) -> dict[str, Any]:
    return {
        "proof_level": proof and proof.level.value,
        "proof_detail": proof and proof.detail,
        "proof_at": proof and proof.at,
        "proof_tries": proof and proof.tries,
        "proof_request_id": proof and proof.request_id,
        "proof_unanswered": proof and proof.unanswered,
    }


def _remembered(row: dict[str, Any]) -> Remembered:
    state = _STATES.get(row["state"], State.NEW)
    return Remembered(
        name=row["name"],
        settings=row["settings"],
        known_since=row["known_since"],
        entry=Entry(row["next_at"], state, row["failures"], row["soon"], row["overdue_since"]),
        last=_last_look(row) if row["looked_at"] else None,
    )


def _last_look(row: dict[str, Any]) -> LastLook:
    return LastLook(
        at=row["looked_at"],
        result=row["result"],
        detail=row["detail"],
        hint=row["hint"],
        waiting=row["waiting"],
        until=row["until"],
        secret_id=row["secret_id"],
        secret_created=row["secret_created"],
        planned=row["planned"],
        rotated_before=row["rotated_before"],
        unreached=row["unreached"],
        proof=_proof(row),
        step=Step(row["step"], row["step_secret"], row["step_why"] or "") if row["step"] else None,
        vault_version=row["vault_version"],
    )


def _proof(row: dict[str, Any]) -> Proof | None:
    level = _LEVELS.get(row["proof_level"])
    if level is None:
        return None
    return Proof(
        level=level,
        detail=row["proof_detail"],
        at=row["proof_at"],
        tries=row["proof_tries"],
        request_id=row["proof_request_id"],
        unanswered=row["proof_unanswered"],
    )
