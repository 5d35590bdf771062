"""Tokens and their lives (contracts: Vault 3.3).

* A lease without a period dies at its max TTL, counted from creation: the smallest of the role's, the mount's and
  the explicit one. Renewal only moves the end up to there, with a warning when it falls short.
* A periodic token renews by its period for ever, unless it has an explicit max TTL.
* A batch token has no accessor and is never renewed. Root never expires and is not renewable.
* Lives are counted in whole seconds, as Vault does.
"""

from __future__ import annotations

import secrets
import string
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from . import vault_texts as texts
from .vault_answers import RefusedError
from .vault_times import go_duration, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ALPHABET = string.ascii_letters + string.digits
SYSTEM_MAX_TTL = timedelta(hours=768)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTraits:
    """What a role, or a person, gives a token. No ttl means the system's maximum."""

    policies: Sequence[str] = ()
    ttl: timedelta = timedelta()
    max_ttl: timedelta = timedelta()
    explicit_max_ttl: timedelta = timedelta()
    period: timedelta = timedelta()
    kind: Literal["service", "batch"] = "service"
    renewable: bool = True
    uses: int = 0
    with_default_policy: bool = True


class Life(TypedDict, total=False):
    """The traits without the policies, as keywords."""

    ttl: timedelta
    max_ttl: timedelta
    explicit_max_ttl: timedelta
    period: timedelta
    kind: Literal["service", "batch"]
    renewable: bool
    uses: int
    with_default_policy: bool


@dataclass(slots=True, kw_only=True)
class Token:
    """One token."""

    id: str
    accessor: str
    policies: tuple[str, ...]
    created: datetime
    ttl: timedelta = timedelta()  # zero: never expires
    expires: datetime | None = None
    max_ttl: timedelta = timedelta()
    explicit_max_ttl: timedelta = timedelta()
    period: timedelta = timedelta()
    renewable: bool = True
    type: str = "service"
    orphan: bool = True
    namespace: str = ""
    display_name: str = "token"
    path: str = "auth/token/create"
    meta: Mapping[str, str] | None = None
    entity_id: str = ""
    num_uses: int = 0  # zero: unlimited
    renewed: datetime | None = None
    role_ttl: timedelta = timedelta()  # what a renewal without an increment gives; zero: what was given last
    granted: timedelta = timedelta()

    def dead_by(self, now: datetime) -> bool:
        """Tell whether its time is over."""
        return self.expires is not None and self.expires <= now

    def left_at(self, now: datetime) -> int:
        """Return the whole seconds left; 0 if it never expires."""
        return 0 if self.expires is None else int((self.expires - now).total_seconds())


