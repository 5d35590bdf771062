"""What the management API says when it refuses (contracts: Okta 1.5).

Where a text exists in two wordings, a setting chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .okta_settings import OktaSettings

Headers = tuple[tuple[str, str], ...]


class OktaError(Exception):
    """A refusal. `reason` is Okta's internal word for it, as the System Log shows it."""

    def __init__(self, status: int, body: dict[str, object], headers: Headers = (), *, reason: str = "") -> None:
        """Take the body without `errorId`; it is added when the refusal is sent."""
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = headers
        self.reason = reason


GENERIC = {
    "E0000003": (400, "The request body was not well-formed."),
    "E0000005": (403, "Invalid session"),
    "E0000006": (403, "You do not have permission to perform the requested action"),
    "E0000008": (404, "The requested path was not found"),
    "E0000009": (500, "Internal Server Error"),
    "E0000010": (503, "Service is in read only mode"),
    "E0000011": (401, "Invalid token provided"),
    "E0000015": (401, "You do not have permission to access the feature you are requesting"),
    "E0000021": (400, "Bad request.  Accept and/or Content-Type headers likely do not match supported values."),
    "E0000022": (405, "The endpoint does not support the provided HTTP method"),
    "E0000029": (400, "Invalid paging request."),
    "E0000031": (400, "Invalid search criteria."),
    "E0000047": (429, "API call exceeded rate limit due to too many requests."),
}


def management_error(code: str, *causes: str, headers: Headers = ()) -> OktaError:
    """Return one of the generic refusals of the management API."""
    status, summary = GENERIC[code]
    return enveloped(status, code, summary, *causes, headers=headers)


def enveloped(status: int, code: str, summary: str, *causes: str, headers: Headers = (), reason: str = "") -> OktaError:
    """Return a refusal in the management shape."""
    body: dict[str, object] = {
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": "",
        "errorCauses": [{"errorSummary": cause} for cause in causes],
    }
    return OktaError(status, body, headers, reason=reason or code)


def not_found(what: str, kind: str) -> OktaError:
    """Return the refusal for an id that names nothing, or nothing that the caller may see."""
    return enveloped(404, "E0000007", f"Not found: Resource not found: {what} ({kind})")


def invalid(subject: str, *causes: str) -> OktaError:
    """Return the refusal of a value."""
    return enveloped(400, "E0000001", f"Api validation failed: {subject}", *causes)


SECRET = "OAuth2ClientSecretMediated"  # noqa: S105 -- Okta's name for the type
FIELD = "client_secret"


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule about secrets: what it is about, and how it is said now and was said once."""

    subject: str
    text: str
    old: str = ""
    old_subject: str = ""


SECRET_RULES = {
    "slots_full": Refused(
        SECRET,
        "You've reached the maximum number of client secrets per client.",
        "You have reached the maximum number of client secrets per client.",
    ),
    "only_active": Refused(SECRET, "You can't deactivate the only active client secret."),
    "still_active": Refused(
        SECRET, "You can't delete an active client secret. Deactivate the secret before deleting it."
    ),
    "too_long": Refused(
        FIELD,
        "client_secret: 'client_secret' can't be more than '100' characters long.",
        "client_secret: 'client_secret' cannot be more than '100' characters long.",
    ),
    "too_short": Refused(FIELD, "client_secret: 'client_secret' must be at least '14' characters long."),
    "too_short_for_jwt": Refused(
        FIELD,
        "client_secret: 'client_secret' must be at least '32' characters long when "
        "'token_endpoint_auth_method' is 'client_secret_jwt'.",
    ),
    "no_secret_wanted": Refused(
        FIELD,
        "'client_secret' can't be used when 'token_endpoint_auth_method' is '{method}'.",
        "'client_secret' cannot be used when 'token_endpoint_auth_method' is '{method}'.",
        SECRET,
    ),
    "not_printable": Refused(FIELD, "client_secret: ''client_secret'' must only contain printable ASCII: [x20-x7E]+"),
    "not_unique": Refused(FIELD, "client_secret: An object with this field already exists in the current organization"),
    "already_active": Refused(SECRET, "The client secret is already active."),
    "already_inactive": Refused(SECRET, "The client secret is already inactive."),
}


def secret_refused(rule: str, settings: OktaSettings, **values: str) -> OktaError:
    """Return the refusal of a secret, in the wording that the settings choose."""
    row = SECRET_RULES[rule]
    if settings.management_wording == "new":
        return invalid(row.subject, row.text.format(**values))
    return invalid(row.old_subject or row.subject, (row.old or row.text).format(**values))
