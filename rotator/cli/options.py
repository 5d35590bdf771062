"""What commands have in common: where the configuration is, how to print, when to begin the log.

A command takes `@config_option`, `@output_option` and `@click.pass_obj`, and gets an `Invocation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rotator.printable import printable

if TYPE_CHECKING:
    from rotator.settings import Settings

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("auto", "json", "console")


@dataclass(slots=True)
class Invocation:
    """What the options before the command said."""

    config: Path | None = None
    log_level: str = "info"
    log_format: str = "auto"

    def start_log(self) -> None:
        """Send the log to stderr. Only commands that act need one."""
        from rotator.logs import start

        start(level=self.log_level, style=self.log_format)

    def settings(self) -> Settings:
        """Read the configuration, say its warnings, and return it; `ConfigError` with every problem."""
        from rotator.settings import load

        settings = load(self.config)
        for warning in settings.warnings:
            click.echo(f"rotator: warning: {printable(warning)}", err=True)
        return settings

    def control_socket(self) -> Path:
        """Return where the daemon of the configuration is reached; of that nothing else is read."""
        from rotator.settings import control_socket

        return control_socket(self.config)


def _remember_config(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    invocation = ctx.ensure_object(Invocation)
    if value is not None:
        invocation.config = value


# Before the command or after it: people write both.
config_option = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember_config,
    help="The configuration. [default: $ROTATOR_CONFIG, ~/.config/rotator/config.yaml, /etc/rotator/config.yaml]",
)


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date; write it as 2026-01-31 or 2026-01-31T12:00+01:00") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# Without a zone it is UTC, as all that is printed.
since_option = click.option("--since", metavar="DATE", callback=_moment, help="Only from then on: 2026-01-31, in UTC.")


def output_option(command: Any) -> Any:
    """Add `--output table|json`."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        envvar="ROTATOR_OUTPUT",
        help="For people or for programs.",
    )(command)
