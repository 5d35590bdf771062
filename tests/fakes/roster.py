"""A Roster in memory that outlives whoever uses it, as a database does; it can be out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.selection import Member


class FakeRoster:
    """Members by selection and app."""

    def __init__(self) -> None:
        self.out = False  # nobody can read or write
        self.written = 0  # members, in all
        self._rows: dict[tuple[str, str], Member] = {}

    async def members(self) -> tuple[Member, ...]:
        """Return all of them, in order."""
        self._reach()
        return tuple(self._rows[key] for key in sorted(self._rows))

    async def note(self, members: Sequence[Member]) -> None:
        """Write these anew, all or none."""
        self._reach()
        self.written += len(members)
        for member in members:
            self._rows[member.selection, member.app_id] = member

    async def drop(self, selection: str) -> None:
        """Forget a selection."""
        self._reach()
        for key in [key for key in self._rows if key[0] == selection]:
            del self._rows[key]

    def _reach(self) -> None:
        if self.out:
            raise UnavailableError("the state database is out of reach")