@dataclass(slots=True)
class Tokens:
    """All tokens of a server."""

    flavour: texts.Flavour
    max_ttl: timedelta = SYSTEM_MAX_TTL
    by_id: dict[str, Token] = field(default_factory=dict)

    def add(self, token: Token) -> Token:
        """Take a token that was made; its first lease is capped like a renewal."""
        if token.ttl or token.period:
            length, _ = self._granted(token, token.ttl, token.created)
            token.ttl = token.granted = length
            token.expires = token.created + length
        else:
            token.renewable = False
        self.by_id[token.id] = token
        return token

    def issue(
        self,
        traits: TokenTraits,
        *,
        now: datetime,
        namespace: str = "",
        display_name: str = "token",
        path: str = "auth/token/create",
        meta: Mapping[str, str] | None = None,
        entity_id: str = "",
    ) -> Token:
        """Make a token as a role or a person wants it."""
        default = {"default"} if traits.with_default_policy else set()
        is_batch = traits.kind == "batch"
        is_login = path != "auth/token/create"
        token = Token(
            id=self.new_id(traits.kind),
            accessor="" if is_batch else random_text(24),
            policies=tuple(sorted({*default, *traits.policies})),
            created=_second(now) if is_batch else now,
            ttl=traits.ttl or (timedelta() if traits.period else self.max_ttl),
            max_ttl=traits.max_ttl,
            explicit_max_ttl=traits.explicit_max_ttl,
            period=traits.period,
            renewable=traits.renewable and not is_batch,
            type=traits.kind,
            orphan=is_login,
            namespace=namespace,
            display_name=display_name,
            path=path,
            meta=meta,
            entity_id=entity_id,
            num_uses=traits.uses,
            role_ttl=(traits.ttl or self.max_ttl) if is_login else timedelta(),
        )
        return self.add(token)

    def use(self, token: Token) -> None:
        """Count a use of a token that has only so many; the last one ends it."""
        if token.num_uses == 1:
            self.revoke(token)
        elif token.num_uses:
            token.num_uses -= 1

    def new_id(self, kind: str = "service") -> str:
        """Make up an id, with the flavour's prefix."""
        prefixes = (
            {"service": "s.", "batch": "b."} if self.flavour == "openbao" else {"service": "hvs.", "batch": "hvb."}
        )
        return prefixes[kind] + random_text(90 if kind == "batch" else 24)

    def alive(self, token_id: str | None, now: datetime) -> Token | None:
        """Return the token if it can still be used."""
        token = self.by_id.get(token_id or "")
        return None if token is None or token.dead_by(now) else token

    def revoke(self, token: Token) -> None:
        """End a token."""
        self.by_id.pop(token.id, None)

    def revoke_self(self, token: Token) -> None:
        """End a token at its own wish, which a batch token may not have."""
        if token.type == "batch":
            raise RefusedError(400, texts.BATCH_NOT_REVOKED)
        self.revoke(token)

    def renew(self, token: Token, increment: timedelta, now: datetime) -> tuple[str, ...]:
        """Extend a token's life and return the warnings."""
        if token.type == "batch":
            raise RefusedError(400, texts.BATCH_NOT_RENEWABLE)
        if not token.renewable:
            raise RefusedError(400, texts.LEASE_NOT_RENEWABLE)
        length, warnings = self._granted(token, increment or token.role_ttl or token.granted, now)
        token.granted, token.renewed = length, now
        token.expires = now + length
        return warnings

    def _granted(self, token: Token, wanted: timedelta, now: datetime) -> tuple[timedelta, tuple[str, ...]]:
        limits = [limit for limit in (self.max_ttl, token.max_ttl, token.explicit_max_ttl) if limit]
        latest = _second(token.created) + min(limits)
        if token.period:
            wanted = min(token.period, *limits)
            if not token.explicit_max_ttl:
                return wanted, ()
            latest = _second(token.created) + token.explicit_max_ttl
        left = latest - _second(now)
        if left <= timedelta():
            raise RefusedError(500, texts.multierror(texts.PAST_MAX_TTL))
        if wanted <= left:
            return wanted, ()
        return left, (texts.ttl_capped(human_duration(wanted), human_duration(left)),)


def shown(token: Token, now: datetime) -> dict[str, Any]:
    """Return what lookup-self tells about a token."""
    told: dict[str, Any] = {
        "accessor": token.accessor,
        "creation_time": int(token.created.timestamp()),
        "creation_ttl": int(token.ttl.total_seconds()),
        "display_name": token.display_name,
        "entity_id": token.entity_id,
        "expire_time": rfc3339(token.expires) or None,
        "explicit_max_ttl": int(token.explicit_max_ttl.total_seconds()),
        "id": token.id,
        "issue_time": rfc3339(token.created),
        "meta": token.meta,
        "num_uses": token.num_uses,
        "orphan": token.orphan,
        "path": token.path,
        "policies": list(token.policies),
        "renewable": token.renewable,
        "ttl": token.left_at(now),
        "type": token.type,
    }
    if token.period:
        told["period"] = int(token.period.total_seconds())
    if token.namespace:
        told["namespace_path"] = f"{token.namespace}/"
    if token.renewed:
        told["last_renewal"] = rfc3339(token.renewed)
        told["last_renewal_time"] = int(token.renewed.timestamp())
    return told


def auth_block(token: Token, now: datetime) -> dict[str, Any]:
    """Return the `auth` of a login, a creation or a renewal."""
    return {
        "client_token": token.id,
        "accessor": token.accessor,
        "policies": list(token.policies),
        "token_policies": list(token.policies),
        "metadata": token.meta,
        "lease_duration": token.left_at(now),
        "renewable": token.renewable,
        "entity_id": token.entity_id,
        "token_type": token.type,
        "orphan": token.orphan,
        "mfa_requirement": None,
        "num_uses": token.num_uses,
    }


def random_text(length: int) -> str:
    """Make up letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def random_uuid() -> str:
    """Make up a UUID."""
    return str(uuid.uuid4())


def human_duration(length: timedelta) -> str:
    """Write a duration without its zero parts, as in Vault's TTL warnings: 30m, 1h, 1h0m5s."""
    text = go_duration(length)
    if text.endswith("m0s"):
        text = text[:-2]
    return text.replace("h0m", "h") if text.endswith("h0m") else text


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)
