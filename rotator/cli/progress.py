"""What a run tells while it lasts, on stderr.

* Each finished step is an event in the log; where a person watches, it is a line, and what is under way moves below.
* With `--output json` there is the log alone, and nothing moves.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from rotator.cli.steps import words_for
from rotator.core.actions import Blocked
from rotator.errors import InvariantError, RotatorError
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.live import Live

    from rotator.app.rotate import Outcome
    from rotator.cli.options import Invocation
    from rotator.core.model import RotationId, Target
    from rotator.ports import Progress

log = structlog.get_logger()


class LogProgress:
    """Progress as events."""

    def doing(self, target: Target, step: str) -> None:
        """Log what is not obvious: a wait at `info`, steps for those who debug."""
        begun = words_for(step)
        if begun.event == "waiting":
            log.info("waiting", **_where(target), detail=step)
        else:
            log.debug("step_begun", **_where(target), step=begun.doing)

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:
        """Log the step as something that happened."""
        log.info(words_for(step).event, **_where(target), rotation_id=rotation, detail=detail)

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        """Log that nobody can be sure of the step."""
        doubt = f"{words_for(step).event}_uncertain"
        log.warning(doubt, **_where(target), detail=str(error), request_id=error.request_id)


class LiveProgress:
    """Progress for whoever sits at the terminal: finished steps as lines, and below them what is under way."""

    def __init__(self, console: Console, live: Live) -> None:
        """Draw on `console`, and under way in `live`."""
        self._console = console
        self._live = live
        self._begun: dict[str, str] = {}

    def doing(self, target: Target, step: str) -> None:
        """Show what is under way."""
        self._begun[target.name] = words_for(step).doing
        self._draw()

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:  # noqa: ARG002
        """Print the line, and take it from what is under way."""
        self._ended(target, "✓", f"{words_for(step).done}: {detail}")

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        """Print the line, and take it from what is under way."""
        self._ended(target, "?", f"{words_for(step).doing}: {error}; looking again")

    def _ended(self, target: Target, mark: str, text: str) -> None:
        self._begun.pop(target.name, None)
        self._console.print(printable(f"{mark} {target.name}  {text}"), markup=False, highlight=False, soft_wrap=True)
        self._draw()

    def _draw(self) -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        rows = Table.grid(padding=(0, 1))
        for name, begun in self._begun.items():
            rows.add_row(Spinner("dots"), Text(printable(name)), Text(printable(begun), style="dim"))
        self._live.update(rows)


@contextmanager
def progress_for(invocation: Invocation, output: str) -> Iterator[Progress]:
    """Start the log and return how progress is told: to a person at a terminal, or to the log alone."""
    watched = output == "table" and sys.stderr.isatty() and invocation.log_format == "auto"
    if not watched or invocation.log_level == "debug":
        invocation.start_log()
        yield LogProgress()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, transient=True, refresh_per_second=12) as live:
        # After Live has put itself before stderr, so that a warning does not tear what moves. The lines tell the rest.
        invocation.log_level = max(invocation.log_level, "warning", key=("info", "warning", "error").index)
        invocation.start_log()
        yield LiveProgress(console, live)


def log_endings(outcomes: Sequence[Outcome]) -> None:
    """Log how each target ended: what needs a person as an error, and what is at fault in us with its traceback."""
    for outcome in outcomes:
        names = _where(outcome.target)
        match outcome.ending:
            case Blocked(block, detail, hint):
                log.error("target_blocked", **names, block=block.value, detail=detail, hint=hint)
            case RotatorError() as error:
                log_failure(outcome.target, error)
            case rest:
                log.debug("target_rests", **names, waiting=rest.waiting.value, until=str(rest.until))


def log_failure(target: Target, error: RotatorError) -> None:
    """Log an error, with the traceback only where the fault is ours."""
    fault = error.__cause__ if isinstance(error, InvariantError) else None
    log.error(
        "target_failed",
        **_where(target),
        error=type(error).__name__,
        detail=str(error),
        request_id=error.request_id,
        **({"exc_info": fault} if fault else {}),
    )


def log_warning(text: str) -> None:
    """Log what Vault says beside its answer."""
    log.warning("vault_warned", detail=text)


def _where(target: Target) -> dict[str, str]:
    return {"target": target.name, "org": target.org, "app_id": target.app_id}
