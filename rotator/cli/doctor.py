"""`rotator doctor`: why Okta refuses a client, and what mends it.

* A secret is read from a file, byte for byte: a newline at its end is what the application sends as well.
* Nothing that is secret is printed; of a captured error nothing is repeated at all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.session import chosen_one, run, target_arguments

if TYPE_CHECKING:
    from rotator.core.diagnosis.evidence import Complaint, Evidence
    from rotator.core.model import Target
    from rotator.core.secret_value import SecretValue
    from rotator.settings import Settings
    from rotator.wiring import Worlds

LONGEST = 1024 * 1024  # of a captured log, or of a file with a secret
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "none")
GRANTS = ("client_credentials", "authorization_code", "refresh_token")
NEEDED = ("client_id", "issuer", "secret_file")  # where no target is named
OPTIONS = ("client_id", "issuer", "secret_file", "auth_method", "grant_type", "scope", "authorize")


@click.command()
@target_arguments
@click.option("--client-id", metavar="ID", help="The client id that the application shows.")
@click.option("--issuer", metavar="URL", help="The authorization server that it asks.")
@click.option("--secret-file", metavar="FILE", help="A file with the secret that it shows, byte for byte; - is stdin.")
@click.option("--auth-method", type=click.Choice(METHODS), help="How it shows it. [default: as the app is set]")
@click.option("--grant-type", type=click.Choice(GRANTS), help="By which grant it asks. [default: one the app has]")
@click.option("--scope", help="For which scope it asks.")
@click.option("--authorize", metavar="URL", help="The /authorize to which it sends its users.")
@click.option("--preflight", is_flag=True, help="Look instead whether all is there that rotations need.")
@click.option("--explain", metavar="FILE", help="An error that was captured, JSON or `curl -v`; - is stdin. Offline.")
@config_option
@output_option
@click.pass_obj
def doctor(
    invocation: Invocation,
    /,
    names: tuple[str, ...],
    *,
    explain: str | None,
    preflight: bool,
    output: str,
    **options: str | None,
) -> int:
    """Say why Okta refuses a client, what shows it, and the command that mends it.

    Makes the request that the application makes, once, and looks at what Okta, its discovery documents and Vault say of
    the client: TARGET, as configured, or --client-id with --issuer and --secret-file. It changes nothing.

    With --preflight: looks whether everything is there that a rotation of these targets, or of all, needs: reach,
    logins, rights, settings.

    Exit codes: 0 nothing is wrong, 1 a cause was found, or it cannot tell, 2 usage, 5 Okta or Vault unreachable.
    """
    from rotator.cli import diagnoses

    if preflight:
        from rotator.cli.preflight import look

        if explain or any(options.values()):
            raise click.UsageError("--preflight looks at targets as they are configured: give it alone, or with names.")
        return look(invocation, invocation.settings(), names, output=output)
    if explain is not None:
        if names or any(options.values()):
            raise click.UsageError("--explain reads a captured error and asks nobody: give it alone.")
        return diagnoses.tell(_explained(explain), output=output)
    if len(names) > 1:
        raise click.UsageError("One target at a time: each costs a request that may be refused.")
    if not names and not all(options[each] for each in NEEDED):
        raise click.UsageError("Name a target; or give --client-id, --issuer and --secret-file; or --explain.")
    _refuse_addresses_in_clear(options)
    settings = invocation.settings() if names else _settings_if_any(invocation)

    async def work(worlds: Worlds) -> Evidence:
        from rotator.app.doctor import examine

        target = await chosen_one(settings, names[0], worlds) if names else None
        return await examine(_complaint(settings, target, options), worlds.clinic(target))

    return diagnoses.tell(run(invocation, settings, work, output=output), output=output)


def _refuse_addresses_in_clear(options: dict[str, str | None]) -> None:
    from rotator.wiring import problem_with

    for each in ("issuer", "authorize"):
        if (url := options[each]) and (problem := problem_with(url)):
            raise click.UsageError(f"--{each}: {problem}")


def _settings_if_any(invocation: Invocation) -> Settings:
    """Return the configuration; an empty one where there is none and none was asked for."""
    from rotator import settings as configuration

    if invocation.config is None and not configuration.exists():
        return configuration.nothing()
    return invocation.settings()


def _complaint(settings: Settings, target: Target | None, options: dict[str, str | None]) -> Complaint:
    from rotator.core.diagnosis.evidence import Complaint, Subject
    from rotator.core.model import AuthMethod, FieldNames, Mode

    method, file = options["auth_method"], options["secret_file"]
    org = settings.orgs[target.org] if target else None
    server = target.verify.authorization_server if target else None
    usual = f"{org.url}/oauth2/{server}" if org and server else org.url if org else ""
    typed = tuple((f"--{each.replace('_', '-')}", text) for each in OPTIONS if (text := options[each]))
    subject = Subject(
        name=target.name if target else "the client",
        target=target.name if target else None,
        path=target.consumer if target else None,
        fields=target.fields if target else FieldNames(),
        org_url=org.url if org else None,
        server=server,
        options=typed,
        secret_file=file,
        observes=target is not None and target.policy.mode is Mode.OBSERVE,
    )
    return Complaint(
        subject,
        options["issuer"] or usual,
        target=target,
        client_id=options["client_id"],
        value=_secret_in(file) if file else None,
        method=AuthMethod(method) if method else None,
        grant=options["grant_type"],
        scope=options["scope"],
        authorize_url=options["authorize"] or "",
        issuer_given=options["issuer"] is not None,
    )


def _explained(file: str) -> Evidence:
    from datetime import UTC, datetime

    from rotator.core.diagnosis import captured
    from rotator.core.diagnosis.evidence import Captured, Evidence, Subject
    from rotator.core.disguise import Shape
    from rotator.errors import ConfigError

    read = captured.read(_text_in(file).decode("utf-8", "replace"))
    if read is None:
        raise ConfigError(
            [f"{_named(file)} is neither the JSON of an answer nor a log of `curl -v`; capture one and give it again"]
        )
    request, answer = read
    shape = request.basic.secret if request and request.basic else Shape()
    return Evidence(
        Subject("what was captured"), datetime.now(UTC), answer=answer, shape=shape, captured=request or Captured()
    )


def _secret_in(file: str) -> SecretValue:
    from rotator.core.secret_value import SecretValue
    from rotator.errors import ConfigError
    from rotator.redaction import hide

    try:
        text = _text_in(file).decode()
    except UnicodeDecodeError:
        # Not chained: the error holds the bytes.
        raise ConfigError([f"{_named(file)} is not text; name a file that holds the client's secret"]) from None
    if not text.strip():
        raise ConfigError([f"{_named(file)} is empty; put the secret into it"])
    hide(text)
    return SecretValue(text)


def _text_in(file: str) -> bytes:
    from rotator.errors import ConfigError

    try:
        raw = _read(file)
    except (OSError, ValueError) as failure:
        reason = (getattr(failure, "strerror", None) or "no usable name").lower()
        raise ConfigError(
            [f"{_named(file)} cannot be read ({reason}); check the path and its permissions"]
        ) from failure
    if len(raw) > LONGEST:
        raise ConfigError([f"{_named(file)} is larger than a megabyte; give the one exchange that failed"])
    return raw


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(LONGEST + 1)
    with Path(file).open("rb") as source:
        return source.read(LONGEST + 1)


def _named(file: str) -> str:
    return "stdin" if file == "-" else file
