"""What to do next with one target: the decision table, in order; the first row that matches decides.

 * `next_action` is pure and total. A row that cannot act ends in rest or blocked, never in a later row, unless it
   says so.
 * Vault never points at a value that has not passed a test request in the same pass.
 * Nothing that might still be in use is removed: the old secret stays active for the overlap, then inactive for the
   soak, and a removal always names an id.
 * A candidate that was promoted is never removed; one that is refused is kept and tried again, never made anew.
 * What we cannot explain is left alone, and the target is blocked until a person has decided.

Numbers in the names of the rows are those of the table in ARCHITECTURE.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import (
    Block,
    Blocked,
    CloseStaging,
    Create,
    Deactivate,
    Delete,
    Discard,
    Fence,
    Promote,
    Rebase,
    Rest,
    RunHook,
    ScrubStaging,
    Verify,
    Waiting,
)
from rotator.core.adoption import adopt, instead_of_a_new_one, newest_foreign, no_room
from rotator.core.due import begin, until_proven, until_renewal, why_renew, window_opens
from rotator.core.facts import Facts
from rotator.core.model import (
    AuthMethod,
    Onboard,
    OnUnknownValue,
    ProofLevel,
    Reason,
    StagingState,
)
from rotator.core.places import cannot_be_written, copy_to_the_others
from rotator.core.precedence import Hold, waits
from rotator.core.retirement import switch_on_if_ours, while_off
from rotator.core.slots import drop_duplicate, free_a_slot, switch_off

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.facts import Leaving
    from rotator.core.model import Snapshot


CLOCKS_DIFFER = timedelta(hours=2)  # more than any drift; every span that a policy may set is longer, or does no harm


def next_action(seen: Snapshot, now: datetime) -> Action:
    """Return the one thing to do next for this target."""
    facts = Facts(seen, now)
    for row in ROWS:
        if (action := row(facts)) is not None:
            return action
    return rest(facts)


def paused(facts: Facts) -> Action | None:
    """Row 1: nothing is done, but that what a rollback went back to stays on: an order of ours may arrive after it."""
    if facts.staging.paused is None:
        return None
    off = [secret for secret in facts.matches if not secret.active and secret.id == facts.staging.rollback]
    back_on = switch_on_if_ours(facts, off, "gone back to, and switched off by us")
    return back_on or Rest(None, Waiting.PAUSED, facts.staging.paused)


def clock_ahead(facts: Facts) -> Action | None:
    """Row 1b: by our clock everything is older than it is. Nothing falls due, and nothing ends, for that."""
    ahead = facts.seen.clock_ahead
    if ahead < CLOCKS_DIFFER:
        return None
    return Blocked(
        Block.CLOCK,
        f"our clock is {_span(ahead)} ahead of Okta's",
        "Set the clock of this machine; it goes on by itself then.",
    )


def not_ours_to_rotate(facts: Facts) -> Action | None:
    """Row 2: something about the target itself is wrong."""
    seen, app = facts.seen, facts.seen.app
    if seen.target.conflict:
        return Blocked(Block.CONFLICT, seen.target.conflict, "Give each app and each Vault path one target.")
    if seen.unreadable:
        return Blocked(
            Block.UNREADABLE, seen.unreadable, "Look at the record in Vault; restore an older version of it."
        )
    if app is None:
        return Blocked(
            Block.APP_MISSING,
            f"Okta shows no app {seen.target.app_id}",
            "Check `app_id`, and that our role's resource set includes the app.",
        )
    if app.status != "ACTIVE":
        return Blocked(Block.APP_INACTIVE, f"the app is {app.status}", "Activate the app, or remove the target.")
    if app.sign_on_mode != "OPENID_CONNECT" or not app.auth_method.uses_secret:
        return Blocked(
            Block.NOT_OAUTH,
            f"the app authenticates by {_method(app.auth_method)}",
            "Remove the target: there is no secret.",
        )
    if facts.current and facts.current.client_id not in {None, app.client_id}:
        return Blocked(
            Block.OTHER_CLIENT,
            f"{seen.target.consumer} holds the credentials of client {facts.current.client_id}, not of {app.client_id}",
            "Correct `write_to` or `app_id`: this path is another app's.",
        )
    return None


def consumer_path_lost(facts: Facts) -> Action | None:
    """Row 3: never resurrect what a person removed."""
    consumer = facts.consumer
    where = facts.seen.target.consumer
    if consumer.latest and consumer.latest in consumer.unreadable:
        return Blocked(
            Block.PATH_DELETED,
            f"version {consumer.latest} of {where} is deleted",
            "Undelete it (`vault kv undelete`), or have a secret written with `rotator adopt`.",
        )
    if consumer.latest < facts.staging.base_version:
        return Blocked(
            Block.PATH_RESET,
            f"{where} is at version {consumer.latest}, we have seen version {facts.staging.base_version}",
            "Have a secret written with `rotator adopt` if the path was removed on purpose.",
        )
    return None


def was_promoted(facts: Facts) -> Action | None:
    """Row 4: consumers have, or had, the candidate. Verify it once more, close staging, remove nothing."""
    if facts.staging.state is StagingState.EMPTY or not facts.promoted:
        return None
    if facts.value is not None and facts.value == facts.staging.value and facts.proof is None:
        return Verify(facts.value, "current")
    return CloseStaging("promoted")


def discard(facts: Facts) -> Action | None:
    """Row 5: remove the candidate. First fence off whoever sleeps between its verification and its promotion."""
    if facts.staging.state is not StagingState.DISCARDING:
        return None
    if facts.consumer.latest == facts.staging.base_version > 0:
        return Fence()
    for candidate in facts.candidates:
        if not candidate.active:
            return Delete(candidate.id, "discarded candidate")
    for candidate in facts.candidates:
        if len(facts.active) > 1:
            return Deactivate(candidate.id, "discarded candidate")
    return CloseStaging("discarded")


def base_moved(facts: Facts) -> Action | None:
    """Row 6: somebody wrote to the consumer path since we staged."""
    if facts.staging.state is not StagingState.STAGED or facts.consumer.latest == facts.staging.base_version:
        return None
    unchanged = facts.value.hash == facts.staging.base_hash if facts.value else facts.never_held
    if unchanged:
        return Rebase()
    return Discard("the consumer path has changed")


def register(facts: Facts) -> Action | None:
    """Row 7: the staged value is not at Okta, or not yet."""
    if facts.staging.state is not StagingState.STAGED or facts.candidates:
        return None
    attempted = facts.seen.attempted_at
    if attempted is not None and facts.now < (settled := attempted + facts.seen.target.settle):
        return Rest(settled, Waiting.ATTEMPT)
    if facts.slot_free:
        return Create()
    if facts.value is not None and not facts.matches and facts.proof is None:
        return Verify(facts.value, "current")  # what may make room depends on whether it is dead
    if facts.dead and no_room(facts) and newest_foreign(facts):
        return CloseStaging("both slots taken, one by a secret that can be adopted")
    if facts.alive is not None and (step := copy_to_the_others(facts)) is not None:
        return step  # what another path still holds cannot leave
    return free_a_slot(facts)


def candidate_switched_off(facts: Facts) -> Action | None:
    """Row 8: an admin does not want it."""
    if facts.staging.state is StagingState.STAGED and not any(secret.active for secret in facts.candidates):
        return Discard("the candidate was switched off at Okta")
    return None


def promote(facts: Facts) -> Action | None:
    """Row 9: prove the candidate, then make it current."""
    staged = facts.staging.value
    if facts.staging.state is not StagingState.STAGED or staged is None:
        return None
    proof = facts.proof_of(staged)
    if proof is None:
        return Verify(staged, "candidate")
    if not proof.level.good:
        return until_proven(facts, proof)
    opens, trouble = window_opens(facts), cannot_be_written(facts)
    held_up = Rest(opens, Waiting.WINDOW) if facts.now < opens else trouble if waits(facts.cause, Hold.PLACES) else None
    if held_up is not None and facts.value is not None and not facts.matches and facts.proof is None:
        return Verify(facts.value, "current")  # if it is dead nobody is served by waiting
    return held_up or Promote(next(secret for secret in facts.candidates if secret.active))


def scrub(facts: Facts) -> Action | None:
    """A closing was cut short: values lie in versions that nobody needs."""
    return ScrubStaging() if facts.staging.state is StagingState.EMPTY and facts.staging.older else None


def onboard(facts: Facts) -> Action | None:
    """Row 10: the path has never held a secret."""
    if facts.value is not None or not facts.never_held:
        return None
    active = [secret for secret in facts.active if secret.hash not in facts.made] or list(facts.active)
    if len(active) > 1:
        ids = ", ".join(sorted(secret.id for secret in active))
        return Blocked(
            Block.TWO_ACTIVE,
            f"Okta has two active secrets ({ids}) and Vault has none",
            "Name the one in use with `rotator adopt TARGET --secret ID`.",
        )
    if active and facts.policy.onboard is Onboard.ADOPT:
        return adopt(facts, active[0], replace=False)
    return begin(facts, Reason.MISSING) if facts.slot_free else free_a_slot(facts)


def current_is_dead(facts: Facts) -> Action | None:
    """Row 11: no active secret carries the current value."""
    value = facts.value
    if facts.alive is not None:
        return None
    if value is None:
        return Blocked(
            Block.UNKNOWN_VALUE,
            f"the latest version of {facts.seen.target.consumer} holds no `{facts.seen.target.fields.client_secret}`",
            "Roll the path back, or have a secret written with `rotator adopt`.",
        )
    if not facts.matches and facts.proof is None:
        return Verify(value, "current")
    if facts.proof is not None and facts.proof.level is ProofLevel.INCONCLUSIVE and not facts.matches:
        return until_proven(facts, facts.proof)
    if not facts.dead:
        return Blocked(
            Block.CANNOT_MATCH,
            f"Okta lists no secret with the value in Vault, yet the token endpoint says: {_said(facts)}",
            "Let our role view client secrets: by its hash none can be matched in this org, as was certified."
            if facts.seen.target.hash_differs and any(secret.value is None for secret in facts.seen.secrets)
            else "Check that the path and the app belong together.",
        )
    if (back_on := switch_on_if_ours(facts, facts.matches, "current, and switched off by us")) is not None:
        return back_on
    if not facts.matches and not facts.record_is_ours and facts.policy.on_unknown_value is OnUnknownValue.BLOCK:
        return Blocked(
            Block.UNKNOWN_VALUE,
            "Okta refuses the value in Vault, and neither Okta nor we know where it came from",
            "Set `on_unknown_value: rotate`, or have a secret written with `rotator adopt`.",
        )
    if (other := instead_of_a_new_one(facts)) is not None:
        return adopt(facts, other, replace=True)
    return begin(facts, Reason.REVOKED if facts.matches or facts.record_is_ours else Reason.UNKNOWN_VALUE)


def refused_although_active(facts: Facts) -> Action | None:
    """Row 12: something is wrong that a new secret would not mend."""
    if facts.proof is None or facts.proof.level is not ProofLevel.REFUSED:
        return None
    return Blocked(
        Block.REFUSED,
        f"the current secret is ACTIVE at Okta, yet the token endpoint refuses it: {facts.proof.detail}",
        "Check the app's client authentication method and the authorization server in `verify`.",
    )


def duplicate(facts: Facts) -> Action | None:
    """Row 13."""
    return drop_duplicate(facts)


def copy(facts: Facts) -> Action | None:
    """Row 13b: the target's other paths hold what the first one does."""
    return copy_to_the_others(facts)


