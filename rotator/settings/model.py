"""The settings as plain frozen values: what the rest of the program sees of the configuration.

* Everything in here was checked; whoever takes it need not look again.
* A secret is a `SecretSource`: where it lies, not what it is. Read it anew at each login: files are replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.model import KvPath
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from rotator.core.budget import Shares
    from rotator.core.model import Policy, Target
    from rotator.settings.secret_source import SecretSource


@dataclass(frozen=True, slots=True)
class SswsAuth:
    """An API token of an Okta administrator."""

    token: SecretSource


@dataclass(frozen=True, slots=True)
class PrivateKeyJwtAuth:
    """An Okta service app that signs its own assertions. `key` is a PEM or a JWK."""

    client_id: str
    key: SecretSource
    kid: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Org:
    """One Okta org and how to reach it. `url` has no path and no trailing slash."""

    alias: str
    url: str
    auth: SswsAuth | PrivateKeyJwtAuth
    ca_file: Path | None
    proxy: str | None
    answer_within: timedelta
    propagation: timedelta  # how long a change may take to be seen everywhere
    rate_share: Shares

    @property
    def host(self) -> str:
        """The host alone: it names the org in staging paths, and so must not change with a port or an alias."""
        return (urlsplit(self.url).hostname or "").replace(":", "-")


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A Vault token that somebody else renews."""

    token: SecretSource


@dataclass(frozen=True, slots=True)
class AppRoleAuth:
    """AppRole. With `wrapped`, the secret id's source holds a wrapping token, good for one login."""

    role_id: SecretSource
    secret_id: SecretSource
    wrapped: bool
    mount: str


@dataclass(frozen=True, slots=True)
class KubernetesAuth:
    """The pod's service account. The token file is replaced by the kubelet: read it at each login."""

    role: str
    jwt: SecretSource
    mount: str


@dataclass(frozen=True, slots=True)
class JwtAuth:
    """A JSON Web Token of some issuer that Vault trusts."""

    role: str
    jwt: SecretSource
    mount: str


@dataclass(frozen=True, slots=True)
class Vault:
    """One Vault and how to reach it. `address` has no path and no trailing slash."""

    alias: str
    address: str
    namespace: str | None
    auth: TokenAuth | AppRoleAuth | KubernetesAuth | JwtAuth
    ca_file: Path | None
    proxy: str | None
    answer_within: timedelta
    staging: KvPath  # `mount` and the prefix under it


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: an address of this machine (`0.0.0.0` is all of them), and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Control:
    """Where operators' commands reach the daemon, and whose members may use it; None where nobody chose."""

    socket: Path | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One resolved value as text fit to be shown, and where it comes from."""

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    orgs: Mapping[str, Org]
    vaults: Mapping[str, Vault]
    policies: Mapping[str, Policy]
    targets: tuple[Target, ...]
    health: Listen | None = None  # where the daemon tells how it is
    control: Control = Control()
    warnings: tuple[str, ...] = ()
    shown: tuple[Setting, ...] = field(default=(), repr=False)


def staging_path(org: Org, vault: Vault, app_id: str) -> KvPath:
    """Return where the staging record of an app lies."""
    return KvPath(vault.staging.mount, f"{vault.staging.path}/{org.host}/{app_id}")


def find_targets(settings: Settings, names: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets of these names or app ids, each once, in the order asked; `ConfigError` names the unknown."""
    return find_among(settings.targets, names)


def find_among(targets: Sequence[Target], names: Sequence[str]) -> tuple[Target, ...]:
    """Return those of the targets, as `find_targets` does."""
    known = {str(target.app_id): target for target in targets} | {target.name: target for target in targets}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise ConfigError([_unknown_target(name, [target.name for target in targets]) for name in unknown])
    return tuple({known[name].name: known[name] for name in names}.values())


def _unknown_target(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"there is no target {name!r}: the configuration has none; add it under `targets`"
    return f"there is no target {name!r}; {nearest(name, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to do about an unknown name: the one that was probably meant, else those there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    if not names:
        return "there is none yet"
    listed = ", ".join(f"`{each}`" for each in names[:8])
    return f"choose one of {listed}" + (" …" if len(names) > 8 else "")
