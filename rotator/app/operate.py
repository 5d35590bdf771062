"""What an operator asks for beside a rotation: look at a target, verify what its consumers read, adopt a secret.

* `look_at` writes nothing and makes no token request: what is next is said as far as that can be known. Who still uses
  an old secret is asked of the System Log only where that is wanted: it has little room for questions.
* `adopt` is for what the decision table leaves to a person: a path that was deleted or made anew, two active secrets,
  a value that nobody knows. Where the table can go on by itself, or a rotation is under way, it refuses.
* A value is written only after a token request with it; the path by CAS, other people's fields kept.
* It may be repeated after any failure: what is written already is not written again.
* What it writes stands in the audit, before and after, as what a rotation writes does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rotator.app.evidence import gather
from rotator.app.observe import View
from rotator.app.paper import note, on_paper, wrote
from rotator.app.rotate import carry_on
from rotator.core.actions import Blocked
from rotator.core.facts import Facts
from rotator.core.history import Deed, Upshot
from rotator.core.model import Destination, ProofLevel, StagingState
from rotator.core.records import consumer_fields, read_consumer, staging_fields
from rotator.core.rotation import consumer_path_lost, next_action, not_ours_to_rotate
from rotator.core.usage import unreadable
from rotator.errors import ConflictError, MissingError, RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.core.actions import Action
    from rotator.core.model import (
        App,
        ConsumerVersion,
        KvPath,
        OktaSecret,
        Proof,
        SecretId,
        Snapshot,
        Target,
    )
    from rotator.core.secret_value import SecretFields, SecretValue
    from rotator.core.usage import Evidence

    Confirm = Callable[[str], bool]  # asks a person; whoever says no ends it


@dataclass(frozen=True, slots=True)
class Look:
    """A target as it is, and what would be done next."""

    target: Target
    seen: Snapshot
    next: Action
    usage: bool = False  # the System Log was asked who uses the secrets that are leaving


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another of the target's paths holds: the same, or what a try of it showed, or why there is none."""

    path: KvPath
    version: int | None = None
    same: bool = False
    proof: Proof | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What the token endpoint said of the value that consumers read; `holders` only if it was not good."""

    target: Target
    version: ConsumerVersion
    proof: Proof
    holders: tuple[OktaSecret, ...] = ()
    also: tuple[Elsewhere, ...] = ()  # the target's other paths


@dataclass(frozen=True, slots=True)
class Adopted:
    """The secret that consumers now read, the version it is in, and what comes next."""

    target: Target
    secret: SecretId
    version: int
    proof: Proof
    then: Look


async def look_at(target: Target, world: World, *, usage: bool = False) -> Look:
    """Look, and say what comes next; `usage`: with whoever still uses the secrets that are leaving."""
    seen = await View(target, world, tries={}).look()
    if usage:
        seen = replace(seen, usage=await _usage(seen, world))
    return Look(target, seen, next_action(seen, world.clock.now()), usage=usage)


async def _usage(seen: Snapshot, world: World) -> dict[SecretId, Evidence]:
    """Ask the log about each secret that is leaving."""
    facts = Facts(seen, world.clock.now())
    return {
        it.secret.id: await _asked(seen, world, it.secret, current=facts.alive, left=it.since) for it in facts.leaving
    }


async def _asked(
    seen: Snapshot, world: World, secret: OktaSecret, *, current: OktaSecret | None, left: datetime
) -> Evidence:
    try:
        return await gather(seen, world, secret, current=current, left=left)
    except UnavailableError as outage:  # the rest can be shown all the same
        return unreadable(str(outage))


async def verify(target: Target, world: World) -> Verified:
    """Try the value in Vault as a consumer would, at each path, and say what it showed; the same value once."""
    app = await world.okta.get_app(target.app_id)
    if app is None:
        raise MissingError(f"Okta shows no app {target.app_id}", hint="Check `app_id`, and our role's resource set.")
    version, value = await _what_consumers_read(target, Destination(target.consumer, target.fields), app, world=world)
    proofs = {value: await world.tokens.prove(app, value, target.verify)}
    also = tuple([await _elsewhere(target, each, app, proofs=proofs, world=world) for each in target.also])
    verified = Verified(target, version, proofs[value], also=also)
    if verified.proof.level.good or not app.auth_method.uses_secret:
        return verified
    listed = await world.okta.list_secrets(target.app_id)
    return replace(verified, holders=tuple(secret for secret in listed if secret.carries(value)))


async def _elsewhere(
    target: Target, other: Destination, app: App, *, proofs: dict[SecretValue, Proof], world: World
) -> Elsewhere:
    try:
        version, value = await _what_consumers_read(target, other, app, world=world)
    except (MissingError, RefusedError) as trouble:
        return Elsewhere(other.path, trouble=str(trouble))
    leading = next(iter(proofs))
    if value not in proofs:
        proofs[value] = await world.tokens.prove(app, value, target.verify)
    return Elsewhere(other.path, version.number, value == leading, proofs[value])


async def adopt(target: Target, world: World, *, secret_id: str | None = None, confirm: Confirm) -> Adopted:
    """Have a secret of Okta's written where consumers read: the only active one, or the one that is named.

    `confirm` is asked before a value is overwritten, and before one is written that could not be proven.
    """
    async with world.leases.hold(target):
        facts = await _facts(target, world)
        _refuse_unless_needed(facts)
        chosen = _choice(facts, secret_id)
        if facts.value is not None and not chosen.carries(facts.value):
            _ask(confirm, f"Overwrite the secret in {target.consumer} with {chosen.id}?")
        proof = await _prove(facts, chosen, world, confirm=confirm)
        version = await _write(facts, chosen, proof, world)
        await _lift(facts, version, world)
        return Adopted(target, chosen.id, version, proof, await look_at(target, world))


async def _what_consumers_read(
    target: Target, there: Destination, app: App, *, world: World
) -> tuple[ConsumerVersion, SecretValue]:
    found = await world.kv.read(there.path)
    if found is None:
        raise MissingError(f"{there.path} holds nothing that can be read", hint=f"See `rotator plan {target.name}`.")
    version = read_consumer(found, there.fields)
    if version.value is None:
        raise MissingError(
            f"version {version.number} of {there.path} holds no `{there.fields.client_secret}`",
            hint="Check `fields` of the target.",
        )
    if version.client_id not in {None, app.client_id}:
        raise RefusedError(
            f"{there.path} holds the credentials of client {version.client_id}, not of {app.client_id}",
            code="other_client",
            hint="Correct `write_to` or `app_id`: this path is another app's.",
        )
    return version, version.value


async def _facts(target: Target, world: World) -> Facts:
    """Look, with whatever requests it takes to know what stands in the way."""
    outcome = await carry_on(target, world, told=True, dry_run=True)
    if isinstance(outcome.ending, RotatorError):
        raise outcome.ending
    assert outcome.seen
    return Facts(outcome.seen, world.clock.now())


def _refuse_unless_needed(facts: Facts) -> None:
    """Refuse what is not this command's to mend."""
    target, alive = facts.seen.target, facts.alive
    if isinstance(wrong := not_ours_to_rotate(facts), Blocked):
        raise RefusedError(f"{wrong.block.value}: {wrong.detail}", code="blocked", hint=wrong.hint)
    if facts.staging.paused is not None:
        raise RefusedError(
            f"{target.name} is paused: {facts.staging.paused}",
            code="paused",
            hint=f"`rotator resume {target.name}` lifts the pause.",
        )
    if consumer_path_lost(facts):
        return
    if facts.staging.state is not StagingState.EMPTY:
        raise RefusedError(
            f"a rotation of {target.name} is under way",
            code="under_way",
            hint=f"`rotator rotate {target.name}` carries it on to its end.",
        )
    if alive is not None:
        raise RefusedError(
            f"nothing is to be adopted: {target.consumer} holds {alive.id}, which is active at Okta",
            code="not_needed",
            hint=f"`rotator rotate {target.name} --force` makes a new one.",
        )


