"""From a request to an engine: namespaces, mounts, tokens, ACL, in Vault's order of checks (contracts: Vault 1.3.2).

* Order: slash at the end of a write, token, existence and ACL, route, then the engine's own checks. So a bad CAS
  without permission is 403, and a missing mount without permission too.
* A write is `create` or `update` for the ACL depending on whether the engine says that the key exists; where the
  engine does not look it is `update`.
* A token with a number of uses loses one even where it is refused.
* The `-self` paths, and those of wrapping, act in the token's own namespace, whatever the header says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from . import vault_texts as texts
from . import vault_wrapping as wrapping_policy
from .vault_answers import Answer, Ask, RefusedError
from .vault_policies import DEFAULT_POLICY, ROOT, Acl
from .vault_tokens import Token, Tokens, random_text, random_uuid
from .vault_wrapping import Wrapping, wrapped_token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .vault_settings import VaultSettings


_UNWRAP, _LOOKUP = "sys/wrapping/unwrap", "sys/wrapping/lookup"
_SELF = ("auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self")


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
    policies: dict[str, Mapping[str, Sequence[str]]] = field(
        default_factory=lambda: {"default": DEFAULT_POLICY, wrapping_policy.POLICY: wrapping_policy.RULES}
    )

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

    def __init__(self, settings: VaultSettings) -> None:
        """Start unsealed, with the root namespace alone."""
        self._settings = settings
        self.tokens = Tokens(settings.flavour)
        self.wrapping = Wrapping(self.tokens)
        self.namespaces: dict[str, Namespace] = {"": Namespace("")}
        self.is_sealed = False

    def answer(self, ask: Ask, namespace: Namespace) -> Answer | None:
        """Check a request and pass it to its engine; `ask.path` is relative to the namespace."""
        if ask.path.endswith("/") and ask.operation in ("update", "patch"):
            raise RefusedError(400, texts.TRAILING_SLASH)
        if ask.path in (_UNWRAP, _LOOKUP):
            self.wrapping.check(wrapped_token(ask), ask.now)
        mounted = namespace.mounted_at(ask.path)
        if mounted and mounted.engine.is_open(ask.path.removeprefix(mounted.path)):
            return _passed(ask, mounted, token=self.tokens.alive(ask.token_id, ask.now))
        token = self._token(ask)
        if ask.path in (*_SELF, _UNWRAP, _LOOKUP):
            namespace = self.namespaces[token.namespace]
            mounted = namespace.mounted_at(ask.path)
        asked = _with_existence(ask, mounted)
        self._check_acl(asked, namespace, token=token)
        if mounted is None:
            raise RefusedError(404, texts.no_handler(ask.path))
        return _passed(asked, mounted, token=token)

    def _token(self, ask: Ask) -> Token:
        token = self.tokens.alive(ask.token_id, ask.now)
        if token is None:
            raise self.bad_token(ask)
        if ask.path != _UNWRAP:
            self.tokens.use(token)
        return token

    def bad_token(self, ask: Ask) -> RefusedError:
        """Return the refusal of a token that is none, or is missing."""
        if ask.token_id:
            return RefusedError(403, texts.bad_token(self._settings.flavour))
        if self._settings.no_token == 400:
            return RefusedError(400, texts.MISSING_TOKEN)
        return RefusedError(403, texts.PERMISSION_DENIED)

    def acl_path(self, path: str, namespace: Namespace, *, token: Token) -> tuple[Acl, str] | None:
        """Return the ACL of a token and the path as its policies name it; None outside of its reach.

        A token's policies live in its own namespace and may name paths in the ones below it.
        """
        home = self.namespaces[token.namespace]
        if namespace is home:
            return home.acl(token), path
        if home.path and not namespace.path.startswith(f"{home.path}/"):
            return None
        below = namespace.path.removeprefix(home.path).strip("/")
        return home.acl(token), f"{below}/{path}"

    def _check_acl(self, ask: Ask, namespace: Namespace, *, token: Token) -> None:
        found = self.acl_path(ask.path, namespace, token=token)
        if found is None or not found[0].allows(ask.operation, found[1]):
            raise RefusedError(403, texts.multierror(texts.PERMISSION_DENIED))


def _passed(ask: Ask, mounted: Mounted, *, token: Token | None) -> Answer | None:
    path = ask.path.removeprefix(mounted.path) if ask.path.startswith(mounted.path) else ""
    return mounted.engine.answer(replace(ask, path=path, token=token, mount=mounted.path))


def _with_existence(ask: Ask, mounted: Mounted | None) -> Ask:
    if ask.operation != "update" or mounted is None:
        return ask
    found = mounted.engine.exists(replace(ask, path=ask.path.removeprefix(mounted.path)))
    return replace(ask, operation="create") if found is False else ask
