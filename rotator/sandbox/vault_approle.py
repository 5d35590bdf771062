"""AppRole: a role id that is no secret, and secret ids that may be few, short-lived and wrapped (contracts: Vault 3.1).

* A secret id with one use left is gone after the login, whatever becomes of the token.
* A wrong secret id of a real role counts towards the lockout; an unknown role id does not.
* Without a role id the server cannot say who it would lock out, and answers 500 (seen on a real server).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from . import vault_texts as texts
from .vault_answers import Answer, RefusedError, unsupported
from .vault_fields import Fields
from .vault_logins import Entities, Identity, Lockout, logged_in
from .vault_tokens import random_uuid

if TYPE_CHECKING:
    from .vault_answers import Ask
    from .vault_tokens import Tokens, TokenTraits


@dataclass(slots=True)
class SecretId:
    """One secret id. No uses left at the start means unlimited."""

    accessor: str
    uses: int
    expires: datetime | None


@dataclass(slots=True)
class AppRole:
    """One role."""

    name: str
    traits: TokenTraits
    role_id: str = field(default_factory=random_uuid)
    secret_id_uses: int = 0
    secret_id_ttl: timedelta = timedelta()
    secret_ids: dict[str, SecretId] = field(default_factory=dict)

    def new_secret_id(
        self, now: datetime, *, uses: int | None = None, ttl: timedelta | None = None
    ) -> dict[str, object]:
        """Make a secret id and return what Vault tells about it."""
        uses = self.secret_id_uses if uses is None else uses
        ttl = self.secret_id_ttl if ttl is None else ttl
        secret_id, accessor = random_uuid(), random_uuid()
        self.secret_ids[secret_id] = SecretId(accessor, uses, now + ttl if ttl else None)
        return {
            "secret_id": secret_id,
            "secret_id_accessor": accessor,
            "secret_id_num_uses": uses,
            "secret_id_ttl": int(ttl.total_seconds()),
        }

    def takes(self, secret_id: str, now: datetime) -> bool:
        """Use up a secret id; tell whether it was good."""
        known = self.secret_ids.get(secret_id)
        if known is None or (known.expires is not None and known.expires <= now):
            return False
        if known.uses == 1:
            del self.secret_ids[secret_id]
        elif known.uses:
            known.uses -= 1
        return True


class AppRoleEngine:
    """One AppRole mount."""

    type = "approle"
    options = None

    def __init__(self, tokens: Tokens, namespace: str) -> None:
        """Give out tokens from here."""
        self._tokens = tokens
        self._namespace = namespace
        self._entities = Entities()
        self.roles: dict[str, AppRole] = {}
        self.lockout = Lockout()

    def exists(self, ask: Ask) -> bool | None:  # noqa: ARG002
        """Never looked at."""
        return None

    def is_open(self, path: str) -> bool:
        """Logins are."""
        return path == "login"

    def kind_of(self, operation: str, path: str) -> str:  # noqa: ARG002
        """Name the kind of call."""
        return "login.approle" if path == "login" else "approle.role"

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question."""
        match ask.path.split("/"):
            case ["login"]:
                return self._login(ask)
            case ["role", name, "role-id"] if ask.operation == "read" and name in self.roles:
                return Answer({"role_id": self.roles[name].role_id})
            case ["role", name, "secret-id"] if ask.operation == "update":
                return self._new_secret_id(ask, name)
        raise RefusedError(404, texts.multierror(texts.UNSUPPORTED_PATH))

    def _new_secret_id(self, ask: Ask, name: str) -> Answer:
        if name not in self.roles:
            raise RefusedError(400, f'role "{name}" does not exist')
        fields = Fields(ask.fields)
        uses = fields.number("num_uses") if "num_uses" in fields else None
        ttl = timedelta(seconds=fields.seconds("ttl")) if "ttl" in fields else None
        return Answer(self.roles[name].new_secret_id(ask.now, uses=uses, ttl=ttl))

    def _login(self, ask: Ask) -> Answer:
        fields = Fields(ask.fields)
        role_id = fields.text("role_id").strip()
        if not role_id:
            raise RefusedError(500, texts.MISSING_ROLE_ID)
        self.lockout.check(role_id, ask.now)
        if ask.operation != "update":
            raise unsupported()
        role = next((role for role in self.roles.values() if role.role_id == role_id), None)
        if role is None:
            raise RefusedError(400, texts.INVALID_APPROLE)
        secret_id = fields.text("secret_id").strip()
        if not secret_id:
            raise RefusedError(400, texts.MISSING_SECRET_ID)
        if not role.takes(secret_id, ask.now):
            self.lockout.wrong(role_id, ask.now)
            raise RefusedError(400, texts.INVALID_APPROLE)
        self.lockout.right(role_id)
        identity = Identity(
            mount=ask.mount,
            display_name="approle",
            meta={"role_name": role.name},
            entity_id=self._entities.of(ask.mount, role_id),
        )
        return logged_in(self._tokens, role.traits, identity, namespace=self._namespace, now=ask.now)
