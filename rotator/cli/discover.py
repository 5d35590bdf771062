"""`rotator discover`: the inventory of the orgs: every app with client secrets, its risk, and who keeps it fresh.

* It reads, and changes nothing. The lists of apps are cheap; before the costly calls it says what they take, and asks.
* Nothing is open while a person thinks: there is one run to list, and one to ask.
* What was found is kept at once: after Ctrl-C or a crash the same command goes on. An answer from before says how old
  it is.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.options import Invocation, config_option
from rotator.cli.output import print_json, print_table, write_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rotator.app.discover import Asked, Survey
    from rotator.cli.inventories import Inventory, OrgLine
    from rotator.core.budget import Window
    from rotator.core.inventory import Entry
    from rotator.core.inventory_risk import Risk
    from rotator.settings import Org, Settings
    from rotator.wiring import Worlds

STDOUT = Path("-")
Key = tuple[str, str]  # of an entry: its org and its app
Plan = dict[str, "tuple[Entry, ...]"]  # what is to be asked, by org


@dataclass(frozen=True, slots=True)
class Choice:
    """What the options said."""

    orgs: tuple[str, ...]
    label: str | None
    unmanaged: bool
    limit: int | None
    fresh: bool
    yes: bool
    emit: Path | None
    to: str | None
    vault: str | None
    output: str


@click.command()
@click.option("--org", "orgs", metavar="ALIAS", multiple=True, help="Only this org; may be given more than once.")
@click.option("--label", metavar="GLOB", help='Only apps whose label fits, as of a shell: "svc-*".')
@click.option("--unmanaged", is_flag=True, help="Only apps that no target and no selection has.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Ask about so many apps at most; 0 asks nothing.")
@click.option("--fresh", is_flag=True, help="Ask anew about what is known from before.")
@click.option("--yes", is_flag=True, help="Ask Okta without asking me; scripts need it.")
@click.option("--emit", type=click.Path(path_type=Path), metavar="FILE", help="Write targets for what is unmanaged.")
@click.option("--to", metavar="MOUNT/PATH", help="With --emit: where secrets are written, with {app_id} in it.")
@click.option("--vault", metavar="ALIAS", help="With --emit: which Vault, where there are several.")
@config_option
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    envvar="ROTATOR_OUTPUT",
    help="For people, for programs, for spreadsheets.",
)
@click.pass_obj
def discover(invocation: Invocation, /, **options: Any) -> int:
    """List every app that has client secrets, with age, use and who keeps it fresh, the riskiest first.

    Lists the apps of each org, says what asking for their secrets will cost, and asks before it does. What it finds is
    kept: it may be interrupted, and does not ask twice. Changes nothing; no secret value is kept or shown.

    --emit writes targets for apps that are active, have an active secret, and are in nobody's keep; it never
    overwrites a file, and - is stdout.
    """
    choice = Choice(**options)
    settings = invocation.settings()
    orgs = _orgs(settings, choice.orgs)
    _check_emission(settings, choice)
    surveys = _surveyed(invocation, settings, orgs, choice)
    plan = {each.org: _to_ask(each.entries, choice) for each in surveys}
    costly = sum(len(entries) for entries in plan.values())
    _tell_cost(settings, surveys, plan)
    asked: dict[str, Asked] = {}
    if costly and _agreed(costly, choice):
        asked = _asked(invocation, settings, plan, {each.org: each.window for each in surveys})
    return _tell(settings, choice, surveys, asked)


def _orgs(settings: Settings, names: Sequence[str]) -> tuple[Org, ...]:
    """Return the orgs that are meant, each once, whatever aliases lead to it."""
    from rotator.errors import ConfigError
    from rotator.settings import nearest

    if unknown := [name for name in names if name not in settings.orgs]:
        raise ConfigError([f"--org: is no name under `okta`; {nearest(unknown[0], settings.orgs)}"])
    meant = [settings.orgs[name] for name in names] or list(settings.orgs.values())
    return tuple({org.url: org for org in reversed(meant)}.values())[::-1]


def _check_emission(settings: Settings, choice: Choice) -> None:
    if choice.emit is None:
        if choice.to or choice.vault:
            raise click.UsageError("--to and --vault say where --emit lets secrets be written: give them with it.")
        return
    if not choice.to:
        raise click.UsageError("--emit needs --to MOUNT/PATH with {app_id}: where the secrets are to be written.")
    if len(settings.vaults) > 1 and not choice.vault:
        raise click.UsageError(f"There are several Vaults; name one with --vault: {', '.join(settings.vaults)}.")
    if choice.vault and choice.vault not in settings.vaults:
        raise click.UsageError(f"--vault: choose one of {', '.join(settings.vaults)}.")
    from rotator.settings.entries import place_of

    place_of(choice.to)
    if choice.emit != STDOUT and choice.emit.exists():
        raise click.UsageError(f"--emit: {choice.emit} exists already; name another file, or remove it first.")


# --- Asking -----------------------------------------------------------------------------------------------


def _surveyed(invocation: Invocation, settings: Settings, orgs: Sequence[Org], choice: Choice) -> tuple[Survey, ...]:
    """Return the apps of each org that are meant, and what is known of them."""
    import asyncio

    from rotator.app.discover import survey
    from rotator.cli.session import run
    from rotator.core.inventory import Filter

    meant = Filter(choice.label, choice.unmanaged)

    async def work(worlds: Worlds) -> tuple[Survey, ...]:
        members = await worlds.roster.members()
        found = await asyncio.gather(*(survey(org.alias, worlds.registry, settings, members=members) for org in orgs))
        return tuple(replace(each, entries=tuple(filter(meant.means, each.entries))) for each in found)

    return run(invocation, settings, work, output="json")  # "json": nothing of its own moves on the screen


def _to_ask(entries: Sequence[Entry], choice: Choice) -> tuple[Entry, ...]:
    from rotator.core.inventory import in_order_of_asking

    wanted = in_order_of_asking(entry for entry in entries if choice.fresh or entry.holding is None)
    return wanted[: choice.limit]


def _tell_cost(settings: Settings, surveys: Sequence[Survey], plan: Plan) -> None:
    from rotator.cli.discover_bar import cost_in_words
    from rotator.core.inventory import cost_of

    now = datetime.now(UTC)
    for each in surveys:
        if each.error is None:
            share = settings.orgs[each.org].rate_share.routine
            cost = cost_of(len(plan[each.org]), each.window, share=share, now=now)
            click.echo(cost_in_words(each.org, each.entries, cost, now), err=True)


def _agreed(calls: int, choice: Choice) -> bool:
    """Say whether Okta may be asked; who cannot be asked must have said so."""
    if choice.yes:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            f"There is no terminal to ask at whether {calls} calls may be made: give --yes, or --limit 0 for what is "
            "known already."
        )
    return click.confirm("Ask Okta now?", err=True)


def _asked(
    invocation: Invocation, settings: Settings, plan: Plan, windows: Mapping[str, Window | None]
) -> dict[str, Asked]:
    """Ask for the secrets, org by org; `windows` is what the listing learnt of the limits."""
    from rotator.app.discover import ask
    from rotator.cli.discover_bar import bar
    from rotator.cli.session import run

    async def of_org(worlds: Worlds, org: str) -> Asked:
        registry, share = worlds.registry(org), settings.orgs[org].rate_share.routine

        def window() -> Window | None:
            return registry.window() or windows[org]

        with bar(org, len(plan[org]), window=window, share=share, now=worlds.clock.now) as told:
            return await ask(registry, plan[org], told)

    async def work(worlds: Worlds) -> dict[str, Asked]:
        return {org: await of_org(worlds, org) for org, entries in plan.items() if entries}

    try:
        return run(invocation, settings, work, output="json")
    except KeyboardInterrupt:
        click.echo("rotator: what was found is kept; the same command without --fresh goes on from there", err=True)
        raise


# --- Telling ----------------------------------------------------------------------------------------------


def _tell(settings: Settings, choice: Choice, surveys: Sequence[Survey], asked: dict[str, Asked]) -> int:
    from rotator.cli import inventories
    from rotator.cli.results import exit_code
    from rotator.core.model import Policy

    now, new = datetime.now(UTC), {_key(each): each for one in asked.values() for each in one.entries}
    entries = [new.get(_key(each), each) for one in surveys for each in one.entries]
    told = [each for each in entries if each.holding or each.failed]
    inventory = inventories.inventory_of(told, settings.policies.get("default", Policy()), now)
    lines = [_line(each, asked.get(each.org), entries) for each in surveys]
    code = exit_code(_code(each, asked.get(each.org)) for each in surveys)
    _tell_problems(lines)
    if choice.emit is not None:
        _emit(settings, choice, inventory)
    if choice.emit != STDOUT:
        _print(inventory, lines, code=code, output=choice.output)
    return code


def _key(entry: Entry) -> Key:
    return (entry.org, entry.app.id)


def _line(survey: Survey, asked: Asked | None, entries: Iterable[Entry]) -> OrgLine:
    from rotator.cli.inventories import OrgLine

    own = [each for each in entries if each.org == survey.org]
    error = survey.error or (asked.error if asked else None)
    return OrgLine(
        survey.org,
        with_secrets=len(own),
        others=survey.others,
        listed=sum(each.holding is not None and not each.cached for each in own),
        not_asked=sum(each.holding is None and not each.failed for each in own),
        problem=str(error or ""),
        log_problem=str((asked.log_error if asked else None) or ""),
    )


def _code(survey: Survey, asked: Asked | None) -> int:
    if error := survey.error or (asked.error if asked else None):
        return error.exit_code
    return 3 if asked and any(each.failed for each in asked.entries) else 0


def _tell_problems(lines: Sequence[OrgLine]) -> None:
    from rotator.printable import printable

    for line in lines:
        if line.problem:
            click.echo(f"rotator: {line.org}: {printable(line.problem)}", err=True)
        if line.log_problem:
            click.echo(f"rotator: {line.org}: last use is not known of all: {printable(line.log_problem)}", err=True)
        if line.not_asked:
            click.echo(f"rotator: {line.org}: {line.not_asked} apps were not asked, and are not shown", err=True)


def _print(inventory: Inventory, lines: Sequence[OrgLine], *, code: int, output: str) -> None:
    from rotator.cli import inventories

    if output == "json":
        print_json(inventories.as_json(inventory, lines, code=code))
    elif output == "csv":
        print(inventories.as_csv(inventory), end="")
    elif len(inventory):
        print_table(inventories.HEADINGS, inventories.rows(inventory))


def _emit(settings: Settings, choice: Choice, inventory: Inventory) -> None:
    """Write targets for what nobody keeps."""
    from rotator.settings.entries import place_of, target_entries

    assert choice.emit is not None
    place = place_of(choice.to or "", vault=choice.vault if len(settings.vaults) > 1 else None)
    several = len(settings.orgs) > 1
    chosen = [
        (entry.app, _note(risk), replace(place, org=entry.org if several else None))
        for entry, risk in inventory
        if entry.keeper is None and entry.app.status == "ACTIVE" and entry.holding and _has_active(entry)
    ]
    taken = {target.name for target in settings.targets} | {selection.name for selection in settings.selections}
    head = (
        "Targets for apps that nothing rotates yet, by `rotator discover`.\n"
        "Their policy is `default`, which only observes unless the configuration says otherwise."
    )
    entries = target_entries(chosen, head=head, taken=taken)
    for app in entries.left_out:
        click.echo(f"rotator: warning: {app.id} is left out: no path can be built from its ids", err=True)
    if choice.emit == STDOUT:
        print(entries.text, end="")
    else:
        write_new(choice.emit, entries.text)
    click.echo(f"{entries.count} targets written; merge them into the configuration, then `rotator plan`", err=True)


def _note(risk: Risk) -> str:
    return f"{risk.level} risk: {', '.join(each.hazard.value for each in risk.findings)}"


def _has_active(entry: Entry) -> bool:
    return entry.holding is not None and any(secret.active for secret in entry.holding.secrets)
