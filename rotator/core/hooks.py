"""What a hook after a promotion is told, and what came of it.

* It is told references: names, paths, versions and ids. A value is read in Vault by whoever may.
* The rotation's id is the idempotency key: a hook may run more than once where a process dies just then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import AppId, KvPath, RotationId, SecretId

MOST = timedelta(minutes=2)  # that the configuration may give one
LONGEST = MOST + timedelta(seconds=10)  # that one may take until it is ended: the lease is held for so long


@dataclass(frozen=True, slots=True)
class Occasion:
    """The promotion that a hook is run for."""

    target: str
    org: str  # its alias in the configuration
    app_id: AppId
    client_id: str
    rotation: RotationId
    path: KvPath
    version: int
    secret: SecretId | None
    promoted_at: datetime


@dataclass(frozen=True, slots=True)
class HookResult:
    """Whether it did what it was for, and in one line what it said, with no secret in it."""

    good: bool
    detail: str
