"""What the pre-flight saw: of orgs, Vaults, targets and our own files. Built by `app.preflight`. Values only.

Each fact is what was found, the error with which asking ended, or `NOT_ASKED`: because something before it failed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from rotator.core.usage import Usage
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rotator.core.budget import Shares, Window
    from rotator.core.certified import Certified
    from rotator.core.model import App, KvMetadata, KvPath, Target


class NotAsked(enum.Enum):
    """There is no answer."""

    NOT_ASKED = "not asked"


NOT_ASKED: Literal[NotAsked.NOT_ASKED] = NotAsked.NOT_ASKED

T = TypeVar("T")
Answer: TypeAlias = T | RotatorError | NotAsked


@dataclass(frozen=True, slots=True)
class Handshake:
    """A TLS connection as it came about: its version, and when the other side's certificate ends."""

    version: str
    ends: datetime


class NoTls(enum.Enum):
    """Why there was no handshake to look at."""

    PLAIN = "plain http"
    PROXY = "behind a proxy"


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """What an authorization server publishes of itself (contracts: Okta 5). `at` is its own time, if it told that."""

    issuer: str
    grant_types: frozenset[str]
    scopes: frozenset[str]
    auth_methods: frozenset[str]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class OrgFacts:
    """One Okta org and our access to it. `scopes` is empty where Okta did not tell them."""

    alias: str
    signs: bool  # with a key of ours; else it is an administrator's token
    shares: Shares
    now: datetime  # by our clock, when `metadata` was answered
    handshake: Answer[Handshake | NoTls] = NOT_ASKED
    metadata: Answer[ServerMetadata] = NOT_ASKED
    scopes: Answer[frozenset[str]] = NOT_ASKED
    apps: Answer[int] = NOT_ASKED  # how many our role was seen to see
    log: Answer[None] = NOT_ASKED
    usage: Usage = Usage.OFF  # the strictest of what its targets' policies ask of the log
    window: Window | None = None  # of the small bucket
    propagation: timedelta = timedelta(0)  # as configured
    certified: Certified | None = None


@dataclass(frozen=True, slots=True)
class VaultHealth:
    """What a node says of itself without a login (contracts: Vault 3.5)."""

    initialized: bool
    sealed: bool
    standby: bool
    version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TokenLife:
    """Our token as it sees itself (contracts: Vault 3.3). `left` is None for one that never ends."""

    left: timedelta | None
    renewable: bool
    periodic: bool
    uses: int  # 0: without limit
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class MountDefaults:
    """What a KV mount says for all its keys (contracts: Vault 1.3)."""

    max_versions: int
    delete_version_after: timedelta


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """One Vault and our login there. `rights` are what our token may do, by path."""

    alias: str
    given: bool  # the token is somebody else's; else we log in
    once: bool  # the login works a single time: its secret id is wrapped
    now: datetime
    handshake: Answer[Handshake | NoTls] = NOT_ASKED
    health: Answer[VaultHealth] = NOT_ASKED
    login: Answer[None] = NOT_ASKED
    token: Answer[TokenLife] = NOT_ASKED
    rights: Answer[Mapping[str, frozenset[str]]] = NOT_ASKED
    needed: Mapping[str, frozenset[str]] = field(default_factory=dict)  # likewise, what is needed


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """One key of a target that consumers read, and its mount."""

    path: KvPath
    mount: Answer[None] = NOT_ASKED
    key: Answer[KvMetadata | None] = NOT_ASKED
    defaults: Answer[MountDefaults] = NOT_ASKED


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """One target at both sides. An app that our role does not see is a `MissingError`."""

    target: Target
    app: Answer[App] = NOT_ASKED
    server: Answer[ServerMetadata] = NOT_ASKED
    consumer_mount: Answer[None] = NOT_ASKED
    staging_mount: Answer[None] = NOT_ASKED
    rights: Answer[Mapping[str, frozenset[str]]] = NOT_ASKED
    consumer: Answer[KvMetadata | None] = NOT_ASKED
    staging: Answer[KvMetadata | None] = NOT_ASKED
    consumer_defaults: Answer[MountDefaults] = NOT_ASKED
    staging_defaults: Answer[MountDefaults] = NOT_ASKED
    also: tuple[KeyFacts, ...] = ()  # the target's other paths

    @property
    def keys(self) -> tuple[KeyFacts, ...]:
        """Every key that consumers read, the leading one first."""
        return (KeyFacts(self.target.consumer, self.consumer_mount, self.consumer, self.consumer_defaults), *self.also)


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """Where we keep something on this machine or in a database, and what came of trying it."""

    name: str
    tried: Answer[None] = NOT_ASKED
