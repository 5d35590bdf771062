"""When a client's secrets were last used, from what the System Log says of its token requests (contracts: Okta 4.3).

* A use is a request that was granted; our own test requests are none. Of a refused one only that counts which says
  that the secret was wrong.
* Use is told per secret where the log writes the hashes that the API shows: one match of a client is the proof. Else
  it is told per client; the hash of a secret that is not listed any more tells of no secret.
* What does not stand in a part of the log is not known to be absent: only a whole answer says "never".
* Hashes are looked at here, and go no further.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rotator.core.model import App, AppId, OktaSecret, SecretId, SecretStatus

# Okta's internal codes for a secret that is not accepted; the last is what a client says who signs with it.
WRONG_SECRET = frozenset({"invalid_client", "invalid_client_secret", "invalid_client_assertion_signature"})


@dataclass(frozen=True, slots=True)
class Request:
    """A token request as the log has it: by whom, with which secret, granted or refused."""

    at: datetime
    client: frozenset[str]  # the names of who asked
    hash: str | None  # of the secret that was shown, where the log has it
    refused: bool = False  # because of its secret


@dataclass(frozen=True, slots=True)
class Requests:
    """A part of the log, newest first; `whole` if nothing that was asked for was left out."""

    found: tuple[Request, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Trail:
    """What the log says of one client since then: the newest request of each kind.

    `whole`: nothing was left out; else only of the `known` hashes it is so.
    """

    since: datetime
    found: tuple[Request, ...] = ()
    whole: bool = True
    known: frozenset[str] = frozenset()

    def with_more(self, more: Requests, *, known: Iterable[str] = ()) -> Trail:
        """Return the trail with what another query brought, and of which hashes that was all."""
        return Trail(self.since, newest((*self.found, *more.found)), self.whole, self.known.union(known))


class UseOf(enum.Enum):
    """What a last use is known of. The value is the word that programs see."""

    SECRET = "secret"  # noqa: S105 -- a word
    CLIENT = "client"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LastUse:
    """When it was used last; None is never since `since`, or not known."""

    of: UseOf = UseOf.UNKNOWN
    at: datetime | None = None
    since: datetime | None = None

    @property
    def never(self) -> bool:
        """Say whether it is known not to have been used."""
        return self.of is not UseOf.UNKNOWN and self.at is None


UNKNOWN_USE = LastUse()


@dataclass(frozen=True, slots=True)
class HeldSecret:
    """A secret as an inventory keeps it. `tried_at`: somebody was refused since it was switched off, last then."""

    id: SecretId
    status: SecretStatus
    created: datetime
    changed: datetime
    used: LastUse = UNKNOWN_USE
    tried_at: datetime | None = None

    @property
    def active(self) -> bool:
        return self.status.value == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Holding:
    """What was found of an app's secrets, and when it was asked."""

    app_id: AppId
    asked_at: datetime
    secrets: tuple[HeldSecret, ...]


def holding_of(app: App, secrets: Sequence[OktaSecret], trail: Trail | None, *, at: datetime) -> Holding:
    """Return what an app holds; without a trail nobody knows of its use."""
    held = (_held(secret, secrets, trail) for secret in secrets)
    return Holding(app.id, at, tuple(sorted(held, key=lambda each: each.created)))


def trails_of(apps: Iterable[App], found: Iterable[Request], *, whole: Iterable[AppId], since: datetime) -> list[Trail]:
    """Return the trail of each app, in their order."""
    complete = frozenset(whole)
    requests = tuple(found)
    return [
        Trail(since, newest(each for each in requests if names_of(app) & each.client), app.id in complete)
        for app in apps
    ]


def newest(requests: Iterable[Request]) -> tuple[Request, ...]:
    """Return the last request of each kind: with each secret, granted and refused."""
    last: dict[tuple[str | None, bool], Request] = {}
    for each in sorted(requests, key=lambda each: each.at):
        last[each.hash, each.refused] = each
    return tuple(last.values())


def names_of(app: App) -> frozenset[str]:
    """Return the names under which the log may have the client."""
    return frozenset({str(app.id), str(app.client_id)})


def unseen_hashes(secrets: Sequence[OktaSecret], trail: Trail) -> tuple[str, ...]:
    """Return the hashes of which the log is still to be asked: those of a client whose others it tells apart."""
    seen = {each.hash for each in trail.found if not each.refused}
    listed = [secret.hash for secret in secrets]
    if trail.whole or seen.isdisjoint(listed):
        return ()
    return tuple(each for each in listed if each not in seen | trail.known)


def refusals_unseen(secrets: Sequence[OktaSecret], trail: Trail) -> bool:
    """Say whether the log is to be asked who was refused: a secret is off, and refusals may stand further back."""
    off = any(not secret.active for secret in secrets)
    return off and not trail.whole and not any(each.refused for each in trail.found)


# ----------------------------------------------------------------------------------------------------------


def _held(secret: OktaSecret, listed: Sequence[OktaSecret], trail: Trail | None) -> HeldSecret:
    if trail is None:
        return HeldSecret(secret.id, secret.status, secret.created, secret.changed)
    used, tried = _last_use(secret, listed, trail), _tried(secret, listed, trail)
    return HeldSecret(secret.id, secret.status, secret.created, secret.changed, used, tried)


def _last_use(secret: OktaSecret, listed: Sequence[OktaSecret], trail: Trail) -> LastUse:
    granted = [each for each in trail.found if not each.refused]
    if {each.hash for each in granted}.isdisjoint(each.hash for each in listed):
        at = max((each.at for each in granted), default=None)
        return LastUse(UseOf.CLIENT, at, trail.since) if at or trail.whole else UNKNOWN_USE
    at = next((each.at for each in granted if each.hash == secret.hash), None)
    told = at or trail.whole or secret.hash in trail.known
    return LastUse(UseOf.SECRET, at, trail.since) if told else UNKNOWN_USE


def _tried(secret: OktaSecret, listed: Sequence[OktaSecret], trail: Trail) -> datetime | None:
    """Return when somebody was last refused since the secret was switched off, unless it was for another secret."""
    if secret.active:
        return None
    others = {each.hash for each in listed} - {secret.hash}
    refused = (each for each in trail.found if each.refused and each.at > secret.changed)
    return max((each.at for each in refused if each.hash is None or each.hash not in others), default=None)
