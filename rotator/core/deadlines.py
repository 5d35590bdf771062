"""Whether a target's next step comes soon, or should have come long ago. Pure.

* Overdue counts from the moment that was told: the rotation's by the age of the secret, that of a removal by the rest
  that was to end then. It is late once it is overdue by more than is allowed.
* Who waits as the policy says (for its window, for its day in the backlog) is not late, nor is who is only observed.
* What comes soon is told of whoever will be rotated without being told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.actions import Waiting
from rotator.core.model import Mode
from rotator.core.notices import Said

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.agenda import LastLook
    from rotator.core.model import Target

BY_PLAN = frozenset({Waiting.WINDOW.value, Waiting.BACKLOG.value})
ROTATION = "rotation"
REMOVALS = {Waiting.OVERLAP.value: "deactivation", Waiting.SOAK.value: "deletion"}
STEPS = (ROTATION, *REMOVALS.values())


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long before a rotation it is told (nothing: never), and by how much a step may be overdue."""

    upcoming: timedelta | None = None
    late_after: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Removal:
    """When the old secret was to be switched off or deleted, as the last good look said."""

    step: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Late:
    """A step that should have come long ago: which (of `STEPS`), and what is told."""

    step: str
    said: Said


def removal_of(look: LastLook) -> Removal | None:
    """Return which removal a rest waits for, if it does."""
    if look.until is None or look.waiting not in REMOVALS:
        return None
    return Removal(REMOVALS[look.waiting], look.until)


def rotation_due(target: Target, look: LastLook | None) -> datetime | None:
    """Return when the secret that consumers read reaches its age, if somebody will replace it then."""
    observed = target.only_observed or target.policy.mode is Mode.OBSERVE
    if look is None or look.secret_created is None or observed:
        return None
    return look.secret_created + target.policy.rotate_after


def late(
    target: Target, look: LastLook | None, removal: Removal | None, deadlines: Deadlines, now: datetime
) -> Late | None:
    """Return what is late of a target; the rotation first."""
    due = rotation_due(target, look)
    if due is not None and due + deadlines.late_after < now and look is not None and look.waiting not in BY_PLAN:
        return _late(ROTATION, due, look)
    if removal is not None and removal.due + deadlines.late_after < now:
        return _late(removal.step, removal.due, look)
    return None


def upcoming(target: Target, look: LastLook | None, deadlines: Deadlines, now: datetime) -> Said | None:
    """Return which rotation comes soon, if it is to be told."""
    due = rotation_due(target, look)
    if due is None or deadlines.upcoming is None or not now <= due < now + deadlines.upcoming:
        return None
    words = {Mode.AUTO: "begins by itself", Mode.APPROVE: f"waits for `rotator approve {target.name}`"}
    how = words.get(target.policy.mode, f"waits for `rotator rotate {target.name}`")
    detail = f"its secret {look.secret_id if look else ''} is due for rotation on {due:%Y-%m-%d %H:%M} UTC; that {how}"
    return Said(f"{due:%Y-%m-%d}", detail, "Consumers must read Vault's latest version by then.")


def _late(step: str, due: datetime, look: LastLook | None) -> Late:
    why = f"; the last look: {look.result}, {look.waiting or look.detail}" if look else ""
    hint = (look.hint if look else "") or "`rotator plan` says what stands in the way."
    detail = f"the {step} was due on {due:%Y-%m-%d %H:%M} UTC{why}"
    return Late(step, Said(f"{step} of {due:%Y-%m-%d}", detail, hint))
