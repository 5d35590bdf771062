"""What is said over the control socket: one line of JSON in, some lines of JSON out, then the end.

* Every line has the `version` of this language; whoever gets another one says so and does nothing.
* The last line is of the kind `end` and has the exit code: an answer without it was cut off.
* A request is a command and what it applies to; a line longer than `LONGEST` is none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
LONGEST = 64 * 1024  # bytes of a request
TARGET, DAEMON, ERROR, END = "target", "daemon", "error", "end"  # kinds of lines of an answer


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `everything` goes with no targets; `wait` is in seconds."""

    command: str
    targets: tuple[str, ...] = ()
    everything: bool = False
    order: str = ""  # of a rotation: the word of an `OrderMode`
    secret: str = ""  # which secret is meant
    reason: str = ""
    wait: float = 60

    def line(self) -> bytes:
        """Return the request as it is sent."""
        return written(asdict(self))


class NoRequestError(ValueError):
    """What was sent is no request. The text says why, and repeats nothing of it."""


def written(fields: dict[str, Any]) -> bytes:
    """Return a line of the language."""
    return json.dumps({"version": VERSION, **fields}).encode("ascii") + b"\n"


def read_request(line: bytes) -> Request:
    """Return the request in a line; `NoRequestError` if there is none."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise NoRequestError("this is no line of JSON") from None
    if not isinstance(said, dict):
        raise NoRequestError("this is no request")
    if said.pop("version", None) != VERSION:
        raise NoRequestError(f"only version {VERSION} of this language is spoken here")
    targets = said.pop("targets", [])
    if not isinstance(targets, list) or not all(isinstance(name, str) for name in targets):
        raise NoRequestError("`targets` must be a list of names")
    texts: dict[str, tuple[type, ...]] = dict.fromkeys(("command", "order", "secret", "reason"), (str,))
    kinds = texts | {"everything": (bool,), "wait": (int, float)}
    if said.keys() - kinds or "command" not in said:
        raise NoRequestError(f"a request has {', '.join(f'`{name}`' for name in (*kinds, 'targets'))}, no more")
    if wrong := [name for name, value in said.items() if type(value) not in kinds[name]]:
        raise NoRequestError(f"`{wrong[0]}` is of a wrong type")
    return Request(targets=tuple(targets), **said)
