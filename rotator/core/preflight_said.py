"""What a check of the pre-flight may say, and what checks of both sides have in common. Pure.

* Ok, warning or failed, and what to do; or that it cannot be told, and what would settle it.
* A certificate that ends soon, and a clock that is a little off, warn: both break things later.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.preflight_facts import Handshake, NotAsked, NoTls
from rotator.errors import RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.core.preflight_facts import Answer

SMALL_SKEW = timedelta(seconds=10)  # a `Date` is cut to whole seconds, and the answer took its time
LARGE_SKEW = timedelta(minutes=5)  # the life of what we sign
CERTIFICATE_ENDS_SOON = timedelta(days=14)


class Verdict(enum.Enum):
    """How it stands. The value is the word that people and programs see."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Said:
    """What a check says. `remedy` is empty where there is nothing to do."""

    verdict: Verdict
    detail: str
    remedy: str = ""
    outage: bool = False


def ok(detail: str) -> Said:
    return Said(Verdict.OK, detail)


def warning(detail: str, remedy: str) -> Said:
    return Said(Verdict.WARNING, detail, remedy)


def failed(detail: str, remedy: str) -> Said:
    return Said(Verdict.FAILED, detail, remedy)


def cannot_tell(detail: str, remedy: str) -> Said:
    return Said(Verdict.CANNOT_TELL, detail, remedy)


def broken(error: RotatorError) -> Said:
    """Fail with an error of ours, as it tells itself."""
    return Said(Verdict.FAILED, str(error), error.hint, outage=isinstance(error, UnavailableError))


def answering(handshake: Answer[Handshake | NoTls], answered: Answer[object]) -> Said | None:
    for each in (handshake, answered):
        if isinstance(each, UnavailableError):
            return broken(each)
    if isinstance(answered, NotAsked):
        return None
    return broken(answered) if isinstance(answered, RotatorError) else ok("answers")


def certificate(handshake: Answer[Handshake | NoTls], now: datetime) -> Said | None:
    match handshake:
        case NotAsked() | UnavailableError():
            return None
        case RotatorError() as error:
            return broken(error)
        case NoTls.PLAIN:
            return warning("plain http: fit for loopback only, which it is", "Use https for anything but a sandbox.")
        case NoTls.PROXY:
            return cannot_tell("it is behind a proxy", "Look at the certificate's end from elsewhere.")
    assert isinstance(handshake, Handshake)
    ends = f"its certificate ends on {handshake.ends:%Y-%m-%d}"
    if handshake.ends - now < CERTIFICATE_ENDS_SOON:
        return warning(f"{handshake.version}; {ends}", "Have it renewed: after that nothing gets through.")
    return ok(f"{handshake.version}; {ends}")


def clocks(ours: datetime, theirs: datetime | None, *, signed: bool) -> Said:
    """Compare clocks. What we sign is refused if ours is far off."""
    set_it = "Set this machine's clock by NTP."
    if theirs is None:
        return cannot_tell("its answer holds no time", "Look whether a proxy takes the Date header out.")
    skew = ours - theirs
    told = f"this machine's clock is {span_of(abs(skew))} {'ahead' if skew > timedelta(0) else 'behind'}"
    if abs(skew) <= SMALL_SKEW:
        return ok("the clocks agree")
    if signed and abs(skew) >= LARGE_SKEW:
        return failed(f"{told}: what we sign is refused as expired, or as issued in the future", set_it)
    return warning(told, set_it)


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def span_of(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
