"""A pass over targets as commands make it: carried on, logged, told, and summed up in one exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.report import HEADINGS, VERSION, Report, as_json, as_lines, as_row, report
from rotator.cli.results import exit_code
from rotator.cli.session import chosen, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rotator.app.observe import World
    from rotator.app.rotate import Outcome
    from rotator.cli.options import Invocation
    from rotator.core.admission import Brake
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of the targets; and the brake, if everything was only looked at because of it."""

    reports: list[Report]
    brake: Brake | None = None


def carry_on(
    invocation: Invocation,
    settings: Settings,
    names: Sequence[str],
    *,
    output: str,
    check: Callable[[Sequence[Target]], None] | None = None,
    **how: Any,
) -> Passed:
    """Carry the targets of these names on, `how` as for `reconcile`, and return what came of each.

    `check` is told the targets before anything is done, and may refuse them. Who is told to does not ask the brake.
    """
    from rotator.app.reconcile import reconcile
    from rotator.app.rotate import Outcome
    from rotator.cli.progress import log_endings

    told_as = {name: how.get(name, False) for name in ("told", "dry_run")} | {"force": bool(how.get("order"))}
    acts = not how.get("dry_run", False)

    async def work(worlds: Worlds) -> Passed:
        found = await chosen(settings, names, worlds)
        if check is not None:
            check(found.targets)
        brake = await _brake_of(worlds) if acts and not how.get("told") else None
        world_of = _counting(worlds, settings, fleet=len(found.targets))
        outcomes = [*await reconcile(found.targets, world_of, **(how | {"dry_run": True} if brake else how))]
        if (
            brake is not None
            and (brake := await _surveyed(worlds, brake, settings, outcomes, all_of_them=not names)) is None
        ):
            outcomes = [*await reconcile(found.targets, world_of, **how)]
        log_endings(outcomes)
        outcomes += [Outcome(selection, (), error, None) for selection, error in found.lost]
        return Passed([report(outcome, worlds.clock.now(), **told_as) for outcome in outcomes], brake)

    return run(invocation, settings, work, output=output, acts=acts)


def _counting(worlds: Worlds, settings: Settings, *, fleet: int) -> Callable[[Target], World]:
    """Return the ports of a target; without a state the run counts for itself what it begins."""
    if worlds.state is not None:
        return worlds.of
    from functools import partial

    from rotator.adapters.no_state import RunGate
    from rotator.core.admission import may_begin_within

    gate = RunGate(partial(may_begin_within, settings.limits), worlds.clock, fleet=fleet)
    return lambda target: replace(worlds.of(target), gate=gate)


async def _brake_of(worlds: Worlds) -> Brake | None:
    return await worlds.state.brakes.brake() if worlds.state else None


async def _surveyed(
    worlds: Worlds, brake: Brake, settings: Settings, outcomes: Sequence[Outcome], *, all_of_them: bool
) -> Brake | None:
    """Release the brake of a new state if all targets were looked at and nothing speaks against it."""
    from rotator.core.survey import NEW_STATE, objection, unfinished
    from rotator.daemon.tidings import last_look

    assert worlds.state
    now = worlds.clock.now()
    looks = {outcome.target.name: last_look(outcome, now) for outcome in outcomes}
    if brake.why != NEW_STATE or not all_of_them or unfinished(looks, looks):
        return brake
    await worlds.state.brakes.end_survey(objection(looks, looks, settings.limits, now), now)
    return await worlds.state.brakes.brake()


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
