"""What Okta's management API answered, and which of our errors that is. Pure; no HTTP library.

* Decided by status and error code; the text only tells the flavours of `E0000001` apart, matched loosely
  (contracts: Okta 1.5).
* A 404 counts as "missing" only in Okta's own words: a proxy's 404 must not look like a deleted secret.
* What may have been applied is unknown: a 5xx or 408 to a write, and a success that cannot be read.
* Messages are one printable line that names the org; whatever the request held in secret is cut out of them.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from rotator.core.budget import LONGEST, SHORTEST, until_reset
from rotator.errors import (
    MissingError,
    RateLimitedError,
    RefusedError,
    RotatorError,
    UnauthenticatedError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LONGEST_TEXT = 300

# Okta's own words for a refused request on secrets, oldest and newest wording alike.
FLAVOURS: tuple[tuple[str, str], ...] = (
    ("reached the maximum number of client secrets", "slots_full"),
    ("deactivate the only active", "only_active"),
    ("delete an active", "still_active"),
    ("must be unique", "duplicate_value"),
    ("already in use", "duplicate_value"),
    ("already exist", "duplicate_value"),
    ("client_secret", "bad_value"),
)

LOGIN_HINT = (
    "Okta does not accept our own login: check `auth` of this org, its token, key or scopes, and the clock here."
)
DPOP_HINT = "Our service app demands DPoP, which rotator does not speak: switch `Require DPoP` off for it in Okta."
ROLE_HINT = "Give our admin role or scopes this permission (`rotator policy okta` lists them)."


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as far as an error may tell it. `hidden` are the secrets that the request held."""

    org: str
    method: str
    path: str
    writes: bool
    login: bool = False
    hidden: Sequence[str] = field(default=(), repr=False)

    def says(self, text: str) -> str:
        """Return the line of an error: which org, what was asked, what came."""
        return clean(f"okta {self.org}: {self.method} {self.path}: {text}", hide=self.hidden)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers (lower case; repeated ones joined by commas) and a body, in the shape the SDK reads."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str = ""

    @property
    def content_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def document(self) -> Any:
        """Return the body as JSON; ValueError if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass  # json's own error holds the whole body, with whatever secret is in it
        raise ValueError("no JSON")

    @property
    def at(self) -> datetime | None:
        """The time by Okta's clock, in whole seconds, if it told."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    @property
    def next_link(self) -> str | None:
        """The address of the next page; Okta sends one `Link` header per relation."""
        for target, parameters in re.findall(r"<([^>]*)>([^<]*)", self.headers.get("link", "")):
            if re.search(r'rel\s*=\s*"?next"?', parameters):
                return str(target)
        return None


@dataclass(frozen=True, slots=True)
class Page:
    """A successful answer to a read: what it says, and where it goes on."""

    document: Any
    next_link: str | None
    at: datetime | None = None  # by Okta's clock


def error_of(question: Question, answer: Answer, *, now: datetime) -> RotatorError | None:
    """Return the error that this answer stands for; None for a success."""
    if 200 <= answer.status <= 299:
        return None
    envelope = _envelope(answer)
    request_id = _text(envelope, "errorId") or answer.headers.get("x-okta-request-id")
    code = _text(envelope, "errorCode") or _text(envelope, "error")
    line = question.says(_reason(answer, envelope, code))
    if answer.status == 429:
        return RateLimitedError(line, retry_at=_reset(answer, now), request_id=request_id)
    if answer.status == 503 and code == "E0000010":
        return UnavailableError(
            line, hint="The org is in read-only mode; the next run tries again.", request_id=request_id
        )
    if answer.status >= 500 or answer.status == 408:
        failed = UnknownOutcomeError if question.writes else UnavailableError
        return failed(line, request_id=request_id)
    if answer.status == 404 and code == "E0000007":
        return MissingError(line, code=code, request_id=request_id)
    if code == "E0000001":
        code = _flavour(envelope)
    hint = _hint(question, answer, code)
    refused = UnauthenticatedError if answer.status == 401 or 300 <= answer.status <= 399 else RefusedError
    return refused(line, code=code or str(answer.status), hint=hint, request_id=request_id)


def clean(text: str, *, hide: Sequence[str] = ()) -> str:
    """Return `text` as one printable line of bounded length, without the secrets in `hide`."""
    for secret in hide:
        text = text.replace(secret, "[hidden]")
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def _envelope(answer: Answer) -> Mapping[str, Any]:
    try:
        document = answer.document()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _text(envelope: Mapping[str, Any], name: str) -> str:
    value = envelope.get(name)
    return value if isinstance(value, str) else ""


def _causes(envelope: Mapping[str, Any]) -> list[str]:
    causes = envelope.get("errorCauses")
    if not isinstance(causes, list):
        return []
    return [text for cause in causes if isinstance(cause, dict) and (text := _text(cause, "errorSummary"))]


def _reason(answer: Answer, envelope: Mapping[str, Any], code: str) -> str:
    if 300 <= answer.status <= 399:
        return f"answered with a redirect ({answer.status}), which is not followed"
    if not code:
        return f"answered {answer.status} without an error of Okta's own; something in between may have answered"
    summary = _text(envelope, "errorSummary") or _text(envelope, "error_description")
    return ": ".join([f"{answer.status} {code}", *filter(None, [summary, *_causes(envelope)])])


def _flavour(envelope: Mapping[str, Any]) -> str:
    said = " ".join([_text(envelope, "errorSummary"), *_causes(envelope)]).lower()
    return next((code for words, code in FLAVOURS if words in said), "E0000001")


def _hint(question: Question, answer: Answer, code: str) -> str | None:
    if 300 <= answer.status <= 399:
        return "Check org_url: it must be the org's own address."
    if code in {"invalid_dpop_proof", "use_dpop_nonce"}:
        return DPOP_HINT
    if question.login or answer.status == 401:
        return LOGIN_HINT
    return ROLE_HINT if answer.status == 403 else None


def _reset(answer: Answer, now: datetime) -> datetime | None:
    """Return when to ask again, by our clock, if Okta said so; its `Date` takes the difference of the clocks out."""
    if answer.headers.get("x-rate-limit-limit") == "0":  # too many at once: its reset is a guess (contracts: Okta 6.1)
        return now + timedelta(seconds=random.uniform(1, 4))  # noqa: S311 -- jitter
    if (ends := until_reset(answer.headers)) is None:
        return None
    return now + min(max(ends + timedelta(seconds=1), SHORTEST), LONGEST)
