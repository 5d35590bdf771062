"""Fleets of apps in the states that people really have, as data.

* A scene tells what befell an app and when, and how a pass of a rotator that does right must end.
* What must hold afterwards is told in Okta's and Vault's own terms too, so that nobody has to take a rotator's word.
* Ages are chosen for a policy of 90 days, 7 days of overlap and 3 of soak.

`furnish` plays a fleet in a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from .okta_console import AppTraits

if TYPE_CHECKING:
    from collections.abc import Mapping


ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
SERVER, SCOPE = "default", "service.read"
TOKEN, CLIENT = "token issued", "client authenticated"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, so many days ago."""

    days_ago: float

    @property
    def ago(self) -> timedelta:
        return timedelta(days=self.days_ago)


@dataclass(frozen=True, slots=True)
class Added(Event):
    """Somebody added a secret in Okta's console; the first one comes with the app."""

    secret: str


@dataclass(frozen=True, slots=True)
class Put(Event):
    """Somebody wrote a secret to the app's path, as `vault kv put` does."""

    secret: str


@dataclass(frozen=True, slots=True)
class PutAnothers(Event):
    """Somebody wrote the credentials of another app, which is in no scene, to the app's path."""


@dataclass(frozen=True, slots=True)
class Rotated(Event):
    """A rotator made a secret, wrote it to the path in place of another, and closed its staging record."""

    secret: str
    replaced: str


@dataclass(frozen=True, slots=True)
class Deactivated(Event):
    """A secret was deactivated."""

    secret: str


@dataclass(frozen=True, slots=True)
class Deleted(Event):
    """A secret was deleted."""

    secret: str


@dataclass(frozen=True, slots=True)
class AppDeactivated(Event):
    """The whole app was deactivated."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How one pass must end: in the rotator's words, and in what Okta and Vault then hold."""

    result: str
    proof: str | None = None
    block: str | None = None
    slots: tuple[str, ...] = (ACTIVE,)  # the status of each secret, oldest first
    works: bool = True  # what consumers read is accepted


@dataclass(frozen=True, slots=True)
class Scene:
    """One app: what befell it, and how it must end."""

    name: str
    says: str  # in a few words, for people
    history: tuple[Event, ...]
    expected: Expected
    traits: AppTraits = field(default_factory=AppTraits)
    verify: Mapping[str, str] = field(default_factory=lambda: {"authorization_server": SERVER, "scope": SCOPE})

    @property
    def path(self) -> str:
        return f"apps/{self.name}"


def _in_use(days: float) -> tuple[Event, ...]:
    """Return the history of most apps: a secret made by hand, and put into Vault."""
    return Added(days, "first"), Put(days, "first")


_NEW_BESIDE_OLD = Expected("rotated", TOKEN, slots=(ACTIVE, ACTIVE))
_NEW_WITHOUT_TOKEN = Expected("rotated", CLIENT, slots=(ACTIVE, ACTIVE))

OVERLAPPING = "orders-api"  # its old secret must still work after the pass
RETIRED = "login-gateway"  # its old one must not

FLEET = (
    Scene("catalog-api", "35 days old", _in_use(35), Expected("nothing due")),
    Scene(OVERLAPPING, "expired: 104 days old", _in_use(104), _NEW_BESIDE_OLD),
    Scene(
        "inventory-sync",
        "expired; uses client_secret_post",
        _in_use(96),
        _NEW_BESIDE_OLD,
        traits={"auth_method": "client_secret_post"},
    ),
    Scene(
        "payments-api",
        "expired; uses client_secret_jwt",
        _in_use(91),
        _NEW_BESIDE_OLD,
        traits={"auth_method": "client_secret_jwt"},
    ),
    Scene(
        "customer-web",
        "expired; may not use client_credentials",
        _in_use(180),
        _NEW_WITHOUT_TOKEN,
        traits={
            "grant_types": ["authorization_code", "refresh_token"],
            "app_type": "web",
            "redirect_uris": ["https://customers.example/callback"],
        },
    ),
    Scene(
        "report-export",
        "expired; the configured scope is wrong",
        _in_use(120),
        _NEW_WITHOUT_TOKEN,
        verify={"authorization_server": SERVER, "scope": "reports.export"},
    ),
    Scene(
        "billing-api",
        "revoked by an admin, who added another",
        (*_in_use(60), Added(2, "second"), Deactivated(2, "first")),
        Expected("adopted", TOKEN, slots=(INACTIVE, ACTIVE)),
    ),
    Scene(
        "search-indexer",
        "rotated; an admin deleted the new one",
        (
            *_in_use(93),
            Rotated(3, "second", replaced="first"),
            Deactivated(1, "second"),
            Deleted(1, "second"),
        ),
        _NEW_BESIDE_OLD,
    ),
    Scene("mail-relay", "one active secret, none in Vault yet", (Added(20, "first"),), Expected("adopted", TOKEN)),
    Scene(
        RETIRED,
        "rotated 8 days ago, the overlap is over",
        (*_in_use(98), Rotated(8, "second", replaced="first")),
        Expected("carried on", TOKEN, slots=(INACTIVE, ACTIVE)),
    ),
    Scene(
        "audit-feed",
        "old one off for 4 days, the soak is over",
        (*_in_use(101), Rotated(11, "second", replaced="first"), Deactivated(4, "first")),
        Expected("carried on"),
    ),
    Scene(
        "legacy-portal",
        "expired; a second active one, unknown",
        (*_in_use(110), Added(40, "second")),
        Expected("blocked", block="slots_full", slots=(ACTIVE, ACTIVE)),
    ),
    Scene(
        "old-intranet",
        "expired; the app is deactivated",
        (*_in_use(300), AppDeactivated(30)),
        Expected("blocked", block="app_inactive", works=False),
    ),
    Scene(
        "crm-sync",
        "its path holds another app's secret",
        (Added(70, "first"), PutAnothers(50)),
        Expected("blocked", block="other_client", works=False),
    ),
)
