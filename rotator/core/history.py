"""What is written down of every effect, before it and after it (design: I9). Never a secret."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import AppId, RotationId


class Ended(enum.Enum):
    """How an effect ended. The value is what operators see."""

    DONE = "done"
    NOT_DONE = "not done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Deed:
    """An effect that is about to begin: whose, what, for which rotation and why, and by whom."""

    target: str
    org: str  # its alias in the configuration
    app_id: AppId
    step: str  # the action's name
    at: datetime
    actor: str  # whose process this is: `daemon@host`, `rotate@host`
    rotation: RotationId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How far an org's System Log was heard. `cursor` is Okta's own link, None to begin by time."""

    cursor: str | None
    heard_at: datetime
