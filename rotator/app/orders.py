"""What an operator leaves in a target's staging record: a pause and its end, an approval, a secret that may go.

* It lies in Vault, so that it outlives every process and the database; it is written by CAS, under the lease.
* Everything else in the record is kept: a rotation in the middle stays there, and goes on from there.
* What is so already is not written again; a pause that somebody else has set keeps that person's words.
* A record that cannot be read is not written over.
* An order that cannot be carried out is refused, and says why: it is judged by what is seen when it is given.
* A target that is being worked on is waited for a while: a pass is short.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rotator.app.observe import View, read_record
from rotator.app.paper import on_paper, wrote
from rotator.app.rotate import carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.facts import Facts
from rotator.core.history import Deed
from rotator.core.model import Approval, Removal
from rotator.core.records import staging_fields
from rotator.errors import BusyError, ConfigError, ConflictError, RefusedError, RotatorError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rotator.app.observe import World
    from rotator.core.history import Upshot
    from rotator.core.model import OktaSecret, RotationId, SecretId, Staging, Target
    from rotator.ports import Lease

    Sleep = Callable[[float], Awaitable[None]]
    Change = Callable[[Staging], Staging]

PATIENCE = timedelta(seconds=20)  # for whoever works on the target
BETWEEN = 0.25  # seconds between two tries for the lease
LOOKS = 3  # writes that somebody else came before, or that nobody knows of, before it is given up
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause of a target as it was, and as it is; None is none."""

    target: Target
    before: str | None
    now: str | None

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return self.before != self.now


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that was written down, in one line for people."""

    target: Target
    detail: str


async def pause(
    target: Target, world: World, *, reason: str = "", patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Pause:
    """Have the target left as it is until somebody resumes it. `reason` is for people; who and when are added."""
    words = said_by(world, reason)

    def paused(record: Staging) -> Staging:
        return replace(record, paused=record.paused or words)

    async with held(target, world, patience=patience, sleep=sleep) as lease:
        found, now = await change(target, world, lease, step="Pause", reason=words, wanted=paused)
        return Pause(target, found.paused, now.paused)


async def resume(
    target: Target, world: World, *, patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Pause:
    """Lift the target's pause; a rollback that it came with is over, too."""

    def resumed(record: Staging) -> Staging:
        return replace(record, paused=None, rollback=None)

    async with held(target, world, patience=patience, sleep=sleep) as lease:
        found, now = await change(target, world, lease, step="Resume", reason="resumed", wanted=resumed)
        return Pause(target, found.paused, now.paused)


