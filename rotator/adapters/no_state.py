"""The ports of the state for runs without one: a one-off, whose history is its log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rotator.core.admission import Admitted, Begun, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rotator.core.admission import Admission, Wish
    from rotator.core.history import Deed, Ended
    from rotator.core.model import AppId
    from rotator.core.selection import Member
    from rotator.ports import Clock

    Decide = Callable[[Wish, Ledger, datetime], Admission]


class OpenGate:
    """Lets every rotation begin: a person asked for it, or nothing is known of others."""

    async def ask(self, wish: Wish) -> Admission:  # noqa: ARG002 -- whatever it is
        """Admit it."""
        return Admitted()

    async def ended(self, target: str, *, good: bool) -> None:
        """Keep no count."""


class RunGate:
    """Counts what has begun in this run: a single run by itself must not go too far."""

    def __init__(self, decide: Decide, clock: Clock, *, fleet: int) -> None:
        """Take what decides, and of how many targets."""
        self._decide = decide
        self._clock = clock
        self._fleet = fleet
        self._begun: dict[str, Begun] = {}

    async def ask(self, wish: Wish) -> Admission:
        """Say whether it may begin now, and note that it did."""
        now = self._clock.now()
        ledger = Ledger(tuple(self._begun.values()), self._fleet, known_since=now)
        answer = self._decide(wish, ledger, now)
        if isinstance(answer, Admitted) and wish.target not in self._begun:
            self._begun[wish.target] = Begun(wish.target, wish.policy.name, wish.urgent, now)
        return answer

    async def ended(self, target: str, *, good: bool) -> None:
        """Note how it ended."""
        if target in self._begun:
            self._begun[target] = replace(self._begun[target], ended_at=self._clock.now(), good=good)


class NoJournal:
    """Writes nothing down beside the log."""

    async def begins(self, deed: Deed) -> int:  # noqa: ARG002 -- the log has it
        """Let it begin."""
        return 0

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        """Keep nothing."""


class PassingRoster:
    """Knows members as long as the run lasts: all that a listing brings are newcomers to it."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._members: dict[tuple[str, AppId], Member] = {}

    async def members(self) -> tuple[Member, ...]:
        """Return all of them, in order."""
        return tuple(self._members[key] for key in sorted(self._members))

    async def note(self, members: Sequence[Member]) -> None:
        """Write these anew."""
        self._members.update({(member.selection, member.app_id): member for member in members})

    async def drop(self, selection: str) -> None:
        """Forget a selection."""
        self._members = {key: member for key, member in self._members.items() if key[0] != selection}
