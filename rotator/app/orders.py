"""What an operator leaves in a target's staging record: a pause, and its end.

* It lies in Vault, so that it outlives every process and the database; it is written by CAS, under the lease.
* Everything else in the record is kept: a rotation in the middle stays there, and goes on from there.
* What is so already is not written again; a pause that somebody else has set keeps that person's words.
* A record that cannot be read is not written over.
* A target that is being worked on is waited for a while: a pass is short.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.app.observe import read_record
from rotator.core.history import Deed, Ended
from rotator.core.records import staging_fields
from rotator.core.requests import collected
from rotator.errors import BusyError, ConfigError, ConflictError, RefusedError, RotatorError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rotator.app.observe import World
    from rotator.core.model import Staging, Target
    from rotator.ports import Lease

    Sleep = Callable[[float], Awaitable[None]]

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


async def pause(
    target: Target, world: World, *, reason: str = "", patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Pause:
    """Have the target left as it is until somebody resumes it. `reason` is for people; who and when are added."""
    by = f"by {world.actor}, {world.clock.now():%Y-%m-%d %H:%M} UTC"
    words = f"{reason} ({by})" if (reason := checked_reason(reason)) else by
    async with _held(target, world, patience=patience, sleep=sleep) as lease:
        return await _write(target, world, lease, step="Pause", paused=lambda before: before or words)


async def resume(
    target: Target, world: World, *, patience: timedelta = PATIENCE, sleep: Sleep = asyncio.sleep
) -> Pause:
    """Lift the target's pause."""
    async with _held(target, world, patience=patience, sleep=sleep) as lease:
        return await _write(target, world, lease, step="Resume", paused=lambda _: None)


def checked_reason(reason: str) -> str:
    """Return the reason for a pause without space around it; `ConfigError` if it is no single short line."""
    reason = reason.strip()
    if len(reason) > LONGEST_REASON or (reason and not reason.isprintable()):
        raise ConfigError([f"the reason must be one line of at most {LONGEST_REASON} characters; shorten it"])
    return reason


@asynccontextmanager
async def _held(target: Target, world: World, *, patience: timedelta, sleep: Sleep) -> AsyncIterator[Lease]:
    """Hold the target as soon as nobody else does."""
    gives_up = world.clock.now() + patience
    async with AsyncExitStack() as holding:
        while (lease := await _try(target, world, holding, last=world.clock.now() >= gives_up)) is None:
            await sleep(BETWEEN)
        yield lease


async def _try(target: Target, world: World, holding: AsyncExitStack, *, last: bool) -> Lease | None:
    try:
        return await holding.enter_async_context(world.leases.hold(target))
    except BusyError:
        if last:
            raise
        return None


async def _write(
    target: Target, world: World, lease: Lease, *, step: str, paused: Callable[[str | None], str | None]
) -> Pause:
    """Write what `paused` makes of the pause that is there; look again where an answer leaves a doubt."""
    found = await _read(target, world)
    record, wanted = found, paused(found.paused)
    for left in reversed(range(LOOKS)):
        if record.paused == wanted:
            break
        await lease.confirm(target.settle)
        try:
            await _put(target, world, replace(record, paused=wanted), step=step, reason=wanted or record.paused or "")
        except (ConflictError, UnknownOutcomeError):
            if not left:
                raise
        else:
            break
        record = await _read(target, world)
        wanted = paused(record.paused)
    return Pause(target, found.paused, wanted)


async def _read(target: Target, world: World) -> Staging:
    record, unreadable = await read_record(world.kv, target.staging)
    if unreadable:
        raise RefusedError(
            f"{target.name} is blocked, record unreadable: {unreadable}",
            code="blocked",
            hint="Nothing was written. Restore an older version of the record, or undelete it: docs/recovery.md.",
        )
    return record


async def _put(target: Target, world: World, record: Staging, *, step: str, reason: str) -> None:
    """Write the record over the version that it was made from, on paper before it and after it."""
    deed = Deed(
        target=target.name,
        org=target.org,
        app_id=target.app_id,
        step=step,
        at=world.clock.now(),
        actor=world.actor,
        rotation=record.rotation_id,
        reason=reason,
    )
    world.progress.doing(target, step)
    number = await world.journal.begins(deed)
    with collected() as requests:
        try:
            version = await world.kv.write(target.staging, staging_fields(record), cas=record.version)
        except RotatorError as error:
            how = Ended.UNKNOWN if isinstance(error, UnknownOutcomeError) else Ended.NOT_DONE
            await world.journal.ended(number, deed, how, str(error), request_id=error.request_id)
            raise
    detail = f"{target.staging} version {version}: {reason}"
    done = replace(deed, path=str(target.staging), version=version)
    await world.journal.ended(number, done, Ended.DONE, detail, request_id=", ".join(requests) or None)
    world.progress.done(target, step, detail, rotation=record.rotation_id)