def _choice(facts: Facts, secret_id: str | None) -> OktaSecret:
    """Return the secret to adopt: active, its value shown, and no doubt which one is meant."""
    listed = ", ".join(
        f"{secret.id} ({secret.status.value}, made {secret.created:%Y-%m-%d})" for secret in facts.seen.secrets
    )
    named = [secret for secret in facts.active if secret_id in {None, secret.id}]
    if not named:
        which = f"{secret_id} is no active secret" if secret_id else "there is no active secret"
        raise RefusedError(
            f"{which} of {facts.seen.target.app_id}; it has {listed or 'none'}",
            code="no_such_secret",
            hint="Name an active one, or have one made with `rotator rotate`.",
        )
    if len(named) > 1:
        raise RefusedError(
            f"{facts.seen.target.app_id} has several active secrets: {listed}",
            code="ambiguous",
            hint="Name the one in use with --secret.",
        )
    if named[0].value is None:
        raise RefusedError(
            f"Okta does not show the value of {named[0].id}",
            code="hidden",
            hint="Give our role the permission to view client credentials, or write the value to the path by hand.",
        )
    return named[0]


async def _prove(facts: Facts, chosen: OktaSecret, world: World, *, confirm: Confirm) -> Proof:
    assert facts.seen.app
    assert chosen.value
    proof = await world.tokens.prove(facts.seen.app, chosen.value, facts.seen.target.verify)
    if proof.level is ProofLevel.REFUSED:
        raise RefusedError(
            f"the token endpoint refuses {chosen.id}: {proof.detail}",
            code="refused",
            hint="Nothing was written. If it was made just now, wait until every server of Okta's knows it.",
            request_id=proof.request_id,
        )
    if not proof.level.good:
        _ask(confirm, f"{chosen.id} could not be proven ({proof.detail}). Write it all the same?")
    return proof


