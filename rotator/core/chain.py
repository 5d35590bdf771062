"""The audit's chain: each row carries the hash of the row before it, and its own over that and all its fields. Pure.

* The hash is SHA-256 over JSON with sorted keys, without spaces, in ASCII; times are in UTC.
* A row that was changed, removed from between, moved or added breaks the chain at the first row that shows it.
* The chain may begin anywhere: older rows are pruned. What the first row follows is its anchor, taken as it is.
* Rows without a hash are older than the chain. After the chain has begun, or before an anchor, there are none.
* The newest rows can be cut off without a trace in the rest: only another record, such as the log, tells of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rotator.core.history import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BEGINNING = ""  # what the first row of all follows
_NAMES = tuple(each.name for each in fields(Row))
_NUMBERS = frozenset({"number", "begun", "version"})
_NEVER_NONE = frozenset({"number", "target", "org", "app_id", "step", "phase", "detail", "actor", "reason"})


@dataclass(frozen=True, slots=True)
class Whole:
    """As far as it was followed the chain is whole."""

    rows: int = 0  # of the chain
    unchained: int = 0  # before it
    first: int | None = None
    last: int | None = None
    anchor: str = BEGINNING  # what the first row follows
    head: str = BEGINNING  # the hash of the last row


@dataclass(frozen=True, slots=True)
class Broken:
    """The first row that shows that something was done to the chain."""

    number: int
    why: str


def chained(row: Row, previous: str) -> Row:
    """Return the row as it follows that hash."""
    follows = replace(row, previous=previous, hash=None)
    return replace(follows, hash=digest(follows))


def digest(row: Row) -> str:
    """Return the hash over all fields of the row but itself."""
    covered = {name: value for name, value in as_json(row).items() if name != "hash"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def verify(rows: Iterable[Row], so_far: Whole | None = None) -> Whole | Broken:
    """Follow the chain over rows, oldest first; `so_far` is what came of those before them."""
    so_far = so_far or Whole()
    for row in rows:
        if why := _wrong(row, so_far):
            return Broken(row.number, why)
        so_far = _one_further(row, so_far)
    return so_far


def differing(told: Mapping[int, str | None], found: Mapping[int, str | None]) -> Broken | None:
    """Return the first row whose hash is not as another record tells it; what is older than all is pruned."""
    for number in sorted(told):
        if found and number < min(found):
            continue
        if number not in found:
            return Broken(number, "the other record has it, it is not here")
        if found[number] != told[number]:
            return Broken(number, "the other record tells it otherwise")
    return None


def as_json(row: Row) -> dict[str, Any]:
    """Return the row for a file: all of its fields."""
    told = {name: getattr(row, name) for name in _NAMES}
    return told | {"at": row.at.astimezone(UTC).isoformat()}


def from_json(told: Mapping[str, Any]) -> Row:
    """Return the row that a file tells, whatever else is told with it; `ValueError` if it is none."""
    values = {name: _checked(name, told.get(name)) for name in _NAMES if name != "at"}
    at = told.get("at")
    moment = datetime.fromisoformat(at) if isinstance(at, str) else None
    if moment is None or moment.tzinfo is None:
        raise ValueError("`at` is no time with a zone")
    return Row(at=moment, **values)


def _checked(name: str, value: object) -> Any:
    if value is None and name not in _NEVER_NONE:
        return None
    wanted = int if name in _NUMBERS else str
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"`{name}` is missing" if value is None else f"`{name}` is nothing that was ever written")  # noqa: TRY004
    return value


def _wrong(row: Row, so_far: Whole) -> str:
    if so_far.last is not None and row.number <= so_far.last:
        return f"it stands after row {so_far.last}"
    if row.hash is None:
        return "it has no hash, but a row before it has" if so_far.rows else ""
    if row.hash != digest(row):
        return "it is not as it was written"
    if so_far.rows == 0:
        return "what it follows has lost its hash" if so_far.unchained and row.previous != BEGINNING else ""
    if row.previous != so_far.head:
        return f"it does not follow row {so_far.last}: one between them is gone, or one was added"
    return ""


def _one_further(row: Row, so_far: Whole) -> Whole:
    if row.hash is None:
        return replace(so_far, unchained=so_far.unchained + 1, last=row.number)
    begins = so_far.rows == 0
    return Whole(
        rows=so_far.rows + 1,
        unchained=so_far.unchained,
        first=row.number if begins else so_far.first,
        last=row.number,
        anchor=(row.previous or BEGINNING) if begins else so_far.anchor,
        head=row.hash,
    )
