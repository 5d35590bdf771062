"""All that a diagnosis may look at: what was asked and answered, and what those who know say of the client.

* No secret is in the evidence: values are compared before, and what stands there is how they compare.
* What is None was not asked, or nobody would say.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.disguise import Shape
from rotator.core.model import AuthMethod, FieldNames

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from rotator.core.diagnosis.signs import Sign
    from rotator.core.disguise import Disguise
    from rotator.core.model import App, KvPath, SecretId, SecretStatus, Target
    from rotator.core.secret_value import SecretValue

CLIENT_CREDENTIALS, INTROSPECTION = "client_credentials", "introspection"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token as an application makes it; or, for an app that gets none by itself, an introspection."""

    issuer: str  # as it was given, or as the configuration has it
    client_id: str
    method: AuthMethod
    grant: str = CLIENT_CREDENTIALS
    scope: str | None = None

    @property
    def url(self) -> str:
        """The endpoint that the issuer stands for, whatever slashes it ends in."""
        base = self.issuer.rstrip("/")
        base = base if "/oauth2/" in urlsplit(base).path else f"{base}/oauth2"
        return f"{base}/v1/{'introspect' if self.grant == INTROSPECTION else 'token'}"

    @property
    def server(self) -> str | None:
        """The custom authorization server; None for the org's own."""
        return server_of(self.issuer)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` is None where only a body was captured; `lost` says why nothing came."""

    status: int | None = None
    error: str = ""
    description: str = ""
    json: bool = True
    token: bool = False
    introspected: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    skew: timedelta | None = None  # how far the other clock is ahead of ours
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """What is published under an issuer's address (RFC 8414). `error` is Okta's code where there is none."""

    address: str  # the issuer that was asked for, without a slash at its end
    status: int | None = None
    json: bool = False
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    error: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Likeness:
    """That a value is another one, as it is or in a disguise."""

    disguise: Disguise | None = None

    @property
    def words(self) -> str:
        return f" {self.disguise.value}" if self.disguise else ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A secret that Okta lists, and how the value in question is like it."""

    id: SecretId
    status: SecretStatus
    created: datetime
    changed: datetime
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """A readable version of the path: whether it holds the value in question, and which of Okta's secrets."""

    number: int
    same: bool
    holds: SecretId | None
    names: SecretId | None = None  # the secret that the record names, which may be another


@dataclass(frozen=True, slots=True)
class Behind:
    """Another path of the target that does not hold the leading one's value, and what it holds."""

    path: KvPath
    holds: str


@dataclass(frozen=True, slots=True)
class VaultSide:
    """What Vault holds. `missing` says why consumers find no secret there; `deleted` is a version to undelete."""

    latest: int = 0
    versions: tuple[Version, ...] = ()
    client_id: str | None = None
    missing: str = ""
    deleted: int | None = None
    staged: bool = False  # the value in question is the staged one
    made: bool = False  # and we have made it once
    behind: tuple[Behind, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """An event of the System Log that bears on a client or on a value."""

    at: datetime
    ours: bool  # we did it
    deletion: bool = False  # of a secret of the app
    hashes: frozenset[str] = frozenset()  # of secrets, as the log writes them
    client: str | None = None  # another client, which was seen with the value
    who: str = ""  # the program, and the address that it asked from
    granted: bool = False  # a request of the client was granted
    refused: str = ""  # or why it was refused: Okta's code


@dataclass(frozen=True, slots=True)
class Traces:
    """What the log has, newest first; `whole` if nothing that it has was left out."""

    traces: tuple[Trace, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Failures:
    """Requests of the client that the System Log has as refused, none of them ours."""

    sign: Sign
    reason: str
    times: int
    last: datetime


@dataclass(frozen=True, slots=True)
class LogSide:
    """What the System Log tells of the client and of the value."""

    since: datetime  # how far back it was read
    whole: bool  # all that there is since then was read
    deleted: bool = False  # a secret with the value's hash was deleted from this app
    deletions: int = 0  # secrets that were deleted from this app
    comparable: bool = False  # its hashes are those that the list shows: one of the app's stands there
    used_by: frozenset[str] = frozenset()  # other clients that were seen with the value
    failures: tuple[Failures, ...] = ()


class Sight(enum.Enum):
    """Whether the management API showed the app."""

    SEEN = "seen"
    UNSEEN = "not shown to our role"
    UNREADABLE = "not answered"
    UNASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Captured:
    """What a captured request shows besides its answer."""

    path: str = ""
    basic: BasicHeader | None = None
    secret_in_query: bool = False
    methods: int = 0


@dataclass(frozen=True, slots=True)
class BasicHeader:
    """What can be said of a Basic header without showing it."""

    readable: bool  # base64 of a text with a colon
    why: str = ""
    secret: Shape = field(default_factory=Shape)
    swapped: bool = False
    names_a_client: bool = False  # what stands before the colon has the form of a client id

    @property
    def words(self) -> str:
        """What it is, for people."""
        if not self.readable:
            return self.why
        named = "an id of Okta's form" if self.names_a_client else "an id that is not of Okta's usual form"
        oddities = {
            "a line end": self.secret.newline,
            "white space at an end": self.secret.edges,
            "quotes around it": self.secret.quoted,
            "percent signs as of an encoding": self.secret.escapes,
            "the form of a client id": self.secret.like_a_client_id,
            "a length or a character that no secret of Okta's has": self.secret.impossible,
        }
        odd = ", ".join(words for words, there in oddities.items() if there)
        return f"base64 of {named}, a colon, and a secret {f'with {odd}' if odd else 'with nothing odd about it'}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom it is about, in the words of whoever asks; for remedies."""

    name: str
    target: str | None = None
    path: KvPath | None = None
    fields: FieldNames = field(default_factory=FieldNames)
    org_url: str | None = None  # the org that we manage and where the app should be
    server: str | None = None  # the custom server that the configuration names
    options: tuple[tuple[str, str], ...] = ()  # as they were typed
    secret_file: str | None = None
    observes: bool = False  # its policy lets nothing be rotated

    @property
    def file(self) -> str | None:
        """The file with the secret, if it is one: `-` is stdin."""
        return None if self.secret_file == "-" else self.secret_file  # noqa: S105 -- a file's name


@dataclass(frozen=True, slots=True)
class Complaint:
    """Who is refused, as far as whoever asks has said. What is None is looked up."""

    subject: Subject
    issuer: str
    target: Target | None = None
    client_id: str | None = None
    value: SecretValue | None = None
    method: AuthMethod | None = None
    grant: str | None = None
    scope: str | None = None
    authorize_url: str = ""
    issuer_given: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything there is."""

    subject: Subject
    now: datetime
    asked: Asked | None = None
    answer: Answer | None = None  # None: the request was not made, see `unsent`
    unsent: str = ""
    shape: Shape = field(default_factory=Shape)  # of the value in question
    document: Document | None = None
    authorize: Document | None = None  # of the server of --authorize
    authorize_url: str = ""
    others: tuple[Document, ...] = ()  # of servers that may be meant
    sight: Sight = Sight.UNASKED
    app: App | None = None
    okta_said: str = ""  # why the management API showed nothing
    nearest: str | None = None  # a client id of this org that is nearly the one that was shown
    elsewhere: str | None = None  # another org of the configuration, where the client is
    slots: tuple[Slot, ...] | None = None
    values_hidden: bool = False
    vault: VaultSide | None = None
    neighbour: str | None = None  # another target that holds the value
    swapped: bool = False
    log: LogSide | None = None
    log_refused: str = ""
    captured: Captured | None = None


def server_of(url: str) -> str | None:
    """Return the custom authorization server of an issuer, or of one of its endpoints."""
    parts = urlsplit(url).path.strip("/").split("/")
    if len(parts) < 2 or parts[0] != "oauth2" or parts[1] == "v1":
        return None
    return parts[1]


def issuer_of(url: str) -> str:
    """Return the issuer that an endpoint belongs to."""
    parts, server = urlsplit(url), server_of(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"{origin}/oauth2/{server}" if server else origin


def origin_of(url: str) -> str:
    """Return scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
