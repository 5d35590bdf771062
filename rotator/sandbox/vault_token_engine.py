"""Vault's `auth/token/`: a token's own affairs (contracts: Vault 3.3). They act in the token's own namespace."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError, unsupported
from .vault_fields import Fields
from .vault_tokens import auth_block, shown

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_tokens import Token, Tokens


class TokenEngine:
    """The token store's paths."""

    type = "token"
    options = None

    def __init__(self, tokens: Tokens) -> None:
        """Work on these tokens."""
        self._tokens = tokens

    def exists(self, ask: Ask) -> bool | None:  # noqa: ARG002
        """Never looked at."""
        return None

    def is_open(self, path: str) -> bool:  # noqa: ARG002
        """Nothing is."""
        return False

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return f"token.{path}"

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question."""
        token = ask.token
        assert token
        match ask.operation, ask.path:
            case (("read" | "update"), "lookup-self"):
                return Answer(shown(token, ask.now))
            case "update", "renew-self":
                return self._renew(ask, token)
            case "update", "revoke-self":
                self._tokens.revoke_self(token)
                return None
            case _, ("lookup-self" | "renew-self" | "revoke-self"):
                raise unsupported()
        raise RefusedError(404, texts.multierror(texts.UNSUPPORTED_PATH))

    def _renew(self, ask: Ask, token: Token) -> Answer:
        increment = timedelta(seconds=Fields(ask.fields).seconds("increment"))
        warnings = self._tokens.renew(token, increment, ask.now)
        return Answer(auth=auth_block(token, ask.now), warnings=warnings)
