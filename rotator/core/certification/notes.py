"""What was seen on an org while it was certified. Values only, none of them secret; a value shows by how it compares.

* What could not be looked at is a `Miss` with its reason: never an empty value.
* A moment that was waited for is a `Span`: when it had not come yet, and when it had.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from rotator.core.diagnosis.evidence import Answer
    from rotator.core.model import AppId, ClientId, SecretId
    from rotator.core.secret_value import SecretValue

T = TypeVar("T")
WRONG_SECRETS = 4  # for one client; Okta raises an alarm at the fifth within 24 hours


@dataclass(frozen=True, slots=True)
class Miss:
    """That something could not be looked at, and why."""

    why: str


NOT_TRIED = Miss("it was not tried")
OWN_APP_ONLY = Miss("it takes an app of its own")
Maybe: TypeAlias = T | Miss


@dataclass(frozen=True, slots=True)
class Said:
    """What the management API said to a change. `code` is ours for a kind of `E0000001`, else Okta's."""

    ok: bool
    code: str = ""
    text: str = ""
    request_id: str | None = None


class Plain(enum.Enum):
    """How a secret's own value shows."""

    SHOWN = "shown"
    MASKED = "masked"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class RawSecret:
    """A secret as an answer has it: `plain` is whatever stands there for its value."""

    id: SecretId
    active: bool
    created: datetime
    hash: str
    plain: SecretValue | None


@dataclass(frozen=True, slots=True)
class Look:
    """How one of our secrets shows, compared with the value that we gave it."""

    plain: Plain
    hash_as_ours: bool


@dataclass(frozen=True, slots=True)
class Span:
    """When something came: `sooner` it had not yet, `later` it had. None: never not; not in the time there was."""

    sooner: timedelta | None
    later: timedelta | None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the System Log, as far as it is looked at."""

    kind: str
    id: str
    targets: frozenset[str]
    actor: tuple[str, str]  # its id, its alternate id
    agent: str
    failed: bool
    reason: str
    hash: str | None  # under the name of a client secret
    keys_in_lower_case: bool | None  # of the details; None where there are none
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Labelled:
    """An app that was found by its label."""

    app: AppId
    label: str
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """An app that the certification uses. `app` and `client_id` differ where Okta lets them."""

    app: AppId
    client_id: ClientId
    label: str


@dataclass(slots=True)
class Notes:
    """All that was seen, filled in as it is seen."""

    propagation: timedelta  # by the configuration
    us: str | None  # our client id; None with an API token
    own: bool  # apps of our own
    made: Maybe[Said] = NOT_TRIED  # the first app
    client: Client | None = None  # whose token requests are looked for in the log
    app: Client | None = None  # whose secrets are

    # Secrets, at the management API.
    created: Maybe[Look] = NOT_TRIED
    created_said: Maybe[Said] = NOT_TRIED
    listed_on: Maybe[Look] = NOT_TRIED
    got_on: Maybe[Look] = NOT_TRIED
    listed_off: Maybe[Look] = NOT_TRIED
    got_off: Maybe[Look] = NOT_TRIED
    list_lag: Maybe[Span] = NOT_TRIED
    orders: list[frozenset[str]] = field(default_factory=list)  # which orders each list may have
    full: Maybe[Said] = NOT_TRIED
    still_active: Maybe[Said] = NOT_TRIED
    only_active: Maybe[Said] = NOT_TRIED
    twice_off: Maybe[Said] = NOT_TRIED
    twice_on: Maybe[Said] = NOT_TRIED
    same_app: Maybe[Said] = NOT_TRIED  # a value that the app has already
    other_app: Maybe[Said] = NOT_TRIED  # one that another app has
    gone: Maybe[Said] = NOT_TRIED

    # Requests of clients.
    create_lag: Maybe[Span] = NOT_TRIED
    deactivate_lag: Maybe[Span] = NOT_TRIED
    introspected_by_org: Maybe[Answer] = NOT_TRIED
    introspected: Maybe[Answer] = NOT_TRIED  # by the custom server
    granted: Maybe[Answer] = NOT_TRIED
    wrong_scope: Maybe[Answer] = NOT_TRIED  # together with a wrong secret, as the next two
    wrong_grant: Maybe[Answer] = NOT_TRIED
    without_proof: Maybe[Answer] = NOT_TRIED
    other_method: Maybe[Answer] = NOT_TRIED
    both_ways: Maybe[Answer] = NOT_TRIED
    percent: Maybe[Answer] = NOT_TRIED
    by_org: Maybe[Answer] = NOT_TRIED  # client_credentials with a secret
    app_off: Maybe[Answer] = NOT_TRIED

    # The System Log.
    events: Maybe[tuple[Event, ...]] = NOT_TRIED
    log_lag: Maybe[Span] = NOT_TRIED
    hash_made: str = ""  # as the API shows it, of the secret whose life is looked for
    hash_used: str = ""  # of the one by which a token was asked for

    limits: Mapping[str, int] = field(default_factory=dict)  # calls a minute, by bucket
