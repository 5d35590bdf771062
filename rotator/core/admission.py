"""Whether one more rotation may begin now: two breakers, the backlog, and waves. Pure.

What is due is Okta's and Vault's to say; here it is only made to wait its turn.

* Never held back: what a person wants now, what Vault lacks altogether, and what has begun already.
* Of urgent rotations (revoked, unknown value) so many may begin within a day. They wait for nothing else.
* After so many routine ones in a row that failed, one at a time is tried, half an hour after the last; a good one
  closes the breaker. One that hangs counts as failed; of a younger one nobody knows yet, and no other begins.
* What was overdue when we met it begins at the target's own place within the spread.
* A wave is what began of a policy within the last `spacing`: `size` of them at most. It may be joined while everything
  that began before it has ended well: no more than `size` are in doubt at a time.
* Until `canary` of them have ended well in a wave before, within a day, there are `canary` and no more.
* Who failed or has not ended holds the next wave back for an hour, or until it was rotated again and that went well;
  then the breaker on failures is what stops.
* What began before a person released the brake counts for no breaker and holds no wave back. What lies in the future,
  from a clock that has gone back since, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.agenda import place_of
from rotator.core.model import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.model import Policy

URGENT = frozenset({Reason.REVOKED, Reason.UNKNOWN_VALUE})  # consumers are cut off
LONG_AGO = timedelta(days=1)  # how far back a ledger reaches
HANGS_AFTER = timedelta(minutes=15)  # a rotation takes seconds: this one waits for something that does not come
TRIAL_AFTER = timedelta(minutes=30)  # the last of those that failed
HELD_FOR = timedelta(hours=1)  # the next wave, by one that failed or has not ended
A_LOOK = timedelta(minutes=1)  # others may have ended by then
CLOCKS = timedelta(minutes=1)  # those of several members differ by less


@dataclass(frozen=True, slots=True)
class Limits:
    """More of these than told, and a person is asked (design: "Configuration", `limits`).

    `urgent_at_once` and `urgent_share` (of all targets; the larger of the two counts): urgent rotations within a day.
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

    @property
    def urgent(self) -> bool:
        return self.reason in URGENT


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

    `known_since`: when we met the target that asks. `released_at`: when a person last said that it may go on.
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


Check = Callable[[Wish, Ledger, Limits, datetime], Wait | None]


def may_begin(wish: Wish, ledger: Ledger, limits: Limits, now: datetime) -> Admission:
    """Return the first reason to wait; without one it may begin."""
    if wish.told or wish.reason is Reason.MISSING or _has_begun(wish, ledger, now):
        return Admitted()
    for check in FOR_URGENT if wish.urgent else FOR_ROUTINE:
        if (wait := check(wish, ledger, limits, now)) is not None:
            return wait
    return Admitted()


def may_begin_within(limits: Limits, wish: Wish, ledger: Ledger, now: datetime) -> Admission:
    """Do the same, with the limits first."""
    return may_begin(wish, ledger, limits, now)


# --- The breakers -----------------------------------------------------------------------------------------


def too_many_urgent(_: Wish, ledger: Ledger, limits: Limits, now: datetime) -> Wait | None:
    """Somebody revokes secrets by the dozen, or we take healthy ones for revoked."""
    most = most_at_once(limits, ledger.fleet)
    begun = [each for each in _since_release(ledger, now) if each.urgent]
    if len(begun) < most:
        return None
    return Wait(
        None,
        f"replaced within a day because they were revoked or unknown: {len(begun)}; {most} may be",
        "Find out what revoked them; `rotator resume --all` lets them go on.",
        breaker="amount",
    )


def too_many_failures(_: Wish, ledger: Ledger, limits: Limits, now: datetime) -> Wait | None:
    """What went wrong for all of the last ones will most likely go wrong for the next one."""
    routine = [each for each in _since_release(ledger, now) if not each.urgent]
    known = [each for each in routine if each.good or _failed(each, now)]
    last = known[-limits.failures :]
    if len(last) < limits.failures or any(each.good for each in last):
        return None
    if len(known) < len(routine):
        return _broken(len(last), now + A_LOOK, "another is under way and will tell")
    trial = last[-1].at + TRIAL_AFTER
    return _broken(len(last), trial, f"one is tried at {trial:%H:%M} UTC") if now < trial else None


