"""Response wrapping: an answer put away behind a token that opens it once (contracts: Vault 3.2).

* `X-Vault-Wrap-TTL` on any request with an answer wraps it. Refusals and empty answers are not wrapped.
* Looking a wrapping token up needs no other token and does not use it up; unwrapping does.
* A wrapping token is good for nothing else, and any other call with it uses it up, although that is refused.
* The token may come in the body, with another token in the header that is allowed to unwrap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError, envelope
from .vault_fields import Fields
from .vault_times import rfc3339, seconds_of
from .vault_tokens import TokenTraits

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_tokens import Token, Tokens

POLICY = "response-wrapping"
RULES = {"cubbyhole/response": ("create", "read"), "sys/wrapping/unwrap": ("update",)}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A wrapped answer."""

    content: Answer
    path: str
    created: datetime
    ttl: timedelta


@dataclass(slots=True)
class Wrapping:
    """The parcels by token."""

    tokens: Tokens
    parcels: dict[str, Parcel] = field(default_factory=dict)

    def wrap(self, answer: Answer, path: str, *, ttl: timedelta, now: datetime, namespace: str = "") -> dict[str, Any]:
        """Put an answer away and return the envelope that is sent instead; its token is of that namespace."""
        traits = TokenTraits(policies=(POLICY,), ttl=ttl, renewable=False, uses=1, with_default_policy=False)
        token = self.tokens.issue(traits, now=now, path=path, namespace=namespace)
        self.parcels[token.id] = Parcel(answer, path, now, ttl)
        told = {
            "token": token.id,
            "accessor": token.accessor,
            "ttl": int(ttl.total_seconds()),
            "creation_time": rfc3339(now),
            "creation_path": path,
        }
        inner = (answer.auth or {}).get("accessor") or (answer.data or {}).get("secret_id_accessor")
        if inner:
            told["wrapped_accessor"] = inner
        return {**envelope(Answer()), "request_id": "", "wrap_info": told}

    def lookup(self, token_id: str | None, now: datetime) -> Answer:
        """Tell where a parcel comes from."""
        parcel, _ = self._found(token_id, now)
        return Answer(
            {
                "creation_path": parcel.path,
                "creation_time": rfc3339(parcel.created),
                "creation_ttl": int(parcel.ttl.total_seconds()),
            }
        )

    def check(self, token_id: str | None, now: datetime) -> None:
        """Refuse a token that opens no parcel."""
        self._found(token_id, now)

    def unwrap(self, token_id: str | None, now: datetime) -> Answer:
        """Open a parcel for the first and last time."""
        parcel, token = self._found(token_id, now)
        del self.parcels[token.id]
        self.tokens.revoke(token)
        return parcel.content

    def _found(self, token_id: str | None, now: datetime) -> tuple[Parcel, Token]:
        if not token_id:
            raise RefusedError(403, texts.WRAPPING_TOKEN_EMPTY)
        token, parcel = self.tokens.alive(token_id, now), self.parcels.get(token_id)
        if token is None or parcel is None:
            raise RefusedError(400, texts.WRAPPING_TOKEN_INVALID)
        return parcel, token


def wrap_ttl(header: str | None) -> timedelta:
    """Read `X-Vault-Wrap-TTL`; zero for none."""
    try:
        seconds = seconds_of(header or 0)
    except ValueError as problem:
        raise RefusedError(400, f"{texts.WRAP_TTL_UNREADABLE}{problem}") from None
    if seconds < 0:
        raise RefusedError(400, f"{texts.WRAP_TTL_UNREADABLE}requested wrap ttl cannot be negative")
    return timedelta(seconds=seconds)


def wrapped_token(ask: Ask) -> str | None:
    """Return the wrapping token that is meant: the one in the body, else the one in the header."""
    return Fields(ask.fields).text("token") or ask.token_id
