"""The settings as plain frozen values: what the rest of the program sees of the configuration.

* Everything in here was checked; whoever takes it need not look again.
* A secret is a `SecretSource`: where it lies, not what it is. Read it anew at each login: files are replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.admission import Limits
from rotator.core.model import KvPath
from rotator.core.notices import Rules
from rotator.core.sharing import Sites, VaultSite
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from rotator.core.budget import Shares
    from rotator.core.certified import Certified
    from rotator.core.deadlines import Deadlines
    from rotator.core.model import Policy, Target
    from rotator.core.notices import Route
    from rotator.core.secret_value import SecretValue
    from rotator.core.selection import Selection
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
    certified_file: Path  # where the report of `rotator certify` is kept
    certified: Certified | None = None  # what it says

    @property
    def host(self) -> str:
        """The host alone: it names the org in staging paths, and so must not change with a port or an alias."""
        return host_of(self.url)


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A Vault token that somebody else renews."""

    token: SecretSource


@dataclass(frozen=True, slots=True)
class AppRoleAuth:
    """AppRole. With `wrapped`, the secret id's source holds a wrapping token, good for one start."""

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
class CommandHook:
    """A command that is run after a promotion, with what it gets of our environment. The program was there."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, SecretValue], ...]
    folder: Path
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class WebHook:
    """A webhook that is sent after a promotion, signed with `secret`."""

    url: SecretSource
    secret: SecretSource
    ca_file: Path | None
    proxy: str | None = field(repr=False)
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class State:
    """The state database: a `sqlite` or a `postgresql` URL without a password, and where that lies."""

    url: str
    password: SecretSource | None = None
    named: bool = True  # by the configuration

    @property
    def there(self) -> bool:
        """Whether somebody means it to be used: it is named, or a daemon has made it."""
        return self.named or self.made

    @property
    def made(self) -> bool:
        """Whether it is there to be looked at without making it."""
        return self.shared or Path(self.url.removeprefix("sqlite:///")).exists()

    @property
    def shared(self) -> bool:
        """Whether several machines may use it."""
        return not self.url.startswith("sqlite:")


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
class Channel:
    """A way to people or programs, and what goes there. `kind`: apprise or webhook; only the latter has a secret."""

    name: str
    kind: str
    url: SecretSource
    secret: SecretSource | None
    route: Route
    at_most: int  # messages in an hour
    answer_within: timedelta
    ca_file: Path | None
    proxy: str | None


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell, and what is soon or late."""

    channels: tuple[Channel, ...]
    repeat_after: timedelta
    deadlines: Deadlines

    @property
    def rules(self) -> Rules:
        """What decides whom to tell how often."""
        return Rules(tuple(channel.route for channel in self.channels), self.repeat_after)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Who is pinged while all is well, at most so often."""

    url: SecretSource
    every: timedelta
    ca_file: Path | None
    proxy: str | None
    answer_within: timedelta


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
    state: State
    limits: Limits = field(default_factory=Limits)
    several: bool = False  # a queue hands passes out to whichever process is free
    health: Listen | None = None  # where the daemon tells how it is
    control: Control = Control()
    notify: Notify | None = None
    heartbeat: Heartbeat | None = None
    warnings: tuple[str, ...] = ()
    shown: tuple[Setting, ...] = field(default=(), repr=False)
    selections: tuple[Selection, ...] = ()
    hooks: Mapping[str, CommandHook | WebHook] = field(default_factory=dict)

    @property
    def sites(self) -> Sites:
        """What the aliases lead to."""
        return sites_of(self.orgs, self.vaults)


def host_of(url: str) -> str:
    """Return the host of an org's address as it stands in names."""
    return (urlsplit(url).hostname or "").replace(":", "-")


def nothing() -> Settings:
    """Return the configuration of whoever has none."""
    return Settings(orgs={}, vaults={}, policies={}, targets=(), state=State("sqlite:////nowhere", named=False))


def sites_of(orgs: Mapping[str, Org], vaults: Mapping[str, Vault]) -> Sites:
    """Return what tells whether two targets share something."""
    return Sites(
        {alias: org.host for alias, org in orgs.items()},
        {alias: VaultSite(each.address, each.namespace, each.staging) for alias, each in vaults.items()},
    )


def staging_path(org: Org, vault: Vault, app_id: str) -> KvPath:
    """Return where the staging record of an app lies."""
    return KvPath(vault.staging.mount, f"{vault.staging.path}/{org.host}/{app_id}")


def find_targets(
    settings: Settings, names: Sequence[str], *, among: Sequence[Target] | None = None
) -> tuple[Target, ...]:
    """Return the targets of these names or app ids, each once, in the order asked; `ConfigError` names the unknown.

    `among` are all targets, members of selections included; a selection's name stands for all its members.
    """
    targets = settings.targets if among is None else among
    members = {selection.name: f"{selection.name}/" for selection in settings.selections}
    known = {name: [each for each in targets if each.name.startswith(of)] for name, of in members.items()}
    for target in targets:
        known.setdefault(str(target.app_id), []).append(target)
    known |= {target.name: [target] for target in targets}
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        all_names = [*members, *(target.name for target in targets)]
        raise ConfigError([_unknown_target(name, all_names) for name in unknown])
    return tuple({target.name: target for name in names for target in known[name]}.values())


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
