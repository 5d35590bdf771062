"""Who still uses a secret that is leaving, as far as the System Log tells (contracts: Okta 4.3).

* A request with its hash is a sighting, even one that was refused for its scope: somebody has it. One is enough: it
  stops the retirement, whatever else the log shows.
* That there is none proves nothing by itself. Silence is proven only where the log has shown, within the last minutes,
  a token request with the current secret's hash: then it is read, is not late, and does tell which secret was used.
* Whatever is missing makes it unproven, and says what: a log that may not be read, that is late, that shows no hash,
  or too much of it to be read.
* Once it is switched off its users fail. A failure is laid to it by its hash; where the log masks that, by an address
  from which it was used before. A refusal for anything else than the secret is no failure.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

LATE = timedelta(minutes=10)  # a log further behind than this proves nothing
SHOWN = 3  # users named in a line for people


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A client's request for a token, as the log has it. `hashes` is empty where it does not say which secret.

    One that was not granted was refused for its secret, unless it was `for_other_reason`: its scope, a policy.
    """

    at: datetime
    granted: bool
    hashes: frozenset[str]
    address: str
    agent: str
    ours: bool = False
    for_other_reason: bool = False


@dataclass(frozen=True, slots=True)
class UsageLog:
    """What the log has of a client since some time: requests with the old secret's hash, and all that were refused.

    `calibrated_at` is the last grant with the current secret's hash; `whole` is False where something was left out.
    """

    requests: tuple[TokenRequest, ...]  # newest first
    calibrated_at: datetime | None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """A token request that was refused for its secret, by the names that the log has of the client, and of whom."""

    id: str
    clients: frozenset[str]
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """What one look into the log brought of them, and where the next one goes on."""

    found: tuple[Refusal, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who used the old secret: from where, with what, and when last."""

    address: str
    agent: str
    last: datetime

    def __str__(self) -> str:
        return (
            f"{self.agent or 'an unnamed program'} at {self.address or 'an unknown address'}, last {_minute(self.last)}"
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the use of one secret that is leaving. `unproven` says why silence would prove nothing."""

    users: tuple[User, ...] = ()  # used it since it left, the last one first
    failing: tuple[User, ...] = ()  # were refused with it since it was switched off
    unproven: str = ""
    tries: int = 1  # how often the log was asked
    asked_at: datetime | None = None  # None: just now

    def is_fresh(self, now: datetime) -> bool:
        """Whether it may still be gone by: whoever asked may have slept since."""
        return self.asked_at is None or now - self.asked_at <= LATE

    @property
    def seen_at(self) -> datetime | None:
        """When it was last used; what was refused since it was switched off does not count."""
        return max((user.last for user in self.users), default=None)


class Usage(enum.Enum):
    """What must be known of the old secret's use before it is switched off, the strictest first."""

    REQUIRED = "required"  # proof that nobody uses it
    STOP_IF_SEEN = "stop_if_seen"  # no sighting
    OFF = "off"  # nothing


def strictest(asked: Iterable[Usage]) -> Usage:
    """Return which of these asks most of the log; `OFF` if there is none."""
    found = frozenset(asked)
    return next((usage for usage in Usage if usage in found), Usage.OFF)


def weigh(log: UsageLog, *, old_hash: str, left: datetime, switched_off: datetime | None, now: datetime) -> Evidence:
    """Return what the log shows of the secret with that hash; `switched_off` is when, if it is INACTIVE."""
    others = [request for request in log.requests if not request.ours and request.at >= left]
    cut_off = [request for request in others if _is_cut_off(request, switched_off)]
    used = [request for request in others if old_hash in request.hashes and not _is_cut_off(request, switched_off)]
    known = {request.address for request in used if request.address}
    failing = [
        request
        for request in cut_off
        if old_hash in request.hashes or (not request.hashes and request.address in known)
    ]
    return Evidence(_users(used), _users(failing), _doubt(log, now))


def unreadable(why: str) -> Evidence:
    """Return what is known where the log may not be read: nothing."""
    return Evidence(unproven=f"the System Log cannot be read: {why}")


def told(users: Iterable[User]) -> str:
    """Name the users in one line, the last one first."""
    named = list(users)
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return "; ".join(str(user) for user in named[:SHOWN]) + more


def _is_cut_off(request: TokenRequest, switched_off: datetime | None) -> bool:
    """Say whether it was refused for its secret at a time when the old one was off already."""
    if request.granted or request.for_other_reason:
        return False
    return switched_off is not None and request.at >= switched_off


def _doubt(log: UsageLog, now: datetime) -> str:
    if not log.whole:
        return "the System Log has more of this client than was read"
    if log.calibrated_at is None:
        return "the System Log shows no token request with the current secret's hash"
    if log.calibrated_at < now - LATE:
        shown = _minute(log.calibrated_at)
        return f"the last token request with the current secret that the System Log shows is of {shown}"
    return ""


def _users(requests: Iterable[TokenRequest]) -> tuple[User, ...]:
    last: dict[tuple[str, str], datetime] = {}
    for request in requests:
        key = (request.address, request.agent)
        last[key] = max(request.at, last.get(key, request.at))
    found = [User(address, agent, at) for (address, agent), at in last.items()]
    return tuple(sorted(found, key=lambda user: (user.last, user.address, user.agent), reverse=True))


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
