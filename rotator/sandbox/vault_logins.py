"""What all logins share: roles, the token that a login gives, and the lockout after bad guesses (contracts: Vault 3.1).

* Logins need no token; one that is sent along is not looked at.
* After five wrong secrets in a row an AppRole's role is locked for fifteen minutes, for the right one too: 403.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError
from .vault_tokens import auth_block, random_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .vault_tokens import Tokens, TokenTraits


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who logged in, as the token will tell."""

    mount: str
    display_name: str
    meta: Mapping[str, str]
    entity_id: str


@dataclass(slots=True)
class Entities:
    """Ids of those who logged in, the same one each time."""

    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, mount: str, alias: str) -> str:
        """Return the id, a new one the first time."""
        return self._ids.setdefault((mount, alias), random_uuid())


def logged_in(tokens: Tokens, traits: TokenTraits, identity: Identity, *, namespace: str, now: datetime) -> Answer:
    """Answer a login with a token."""
    token = tokens.issue(
        traits,
        now=now,
        namespace=namespace,
        display_name=identity.display_name,
        path=f"{identity.mount}login",
        meta=dict(sorted(identity.meta.items())),
        entity_id=identity.entity_id,
    )
    return Answer(auth=auth_block(token, now))


@dataclass(slots=True)
class Lockout:
    """Wrong guesses by alias. The counter starts anew when the last one is older than `lasts`."""

    threshold: int = 5
    lasts: timedelta = timedelta(minutes=15)
    _wrong: dict[str, tuple[int, datetime]] = field(default_factory=dict)

    def check(self, alias: str, now: datetime) -> None:
        """Refuse an alias that is locked."""
        count, last = self._wrong.get(alias, (0, now))
        if count >= self.threshold and now - last < self.lasts:
            raise RefusedError(403, texts.PERMISSION_DENIED)

    def wrong(self, alias: str, now: datetime) -> None:
        """Count a wrong guess."""
        count, last = self._wrong.get(alias, (0, now))
        self._wrong[alias] = (1 if now - last > self.lasts else count + 1, now)

    def right(self, alias: str) -> None:
        """Forget the wrong guesses."""
        self._wrong.pop(alias, None)
