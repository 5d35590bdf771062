"""A group of commands that imports a command when it runs, not to name it.

* Help and completion are answered from the table alone: one line per command.
* Running a command imports its module, and no other.
* It is a group of plain click: rich would double what it takes to start. The commands themselves are rich-click's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class Row(NamedTuple):
    """Where a command is defined, and what the list of commands says of it."""

    module: str
    attribute: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands stand in a table."""

    def __init__(self, *args: Any, table: Mapping[str, Row], **kwargs: Any) -> None:
        """Take the commands in the order in which help lists them."""
        super().__init__(*args, **kwargs)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return what help and completion need to know of the command."""
        row = self._table.get(cmd_name)
        return click.Command(name=cmd_name, help=row.help, short_help=row.help) if row else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command itself: it is about to run, or its own options are to be completed."""
        if args and not args[0].startswith("-") and args[0] not in self._table and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}.{_meant(args[0], self._table)}")
        name, known, rest = super().resolve_command(ctx, args)
        return name, self.load(name) if name and known else known, rest

    def load(self, name: str) -> click.Command:
        """Import the command."""
        row = self._table[name]
        command: click.Command = getattr(importlib.import_module(row.module), row.attribute)
        return command


def _meant(name: str, known: Mapping[str, Row]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
