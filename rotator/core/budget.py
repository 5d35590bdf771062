"""What Okta's rate-limit headers leave to us: may a call go now, or when (design: "Okta's budget"). Pure.

* Nothing is known of a limit but what the last answers of its bucket said. Before the first answer one call goes, and
  the same in each new window: others may have been there. An answer without such headers tells of no limit.
* In a window our calls, those under way among them, are at most our share of what others leave of it: of Okta's limit
  less what they have used. Our reserve is the rest. The first call of a window may always go: it is how we learn.
* A window ends by Okta's clock: its `Date` takes the difference to ours out. Once over, all of it is there again.
* A 429 about calls at the same time (`Limit: 0`), and one that tells of no window, is no window: back off, then let one
  call go at a time until one is answered otherwise.
* A time further ahead than any window lasts was left by a clock that has been set back since: it counts no more.
"""

from __future__ import annotations

import enum
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from rotator.core import backoff

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST = timedelta(minutes=2)  # Okta's windows last one minute; a wilder reset is a clock gone wrong
TURN = LONGEST  # how long a call waits for its turn where nobody says otherwise: always into the next window
SHORTEST = timedelta(seconds=1)  # after a refusal, however soon the window is said to end
JITTER = timedelta(seconds=1)  # so that not everybody comes back in the same moment
SAME = 5  # seconds; resets that are nearer to each other are of one window, told by two servers
LAST_ROW = 6  # of the table of backoff: a minute; by then those who crowd us have a new window


class Share(enum.Enum):
    """How much of a bucket a call may count on."""

    ROUTINE = "routine"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Shares:
    """The parts of what others leave, by the configuration."""

    routine: float = 0.4
    urgent: float = 0.8

    def of(self, share: Share) -> float:
        """Return the part as a number in (0, 1]."""
        return self.urgent if share is Share.URGENT else self.routine


@dataclass(frozen=True, slots=True)
class Haste:
    """How pressing the calls of a task are: which share they count on, and how long one waits for its turn."""

    share: Share = Share.ROUTINE
    waits: timedelta = TURN


_LEISURE = Haste()
_HASTE = ContextVar("haste", default=_LEISURE)


def haste() -> Haste:
    """Return the haste of the task that asks."""
    return _HASTE.get()


@contextmanager
def in_haste(how: Haste) -> Iterator[None]:
    """Let the calls made in the block be so pressing."""
    before = _HASTE.set(how)
    try:
        yield
    finally:
        _HASTE.reset(before)


def bucket_of(path: str) -> str:
    """Return the name of the bucket that a path counts in (contracts: Okta 6.2)."""
    match path.strip("/").split("/"):
        case ["api", "v1", "apps", _]:
            return "/api/v1/apps/{id}"
        case ["api", "v1", "apps", *_]:
            return "/api/v1/apps"
        case ["oauth2", *server, "v1", "introspect" | "revoke"]:
            return "/".join(["/oauth2", *server, "v1"])
    return path


def room(others_leave: int, part: float) -> int:
    """Return how many calls of ours a window has room for, if they count on that part of what others leave of it."""
    return int(others_leave * part + 1e-9)


def until_reset(headers: Mapping[str, str]) -> timedelta | None:
    """Return how far off the end of the window was when this was answered; None if the headers do not say."""
    try:
        reset = datetime.fromtimestamp(int(headers.get("x-rate-limit-reset", "")), tz=UTC)
        return reset - parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class Window:
    """One window as the last answers showed it."""

    limit: int
    left: int
    ours: int  # our calls in it, as far as they were answered
    resets: int  # by Okta's clock, as it says it; it tells windows apart
    opens: datetime  # the next one, by ours


class Bucket:
    """What is known of one bucket."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._window: Window | None = None
        self._met = False
        self._under_way = 0
        self._refusals = 0  # in a row, that told of no window
        self._held_until: datetime | None = None

    @property
    def window(self) -> Window | None:
        """The window that the last answers told of; None before that, or where they tell of none."""
        return self._window

    def opens(self, part: float, now: datetime) -> datetime | None:
        """Return when a call may go that counts on that part: `now` if at once, None if a call under way must end."""
        if (held := _ahead(self._held_until, now)) is not None:
            return held
        if self._refusals or not self._met or self._is_over(now):
            return None if self._under_way else now
        if (window := self._window) is None:
            return now
        others_leave = min(window.limit, window.ours + window.left)
        taken = window.ours + self._under_way
        return now if taken < room(others_leave, part) else window.opens

    def sent(self) -> None:
        """Count a call that goes out."""
        self._under_way += 1

    def lost(self, now: datetime) -> None:
        """Count a call that has ended without an answer. Where nobody answers, nobody counts."""
        self._under_way -= 1
        self._met = True
        if self._is_over(now):
            self._window = None

    def answered(self, status: int, headers: Mapping[str, str], *, now: datetime, spread: float) -> None:
        """Take in what an answer says. Names of headers in lower case; `spread` in [0, 1] is where the jitter fell."""
        self._under_way -= 1
        self._met = True
        refused = status == 429
        ends, limit, left = until_reset(headers), _number(headers, "limit"), _number(headers, "remaining")
        if refused and (ends is None or limit == 0):
            self._back_off(now, spread)
            return
        self._refusals, self._held_until = 0, None
        if ends is None or limit == 0 or not (refused or (limit and left is not None)):
            return
        opens = now + max(min(ends, LONGEST - JITTER), SHORTEST if refused else timedelta(0)) + JITTER * spread
        resets, known = int(headers["x-rate-limit-reset"]), self._window
        told = Window(limit or (known.limit if known else 1), 0 if refused else left or 0, 1, resets, opens)
        if known is None or self._is_over(now) or resets >= known.resets + SAME:
            self._window = told
        elif refused or resets > known.resets - SAME:  # else it is an answer of an older window
            self._window = replace(told, left=min(told.left, known.left), ours=known.ours + 1)

    def _is_over(self, now: datetime) -> bool:
        return self._window is not None and _ahead(self._window.opens, now) is None

    def _back_off(self, now: datetime, spread: float) -> None:
        if _ahead(self._held_until, now) is None:  # else it is one of several that were sent together
            self._refusals += 1
            self._held_until = now + backoff.delay(min(self._refusals, LAST_ROW), spread)


def _ahead(moment: datetime | None, now: datetime) -> datetime | None:
    """Return the moment if it is still to come, and soon enough to be believed."""
    return moment if moment is not None and now < moment <= now + LONGEST else None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"x-rate-limit-{name}", "")
    return int(text) if text.isdecimal() and len(text) < 10 else None
