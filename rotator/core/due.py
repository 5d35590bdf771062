"""When a rotation may begin, and what it waits for: policy, order, window, cap and proof.

* An order comes before expiry; `now` waits for no window, the other kind for a day at most.
* While nobody is served by waiting (nothing in Vault, or a dead value) no window is waited for.
* Policy `manual` begins nothing by itself; a rotation that is under way is always finished.
* What a dead value or an order waits for may use the urgent share of Okta's budget. So may a removal, which does not
  wait for its turn: the look that led to it would be an old one. It is looked at again when it can go at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import Activate, Block, Blocked, Deactivate, Delete, Rest, Stage, Waiting
from rotator.core.budget import Haste, Share
from rotator.core.model import Mode, Reason, StagingState
from rotator.core.precedence import Hold, at_most, waits

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.facts import Facts
    from rotator.core.model import Proof


def begin(facts: Facts, reason: Reason) -> Action:
    """Stage a new value, if the policy lets us begin and the day's cap is not reached."""
    if waits(facts.cause, Hold.APPROVAL) and (asked := _asks_first(facts)):
        return Rest(None, asked, reason.value)
    today = [made for made in facts.staging.made if facts.now - made.at < timedelta(days=1)]
    if len(today) >= facts.policy.daily_cap:
        return Blocked(
            Block.CAP,
            f"{len(today)} secrets were made for this target in 24 hours",
            "Find out what undoes them before the next run; `daily_cap` raises the limit.",
        )
    return Stage(reason)


def why_renew(facts: Facts) -> Reason | None:
    """Return why the current one, which works, is to be replaced now; None if it is not."""
    current, order = facts.alive, facts.order
    if current is None or facts.now < window_opens(facts):
        return None
    if order is not None:
        return Reason.ORDERED
    expired = facts.now >= current.created + facts.policy.rotate_after
    return Reason.EXPIRED if expired and not _asks_first(facts) else None


def window_opens(facts: Facts) -> datetime:
    """Return when a disruptive step may begin for what is to be done: an order waits a day at most."""
    if not waits(facts.cause, Hold.WINDOW):
        return facts.now
    opens, longest = facts.policy.calendar.next_opening(facts.now), at_most(facts.cause, Hold.WINDOW)
    return opens if longest is None or facts.order is None else min(opens, facts.order.placed_at + longest)


def haste_for(action: Action, facts: Facts, *, patience: timedelta) -> Haste:
    """Return how pressing the calls of an action are; `patience` is how long each may wait for its turn."""
    match action:
        case Deactivate() | Delete():
            return Haste(Share.URGENT, timedelta(0))
        case Activate():
            return Haste(Share.URGENT, patience)
    # A dead secret that was removed for room is matched by nothing any more; the staged value knows what it is for.
    for_a_dead_one = facts.staging.state is StagingState.STAGED and facts.staging.reason is Reason.REVOKED
    return Haste(Share.URGENT if for_a_dead_one or _pressing(facts) else Share.ROUTINE, patience)


def until_renewal(facts: Facts, due: datetime) -> Rest:
    """Return what the next rotation waits for, with the current one working."""
    if facts.order is not None:
        return Rest(window_opens(facts), Waiting.WINDOW, "ordered")
    asked = _asks_first(facts)
    if asked is not None and (facts.now >= due or asked is Waiting.TOLD):
        return Rest(None, asked, Reason.EXPIRED.value if facts.now >= due else "")
    if facts.now >= due:
        return Rest(window_opens(facts), Waiting.WINDOW, Reason.EXPIRED.value)
    return Rest(due if asked else facts.policy.calendar.next_opening(due), Waiting.NEXT_ROTATION)


def until_proven(facts: Facts, proof: Proof) -> Rest:
    """Keep it and try again later; it is never made anew."""
    return Rest(facts.now + backoff.delay(proof.tries), Waiting.VERIFICATION, f"{proof.level.value}: {proof.detail}")


def _asks_first(facts: Facts) -> Waiting | None:
    """Return what a person is asked for before a rotation begins; None if nothing is, or it was given."""
    if facts.seen.told or facts.order is not None:
        return None
    if facts.policy.mode is Mode.MANUAL:
        return Waiting.TOLD
    return Waiting.APPROVAL if facts.policy.mode is Mode.APPROVE and not facts.approved else None


def _pressing(facts: Facts) -> bool:
    """Whether consumers are cut off, or a person waits."""
    return facts.dead or facts.ordered_now
