"""A run over some targets: log, progress and connections are there while it lasts, and gone after it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from rotator.cli.options import Invocation
    from rotator.core.model import Target
    from rotator.errors import RotatorError
    from rotator.settings import Settings
    from rotator.wiring import Worlds
    from rotator.wiring_state import State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The targets that a command means; and the selections, as targets, whose members could not be found out."""

    targets: tuple[Target, ...]
    lost: tuple[tuple[Target, RotatorError], ...] = ()


def run(
    invocation: Invocation,
    settings: Settings,
    work: Callable[[Worlds], Awaitable[T]],
    *,
    output: str = "table",
    acts: bool = False,
) -> T:
    """Do `work` with the connections that the settings describe, and return what it returns.

    `acts`: it changes something, and so is kept apart from others and written down in the state database, if there is
    one. A run on a machine of its own makes none.
    """
    import asyncio

    async def within() -> T:
        async with _session(invocation, settings, output, acts=acts) as worlds:
            return await work(worlds)

    return asyncio.run(within())


async def chosen(settings: Settings, names: Sequence[str], worlds: Worlds) -> Chosen:
    """Return the targets of these names or app ids, all of them if none is named; a selection means its members."""
    from rotator.settings import find_targets

    if not settings.selections:
        return Chosen(find_targets(settings, names) if names else settings.targets)
    from rotator.app.inventory import take_stock
    from rotator.daemon.stock import tell
    from rotator.errors import ConfigError

    stock = await take_stock(settings, worlds.okta_of, worlds.roster, worlds.clock)
    for notice in stock.notices:
        tell(notice)
    errors = {notice.selection: notice.error for notice in stock.notices if notice.error}
    lost = [(each.target, errors[each.name]) for each in settings.selections if each.name in errors]
    if not names:
        return Chosen(stock.targets, tuple(lost))
    try:
        targets = find_targets(settings, names, among=stock.targets)
    except ConfigError:
        for _, error in lost:  # it may be the name of a member that nobody could tell us of
            raise error from None
        raise
    return Chosen(targets, tuple((selection, error) for selection, error in lost if selection.name in names))


async def chosen_one(settings: Settings, name: str, worlds: Worlds) -> Target:
    """Return the target of that name or app id."""
    from rotator.errors import ConfigError

    found = await chosen(settings, [name], worlds)
    for _, error in found.lost:
        raise error
    if len(found.targets) != 1:
        raise ConfigError([f"{name!r} is a selection with {len(found.targets)} members; name one of them"])
    return found.targets[0]


def target_arguments(command: Any) -> Any:
    """Add `[TARGET]...`."""
    return click.argument("names", metavar="[TARGET]...", nargs=-1)(command)


def whoever_this_is() -> str:
    """Return the name of the user who runs the command."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


@asynccontextmanager
async def _session(invocation: Invocation, settings: Settings, output: str, *, acts: bool) -> AsyncIterator[Worlds]:
    from rotator.cli.progress import log_warning, progress_for
    from rotator.wiring import open_worlds

    async with AsyncExitStack() as around:
        progress = around.enter_context(progress_for(invocation, output))
        wanted = settings.state.there and (acts or settings.selections)
        state = await around.enter_async_context(open_state_for_a_command(settings)) if wanted else None
        yield await around.enter_async_context(open_worlds(settings, progress=progress, warn=log_warning, state=state))


@asynccontextmanager
async def open_state_for_a_command(settings: Settings) -> AsyncIterator[State]:
    """Open the state database as somebody's command does."""
    import socket
    from functools import partial

    from rotator.core.admission import may_begin_within
    from rotator.wiring_state import open_state

    owner = f"{whoever_this_is()}@{socket.gethostname()}"
    async with open_state(settings, decide=partial(may_begin_within, settings.limits), owner=owner) as state:
        yield state
