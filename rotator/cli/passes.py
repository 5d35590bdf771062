"""A pass over targets as commands make it: carried on, logged, told, and summed up in one exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.report import HEADINGS, VERSION, Report, as_json, as_lines, as_row, report
from rotator.cli.results import exit_code
from rotator.cli.session import chosen, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rotator.cli.options import Invocation
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds


def carry_on(
    invocation: Invocation,
    settings: Settings,
    names: Sequence[str],
    *,
    output: str,
    check: Callable[[Sequence[Target]], None] | None = None,
    **how: Any,
) -> list[Report]:
    """Carry the targets of these names on, `how` as for `reconcile`, and return what came of each.

    `check` is told the targets before anything is done, and may refuse them.
    """
    from rotator.app.reconcile import reconcile
    from rotator.app.rotate import Outcome
    from rotator.cli.progress import log_endings

    told_as = {name: how.get(name, False) for name in ("told", "force", "dry_run")}

    async def work(worlds: Worlds) -> list[Report]:
        found = await chosen(settings, names, worlds)
        if check is not None:
            check(found.targets)
        outcomes = [*await reconcile(found.targets, worlds.of, **how)]
        log_endings(outcomes)
        outcomes += [Outcome(selection, (), error, None) for selection, error in found.lost]
        return [report(outcome, worlds.clock.now(), **told_as) for outcome in outcomes]

    return run(invocation, settings, work, output=output)


def tell(reports: Sequence[Report], *, output: str, command: str, blocks: bool = False) -> int:
    """Print what came of the targets, as a table or a block for each, and return the exit code for all of them."""
    code = exit_code(each.exit_code for each in reports)
    if output == "json":
        targets = [as_json(each) for each in reports]
        print_json({"version": VERSION, "command": command, "exit_code": code, "targets": targets})
    elif blocks:
        for each in reports:
            print_lines(as_lines(each))
    elif reports:
        print_table(HEADINGS, [as_row(each) for each in reports])
        print_lines([f"{each.target.name}: {each.hint}" for each in reports if each.hint])
    return code
