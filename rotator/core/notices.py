"""What people are told: which notices are due after a look, given what was told before. Pure.

* What lasts is told when it begins, when another cause takes its place, and again after `repeat_after` while it lasts.
* Its end is told once, as `recovered`, when nothing else is wrong with the same subject. What is only announced
  (`upcoming`) ends in silence.
* What happened is told once, by what names that one occurrence. What nobody of us saw happen and nobody knows of was
  there before there was anybody to tell.
* A look that could not see whether something still lasts ends nothing.
* A time that lies in the future, from a clock that has gone back since, counts as long ago.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

SEEN_AGAIN = timedelta(minutes=5)  # so often it is noted that something still lasts
CLOCKS = timedelta(minutes=1)  # those of several members differ by less
WINDOW = timedelta(hours=1)  # in which a channel gets so many messages at most
LARGEST_DIGEST = 200


class Kind(enum.Enum):
    """What a notice is about. The value is the word in the configuration and in messages."""

    ROTATED = "rotated"
    FAILED = "failed"
    BLOCKED = "blocked"
    IN_USE = "in_use"
    REACTIVATED = "reactivated"
    UPCOMING = "upcoming"
    LATE = "late"
    BRAKE = "brake"
    RECOVERED = "recovered"


TROUBLE = frozenset({Kind.FAILED, Kind.BLOCKED, Kind.IN_USE, Kind.LATE, Kind.BRAKE})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a notice speaks of: a target; or an org, a Vault, the whole service, which have a name alone."""

    name: str
    org: str = ""
    app_id: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to tell. `what` tells one occurrence from another; `detail` and `hint` are for people."""

    what: str
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that is over as soon as it has come. `witnessed`: by the look that tells of it."""

    kind: Kind
    said: Said
    witnessed: bool = True


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look has shown of a subject. What is neither in `lasts` nor in `over` could not be seen."""

    subject: Subject
    at: datetime
    lasts: Mapping[Kind, Said] = field(default_factory=dict)
    over: frozenset[Kind] = frozenset()
    happened: tuple[Happened, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told last of a subject, by kind."""

    subject: str
    kind: Kind
    what: str
    since: datetime
    told_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told. `of`: what is over, of one that tells so. `id`: the same for the same occurrence."""

    id: str
    kind: Kind
    subject: Subject
    at: datetime
    since: datetime
    detail: str
    hint: str = ""
    of: Kind | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """What a channel is told: these kinds, of targets by name or pattern and by policy; empty: of all."""

    channel: str
    events: frozenset[Kind] = frozenset(Kind)
    targets: tuple[str, ...] = ()
    policies: frozenset[str] = frozenset()

    def takes(self, notice: Notice) -> bool:
        """Say whether the channel is told. What speaks of no target is told to all."""
        if not {notice.kind, notice.of or notice.kind} <= self.events:
            return False
        subject = notice.subject
        if not subject.app_id:
            return True
        named = not self.targets or any(fnmatchcase(subject.name, pattern) for pattern in self.targets)
        return named and (not self.policies or subject.policy in self.policies)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom to tell, and how often the same."""

    routes: tuple[Route, ...]
    repeat_after: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is due: notices by channel, and what to remember or to forget of what was told."""

    notices: tuple[tuple[str, Notice], ...] = ()
    keep: tuple[Standing, ...] = ()
    drop: frozenset[Kind] = frozenset()

    def __bool__(self) -> bool:
        """Say whether anything is to be written down."""
        return bool(self.notices or self.keep or self.drop)


@dataclass(frozen=True, slots=True)
class Batch:
    """What the next message of a channel holds, by the numbers of the box. `tries` that failed since one was sent."""

    channel: str
    numbers: tuple[int, ...]
    notices: tuple[Notice, ...]
    tries: int = 0


def decide(standing: Sequence[Standing], sight: Sight, rules: Rules) -> Verdict:
    """Return what is due after a look, given what stands of its subject."""
    known = {each.kind: each for each in standing}
    notices, keep = [], []
    for notice, kept in (*_happened(known, sight), *_lasting(known, sight, rules)):
        notices += [notice] if notice else []
        keep.append(kept)
    drop = frozenset(kind for kind in sight.over if kind in known and kind not in sight.lasts)
    notices += _recovered(known, sight, drop)
    told = tuple((route.channel, notice) for notice in notices for route in rules.routes if route.takes(notice))
    return Verdict(told, tuple(keep), drop)


def _happened(known: Mapping[Kind, Standing], sight: Sight) -> Iterator[tuple[Notice | None, Standing]]:
    for each in sight.happened:
        before = known.get(each.kind)
        if before is not None and before.what == each.said.what:
            continue
        news = each.witnessed or before is not None
        kept = Standing(sight.subject.name, each.kind, each.said.what, sight.at, sight.at, sight.at)
        yield _notice(each.kind, sight, each.said, since=sight.at) if news else None, kept


def _lasting(known: Mapping[Kind, Standing], sight: Sight, rules: Rules) -> Iterator[tuple[Notice | None, Standing]]:
    for kind, said in sight.lasts.items():
        before = known.get(kind)
        if before is None or before.what != said.what:
            kept = Standing(sight.subject.name, kind, said.what, sight.at, sight.at, sight.at)
            yield _notice(kind, sight, said, since=sight.at), kept
        elif _ago(before.told_at, sight.at, rules.repeat_after):
            kept = replace(before, told_at=sight.at, seen_at=sight.at)
            yield _notice(kind, sight, said, since=before.since), kept
        elif _ago(before.seen_at, sight.at, SEEN_AGAIN):
            yield None, replace(before, seen_at=sight.at)


def _recovered(known: Mapping[Kind, Standing], sight: Sight, drop: frozenset[Kind]) -> list[Notice]:
    """Tell that all is well again, if it is: of what began last."""
    ended = [known[kind] for kind in drop & TROUBLE]
    if not ended or (known.keys() - drop | sight.lasts.keys()) & TROUBLE:
        return []
    last = max(ended, key=lambda each: each.since)
    words = " and ".join(sorted(each.kind.value.replace("_", " ") for each in ended))
    said = Said(last.what, f"no longer {words}")
    return [replace(_notice(Kind.RECOVERED, sight, said, since=last.since), of=last.kind)]


def _ago(moment: datetime, now: datetime, length: timedelta) -> bool:
    return moment + length <= now or moment > now + CLOCKS


def _notice(kind: Kind, sight: Sight, said: Said, *, since: datetime) -> Notice:
    named = "|".join((sight.subject.name, kind.value, said.what, sight.at.isoformat()))
    return Notice(
        id=hashlib.sha256(named.encode()).hexdigest()[:20],
        kind=kind,
        subject=sight.subject,
        at=sight.at,
        since=since,
        detail=said.detail,
        hint=said.hint,
    )


# --- How many at once -------------------------------------------------------------------------------------


def how_many(waiting: int, sent: int, at_most: int) -> int:
    """Return how many notices the next message of a channel holds, `sent` having gone out within the hour.

    One each while there is room; the last room of the hour takes all that wait, as a digest. None without room.
    """
    room = at_most - sent
    if room <= 0 or not waiting:
        return 0
    return 1 if room > 1 else min(waiting, LARGEST_DIGEST)
