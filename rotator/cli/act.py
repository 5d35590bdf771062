"""`rotator rotate`, `reconcile` and `adopt`: the commands that change something."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.asking import agree, agreed, asked
from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.passes import carry_on, tell
from rotator.cli.session import target_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rotator.core.model import OrderMode, Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds


BRAKED = 4  # as for a target that is paused


def fileless_options(command: Any) -> Any:
    """Add the options that take the place of a configuration."""
    options: list[Callable[[Any], Any]] = [
        click.option("--app", metavar="APP_ID", help="Without a configuration: the app's id, `0oa…`."),
        click.option("--to", metavar="MOUNT/PATH", help="Without a configuration: where its consumers read."),
        click.option("--scope", help="With --app: the scope of the test token request."),
        click.option("--authorization-server", metavar="ID", help="With --app: the custom authorization server."),
        click.option("--client-id-field", default="client_id", show_default=True, help="With --app: the field's name."),
        click.option("--client-secret-field", default="client_secret", show_default=True, help="Likewise."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@target_arguments
@click.option("--all", "everything", is_flag=True, help="Every target of the configuration.")
@click.option("--force", is_flag=True, help="Make a new secret even if the present one is not due.")
@click.option(
    "--now", is_flag=True, help="With --force: cut the overlap of an older secret short if its slot is needed."
)
@click.option(
    "--compromised", is_flag=True, help="The present secret has leaked: a new one at once, the old one gets no overlap."
)
@click.option("--yes", is_flag=True, help="Do not ask before consumers may be cut off.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--wait",
    type=click.IntRange(0, 3600),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait, for each target, for what ends by itself.",
)
@click.option("--daemon", is_flag=True, help="Ask the running daemon; needs no credentials, only its control socket.")
@fileless_options
@config_option
@output_option
@click.pass_obj
def rotate(
    invocation: Invocation,
    /,
    names: tuple[str, ...],
    *,
    everything: bool,
    dry_run: bool,
    wait: int,
    daemon: bool,
    output: str,
    **more: Any,
) -> int:
    """Rotate targets now if they are due, to promoted and verified.

    TARGET is a target's name or its app's id. What is under way is carried on; what is not due is left alone, unless
    --force. The old secret stays active for the policy's overlap: what comes later is done by `rotator reconcile`, or
    by the next `rotator rotate`. Whoever else works on a target is waited for, as long as --wait says.

    --force waits for no window. While an older secret is in its overlap there is no slot for another one: it is refused
    with the date, unless --now. --compromised cuts both overlaps short: it says what that breaks, and asks.

    Exit codes: 0 done or nothing due, 1 failed, 2 usage or configuration, 3 some of several failed, 4 busy or paused,
    5 Okta or Vault unreachable or sealed. A due target whose policy observes is a failure here: nothing was done.
    """
    from rotator.app.reconcile import Patience

    yes, pressing = more.pop("yes"), {name: more.pop(name) for name in ("force", "now", "compromised")}
    order, fileless = _order_of(**pressing), more
    if order is not None and not dry_run and not yes:
        _ask_before(order, names)
    if daemon:
        if dry_run or fileless["app"] or fileless["to"]:
            raise click.UsageError("--daemon goes with targets of its configuration, and it has no --dry-run.")
        from rotator.cli.by_daemon import rotate as ask_to_rotate

        return ask_to_rotate(invocation, names, everything=everything, order=order, wait=wait, output=output)
    settings = _meant(invocation, names, everything=everything, fileless=fileless)
    patience = Patience(timedelta(seconds=wait))
    passed = carry_on(
        invocation,
        settings,
        names,
        output=output,
        check=_refuse_observers if order and not dry_run else None,
        patience=patience,
        told=True,
        order=order,
        dry_run=dry_run,
    )
    if not fileless["app"] and (changed := [each.target.name for each in passed.reports if each.steps]):
        from rotator.cli.daemon_line import tell_to_look

        tell_to_look(invocation.control_socket(), changed)
    return tell(passed.reports, output=output, command="rotate", blocks=True)


@click.command()
@target_arguments
@config_option
@output_option
@click.pass_obj
def reconcile(invocation: Invocation, /, names: tuple[str, ...], output: str) -> int:
    """Carry every target on, or those that are named, once: for cron.

    Rotates what is due, switches off and deletes old secrets whose time is over, goes on with what an earlier run left.

    Exit codes: 0 done or nothing due, 1 failed, 2 usage or configuration, 3 some of several failed, 4 busy or paused,
    5 Okta or Vault unreachable or sealed.
    """
    from rotator.app.reconcile import ONE_PASS

    settings = invocation.settings()
    passed = carry_on(invocation, settings, names, output=output, patience=ONE_PASS)
    code = tell(passed.reports, output=output, command="reconcile")
    if passed.brake is not None:
        click.echo(f"rotator: everything is only looked at: {passed.brake.why}\n{passed.brake.hint}", err=True)
    return code or (BRAKED if passed.brake else 0)


def _order_of(*, force: bool, now: bool, compromised: bool) -> OrderMode | None:
    """Return how pressing the rotation is."""
    from rotator.core.model import OrderMode

    if now and not force:
        raise click.UsageError("--now goes with --force.")
    if compromised and force:
        raise click.UsageError("--compromised goes without --force: it does not wait either.")
    if compromised:
        return OrderMode.COMPROMISED
    return OrderMode.CUT if now else OrderMode.NOW if force else None


def _ask_before(order: OrderMode, names: Sequence[str]) -> None:
    """Say what an order breaks, and ask."""
    from rotator.core.model import OrderMode

    if order is OrderMode.NOW:
        return
    whom = ", ".join(names) or "all targets"
    breaks = f"An older secret of {whom} in its overlap is switched off: whoever still uses it is refused."
    if order is OrderMode.COMPROMISED:
        breaks = (
            f"The secret that consumers of {whom} read now is switched off as soon as a new one is in Vault: who has"
            " not read that by then is refused. So is an older one, if its slot is needed."
        )
    agree(f"{breaks} Go on?", what="nothing was rotated")


def _meant(
    invocation: Invocation, names: Sequence[str], *, everything: bool, fileless: dict[str, str | None]
) -> Settings:
    """Return the settings that the arguments mean."""
    from rotator import settings as configuration

    app, to = fileless["app"], fileless["to"]
    if bool(app) != bool(to):
        raise click.UsageError("--app and --to go together: the app, and the path that its consumers read.")
    if sum((bool(app), bool(names), everything)) != 1:
        raise click.UsageError("Name the targets, or give --all, or --app with --to.")
    if app is None or to is None:
        if fileless["scope"] or fileless["authorization_server"]:
            raise click.UsageError("--scope and --authorization-server go with --app; else they stand under `verify`.")
        return invocation.settings()
    fields = (str(fileless["client_id_field"]), str(fileless["client_secret_field"]))
    return configuration.fileless(
        app, to, authorization_server=fileless["authorization_server"], scope=fileless["scope"], fields=fields
    )


def _refuse_observers(targets: Sequence[Target]) -> None:
    from rotator.core.model import Mode
    from rotator.errors import ConfigError

    observers = [target for target in targets if target.policy.mode is Mode.OBSERVE]
    if observers:
        raise ConfigError(
            [
                f"--force cannot rotate {target.name}: {_why_observed(target)}, or ask with --dry-run"
                for target in observers
            ]
        )


def _why_observed(target: Target) -> str:
    if target.only_observed:
        return f"it is only observed, since {target.only_observed}"
    return f"its policy `{target.policy.name}` observes and lets nothing be done; set `mode: manual` or `auto`"


@click.command()
@click.argument("name", metavar="TARGET")
@click.option("--secret", "secret_id", metavar="ID", help="Which one, `ocs…`. [default: the only active one]")
@click.option("--yes", is_flag=True, help="Do not ask before a value is overwritten, or one is written unproven.")
@config_option
@output_option
@click.pass_obj
def adopt(invocation: Invocation, /, name: str, *, secret_id: str | None, yes: bool, output: str) -> int:
    """Have a secret that Okta holds written where consumers read.

    For what is left to a person: a path that was deleted or made anew, two active secrets, a value in Vault that nobody
    knows. The secret is tried at the token endpoint first; other fields of the record are kept. Where nothing needs
    adopting, or a rotation is under way, it refuses.
    """
    from rotator.app.operate import Adopted
    from rotator.app.operate import adopt as adopt_it
    from rotator.cli import findings
    from rotator.cli.output import print_json, print_lines
    from rotator.cli.session import chosen_one, run

    settings = invocation.settings()

    async def work(worlds: Worlds) -> Adopted:
        target = await chosen_one(settings, name, worlds)
        confirm = agreed if yes else asked
        return await adopt_it(target, worlds.of(target), secret_id=secret_id, confirm=confirm)

    adopted = run(invocation, settings, work, output=output, acts=True)
    if output == "json":
        print_json(findings.adopted_as_json(adopted))
    else:
        print_lines(findings.adopted_as_lines(adopted))
    return 0
