"""The words of the design as values (design: "Words", "What lies in Vault").

All times are aware and in UTC; naive ones do not get past settings or adapters.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NewType

from rotator.core.schedule import Calendar
from rotator.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.schedule import Blackout, Window
    from rotator.core.secret_value import SecretFields, SecretValue
    from rotator.core.usage import Evidence

AppId = NewType("AppId", str)  # 0oa…, the app instance
ClientId = NewType("ClientId", str)  # usually the same string as the app id, not always
SecretId = NewType("SecretId", str)  # ocs…
RotationId = NewType("RotationId", str)


# --- Okta -------------------------------------------------------------------------------------------------


class SecretStatus(enum.Enum):
    """Okta's own words."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


@dataclass(frozen=True, slots=True)
class OktaSecret:
    """One of the two secrets an app may hold (contracts: Okta 1.1)."""

    id: SecretId
    status: SecretStatus
    created: datetime
    changed: datetime  # Okta's `lastUpdated`: moves on every activate and deactivate
    hash: str  # Okta's `secret_hash`
    value: SecretValue | None  # None where Okta hides it

    @property
    def active(self) -> bool:
        return self.status is SecretStatus.ACTIVE

    def carries(self, value: SecretValue) -> bool:
        """Say whether this is the secret with that value: by plaintext where Okta shows it, else by hash."""
        return self.value == value if self.value is not None else self.hash == value.hash


class AuthMethod(enum.Enum):
    """How a client authenticates at the token endpoint; `OTHER` is one that this release does not know."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    SECRET_JWT = "client_secret_jwt"  # noqa: S105 -- a name from OpenID Connect
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"
    OTHER = "other"

    @property
    def uses_secret(self) -> bool:
        return self in {AuthMethod.BASIC, AuthMethod.POST, AuthMethod.SECRET_JWT}


@dataclass(frozen=True, slots=True)
class App:
    """What matters of an Okta app (contracts: Okta 3.2)."""

    id: AppId
    label: str
    status: str  # ACTIVE, INACTIVE, DELETED: an open set
    sign_on_mode: str
    client_id: ClientId
    auth_method: AuthMethod
    application_type: str
    grant_types: frozenset[str]
    dpop_bound: bool
    created: datetime | None = None

    @property
    def allows_client_credentials(self) -> bool:
        return "client_credentials" in self.grant_types


# --- Vault ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KvPath:
    """A key of a KV v2 mount. `str()` is the form people write: `mount/path`."""

    mount: str
    path: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


@dataclass(frozen=True, slots=True)
class KvVersionInfo:
    """What the key's metadata says of one version. `deleted` covers deletion and destruction alike."""

    number: int
    created: datetime
    deleted: bool
    destroyed: bool
    ends: datetime | None = None  # when it deletes itself, or did


@dataclass(frozen=True, slots=True)
class KvMetadata:
    """The metadata of a key (contracts: Vault 1.2). `current` is 0 where no version was ever written."""

    current: int
    versions: Mapping[int, KvVersionInfo]
    max_versions: int
    cas_required: bool
    delete_version_after: timedelta


@dataclass(frozen=True, slots=True)
class KvVersion:
    """One version that can be read."""

    number: int
    created: datetime
    fields: SecretFields


class RetiringMode(enum.Enum):
    """How the secret that a promotion replaced is to leave."""

    OVERLAP = "overlap"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class ConsumerVersion:
    """A readable version of the consumer path, in our words. Fields are None where the version lacks them."""

    number: int
    created: datetime
    value: SecretValue | None
    client_id: str | None
    secret_id: SecretId | None
    rotation_id: RotationId | None
    retiring_id: SecretId | None
    retiring_mode: RetiringMode
    fields: SecretFields  # the whole record, other people's fields included


@dataclass(frozen=True, slots=True)
class Consumer:
    """The consumer path: what applications read. `latest` is the version counter, 0 where nothing was ever written."""

    latest: int = 0
    versions: tuple[ConsumerVersion, ...] = ()  # readable ones, oldest first
    unreadable: frozenset[int] = frozenset()  # deleted or destroyed ones that the metadata still names

    @property
    def current(self) -> ConsumerVersion | None:
        """The latest version if it can be read."""
        return self.versions[-1] if self.versions and self.versions[-1].number == self.latest else None


