"""The facts about Okta that documents leave open: what is asked, what is assumed, and what follows if it is otherwise.

`docs/assumptions.md` says where each is relied upon; the order is that of its tables.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Fact(enum.Enum):
    """What is looked at. The value is its name in reports."""

    HASH_FORMULA = "hash formula"
    PLAINTEXT = "plaintext on read"
    LIST_LAG = "list after a create"
    CREATE_LAG = "a new secret at the token endpoints"
    DEACTIVATE_LAG = "a switched-off secret at the token endpoints"
    DUPLICATES = "duplicate values"
    ERROR_TEXTS = "texts of refusals"
    GONE = "what is gone"
    SCOPE_ORDER = "secret before scope"
    GRANT_ORDER = "secret before grant"
    PROOF_ORDER = "secret before DPoP proof"
    INTROSPECTION = "introspection at the org's server"
    WRONG_SECRET = "a wrong secret"  # noqa: S105 -- a fact, no password
    LOG_HASH = "hash in the log: secrets"
    LOG_HASH_OF_TOKENS = "hash in the log: token requests"
    LOG_KEYS = "names in the log's details"
    LOG_ACTOR = "actor of a token request"
    LOG_US = "who we are in the log"
    LOG_LAG = "delay of the log"
    LOG_REASON = "reason of a refused request"
    LOG_DELETION = "hash of a deleted secret"
    WRITING = "rights to write secrets"
    SAME_STATE = "a change to the same state"
    LIST_ORDER = "order of the list"
    APP_OFF = "client of a deactivated app"
    PERCENT = "percent signs in Basic"
    OTHER_METHOD = "another authentication method"
    CHALLENGE = "WWW-Authenticate"
    BOTH_WAYS = "two kinds of credentials"
    ORG_SERVER = "client_credentials at the org's server"
    LOG_REFUSED = "hash of a refused secret"
    LIMITS = "rate limits"


@dataclass(frozen=True, slots=True)
class Row:
    """A fact in words. `matters`: something in the program goes less well if it is otherwise."""

    question: str
    assumed: str
    otherwise: str
    matters: bool = True


_NOTHING = "Nothing: the program works either way."

ROWS: dict[Fact, Row] = {
    Fact.HASH_FORMULA: Row(
        "Is `secret_hash` the first half of SHA-256, as base64url?",
        "it is",
        "Values are matched where Okta shows them. Where it hides them a target is blocked, `cannot match`.",
    ),
    Fact.PLAINTEXT: Row(
        "Do list and get show a secret's value, while it is active and after?",
        "they do, for active and inactive ones",
        "Values are matched by hash, and nothing can be adopted. Give our role the permission to view them.",
    ),
    Fact.LIST_LAG: Row(
        "How soon does a new secret stand in the list?",
        "within `propagation`",
        "Raise `okta.<alias>.propagation`: else the same value may be created twice.",
    ),
    Fact.CREATE_LAG: Row(
        "How soon do the token endpoints take a new secret?",
        "within `propagation`",
        "Raise `okta.<alias>.propagation`. Until then a new secret is kept and tried again.",
    ),
    Fact.DEACTIVATE_LAG: Row(
        "How soon do they refuse one that was switched off?",
        "within `propagation`",
        "A revoked secret is accepted for longer: what an admin deleted is blocked as `cannot match` meanwhile.",
    ),
    Fact.DUPLICATES: Row(
        "May a value be registered twice: in one app, in two?",
        "it may, or is refused with a text that we know",
        "A repeated create ends with an error; the next run looks again and finds the secret.",
    ),
    Fact.ERROR_TEXTS: Row(
        "Do the texts of `E0000001` tell its kinds apart: slots full, the only active one, still active?",
        "they do, in the old or the new wording",
        "Such a refusal ends the run with an error; the next one looks again.",
    ),
    Fact.GONE: Row(
        "What does Okta say of a secret that is gone?",
        "404 with `E0000007`",
        "The deletion of what is gone ends with an error until the list says so.",
    ),
    Fact.SCOPE_ORDER: Row(
        "Is the secret looked at before the scope?",
        "it is",
        "A wrong secret with a wrong scope would be taken for proven: set `verify.scope` to one that yields a token.",
    ),
    Fact.GRANT_ORDER: Row("Is it looked at before the grant type?", "it may be either way", _NOTHING, matters=False),
    Fact.PROOF_ORDER: Row("Is it looked at before the DPoP proof?", "it may be either way", _NOTHING, matters=False),
    Fact.INTROSPECTION: Row(
        "Does introspecting a token that never was authenticate a service app's client?",
        "it does",
        "Where no custom server is configured nothing can be proven: set `verify.authorization_server` and a scope.",
    ),
    Fact.WRONG_SECRET: Row(
        "What is said to a wrong secret?",
        "401 `invalid_client`",
        "A refusal is inconclusive: revoked secrets are not found by their refusal.",
    ),
    Fact.LOG_HASH: Row(
        "Is the hash of a secret in the log its `secret_hash`, where the secret is made, switched and deleted?",
        "it is",
        "After a race the current secret is not switched on again, but replaced.",
    ),
    Fact.LOG_HASH_OF_TOKENS: Row(
        "Is it, where a token was granted?",
        "it is",
        "Who still uses an old secret cannot be told by its hash: usage evidence is not relied upon.",
    ),
    Fact.LOG_KEYS: Row("How are the log's details named?", "in any case", _NOTHING, matters=False),
    Fact.LOG_ACTOR: Row(
        "Whose id is the actor of a token request: the app's, or the client's?", "either", _NOTHING, matters=False
    ),
    Fact.LOG_US: Row(
        "Under which actor does the log have what we do?",
        "our client id, or our User-Agent with an API token",
        "What we did ourselves looks like somebody else's act: each rotation wakes its target once more.",
    ),
    Fact.LOG_LAG: Row(
        "How soon does an event show in the log?",
        "within a minute",
        "What others change is found later by so much.",
    ),
    Fact.LOG_REASON: Row(
        "What reason has the log for a refused token request?",
        "`invalid_client_secret`, or `invalid_client`",
        "Who is cut off by a retirement is not noticed, and `rotator doctor` does not tell who else is refused.",
    ),
    Fact.LOG_DELETION: Row(
        "Does a deletion carry the hash of the secret?",
        "it does",
        "`rotator doctor` cannot tell a deleted secret from one that never was.",
    ),
    Fact.WRITING: Row(
        "Are our scopes and our role enough to write secrets?",
        "they are",
        "Nothing can be rotated: `rotator policy okta` lists what is needed.",
    ),
    Fact.SAME_STATE: Row(
        "What is said to activating an active one, deactivating an inactive one?", "either way", _NOTHING, matters=False
    ),
    Fact.LIST_ORDER: Row("In which order is the list?", "in any", _NOTHING, matters=False),
    Fact.APP_OFF: Row("What do the token endpoints say for a deactivated app?", "anything", _NOTHING, matters=False),
    Fact.PERCENT: Row("Are percent signs in a Basic header decoded?", "either way", _NOTHING, matters=False),
    Fact.OTHER_METHOD: Row(
        "Is another authentication method than the app's own refused?", "either way", _NOTHING, matters=False
    ),
    Fact.CHALLENGE: Row("Does a 401 carry `WWW-Authenticate`?", "either way", _NOTHING, matters=False),
    Fact.BOTH_WAYS: Row("What status have two kinds of credentials at once?", "either", _NOTHING, matters=False),
    Fact.ORG_SERVER: Row("Does the org's own server know `client_credentials`?", "either way", _NOTHING, matters=False),
    Fact.LOG_REFUSED: Row(
        "Does a refused token request tell the hash that was tried?", "either way", _NOTHING, matters=False
    ),
    Fact.LIMITS: Row(
        "Which rate limits do the answers tell of?",
        "their headers tell",
        "Nothing holds our calls back before Okta refuses some: does a proxy take the headers out?",
    ),
}


class Verdict(enum.Enum):
    """How a fact compares with what is assumed. The value is the word that people and programs see."""

    AS_ASSUMED = "as assumed"
    OTHERWISE = "otherwise"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Shown:
    """A fact as it was found. `seen` is a word or two, `evidence` are Okta's names of requests and events.

    `span`: seconds at which it had not come yet, and had, for what takes time.
    """

    fact: Fact
    verdict: Verdict
    seen: str
    detail: str
    evidence: tuple[str, ...] = ()
    span: tuple[float | None, float | None] | None = None

    @property
    def follows(self) -> str:
        """What is to be done, or goes less well; empty where it is as assumed."""
        return ROWS[self.fact].otherwise if self.verdict is Verdict.OTHERWISE else ""
