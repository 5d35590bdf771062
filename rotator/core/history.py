"""What is written down of every effect, before it and after it (design: I9). Never a secret."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import AppId, ProofLevel, RotationId, SecretId


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
    secret: SecretId | None = None  # at Okta: the one that is worked on, or that was made
    path: str = ""  # in Vault: what was written there, and as which version
    version: int | None = None
    proof: ProofLevel | None = None


@dataclass(frozen=True, slots=True)
class Upshot:
    """What came of an effect: in one line for people, and what else is worth a column."""

    detail: str
    secret: SecretId | None = None
    path: str = ""
    version: int | None = None
    proof: ProofLevel | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the audit as it stands: plain text and numbers, so that one that was tampered with can be read too."""

    number: int
    begun: int | None  # the number of the row before the effect; None in that row itself, and in that of a proof
    at: datetime
    target: str
    org: str
    app_id: str
    step: str
    phase: str  # begins, ended
    how: str | None
    detail: str
    actor: str
    rotation_id: str | None
    reason: str
    secret_id: str | None
    path: str | None
    version: int | None
    proof: str | None
    request_id: str | None  # several are parted by a comma
    previous: str | None = None  # the hash of the row before; None with the hash: written before there was a chain
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """How far an org's System Log was heard. `cursor` is Okta's own link, None to begin by time."""

    cursor: str | None
    heard_at: datetime