class StagingState(enum.Enum):
    """What the live staging record is about."""

    EMPTY = "empty"
    STAGED = "staged"
    DISCARDING = "discarding"


class OrderMode(enum.Enum):
    """How pressing an order is, the least pressing first (`core.precedence` says what each waits for)."""

    WINDOW = "window"  # at the next open window, a day at the latest
    NOW = "now"  # without a window
    CUT = "cut"  # and the overlap of an older secret is cut short if its slot is needed
    COMPROMISED = "compromised"  # likewise, and the secret that is replaced has no overlap either

    def outranks(self, other: OrderMode) -> bool:
        """Whether it is more pressing than that."""
        ranks = list(OrderMode)
        return ranks.index(self) > ranks.index(other)


@dataclass(frozen=True, slots=True)
class Order:
    """Replace that secret. It lapses when the secret is no longer current: a crash cannot carry it out twice."""

    replace: SecretId
    mode: OrderMode
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Removal:
    """A person named a secret that may go, or it is compromised: it waits for no overlap and for no evidence.

    It lapses when somebody switches the secret on again: on, and changed after `changed`.
    """

    secret: SecretId
    changed: datetime
    placed_at: datetime
    compromised: bool = False  # then nobody's failure brings it back

    @classmethod
    def of(cls, secret: OktaSecret, placed_at: datetime, *, compromised: bool = False) -> Removal:
        """Order it for a secret as Okta lists it."""
        # Okta's times are whole seconds: one that is off by now may be switched on in the very second it went off.
        changed = secret.changed if secret.active else secret.changed - timedelta(seconds=1)
        return cls(secret.id, changed, placed_at, compromised=compromised)


@dataclass(frozen=True, slots=True)
class Approval:
    """A person has approved the rotation that replaces the value with this hash; "" where there is none."""

    of: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HooksDue:
    """Hooks that are still to be run for a rotation, by name."""

    rotation: RotationId
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """A value that we made: its hash, and when."""

    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Staging:
    """The staging record (design: "What lies in Vault"). Version 0 and `EMPTY` where there never was one."""

    version: int = 0
    state: StagingState = StagingState.EMPTY
    value: SecretValue | None = None
    rotation_id: RotationId | None = None
    base_version: int = 0
    base_hash: str | None = None
    reason: Reason | None = None
    staged_at: datetime | None = None
    made: tuple[Made, ...] = ()
    paused: str | None = None  # who or why
    order: Order | None = None
    remove: Removal | None = None
    approved: Approval | None = None
    rollback: SecretId | None = None  # the secret that a person goes back to; it comes with a pause, and ends with it
    hooks: HooksDue | None = None
    older: tuple[int, ...] = ()  # readable versions before this one: they hold values, closing destroys them


# --- What is wanted ---------------------------------------------------------------------------------------


class Mode(enum.Enum):
    """How much a policy lets us do. `OBSERVE` touches nothing; `MANUAL` begins a rotation only when told.

    `APPROVE` plans one by itself and begins it when a person has approved it.
    """

    OBSERVE = "observe"
    AUTO = "auto"
    MANUAL = "manual"
    APPROVE = "approve"


class Onboard(enum.Enum):
    """What to do with an app that has one active secret and a Vault path that has never held one."""

    ADOPT = "adopt"
    ROTATE = "rotate"


class OnUnknownValue(enum.Enum):
    """What to do when Vault holds a value that neither Okta nor we know."""

    BLOCK = "block"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True)
