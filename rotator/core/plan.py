"""A plan: what was to be done with a target and what that was decided on, and whether it still holds. Pure.

* A basis has ids, versions, states and times, and no hash of a value: a version of Vault's and an id of Okta's name a
  value as well, and tell nothing of it.
* A plan holds while its basis and its step are as they were. What differs is said in words, one line for each thing.
* Where nothing is to be done any more, nothing is left to do, whoever did it. What a plan itself has begun is carried
  on.
"""

from __future__ import annotations

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.core.actions import Blocked, Rest, Waiting
from rotator.core.model import StagingState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from rotator.core.actions import Ending
    from rotator.core.foresight import Step
    from rotator.core.model import Snapshot

    Basis = Mapping[str, Any]


STANDING_ORDERS = {
    "paused": "paused",
    "ordered": "ordered to be replaced",
    "removed": "ordered to have a secret removed",
    "approved": "approved",
    "rollback": "being rolled back",
}
DONE_WITH = frozenset({Waiting.NEXT_ROTATION, Waiting.OVERLAP, Waiting.SOAK, Waiting.WINDOW, Waiting.TOLD})


class Standing(enum.Enum):
    """How a planned step stands now."""

    HOLDS = "holds"
    BEGUN = "begun"  # by an earlier run of the same plan, as far as anybody can tell
    OVER = "nothing is left to do"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a planned step; `differences` in words where it does not hold."""

    standing: Standing
    differences: tuple[str, ...] = ()


def basis_of(seen: Snapshot) -> dict[str, Any]:
    """Return what a decision is made on, fit for JSON and for people."""
    consumer, staging, current = seen.consumer, seen.staging, seen.consumer.current
    by_id = sorted(seen.secrets, key=lambda secret: secret.id)
    return {
        "app": {
            "status": seen.app.status if seen.app else None,
            "client_id": seen.app.client_id if seen.app else None,
            "auth_method": seen.app.auth_method.value if seen.app else None,
        },
        "secrets": {
            secret.id: {
                "status": secret.status.value,
                "created": secret.created.isoformat(),
                "changed": secret.changed.isoformat(),
            }
            for secret in by_id
        },
        "consumer": {
            "version": consumer.latest,
            "written": current.created.isoformat() if current else None,
            "unreadable": sorted(consumer.unreadable),
        },
        "staging": {
            "version": staging.version,
            "state": staging.state.value,
            "rotation_id": staging.rotation_id,
            "reason": staging.reason.value if staging.reason else None,
            "base_version": staging.base_version,
            "paused": staging.paused is not None,
            "ordered": staging.order.replace if staging.order else None,
            "removed": staging.remove.secret if staging.remove else None,
            "approved": staging.approved is not None,
            "rollback": staging.rollback,
        },
        "others": [other.latest for other in seen.others],
    }


def fingerprint_of(settings: str, basis: Basis, step: Step | None) -> str:
    """Return one digest of a target's configuration, what was decided on, and what was decided."""
    decided = [step.name, step.secret, step.why] if step else None
    return digest_of({"settings": settings, "basis": basis, "step": decided})


