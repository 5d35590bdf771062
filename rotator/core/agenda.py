"""When to look at a target next. What is due is never kept here: only Okta and Vault know, and each look asks them.

* A rest that ends is looked at when it ends. Without that, each target has a moment of its own in every `resync`, by
  its name: many do not come at once, and a restart does not move it.
* What ends for many at the same time is spread over a few minutes, unless a maintenance window bounds it: that may be
  shorter than the spread.
* What waits its turn (`core.admission`) stands in a queue: it is looked at when the gate may be asked again.
* A failure waits by the table of `backoff`, where only a person can help from a minute on. At the table's end the
  target is parked: looked at four times a day.
* A time further ahead than anything here plans was left by a clock that has gone back since: it is due.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import Blocked, Rest, Waiting
from rotator.errors import BusyError, ConfigError, InvariantError, RateLimitedError, RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.actions import Ending
    from rotator.core.foresight import Step
    from rotator.core.model import Proof, SecretId, Target

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SPREAD = timedelta(minutes=5)
LONGEST_LIMIT = timedelta(hours=1)  # of a rate limit: more than any window of Okta's, whatever a header says
SOON = frozenset({Waiting.ATTEMPT, Waiting.VERIFICATION})  # a rotation is under way
AT_A_TIME = frozenset({Waiting.NEXT_ROTATION, Waiting.OVERLAP, Waiting.SOAK, Waiting.WINDOW})
BUSY = timedelta(seconds=5)  # whoever holds a target holds it for seconds, and may have died
SHORTEST = timedelta(seconds=1)  # a time that has come already must not make a tight loop
ASKING = 4  # of one policy's queue may ask for their turn at the same time
_FIELDS: dict[type, tuple[str, ...] | None] = {}  # of each kind of value that was spelled out
ROWS_FOR_A_PERSON = 5  # of the table: the seconds that are for servers to catch up


class State(enum.Enum):
    """How a target stands after the last look. The value is what operators see."""

    NEW = "not looked at yet"
    RESTING = "resting"
    WORKING = "under way"
    QUEUED = "waiting its turn"
    STOPPED = "stopped by a breaker"
    PAUSED = "paused"
    BLOCKED = "blocked"
    BUSY = "busy elsewhere"
    HELD = "held"  # its org or its Vault cannot be reached
    FAILING = "failing"
    PARKED = "parked"


HELD_BACK = {Waiting.TURN: State.QUEUED, Waiting.BREAKER: State.STOPPED}  # due, and let begin by the gate alone


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look where nothing else says when."""

    tick: timedelta = timedelta(seconds=30)
    resync: timedelta = timedelta(days=1)
    blocked: timedelta = timedelta(hours=1)  # a person may have acted

    @property
    def furthest(self) -> timedelta:
        """No plan reaches further ahead than this."""
        return max(self.resync, self.blocked, LONGEST_LIMIT, backoff.LONGEST) + SPREAD


@dataclass(frozen=True, slots=True)
class Entry:
    """When to look at a target next, and why then. `failures` in a row; `soon`: before those that only rest.

    `overdue_since`: since when its secret is due for rotation, as far as the last look told; who has waited longest
    comes first.
    """

    at: datetime
    state: State = State.NEW
    failures: int = 0
    soon: bool = False
    overdue_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastLook:
    """How the last pass over a target ended. `result` is a word; `detail` and `hint` are for people."""

    at: datetime
    result: str  # resting, blocked, error: the sort of ending
    detail: str = ""
    hint: str = ""
    waiting: str = ""  # what a rest waits for
    until: datetime | None = None  # when that rest ends; None if somebody has to act
    secret_id: SecretId | None = None  # the active one that consumers read
    secret_created: datetime | None = None
    proof: Proof | None = None  # of it, in this pass
    planned: str = ""  # what was left undone because nothing may be done
    rotated_before: bool = False  # the staging record shows values that we made
    unreached: bool = False  # Okta, Vault or the state gave no answer
    step: Step | None = None  # what was left undone, or what the rest will end in
    vault_version: int | None = None  # of the consumer path


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is worth knowing of a target after a restart, and for other members. Losing it costs a look.

    `settings` is a digest of the target's configuration: where that changed, it is looked at at once.
    """

    name: str
    settings: str
    known_since: datetime
    entry: Entry
    last: LastLook | None = None


def digest_of(target: Target, known: dict[int, str] | None = None) -> str:
    """Return what the target's configuration comes to, the same in every process.

    `known` keeps what is spelled out already of parts that targets share; they must outlive it.
    """
    return hashlib.sha256(_spelled(target, {} if known is None else known).encode()).hexdigest()[:16]


def digests_of(targets: Sequence[Target]) -> dict[str, str]:
    """Return the digest of each, by name: what many share is spelled out once."""
    known: dict[int, str] = {}
    return {target.name: digest_of(target, known) for target in targets}


def is_due(entry: Entry, now: datetime, pace: Pace) -> bool:
    """Say whether it is time to look."""
    return entry.at <= now or entry.at > now + pace.furthest


def place_of(name: str) -> float:
    """Return the target's own place in [0, 1), the same in every process."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def next_turn(name: str, now: datetime, every: timedelta) -> datetime:
    """Return the first moment of the target's own after now, of those that come so often."""
    phase = every * place_of(name)
    turns = (now - EPOCH - phase) // every + 1
    return EPOCH + phase + turns * every


