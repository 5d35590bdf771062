"""Each action of the core as calls on the ports. One action, one effect; afterwards the view tells what it changed.

What came of it is told in a line for people, and in what an auditor asks for.
Nothing here decides, waits or repeats. A write that ends unknown raises; who carries the target on looks again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from rotator.app.evidence import gather
from rotator.app.paper import wrote
from rotator.core import actions as do
from rotator.core.facts import Facts
from rotator.core.history import Upshot
from rotator.core.hooks import Occasion
from rotator.core.model import (
    HooksDue,
    Order,
    OrderMode,
    ProofLevel,
    Removal,
    RetiringMode,
    RotationId,
    SecretId,
    StagingState,
)
from rotator.core.records import consumer_fields, staging_fields, with_made
from rotator.core.usage import Usage, told, unreadable
from rotator.errors import RefusedError, UnavailableError, UnknownOutcomeError

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.observe import View, World
    from rotator.core.model import OktaSecret, Reason, Snapshot, Staging
    from rotator.core.secret_value import SecretFields, SecretValue
    from rotator.core.usage import Evidence


async def perform(action: do.Effect, seen: Snapshot, view: View, world: World) -> Upshot:  # noqa: PLR0912
    """Carry out one action; return what came of it."""
    match action:
        case do.Stage(reason):
            return await _stage(seen, view, world, reason)
        case do.Create():
            return await _create(seen, view, world)
        case do.Verify(value, whose):
            whose = "what Vault holds" if whose == "current" else "the candidate"
            return await _verify(seen, view, world, value, whose=whose)
        case do.AskLog(secret):
            return Upshot(await _ask_log(seen, view, world, secret))
        case do.AskUsage(secret, current, left):
            return await _ask_usage(seen, view, world, secret, current, left)
        case do.Promote(candidate):
            return await _promote(seen, view, world, candidate)
        case do.CloseStaging():
            return await _close(seen, view, world)
        case do.ScrubStaging():
            await world.kv.destroy(seen.target.staging, seen.staging.older)
            view.staging_changed()
            return Upshot(f"destroyed versions {_numbers(seen.staging.older)} of the staging record")
        case do.Discard():
            return await _write_staging(seen, view, world, replace(seen.staging, state=StagingState.DISCARDING))
        case do.Rebase():
            return await _write_staging(seen, view, world, replace(seen.staging, base_version=seen.consumer.latest))
        case do.Fence():
            assert seen.consumer.current
            return await _write_consumer(seen, world, seen.consumer.current.fields)
        case do.OrderReplacement(secret_id):
            order = Order(secret_id, OrderMode.WINDOW, world.clock.now())
            return await place_order(seen, view, world, order)
        case do.Adopt(secret):
            return await _adopt(seen, world, secret)
        case do.Activate(secret_id, why):
            view.switched_on(await world.okta.activate_secret(seen.target.app_id, secret_id))
            return Upshot(f"{secret_id} is active again: {why}")
        case do.Deactivate(secret_id):
            return await _deactivate(seen, view, world, secret_id)
        case do.Delete(secret_id):
            await world.okta.delete_secret(seen.target.app_id, secret_id)
            view.secret_gone(secret_id)
            return Upshot(f"{secret_id} is gone")
        case do.Copy(place):
            return await _copy(seen, world, place)
        case do.RunHook(name):
            return await _run_hook(seen, view, world, name)
    assert_never(action)


def forget(action: do.Effect, view: View) -> None:
    """An effect failed or ended unknown: whatever it could have changed is to be read again."""
    match action:
        case do.Create() | do.Activate() | do.Deactivate() | do.Delete():
            view.okta_changed()
            view.staging_changed()
        case do.Verify() | do.AskLog() | do.AskUsage():
            return
        case _:
            view.staging_changed()


async def place_order(seen: Snapshot, view: View, world: World, order: Order) -> Upshot:
    """Write an order to the staging record, where it survives a crash and a lost database."""
    written = await _write_staging(seen, view, world, replace(seen.staging, order=order))
    return replace(written, detail=f"one of ours instead of {order.replace}, in {written.detail}")


async def _stage(seen: Snapshot, view: View, world: World, reason: Reason) -> Upshot:
    value, now = world.mint.value(), world.clock.now()
    replaced = Facts(seen, now).to_replace
    record = replace(
        with_made(seen.staging, value, now),
        state=StagingState.STAGED,
        value=value,
        rotation_id=world.mint.rotation_id(),
        base_version=seen.consumer.latest,
        base_hash=replaced,
        reason=reason,
        staged_at=now,
    )
    done = await _write_staging(seen, view, world, record)
    assert record.rotation_id
    view.staged_afresh(record.rotation_id)
    return done


async def _create(seen: Snapshot, view: View, world: World) -> Upshot:
    """Register the staged value. One that was staged before this pass is stamped anew first.

    The stamp says from when on a create may be under way; written with CAS, it also stops whoever else is at it.
    """
    staged = seen.staging
    assert staged.value
    assert staged.rotation_id
    if seen.attempted_at is not None:
        await _write_staging(seen, view, world, replace(staged, staged_at=world.clock.now()))
        view.staged_afresh(staged.rotation_id)
    try:
        made = await world.okta.create_secret(seen.target.app_id, staged.value)
    except UnknownOutcomeError:
        view.attempted(world.clock.now())
        raise
    except RefusedError as refusal:
        if refusal.code == "duplicate_value":  # it is there, or was: an earlier attempt arrived after our list
            view.attempted(world.clock.now())
        raise
    view.secret_is(made)
    if made.hash != staged.value.hash:
        # Okta does not document its formula; where it shows no value either, nothing can be matched from now on.
        doubt = f"{made.id} is active, but Okta's `secret_hash` is not the one we know: see docs/assumptions.md"
        return Upshot(doubt, secret=made.id)
    return Upshot(f"{made.id} is active", secret=made.id)


async def _verify(seen: Snapshot, view: View, world: World, value: SecretValue, *, whose: str) -> Upshot:
    """Make the test request. Where its answer contradicts Okta's list, Okta has moved on: list again."""
    assert seen.app
    proof = await world.tokens.prove(seen.app, value, seen.target.verify)
    view.proven(value.hash, proof)
    listed = any(secret.active and secret.carries(value) for secret in seen.secrets)
    if proof.level.good != listed and proof.level is not ProofLevel.INCONCLUSIVE:
        view.okta_changed()
    return Upshot(f"{whose}: {proof.level.value}: {proof.detail}", proof=proof.level, request_id=proof.request_id)


