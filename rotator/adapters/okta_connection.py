"""How to reach one Okta org, and as whom. Light: it imports no HTTP library.

* Only https, but for loopback (the sandbox). No user name in the address, no path.
* Trust and proxy are the org's own: nothing is taken from the environment.
* Nothing secret shows in `repr`: the proxy's address may hold a password.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator import __version__
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.secret_value import SecretValue

USER_AGENT_PREFIX = "rotator/"
USER_AGENT = f"{USER_AGENT_PREFIX}{__version__}"


@dataclass(frozen=True, slots=True)
class SswsAuth:
    """An API token of an administrator."""

    token: SecretValue


@dataclass(frozen=True, slots=True)
class PrivateKeyAuth:
    """An OAuth service app of ours, with its key (PEM) and the scopes to ask for."""

    client_id: str
    key: SecretValue
    kid: str | None = None
    scopes: tuple[str, ...] = ("okta.apps.read", "okta.apps.manage")


@dataclass(frozen=True, slots=True)
class OktaConnection:
    """One org: its address, our login, whom to trust, and how long an answer may take."""

    org_url: str
    auth: SswsAuth | PrivateKeyAuth
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    answer_within: timedelta = timedelta(seconds=30)
    _trusted: list[ssl.SSLContext] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse an address that would send our login to the wrong place."""
        if problem := _problem_with(self.org_url):
            raise ConfigError([f"org_url: {problem}"])
        object.__setattr__(self, "org_url", self.org_url.rstrip("/"))

    @property
    def host(self) -> str:
        """The org as people name it; with its port where that is unusual."""
        return urlsplit(self.org_url).netloc

    def same_origin(self, url: str) -> bool:
        """Say whether `url` belongs to this org: our login goes nowhere else."""
        return _origin(url) == _origin(self.org_url)

    def trust(self) -> ssl.SSLContext:
        """Return the TLS settings: the org's own CA file alone, or the system's store. Read once: that takes time."""
        if not self._trusted:
            self._trusted.append(_trust(self.ca_file, self.host))
        return self._trusted[0]


@dataclass(frozen=True, slots=True)
class OktaWay:
    """How servers are reached as an application reaches them, without a login of ours."""

    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    answer_within: timedelta = timedelta(seconds=10)

    def trust(self) -> ssl.SSLContext:
        """Return the TLS settings: this CA file alone, or the system's store."""
        return _trust(self.ca_file, "the org")

    @staticmethod
    def problem_with(url: str) -> str | None:
        """Say why nothing is sent to an address: it would go in clear, or to the wrong place."""
        origin = _origin(url)
        if origin is None or not origin[1]:
            return "no address that can be asked; write it as https://acme.okta.com/oauth2/default"
        if origin[0] == "https" or (origin[0] == "http" and _is_loopback(origin[1])):
            return None
        return f"{origin[0]}:// would send secrets in clear; write https://"


def _trust(ca_file: Path | None, whose: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as unreadable:
        reason = unreadable.strerror or "no certificate in it can be read"
        raise ConfigError([f"ca_file of {whose}: {ca_file}: {reason}"]) from unreadable


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.password is not None:
        return None
    return parts.scheme.lower(), parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme.lower())


def _problem_with(url: str) -> str | None:
    origin, parts = _origin(url), urlsplit("")
    if origin is None or not origin[1]:
        return "write it as https://acme.okta.com, without a user name"
    parts = urlsplit(url)
    if parts.path.rstrip("/") or parts.query or parts.fragment:
        return "write it as https://acme.okta.com, without a path"
    if parts.scheme.lower() == "http" and _is_loopback(origin[1]):
        return None
    if parts.scheme.lower() != "https":
        return f"{parts.scheme}:// would send secrets in clear; write https://"
    if origin[1].endswith(("-admin.okta.com", "-admin.oktapreview.com", "-admin.okta-emea.com")):
        return "this is the address of the admin console; leave out `-admin`"
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
