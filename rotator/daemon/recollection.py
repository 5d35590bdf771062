"""What of the agenda outlives the process and is told to other members: written after each pass, heard at each tick.

* What could not be written is written with the next: nothing is kept back for the state's sake but a look.
* Whether it can be written is found out by writing: a full disk is read as ever.
* What others have found out is heard at each tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotator.daemon.agenda import Agenda
    from rotator.ports import Memory


class Recollection:
    """The way from the agenda to the memory and back."""

    def __init__(self, agenda: Agenda, memory: Memory) -> None:
        """Have nothing to write yet."""
        self._agenda = agenda
        self._memory = memory
        self._unwritten: set[str] = set()

    async def note(self, name: str) -> None:
        """Write down how a target stands, and whoever could not be written before."""
        self._unwritten.add(name)
        await self._write()

    async def try_out(self) -> None:
        """Return if it can be written again: what could not be, else how any target stands."""
        if not self._unwritten and (name := self._agenda.anybody()) is not None:
            self._unwritten.add(name)
        await self._write()

    async def _write(self) -> None:
        names = {name for name in self._unwritten if self._agenda.knows(name)}
        await self._memory.remember([self._agenda.remembered(name) for name in sorted(names)])
        self._unwritten -= names

    async def hear(self) -> None:
        """Take up what other members have found out."""
        self._agenda.heard(await self._memory.news())
