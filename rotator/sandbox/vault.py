"""A Vault to run against, over HTTP, and a person's hands on it for tests and scenes.

The rules are listed in `docs/sandbox-rules-vault.md`, each with its section of the contract and the test that pins it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .vault_answers import EmptyAnswerError, RefusedError
from .vault_core import Core, Mounted, Namespace
from .vault_front import PREFIX, ask_of, clean_path, emptied, encoded, operation_of, refused, token_of
from .vault_kv_api import KvEngine
from .vault_policies import ROOT
from .vault_sys import SysEngine
from .vault_token_engine import TokenEngine
from .vault_tokens import Token, random_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .clock import SandboxClock
    from .http import Request, Response
    from .vault_kv import Key, Kv
    from .vault_texts import Flavour


@dataclass(slots=True)
class VaultSettings:
    """The knobs. They may be turned while the server runs."""

    flavour: Flavour = "openbao"
    root_token: str = "root"  # noqa: S105 (of a sandbox)
    content_type: str = "application/json"  # a proxy may add a charset


class VaultEmulator:
    """The server. `answer` is its HTTP side; the rest is what a person at the console does, without a token."""

    def __init__(self, clock: SandboxClock, settings: VaultSettings | None = None) -> None:
        """Start unsealed, with a KV v2 mount at `secret/` and a root token."""
        self.settings = settings or VaultSettings()
        self._clock = clock
        self._core = Core(self.settings.flavour)
        self._furnish(self._core.namespaces[""])
        self.add_mount("secret")
        root = Token(
            id=self.settings.root_token,
            accessor=random_text(24),
            policies=(ROOT,),
            created=clock.now(),
            path="auth/token/root",
        )
        self._core.tokens.add(root)

    def answer(self, request: Request) -> Response:
        """Apply the request and answer it."""
        content_type = self.settings.content_type
        try:
            return clean_path(request) or self._logical(request)
        except RefusedError as refusal:
            return refused(refusal, content_type=content_type)
        except EmptyAnswerError as empty:
            return emptied(empty, content_type=content_type)

    def kind_of(self, request: Request) -> tuple[str, str | None]:
        """Name the kind of call, for the journal. Vault has no rate buckets."""
        try:
            operation = operation_of(request)
            namespace, path = self._located(request)
        except RefusedError:
            return request.method, None
        mounted = namespace.mounted_at(path)
        if mounted is None:
            return f"unmounted.{operation}", None
        return mounted.engine.kind_of(operation, path.removeprefix(mounted.path)), None

    def _logical(self, request: Request) -> Response:
        namespace, path = self._located(request)
        ask = ask_of(request, path, self._clock.now())
        answer = self._core.answer(ask, namespace, token_id=token_of(request))
        return encoded(answer, ask.operation, content_type=self.settings.content_type)

    def _located(self, request: Request) -> tuple[Namespace, str]:
        """Find the namespace that header and path name together, and the path inside it."""
        named = (request.header("x-vault-namespace") or "").strip("/")
        head = "" if named == "root" else named
        if head not in self._core.namespaces:
            raise RefusedError(404, texts.NAMESPACE_UNKNOWN)
        path = request.path.removeprefix(PREFIX)
        whole = f"{head}/{path}" if head else path
        inside = [name for name in self._core.namespaces if whole.startswith(f"{name}/") and len(name) >= len(head)]
        name = max(inside, key=len, default="")
        return self._core.namespaces[name], whole.removeprefix(f"{name}/") if name else whole

    # What a person does.

    def add_mount(self, path: str, *, namespace: str = "") -> None:
        """Mount a KV v2 engine."""
        engine = KvEngine(self.settings.flavour)
        self._mount(f"{path.strip('/')}/", engine, namespace=namespace, description="key/value secret storage")

    def put(self, mount: str, path: str, fields: Mapping[str, Any], *, namespace: str = "") -> int:
        """Write a version as `kv put` does, without CAS, and return its number."""
        kv = self.kv(mount, namespace=namespace)
        kv.about_to_change(path, self._clock.now())
        kv.write(path, dict(fields), self._clock.now())
        return kv.keys[path].current

    def read(self, mount: str, path: str, *, version: int = 0, namespace: str = "") -> dict[str, Any] | None:
        """Return the fields of a version (the current one for 0), None if it cannot be read."""
        found = self.kv(mount, namespace=namespace).readable(path, self._clock.now(), number=version)
        return found.fields if found else None

    def key(self, mount: str, path: str, *, namespace: str = "") -> Key | None:
        """Return all of a key: its versions, settings and custom metadata."""
        return self.kv(mount, namespace=namespace).keys.get(path)

    def kv(self, mount: str, *, namespace: str = "") -> Kv:
        """Return the state of a KV v2 mount."""
        engine = self._core.namespaces[namespace].mounts[f"{mount.strip('/')}/"].engine
        if not isinstance(engine, KvEngine):
            raise TypeError(f"{mount} is no KV v2 mount")
        return engine.kv

    def add_policy(self, name: str, rules: Mapping[str, Sequence[str]], *, namespace: str = "") -> None:
        """Write a policy: capabilities by path pattern."""
        self._core.namespaces[namespace].policies[name] = rules

    def create_token(
        self,
        policies: Sequence[str] = (),
        *,
        ttl: timedelta = timedelta(hours=768),
        max_ttl: timedelta = timedelta(),
        explicit_max_ttl: timedelta = timedelta(),
        period: timedelta = timedelta(),
        kind: str = "service",
        renewable: bool = True,
        namespace: str = "",
    ) -> str:
        """Make a token with the policies and `default`."""
        token = Token(
            id=self._core.tokens.new_id(kind),
            accessor="" if kind == "batch" else random_text(24),
            policies=tuple(sorted({"default", *policies})),
            created=self._clock.now(),
            ttl=ttl,
            max_ttl=max_ttl,
            explicit_max_ttl=explicit_max_ttl,
            period=period,
            renewable=renewable and kind == "service",
            type=kind,
            namespace=namespace,
        )
        return self._core.tokens.add(token).id

    def revoke_token(self, token: str) -> None:
        """End a token."""
        self._core.tokens.revoke(self._core.tokens.by_id[token])

    def seal(self) -> None:
        """Seal the server."""
        self._core.is_sealed = True

    def unseal(self) -> None:
        """Unseal it."""
        self._core.is_sealed = False

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the control endpoint offers."""
        return {"seal": self.seal, "unseal": self.unseal, "put": self.put, "read": self.read, "state": self._state}

    def _state(self) -> dict[str, Any]:
        return {
            "sealed": self._core.is_sealed,
            "mounts": {
                f"{name}/{mount}".lstrip("/"): {
                    path: key.current for path, key in sorted(mounted.engine.kv.keys.items())
                }
                for name, namespace in self._core.namespaces.items()
                for mount, mounted in namespace.mounts.items()
                if isinstance(mounted.engine, KvEngine)
            },
        }

    def _furnish(self, namespace: Namespace) -> None:
        self._mount("sys/", SysEngine(self._core, namespace), namespace=namespace.path)
        self._mount("auth/token/", TokenEngine(self._core.tokens), namespace=namespace.path)

    def _mount(self, path: str, engine: Any, *, namespace: str = "", description: str = "") -> None:
        self._core.namespaces[namespace].mounts[path] = Mounted(path, engine, description)