def _broken(failures: int, until: datetime, what_next: str) -> Wait:
    return Wait(
        until,
        f"the last {failures} rotations failed; {what_next}",
        "Find out why; `rotator resume --all` lets all go on at once.",
        breaker="failures",
    )


# --- Its turn ---------------------------------------------------------------------------------------------


def later_in_the_backlog(wish: Wish, ledger: Ledger, _: Limits, now: datetime) -> Wait | None:
    """It was overdue before we came: some days more do no harm, all of them at once may."""
    met = ledger.known_since
    if wish.reason is not Reason.EXPIRED or wish.overdue_since >= met or met > now + CLOCKS:
        return None
    begins = met + wish.policy.backlog_spread * place_of(wish.target)
    why = "it was overdue when it was first seen, and the backlog is spread"
    return Wait(begins, why, alone=True) if now < begins else None


def wave_before_not_over(wish: Wish, ledger: Ledger, _: Limits, now: datetime) -> Wait | None:
    """Somebody in it has not ended well."""
    shape = wish.policy.wave
    if shape is None:
        return None
    begun = _of_policy(wish, _since_release(ledger, now))
    went_well = {each.target: each.at for each in begun if each.good}
    since, until = now - HELD_FOR, now - shape.spacing
    before = [each for each in begun if since < each.at <= until]
    holding = [each for each in before if each.target not in went_well or each.at > went_well[each.target]]
    if not holding:
        return None
    failed = [each for each in holding if _failed(each, now)]
    if not failed:
        return Wait(now + A_LOOK, f"under way in the wave before it: {_named(holding)}")
    return Wait(
        failed[-1].at + HELD_FOR,
        f"failed or hanging in the wave before it: {_named(failed)}",
        f"`rotator rotate {failed[0].target}` tries again at once.",
    )


def wave_full(wish: Wish, ledger: Ledger, _: Limits, now: datetime) -> Wait | None:
    """So many have begun within the spacing; at first only the canary."""
    shape = wish.policy.wave
    if shape is None:
        return None
    begun = _of_policy(wish, _lately(ledger, now))
    since = now - shape.spacing
    joined = [each for each in begun if each.at > since]
    proven = sum(each.good is True for each in begun if each.at <= since)
    room = shape.size if proven >= shape.canary else shape.canary - proven
    if len(joined) < room:
        return None
    why = f"the wave of policy `{wish.policy.name}` is full: {len(joined)} began"
    return Wait(joined[-room].at + shape.spacing, why)


FOR_URGENT: tuple[Check, ...] = (too_many_urgent,)
FOR_ROUTINE: tuple[Check, ...] = (too_many_failures, later_in_the_backlog, wave_before_not_over, wave_full)


# --- What the ledger shows --------------------------------------------------------------------------------


def _lately(ledger: Ledger, now: datetime) -> list[Begun]:
    since, until = now - LONG_AGO, now + CLOCKS
    return [each for each in ledger.begun if since < each.at <= until]


def _since_release(ledger: Ledger, now: datetime) -> list[Begun]:
    released = ledger.released_at
    if released is None or released > now + CLOCKS:
        return _lately(ledger, now)
    return [each for each in _lately(ledger, now) if each.at > released]


def _of_policy(wish: Wish, begun: Sequence[Begun]) -> list[Begun]:
    return [each for each in begun if each.policy == wish.policy.name and not each.urgent]


def _named(begun: Sequence[Begun]) -> str:
    return ", ".join(f"`{each.target}`" for each in begun[:3]) + (" …" if len(begun) > 3 else "")


def _has_begun(wish: Wish, ledger: Ledger, now: datetime) -> bool:
    return any(each.target == wish.target and each.ended_at is None for each in _lately(ledger, now))


def _failed(begun: Begun, now: datetime) -> bool:
    return begun.good is False or (begun.good is None and now - begun.at > HANGS_AFTER)


def most_at_once(limits: Limits, fleet: int) -> int:
    """Return how many urgent rotations are not too many."""
    return max(limits.urgent_at_once, int(limits.urgent_share * fleet))
