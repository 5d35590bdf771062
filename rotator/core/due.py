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
from rotator.core.model import Mode, OrderMode, Reason, StagingState

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.facts import Facts
    from rotator.core.model import Proof

ORDER_WITHIN = timedelta(hours=24)  # an order for the next window is carried out after this without one


def begin(facts: Facts, reason: Reason) -> Action:
    """Stage a new value, if the policy lets us begin and the day's cap is not reached."""
    if facts.policy.mode is Mode.MANUAL and not facts.seen.told and facts.order is None:
        return Rest(None, Waiting.TOLD, reason.value)
    today = [made for made in facts.staging.made if facts.now - made.at < timedelta(days=1)]
    if len(today) >= facts.policy.daily_cap:
        return Blocked(
            Block.CAP,
            f"{len(today)} secrets were made for this target in 24 hours",
            "Find out what undoes them before the next run; `daily_cap` raises the limit.",
        )
    return Stage(reason)


def why_renew(facts: Facts) -> Reason | None:
    current, order = facts.alive, facts.order
    if current is None:
        return None
    in_window = facts.policy.calendar.is_open(facts.now)
    if order is not None:
        at_once = order.mode is OrderMode.NOW or facts.now >= order.placed_at + ORDER_WITHIN
        return Reason.ORDERED if at_once or in_window else None
    expired = facts.now >= current.created + facts.policy.rotate_after
    may_begin = facts.policy.mode is not Mode.MANUAL or facts.seen.told
    return Reason.EXPIRED if expired and may_begin and in_window else None


def urgent(facts: Facts) -> bool:
    """Whether nobody is served by waiting for a window."""
    return facts.value is None or _pressing(facts)


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


def _pressing(facts: Facts) -> bool:
    """Whether consumers are cut off, or a person waits."""
    return facts.dead or facts.ordered_now


def until_renewal(facts: Facts, due: datetime) -> Rest:
    if facts.order is not None:
        opens = facts.policy.calendar.next_opening(facts.now)
        return Rest(min(opens, facts.order.placed_at + ORDER_WITHIN), Waiting.WINDOW, "ordered")
    if facts.policy.mode is Mode.MANUAL:
        return Rest(None, Waiting.TOLD, Reason.EXPIRED.value if facts.now >= due else "")
    if facts.now >= due:
        return Rest(facts.policy.calendar.next_opening(facts.now), Waiting.WINDOW, Reason.EXPIRED.value)
    return Rest(facts.policy.calendar.next_opening(due), Waiting.NEXT_ROTATION)


def until_proven(facts: Facts, proof: Proof) -> Rest:
    """Keep it and try again later; it is never made anew."""
    return Rest(facts.now + backoff.delay(proof.tries), Waiting.VERIFICATION, f"{proof.level.value}: {proof.detail}")
