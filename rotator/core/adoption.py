"""Which secret of Okta's to adopt, if any, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.actions import Adopt, Block, Blocked, OrderReplacement, Rest, Verify
from rotator.core.due import until_proven
from rotator.core.slots import free_a_slot

if TYPE_CHECKING:
    from rotator.core.actions import Action
    from rotator.core.facts import Facts
    from rotator.core.model import OktaSecret


def adopt(facts: Facts, secret: OktaSecret, *, replace: bool) -> Action:
    """Adopt a secret of Okta's, once it is proven like a candidate of ours."""
    if secret.value is None:
        return Blocked(
            Block.HIDDEN,
            f"Okta does not show the value of {secret.id}",
            "Give our role the permission to view client credentials, or set `onboard: rotate`.",
        )
    proof = facts.proof_of(secret.value)
    if proof is None:
        return Verify(secret.value, "candidate")
    if not proof.level.good:
        return until_proven(facts, proof)
    ordered = facts.staging.order
    if replace and (ordered is None or ordered.replace != secret.id):
        return OrderReplacement(secret.id)
    return Adopt(secret, replace=replace)


def instead_of_a_new_one(facts: Facts) -> OktaSecret | None:
    """The foreign secret to adopt while the current one is dead: made to replace it, or because there is no room.

    Rows 7 and 11 must agree on it, or they stage and close in turn.
    """
    newest = newest_foreign(facts)
    if newest is None or no_room(facts):
        return newest
    since = next((secret.created for secret in facts.matches), facts.current_since)  # one at most, beside it
    return newest if newest.created > since else None


def newest_foreign(facts: Facts) -> OktaSecret | None:
    usable = [secret for secret in facts.foreign if secret.active and secret.value is not None]
    return max(usable, key=lambda secret: secret.created, default=None)


def no_room(facts: Facts) -> bool:
    return not facts.slot_free and isinstance(free_a_slot(facts), Rest | Blocked)
