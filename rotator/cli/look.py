"""`rotator plan`, `status` and `verify`: the commands that change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.session import chosen, run, target_arguments

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.app.observe import World
    from rotator.cli.findings import Finding
    from rotator.cli.report import Report
    from rotator.core.model import Target
    from rotator.errors import RotatorError
    from rotator.settings import Settings
    from rotator.wiring import Worlds

CHANGES = 2


@click.command()
@target_arguments
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 0 if nothing is to be done, 1 on an error, 2 if something is."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the plan there, for `rotator apply`.",
)
@click.option("--cached", is_flag=True, help="Ask nobody: say what the state database remembers, and how old it is.")
@config_option
@output_option
@click.pass_obj
def plan(
    invocation: Invocation,
    /,
    names: tuple[str, ...],
    *,
    detailed_exitcode: bool,
    out: Path | None,
    cached: bool,
    output: str,
) -> int:
    """Say what `rotator reconcile` would do first, why, and what follows; change nothing.

    Where that depends on it, the value in Vault is tried at the token endpoint. What a policy that observes would do,
    if it were let, is told as well.

    With --out the plan is written down for `rotator apply`, which does just that: without secrets, for its owner alone.
    """
    if cached:
        if out is not None:
            raise click.UsageError("--out goes with a look at Okta and Vault; leave --cached out.")
        from rotator.cli import cached as memory

        return memory.code_of(memory.plan(invocation, names, output=output), detailed=detailed_exitcode)
    from rotator.cli.passes import carry_on, tell
    from rotator.cli.results import Result

    settings = invocation.settings()
    reports = carry_on(invocation, settings, names, output=output, dry_run=True).reports
    if out is not None:
        _write(out, reports, settings)
    code = tell(reports, output=output, command="plan")
    if not detailed_exitcode:
        return code
    if any(each.exit_code not in {0, 4} for each in reports):
        return 1
    return CHANGES if any(each.result is Result.PLANNED for each in reports) else 0


def _write(file: Path, reports: Sequence[Report], settings: Settings) -> None:
    """Write the plan down, and say what is in it."""
    from datetime import UTC, datetime

    from rotator.cli.plan_file import write_plan

    count = write_plan(file, reports, settings, datetime.now(UTC))
    unseen = sum(each.outcome is None or each.outcome.seen is None for each in reports)
    beside = f"; {unseen} could not be looked at and are not in it" if unseen else ""
    click.echo(f"rotator: {file} has {count} step{'s' * (count != 1)} for `rotator apply`{beside}", err=True)


@click.command()
@target_arguments
@click.option("--daemon", is_flag=True, help="Ask the running daemon what it knows; needs only its control socket.")
@click.option("--cached", is_flag=True, help="Ask nobody: say what the state database remembers, and how old it is.")
@config_option
@output_option
@click.pass_obj
def status(invocation: Invocation, /, names: tuple[str, ...], *, daemon: bool, cached: bool, output: str) -> int:
    """Show each target: its secret, its age, what else is there, what comes next. Reads Okta and Vault only.

    Of targets that are named, the System Log is asked as well who still uses the old secret.

    A target that is blocked is shown with the cause, and is no failure of this command: it exits with 1, 3 or 5 only
    where it could not look.
    """
    if daemon and cached:
        raise click.UsageError("--daemon and --cached are two ways to know without a look; choose one.")
    if cached:
        from rotator.cli import cached as memory

        return memory.status(invocation, names, output=output)
    from rotator.app.operate import look_at
    from rotator.cli import findings

    if daemon:
        from rotator.cli.by_daemon import status as ask_for_status

        return ask_for_status(invocation, names, output=output)
    settings = invocation.settings()

    async def work(target: Target, world: World) -> Finding:
        return findings.of_look(await look_at(target, world, usage=bool(names)), world.clock.now())

    return _tell(_found(invocation, settings, names, work, output=output), "status", findings.STATUS, output=output)


@click.command()
@target_arguments
@config_option
@output_option
@click.pass_obj
def verify(invocation: Invocation, /, names: tuple[str, ...], output: str) -> int:
    """Try the secret in Vault at Okta's token endpoint, as its consumers do.

    Exits with 0 if it was accepted, 1 if it was refused or nothing could be shown, 5 if nobody answered.
    """
    from rotator.app.operate import verify as try_it
    from rotator.cli import findings

    settings = invocation.settings()

    async def work(target: Target, world: World) -> Finding:
        return findings.of_proof(await try_it(target, world))

    return _tell(_found(invocation, settings, names, work, output=output), "verify", findings.VERIFY, output=output)


def _found(
    invocation: Invocation,
    settings: Settings,
    names: Sequence[str],
    work: Callable[[Target, World], Awaitable[Finding]],
    *,
    output: str,
) -> tuple[Finding, ...]:
    """Look at each target, a few at a time; a failure is that target's finding."""
    from rotator.app.reconcile import each
    from rotator.cli import findings
    from rotator.cli.progress import log_failure

    def failed(target: Target, error: RotatorError) -> Finding:
        log_failure(target, error)
        return findings.of_error(target, error)

    async def look(worlds: Worlds) -> tuple[Finding, ...]:
        who = await chosen(settings, names, worlds)
        found = await each(who.targets, lambda target: work(target, worlds.of(target)), failed=failed)
        return (*found, *(findings.of_error(selection, error) for selection, error in who.lost))

    return run(invocation, settings, look, output=output)


def _tell(found: Sequence[Finding], command: str, headings: Sequence[str], *, output: str) -> int:
    from rotator.cli.output import print_json, print_lines, print_table
    from rotator.cli.report import VERSION
    from rotator.cli.results import exit_code

    code = exit_code(each.exit_code for each in found)
    if output == "json":
        print_json(
            {"version": VERSION, "command": command, "exit_code": code, "targets": [each.as_json for each in found]}
        )
    elif found:
        print_table(headings, [each.row(len(headings)) for each in found])
        print_lines([f"{each.target.name}: {note}" for each in found for note in (*each.notes, each.hint) if note])
    return code
