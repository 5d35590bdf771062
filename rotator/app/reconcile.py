"""Carry many targets on: a few at a time, each by itself, and with patience for what ends by itself.

* One failure never stops another target, not even a fault of this program: it becomes that target's ending.
* Where an org or a Vault is out for several targets in a row, the rest that need it are not tried: each would take
  its time limits and retries, and a rate limit would be hit again.
* What waits, waits between two passes, with no lease held; each pass looks and decides afresh.
* Where a person named the target, whoever else is at it is waited for too.
* An order is given until it led to a first step, so that a later pass does not order a second rotation.
"""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeVar

from rotator.app.rotate import Outcome, carry_on
from rotator.core import backoff
from rotator.core.actions import Rest, Waiting
from rotator.core.budget import TURN
from rotator.errors import (
    BusyError,
    ConflictError,
    InvariantError,
    RateLimitedError,
    RotatorError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.app.rotate import Step
    from rotator.core.model import OrderMode, Target

    WorldOf = Callable[[Target], World]
    Sleep = Callable[[float], Awaitable[None]]

T = TypeVar("T")

AT_ONCE = 4
OUT = 4  # outages in a row, each after its own retries
SHORTEST_WAIT = timedelta(milliseconds=200)  # a time that has come already must not make a tight loop
NEXT_TRY = timedelta(seconds=1)  # of what somebody else works on, where a person waits
SHORT = frozenset({Waiting.ATTEMPT, Waiting.VERIFICATION})  # what ends by itself, and soon


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one target may be waited for in all, and how often an outage is tried again.

    `turn`: how long one call may wait for its turn in Okta's budget, where there is any patience at all.
    """

    total: timedelta
    retries: int = 2
    turn: timedelta = TURN


ONE_PASS = Patience(timedelta(seconds=5), retries=1)


async def reconcile(
    targets: Sequence[Target],
    world_of: WorldOf,
    *,
    told: bool = False,
    order: OrderMode | None = None,
    dry_run: bool = False,
    patience: Patience = ONE_PASS,
    sleep: Sleep = asyncio.sleep,
) -> tuple[Outcome, ...]:
    """Carry these targets on; return their outcomes in the same order. The rest is as for `carry_on`."""

    async def work(target: Target) -> Outcome:
        if dry_run:
            return await carry_on(target, world_of(target), told=told, order=order, dry_run=True)
        return await see_through(target, world_of(target), told=told, order=order, patience=patience, sleep=sleep)

    return await each(
        targets,
        work,
        failed=lambda target, error: Outcome(target, (), error, None),
        error_of=lambda outcome: outcome.ending if isinstance(outcome.ending, RotatorError) else None,
    )


async def each(
    targets: Sequence[Target],
    work: Callable[[Target], Awaitable[T]],
    *,
    failed: Callable[[Target, RotatorError], T],
    error_of: Callable[[T], RotatorError | None] = lambda _: None,
    at_once: int = AT_ONCE,
) -> tuple[T, ...]:
    """Do `work` for each target, a few at a time; what raises becomes what `failed` makes of it.

    `error_of` finds the error in what `work` returned, where it does not raise it.
    """
    turns, outages = asyncio.Semaphore(at_once), _Outages()

    async def one(target: Target) -> T:
        async with turns:
            outages.refuse(target)
            try:
                result = await work(target)
            except UnavailableError as error:
                outages.note(target, error)
                raise
            outages.note(target, error_of(result))
            return result

    # Not a TaskGroup: it would cancel the others, in the middle of their effects, for the fault of one.
    ended = await asyncio.gather(*(one(target) for target in targets), return_exceptions=True)
    return tuple(
        failed(target, _error_of(target, result)) if isinstance(result, BaseException) else result
        for target, result in zip(targets, ended, strict=True)
    )


class _Outages:
    """How many targets in a row met an outage, by the org and the Vault that they need."""

    def __init__(self) -> None:
        self._row: dict[tuple[str, str], list[UnavailableError]] = {}

    def note(self, target: Target, error: RotatorError | None) -> None:
        row = self._row.setdefault((target.org, target.vault), [])
        if isinstance(error, UnavailableError):
            row.append(error)
        else:
            row.clear()

    def refuse(self, target: Target) -> None:
        row = self._row.get((target.org, target.vault), [])
        if len(row) >= OUT:
            raise row[-1]


async def see_through(
    target: Target,
    world: World,
    *,
    told: bool = False,
    order: OrderMode | None = None,
    patience: Patience,
    sleep: Sleep = asyncio.sleep,
) -> Outcome:
    """Carry one target on, again after each short wait, until it rests for longer or the patience is at its end."""
    gives_up = world.clock.now() + patience.total
    tries: dict[str, int] = {}
    steps: tuple[Step, ...] = ()
    outages = 0
    turn = patience.turn if patience.total else timedelta(0)
    while True:
        outcome = await carry_on(target, world, told=told, order=None if steps else order, tries=tries, turn=turn)
        steps += outcome.steps
        waits_for_another = (told or order) and isinstance(outcome.ending, BusyError)
        outages += isinstance(outcome.ending, RotatorError) and not waits_for_another
        again = world.clock.now() + NEXT_TRY if waits_for_another else _again_at(outcome, world.clock.now(), outages)
        if again is None or again > gives_up or outages > patience.retries:
            return replace(outcome, steps=steps)
        wait = max(again - world.clock.now(), SHORTEST_WAIT).total_seconds()
        world.progress.doing(target, f"waiting {wait:.0f} s: {_why(outcome)}")
        await sleep(wait)


def _again_at(outcome: Outcome, now: datetime, outages: int) -> datetime | None:
    """Return when another pass may get further by itself."""
    match outcome.ending:
        case Rest(until=until, waiting=waiting) if waiting in SHORT:
            return until
        case SealedError():  # a person has to come
            return None
        case RateLimitedError(retry_at=opens) if opens is not None:
            return opens
        case UnavailableError() | UnknownOutcomeError() | ConflictError():
            return now + backoff.delay(outages + 1)
    return None


def _why(outcome: Outcome) -> str:
    return outcome.ending.waiting.value if isinstance(outcome.ending, Rest) else str(outcome.ending)


def _error_of(target: Target, failure: BaseException) -> RotatorError:
    """Return the failure as one of ours; a fault of this program without its text, which may quote anything."""
    if isinstance(failure, RotatorError):
        return failure
    if not isinstance(failure, Exception):
        raise failure
    last = traceback.extract_tb(failure.__traceback__)[-1]
    where = f"{type(failure).__name__} in {PurePath(last.filename).name}:{last.lineno}"
    fault = InvariantError(
        f"{target.name}: a fault of this program: {where}",
        hint="Report it with the log; what was begun is settled by the next run.",
    )
    fault.__cause__ = failure
    return fault