async def _ask_log(seen: Snapshot, view: View, world: World, secret: OktaSecret) -> str:
    assert seen.app
    try:
        ours = await world.log.deactivated_by_us(seen.app, secret)
    except RefusedError as refusal:
        view.asked[secret.id] = secret.id in view.switched_off
        return f"{refusal}; taken as switched off by {'us' if view.asked[secret.id] else 'somebody else'}"
    view.asked[secret.id] = ours
    return f"{secret.id} was switched off by {'us' if ours else 'somebody else'}"


async def _ask_usage(
    seen: Snapshot, view: View, world: World, secret: OktaSecret, current: OktaSecret | None, left: datetime
) -> Upshot:
    """Weigh what the log has. One that is away is asked again, where what it has to say may stop us."""
    try:
        evidence = await gather(seen, world, secret, current=current, left=left)
    except UnavailableError as outage:
        policy = seen.target.policy
        if policy.usage is not Usage.OFF or world.clock.now() >= secret.changed + policy.soak:
            raise
        evidence = unreadable(str(outage))
    view.weighed(secret.id, evidence)
    return Upshot(_said_of(secret, evidence))


def _said_of(secret: OktaSecret, evidence: Evidence) -> str:
    if evidence.failing:
        return f"{secret.id} is missed: {told(evidence.failing)}"
    if evidence.users:
        return f"{secret.id} was used: {told(evidence.users)}"
    return f"{secret.id}: {evidence.unproven or 'nobody has used it since it left'}"


async def _promote(seen: Snapshot, view: View, world: World, candidate: OktaSecret) -> Upshot:
    """Make the candidate current. What was proven of it counts no more: what Vault now holds is proven again."""
    current, staged, app = seen.consumer.current, seen.staging, seen.app
    assert app
    assert staged.value
    assert staged.rotation_id
    fields = consumer_fields(
        current.fields if current else None,
        seen.target.fields,
        client_id=app.client_id,
        value=staged.value,
        secret_id=candidate.id,
        rotation_id=staged.rotation_id,
        rotated_at=world.clock.now(),
        retiring=_retiring(seen, world, candidate),
    )
    done = await _write_consumer(seen, world, fields, cas=staged.base_version)
    view.proofs.pop(staged.value.hash, None)
    return done


def _retiring(seen: Snapshot, world: World, candidate: OktaSecret) -> tuple[SecretId, RetiringMode] | None:
    """Name the other slot, if it can be explained: the current one, one that is leaving, or what policy replaces."""
    facts = Facts(seen, world.clock.now())
    for secret in facts.matches:
        return secret.id, RetiringMode.NOW if facts.dead else RetiringMode.OVERLAP
    for leaving in facts.leaving:
        return leaving.secret.id, leaving.mode
    for secret in seen.secrets:
        if secret.id != candidate.id and secret.hash == seen.staging.base_hash:
            return secret.id, RetiringMode.OVERLAP
    return None


