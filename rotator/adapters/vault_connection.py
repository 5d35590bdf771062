"""How to reach one Vault, and as whom. Light: it imports no HTTP library.

* Only https, but for loopback (the sandbox, a local proxy). No user name in the address.
* Trust and proxy are this Vault's own: nothing is taken from the environment.
* Secrets are given as functions that read them: each login reads anew, since files are replaced under us.
* Nothing secret shows in `repr`: the proxy's address may hold a password.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

ReadSecret = Callable[[], SecretValue]

_SEGMENT = re.compile(r"[A-Za-z0-9_.-]+")
_HEADER = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """A token that somebody gave us. Read again when Vault refuses it: whoever renews it may have put a new one."""

    token: ReadSecret = field(repr=False)
    method: ClassVar[str] = "token"


@dataclass(frozen=True, slots=True)
class AppRoleAuth:
    """AppRole. With `wrapped`, `secret_id` yields a wrapping token, good for one unwrapping."""

    role_id: ReadSecret = field(repr=False)
    secret_id: ReadSecret = field(repr=False)
    wrapped: bool = False
    mount: str = "approle"
    method: ClassVar[str] = "AppRole"


@dataclass(frozen=True, slots=True)
class KubernetesAuth:
    """The pod's service account; the kubelet replaces its token."""

    role: str
    jwt: ReadSecret = field(repr=False)
    mount: str = "kubernetes"
    method: ClassVar[str] = "Kubernetes"


@dataclass(frozen=True, slots=True)
class JwtAuth:
    """A JSON Web Token of some issuer that Vault trusts."""

    role: str
    jwt: ReadSecret = field(repr=False)
    mount: str = "jwt"
    method: ClassVar[str] = "JWT"


Auth = TokenAuth | AppRoleAuth | KubernetesAuth | JwtAuth


@dataclass(frozen=True, slots=True)
class VaultConnection:
    """One Vault: its address, our login, whom to trust, and how long one answer may take."""

    address: str
    auth: Auth
    namespace: str | None = None
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    answer_within: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        """Refuse what would send our login to the wrong place, every problem at once."""
        problems = [
            *_problems_with_address(self.address),
            *_problems_with_path("namespace", self.namespace),
            *_problems_with_path("auth.mount", getattr(self.auth, "mount", None)),
        ]
        if self.answer_within <= timedelta(0):
            problems.append("answer_within: must be longer than nothing")
        if problems:
            raise ConfigError(problems)
        object.__setattr__(self, "address", self.address.rstrip("/"))

    @property
    def host(self) -> str:
        """The Vault as people name it; with its port where there is one."""
        return urlsplit(self.address).netloc

    def check_trust(self) -> None:
        """Load the CA file once; `ConfigError` if it is of no use. The HTTP library's own complaint comes too late."""
        if self.ca_file is not None:
            self.trust()

    def authorities(self) -> str:
        """Return the file with the authorities that are trusted: our own alone, or that of the HTTP library."""
        if self.ca_file is not None:
            return str(self.ca_file)
        from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415 -- heavy

        return str(DEFAULT_CA_BUNDLE_PATH)

    def trust(self) -> ssl.SSLContext:
        """Return these authorities, and that certificates are checked."""
        try:
            return ssl.create_default_context(cafile=self.authorities())
        except ssl.SSLError as unreadable:
            raise ConfigError(
                [f"ca_file of {self.host}: {self.ca_file}: no certificate in it can be read"]
            ) from unreadable
        except OSError as missing:
            raise ConfigError([f"ca_file of {self.host}: {self.ca_file}: {missing.strerror}"]) from missing


def strange_segment(path: str) -> str | None:
    """Return the first part of `path` that must not get into a URL: hvac resolves `..` and escapes the rest."""
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment) or segment in {".", ".."}:
            return segment
    return None


def fits_a_header(token: str) -> bool:
    """Say whether `token` can be sent. The HTTP library would complain as well, but repeat it in its complaint."""
    return _HEADER.fullmatch(token) is not None


def _problems_with_path(key: str, path: str | None) -> list[str]:
    if path is None or (strange := strange_segment(path.strip("/"))) is None:
        return []
    return [f"{key}: {strange!r} may hold letters, digits, `.`, `_` and `-` only"]


def _problems_with_address(address: str) -> list[str]:
    example = "write it as https://vault.example.com:8200"
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return [f"address: {example}"]
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return [f"address: {example}"]
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return [f"address: {example}, without a user name, `?` or `#`"]
    if parts.path.strip("/") and strange_segment(parts.path.strip("/")) is not None:
        return [f"address: the path in it cannot be used; {example}"]
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return ["address: http:// would send secrets in clear; write https://"]
    return []


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
