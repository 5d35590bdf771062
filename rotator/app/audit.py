"""Reading the audit: all of it page by page, its chain, and what it tells of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.chain import Broken, Whole, differing, verify
from rotator.core.story import stories

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from rotator.core.history import Row
    from rotator.core.story import Story
    from rotator.ports import Chronicle


async def pages(
    chronicle: Chronicle, *, target: str | None = None, since: datetime | None = None
) -> AsyncIterator[tuple[Row, ...]]:
    """Yield the pages to the end."""
    last = 0
    while page := await chronicle.rows(after=last, target=target, since=since):
        yield page
        last = page[-1].number


async def check(chronicle: Chronicle, told: Mapping[int, str | None] | None = None) -> Whole | Broken:
    """Follow the chain from the oldest row kept to the newest; then compare it with what another record tells."""
    so_far = Whole()
    found: dict[int, str | None] = {}
    async for page in pages(chronicle):
        result = verify(page, so_far)
        if isinstance(result, Broken):
            return result
        so_far = result
        if told:
            found |= {row.number: row.hash for row in page}
    return differing(told or {}, found) or so_far


async def history(chronicle: Chronicle, target: str) -> tuple[Story, ...]:
    """Return what a target's rows tell, oldest first; `target` is its name or its app's id."""
    rows: list[Row] = []
    async for page in pages(chronicle, target=target):
        rows.extend(page)
    return stories(rows)
