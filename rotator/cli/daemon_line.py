"""The line to the running daemon: one request over its control socket, and the answer.

* Nobody there is not an error of its own: the caller may be able to do it without.
* An answer without its end was cut off; what became of the request is not known then.
* What the daemon refuses is raised as what it is, with its hint and exit code.
"""

from __future__ import annotations

import json
import socket
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from rotator.daemon.talk import DAEMON, END, ERROR, TARGET, VERSION, Request
from rotator.errors import BusyError, ConfigError, RefusedError, RotatorError, UnavailableError, UnknownOutcomeError
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

ANSWERS_WITHIN = 120.0  # seconds for the next line, beside what the request itself takes
REACHED_WITHIN = 5.0
LONGEST_LINE = 1 << 20


@dataclass(slots=True)
class Answer:
    """What the daemon said: of itself, and of each target."""

    daemon: dict[str, Any] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)


def ask(path: Path, request: Request, *, within: float = 0) -> Answer | None:
    """Return the answer of the daemon that listens there; None if none does. `within`: seconds that it may take."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(REACHED_WITHIN)
        if not _reached(line, path):
            return None
        line.settimeout(within + ANSWERS_WITHIN)
        try:
            line.sendall(request.line())
            with closing(_lines(line)) as lines:
                return _collected(lines)
        except OSError as failure:
            raise _cut_off(path) from failure


def ask_for_sure(path: Path, request: Request, *, within: float = 0) -> Answer:
    """Return the answer of the daemon; `RefusedError` if there is none."""
    answer = ask(path, request, within=within)
    if answer is None:
        raise RefusedError(
            f"no daemon answers at {path}",
            code="no_daemon",
            hint="Is `rotator run` running, and is `control.socket` of its configuration the same?",
        )
    return answer


def tell_to_look(path: Path, names: Sequence[str]) -> None:
    """Have a daemon that runs look at these targets now: it finds out by itself as well, only later."""
    try:
        ask(path, Request("wake", tuple(names)))
    except RotatorError as error:
        click.echo(f"rotator: warning: the daemon was not told: {printable(str(error))}", err=True)


def _reached(line: socket.socket, path: Path) -> bool:
    try:
        line.connect(str(path))
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        return False
    except PermissionError as failure:
        raise RefusedError(
            f"you may not ask the daemon at {path}",
            code="permission",
            hint="The members of `control.group` may, if they reach its folder.",
        ) from failure
    except (BlockingIOError, TimeoutError) as failure:
        raise BusyError(f"the daemon at {path} does not get round to answering", hint="Is it stopped?") from failure
    except OSError as failure:
        raise RefusedError(
            f"no daemon can be asked at {path}: {failure.strerror or failure}", code="socket"
        ) from failure
    return True


def _lines(line: socket.socket) -> Generator[tuple[str, dict[str, Any]]]:
    """Yield what is said, by its kind, up to the end."""
    with line.makefile("rb") as received:
        while text := received.readline(LONGEST_LINE):
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                raise ConnectionError("no line of JSON") from None
            if not isinstance(said, dict) or said.pop("version", None) != VERSION:
                raise ConnectionError("another language")
            kind = str(said.pop("kind", ""))
            yield kind, said
            if kind == END:
                return
    raise ConnectionError("no end")


def _collected(lines: Iterable[tuple[str, dict[str, Any]]]) -> Answer:
    answer = Answer()
    for kind, said in lines:
        if kind == ERROR:
            raise _error_of(said)
        if kind == DAEMON:
            answer.daemon = said
        elif kind == TARGET:
            answer.targets.append(said)
    return answer


def _error_of(said: dict[str, Any]) -> RotatorError:
    message, hint = str(said.get("message")), str(said.get("hint"))
    error = said.get("error") or {}
    match error.get("kind"):
        case "ConfigError":
            return ConfigError([f"the daemon: {line}" for line in message.splitlines()])
        case "BusyError":
            return BusyError(message, hint=hint)
        case _ if said.get("exit_code") == UnavailableError.exit_code:
            return UnavailableError(message, hint=hint)
    return RefusedError(message, code=str(error.get("code", "")), hint=hint)


def _cut_off(path: Path) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"the answer of the daemon at {path} was cut off", hint="`rotator status --daemon` shows how things stand."
    )
