"""What an answer of a token endpoint says, in a word of ours (contracts: Okta 5.2).

* The status is looked at first, then `error` or `errorCode`, in both shapes of body, then the description.
* Descriptions tell the kinds of `invalid_client` apart; one that nobody has seen before is `VAGUE`.
* Some signs show that Okta believed the client, so that its secret is good; of some nobody knows whether Okta gives
  them before it looks at the secret. Those show nothing of it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.diagnosis.evidence import Answer


class Sign(enum.Enum):
    """One word for one kind of answer."""

    TOKEN = "a token"  # noqa: S105 -- a sign, no password
    AUTHENTICATED = "the client was authenticated"
    UNKNOWN_CLIENT = "the client id is not known"
    WRONG_SECRET = "the secret is not good"  # noqa: S105 -- likewise
    BAD_SIGNATURE = "the assertion's signature is not good"
    GENERIC = "client authentication failed"
    VAGUE = "invalid_client, in other words than Okta's known ones"
    METHOD = "another authentication method than the app's"
    NO_CREDENTIALS = "no credentials arrived"
    MALFORMED = "the Basic header cannot be read"
    TOO_SHORT = "the secret is too short to sign with"
    TWO_METHODS = "two authentication methods at once"
    IN_QUERY = "credentials in the query"
    ORG_SERVER = "the org's own server gives no token for a secret"
    GRANT = "the grant is not allowed"
    SCOPE = "the scope is refused"
    POLICY = "no access policy allows it"
    ZONE = "from outside the network zone"
    DPOP = "a DPoP proof is wanted"
    EXPIRED = "the assertion is expired"
    EARLY = "the assertion is from the future"
    AUDIENCE = "the assertion is for another audience"
    REUSED = "the assertion was used before"
    LIMIT = "the rate limit is used up"
    AILING = "Okta cannot answer now"
    NO_SERVER = "there is no such authorization server"
    NO_PATH = "there is no such path"
    LICENCE = "the feature is not licensed"
    NOT_FOR_SERVICE = "introspection is not for service apps"
    NOT_OKTA = "no answer of Okta's"
    SILENT = "no answer"
    OTHER = "something else"


BELIEVED = frozenset({Sign.TOKEN, Sign.AUTHENTICATED, Sign.SCOPE, Sign.POLICY})
# Okta has gone on to what comes after the method; whether to the secret is another question.
PAST_THE_METHOD = BELIEVED | {Sign.WRONG_SECRET, Sign.BAD_SIGNATURE, Sign.GRANT, Sign.DPOP, Sign.ZONE, Sign.TOO_SHORT}
KNOWS_THE_CLIENT = PAST_THE_METHOD | {Sign.GENERIC, Sign.METHOD}
ABOUT_THE_SECRET = frozenset({Sign.WRONG_SECRET, Sign.BAD_SIGNATURE, Sign.VAGUE})
BEFORE_THE_SECRET = frozenset({Sign.GRANT, Sign.DPOP, Sign.ZONE})

# Of `invalid_client`, in lower case. The first that is found counts.
DESCRIPTIONS: tuple[tuple[str, Sign], ...] = (
    ("client_id", Sign.UNKNOWN_CLIENT),
    ("client secret supplied", Sign.WRONG_SECRET),
    ("client authentication failed", Sign.GENERIC),
    ("no client credentials", Sign.NO_CREDENTIALS),
    ("not valid client credentials", Sign.MALFORMED),
    ("must use either private_key_jwt", Sign.METHOD),
    ("must use the private_key_jwt", Sign.ORG_SERVER),
    ("application_type", Sign.ORG_SERVER),
    ("too short", Sign.TOO_SHORT),
    ("signature is invalid", Sign.BAD_SIGNATURE),
    ("audience claim", Sign.AUDIENCE),
    ("token is expired", Sign.EXPIRED),
    ("too far into the future", Sign.EARLY),
    ("issued before the current time", Sign.EARLY),
    ("already been used", Sign.REUSED),
)
REQUESTS: tuple[tuple[str, Sign], ...] = (
    ("supply multiple client credentials", Sign.TWO_METHODS),
    ("via query parameters", Sign.IN_QUERY),
    ("not allowed to access", Sign.NOT_FOR_SERVICE),
)
ERRORS: Mapping[str, Sign] = {
    "unauthorized_client": Sign.GRANT,
    "unsupported_grant_type": Sign.GRANT,
    "invalid_scope": Sign.SCOPE,
    "consent_required": Sign.SCOPE,
    "invalid_grant": Sign.AUTHENTICATED,  # the grant itself is bad, and the client is believed
    "invalid_dpop_proof": Sign.DPOP,
    "use_dpop_nonce": Sign.DPOP,
    "server_error": Sign.AILING,
    "temporarily_unavailable": Sign.AILING,
    "E0000007": Sign.NO_SERVER,
    "E0000008": Sign.NO_PATH,
    "E0000010": Sign.AILING,
    "E0000015": Sign.LICENCE,
    "E0000047": Sign.LIMIT,
}
# What the System Log gives as the reason of a failure: Okta's internal codes, as far as they are known.
REASONS: Mapping[str, Sign] = {
    "invalid_client_secret": Sign.WRONG_SECRET,
    "invalid_token_endpoint_auth_method": Sign.METHOD,
    "missing_client_credentials": Sign.NO_CREDENTIALS,
    "invalid_basic_auth_creds": Sign.MALFORMED,
    "multiple_client_credentials": Sign.TWO_METHODS,
    "unsupported_auth_method_client_creds": Sign.ORG_SERVER,
    "invalid_application_type_client_credentials": Sign.ORG_SERVER,
    "no_matching_policy": Sign.POLICY,
}


def sign_of(answer: Answer) -> Sign:
    """Return what the answer says."""
    if answer.lost:
        return Sign.SILENT
    if answer.status == 429 or "rate limit" in answer.description.lower():
        return Sign.LIMIT
    if answer.status is not None and answer.status >= 500:
        return Sign.AILING
    if not answer.json or (answer.status is not None and 300 <= answer.status <= 399):
        return Sign.NOT_OKTA
    if not answer.error:
        return _of_success(answer)
    return _of_error(answer)


def _of_success(answer: Answer) -> Sign:
    if answer.token:
        return Sign.TOKEN
    if answer.introspected:
        return Sign.AUTHENTICATED
    return Sign.NOT_OKTA if answer.status in {200, 404} else Sign.OTHER


def _of_error(answer: Answer) -> Sign:
    said, status = answer.description.lower(), answer.status
    match answer.error:
        case "invalid_client":
            return next((sign for words, sign in DESCRIPTIONS if words in said), Sign.VAGUE)
        case "invalid_request":
            return next((sign for words, sign in REQUESTS if words in said), Sign.OTHER)
        case "access_denied":
            return Sign.ZONE if status == 403 or "network zone" in said else Sign.POLICY
        case "unsupported_grant_type" if "custom authorization server" in said:
            return Sign.ORG_SERVER
        case "unauthorized_client" if "custom authorization server" in said:
            return Sign.GRANT
    return ERRORS.get(answer.error, Sign.OTHER)