def digest_of(document: object) -> str:
    """Return the digest of what is fit for JSON, however it is written."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def judged(planned: Step, then: Basis, now: Step | Ending, seen: Snapshot, *, written_at: datetime) -> Judged:
    """Say whether a plan holds: `then` it was decided on; `now` is what would be done, or how a pass ends."""
    if isinstance(now, Rest) and is_over(now, seen):
        return Judged(Standing.OVER)
    basis = basis_of(seen)
    if now == planned and digest_of(then) == digest_of(basis):
        return Judged(Standing.HOLDS)
    if not isinstance(now, Blocked) and _begun_by_it(planned, then, seen, written_at):
        return Judged(Standing.BEGUN)
    last = () if now == planned else (_instead(now, planned),)
    return Judged(Standing.CHANGED, (*_differences(then, basis), *last))


def is_over(rest: Rest, seen: Snapshot) -> bool:
    """Say whether nothing is under way and nothing is due that only waits for its time or for a person."""
    due = rest.waiting in {Waiting.WINDOW, Waiting.TOLD} and bool(rest.detail)
    return seen.staging.state is StagingState.EMPTY and not due and rest.waiting in DONE_WITH


def _instead(now: Step | Ending, planned: Step) -> str:
    match now:
        case Blocked(block, detail):
            return f"it is blocked now: {block.value}: {detail}"
        case Rest(waiting=waiting, detail=detail):
            return f"it waits now for {waiting.value}" + (f": {detail}" if detail else "")
        case step:
            return f"to be done now: {_words(step)}; planned: {_words(planned)}"


def _begun_by_it(planned: Step, then: Basis, seen: Snapshot, written_at: datetime) -> bool:
    """Whether what is staged is the rotation that the plan wanted, on the same version and begun after it was made."""
    staging, base = seen.staging, then["consumer"]["version"]
    return (
        planned.name == "Stage"
        and then["staging"]["state"] == StagingState.EMPTY.value
        and staging.state is StagingState.STAGED
        and staging.base_version == seen.consumer.latest == base
        and staging.reason is not None
        and staging.reason.value == planned.why
        and staging.staged_at is not None
        and staging.staged_at >= written_at
    )


def _words(step: Step) -> str:
    return " ".join(part for part in (step.name, step.secret or "", f"({step.why})" if step.why else "") if part)


def _differences(then: Basis, now: Basis) -> Iterator[str]:
    yield from _of_app(then["app"], now["app"])
    yield from _of_secrets(then["secrets"], now["secrets"])
    yield from _of_consumer(then["consumer"], now["consumer"])
    yield from _of_staging(then["staging"], now["staging"])
    if then["others"] != now["others"]:
        yield f"the other paths were at versions {then['others']}, they are at {now['others']}"


def _of_app(then: Basis, now: Basis) -> Iterator[str]:
    for key, words in (("status", "status"), ("client_id", "client id"), ("auth_method", "authentication method")):
        if then[key] != now[key]:
            yield f"the app's {words} was {then[key]}, it is {now[key]}"


def _of_secrets(then: Basis, now: Basis) -> Iterator[str]:
    for gone in sorted(then.keys() - now.keys()):
        yield f"secret {gone} is gone"
    for made in sorted(now.keys() - then.keys()):
        yield f"secret {made} is new, {now[made]['status']}"
    for same in sorted(then.keys() & now.keys()):
        before, after = then[same], now[same]
        if before["status"] != after["status"]:
            yield f"secret {same} was {before['status']}, it is {after['status']}"
        elif before != after:
            yield f"secret {same} was switched off and on again, or changed, at {after['changed']}"


def _of_consumer(then: Basis, now: Basis) -> Iterator[str]:
    if then["version"] != now["version"]:
        yield f"the consumer path was at version {then['version']}, it is at version {now['version']}"
    elif then["written"] != now["written"]:
        yield f"version {now['version']} of the consumer path is another one: the path was removed and made anew"
    if then["unreadable"] != now["unreadable"]:
        yield f"deleted versions of the consumer path were {then['unreadable']}, they are {now['unreadable']}"


def _of_staging(then: Basis, now: Basis) -> Iterator[str]:
    if then["state"] != now["state"]:
        yield f"the staging record was {then['state']}, it is {now['state']}"
    elif then["rotation_id"] != now["rotation_id"]:
        yield f"another rotation is under way: {now['rotation_id']}"
    for key, words in STANDING_ORDERS.items():
        if then[key] != now[key]:
            yield f"it was {'' if then[key] else 'not '}{words}, and is {'' if now[key] else 'not '}now"
    if (
        then["version"] != now["version"]
        and then["state"] == now["state"]
        and then["rotation_id"] == now["rotation_id"]
    ):
        yield f"the staging record was at version {then['version']}, it is at version {now['version']}"