async def _close(seen: Snapshot, view: View, world: World) -> Upshot:
    """Close the record: empty it first, then destroy by number, so that a newer record is never touched."""
    staged = seen.staging
    facts = Facts(seen, world.clock.now())
    fulfilled = _fulfilled(facts)
    in_use = facts.value is not None and facts.value == staged.value
    due = (
        HooksDue(staged.rotation_id, seen.target.hooks) if in_use and staged.rotation_id and seen.target.hooks else None
    )
    empty = replace(
        staged,
        state=StagingState.EMPTY,
        value=None,
        rotation_id=None,
        base_version=seen.consumer.latest,
        base_hash=None,
        reason=None,
        staged_at=None,
        order=None if fulfilled else staged.order,
        remove=_compromised(seen) if fulfilled else staged.remove,
        approved=None if facts.promoted else staged.approved,
        hooks=due or staged.hooks,
    )
    written = await _write_staging(seen, view, world, empty)
    await world.kv.destroy(seen.target.staging, (*staged.older, staged.version))
    return replace(written, detail="staging is empty, the staged value destroyed")


def _fulfilled(facts: Facts) -> bool:
    """Whether what was ordered is done: by this rotation, even if somebody went back since, or by anybody."""
    order = facts.staging.order
    if order is None:
        return False
    named = next((secret for secret in facts.matches if secret.id == order.replace), None)
    return named is None or (facts.promoted and named.hash == facts.staging.base_hash)


def _compromised(seen: Snapshot) -> Removal | None:
    """Have a compromised secret removed that was replaced; of any other order nothing is left."""
    staged, order = seen.staging, seen.staging.order
    if order is None or order.mode is not OrderMode.COMPROMISED:
        return staged.remove
    named = next((secret for secret in seen.secrets if secret.id == order.replace), None)
    return Removal.of(named, order.placed_at, compromised=True) if named else staged.remove


async def _copy(seen: Snapshot, world: World, place: int) -> Upshot:
    """Lay what the first path holds over what is at another one."""
    there, current, app = seen.others[place], seen.consumer.current, seen.app
    destination = seen.target.also[place]
    assert app
    assert current
    assert current.value
    fields = consumer_fields(
        there.current.fields if there.current else None,
        destination.fields,
        client_id=app.client_id,
        value=current.value,
        secret_id=current.secret_id or SecretId(""),
        rotation_id=current.rotation_id or RotationId(""),
        rotated_at=world.clock.now(),
        retiring=(current.retiring_id, current.retiring_mode) if current.retiring_id else None,
    )
    return wrote(destination.path, await world.kv.write(destination.path, fields, cas=there.latest))


async def _run_hook(seen: Snapshot, view: View, world: World, name: str) -> Upshot:
    """Run it, then note that it was: a crash between the two runs it once more."""
    due, current = seen.staging.hooks, seen.consumer.current
    assert due
    assert current
    assert seen.app
    occasion = Occasion(
        target=seen.target.name,
        org=seen.target.org,
        app_id=seen.target.app_id,
        client_id=seen.app.client_id,
        rotation=due.rotation,
        path=seen.target.consumer,
        version=current.number,
        secret=current.secret_id,
        promoted_at=current.created,
    )
    result = await world.hooks.run(name, occasion)
    if not result.good:
        view.hook_failed(name, result.detail)
        return Upshot(f"{name} failed: {result.detail}")
    left = tuple(it for it in due.names if it != name)
    record = replace(seen.staging, hooks=HooksDue(due.rotation, left) if left else None)
    await _write_staging(seen, view, world, record)
    return Upshot(f"{name}: {result.detail}")


async def _adopt(seen: Snapshot, world: World, secret: OktaSecret) -> Upshot:
    assert seen.app
    assert secret.value
    current = seen.consumer.current
    fields = consumer_fields(
        current.fields if current else None,
        seen.target.fields,
        client_id=seen.app.client_id,
        value=secret.value,
        secret_id=secret.id,
        rotation_id=world.mint.rotation_id(),
        rotated_at=world.clock.now(),
        retiring=None,
    )
    return await _write_consumer(seen, world, fields)


async def _deactivate(seen: Snapshot, view: View, world: World, secret_id: SecretId) -> Upshot:
    """Switch off. The next look tells whether somebody rolled back meanwhile; then it is switched on again at once."""
    view.secret_is(await world.okta.deactivate_secret(seen.target.app_id, secret_id))
    view.switched_off.add(secret_id)
    return Upshot(f"{secret_id} is inactive")


async def _write_staging(seen: Snapshot, view: View, world: World, record: Staging) -> Upshot:
    number = await world.kv.write(seen.target.staging, staging_fields(record), cas=seen.staging.version)
    view.staging_changed()
    return wrote(seen.target.staging, number)


async def _write_consumer(seen: Snapshot, world: World, fields: SecretFields, *, cas: int | None = None) -> Upshot:
    number = await world.kv.write(seen.target.consumer, fields, cas=seen.consumer.latest if cas is None else cas)
    return wrote(seen.target.consumer, number)


def _numbers(versions: tuple[int, ...]) -> str:
    return ", ".join(str(number) for number in versions)
