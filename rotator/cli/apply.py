"""`rotator apply`: what a plan says, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.run import SECOND, Duration

if TYPE_CHECKING:
    from rotator.app.plans import Weighed
    from rotator.app.rotate import Outcome
    from rotator.cli.plan_file import Plan
    from rotator.cli.report import Report
    from rotator.settings import Settings
    from rotator.wiring import Worlds

ANOTHER_PLAN = "Make a new plan: `rotator plan --out FILE`."
NOTHING_LEFT = "nothing is left to do"


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--partial", is_flag=True, help="Where the plan holds, carry it out, even if it does not for others.")
@click.option(
    "--max-age",
    type=Duration(SECOND, timedelta(days=30)),
    default="1d",
    show_default=True,
    help="Refuse a plan that is older.",
)
@click.option(
    "--wait",
    type=click.IntRange(0, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait, for each target, for what ends by itself.",
)
@config_option
@output_option
@click.pass_obj
def apply(invocation: Invocation, /, file: Path, *, partial: bool, max_age: timedelta, wait: int, output: str) -> int:
    """Carry out a plan that `rotator plan --out FILE` wrote: just what it says, if it still holds.

    Every target is looked at again. Where something has changed since, that is said, and nothing is done for any of
    them, unless --partial. What is done already is left alone: a plan may be applied twice.

    Exit codes: 0 done or nothing left to do, 1 failed or the plan does not hold, 2 usage, configuration or the file,
    3 some of several failed, 4 busy or paused, 5 Okta or Vault unreachable or sealed.
    """
    from datetime import UTC, datetime

    from rotator.cli.passes import tell
    from rotator.cli.plan_file import read_plan
    from rotator.cli.session import run

    settings = invocation.settings()
    plan = read_plan(file, settings, now=datetime.now(UTC), max_age=max_age)
    reports: list[Report] = []
    if plan.entries:
        reports = run(
            invocation,
            settings,
            lambda worlds: _apply(plan, settings, worlds, partial=partial, wait=wait),
            output=output,
            acts=True,
        )
    _tell_the_daemon(invocation, reports)
    if output == "table" and all(each.message == NOTHING_LEFT for each in reports):
        click.echo(NOTHING_LEFT)
        return 0
    return tell(reports, output=output, command="apply", blocks=True)


async def _apply(plan: Plan, settings: Settings, worlds: Worlds, *, partial: bool, wait: int) -> list[Report]:
    """Look at everything again, carry out what holds, and tell what came of each."""
    from rotator.app.plans import carry_out, weigh
    from rotator.app.reconcile import Patience
    from rotator.cli.progress import log_endings
    from rotator.cli.session import chosen

    found = await chosen(settings, plan.names, worlds)
    for _, error in found.lost:
        raise error
    weighed = await weigh(plan.of(found.targets), worlds.of, written_at=plan.written_at)
    refused = any(each.refused for each in weighed)
    to_do = [each for each in weighed if each.goes_on and (partial or not refused)]
    outcomes = await carry_out(to_do, worlds.of, patience=Patience(timedelta(seconds=wait)))
    log_endings(outcomes)
    done = {outcome.target.name: outcome for outcome in outcomes}
    return [_told(each, done.get(each.planned.target.name), worlds) for each in weighed]


def _told(weighed: Weighed, outcome: Outcome | None, worlds: Worlds) -> Report:
    """Tell what came of one target: of what was carried out, or why nothing was."""
    from rotator.app.plans import BEGINS
    from rotator.cli.report import Report, report
    from rotator.cli.results import Result, result_of_error
    from rotator.core.plan import Standing
    from rotator.errors import RotatorError

    target, step, ending = weighed.planned.target, weighed.planned.step, weighed.outcome.ending
    if outcome is not None:
        # Who planned but to remove an old secret did not ask for the rotation that is due after it.
        return report(outcome, worlds.clock.now(), told=step is not None and step.name == BEGINS)
    if weighed.judged.standing is Standing.OVER:
        return Report(target, Result.NOTHING_DUE, 0, NOTHING_LEFT, outcome=weighed.outcome)
    if weighed.refused:
        code = result_of_error(ending)[1] if isinstance(ending, RotatorError) else 1
        differences = "; ".join(weighed.judged.differences)
        return Report(target, Result.CHANGED, code, differences, ANOTHER_PLAN, outcome=weighed.outcome)
    why = "the plan does not hold for others"
    return Report(target, Result.LEFT, 1, why, "--partial carries it out where it holds.", outcome=weighed.outcome)


def _tell_the_daemon(invocation: Invocation, reports: list[Report]) -> None:
    if changed := [each.target.name for each in reports if each.steps]:
        from rotator.cli.daemon_line import tell_to_look

        tell_to_look(invocation.control_socket(), changed)
