"""What Vault answered, and which of our errors that is. Pure; no HTTP library.

* Decided by status first, then by Vault's own words, matched loosely: they come plain or as a Go multierror
  (contracts: Vault 1.4, 1.6).
* Only Vault's own 404 means "absent": a proxy's must not look like a path that never held anything.
* What may have been applied is unknown: a 5xx to a write, unless Vault says that it was sealed or had no
  active node; and a success that cannot be read.
* Messages are one printable line that names the Vault; whatever the request held in secret is cut out of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.errors import (
    ConflictError,
    RateLimitedError,
    RefusedError,
    RotatorError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)
from rotator.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_TEXT = 300
LONGEST_WAIT = timedelta(minutes=15)  # a wilder Retry-After is a clock gone wrong

_SEALED = ("is sealed", "local node not active", "not initialized", "no active node")
_NOT_ACTIVE = ("replication dr secondary", "forward to the active node", "readonly storage")
_CAS = "did not match the current version"
_UPGRADING = "upgrading from non-versioned"
_MULTIERROR = re.compile(r"\d+ errors? occurred:\s*")
_DURATION = re.compile(r"(-?)((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}

ACTIVE_NODE_HINT = "Set `address` to the active node, or to a load balancer that picks only that one."
NOT_VAULT_HINT = "Check `address` and `proxy`: something else than Vault answers there."
MOUNT_HINT = "Check the mount's name, and the namespace: no secrets engine is mounted there."


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, as far as an error may tell it. `needs` is the permission it takes, for the hint."""

    vault: str
    what: str
    needs: str = ""
    writes: bool = False
    refused_hint: str | None = None

    def says(self, text: str) -> str:
        """Return the line of an error: which Vault, what was asked, what came."""
        return clean(f"vault {self.vault}: {self.what}: {text}")

    def failed(self, text: str, *, hint: str | None = None) -> RotatorError:
        """Return the error for no usable answer: for a write we cannot tell what became of it."""
        if self.writes:
            return UnknownOutcomeError(self.says(text))
        return UnavailableError(self.says(text), hint=hint)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success. `own`: it has the shape of Vault's, else `said` is empty and so is `body`."""

    status: int
    own: bool
    said: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: timedelta | None = None


def error_of(question: Question, refusal: Refusal, *, now: datetime) -> RotatorError:
    """Return the error that this answer stands for."""
    status, said = refusal.status, refusal.said.lower()
    line = question.says(f"{status} {refusal.said}".rstrip())
    if status == 429:
        wait = min(refusal.retry_after, LONGEST_WAIT) if refusal.retry_after is not None else None
        return RateLimitedError(line, retry_at=now + wait if wait is not None else None)
    if any(words in said for words in _SEALED):
        return SealedError(line)
    if status >= 500:
        return question.failed(f"{status} {refusal.said}".rstrip())
    if 300 <= status <= 399:
        text = f"answered with a redirect ({status}), which is not followed"
        return UnavailableError(question.says(text), hint=ACTIVE_NODE_HINT)
    if not refusal.own:
        text = f"answered {status}, and not in Vault's words; something in between may have answered"
        return question.failed(text, hint=NOT_VAULT_HINT)
    if any(words in said for words in _NOT_ACTIVE):
        return UnavailableError(line, hint=ACTIVE_NODE_HINT)
    if status in {412, 472, 473} or _UPGRADING in said:
        return UnavailableError(line)
    if status == 400 and question.writes and _CAS in said:
        return ConflictError(line)
    return RefusedError(line, code=str(status), hint=_hint(question, refusal))


def _hint(question: Question, refusal: Refusal) -> str | None:
    said = refusal.said.lower()
    if "no handler for route" in said:
        return MOUNT_HINT
    if "namespace not found" in said or "namespaces feature" in said:
        return "Check `namespace` of this Vault."
    if question.refused_hint is not None:
        return question.refused_hint
    if refusal.status == 403 and question.needs:
        return f"Give the policy of our token {question.needs} (`rotator policy vault` prints the least one)."
    return None


def nothing_there(refusal: Refusal) -> bool:
    """Say whether Vault itself says that there is nothing to read (contracts: Vault 1.2, 1.4).

    That is a 404 with an empty list of errors, or with the metadata of a deleted or destroyed version.
    """
    if refusal.status != 404:
        return False
    return refusal.body.get("errors") == [] or version_gone(refusal.body) > 0


def version_gone(body: Mapping[str, Any]) -> int:
    """Return the number of the deleted or destroyed version that a 404 is about; 0 if it is about none."""
    data = body.get("data")
    metadata = data.get("metadata") if isinstance(data, dict) and data.get("data") is None else None
    number = metadata.get("version") if isinstance(metadata, dict) else None
    return number if isinstance(number, int) else 0


def said_by(body: Mapping[str, Any], *, hide: Iterable[str] = ()) -> str:
    """Return what the `errors` and `warnings` of an answer say, in one line.

    Without secrets: those in `hide`, and whatever looks like one.
    """
    texts = [text for key in ("errors", "warnings") for text in _texts(body.get(key))]
    flat = "; ".join(re.sub(r"\s*\*\s+", " ", _MULTIERROR.sub("", text)).strip() for text in texts)
    for secret in sorted(hide, key=len, reverse=True):
        flat = flat.replace(secret, "[hidden]")
    return clean(redact(flat))


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def clean(text: str) -> str:
    """Return `text` as one printable line of bounded length."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def time_of(text: Any) -> datetime:
    """Read a time as Vault writes it, with nanoseconds or in whole seconds (contracts: Vault 1.2); else ValueError."""
    if not isinstance(text, str):
        raise ValueError("no time")  # noqa: TRY004 -- whoever reads an answer catches one kind
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time.astimezone(UTC)


def duration_of(text: Any) -> timedelta:
    """Read a duration as Go writes it (`3h25m19s`); ValueError if it is none."""
    if not isinstance(text, str):
        raise ValueError("no duration")  # noqa: TRY004 -- as above
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("no duration")
    parts = _DURATION_PART.findall(match[2])
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return timedelta(seconds=-seconds if match[1] else seconds)
