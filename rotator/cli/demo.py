"""`rotator demo`: rotations for real, over HTTP, in a small world of its own.

* What runs is what `rotator reconcile` runs, adapters and all; only Okta and Vault are the sandbox's.
* The demo checks itself: by what the rotator says, by what Okta and Vault then hold, and as an application. Whatever
  is not as the scene says is named, and makes it fail.
* The user's configuration, environment, state and home are neither read nor touched; what it writes is gone in the end.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import rich_click as click

from rotator.cli.options import Invocation, output_option
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.cli.demo_findings import Ending
    from rotator.cli.demo_screen import Screen
    from rotator.cli.demo_site import Site
    from rotator.cli.report import Report
    from rotator.ports import Progress

TERMINATED = 143


@click.command()
@click.option("--keep", is_flag=True, help="Leave the sandbox running afterwards, to play with; Ctrl-C ends it.")
@output_option
@click.pass_obj
def demo(invocation: Invocation, /, *, keep: bool, output: str) -> int:
    """Watch rotations in a small world of its own.

    Starts an Okta org and a Vault in this process, fills them with apps in the states that people really have, and
    makes one pass of `rotator reconcile` over them. Needs no account and no network.

    Exits with 0 only if every app ended as it should.
    """
    from rotator.cli.demo_screen import Screen
    from rotator.cli.demo_site import open_site
    from rotator.sandbox.scenes import FLEET

    screen = Screen(as_json=output == "json")
    screen.open(len(FLEET))
    try:
        with _ending_on_sigterm(), open_site(FLEET) as site:
            return play(invocation, site, screen, keep=keep)
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise RotatorError(
            f"the demo cannot run here: {failure}", hint="It needs a temporary folder and ports on 127.0.0.1."
        ) from failure


def play(invocation: Invocation, site: Site, screen: Screen, *, keep: bool = False) -> int:
    """Make the pass at a site, show how it ended, and return the exit code."""
    from time import monotonic

    from rotator.cli.demo_findings import ending_of, findings_of_consumers

    began = monotonic()
    endings = [ending_of(report, site) for report in _one_pass(invocation, site, screen)]
    tried = findings_of_consumers(site)
    right = [each.as_it_should_be for each in endings] + [each.as_it_should_be for each in tried]
    code = 0 if all(right) else 1
    calls = site.box.journal.tally("service")
    screen.show(endings, tried, calls=calls, seconds=monotonic() - began, code=code)
    if keep:
        _wait(site, screen, endings)
    else:
        screen.show_next_steps()
    return code


def _one_pass(invocation: Invocation, site: Site, screen: Screen) -> list[Report]:
    """Carry every target on, as `rotator reconcile` does."""
    import asyncio

    from rotator.app.reconcile import ONE_PASS, reconcile
    from rotator.cli.progress import log_endings, log_warning
    from rotator.cli.report import report
    from rotator.wiring import open_worlds

    settings = site.settings()

    async def carry_on() -> list[Report]:
        with _progress(invocation, screen, [target.name for target in settings.targets]) as progress:
            async with open_worlds(settings, progress=progress, warn=log_warning, leases_in=site.leases) as worlds:
                outcomes = await reconcile(settings.targets, worlds.of, patience=ONE_PASS)
        if _logs(invocation, screen):
            log_endings(outcomes)
        return [report(outcome, worlds.clock.now()) for outcome in outcomes]

    return asyncio.run(carry_on())


@contextmanager
def _progress(invocation: Invocation, screen: Screen, names: list[str]) -> Iterator[Progress]:
    """Start the log; where a person watches it is silent, unless asked for, and a board moves."""
    from rotator.cli.progress import LogProgress

    if _logs(invocation, screen):
        invocation.start_log()
        yield LogProgress()
        return
    with screen.board(names) as board:
        invocation.log_level = max(invocation.log_level, "warning", key=("info", "warning", "error").index)
        invocation.start_log()
        yield board


def _logs(invocation: Invocation, screen: Screen) -> bool:
    return screen.as_json or invocation.log_level == "debug"


def _wait(site: Site, screen: Screen, endings: list[Ending]) -> None:
    """Leave the sandbox to whoever wants to play, until they have had enough."""
    from threading import Event

    screen.show_how_to_play(site, site.open_to_people(), endings)
    try:
        Event().wait()
    except KeyboardInterrupt:
        screen.show_end()


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program in order, so that nothing is left behind."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
