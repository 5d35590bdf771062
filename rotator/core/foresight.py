"""What comes next, as something that can be written down: an action without values, and what a rest will end in. Pure.

* A step names an action, the secret at Okta that it is about, and why; never a value.
* What a rest ends in is what the decision table says of the same facts at that time, if all proofs are good and
  nobody uses what leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.core.actions import (
    Activate,
    Adopt,
    AskLog,
    AskUsage,
    Blocked,
    CloseStaging,
    Copy,
    Deactivate,
    Delete,
    Discard,
    OrderReplacement,
    Promote,
    Rest,
    RunHook,
    Stage,
    Verify,
    Waiting,
)
from rotator.core.model import Proof, ProofLevel, StagingState
from rotator.core.rotation import next_action
from rotator.core.usage import Evidence

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.actions import Effect, Ending
    from rotator.core.model import SecretId, Snapshot

REPLACED = "to be replaced"  # why, of an adoption that is not to last


@dataclass(frozen=True, slots=True)
class Step:
    """An action that is to come."""

    name: str
    secret: SecretId | None = None
    why: str = ""


def step_of(action: Effect) -> Step:
    """Return an action as a step."""
    name = type(action).__name__
    match action:
        case Stage(reason):
            return Step(name, None, reason.value)
        case Verify(whose=whose):
            return Step(name, None, whose)
        case AskLog(secret) | Promote(secret) | AskUsage(secret):
            return Step(name, secret.id)
        case Copy(place):
            return Step(name, None, str(place))
        case RunHook(hook):
            return Step(name, None, hook)
        case Adopt(secret, replaced):
            return Step(name, secret.id, REPLACED if replaced else "")
        case Activate(secret_id, why) | Deactivate(secret_id, why) | Delete(secret_id, why):
            return Step(name, secret_id, why)
        case OrderReplacement(secret_id):
            return Step(name, secret_id)
        case CloseStaging(why) | Discard(why):
            return Step(name, None, why)
    return Step(name)


def step_after(ending: Ending, seen: Snapshot, now: datetime) -> Step | None:
    """Return what an ending ends in if nothing changes and all goes well; None where that is for a person to say."""
    if not isinstance(ending, Rest) or ending.waiting is Waiting.PAUSED:
        return None
    later = ending.until or now
    nobody = {secret.id: Evidence() for secret in seen.secrets}
    following = next_action(replace(seen, proofs=_all_good(seen, later), usage=nobody, told=True), later)
    if isinstance(following, Rest) and ending.until is None:
        return None
    return None if isinstance(following, Rest | Blocked) else step_of(following)


def _all_good(seen: Snapshot, at: datetime) -> dict[str, Proof]:
    current = seen.consumer.current
    staged = seen.staging.value if seen.staging.state is StagingState.STAGED else None
    values = [value for value in (current.value if current else None, staged) if value is not None]
    return {value.hash: Proof(ProofLevel.TOKEN_ISSUED, "", at) for value in values}
