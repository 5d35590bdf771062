"""The watch's other ear: hears of consumers whose old secret was switched off, and has their targets looked at at once.

* One query for each org, of the clients whose old secret is off. Where there is none, nothing is asked.
* It only wakes. Whether the old secret comes back is decided by that look, which asks the log itself.
* Who fails once is heard at once. Who goes on failing, with whatever secret, is looked at only every few minutes.
* The link to go on from belongs to the clients that it was asked for. When one joins, or after a restart, we begin by
  time: somewhat before we heard last, and for who joined no later than when its secret was switched off. When one
  leaves, the link stays good; what it tells of others is passed over.
* How far it was heard outlives the process, under a name of its own. The watch has the org's log for itself already.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from rotator.core.history import Place
from rotator.core.usage import LATE
from rotator.daemon.reach import may_be_away
from rotator.errors import InvariantError, RefusedError, RotatorError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from rotator.core.usage import Refusal
    from rotator.daemon.soaking import Soak
    from rotator.daemon.watch import Sleepers
    from rotator.ports import Clock, Cursors, OktaLog

QUIET = timedelta(minutes=10)  # between two looks for the same user
MOST_NAMES = 50  # in a filter, which is part of an address; of more clients all are asked for, and sorted out here
REMEMBERED = 2000  # refusals, so that one that is told twice counts once
OF_USAGE = "#usage"

log = structlog.get_logger()


@dataclass(slots=True)
class _Org:
    """How far we have heard of an org's refusals, and of whom."""

    heard_at: datetime | None = None
    begun: bool = False  # whether the place was looked up
    clients: frozenset[str] = frozenset()
    port: OktaLog | None = None  # the one that gave the cursor
    cursor: str | None = None
    fault: str = ""
    seen: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    woken: dict[tuple[str, str, str], datetime] = field(default_factory=dict)  # by target, address and program


class CutOffs:
    """Hears who was cut off, org by org."""

    def __init__(
        self, sleepers: Sleepers, *, cursors: Cursors, key_of: Callable[[str], str], clock: Clock, lasting: timedelta
    ) -> None:
        """Ask nothing yet; `lasting`: how long a place is taken for."""
        self._sleepers = sleepers
        self._cursors = cursors
        self._key_of = key_of
        self._clock = clock
        self._lasting = lasting
        self._orgs: dict[str, _Org] = {}

    async def listen(self, alias: str, port: OktaLog, soaking: Sequence[Soak]) -> None:
        """Ask one org's log who of these was refused since, and wake their targets."""
        org = self._orgs.setdefault(alias, _Org())
        if not soaking:
            org.cursor, org.clients = None, frozenset()
            return
        try:
            await self._hear(alias, org, port, soaking)
        except RotatorError as error:
            self._note(alias, org, error)

    async def _hear(self, alias: str, org: _Org, port: OktaLog, soaking: Sequence[Soak]) -> None:
        asked_at = self._clock.now()
        if not org.begun:
            await self._look_up(alias, org, soaking)
        clients = frozenset[str]().union(*(soak.clients for soak in soaking))
        if port is not org.port or not clients <= org.clients:
            org.cursor = None
        of = org.clients if org.cursor is not None else clients
        since = _since(org, soaking, asked_at)
        heard = await port.refusals(sorted(of) if len(of) <= MOST_NAMES else (), org.cursor, since)
        org.clients = of
        self._wake(alias, org, heard.found, soaking, asked_at)
        org.port, org.cursor, org.heard_at, org.fault = port, heard.cursor, asked_at, ""
        with suppress(StateError):  # then it is heard again from there
            await self._cursors.keep(self._key_of(alias) + OF_USAGE, Place(None, asked_at))

    async def _look_up(self, alias: str, org: _Org, soaking: Sequence[Soak]) -> None:
        """Go on where it was heard last, by whoever heard it: of all that are remembered as soaking."""
        taken = await self._cursors.take(self._key_of(alias) + OF_USAGE, lasting=self._lasting)
        place = taken[0] if taken is not None else None
        if place is not None:
            org.heard_at = place.heard_at
            org.clients = frozenset[str]().union(*(soak.clients for soak in soaking if soak.since < place.heard_at))
        org.begun = True

    def _wake(
        self, alias: str, org: _Org, refused: Collection[Refusal], soaking: Sequence[Soak], now: datetime
    ) -> None:
        org.woken = {who: at for who, at in org.woken.items() if now - at < QUIET}
        for refusal in refused:
            if refusal.id in org.seen:
                continue
            org.seen.append(refusal.id)
            concerned = [soak.target for soak in soaking if soak.clients & refusal.clients]
            names = [name for name in concerned if (name, refusal.address, refusal.agent) not in org.woken]
            if names:
                org.woken |= {(name, refusal.address, refusal.agent): now for name in names}
                log.info("cut_off_heard", org=alias, targets=names, address=refusal.address, agent=refusal.agent)
                self._sleepers.wake(names, pressing=True)

    def _note(self, alias: str, org: _Org, error: RotatorError) -> None:
        """Tell once that nobody can be heard of; that the org or the state is away is told by others."""
        told = isinstance(error, InvariantError) or (isinstance(error, RefusedError) and not may_be_away(error))
        if told and org.fault != str(error):
            org.fault = str(error)
            hint = f"{error.hint or 'Grant it.'} Until then nobody who was cut off is heard of before the next look."
            log.warning("cut_offs_unheard", org=alias, detail=str(error), hint=hint)


def _since(org: _Org, soaking: Sequence[Soak], now: datetime) -> datetime:
    """Return when to begin where there is no link: the time that covers all of them."""
    heard = (org.heard_at or now) - LATE
    return min(heard if soak.clients <= org.clients else soak.since for soak in soaking)
