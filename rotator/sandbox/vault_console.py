"""What a person at Vault's console does, without a token: for tests, scenes and the control endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack

from .vault_answers import Answer
from .vault_approle import AppRole, AppRoleEngine
from .vault_core import Core, Engine, Mounted, Namespace
from .vault_jwt import JwtEngine, JwtRole, KubernetesEngine, KubernetesRole
from .vault_kv1 import Kv1Engine
from .vault_kv_api import KvEngine
from .vault_policies import ROOT
from .vault_sys import SysEngine
from .vault_token_engine import TokenEngine
from .vault_tokens import Life, Token, TokenTraits, random_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .clock import SandboxClock
    from .vault_kv import Key, Kv
    from .vault_settings import VaultSettings

    Jwks = Sequence[Mapping[str, Any]]

E = TypeVar("E", bound=Engine)


class Console:
    """A server's state under a person's hands. Paths of mounts go without slashes at their ends."""

    def __init__(self, clock: SandboxClock, settings: VaultSettings) -> None:
        """Furnish a new server."""
        self.settings = settings
        self._clock = clock
        self._core = Core(settings)
        self._furnish(self._core.namespaces[""])
        self.add_mount("secret")
        root = Token(
            id=settings.root_token,
            accessor=random_text(24),
            policies=(ROOT,),
            created=clock.now(),
            path="auth/token/root",
        )
        self._core.tokens.add(root)

    # Secrets.

    def add_mount(self, path: str, *, version: Literal[1, 2] = 2, namespace: str = "") -> None:
        """Mount a KV engine."""
        engine: Engine = KvEngine(self.settings.flavour) if version == 2 else Kv1Engine()
        self._mount(path, engine, namespace=namespace, description="key/value secret storage")

    def put(self, mount: str, path: str, fields: Mapping[str, Any], *, namespace: str = "") -> int:
        """Write a version as `kv put` does, without CAS, and return its number."""
        kv = self._about_to_change(mount, path, namespace)
        kv.write(path, dict(fields), self._clock.now())
        return kv.keys[path].current

    def read(self, mount: str, path: str, *, version: int = 0, namespace: str = "") -> dict[str, Any] | None:
        """Return the fields of a version (the current one for 0), None if it cannot be read."""
        found = self.kv(mount, namespace=namespace).readable(path, self._clock.now(), number=version)
        return found.fields if found else None

    def delete(self, mount: str, path: str, *versions: int, namespace: str = "") -> None:
        """Soft-delete versions, the current one if none is named."""
        key = self._about_to_change(mount, path, namespace).keys[path]
        for number in versions or (key.current,):
            key.delete(number, self._clock.now())

    def undelete(self, mount: str, path: str, *versions: int, namespace: str = "") -> None:
        """Undo soft deletes."""
        kv = self._about_to_change(mount, path, namespace)
        for number in versions:
            kv.keys[path].undelete(number, kv.config, self._clock.now())

    def destroy(self, mount: str, path: str, *versions: int, namespace: str = "") -> None:
        """Destroy versions for good."""
        key = self._about_to_change(mount, path, namespace).keys[path]
        for number in versions:
            key.destroy(number)

    def delete_metadata(self, mount: str, path: str, *, namespace: str = "") -> None:
        """Remove a key with all its versions; its counter starts anew."""
        del self._about_to_change(mount, path, namespace).keys[path]

    def key(self, mount: str, path: str, *, namespace: str = "") -> Key | None:
        """Return all of a key: its versions, settings and custom metadata. May be changed in place."""
        return self.kv(mount, namespace=namespace).keys.get(path)

    def kv(self, mount: str, *, namespace: str = "") -> Kv:
        """Return the state of a KV v2 mount. May be changed in place."""
        return self._engine(mount, KvEngine, namespace).kv

    # Who may do what.

    def add_policy(self, name: str, rules: Mapping[str, Sequence[str]], *, namespace: str = "") -> None:
        """Write a policy: capabilities by path pattern."""
        self._core.namespaces[namespace].policies[name] = rules

    def add_namespace(self, path: str) -> None:
        """Make a namespace, empty but for its own `sys/` and tokens."""
        namespace = self._core.namespaces[path.strip("/")] = Namespace(path.strip("/"))
        self._furnish(namespace)

    def create_token(self, policies: Sequence[str] = (), *, namespace: str = "", **life: Unpack[Life]) -> str:
        """Make a token with the policies and `default`."""
        traits = TokenTraits(policies=policies, **life)
        return self._core.tokens.issue(traits, now=self._clock.now(), namespace=namespace).id

    def revoke_token(self, token: str) -> None:
        """End a token."""
        self._core.tokens.revoke(self._core.tokens.by_id[token])

    def token(self, token: str) -> Token | None:
        """Return what is known of a token that is still alive."""
        return self._core.tokens.alive(token, self._clock.now())

    # How one logs in.

    def add_approle(
        self,
        name: str,
        traits: TokenTraits,
        *,
        secret_id_uses: int = 0,
        secret_id_ttl: timedelta = timedelta(),
        mount: str = "approle",
        namespace: str = "",
    ) -> AppRole:
        """Add an AppRole's role (and the mount, if it is the first) and return it, with its `role_id`."""
        engine = self._login_mount(mount, lambda: AppRoleEngine(self._core.tokens, namespace), namespace)
        role = AppRole(name, traits, secret_id_uses=secret_id_uses, secret_id_ttl=secret_id_ttl)
        engine.roles[name] = role
        return role

    def new_secret_id(self, role: AppRole, *, uses: int | None = None, ttl: timedelta | None = None) -> str:
        """Make a secret id for a role."""
        return str(role.new_secret_id(self._clock.now(), uses=uses, ttl=ttl)["secret_id"])

    def wrap_secret_id(self, role: AppRole, *, ttl: timedelta = timedelta(minutes=5), mount: str = "approle") -> str:
        """Make a secret id for a role, wrap it, and return the wrapping token."""
        now = self._clock.now()
        path = f"auth/{mount}/role/{role.name}/secret-id"
        wrapped = self._core.wrapping.wrap(Answer(role.new_secret_id(now)), path, ttl=ttl, now=now)
        return str(wrapped["wrap_info"]["token"])

    def enable_jwt(self, keys: Jwks, *, issuer: str = "", mount: str = "jwt", namespace: str = "") -> None:
        """Mount a JWT login that trusts these public keys (JWKs)."""
        self._mount(f"auth/{mount}", JwtEngine(self._core.tokens, namespace, keys, issuer=issuer), namespace=namespace)

    def add_jwt_role(self, name: str, role: JwtRole, *, mount: str = "jwt", namespace: str = "") -> None:
        """Add a role to a JWT mount."""
        self._engine(f"auth/{mount}", JwtEngine, namespace).roles[name] = role

    def enable_kubernetes(self, keys: Jwks, *, mount: str = "kubernetes", namespace: str = "") -> None:
        """Mount a Kubernetes login for a cluster with these public keys (JWKs); without any it is not configured."""
        self._mount(f"auth/{mount}", KubernetesEngine(self._core.tokens, namespace, keys), namespace=namespace)

    def add_kubernetes_role(
        self, name: str, role: KubernetesRole, *, mount: str = "kubernetes", namespace: str = ""
    ) -> None:
        """Add a role to a Kubernetes mount."""
        self._engine(f"auth/{mount}", KubernetesEngine, namespace).roles[name] = role

    def delete_service_account(self, name: str, *, mount: str = "kubernetes", namespace: str = "") -> None:
        """Let the cluster forget a service account ("namespace/name"); its tokens are refused from now on."""
        self._engine(f"auth/{mount}", KubernetesEngine, namespace).gone.add(name)

    # The server itself.

    def seal(self) -> None:
        """Seal the server."""
        self._core.is_sealed = True

    def unseal(self) -> None:
        """Unseal it."""
        self._core.is_sealed = False

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Return what the control endpoint offers."""
        return {
            "delete": self.delete,
            "put": self.put,
            "read": self.read,
            "seal": self.seal,
            "set": self.change,
            "state": self.state,
            "unseal": self.unseal,
        }

    def change(self, **settings: str | float | bool) -> dict[str, Any]:
        """Set settings by name; a duration in seconds."""
        for name, value in settings.items():
            if name in ("flavour", "root_token") or not hasattr(self.settings, name):
                raise ValueError(f"there is no setting {name!r} that can be set while the server runs")
            is_duration = isinstance(getattr(self.settings, name), timedelta)
            setattr(self.settings, name, timedelta(seconds=float(value)) if is_duration else value)
        return settings

    def state(self) -> dict[str, Any]:
        """Return a summary without secrets: the current version of each key."""
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

    def _about_to_change(self, mount: str, path: str, namespace: str) -> Kv:
        kv = self.kv(mount, namespace=namespace)
        if self.settings.read_lag:
            kv.about_to_change(path, self._clock.now())
        return kv

    def _engine(self, mount: str, kind: type[E], namespace: str) -> E:
        engine = self._core.namespaces[namespace].mounts[f"{mount.strip('/')}/"].engine
        if not isinstance(engine, kind):
            raise TypeError(f"{mount} is mounted as {engine.type}, not as what is asked for")
        return engine

    def _login_mount(self, mount: str, make: Callable[[], AppRoleEngine], namespace: str) -> AppRoleEngine:
        if f"auth/{mount}/" not in self._core.namespaces[namespace].mounts:
            self._mount(f"auth/{mount}", make(), namespace=namespace)
        return self._engine(f"auth/{mount}", AppRoleEngine, namespace)

    def _furnish(self, namespace: Namespace) -> None:
        self._mount("sys", SysEngine(self._core, namespace), namespace=namespace.path)
        self._mount("auth/token", TokenEngine(self._core.tokens), namespace=namespace.path)

    def _mount(self, path: str, engine: Engine, *, namespace: str, description: str = "") -> None:
        place = f"{path.strip('/')}/"
        self._core.namespaces[namespace].mounts[place] = Mounted(place, engine, description)
