"""From a pass to what people are told of it, and from the box to them.

* What a pass shows is sorted here, by names: a new ending needs a row in `BLOCKS` or `WAITS`, or is plain `blocked`.
* A pass that failed once is no news: most that fails is over at the next try. One that needs a person is.
* A target that waits for its org or its Vault says nothing: the side is told of, once for all its targets.
* A message that nobody takes is tried again, at growing intervals, for a day. Channels wait for nobody but themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import Activate, Blocked, CloseStaging, Rest
from rotator.core.agenda import needs_a_person
from rotator.core.facts import Facts
from rotator.core.notice_text import message_of
from rotator.core.notices import Happened, Kind, Said, Sight, Subject
from rotator.errors import BusyError, RateLimitedError, RefusedError, RotatorError

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.rotate import Outcome
    from rotator.core.model import Target
    from rotator.core.notices import Batch
    from rotator.ports import Clock, Notifier, Outbox

BLOCKS = {"IN_USE": Kind.IN_USE}  # by the name of the block; all others are `blocked`
WAITS = {"IN_USE": Kind.IN_USE}  # by the name of what a rest waits for; all others are no trouble
SHOWN_BY_A_PASS = frozenset({Kind.FAILED, Kind.BLOCKED, Kind.IN_USE})
UNSURE: dict[str, frozenset[Kind]] = {  # by what a rest waits for: what of that it does not show to be over
    **dict.fromkeys(("VERIFICATION", "ATTEMPT", "PAUSED", "HOOK"), SHOWN_BY_A_PASS),
    "EVIDENCE": frozenset({Kind.IN_USE}),
}
REPEATED = 2  # passes in a row that failed
TAKEN_FOR = timedelta(seconds=30)  # beyond what sending may take: to note what came of it
LONGEST_WAIT = timedelta(minutes=10)  # between two tries of a channel
GIVEN_UP_AFTER = timedelta(days=1)


# --- What a pass shows ------------------------------------------------------------------------------------


def subject_of(target: Target) -> Subject:
    """Return a target as notices name it."""
    return Subject(target.name, target.org, target.app_id, target.policy.name)


def sight_of(outcome: Outcome, now: datetime, *, failures: int, held: bool) -> Sight:
    """Return what a pass has shown; `failures` in a row before it, `held`: its org, Vault or state is away."""
    lasts = {} if held else _lasts(outcome, failures)
    over = frozenset() if held else _over(outcome) - lasts.keys()
    happened = (*_rotated(outcome, now), *_reactivated(outcome, now))
    return Sight(subject_of(outcome.target), now, lasts, over, happened)


def _lasts(outcome: Outcome, failures: int) -> dict[Kind, Said]:
    match outcome.ending:
        case Blocked(block, detail, hint):
            return {BLOCKS.get(block.name, Kind.BLOCKED): Said(block.name, f"{block.value}: {detail}", hint)}
        case Rest(waiting=waiting, detail=detail) if waiting.name in WAITS:
            hint = f"Have its users take the new one; `rotator retire {outcome.target.name}` does not wait."
            return {WAITS[waiting.name]: Said(waiting.name, detail or waiting.value, hint)}
        case BusyError() | RateLimitedError():  # somebody else is at it, or all is well by and by
            return {}
        case RotatorError() as error if needs_a_person(error) or failures + 1 >= REPEATED:
            return {Kind.FAILED: Said(type(error).__name__, str(error), error.hint)}
    return {}


def _over(outcome: Outcome) -> frozenset[Kind]:
    match outcome.ending:
        case Rest(waiting=waiting):
            return SHOWN_BY_A_PASS - UNSURE.get(waiting.name, frozenset())
        case Blocked():
            return SHOWN_BY_A_PASS
    return frozenset()


def _rotated(outcome: Outcome, now: datetime) -> list[Happened]:
    """Return the rotation that made the current value: a pass that was killed right after it is made up for."""
    if outcome.seen is None:
        return []
    facts = Facts(outcome.seen, now)
    current, alive = facts.current, facts.alive
    ours = current is not None and current.value is not None and current.value.hash in facts.made
    if current is None or alive is None or current.rotation_id is None or not ours:
        return []
    first = next(each for each in facts.consumer.versions if each.rotation_id == current.rotation_id)
    if first.value != current.value:  # somebody has copied the record
        return []
    witnessed = any(isinstance(step.action, CloseStaging) and step.action.why == "promoted" for step in outcome.steps)
    stays = "".join(
        f"; the old one, {each.secret.id}, stays good until {each.overlap_ends(facts.policy):%Y-%m-%d %H:%M} UTC"
        for each in facts.leaving
        if each.secret.active and each.overlap_ends(facts.policy) > now
    )
    detail = f"{alive.id} is in {outcome.target.consumer} version {current.number}, and proven{stays}"
    return [Happened(Kind.ROTATED, Said(current.rotation_id, detail), witnessed)]


def _reactivated(outcome: Outcome, now: datetime) -> list[Happened]:
    return [
        Happened(
            Kind.REACTIVATED,
            Said(
                f"{step.action.secret} {now.isoformat()}",
                f"{step.action.secret} was switched on again: {step.action.why}",
                "Have whoever still uses it read Vault's latest version.",
            ),
        )
        for step in outcome.steps
        if isinstance(step.action, Activate) and step.surprise is None
    ]


# --- Out of the box ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a message. `error`: it was not taken; `lost`: nor will it be tried again."""

    batch: Batch
    error: RotatorError | None = None
    lost: bool = False


async def deliver(
    outbox: Outbox, channel: str, notifier: Notifier, clock: Clock, *, at_most: int, within: timedelta
) -> Delivery | None:
    """Send the next message of a channel, if there is one for us; `within`: how long the notifier may take."""
    batch = await outbox.take(channel, at_most, lasting=within + TAKEN_FOR)
    if batch is None:
        return None
    try:
        await notifier.send(message_of(batch.notices, clock.now()))
    except RotatorError as error:
        return await _not_sent(outbox, batch, error, clock.now())
    await outbox.sent(batch)
    return Delivery(batch)


async def _not_sent(outbox: Outbox, batch: Batch, error: RotatorError, now: datetime) -> Delivery:
    too_old = max(each.at for each in batch.notices) < now - GIVEN_UP_AFTER
    if too_old or (isinstance(error, RefusedError) and error.code == "message"):
        await outbox.give_up(batch)
        return Delivery(batch, error, lost=True)
    await outbox.put_off(batch, now + min(backoff.delay(batch.tries + 1), LONGEST_WAIT))
    return Delivery(batch, error)
