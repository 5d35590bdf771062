"""A run over some targets: log, progress and connections are there while it lasts, and gone after it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rotator.cli.options import Invocation
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds

T = TypeVar("T")


def run(
    invocation: Invocation, settings: Settings, work: Callable[[Worlds], Awaitable[T]], *, output: str = "table"
) -> T:
    """Do `work` with the connections that the settings describe, and return what it returns."""
    import asyncio

    async def within() -> T:
        async with _session(invocation, settings, output) as worlds:
            return await work(worlds)

    return asyncio.run(within())


def chosen(settings: Settings, names: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets of these names or app ids, all of them if none is named."""
    from rotator.settings import find_targets

    return find_targets(settings, names) if names else settings.targets


def target_arguments(command: Any) -> Any:
    """Add `[TARGET]...`."""
    return click.argument("names", metavar="[TARGET]...", nargs=-1)(command)


@asynccontextmanager
async def _session(invocation: Invocation, settings: Settings, output: str) -> AsyncIterator[Worlds]:
    from rotator.cli.progress import log_warning, progress_for
    from rotator.wiring import open_worlds

    with progress_for(invocation, output) as progress:
        async with open_worlds(settings, progress=progress, warn=log_warning) as worlds:
            yield worlds
