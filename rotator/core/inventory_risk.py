"""How much a person should worry about an app's client secrets, and why, in words.

* The score is the sum of named checks. Each looks at one thing, speaks once at most, and says what it saw.
* Nothing is held against an app that is not known: what was not asked, or what the log does not tell, costs no points.
* A rotation that is under way is as it should be: two active secrets within the overlap of whoever keeps the app.
* An app without keeper is judged by the policy that it would get.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from rotator.core.inventory import Entry
    from rotator.core.last_use import HeldSecret
    from rotator.core.model import Policy

SLOTS = 2
A_YEAR = timedelta(days=365)
UNUSED_AFTER = timedelta(days=7)  # a secret that is younger may still be on its way to those who will use it
CLOSE = 0.85  # of the age at which it is to be replaced
HIGH, MEDIUM = 50, 25  # points


class Hazard(enum.Enum):
    """What is wrong. The value is the word that programs see."""

    TRIED_AFTER_OFF = "tried after off"
    NOT_ROTATED = "not rotated for long"
    PAST_AGE = "past policy age"
    UNMANAGED = "unmanaged"
    TWO_ACTIVE = "two active"
    NEVER_USED = "never used"
    ONLY_OBSERVED = "only observed"
    CLOSE_TO_AGE = "close to policy age"
    APP_INACTIVE = "app inactive"
    NO_ROOM = "no free slot"
    LEFT_BEHIND = "left behind"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: its weight, and what was seen."""

    hazard: Hazard
    points: int
    detail: str


@dataclass(frozen=True, slots=True)
class Risk:
    """What is wrong with an app, the heaviest first."""

    findings: tuple[Finding, ...] = ()

    @property
    def score(self) -> int:
        """The sum of the weights."""
        return sum(each.points for each in self.findings)

    @property
    def level(self) -> str:
        """The score in a word."""
        if self.score >= HIGH:
            return "high"
        return "medium" if self.score >= MEDIUM else "low" if self.score else "none"


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a check may look at. `policy` is the keeper's, else the one that the app would get."""

    entry: Entry
    policy: Policy
    now: datetime

    @property
    def secrets(self) -> Sequence[HeldSecret]:
        return self.entry.holding.secrets if self.entry.holding else ()

    @property
    def active(self) -> list[HeldSecret]:
        return [secret for secret in self.secrets if secret.active]

    @property
    def oldest(self) -> timedelta | None:
        """The age of the oldest active secret; none counts that is leaving in its overlap."""
        ages = [self.now - secret.created for secret in (self.active[-1:] if self.overlaps else self.active)]
        return max(ages, default=None)

    @property
    def overlaps(self) -> bool:
        """Say whether two are active because a rotation is under way."""
        young = any(self.now - secret.created <= self.policy.overlap for secret in self.active)
        return len(self.active) > 1 and young and self.entry.keeper is not None


def judge(entry: Entry, usual: Policy, now: datetime) -> Risk:
    """Return what is wrong with an app; `usual` is the policy of whoever has no keeper."""
    case = _Case(entry, entry.keeper.policy if entry.keeper else usual, now)
    found = [finding for check in CHECKS for finding in check(case)]
    return Risk(tuple(sorted(found, key=lambda each: -each.points)))


def worst_first(entries: Iterable[Entry], risk_of: Callable[[Entry], Risk]) -> tuple[Entry, ...]:
    """Return the entries in the order of risk; among equals by org and label."""
    return tuple(
        sorted(entries, key=lambda each: (-risk_of(each).score, each.org, each.app.label.lower(), each.app.id))
    )


# --- The checks -------------------------------------------------------------------------------------------


def tried_after_off(case: _Case) -> Iterator[Finding]:
    tried = [secret for secret in case.secrets if secret.tried_at is not None]
    if tried:
        last = max(secret.tried_at for secret in tried if secret.tried_at is not None)
        ids = ", ".join(secret.id for secret in tried)
        detail = f"{ids} is switched off, and somebody was refused with a wrong secret {_ago(case.now - last)} ago"
        yield Finding(Hazard.TRIED_AFTER_OFF, 40, detail)


def not_rotated(case: _Case) -> Iterator[Finding]:
    if case.oldest is not None and case.oldest >= A_YEAR:
        years = min(int(case.oldest / A_YEAR), 3)
        yield Finding(Hazard.NOT_ROTATED, 20 + 5 * years, f"not rotated for {_ago(case.oldest)}")


def past_age(case: _Case) -> Iterator[Finding]:
    limit = case.policy.rotate_after
    if case.oldest is not None and case.oldest >= limit:
        yield Finding(Hazard.PAST_AGE, 20, f"{_ago(case.oldest)} old, and to be replaced after {_ago(limit)}")


def close_to_age(case: _Case) -> Iterator[Finding]:
    limit = case.policy.rotate_after
    if case.oldest is not None and CLOSE * limit <= case.oldest < limit:
        yield Finding(Hazard.CLOSE_TO_AGE, 5, f"to be replaced within {_ago(limit - case.oldest)}")


def unmanaged(case: _Case) -> Iterator[Finding]:
    if case.entry.keeper is None:
        yield Finding(Hazard.UNMANAGED, 20, "no target and no selection has it")


def only_observed(case: _Case) -> Iterator[Finding]:
    keeper = case.entry.keeper
    if keeper is not None and keeper.only_observed:
        yield Finding(Hazard.ONLY_OBSERVED, 10, f"only observed: {keeper.only_observed}")


def two_active(case: _Case) -> Iterator[Finding]:
    if len(case.active) > 1 and not case.overlaps:
        yield Finding(Hazard.TWO_ACTIVE, 15, f"{len(case.active)} secrets are active")


def never_used(case: _Case) -> Iterator[Finding]:
    old_enough = [secret for secret in case.active if case.now - secret.created >= UNUSED_AFTER]
    unused = [secret for secret in old_enough if secret.used.never]
    if unused:
        ids = ", ".join(secret.id for secret in unused)
        yield Finding(Hazard.NEVER_USED, 15, f"{ids} was not used as far as the log goes back")


def app_inactive(case: _Case) -> Iterator[Finding]:
    if case.entry.app.status != "ACTIVE" and case.active:
        detail = f"the app is {case.entry.app.status.lower()}, and its secret works again once it is switched on"
        yield Finding(Hazard.APP_INACTIVE, 5, detail)


def no_room(case: _Case) -> Iterator[Finding]:
    if len(case.secrets) >= SLOTS and not case.overlaps:
        yield Finding(Hazard.NO_ROOM, 5, "both slots are taken: one has to go before a new secret is made")


def left_behind(case: _Case) -> Iterator[Finding]:
    off = [secret for secret in case.secrets if not secret.active]
    old = [secret.id for secret in off if case.now - secret.changed >= case.policy.reclaim_after]
    if old:
        yield Finding(Hazard.LEFT_BEHIND, 5, f"{', '.join(old)} was switched off long ago and never deleted")


CHECKS = (
    tried_after_off,
    not_rotated,
    past_age,
    unmanaged,
    two_active,
    never_used,
    only_observed,
    close_to_age,
    app_inactive,
    no_room,
    left_behind,
)


def _ago(span: timedelta) -> str:
    days = max(0, span.days)
    if days >= 2:
        return f"{days} days"
    hours = int(max(span, timedelta(0)).total_seconds()) // 3600
    return f"{hours} h" if hours else "less than an hour"
