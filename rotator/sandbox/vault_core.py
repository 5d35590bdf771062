"""From a request to an engine: namespaces, mounts, tokens, ACL, in Vault's order of checks (contracts: Vault 1.3.2).

* Order: sealed, slash at the end of a write, token, existence and ACL, route, then the engine's own checks. So a
  bad CAS without permission is 403, and a missing mount without permission too.
* A write is `create` or `update` for the ACL depending on whether the engine says that the key exists; where the
  engine does not look it is `update`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from . import vault_texts as texts
from .vault_answers import Answer, Ask, RefusedError
from .vault_policies import DEFAULT_POLICY, ROOT, Acl
from .vault_tokens import Token, Tokens, random_text, random_uuid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .vault_texts import Flavour


class Engine(Protocol):
    """Protocol: what is mounted somewhere."""

    @property
    def type(self) -> str:
        """The type's name, "kv" for one."""
        ...

    @property
    def options(self) -> Mapping[str, str] | None:
        """The mount's options."""
        ...

    def exists(self, ask: Ask) -> bool | None:
        """Say whether a write would update; None where that is not looked at."""
        ...

    def is_open(self, path: str) -> bool:
        """Tell whether the path needs no token."""
        ...

    def answer(self, ask: Ask) -> Answer | None:
        """Answer a question."""
        ...

    def kind_of(self, operation: str, path: str) -> str:
        """Name the kind of call, for the journal."""
        ...


@dataclass(slots=True)
class Mounted:
    """An engine in its place."""

    path: str
    engine: Engine
    description: str = ""
    accessor: str = field(default_factory=lambda: random_text(8).lower())
    uuid: str = field(default_factory=random_uuid)


@dataclass(slots=True)
class Namespace:
    """A namespace: its mounts by path (with a slash at the end) and its policies by name."""

    path: str
    mounts: dict[str, Mounted] = field(default_factory=dict)
    policies: dict[str, Mapping[str, Sequence[str]]] = field(default_factory=lambda: {"default": DEFAULT_POLICY})

    def mounted_at(self, path: str) -> Mounted | None:
        """Return what is mounted there: the longest mount that the path lies under."""
        under = f"{path}/"
        fitting = [mount for mount in self.mounts if path.startswith(mount) or under == mount]
        return self.mounts[max(fitting, key=len)] if fitting else None

    def acl(self, token: Token) -> Acl:
        """Return what the token may do."""
        policies = [self.policies[name] for name in token.policies if name in self.policies]
        return Acl.of(policies, is_root=ROOT in token.policies)


class Core:
    """The server behind the HTTP front."""

    def __init__(self, flavour: Flavour) -> None:
        """Start unsealed, with the root namespace alone."""
        self.flavour = flavour
        self.tokens = Tokens(flavour)
        self.namespaces: dict[str, Namespace] = {"": Namespace("")}
        self.is_sealed = False

    def answer(self, ask: Ask, namespace: Namespace, *, token_id: str | None) -> Answer | None:
        """Check a request and pass it to its engine; `ask.path` is relative to the namespace."""
        if self.is_sealed:
            raise RefusedError(503, texts.SEALED)
        if ask.path.endswith("/") and ask.operation in ("update", "patch"):
            raise RefusedError(400, texts.TRAILING_SLASH)
        mounted = namespace.mounted_at(ask.path)
        if mounted and mounted.engine.is_open(ask.path.removeprefix(mounted.path)):
            return self._passed(ask, mounted, token=self.tokens.alive(token_id, ask.now))
        token = self._token(token_id, ask)
        asked = self._existing(ask, mounted)
        self._check_acl(asked, namespace, token=token)
        if mounted is None:
            raise RefusedError(404, texts.no_handler(ask.path))
        return self._passed(asked, mounted, token=token)

    def _passed(self, ask: Ask, mounted: Mounted, *, token: Token | None) -> Answer | None:
        path = ask.path.removeprefix(mounted.path) if ask.path.startswith(mounted.path) else ""
        return mounted.engine.answer(replace(ask, path=path, token=token, mount=mounted.path))

    def _token(self, token_id: str | None, ask: Ask) -> Token:
        token = self.tokens.alive(token_id, ask.now)
        if token is None or token.allowed_path:
            raise RefusedError(403, texts.bad_token(self.flavour))
        return token

    def _existing(self, ask: Ask, mounted: Mounted | None) -> Ask:
        if ask.operation != "update" or mounted is None:
            return ask
        found = mounted.engine.exists(replace(ask, path=ask.path.removeprefix(mounted.path)))
        return replace(ask, operation="create") if found is False else ask

    def _check_acl(self, ask: Ask, namespace: Namespace, *, token: Token) -> None:
        # A token's policies live in its own namespace and may name paths in the ones below it.
        home = self.namespaces[token.namespace]
        below = namespace.path.removeprefix(home.path).strip("/")
        is_inside = namespace.path == home.path or not home.path or namespace.path.startswith(f"{home.path}/")
        path = f"{below}/{ask.path}" if below else ask.path
        if not is_inside or not home.acl(token).allows(ask.operation, path):
            raise RefusedError(403, texts.multierror(texts.PERMISSION_DENIED))
