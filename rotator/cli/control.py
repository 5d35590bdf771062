"""`rotator pause` and `resume`: what holds a target back until somebody lets it go on.

* A running daemon is asked, so that whoever may use its control socket needs no credentials. Without one, or with
  `--direct`, the record is written from here, under the same lease; a daemon that runs is told to look.
* What is so already is said, and is no failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.by_daemon import block_of, failed, word_of
from rotator.cli.daemon_line import ask, ask_for_sure, tell_to_look
from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.output import print_json, print_lines
from rotator.cli.report import VERSION, names_of
from rotator.cli.results import exit_code
from rotator.cli.session import chosen, run, target_arguments, whoever_this_is
from rotator.daemon.talk import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.app.observe import World
    from rotator.app.orders import Pause
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds

    Work = Callable[[Target, World], Awaitable[Pause]]


def direct_option(command: Any) -> Any:
    """Add `--direct`."""
    return click.option(
        "--direct", is_flag=True, help="Write to Vault from here, with credentials of one's own, daemon or not."
    )(command)


@click.command()
@target_arguments
@click.option("--all", "everything", is_flag=True, help="Every target of the configuration.")
@click.option(
    "--reason", default="", metavar="TEXT", help="For whoever meets the pause; your name and the time are added."
)
@direct_option
@config_option
@output_option
@click.pass_obj
def pause(
    invocation: Invocation, /, names: tuple[str, ...], *, everything: bool, reason: str, direct: bool, output: str
) -> int:
    """Have targets left exactly as they are until they are resumed.

    A rotation that is under way stays where it is; what consumers read works on. The pause lies in Vault, in the
    target's staging record, and so holds for every run, daemon or not, on every machine.

    Exit codes: 0 paused, or paused already; 1 failed, 2 usage or configuration, 3 some of several failed, 4 busy, 5
    Okta or Vault unreachable or sealed.
    """
    from rotator.app.orders import checked_reason
    from rotator.app.orders import pause as pause_it

    reason = checked_reason(reason)
    if everything == bool(names):
        raise click.UsageError("Name the targets, or give --all.")
    request = Request("pause", names, everything=everything, reason=reason)
    told = _done(invocation, request, lambda target, world: pause_it(target, world, reason=reason), direct=direct)
    for each in told:
        if "error" not in each:
            each |= {"result": "paused" if each["now"] != each["before"] else "already paused", "message": each["now"]}
    return _tell(told, "pause", output=output)


@click.command()
@target_arguments
@click.option("--paused", "every_pause", is_flag=True, help="Every target that is paused.")
@click.option("--all", "everything", is_flag=True, help="What holds all targets back: the brake, and open breakers.")
@direct_option
@config_option
@output_option
@click.pass_obj
def resume(
    invocation: Invocation, /, names: tuple[str, ...], *, every_pause: bool, everything: bool, direct: bool, output: str
) -> int:
    """Let targets go on that were paused; with --all, what holds all of them back at once.

    What was due meanwhile is done at the daemon's or the next run's next look. --all leaves the pauses of single
    targets alone, and names them.

    Exit codes: 0 resumed, or not paused; 1 failed, 2 usage or configuration, 3 some of several failed, 4 busy, 5 Okta
    or Vault unreachable or sealed.
    """
    from rotator.app.orders import resume as resume_it

    if sum((bool(names), every_pause, everything)) != 1:
        raise click.UsageError("Name the targets, or give --paused, or --all.")
    if everything:
        return _release(invocation, output=output)
    told = _done(invocation, Request("resume", names, everything=every_pause), resume_it, direct=direct)
    for each in told:
        if "error" not in each:
            was = each["before"]
            result = "resumed" if was else "let in" if each.get("let_in") else "not paused"
            each |= {"result": result, "message": f"was paused: {was}" if was else ""}
    return _tell(told, "resume", output=output)


def _done(invocation: Invocation, request: Request, work: Work, *, direct: bool) -> list[dict[str, Any]]:
    """Return what came of each target, by the daemon or from here."""
    path = invocation.control_socket()
    if not direct and (answer := ask(path, request)) is not None:
        return answer.targets
    settings = invocation.settings()

    async def each_of_them(worlds: Worlds) -> tuple[dict[str, Any], ...]:
        from rotator.app.reconcile import each

        let_in = await _let_in(worlds, settings, request)
        targets = (await chosen(settings, request.targets, worlds)).targets

        async def one(target: Target) -> dict[str, Any]:
            done = await work(target, replace(worlds.of(target), actor=whoever_this_is()))
            changed = {"before": done.before, "now": done.now, "let_in": target.name in let_in}
            return {**names_of(target), **changed, "exit_code": 0}

        told = await each(targets, one, failed=failed)
        await _have_others_look(worlds, [each["target"] for each in told])
        return told

    told = list(run(invocation, settings, each_of_them, acts=True))
    if direct and told:
        tell_to_look(path, [each["target"] for each in told])
    return told


async def _let_in(worlds: Worlds, settings: Settings, request: Request) -> frozenset[str]:
    """Have newcomers that are named do what their policy says, as a resume means it."""
    selections = {selection.name for selection in settings.selections}
    names = [name for name in request.targets if name.partition("/")[0] in selections]
    if request.command != "resume" or not names:
        return frozenset()
    from rotator.app.inventory import let_in

    return frozenset(member.name for member in await let_in(worlds.roster, names))


async def _have_others_look(worlds: Worlds, names: Sequence[str]) -> None:
    """Have the members of a service look at these, where they share a state."""
    if worlds.state is None:
        return
    known = {each.name: each for each in await worlds.state.memory.recall()}
    now = worlds.clock.now()
    await worlds.state.memory.remember(
        [replace(known[name], entry=replace(known[name].entry, at=now, soon=True)) for name in names if name in known]
    )


def _tell(told: Sequence[dict[str, Any]], command: str, *, output: str) -> int:
    for each in told:
        each.setdefault("result", word_of(each) if "error" in each else "")
        each.setdefault("hint", "")
        each.setdefault("error", None)
    code = exit_code(each["exit_code"] for each in told)
    if output == "json":
        print_json({"version": VERSION, "command": command, "exit_code": code, "targets": list(told)})
        return code
    for each in told:
        print_lines(block_of(each))
    return code


def _release(invocation: Invocation, *, output: str) -> int:
    """Have the daemon lift what holds all targets back, and name those that are paused by themselves."""
    path = invocation.control_socket()
    if ask(path, Request("release")) is None:
        return _release_from_here(invocation, output=output)
    targets = ask_for_sure(path, Request("status")).targets
    paused = [each["target"] for each in targets if each["state"] == "paused"]
    if output == "json":
        print_json({"version": VERSION, "command": "resume", "exit_code": 0, "still_paused": paused})
        return 0
    print_lines(["everything goes on"])
    if paused:
        print_lines([f"still paused: {', '.join(paused)}; `rotator resume --paused` lifts these too"])
    return 0


def _release_from_here(invocation: Invocation, *, output: str) -> int:
    """Release the brake where all members find it: in the state database."""
    import asyncio
    from datetime import UTC, datetime

    from rotator.cli.session import open_state_for_a_command

    settings = invocation.settings()

    async def release() -> None:
        async with open_state_for_a_command(settings) as state:
            await state.brakes.release(whoever_this_is(), datetime.now(UTC))

    asyncio.run(release())
    if output == "json":
        print_json({"version": VERSION, "command": "resume", "exit_code": 0, "still_paused": None})
    else:
        print_lines(["everything goes on, from the next look"])
    return 0
