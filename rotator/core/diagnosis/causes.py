"""The causes by name, and what is said of one that was found or may be."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Cause(enum.Enum):
    """Why a client is refused. The value is the word that operators see."""

    # Where it asks.
    NOT_OKTA = "not an Okta endpoint"
    OTHER_SERVER = "no such authorization server"
    NO_LICENCE = "API Access Management missing"
    TRAILING_SLASH = "issuer with a trailing slash"
    CUSTOM_DOMAIN = "custom domain and org address mixed up"
    DIFFERENT_SERVERS = "/authorize and /token of different servers"
    ORG_SERVER = "org server where a custom one is needed"
    # Who asks.
    WRONG_CLIENT_ID = "wrong client id"
    OTHER_ORG = "client of another org"
    APP_INACTIVE = "app inactive"
    PUBLIC_CLIENT = "public client"
    KEY_CLIENT = "private_key_jwt app"
    # With which secret.
    NOTHING_IN_VAULT = "no secret in Vault"
    REVOKED = "secret revoked"
    DELETED = "secret deleted"
    NEVER_EXISTED = "secret never was this app's"
    ANOTHER_APPS = "secret of another app"
    NEWLINE = "newline in the secret"
    SPACES = "white space around the secret"
    QUOTES = "quotes around the secret"
    ENCODED = "secret is encoded"
    OLDER_VERSION = "secret of an older Vault version"
    OTHER_PATH = "another path holds another secret"
    STAGED = "secret that is only staged"
    NOT_YET = "secret not yet known everywhere"
    TOO_SHORT = "secret too short for client_secret_jwt"
    # How it shows it.
    WRONG_METHOD = "wrong client authentication method"
    NO_CREDENTIALS = "no credentials sent"
    MALFORMED_BASIC = "malformed Basic header"
    SWAPPED = "client id and secret swapped"
    PERCENT = "percent-encoding in the Basic header"
    TWO_METHODS = "two authentication methods at once"
    IN_QUERY = "credentials in the query"
    ASSERTION_EXPIRED = "assertion expired"
    ASSERTION_EARLY = "assertion from the future"
    ASSERTION_AUDIENCE = "assertion for another audience"
    ASSERTION_REUSED = "assertion used twice"
    # What it may.
    GRANT = "grant not allowed"
    SCOPE = "scope refused"
    POLICY = "access policy refused"
    NETWORK_ZONE = "outside the network zone"
    DPOP = "DPoP proof wanted"
    # Nothing of its own.
    RATE_LIMIT = "rate limit"
    OUT_OF_ORDER = "Okta out of order"


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause that is certain: what shows it, what mends it, and the command that does, if one does."""

    cause: Cause
    evidence: str
    remedy: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What cannot be told apart, most likely first; why not, and what would settle it."""

    possible: tuple[Cause, ...]
    why: str
    settle: str
