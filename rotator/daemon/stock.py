"""When to find out anew who the members of the selections are, and telling what came of it.

* At the start, after another configuration, and once an hour; within a minute where the System Log tells of an app that
  was made or changed, but at most once in `SPACING`: a script may make hundreds.
* An org that cannot be asked is asked again after `RETRY`.
* Each change is told once: what is told stays told as long as listings bring the same.
* Nothing that goes wrong here stops the loop, not even a fault of this program; the targets stay as they were.
"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from rotator.core.membership import Kind
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from rotator.app.inventory import Stock
    from rotator.core.membership import Notice
    from rotator.core.model import Target
    from rotator.ports import Clock

EVERY = timedelta(hours=1)
RETRY = timedelta(minutes=5)
SOON = timedelta(minutes=1)  # several events of one act are one listing
SPACING = timedelta(minutes=5)
JITTER = 0.1  # of the time to the next listing
NEWS = ("application.lifecycle.create", "application.lifecycle.update")  # what may make an app a member, or none
QUIET = frozenset({Kind.CHANGED, Kind.BELIEVED})

log = structlog.get_logger()


class Stocktaking:
    """Asked at each turn of the loop whether it is time; `take` is the errand that it is time for."""

    def __init__(
        self,
        take_stock: Callable[[], Awaitable[Stock]],
        hand_over: Callable[[tuple[Target, ...]], object],
        *,
        clock: Clock,
        every: timedelta = EVERY,
    ) -> None:
        """Be due at once. `hand_over` is given all targets, but only when they have changed."""
        self._take_stock = take_stock
        self._hand_over = hand_over
        self._clock = clock
        self._every = every
        self._next = clock.now()
        self._taken_at: datetime | None = None
        self._targets: tuple[Target, ...] | None = None
        self._told: frozenset[Notice] = frozenset()
        self._failed = ""

    @property
    def next_at(self) -> datetime:
        """When it is time again, as far as is known now."""
        return self._next

    def is_due(self, now: datetime) -> bool:
        """Say whether it is time. A clock that was put back makes nobody wait for longer than usual."""
        return now >= self._next or self._next > now + self._every * (1 + JITTER)

    def begin_anew(self) -> None:
        """Be due at once, whatever was known: the configuration has changed, or a person has decided something."""
        self._next, self._targets = self._clock.now(), None

    def heard(self, kind: str) -> None:
        """Take note of an event that the System Log told."""
        if not kind.startswith(NEWS):
            return
        soon = self._clock.now() + SOON
        if self._taken_at is not None:
            soon = max(soon, self._taken_at + SPACING)
        self._next = min(self._next, soon)

    async def take(self) -> None:
        """Find out who the targets are, tell what is new, and hand them over."""
        begun = self._taken_at = self._clock.now()
        self._next = begun + self._every * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 -- jitter
        (stock,) = await asyncio.gather(self._take_stock(), return_exceptions=True)
        if isinstance(stock, BaseException):
            self._note(stock)
            return
        self._failed = ""
        self._tell(stock.notices)
        if stock.targets != self._targets:
            self._targets = stock.targets
            self._hand_over(stock.targets)

    def _tell(self, notices: tuple[Notice, ...]) -> None:
        for notice in notices:
            if notice not in self._told:
                tell(notice)
        put_off = {notice.selection for notice in notices if notice.kind is Kind.NOT_LISTED}
        if put_off:
            self._try_again()
        # Of a selection that could not be asked for nothing was found to be over.
        self._told = frozenset(notices) | {notice for notice in self._told if notice.selection in put_off}

    def _note(self, failure: BaseException) -> None:
        if not isinstance(failure, Exception):
            raise failure
        self._try_again()
        said = f"{type(failure).__name__}: {failure}" if isinstance(failure, RotatorError) else type(failure).__name__
        if said == self._failed:
            return
        self._failed = said
        if isinstance(failure, RotatorError):
            log.warning("selections_not_listed", detail=str(failure), hint=failure.hint)
        else:  # its text may quote anything
            log.error("selections_not_listed", detail=f"a fault of this program: {said}", exc_info=failure)

    def _try_again(self) -> None:
        self._next = min(self._next, self._clock.now() + RETRY)


def tell(notice: Notice) -> None:
    """Log a notice."""
    say = log.info if notice.kind in QUIET else log.warning
    error = {"error": str(notice.error)} if notice.error and str(notice.error) not in notice.detail else {}
    say(notice.kind.value, selection=notice.selection, detail=notice.detail, hint=notice.hint, **error)
