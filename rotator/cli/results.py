"""What came of a target's pass: a word, and an exit code.

* 0 done or nothing due, 1 failed, 2 configuration, 3 some of several failed, 4 busy or paused, 5 Okta or Vault
  unreachable or sealed.
* Of several targets: who is only busy or paused has not failed. If all failed, and alike, that is the code; some
  beside others that are fine are 3.
* What is due and cannot be finished now is a failure for `rotate`, whose caller wanted it now, unless it waits for a
  maintenance window; `reconcile` comes again.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from rotator.core import actions as do
from rotator.core.actions import Blocked, Rest, Waiting
from rotator.core.facts import Facts
from rotator.core.model import StagingState
from rotator.errors import BusyError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.app.rotate import Outcome

CHECKS = do.LOOKS


class Result(enum.Enum):
    """What came of one target. The value is the word that people and programs see."""

    ROTATED = "rotated"
    ADOPTED = "adopted"
    CARRIED_ON = "carried on"
    NOTHING_DUE = "nothing due"
    PLANNED = "planned"
    WAITING = "waiting"
    UNVERIFIED = "not verified"
    BLOCKED = "blocked"
    PAUSED = "paused"
    CHANGED = "changed"
    LEFT = "left alone"
    NOT_KNOWN = "not known"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


def exit_code(codes: Iterable[int]) -> int:
    """Return the command's exit code from those of its targets."""
    given = list(codes)
    failed = [code for code in given if code not in {0, 4}]
    if not failed:
        return 4 if 4 in given else 0
    if len(failed) < len(given):
        return 3
    return failed[0] if len(set(failed)) == 1 else 1


def result_of(outcome: Outcome, now: datetime, *, told: bool, force: bool, dry_run: bool) -> tuple[Result, int]:
    """Return the word and the code for an outcome; the keywords are those with which the target was carried on."""
    match outcome.ending:
        case RotatorError():
            return result_of_error(outcome.ending)
        case Blocked():
            return Result.BLOCKED, 1
        case Rest(waiting=Waiting.PAUSED):
            return Result.PAUSED, 4
    if outcome.planned is not None:
        return Result.PLANNED, 1 if told and not dry_run else 0
    assert outcome.seen
    return _result_at_rest(outcome, outcome.ending, Facts(outcome.seen, now), told=told, force=force)


def _result_at_rest(outcome: Outcome, rest: Rest, facts: Facts, *, told: bool, force: bool) -> tuple[Result, int]:
    promoted = _promoted(outcome)
    if rest.waiting is Waiting.VERIFICATION or (promoted and not (outcome.proof and outcome.proof.level.good)):
        return Result.UNVERIFIED, 5 if any(proof.unanswered for proof in facts.seen.proofs.values()) else 1
    if rest.waiting is Waiting.ATTEMPT:
        return Result.WAITING, 4
    if _did(outcome, do.Adopt) and facts.alive is not None and not promoted:
        return Result.ADOPTED, 0
    if _unfinished(facts) or (force and not outcome.steps):
        return Result.WAITING, 1 if told and rest.waiting is not Waiting.WINDOW else 0
    if promoted:
        return Result.ROTATED, 0
    acted = any(not isinstance(step.action, CHECKS) and step.surprise is None for step in outcome.steps)
    return (Result.CARRIED_ON if acted else Result.NOTHING_DUE), 0


def _unfinished(facts: Facts) -> bool:
    """Say whether something is due, or under way, that cannot be finished now."""
    if facts.staging.state is not StagingState.EMPTY or facts.alive is None or facts.order is not None:
        return True
    return facts.now >= facts.alive.created + facts.policy.rotate_after


def _promoted(outcome: Outcome) -> bool:
    """Say whether a new value became current, be it by an earlier run that could not finish."""
    return _did(outcome, do.Promote) or any(
        isinstance(step.action, do.CloseStaging) and step.action.why == "promoted" for step in outcome.steps
    )


def _did(outcome: Outcome, kind: type[do.Effect]) -> bool:
    return any(isinstance(step.action, kind) and step.surprise is None for step in outcome.steps)


def result_of_error(error: RotatorError) -> tuple[Result, int]:
    """Return the word and the code for a target that ended with an error."""
    match error:
        case BusyError():
            return Result.BUSY, error.exit_code
        case UnavailableError():
            return Result.UNREACHABLE, error.exit_code
    return Result.FAILED, error.exit_code