def _ask(confirm: Confirm, question: str) -> None:
    if not confirm(question):
        raise RefusedError("nothing was written", code="declined", hint="Run the command again to be asked again.")


async def _write(facts: Facts, chosen: OktaSecret, proof: Proof, world: World) -> int:
    """Write the secret, unless consumers read that value already, and read it back."""
    seen, target, app = facts.seen, facts.seen.target, facts.seen.app
    assert app
    assert chosen.value
    if facts.value is not None and chosen.carries(facts.value):
        return seen.consumer.latest
    deed = _deed("Adopt", facts, world, secret=chosen.id)
    fields = consumer_fields(
        _fields_to_keep(seen),
        target.fields,
        client_id=app.client_id,
        value=chosen.value,
        secret_id=chosen.id,
        rotation_id=world.mint.rotation_id(),
        rotated_at=deed.at,
        retiring=None,
    )
    known = Upshot(f"{chosen.id}: {proof.level.value}: {proof.detail}", proof=proof.level, request_id=proof.request_id)
    await note(world.journal, None, replace(deed, step="Verify"), known)
    written = await on_paper(world.journal, deed, partial(_put, world, target.consumer, fields, seen.consumer.latest))
    assert written.version
    found = await world.kv.read(target.consumer, written.version)
    if found is None or found.fields.secret(target.fields.client_secret) != chosen.value:
        raise ConflictError(
            f"version {written.version} of {target.consumer} is not what was written; somebody changed it"
        )
    return written.version


def _fields_to_keep(seen: Snapshot) -> SecretFields | None:
    """Return the present record, or the last one that can be read where the present one is deleted."""
    return seen.consumer.versions[-1].fields if seen.consumer.versions else None


async def _lift(facts: Facts, version: int, world: World) -> None:
    """Take note that the path counts from `version` now; a candidate that was staged before is discarded."""
    staged = facts.staging
    if version >= staged.base_version:
        return
    in_flight = staged.state is not StagingState.EMPTY
    record = replace(staged, base_version=version, state=StagingState.DISCARDING if in_flight else staged.state)
    path = facts.seen.target.staging
    deed = _deed("Discard" if in_flight else "Rebase", facts, world, rotation=staged.rotation_id)
    await on_paper(world.journal, deed, partial(_put, world, path, staging_fields(record), staged.version))
    if not in_flight:
        await world.kv.destroy(path, (*staged.older, staged.version))


async def _put(world: World, path: KvPath, fields: SecretFields, cas: int) -> Upshot:
    return wrote(path, await world.kv.write(path, fields, cas=cas))


def _deed(step: str, facts: Facts, world: World, **more: Any) -> Deed:
    target = facts.seen.target
    return Deed(
        target=target.name,
        org=target.org,
        app_id=target.app_id,
        step=step,
        at=world.clock.now(),
        actor=world.actor,
        reason="adopted by a person",
        **more,
    )
