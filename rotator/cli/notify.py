"""`rotator notify test`: whether a message comes, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.report import VERSION
from rotator.cli.results import exit_code
from rotator.errors import ConfigError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.settings import Channel, Settings


@click.group()
def notify() -> None:
    """Try the ways to people that are configured."""


@notify.command()
@click.argument("names", metavar="[CHANNEL]...", nargs=-1)
@config_option
@output_option
@click.pass_obj
def test(invocation: Invocation, /, names: tuple[str, ...], *, output: str) -> int:
    """Send a test message through these channels, or through all, and say what came of it.

    It goes out at once and from here, whatever the daemon does; what a channel is told otherwise does not matter.

    Exit codes: 0 all were taken; 1 refused, 2 usage or configuration, 3 some of several were not taken, 5 the receiver
    cannot be reached.
    """
    import asyncio

    channels = _chosen(invocation.settings(), names)
    tried = asyncio.run(_try(channels))
    code = exit_code(each.exit_code for each in tried)
    if output == "json":
        told = [each.as_json() for each in tried]
        print_json({"version": VERSION, "command": "notify test", "exit_code": code, "channels": told})
        return code
    print_table(
        ["CHANNEL", "KIND", "RESULT", "DETAIL"],
        [[each.channel.name, each.channel.kind, each.result, each.message] for each in tried],
    )
    print_lines([f"{each.channel.name}: {each.hint}" for each in tried if each.hint])
    return code


@dataclass(frozen=True, slots=True)
class Tried:
    """A channel, and what came of the message."""

    channel: Channel
    error: RotatorError | None = None

    @property
    def result(self) -> str:
        return "not taken" if self.error else "taken"

    @property
    def message(self) -> str:
        return str(self.error or "")

    @property
    def hint(self) -> str:
        return self.error.hint if self.error else ""

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        named = {"channel": self.channel.name, "kind": self.channel.kind, "result": self.result}
        return {**named, "message": self.message, "hint": self.hint}


def _chosen(settings: Settings, names: Sequence[str]) -> tuple[Channel, ...]:
    from rotator.settings import nearest

    known = {channel.name: channel for channel in settings.notify.channels} if settings.notify else {}
    if not known:
        raise ConfigError(["there is no channel to try; add one under `notify.channels`"])
    if unknown := [name for name in names if name not in known]:
        raise ConfigError([f"there is no channel {name!r}; {nearest(name, known)}" for name in unknown])
    return tuple(known[name] for name in dict.fromkeys(names or known))


async def _try(channels: Sequence[Channel]) -> list[Tried]:
    import asyncio

    return await asyncio.gather(*map(_try_one, channels))


async def _try_one(channel: Channel) -> Tried:
    from datetime import UTC, datetime

    from rotator.adapters.clock import SystemClock
    from rotator.core.notice_text import trial
    from rotator.wiring_notify import open_notifier

    try:
        await open_notifier(channel, SystemClock()).send(trial(channel.name, datetime.now(UTC)))
    except RotatorError as error:
        return Tried(channel, error)
    return Tried(channel)