async def approve(
    target: Target, world: World, *, patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Ordered:
    """Approve the rotation that waits for it; it begins at the next pass, in an open window."""
    async with held(target, world, patience=patience, sleep=sleep) as lease:
        outcome = await carry_on(target, world, dry_run=True)
        if isinstance(outcome.ending, RotatorError):
            raise outcome.ending
        if not isinstance(outcome.ending, Rest) or outcome.ending.waiting is not Waiting.APPROVAL or not outcome.seen:
            raise RefusedError(
                f"nothing of {target.name} waits for approval",
                code="not_needed",
                hint=f"`rotator plan {target.name}` says what comes next.",
            )
        value = Facts(outcome.seen, world.clock.now()).value
        approval = Approval(value.hash if value else "", world.clock.now())

        def approved(record: Staging) -> Staging:
            return replace(record, approved=approval)

        await change(target, world, lease, step="Approve", reason=said_by(world), wanted=approved)
        return Ordered(target, f"a new secret may be made: {outcome.ending.detail}")


async def retire(
    target: Target,
    world: World,
    *,
    secret_id: str | None = None,
    patience: timedelta = PATIENCE,
    sleep: Sleep = asyncio.sleep,
) -> Ordered:
    """Have the old secret switched off at once, whatever is known of its use; it goes after the soak."""
    async with held(target, world, patience=patience, sleep=sleep) as lease:
        facts = await _facts(target, world)
        named = [it.secret for it in facts.leaving if secret_id in {None, it.secret.id}]
        on = [secret for secret in named if secret.active]
        if not on:
            raise _nothing_to_retire(facts, named, secret_id)
        return await _have_removed(facts, on[0], world, lease, step="Retire")


async def reclaim(
    target: Target, world: World, secret_id: str, *, patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Ordered:
    """Have a secret removed that nobody told us about: switched off at once if it is on, gone after the soak."""
    async with held(target, world, patience=patience, sleep=sleep) as lease:
        facts = await _facts(target, world)
        foreign = next((secret for secret in facts.foreign if secret.id == secret_id), None)
        if foreign is None:
            raise _not_foreign(facts, secret_id)
        return await _have_removed(facts, foreign, world, lease, step="Reclaim")


def said_by(world: World, reason: str = "") -> str:
    """Return the reason with who gave it and when; `ConfigError` if it is no single short line."""
    by = f"by {world.actor}, {world.clock.now():%Y-%m-%d %H:%M} UTC"
    return f"{reason} ({by})" if (reason := checked_reason(reason)) else by


def checked_reason(reason: str) -> str:
    """Return the reason for a pause without space around it; `ConfigError` if it is no single short line."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON or (reason and not reason.isprintable()):
        raise ConfigError([f"the reason must be one line of at most {LONGEST_REASON} characters; shorten it"])
    return reason


@asynccontextmanager
async def held(target: Target, world: World, *, patience: timedelta, sleep: Sleep) -> AsyncIterator[Lease]:
    """Hold the target as soon as nobody else does."""
    gives_up = world.clock.now() + patience
    async with AsyncExitStack() as holding:
        while (lease := await _try(target, world, holding, last=world.clock.now() >= gives_up)) is None:
            await sleep(BETWEEN)
        yield lease


async def change(
    target: Target,
    world: World,
    lease: Lease,
    *,
    step: str,
    reason: str,
    wanted: Change,
    secret: SecretId | None = None,
    rotation: RotationId | None = None,
) -> tuple[Staging, Staging]:
    """Write what `wanted` makes of the record, on paper before and after; return it as it was, and as it is.

    Nothing is written that is so already; an answer that leaves a doubt is looked into.
    """
    about = Deed(
        target=target.name,
        org=target.org,
        app_id=target.app_id,
        step=step,
        at=world.clock.now(),
        actor=world.actor,
        rotation=rotation,
        reason=reason,
        secret=secret,
    )
    found = record = await read_intact(target, world)
    for left in reversed(range(LOOKS)):
        if wanted(record) == record:
            break
        await lease.confirm(target.settle)
        try:
            await _put(target, world, wanted(record), about)
        except (ConflictError, UnknownOutcomeError):
            if not left:
                raise
        else:
            return found, wanted(record)
        record = await read_intact(target, world)
    return found, record


async def read_intact(target: Target, world: World) -> Staging:
    """Return the staging record; `RefusedError` if it is none that may be written over."""
    record, unreadable = await read_record(world.kv, target.staging)
    if unreadable:
        raise RefusedError(
            f"{target.name} is blocked, record unreadable: {unreadable}",
            code="blocked",
            hint="Nothing was written. Restore an older version of the record, or undelete it: docs/recovery.md.",
        )
    return record


# --------------------------------------------------------------------------------------------------------------


async def _facts(target: Target, world: World) -> Facts:
    return Facts(await View(target, world, tries={}).look(), world.clock.now())


async def _have_removed(facts: Facts, secret: OktaSecret, world: World, lease: Lease, *, step: str) -> Ordered:
    target, removal = facts.seen.target, Removal.of(secret, world.clock.now())
    if facts.alive is None:
        raise RefusedError(
            f"{target.consumer} holds no secret that is active at Okta; {secret.id} may be all that works",
            code="needed",
            hint=f"`rotator rotate {target.name}` first.",
        )

    def removed(record: Staging) -> Staging:
        known = record.remove
        same = known is not None and (known.secret, known.changed) == (removal.secret, removal.changed)
        return record if same else replace(record, remove=removal)

    reason = said_by(world, secret.id)
    await change(target, world, lease, step=step, reason=reason, wanted=removed, secret=secret.id)
    then = "is switched off, and deleted after the soak" if secret.active else "is deleted after the soak"
    return Ordered(target, f"{secret.id} {then}")


def _nothing_to_retire(facts: Facts, named: list[OktaSecret], secret_id: str | None) -> RefusedError:
    name = facts.seen.target.name
    if named:
        ends = named[0].changed + facts.policy.soak
        why = f"{named[0].id} is switched off already, and deleted after {ends:%Y-%m-%d %H:%M} UTC"
        return RefusedError(why, code="not_needed", hint=f"`rotator status {name}` shows it.")
    why = f"{name} has no old secret" if secret_id is None else f"{secret_id} is no old secret of {name}"
    hint = f"`rotator reclaim {name} ID` is for one that nobody told us about."
    return RefusedError(why, code="no_such_secret", hint=hint)


def _not_foreign(facts: Facts, secret_id: str) -> RefusedError:
    name = facts.seen.target.name
    if any(it.secret.id == secret_id for it in facts.leaving):
        return RefusedError(
            f"{secret_id} is an old secret of ours, and goes by itself",
            code="not_needed",
            hint=f"`rotator retire {name} --secret {secret_id}` does not wait.",
        )
    ours = any(secret.id == secret_id for secret in (*facts.matches, *facts.candidates))
    why = f"{secret_id} is in use" if ours else f"{facts.seen.target.app_id} has no secret {secret_id}"
    return RefusedError(why, code="no_such_secret", hint=f"`rotator status {name}` shows which secrets there are.")


async def _try(target: Target, world: World, holding: AsyncExitStack, *, last: bool) -> Lease | None:
    try:
        return await holding.enter_async_context(world.leases.hold(target))
    except BusyError:
        if last:
            raise
        return None


async def _put(target: Target, world: World, record: Staging, about: Deed) -> None:
    """Write the record over the version that it was made from, on paper before it and after it."""
    deed = replace(about, at=world.clock.now(), rotation=about.rotation or record.rotation_id)
    world.progress.doing(target, deed.step)
    upshot = await on_paper(world.journal, deed, partial(_write_record, target, world, record, deed.reason))
    world.progress.done(target, deed.step, upshot.detail, rotation=deed.rotation)


async def _write_record(target: Target, world: World, record: Staging, reason: str) -> Upshot:
    version = await world.kv.write(target.staging, staging_fields(record), cas=record.version)
    return wrote(target.staging, version, why=reason)