def tell_consumers(facts: Facts) -> Action | None:
    """Row 13c: the hooks of the rotation that was promoted. Until they have run the old one stays."""
    due = facts.staging.hooks
    for name in [it for it in due.names if it in facts.seen.target.hooks] if due else ():
        failed = facts.seen.hooks_failed.get(name)
        if failed is None:
            return RunHook(name)
        if facts.compromised or not waits(facts.cause, Hold.HOOKS):
            continue
        since = facts.current.created if facts.current else facts.now
        if facts.now >= since + facts.policy.overlap_max:
            hint = "Mend it, or take it out of `hooks`; it is run again at the next look."
            return Blocked(Block.HOOK, f"{name}: {failed.detail}", hint)
        return Rest(facts.now + backoff.delay(failed.tries), Waiting.HOOK, f"{name}: {failed.detail}")
    return None


def retire(facts: Facts) -> Action | None:
    """Row 14: the old one is switched off after the overlap if nobody uses it, and removed after the soak."""
    for leaving in facts.leaving:
        step = _next_of(facts, leaving)
        if isinstance(step, Blocked) and not waits(facts.cause, Hold.OVERLAP):
            continue
        if step is not None and not isinstance(step, Rest):
            return step
    return None


def renew(facts: Facts) -> Action | None:
    """Row 15: the current one works, and its time has come."""
    reason = why_renew(facts)
    if reason is None:
        return None
    return begin(facts, reason) if facts.slot_free else free_a_slot(facts)


