"""The Engine port for one process: whoever asks for a pass makes it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class LocalEngine:
    """Makes each pass where it is asked for."""

    def __init__(self) -> None:
        """Serve nobody yet."""
        self._work: Callable[[str], Awaitable[None]] | None = None

    @asynccontextmanager
    async def serving(self, work: Callable[[str], Awaitable[None]]) -> AsyncIterator[None]:
        """Make passes by `work` while the context lasts."""
        self._work = work
        yield

    async def see_to(self, target: str) -> None:
        """Make the pass, here and now."""
        assert self._work
        await self._work(target)
