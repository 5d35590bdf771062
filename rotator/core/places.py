"""The other paths of a target (`write_to` with several): each is to hold what the first one does.

* The first path is the one that counts; what it holds is proven in this pass before it is copied.
* A path is written over only where what it holds can be explained: nothing yet, or a value that we made, or that the
  first path held. What a person put there blocks, and so does what a person deleted.
* Nothing is promoted while one of them cannot be written over, and nothing begins, unless consumers are cut off.
* No secret is switched off while one of them lags behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.actions import Block, Blocked, Copy, Verify
from rotator.core.due import until_proven
from rotator.core.model import OnUnknownValue
from rotator.core.precedence import Hold, waits

if TYPE_CHECKING:
    from rotator.core.actions import Action
    from rotator.core.facts import Facts
    from rotator.core.model import Consumer, KvPath
    from rotator.core.secret_value import SecretValue


def copy_to_the_others(facts: Facts) -> Action | None:
    """Return the step that brings the other paths up to the first one."""
    if facts.value is None:
        return None
    if (trouble := cannot_be_written(facts)) is not None:
        return None if facts.compromised or not waits(facts.cause, Hold.PLACES) else trouble
    for place, other in enumerate(facts.seen.others):
        if other.current is None or other.current.value != facts.value:
            if facts.proof is None:
                return Verify(facts.value, "current")
            return Copy(place) if facts.proof.level.good else until_proven(facts, facts.proof)
    return None


def cannot_be_written(facts: Facts) -> Blocked | None:
    """Say which of the other paths holds what is not ours to write over."""
    for destination, other in zip(facts.seen.target.also, facts.seen.others, strict=True):
        if (trouble := _trouble(facts, destination.path, other)) is not None:
            return trouble
    return None


def _trouble(facts: Facts, path: KvPath, other: Consumer) -> Blocked | None:
    if other.latest and other.latest in other.unreadable:
        return Blocked(
            Block.PATH_DELETED,
            f"version {other.latest} of {path} is deleted",
            "Undelete it (`vault kv undelete`), or take the path out of `write_to`.",
        )
    there = other.current
    if there is None:
        return None
    app = facts.seen.app
    if app is not None and there.client_id not in {None, app.client_id}:
        return Blocked(
            Block.OTHER_CLIENT,
            f"{path} holds the credentials of client {there.client_id}, not of {app.client_id}",
            "Correct `write_to` or `app_id`: this path is another app's.",
        )
    if there.value is None or _explained(facts, there.value):
        return None
    return Blocked(
        Block.PLACES_DIFFER,
        f"{path} holds a value that {facts.seen.target.consumer} does not, and that is none of ours",
        f"Copy what {facts.seen.target.consumer} holds to it by hand, or take it out of `write_to`.",
    )


def _explained(facts: Facts, value: SecretValue) -> bool:
    """Whether the value is one that may be written over there."""
    if value.hash in facts.made or facts.policy.on_unknown_value is OnUnknownValue.ROTATE:
        return True
    return any(version.value == value for version in facts.consumer.versions)