class Wave:
    """How many rotations of a policy begin together, and how soon more may follow (`core.admission`)."""

    canary: int = 1  # the first ones, after a day without
    size: int = 20
    spacing: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policy:
    """When and how to rotate. The defaults are those of the configuration."""

    name: str = "default"
    mode: Mode = Mode.OBSERVE
    onboard: Onboard = Onboard.ADOPT
    rotate_after: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(days=7)  # at least
    overlap_max: timedelta = timedelta(days=30)  # what is not known of the old one's use by then, a person decides
    usage: Usage = Usage.STOP_IF_SEEN
    soak: timedelta = timedelta(days=3)
    reclaim_after: timedelta = timedelta(days=30)
    on_unknown_value: OnUnknownValue = OnUnknownValue.BLOCK
    windows: tuple[Window, ...] = ()  # none: always open
    blackouts: tuple[Blackout, ...] = ()
    daily_cap: int = 4  # values made for one target in 24 hours
    wave: Wave | None = None  # none: each begins when it is due
    backlog_spread: timedelta = timedelta(0)  # over how long begins what was overdue when we met it

    @property
    def calendar(self) -> Calendar:
        """When disruptive steps may begin."""
        return Calendar(self.windows, self.blackouts)


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The names under which consumers read the two fields they need."""

    client_id: str = "client_id"
    client_secret: str = "client_secret"  # noqa: S105 -- the name of a field


@dataclass(frozen=True, slots=True)
class Destination:
    """One more path that consumers read, with the names of its fields."""

    path: KvPath
    fields: FieldNames = FieldNames()


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """Where the test token request goes. No scope: the server's default; no server: the org's own."""

    authorization_server: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One Okta app and the Vault path its consumers read."""

    name: str
    org: str  # the alias in the configuration
    vault: str  # likewise
    app_id: AppId
    consumer: KvPath
    staging: KvPath
    policy: Policy = Policy()
    fields: FieldNames = FieldNames()
    verify: VerifySettings = VerifySettings()
    also: tuple[Destination, ...] = ()  # more paths that get what `consumer` holds
    hooks: tuple[str, ...] = ()  # what is run after a promotion, by name
    settle: timedelta = timedelta(seconds=35)  # effect limit + propagation: after it a create has arrived or never will
    effect: timedelta = timedelta(seconds=12)  # the longest that one call may take: a lease must outlive it
    conflict: str | None = None  # another target that shares the app or the path
    hash_differs: bool = False  # as certified: Okta's `secret_hash` is not what we compute
    only_observed: str = ""  # why, and what to do, where that is so whatever the configuration's policy says


# --- Proof ------------------------------------------------------------------------------------------------


class ProofLevel(enum.Enum):
    """What a test request showed, strongest first."""

    TOKEN_ISSUED = "token issued"  # noqa: S105 -- a level, no password
    CLIENT_AUTHENTICATED = "client authenticated"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"  # `invalid_client`, and nothing else

    @property
    def good(self) -> bool:
        return self in {ProofLevel.TOKEN_ISSUED, ProofLevel.CLIENT_AUTHENTICATED}


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one test request for one value. `detail` is one line for people, with no secret in it."""

    level: ProofLevel
    detail: str
    at: datetime
    tries: int = 1
    request_id: str | None = None
    unanswered: bool = False  # inconclusive because nobody answered: the same request may show more later


@dataclass(frozen=True, slots=True)
class HookTry:
    """A hook that did not do what it was for, and how often it has not."""

    detail: str
    tries: int


# --- Why --------------------------------------------------------------------------------------------------


class Reason(enum.Enum):
    """Why a new secret is made. The value is the word that operators see."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    ORDERED = "ordered"
    MISSING = "missing"
    UNKNOWN_VALUE = "unknown value"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a decision may look at. Built by `app.observe`, looked at by `core.rotation`."""

    target: Target
    app: App | None
    secrets: tuple[OktaSecret, ...]
    consumer: Consumer
    staging: Staging
    proofs: Mapping[str, Proof] = field(default_factory=dict)  # by secret hash: what was tried in this pass
    asked: Mapping[SecretId, bool] = field(default_factory=dict)  # did we deactivate it? as far as we asked
    attempted_at: datetime | None = None  # the last time at which a create of the staged value may have been sent
    told: bool = False  # a person named this target in the command
    others: tuple[Consumer, ...] = ()  # what lies at `target.also`, in that order
    usage: Mapping[SecretId, Evidence] = field(default_factory=dict)  # as far as the log was asked in this pass
    hooks_failed: Mapping[str, HookTry] = field(default_factory=dict)  # by name, in this pass
    clock_ahead: timedelta = timedelta(0)  # ours, of Okta's
    unreadable: str | None = None  # a record at one of our paths that cannot be used, and why