def next_entry(
    target: Target, ending: Ending | RotatorError, *, before: Entry, now: datetime, pace: Pace, spread: float
) -> Entry:
    """Return when to look at the target again after a pass that ended so; `spread` in [0, 1] is where jitter fell."""
    match ending:
        case Rest(waiting=Waiting.PAUSED):
            return Entry(_resync(target, now, pace), State.PAUSED)
        case Rest(until=until, waiting=waiting) if until is not None and waiting in SOON:
            return Entry(max(until, now + SHORTEST), State.WORKING, soon=True)
        case Rest(until=until, waiting=waiting) if waiting in HELD_BACK:
            again = max(until or now + pace.blocked, now + SHORTEST)
            return Entry(min(again, now + pace.furthest - SPREAD), HELD_BACK[waiting])
        case Rest():
            ends = max(end_of(ending, target, pace), now + SHORTEST)
            return Entry(min(ends, _resync(target, now, pace)), State.RESTING)
        case Blocked():
            return Entry(now + min(pace.blocked, pace.resync) * (1 - 0.1 * spread), State.BLOCKED)
        case BusyError():
            return Entry(now + min(pace.tick, BUSY), State.BUSY, before.failures)
        case RateLimitedError(retry_at=opens) if opens is not None:
            return Entry(
                min(max(opens, now + SHORTEST), now + LONGEST_LIMIT), before.state, before.failures, before.soon
            )
    failures = before.failures + 1
    row = failures + (ROWS_FOR_A_PERSON if needs_a_person(ending) else 0)
    state = State.PARKED if row >= backoff.ROWS else State.FAILING
    return Entry(now + backoff.delay(row, spread), state, failures)


def needs_a_person(error: RotatorError) -> bool:
    """Say whether the same pass will most likely fail again until somebody acts."""
    return isinstance(error, RefusedError | InvariantError | ConfigError)


def end_of(rest: Rest, target: Target, pace: Pace) -> datetime:
    """Return when the rest ends for this target; far away where only somebody's act ends it."""
    if rest.until is None:
        return datetime.max.replace(tzinfo=UTC)
    if rest.waiting not in AT_A_TIME or target.policy.windows:
        return rest.until
    return rest.until + min(SPREAD, pace.resync) * place_of(target.name)


def _resync(target: Target, now: datetime, pace: Pace) -> datetime:
    return next_turn(target.name, now, pace.resync)


def _names(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields; None if it is none."""
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple([each.name for each in fields(kind)]) if is_dataclass(kind) else None
    return _FIELDS[kind]


def _spelled(value: object, known: dict[int, str]) -> str:
    """Return a value in full, sets in order: their own order differs from process to process."""
    kind = type(value)
    if kind is str:
        return repr(value)
    if (names := _names(kind)) is not None:
        if (spelled := known.get(id(value))) is None:
            inner = ",".join([_spelled(getattr(value, name), known) for name in names])
            spelled = known[id(value)] = f"{kind.__name__}({inner})"
        return spelled
    if isinstance(value, frozenset | tuple):
        items = [_spelled(item, known) for item in value]
        return f"[{','.join(sorted(items) if isinstance(value, frozenset) else items)}]"
    return repr(value)
