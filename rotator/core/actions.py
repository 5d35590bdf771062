"""What can be done next. Each action is one effect, or the end of the pass (`Rest`, `Blocked`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import OktaSecret, Reason, SecretId
    from rotator.core.secret_value import SecretValue


@dataclass(frozen=True, slots=True)
class Stage:
    """Make a value and write it to the staging path, before Okta hears of it."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Create:
    """Register the staged value at Okta."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Make the test token request with that value."""

    value: SecretValue
    whose: str  # "candidate" or "current"


@dataclass(frozen=True, slots=True)
class AskLog:
    """Ask the System Log whether we deactivated that secret."""

    secret: OktaSecret


@dataclass(frozen=True, slots=True)
class AskUsage:
    """Ask the System Log who has used a secret since it left, beside the one that is in use, if that works."""

    secret: OktaSecret
    current: OktaSecret | None
    left: datetime


@dataclass(frozen=True, slots=True)
class Promote:
    """Write the candidate to the consumer path, in one CAS write with the record of what to retire."""

    candidate: OktaSecret


@dataclass(frozen=True, slots=True)
class CloseStaging:
    """Write the empty record, then destroy the versions that hold values."""

    why: str


@dataclass(frozen=True, slots=True)
class ScrubStaging:
    """Destroy the versions that a closing left readable."""


@dataclass(frozen=True, slots=True)
class Discard:
    """Write down that the candidate is to be removed."""

    why: str


@dataclass(frozen=True, slots=True)
class Rebase:
    """The consumer path moved without changing its value: stage on top of the new version."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Rewrite the consumer path unchanged, so that a sleeper's promotion fails its CAS."""


@dataclass(frozen=True, slots=True)
class OrderReplacement:
    """Write down that the secret which is about to be adopted is to be replaced by one of ours."""

    secret: SecretId


@dataclass(frozen=True, slots=True)
class Adopt:
    """Write a secret that Okta holds to the consumer path. `replace`: one of ours is ordered in its place."""

    secret: OktaSecret
    replace: bool


@dataclass(frozen=True, slots=True)
class Activate:
    """Switch a secret on again."""

    secret: SecretId
    why: str


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Switch a secret off. Reversible."""

    secret: SecretId
    why: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an inactive secret for good."""

    secret: SecretId
    why: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Write what consumers read to another of the target's paths, by its place in `target.also`."""

    place: int


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a hook for the rotation that was promoted, and note that it was run."""

    name: str


class Waiting(enum.Enum):
    """What a rest waits for. The value is what operators see."""

    NEXT_ROTATION = "next rotation"
    OVERLAP = "end of the overlap"
    IN_USE = "whoever still uses the old secret"
    EVIDENCE = "proof that nobody uses the old secret"
    HOOK = "a hook"
    SOAK = "end of the soak"
    WINDOW = "maintenance window"
    ATTEMPT = "an earlier attempt that may still arrive"
    VERIFICATION = "another try of the token request"
    SLOT = "a free slot"
    TOLD = "an order: the policy's mode is manual"
    APPROVAL = "approval"
    TURN = "its turn"
    BACKLOG = "its day in the backlog"
    BREAKER = "a person: a breaker is open"
    PAUSED = "resume"


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before `until` (None: until somebody acts)."""

    until: datetime | None
    waiting: Waiting
    detail: str = ""


class Block(enum.Enum):
    """Why a target needs a person. The value is what operators see."""

    CONFLICT = "shared with another target"
    UNREADABLE = "record unreadable"
    APP_MISSING = "app missing"
    APP_INACTIVE = "app inactive"
    NOT_OAUTH = "app has no client secret"
    OTHER_CLIENT = "path belongs to another client"
    PATH_DELETED = "consumer version deleted"
    PATH_RESET = "consumer path was removed and made anew"
    TWO_ACTIVE = "two active secrets"
    HIDDEN = "value hidden by Okta"
    CANNOT_MATCH = "cannot match the value in Vault"
    UNKNOWN_VALUE = "unknown value in Vault"
    REFUSED = "refused although active"
    SLOTS_FULL = "both slots taken"
    IN_USE = "old secret still in use"
    UNPROVEN = "use of the old secret unknown"
    PLACES_DIFFER = "another path holds something else"
    HOOK = "hook failed"
    CAP = "daily cap reached"
    CLOCK = "our clock is ahead"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A person has to decide. `detail` says what was seen, `hint` what to do."""

    block: Block
    detail: str
    hint: str


Effect = (
    Stage
    | Create
    | Verify
    | AskLog
    | AskUsage
    | Promote
    | CloseStaging
    | ScrubStaging
    | Discard
    | Rebase
    | Fence
    | OrderReplacement
    | Adopt
    | Activate
    | Deactivate
    | Delete
    | Copy
    | RunHook
)
LOOKS: tuple[type[Effect], ...] = (Verify, AskLog, AskUsage)  # they change nothing
Ending = Rest | Blocked
Action = Effect | Ending
