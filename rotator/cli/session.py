"""A run over some targets: log, progress and connections are there while it lasts, and gone after it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
import structlog

from rotator.cli.progress import progress_for
from rotator.core.actions import Blocked
from rotator.errors import InvariantError, RotatorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rotator.app.rotate import Outcome
    from rotator.cli.options import Invocation
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds

T = TypeVar("T")

log = structlog.get_logger()


def run(
    invocation: Invocation, settings: Settings, work: Callable[[Worlds], Awaitable[T]], *, output: str = "table"
) -> T:
    """Do `work` with the connections that the settings describe, and return what it returns."""

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


def log_endings(outcomes: Sequence[Outcome]) -> None:
    """Log how each target ended: what needs a person as an error, and what is at fault in us with its traceback."""
    for outcome in outcomes:
        names = {"target": outcome.target.name, "org": outcome.target.org, "app_id": outcome.target.app_id}
        match outcome.ending:
            case Blocked(block, detail, hint):
                log.error("target_blocked", **names, block=block.value, detail=detail, hint=hint)
            case RotatorError() as error:
                log_failure(error, **names)
            case rest:
                log.debug("target_rests", **names, waiting=rest.waiting.value, until=str(rest.until))


def log_failure(error: RotatorError, **names: str) -> None:
    """Log an error, with the traceback only where the fault is ours."""
    fault = error.__cause__ if isinstance(error, InvariantError) else None
    log.error(
        "target_failed",
        **names,
        error=type(error).__name__,
        detail=str(error),
        request_id=error.request_id,
        **({"exc_info": fault} if fault else {}),
    )


@asynccontextmanager
async def _session(invocation: Invocation, settings: Settings, output: str) -> AsyncIterator[Worlds]:
    from rotator.wiring import open_worlds

    with progress_for(invocation, output) as progress:
        async with open_worlds(settings, progress=progress, warn=_warn) as worlds:
            yield worlds


def _warn(text: str) -> None:
    log.warning("vault_warned", detail=text)
