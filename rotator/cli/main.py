"""The command line's entry: the table of commands, and the one place where an error becomes an exit code.

* Nothing heavy is imported before a command runs: `--version`, `--help` and completion stay quick.
* Data goes to stdout; errors, warnings and the log go to stderr.
* No core is dumped, of us or of whom we start: there are secrets in memory. A bug shows its traceback, redacted.
* 0 done or nothing due, 1 failed, 2 usage or configuration, 3 some targets failed, 4 busy or paused,
  5 Okta or Vault unreachable or sealed, 130 interrupted.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING

import click
from click.exceptions import Abort

from rotator import __version__
from rotator.cli.heap import seldom_collected
from rotator.cli.lazy import LazyGroup, Row
from rotator.cli.options import FORMATS, LEVELS, Invocation, config_option
from rotator.errors import RotatorError
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

COMMANDS = {
    "run": Row("rotator.cli.run", "run", "Keep every target fresh, until told to stop: the daemon."),
    "rotate": Row("rotator.cli.act", "rotate", "Rotate targets now, to promoted and verified."),
    "reconcile": Row("rotator.cli.act", "reconcile", "Carry on every target that has something due, once; for cron."),
    "plan": Row("rotator.cli.look", "plan", "Say what reconcile would do, and why; changes nothing."),
    "apply": Row("rotator.cli.apply", "apply", "Carry out a plan that was written to a file, if it still holds."),
    "status": Row("rotator.cli.look", "status", "Show each target: its secret, its age, what comes next."),
    "verify": Row("rotator.cli.look", "verify", "Prove that the secret in Vault is the one that Okta accepts."),
    "history": Row("rotator.cli.history", "history", "Tell what was done to a target, rotation by rotation."),
    "evidence": Row("rotator.cli.history", "evidence", "Write the record of a target that an auditor wants."),
    "audit": Row("rotator.cli.audit", "audit", "Export the audit, or check that nothing in it was changed."),
    "adopt": Row("rotator.cli.act", "adopt", "Take over the secret that an app has, without rotating it."),
    "approve": Row("rotator.cli.orders", "approve", "Approve rotations that wait for it."),
    "retire": Row("rotator.cli.orders", "retire", "Switch the old secret off now."),
    "reclaim": Row("rotator.cli.orders", "reclaim", "Have a secret removed that nobody told us about."),
    "rollback": Row("rotator.cli.orders", "rollback", "Make the former secret current again, and pause."),
    "pause": Row("rotator.cli.control", "pause", "Have targets left as they are until they are resumed."),
    "resume": Row("rotator.cli.control", "resume", "Let what was paused, or all that is held back, go on."),
    "simulate": Row("rotator.cli.simulate", "simulate", "Say what this fleet costs of Okta's rate limit over a year."),
    "policy": Row("rotator.cli.policy", "policy", "Print the least rights that this configuration needs."),
    "doctor": Row("rotator.cli.doctor", "doctor", "Say why Okta refuses a client, and what mends it."),
    "certify": Row("rotator.cli.certify", "certify", "Try out on an org what documents leave open about Okta."),
    "discover": Row("rotator.cli.discover", "discover", "List every app that has client secrets, the riskiest first."),
    "notify": Row("rotator.cli.notify", "notify", "Try the ways to people that are configured."),
    "config": Row("rotator.cli.config", "config", "Check, show or begin a configuration."),
    "demo": Row("rotator.cli.demo", "demo", "Watch rotations in a small world of its own."),
    "sandbox": Row("rotator.cli.sandbox", "sandbox", "Serve an Okta and a Vault to try things on."),
}
INTERRUPTED = 130


@click.group(cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
@click.option("--log-level", type=click.Choice(LEVELS), default="info", envvar="ROTATOR_LOG_LEVEL", show_default=True)
@click.option(
    "--log-format",
    type=click.Choice(FORMATS),
    default="auto",
    envvar="ROTATOR_LOG_FORMAT",
    help="JSON unless stderr is a terminal. [default: auto]",
)
@click.version_option(__version__, prog_name="rotator", message="%(prog)s %(version)s")
@click.pass_context
def root(ctx: click.Context, log_level: str, log_format: str) -> None:
    """Keep the OAuth client secrets of Okta apps fresh, in HashiCorp Vault."""
    invocation = ctx.ensure_object(Invocation)
    invocation.log_level = log_level
    invocation.log_format = log_format


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    sys.excepthook = _show_bug
    seldom_collected()
    try:
        code = root.main(sys.argv[1:] if argv is None else list(argv), prog_name="rotator", standalone_mode=False)
        sys.stdout.flush()
    except RotatorError as error:
        return _refuse(error)
    except click.ClickException as error:
        error.show()
        return 2
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as leaving:  # click leaves by itself on a broken pipe, and after completion
        return leaving.code if isinstance(leaving.code, int) else 1
    return code if isinstance(code, int) else 0


def _refuse(error: RotatorError) -> int:
    for line in str(error).splitlines():
        print(f"rotator: {printable(line)}", file=sys.stderr)
    if error.hint:
        print(printable(error.hint), file=sys.stderr)
    return error.exit_code


def _show_bug(kind: type[BaseException], bug: BaseException, trace: TracebackType | None) -> None:
    """Show what Python shows of it, but redacted: its own repeats whatever stands in an error's text."""
    import traceback

    from rotator.redaction import redact

    told = redact("".join(traceback.format_exception(kind, bug, trace)))
    print("\n".join(printable(line) for line in told.splitlines()), file=sys.stderr)
    print("rotator: this is a bug; please report it with the lines above, which are redacted", file=sys.stderr)


def _reader_left() -> int:
    # The interpreter flushes stdout once more as it ends; that must not fail as well.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
