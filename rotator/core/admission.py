"""Whether one more rotation may begin now: spacing, waves, backlog, and the two breakers. Pure.

What is due is Okta's and Vault's to say; here it is only made to wait its turn. A rotation that has begun is never
held back, and what a person names or Vault lacks is not either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.model import Policy, Reason


@dataclass(frozen=True, slots=True)
class Limits:
    """More of these than told, and a person is asked (design: "Configuration", `limits`).

    `urgent_at_once` and `urgent_share` (of all targets; the larger of the two counts): urgent rotations within an hour.
    `failures`: routine rotations in a row that did not come to an end.
    """

    urgent_at_once: int = 5
    urgent_share: float = 0.02
    failures: int = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """A rotation that is to begin. `overdue_since`: since when it is due. `told`: a person wants it now."""

    target: str
    policy: Policy
    reason: Reason
    overdue_since: datetime
    told: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A rotation that was let begin. `good` is None while nobody knows how it ended."""

    target: str
    policy: str
    urgent: bool
    at: datetime
    ended_at: datetime | None = None
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What has begun lately (a day back), oldest first; `fleet`: how many targets we know.

    `known_since`: when we met the target that asks. `released_at`: when a person last said that it may go on; what
    began before counts for no breaker.
    """

    begun: Sequence[Begun]
    fleet: int
    known_since: datetime
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may begin."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It has to wait: until then, or until a person acts where that is None. `why` and `hint` are for people.

    `breaker`: its name where one is open, else empty. `alone`: this holds for the target that asked and no other.
    """

    until: datetime | None
    why: str
    hint: str = ""
    breaker: str = ""
    alone: bool = False


Admission = Admitted | Wait


@dataclass(frozen=True, slots=True)
class Brake:
    """Everything only observes until it is released. `why` and `hint` are for people."""

    since: datetime
    why: str
    hint: str = "`rotator resume --all` lets it go on."


def most_at_once(limits: Limits, fleet: int) -> int:
    """Return how many urgent rotations are not too many."""
    return max(limits.urgent_at_once, int(limits.urgent_share * fleet))


LONG_AGO = timedelta(days=1)  # how far back a ledger reaches
