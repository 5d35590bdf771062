"""`rotator rotate --daemon` and `rotator status --daemon`: what the running daemon does and knows, asked of it.

Whoever asks needs no credentials of Okta or Vault: of the configuration only `control.socket` is read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.daemon_line import ask_for_sure
from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.report import VERSION, age, error_of, names_of
from rotator.cli.results import Result, exit_code
from rotator.daemon.talk import Request
from rotator.errors import BusyError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rotator.cli.options import Invocation
    from rotator.core.model import OrderMode, Target
    from rotator.errors import RotatorError

HEADINGS = ("TARGET", "STATE", "SECRET", "AGE", "LOOKED AT", "NEXT LOOK", "DETAIL")
UP = "reachable"


def rotate(
    invocation: Invocation, names: Sequence[str], *, everything: bool, order: OrderMode | None, wait: int, output: str
) -> int:
    """Have the daemon rotate, and print what came of it as `rotator rotate` does."""
    if everything == bool(names):
        raise click.UsageError("Name the targets, or give --all.")
    request = Request("rotate", tuple(names), everything=everything, order=order.value if order else "", wait=wait)
    answer = ask_for_sure(invocation.control_socket(), request, within=wait)
    for each in answer.targets:
        if "result" not in each:
            each["result"] = word_of(each)
    code = exit_code(each["exit_code"] for each in answer.targets)
    if output == "json":
        told = [{key: value for key, value in each.items() if key != "lines"} for each in answer.targets]
        print_json({"version": VERSION, "command": "rotate", "exit_code": code, "targets": told})
    else:
        for each in answer.targets:
            print_lines(each.get("lines") or block_of(each))
    return code


def status(invocation: Invocation, names: Sequence[str], *, output: str) -> int:
    """Print what the daemon knows without looking: how each target stands, and what it can work with."""
    answer = ask_for_sure(invocation.control_socket(), Request("status", tuple(names)))
    if output == "json":
        told = {"daemon": answer.daemon, "targets": answer.targets}
        print_json({"version": VERSION, "command": "status", "exit_code": 0, **told})
        return 0
    print_lines(list(_daemon_lines(answer.daemon)))
    if answer.targets:
        print_table(HEADINGS, [row(each, datetime.now(UTC)) for each in answer.targets])
        print_lines([f"{each['target']}: {each['hint']}" for each in answer.targets if each["hint"]])
        held = [each for each in answer.targets if each["only_observed"]]
        print_lines([f"{each['target']}: only looked at, since {each['only_observed']}" for each in held])
    return 0


def word_of(told: dict[str, Any]) -> str:
    """Return the word for a target that ended with an error."""
    if told["error"]["code"] == "blocked":
        return str(Result.BLOCKED.value)
    words = {BusyError.exit_code: Result.BUSY, UnavailableError.exit_code: Result.UNREACHABLE}
    return str(words.get(told["exit_code"], Result.FAILED).value)


def block_of(told: dict[str, Any]) -> list[str]:
    """Return a target as lines for people, as far as there is but a word, a sentence and a hint."""
    head = f"{told['target']}: {told['result']}" + (f" — {told['message']}" if told["message"] else "")
    return [head, *([f"  hint   {told['hint']}"] if told["hint"] else [])]


def failed(target: Target, error: RotatorError) -> dict[str, Any]:
    """Tell what went wrong from here, as the daemon tells it."""
    from rotator.cli.progress import log_failure

    log_failure(target, error)
    told = {"exit_code": error.exit_code, "message": str(error), "hint": error.hint}
    return {**names_of(target), **told, "error": error_of(error)}


def _daemon_lines(daemon: dict[str, Any]) -> Iterator[str]:
    stopping = ", stopping" if daemon["stopping"] else ""
    yield f"daemon {daemon['program']}, process {daemon['pid']}, since {_minute(daemon['started_at'])}{stopping}"
    if brake := daemon["brake"]:
        yield f"everything only observes since {_minute(brake['since'])}: {brake['why']}. {brake['hint']}"
    for side in daemon["sides"]:
        if side["condition"] != UP:
            told = f"{side['kind']} {side['alias']}: {side['condition']} since {_minute(side['since'])}"
            yield f"{told}: {side['detail']}" if side["detail"] else told


def row(told: dict[str, Any], now: datetime) -> tuple[str, ...]:
    """Return a target, as it was told, as a line of a table under `HEADINGS`."""
    secret, following = told["secret"], told["next"] or {}
    waits = following.get("waiting", "")
    detail = "; ".join(text for text in ("being looked at" if told["under_way"] else "", waits, told["detail"]) if text)
    return (
        told["target"],
        told["state"],
        secret["id"] if secret else "-",
        age(now - datetime.fromisoformat(secret["created"])) if secret else "-",
        _minute(told["looked_at"]) if told["looked_at"] else "-",
        _minute(told["next_look"]),
        detail or "-",
    )


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M}"
