"""`rotator run`: the daemon."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from typing import Any

    from rotator.app.rotate import Outcome
    from rotator.settings import Settings


class Duration(click.ParamType[timedelta]):
    """A duration as the configuration writes it: `30s`, `12h`, `1d`."""

    name = "duration"

    def __init__(self, at_least: timedelta, at_most: timedelta) -> None:
        """Take the bounds that make sense."""
        self._bounds = (at_least, at_most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration, or say what is wrong with it."""
        from rotator.settings.kinds import read_duration, write_duration

        try:
            length = read_duration(value)
        except ValueError as problem:
            self.fail(f"{value!r} {problem}", param, ctx)
        least, most = self._bounds
        if not least <= length <= most:
            self.fail(f"{value!r} is not between {write_duration(least)} and {write_duration(most)}", param, ctx)
        return length


SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@click.command()
@click.option(
    "--tick",
    type=Duration(SECOND, timedelta(minutes=10)),
    default="30s",
    show_default=True,
    help="How often to look for what is due, and whether an org or a Vault that was away is back.",
)
@click.option(
    "--resync",
    type=Duration(SECOND, 7 * DAY),
    default="7d",
    show_default=True,
    help="Look at each target at least so often: what the System Log did not tell is found then.",
)
@click.option(
    "--poll",
    type=Duration(SECOND, timedelta(minutes=10)),
    default="30s",
    show_default=True,
    help="How often to ask each org's System Log what others have changed: those targets are looked at then.",
)
@click.option(
    "--drain",
    type=Duration(timedelta(0), timedelta(hours=1)),
    default="30s",
    show_default=True,
    help="After SIGTERM: how long to wait for what is under way.",
)
@click.option("--no-preflight", is_flag=True, help="Do not look first whether all is there that a rotation needs.")
@config_option
@click.pass_obj
def run(
    invocation: Invocation,
    /,
    *,
    tick: timedelta,
    resync: timedelta,
    poll: timedelta,
    drain: timedelta,
    no_preflight: bool,
) -> int:
    """Keep every target fresh, until it is told to stop.

    Rotates what expires or was revoked, switches off and deletes old secrets whose time is over. Okta and Vault are the
    truth: it may be stopped, killed and started at any time. What it remembers lies in the state database; a new one
    only observes until every target was looked at once.

    At its start it looks whether all is there, as `rotator doctor --preflight` does: a target for which something is
    missing is only looked at until it is there, the others go on.

    SIGTERM and SIGINT stop it once what is under way is finished; a second one stops it at once. SIGHUP reads the
    configuration again, and keeps the old one if the new has problems. SIGUSR1 logs how each target stands.

    Several on the same targets share a PostgreSQL (`state.url`, `engine: postgres`). On one machine a second one leaves
    alone what the first works on.

    Exit codes: 0 stopped by SIGTERM, 130 by SIGINT, 143 by a second signal after SIGTERM; 2 configuration.
    """
    import asyncio

    from rotator.cli.heap import collected_for_years
    from rotator.cli.progress import LogProgress, log_warning
    from rotator.core.agenda import Pace
    from rotator.daemon.passes import Limits
    from rotator.daemon.serve import Telling, serve

    invocation.start_log()
    collected_for_years()
    return asyncio.run(
        serve(
            partial(_load, invocation.config),
            Telling(LogProgress(), log_warning, _told),
            pace=Pace(tick, resync),
            limits=Limits(drain=drain),
            poll=poll,
            preflight=not no_preflight,
        )
    )


def _load(config: Path | None) -> Settings:
    """Read the configuration; its warnings are events, as everything a daemon says."""
    import structlog

    from rotator.settings import load

    settings = load(config)
    for warning in settings.warnings:
        structlog.get_logger().warning("configuration_warned", detail=warning)
    return settings


def _told(outcome: Outcome, now: datetime, told: bool, force: bool) -> dict[str, Any]:
    """Tell who asked for something how it ended, as the commands tell it."""
    from rotator.cli.report import as_json, as_lines, report

    reported = report(outcome, now, told=told, force=force, later="the daemon")
    return {**as_json(reported), "lines": as_lines(reported)}