def rest(facts: Facts) -> Rest:
    """Row 16: until the earliest thing that is due."""
    waits = [step for leaving in facts.leaving if isinstance(step := _next_of(facts, leaving), Rest)]
    if facts.alive is not None:
        waits.append(until_renewal(facts, facts.alive.created + facts.policy.rotate_after))
    timed = [wait for wait in waits if wait.until is not None]
    first = min(
        timed, key=lambda wait: wait.until or facts.now, default=(waits or [Rest(None, Waiting.NEXT_ROTATION)])[0]
    )
    return replace(first, detail=_and_kept(facts, first.detail)) if facts.kept else first


ROWS: tuple[Callable[[Facts], Action | None], ...] = (
    paused,
    clock_ahead,
    not_ours_to_rotate,
    consumer_path_lost,
    was_promoted,
    discard,
    base_moved,
    register,
    candidate_switched_off,
    promote,
    scrub,
    onboard,
    current_is_dead,
    refused_although_active,
    duplicate,
    copy,
    tell_consumers,
    retire,
    renew,
)


def _next_of(facts: Facts, leaving: Leaving) -> Action | None:
    return switch_off(facts, leaving) if leaving.secret.active else while_off(facts, leaving)


def _and_kept(facts: Facts, detail: str) -> str:
    """Row 14a: tell the operator, and go on."""
    kept = f"{', '.join(secret.id for secret in facts.kept)} was switched on again and stays until it is retired"
    return f"{detail}; {kept}" if detail else kept


def _span(ahead: timedelta) -> str:
    return f"{ahead.days} days" if ahead.days > 1 else f"{ahead.total_seconds() / 3600:.0f} hours"


def _said(facts: Facts) -> str:
    return f"{facts.proof.level.value}, {facts.proof.detail}" if facts.proof else "nothing"


def _method(method: AuthMethod) -> str:
    return "an unknown method" if method is AuthMethod.OTHER else f"`{method.value}`"
