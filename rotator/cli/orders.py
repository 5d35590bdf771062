"""`rotator approve`, `retire`, `reclaim` and `rollback`: what an operator orders for single targets.

* A running daemon is asked, as for a pause; without one, or with `--direct`, the order is written from here and the
  pass that carries it out is made here.
* Before anything is ordered it is said how the target stands, and asked; `--yes` agrees beforehand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.asking import agree
from rotator.cli.by_daemon import block_of, failed, word_of
from rotator.cli.control import direct_option
from rotator.cli.daemon_line import ask, tell_to_look
from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.output import print_json, print_lines
from rotator.cli.report import VERSION, as_json, as_lines, names_of
from rotator.cli.results import Result, exit_code
from rotator.cli.session import chosen, run, target_arguments, whoever_this_is
from rotator.daemon.talk import Request
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rotator.app.observe import World
    from rotator.app.orders import Ordered
    from rotator.app.rollback import RolledBack
    from rotator.cli.report import Report
    from rotator.core.model import Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds

    Give = Callable[[Target, World], Awaitable[Ordered | RolledBack]]

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@target_arguments
@yes_option
@direct_option
@config_option
@output_option
@click.pass_obj
def approve(invocation: Invocation, /, names: tuple[str, ...], *, yes: bool, direct: bool, output: str) -> int:
    """Approve rotations that wait for it (policy mode `approve`); says what is planned, and asks.

    The approval is for the secret that consumers read now, and lapses when they read another. It begins at once, or
    when the policy's window opens, and is carried through to the end without asking again.
    """
    from rotator.app.orders import approve as approve_it

    if not names:
        raise click.UsageError("Name the targets.")
    question = f"Have a new secret made for {', '.join(names)}?"
    return _order(
        invocation,
        Request("approve", names),
        approve_it,
        question="" if yes else question,
        direct=direct,
        output=output,
    )


@click.command()
@click.argument("name", metavar="TARGET")
@click.option("--secret", "secret_id", metavar="ID", help="Which one, `ocs…`. [default: the one that is active]")
@yes_option
@direct_option
@config_option
@output_option
@click.pass_obj
def retire(invocation: Invocation, /, name: str, *, secret_id: str | None, yes: bool, direct: bool, output: str) -> int:
    """Switch the old secret off now, whatever is left of its overlap and whoever still uses it.

    It is deleted after the soak. Whoever fails with it meanwhile, as far as the System Log tells, gets it back once.
    """
    from rotator.app.orders import retire as retire_it

    async def give(target: Target, world: World) -> Ordered:
        return await retire_it(target, world, secret_id=secret_id)

    question = f"Switch the old secret of {name} off? Whoever still uses it is refused."
    request = Request("retire", (name,), secret=secret_id or "")
    return _order(invocation, request, give, question="" if yes else question, direct=direct, output=output)


@click.command()
@click.argument("name", metavar="TARGET")
@click.argument("secret_id", metavar="SECRET_ID")
@yes_option
@direct_option
@config_option
@output_option
@click.pass_obj
def reclaim(invocation: Invocation, /, name: str, secret_id: str, *, yes: bool, direct: bool, output: str) -> int:
    """Have a secret removed that nobody told the program about, so that its slot is free.

    It is switched off now if it is active, and deleted after the soak; whoever fails with it meanwhile, as far as the
    System Log tells, gets it back once.
    """
    from rotator.app.orders import reclaim as reclaim_it

    async def give(target: Target, world: World) -> Ordered:
        return await reclaim_it(target, world, secret_id)

    question = f"Have {secret_id} of {name} removed? Whoever uses it is refused."
    request = Request("reclaim", (name,), secret=secret_id)
    return _order(invocation, request, give, question="" if yes else question, direct=direct, output=output)


@click.command()
@click.argument("name", metavar="TARGET")
@yes_option
@direct_option
@config_option
@output_option
@click.pass_obj
def rollback(invocation: Invocation, /, name: str, *, yes: bool, direct: bool, output: str) -> int:
    """Make the secret current again that consumers read before, while it exists, and pause the target.

    It is switched on if we switched it off, proven, written to Vault and proven again. Without the pause the next pass
    would go on to a new one: `rotator resume TARGET` when that is wanted.
    """
    from rotator.app.rollback import rollback as go_back

    question = f"Have consumers of {name} read the former secret again?"
    request = Request("rollback", (name,))
    told = _given(invocation, request, go_back, question="" if yes else question, direct=direct)
    for each in told:
        if not each.get("error"):
            was = each["instead_of"]
            instead = f" instead of {was}" if was else ""
            each |= {"result": "rolled back" if each["changed"] else "already rolled back"}
            each["message"] = f"version {each['vault_version']} holds {each['secret_id']}{instead}"
            each["hint"] = f"The target is paused; `rotator resume {each['target']}` lets it go on."
    return _tell(told, "rollback", output=output)


def _order(invocation: Invocation, request: Request, give: Give, *, question: str, direct: bool, output: str) -> int:
    """Give an order and tell what the pass after it did."""
    told = _given(invocation, request, give, question=question, direct=direct)
    for each in told:
        if "result" not in each:
            each["result"] = word_of(each) if each.get("error") else "ordered"
        if each.get("ordered"):
            each["lines"] = [f"{each['target']}: {each['ordered']}", *each.get("lines", [])]
    return _tell(told, request.command, output=output)


def _given(
    invocation: Invocation, request: Request, give: Give, *, question: str, direct: bool
) -> list[dict[str, Any]]:
    path = invocation.control_socket()
    if not direct and (status := ask(path, Request("status", request.targets))) is not None:
        if question:
            _show([_standing(each) for each in status.targets])
            agree(question, what="nothing was ordered")
        if (answer := ask(path, request)) is not None:
            return answer.targets
    settings = invocation.settings()
    if question:
        reports = _look(invocation, settings, request.targets, dry_run=True)
        _show([line for each in reports for line in as_lines(each)])
        agree(question, what="nothing was ordered")
    told = _from_here(invocation, settings, request.targets, give)
    done = [each["target"] for each in told if not each.get("error")]
    if request.command != "rollback" and done:
        looked = {each.target.name: each for each in _look(invocation, settings, done, dry_run=False)}
        told = [each | after(looked[each["target"]]) if each["target"] in looked else each for each in told]
    if direct and done:
        tell_to_look(path, done)
    return told


def _look(invocation: Invocation, settings: Settings, names: Sequence[str], *, dry_run: bool) -> list[Report]:
    from rotator.app.reconcile import ONE_PASS
    from rotator.cli.passes import carry_on

    return carry_on(invocation, settings, names, output="json", patience=ONE_PASS, dry_run=dry_run).reports


def after(report: Report) -> dict[str, Any]:
    """Tell what the pass after an order did; whoever is at work on the target already carries the order out."""
    if report.result is Result.BUSY:
        given = {"result": "ordered", "exit_code": 0, "error": None, "hint": ""}
        return {**as_json(report), **given, "message": "another process is at work on it, and carries it out"}
    return {**as_json(report), "lines": as_lines(report)}


def _show(lines: Sequence[str]) -> None:
    """Say how it stands; stdout is for what came of the command."""
    for line in lines:
        click.echo(printable(line), err=True)


def _standing(told: dict[str, Any]) -> str:
    following = (told.get("next") or {}).get("waiting", "")
    return ": ".join(text for text in (told["target"], told["state"], following, told["detail"]) if text)


def _from_here(invocation: Invocation, settings: Settings, names: Sequence[str], give: Give) -> list[dict[str, Any]]:
    """Write the order to Vault with credentials of one's own."""

    async def each_of_them(worlds: Worlds) -> tuple[dict[str, Any], ...]:
        from rotator.app.reconcile import each

        targets = (await chosen(settings, names, worlds)).targets

        async def one(target: Target) -> dict[str, Any]:
            done = await give(target, replace(worlds.of(target), actor=whoever_this_is()))
            return {**names_of(target), **_told_of(done), "exit_code": 0}

        return await each(targets, one, failed=failed)

    return list(run(invocation, settings, each_of_them, acts=True))


def _told_of(done: Ordered | RolledBack) -> dict[str, Any]:
    from rotator.app.orders import Ordered
    from rotator.daemon.standing import told_of_rollback

    return {"ordered": done.detail} if isinstance(done, Ordered) else told_of_rollback(done)


def _tell(told: Sequence[dict[str, Any]], command: str, *, output: str) -> int:
    for each in told:
        if "result" not in each:
            each["result"] = word_of(each) if each.get("error") else ""
        each.setdefault("message", "")
        each.setdefault("hint", "")
        each.setdefault("error", None)
    code = exit_code(each["exit_code"] for each in told)
    if output == "json":
        shown = [{key: value for key, value in each.items() if key != "lines"} for each in told]
        print_json({"version": VERSION, "command": command, "exit_code": code, "targets": shown})
        return code
    for each in told:
        print_lines(each.get("lines") or block_of(each))
    return code
