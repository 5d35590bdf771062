"""Go back to the secret that consumers read before, while it exists.

* The pause comes first, with the name of the secret: else the next pass would go on to a new one, and a second call of
  this command would not know whether it goes back or finishes.
* A value is written only after a token request with it, and proven again as read back; every path of the target.
* What an admin switched off stays off: it is refused, and says so. What we switched off is switched on again.
* It may be repeated after any failure: what is done already is not done again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rotator.app.observe import View
from rotator.app.orders import PATIENCE, change, held, said_by
from rotator.app.paper import note, on_paper, wrote
from rotator.core.actions import Blocked
from rotator.core.facts import Facts
from rotator.core.history import Deed, Upshot
from rotator.core.model import RetiringMode
from rotator.core.places import cannot_be_written
from rotator.core.records import consumer_fields
from rotator.core.rotation import consumer_path_lost, not_ours_to_rotate
from rotator.errors import ConflictError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from rotator.app.observe import World
    from rotator.app.orders import Sleep
    from rotator.core.model import (
        Consumer,
        FieldNames,
        KvPath,
        OktaSecret,
        Proof,
        SecretId,
        Staging,
        Target,
    )
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Lease


MOST_WRITES = 12  # a target has eight paths at most; the rest is for whoever writes there at the same time


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The secret that consumers read again, and the one that they read before. `proof` is of what Vault holds now."""

    target: Target
    secret: SecretId
    instead_of: SecretId | None
    version: int
    proof: Proof
    changed: bool  # False: it was so already


@dataclass(frozen=True, slots=True)
class _Former:
    """What is gone back to."""

    secret: OktaSecret
    value: SecretValue


