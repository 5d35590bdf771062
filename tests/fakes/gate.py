"""A gate in memory: it keeps a ledger as a state would, and asks the core."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.admission import LONG_AGO, Admitted, Begun, Ledger, Limits, may_begin

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.admission import Admission, Wish
    from rotator.ports import Clock


class LedgerGate:
    """For a fleet of that size, all of it met at the same time."""

    def __init__(self, clock: Clock, *, fleet: int, limits: Limits | None = None) -> None:
        """Begin with an empty ledger."""
        self.begun: dict[str, Begun] = {}  # the last beginning of each target
        self.released_at: datetime | None = None
        self._clock, self._fleet, self._limits = clock, fleet, limits or Limits()
        self._known_since = clock.now()

    async def ask(self, wish: Wish) -> Admission:
        now = self._clock.now()
        lately = [each for each in self.begun.values() if not each.ended_at or each.at > now - LONG_AGO]
        ledger = Ledger(lately, self._fleet, self._known_since, self.released_at)
        answer = may_begin(wish, ledger, self._limits, now)
        before = self.begun.get(wish.target)
        if isinstance(answer, Admitted) and (before is None or before.ended_at is not None):
            self.begun[wish.target] = Begun(wish.target, wish.policy.name, wish.urgent, now)
        return answer

    async def ended(self, target: str, *, good: bool) -> None:
        before = self.begun.get(target)
        if before is not None and before.ended_at is None:
            self.begun[target] = replace(before, ended_at=self._clock.now(), good=good)
