"""`rotator certify`: tries out on a real org, with apps made for it, the facts about Okta that documents leave open.

* It says what it will do and asks, before anything is sent; what it does goes to stderr.
* A signal ends it as well as an error does: what was made is removed first.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.output import print_json, print_lines, print_table
from rotator.printable import printable

if TYPE_CHECKING:
    from rotator.app.certify import Certification
    from rotator.app.certify_trial import Wish
    from rotator.core.certification.report import Report
    from rotator.core.model import VerifySettings
    from rotator.settings import Org, Settings

TERMINATED = 143
HEADINGS = ("VERDICT", "FACT", "SEEN")


@click.command()
@click.option("--org", metavar="ALIAS", help="Which org of the configuration. [default: the only one]")
@click.option("--app", metavar="ID", help="An app to try on instead of new ones: a secret is made there and removed.")
@click.option("--authorization-server", metavar="NAME", help="A custom one. [default: as a target has it, or default]")
@click.option("--scope", help="One that its client may have without a user. [default: as a target has it]")
@click.option(
    "--log-wait",
    type=click.IntRange(0, 600),
    default=120,
    show_default=True,
    help="Seconds to wait for the System Log.",
)
@click.option("--report", metavar="FILE", type=click.Path(path_type=Path), help="Write it for people, in Markdown.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@output_option
@click.pass_obj
def certify(
    invocation: Invocation,
    /,
    *,
    org: str | None,
    app: str | None,
    log_wait: int,
    report: Path | None,
    yes: bool,
    output: str,
    **proof: str | None,
) -> int:
    """Try out on an org what documents leave open about Okta, and keep what was found.

    Makes three service apps labelled `rotator-certify-…`, tries on them, and removes them; of a run that was killed the
    next one removes what it left. The report is kept, and from then on the program relies on it.

    Exits with 0 when all was tried, whatever was found; 1 if it ended early or something could not be removed.
    """
    import asyncio

    from rotator.core.certification.report import as_document
    from rotator.core.model import AppId
    from rotator.wiring_certify import keep, wish_for, write_report

    invocation.start_log()
    settings = invocation.settings()
    chosen = _chosen(settings, org)
    verify = _verification(settings, chosen)
    wish = wish_for(
        chosen,
        server=proof["authorization_server"] or verify.authorization_server or "default",
        scope=proof["scope"] or verify.scope,
        given=AppId(app) if app else None,
        log_within=timedelta(seconds=log_wait),
    )
    _ask(chosen, wish, yes=yes)
    try:
        found = asyncio.run(_certified(chosen, wish))
    except asyncio.CancelledError:
        return TERMINATED
    told = _report(chosen, wish, found)
    document = as_document(told)
    if any(each.seen for each in told.shown):
        keep(chosen, document)
    if report is not None:
        from rotator.cli.certify_report import as_markdown

        write_report(report, as_markdown(told))
    if output == "json":
        print_json(document)
    else:
        _print(told, chosen)
    return told.exit_code


def _chosen(settings: Settings, alias: str | None) -> Org:
    from rotator.errors import ConfigError
    from rotator.settings import nearest

    if alias is None and len(settings.orgs) == 1:
        return next(iter(settings.orgs.values()))
    if alias is None:
        raise click.UsageError("Name the org: --org.")
    if alias not in settings.orgs:
        raise ConfigError([f"there is no org {alias!r}; {nearest(alias, settings.orgs)}"])
    return settings.orgs[alias]


def _verification(settings: Settings, org: Org) -> VerifySettings:
    """Return how a target of that org is proven, if one is by a token."""
    from rotator.core.model import VerifySettings

    of_org = (target.verify for target in settings.targets if target.org == org.alias)
    return next((each for each in of_org if each.authorization_server is not None), VerifySettings())


def _ask(org: Org, wish: Wish, *, yes: bool) -> None:
    """Say what will be done, and go on only if that is wanted."""
    from rotator.core.certification.notes import WRONG_SECRETS

    if wish.given is None:
        what = [
            f"On {org.url} this makes three service apps labelled `rotator-certify-…`, makes, switches and deletes",
            "secrets of theirs, asks for tokens by them, and removes the apps again.",
        ]
    else:
        what = [
            f"On {org.url} this makes a secret on the app {wish.given}, switches it off and on, deletes it, and asks",
            "for tokens by it. The app must have room for it; its other secrets are left alone.",
        ]
    what += [
        f"Each client sends at most {WRONG_SECRETS} requests that count as a wrong secret: Okta raises an alarm at the",
        "fifth within a day. About forty calls in all; the System Log keeps what was done.",
    ]
    for line in what:
        click.echo(printable(line), err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: give --yes.")
    click.confirm("Do that?", abort=True, err=True)


async def _certified(org: Org, wish: Wish) -> Certification:
    import asyncio
    import signal

    from rotator.app.certify import certify as try_out
    from rotator.wiring_certify import open_laboratory

    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_laboratory(org, _tell) as means:
        return await try_out(wish, means)


def _tell(step: str) -> None:
    click.echo(f"certify: {printable(step)}", err=True)


def _report(org: Org, wish: Wish, found: Certification) -> Report:
    from datetime import UTC, datetime

    from rotator import __version__
    from rotator.core.certification.report import Report
    from rotator.core.certification.table import judge

    return Report(
        org=org.alias,
        host=org.host,
        at=datetime.now(UTC).replace(microsecond=0),
        program=__version__,
        by=f"app {wish.given}" if wish.given else "apps of its own",
        shown=judge(found.notes),
        left=found.left,
        why_not=found.why_not,
    )


def _print(told: Report, org: Org) -> None:
    from rotator.core.certification.facts import Verdict

    print_table(HEADINGS, [(each.verdict.value, each.fact.value, each.seen or each.detail) for each in told.shown])
    print_lines([f"{each.fact.value}: {each.detail}. {each.follows}" for each in told.shown if each.follows])
    counts = ", ".join(f"{told.count(verdict)} {verdict.value}" for verdict in Verdict)
    print_lines([f"{counts}; kept in {org.certified_file}"])
    if told.why_not:
        print_lines([f"It ended early: {told.why_not}"])
    print_lines([f"Left behind: {each}. The next run tries to remove it." for each in told.left])