async def rollback(
    target: Target, world: World, *, patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> RolledBack:
    """Make the former secret current again, and pause the target; `RefusedError` says why it cannot be done."""
    async with held(target, world, patience=patience, sleep=sleep) as lease:
        back = _Back(target, world, lease)
        facts = await back.look()
        former = _former(facts)
        await back.check(facts, former)
        await back.pause(former)
        return await back.go(former)


@dataclass(frozen=True, slots=True)
class _Place:
    """A path of the target, and what lies there."""

    path: KvPath
    names: FieldNames
    there: Consumer


class _Back:
    """One rollback, under the lease."""

    def __init__(self, target: Target, world: World, lease: Lease) -> None:
        self._target, self._world, self._lease = target, world, lease
        self._rotation = world.mint.rotation_id()

    async def look(self) -> Facts:
        return Facts(await View(self._target, self._world, tries={}).look(), self._world.clock.now())

    async def check(self, facts: Facts, former: _Former) -> None:
        """Refuse before anything is written, wherever that can be known."""
        if former.secret.active:
            await self._prove(facts, former)
        elif not await self._switched_off_by_us(facts, former):
            raise RefusedError(
                f"{former.secret.id} was switched off by somebody else, or long ago",
                code="revoked",
                hint="If it may be used again, switch it on in the Okta admin console, and ask again.",
            )

    async def pause(self, former: _Former) -> None:
        """Write down where we go back to; from now on no pass touches the target."""
        words = f"rolled back to {former.secret.id} ({said_by(self._world)})"

        def paused(record: Staging) -> Staging:
            return replace(record, paused=record.paused or words, rollback=former.secret.id)

        await change(
            self._target,
            self._world,
            self._lease,
            step="Rollback",
            reason=words,
            wanted=paused,
            secret=former.secret.id,
            rotation=self._rotation,
        )

    async def go(self, former: _Former) -> RolledBack:
        """Switch it on, prove it, write it to each path, and prove what was written."""
        facts = await self.look()
        before = next((secret.id for secret in facts.matches), None)
        if not former.secret.active:
            await self._on_paper("Activate", former, lambda: self._activate(former))
        await self._prove(facts, former)
        for written in range(MOST_WRITES):
            facts = await self.look()
            place = _behind(facts, former)
            if place is None:
                proof = await self._prove(facts, former)
                if written:
                    await self._note(former, proof)
                return RolledBack(self._target, former.secret.id, before, facts.consumer.latest, proof, written > 0)
            await self._on_paper("Promote", former, partial(self._write, facts, former, place))
        raise ConflictError(f"somebody else writes to the paths of {self._target.name} at the same time")

    async def _write(self, facts: Facts, former: _Former, place: _Place) -> Upshot:
        """Write the former value over what lies at a path, by CAS."""
        assert facts.seen.app
        replaced = next((secret.id for secret in facts.matches if secret.id != former.secret.id), None)
        fields = consumer_fields(
            place.there.current.fields if place.there.current else None,
            place.names,
            client_id=facts.seen.app.client_id,
            value=former.value,
            secret_id=former.secret.id,
            rotation_id=self._rotation,
            rotated_at=self._world.clock.now(),
            retiring=(replaced, RetiringMode.OVERLAP) if replaced else None,
        )
        number = await self._world.kv.write(place.path, fields, cas=place.there.latest)
        return wrote(place.path, number, secret=former.secret.id)

    async def _activate(self, former: _Former) -> Upshot:
        await self._world.okta.activate_secret(self._target.app_id, former.secret.id)
        return Upshot(f"{former.secret.id} is active", secret=former.secret.id)

    async def _switched_off_by_us(self, facts: Facts, former: _Former) -> bool:
        assert facts.seen.app
        return await self._world.log.deactivated_by_us(facts.seen.app, former.secret)

    async def _prove(self, facts: Facts, former: _Former) -> Proof:
        assert facts.seen.app
        proof = await self._world.tokens.prove(facts.seen.app, former.value, self._target.verify)
        if not proof.level.good:
            paused = facts.seen.staging.rollback is not None
            raise RefusedError(
                f"{former.secret.id} is not proven to work: {proof.level.value}: {proof.detail}",
                code="refused",
                hint=f"The target stays paused; ask again, or `rotator resume {self._target.name}`."
                if paused
                else "Nothing was written.",
                request_id=proof.request_id,
            )
        return proof

    async def _on_paper(self, step: str, former: _Former, work: Callable[[], Awaitable[Upshot]]) -> None:
        """Do it under the lease, with a row before it and after it."""
        await self._lease.confirm(self._target.settle)
        self._world.progress.doing(self._target, step)
        upshot = await on_paper(self._world.journal, self._deed(step, former), work)
        self._world.progress.done(self._target, step, upshot.detail, rotation=self._rotation)

    async def _note(self, former: _Former, proof: Proof) -> None:
        """Put the proof of what was written on paper, as a pass does."""
        detail = f"what Vault holds: {proof.level.value}: {proof.detail}"
        upshot = Upshot(detail, proof=proof.level, request_id=proof.request_id)
        await note(self._world.journal, None, self._deed("Verify", former), upshot)

    def _deed(self, step: str, former: _Former) -> Deed:
        return Deed(
            target=self._target.name,
            org=self._target.org,
            app_id=self._target.app_id,
            step=step,
            at=self._world.clock.now(),
            actor=self._world.actor,
            rotation=self._rotation,
            reason="rolled back",
            secret=former.secret.id,
        )


def _behind(facts: Facts, former: _Former) -> _Place | None:
    """Return the next path that does not hold the former value; `RefusedError` if one is not ours to write over."""
    _refuse_if_blocked(facts)
    target = facts.seen.target
    first = _Place(target.consumer, target.fields, facts.consumer)
    others = [
        _Place(other.path, other.fields, there) for other, there in zip(target.also, facts.seen.others, strict=True)
    ]
    for place in (first, *others):
        if place.there.current is None or place.there.current.value != former.value:
            return place
    return None


def _refuse_if_blocked(facts: Facts) -> None:
    wrong = not_ours_to_rotate(facts) or consumer_path_lost(facts) or cannot_be_written(facts)
    if isinstance(wrong, Blocked):
        raise RefusedError(f"{wrong.block.value}: {wrong.detail}", code="blocked", hint=wrong.hint)


def _former(facts: Facts) -> _Former:
    """Return what to go back to; `RefusedError` if there is nothing, or it is not ours to change."""
    target, staging = facts.seen.target, facts.seen.staging
    _refuse_if_blocked(facts)
    for version in reversed(facts.consumer.versions):
        for secret in facts.seen.secrets:
            if version.value is None or not secret.carries(version.value):
                continue
            wanted = secret.id == staging.rollback if staging.rollback else version.value != facts.value
            if wanted:
                return _Former(secret, version.value)
    raise RefusedError(
        f"no older version of {target.consumer} holds a secret that Okta still has",
        code="no_such_secret",
        hint=f"`rotator rotate {target.name} --force` makes a new one.",
    )
