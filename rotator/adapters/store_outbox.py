"""The Outbox port over the state database: what was told, what is to be told, and who sends through which channel.

* What is due is decided elsewhere (`core.notices`), in one transaction with what was told, one at a time over all
  processes: two members that see the same tell it once.
* A channel is sent through by one member at a time, by the database's clock. Who is killed in the middle leaves its
  notices; another takes them when the time is up. Who slept and has sent all the same notes that.
* A look that changes nothing costs one read.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select, update

from rotator.adapters.store_schema import channel as channels
from rotator.adapters.store_schema import notice as box
from rotator.adapters.store_schema import standing as told
from rotator.adapters.store_sql import in_turn, now, put
from rotator.core.notices import LARGEST_DIGEST, WINDOW, Batch, Kind, Notice, Standing, Subject, decide, how_many
from rotator.redaction import redact_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Connection, Row

    from rotator.adapters.store import Store
    from rotator.core.notices import Rules, Sight
    from rotator.ports import Clock

KEPT = timedelta(days=7)
_STANDING = (told.c.subject, told.c.kind, told.c.what, told.c.since, told.c.told_at, told.c.seen_at)


class StoreOutbox:
    """The box, as one member uses it."""

    def __init__(self, store: Store, clock: Clock, owner: str, retention: timedelta = KEPT) -> None:
        """Take the member's name, which no other may have, and for how long notices are kept."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._retention = retention

    # --- into it ------------------------------------------------------------------------------------------

    async def standing(self) -> tuple[Standing, ...]:
        """Return all that was told and lasts."""
        return await self._store.read(_standing)

    async def tell(self, sight: Sight, rules: Rules) -> int:
        """Put what is due after a look into the box; return how many."""
        name = sight.subject.name
        if not decide(await self._store.read(lambda at: _standing(at, name)), sight, rules):
            return 0
        return await self._store.write(lambda connection: _tell(connection, sight, rules))

    async def forget(self, subjects: Sequence[str]) -> None:
        """Forget what stands of these."""
        gone = delete(told).where(told.c.subject.in_(subjects))
        await self._store.write(lambda connection: connection.execute(gone))

    # --- out of it ----------------------------------------------------------------------------------------

    async def waiting(self) -> Mapping[str, int]:
        """Return how many wait, by channel."""
        query = select(box.c.channel, func.count()).where(box.c.ended_at.is_(None)).group_by(box.c.channel)
        rows = await self._store.read(lambda connection: connection.execute(query).all())
        return {row[0]: row[1] for row in rows}

    async def take(self, channel: str, at_most: int, *, lasting: timedelta) -> Batch | None:
        """Take the channel for so long, and what its next message holds."""
        return await self._store.write(lambda connection: self._take(connection, channel, at_most, lasting))

    async def sent(self, batch: Batch) -> None:
        """Note that it was sent, and give the channel back."""
        await self._store.write(lambda connection: self._ended(connection, batch, leads=True))

    async def put_off(self, batch: Batch, until: datetime) -> None:
        """Note that it was not, and when it is tried again."""
        change = {"owner": None, "until": None, "tries": batch.tries + 1, "next_at": until}
        await self._store.write(lambda connection: self._give_back(connection, batch.channel, change))

    async def give_up(self, batch: Batch) -> None:
        """Note that it is not going to be sent."""
        await self._store.write(lambda connection: self._ended(connection, batch, leads=False))

    async def prune(self) -> None:
        """Remove what is older than is kept: sent or, of a channel that is gone, not."""
        old = delete(box).where(box.c.at < self._clock.now() - self._retention)
        await self._store.write(lambda connection: connection.execute(old))

    def _take(self, connection: Connection, channel: str, at_most: int, lasting: timedelta) -> Batch | None:
        at, our_time = now(connection), self._clock.now()
        known = connection.execute(select(channels).where(channels.c.name == channel)).first()
        if known is not None and known.next_at is not None and known.next_at > our_time:
            return None
        lately = (box.c.channel == channel) & box.c.leads & (box.c.ended_at > our_time - WINDOW)
        sent = connection.scalar(select(func.count()).where(lately)) or 0
        waiting = (box.c.channel == channel) & box.c.ended_at.is_(None)
        query = select(box).where(waiting).order_by(box.c.number).limit(LARGEST_DIGEST)
        found = connection.execute(query).all()
        rows = found[: how_many(len(found), sent, at_most)]
        if not rows:
            return None
        free = or_(channels.c.until.is_(None), channels.c.until <= at, channels.c.owner == self._owner)
        row = {"name": channel, "owner": self._owner, "until": at + lasting, "tries": 0}
        if not put(connection, channels, [row], keep=("tries",), where=free):
            return None
        tries = known.tries if known is not None else 0
        return Batch(channel, tuple(each.number for each in rows), tuple(map(_notice, rows)), tries)

    def _ended(self, connection: Connection, batch: Batch, *, leads: bool) -> None:
        ended = update(box).where(box.c.number.in_(batch.numbers))
        connection.execute(ended.values(ended_at=self._clock.now()))
        connection.execute(update(box).where(box.c.number == batch.numbers[0]).values(leads=leads))
        self._give_back(connection, batch.channel, {"owner": None, "until": None, "tries": 0, "next_at": None})

    def _give_back(self, connection: Connection, channel: str, change: Mapping[str, Any]) -> None:
        ours = (channels.c.name == channel) & (channels.c.owner == self._owner)
        connection.execute(update(channels).where(ours).values(change))


def _standing(connection: Connection, subject: str | None = None) -> tuple[Standing, ...]:
    query = select(*_STANDING)
    rows = connection.execute(query if subject is None else query.where(told.c.subject == subject))
    known = {kind.value for kind in Kind}
    return tuple(Standing(row[0], Kind(row[1]), *row[2:]) for row in rows if row[1] in known)


def _tell(connection: Connection, sight: Sight, rules: Rules) -> int:
    in_turn(connection)
    verdict = decide(_standing(connection, sight.subject.name), sight, rules)
    for each in verdict.keep:
        row = {column.name: getattr(each, column.name) for column in _STANDING}
        put(connection, told, [row | {"kind": each.kind.value}])
    if verdict.drop:
        over = (told.c.subject == sight.subject.name) & told.c.kind.in_([kind.value for kind in verdict.drop])
        connection.execute(delete(told).where(over))
    if verdict.notices:
        connection.execute(insert(box), [_row(channel, notice) for channel, notice in verdict.notices])
    return len(verdict.notices)


def _row(channel: str, notice: Notice) -> dict[str, Any]:
    subject = notice.subject
    return {
        "channel": channel,
        "id": notice.id,
        "kind": notice.kind.value,
        "of": notice.of.value if notice.of else None,
        "subject": subject.name,
        "org": subject.org,
        "app_id": subject.app_id,
        "policy": subject.policy,
        "at": notice.at,
        "since": notice.since,
        "detail": redact_values(notice.detail),
        "hint": redact_values(notice.hint),
        "leads": False,
    }


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        id=row.id,
        kind=Kind(row.kind),
        subject=Subject(row.subject, row.org, row.app_id, row.policy),
        at=row.at,
        since=row.since,
        detail=row.detail,
        hint=row.hint,
        of=Kind(row.of) if row.of else None,
    )
