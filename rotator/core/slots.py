"""How secrets leave: when one may be switched off, removed, and which goes first when a slot is needed.

* The current one is proven in this pass before anything that may still be in use is switched off.
* While the current one is dead nothing waits for a soak, but the last active secret is never touched.
* A wait is returned only if no other secret can go now: an old inactive one must not be hidden by the only active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import Block, Blocked, Deactivate, Delete, Rest, Verify, Waiting
from rotator.core.precedence import Hold, at_most, waits
from rotator.core.retirement import still_in_use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.facts import Facts, Leaving
    from rotator.core.model import OktaSecret


def free_a_slot(facts: Facts) -> Action:
    """Return the next step towards a free slot: a removal, a wait, or blocked with the ids."""
    waits: list[Rest] = []
    for step in _ways(facts):
        if not isinstance(step, Rest):
            return step
        waits.append(step)
    if waits:
        return min(waits, key=lambda rest: rest.until or facts.now)
    slots = sorted(
        (_described(facts, secret) for secret in facts.seen.secrets), key=lambda text: "in Vault" not in text
    )
    name, other = facts.seen.target.name, next(iter((*facts.kept, *facts.foreign)), None)
    order = f"`rotator retire {name}`" if facts.kept else f"`rotator reclaim {name} {other.id if other else 'ID'}`"
    return Blocked(
        Block.SLOTS_FULL,
        f"Okta holds {', and '.join(slots)}",
        f"Find out who uses the one that is not in Vault; when nobody does: {order}. The next run goes on.",
    )


def _described(facts: Facts, secret: OktaSecret) -> str:
    if secret in facts.matches:
        return f"{secret.id}, which is in Vault"
    if any(leaving.secret is secret and leaving.held for leaving in facts.leaving):
        return f"{secret.id}, which another path of the target holds"
    whose = "switched on again by somebody" if secret in facts.kept else "unknown to us"
    return f"{secret.id}, {secret.status.value}, made {secret.created:%Y-%m-%d}, {whose}"


def _ways(facts: Facts) -> Iterator[Action]:
    """Yield what could free a slot, best first."""
    if facts.dead:
        yield from (Delete(secret.id, "revoked") for secret in facts.matches)
    if (step := drop_duplicate(facts)) is not None:
        yield step
    inactive = [leaving for leaving in facts.leaving if not leaving.secret.active]
    for it in inactive:
        if _may_go(facts, it):
            yield Delete(it.secret.id, "soak over" if facts.now >= it.soak_ends(facts.policy) else "to make room")
    yield from (
        Delete(secret.id, "inactive for long") for secret in facts.foreign if not secret.active and _old(facts, secret)
    )
    for leaving in facts.leaving:
        if leaving.secret.active and (step := _switch_off_for_room(facts, leaving)) is not None:
            yield step
    yield from (Rest(_kept_until(facts, it), Waiting.SOAK) for it in inactive)
    yield from (
        Rest(secret.changed + facts.policy.reclaim_after, Waiting.SLOT) for secret in facts.foreign if not secret.active
    )


def switch_off(facts: Facts, leaving: Leaving) -> Action | None:
    """Return the step that switches a leaving secret off; None while somebody else wants it."""
    if leaving.toggled:
        return None
    if facts.now < (ends := leaving.overlap_ends(facts.policy)):
        return Rest(ends, Waiting.OVERLAP)
    opens = facts.policy.calendar.next_opening(facts.now)
    if facts.now < opens and not leaving.at_once:
        return Rest(opens, Waiting.WINDOW)
    if facts.alive is None or facts.value is None:
        return None
    if not leaving.at_once and (still := still_in_use(facts, leaving)) is not None:
        return still
    return _proven_first(facts) or Deactivate(leaving.secret.id, _why_off(leaving))


def drop_duplicate(facts: Facts) -> Action | None:
    """Two secrets carry the current value, by a late duplicate of a create: one of them goes."""
    if len(facts.matches) < 2 or facts.alive is None or facts.current is None:
        return None
    recorded = facts.current.secret_id
    keep = min(facts.matches, key=lambda secret: (not secret.active, secret.id != recorded, secret.created, secret.id))
    extra = next(secret for secret in facts.matches if secret is not keep)
    if extra.active:
        return Deactivate(extra.id, "duplicate of the current one")
    return Delete(extra.id, "duplicate of the current one")


def _proven_first(facts: Facts) -> Action | None:
    """What is left is proven in this pass before anything else is switched off."""
    if facts.proof is None:
        assert facts.value
        return Verify(facts.value, "current")
    if facts.proof.level.good:
        return None
    return Rest(facts.now + backoff.delay(facts.proof.tries), Waiting.VERIFICATION, facts.proof.detail)


def _switch_off_for_room(facts: Facts, leaving: Leaving) -> Action | None:
    cut = not waits(facts.cause, Hold.OVERLAP)
    if facts.alive is not None and not cut:
        return switch_off(facts, leaving)
    if leaving.toggled or len(facts.active) < 2:
        return None
    if leaving.held and not (cut or leaving.at_once):
        return None  # no time ends that
    if facts.alive is not None:
        return _proven_first(facts) or Deactivate(leaving.secret.id, "to make room: ordered")
    if facts.now < (ends := leaving.overlap_ends(facts.policy)) and not cut:
        return Rest(ends, Waiting.OVERLAP)
    if not cut and not leaving.at_once and (still := still_in_use(facts, leaving)) is not None:
        return still
    return Deactivate(leaving.secret.id, _why_off(leaving))


def _why_off(leaving: Leaving) -> str:
    if leaving.removal is None:
        return "overlap over"
    return "compromised" if leaving.removal.compromised else "a person said so"


def _may_go(facts: Facts, leaving: Leaving) -> bool:
    return facts.dead or facts.now >= _kept_until(facts, leaving)


def _kept_until(facts: Facts, leaving: Leaving) -> datetime:
    """Return the end of the soak; an order does not wait for it longer than its precedence says."""
    ends, order = leaving.soak_ends(facts.policy), facts.order
    if order is None:
        return ends
    if not waits(facts.cause, Hold.SOAK):
        return min(ends, order.placed_at)
    longest = at_most(facts.cause, Hold.SOAK)
    return ends if longest is None else min(ends, order.placed_at + longest)


def _old(facts: Facts, secret: OktaSecret) -> bool:
    return facts.now >= secret.changed + facts.policy.reclaim_after
