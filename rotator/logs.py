"""The log: events on stderr, one line each, with no secret in them and nothing that steers a terminal.

* JSON unless stderr is a terminal. `NO_COLOR` and `FORCE_COLOR` are honoured.
* Control characters are escaped before a line is made; redaction is the last step, on the finished line.
* A traceback never shows local variables.
* Libraries that log through the standard library go the same way, and only what they warn of.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from rotator.printable import printable
from rotator.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_describe_exception = ExceptionDictTransformer(show_locals=False, max_frames=20)


def start(
    *,
    level: str = "info",
    style: str = "auto",
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send our events and the warnings of others to `stream`, by default stderr. May be called again."""
    stream = sys.stderr if stream is None else stream
    environ = os.environ if environ is None else environ
    console = style == "console" or (style == "auto" and stream.isatty())
    finish = _finish(console=console, colors=console and _wants_colors(stream, environ))
    structlog.configure(
        processors=[*_COMMON, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _capture_libraries(stream, finish)


def _wants_colors(stream: TextIO, environ: Mapping[str, str]) -> bool:
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or stream.isatty()


def _finish(*, console: bool, colors: bool) -> tuple[Processor, ...]:
    if console:
        render: Processor = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=28)
        return (_traceback_in_a_line, _escape, render, _redact)
    return (_traceback_as_values, _escape, structlog.processors.JSONRenderer(default=repr), _redact)


def _traceback_as_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if failure := _exception(event):
        event["exception"] = _describe_exception(failure)
    return event


def _traceback_in_a_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if failure := _exception(event):
        stacks = _describe_exception(failure)
        event["failure"] = " <- ".join(
            f"{stack['exc_type']}: {stack['exc_value']}"
            + "".join(
                f" < {frame['filename']}:{frame['lineno']} {frame['name']}" for frame in reversed(stack["frames"])
            )
            for stack in stacks
        )
    return event


def _exception(event: EventDict) -> Any:
    """Return what `exc_info` stands for as the triple that the transformer wants, if there is one."""
    given = event.pop("exc_info", None)
    if isinstance(given, BaseException):
        return (type(given), given, given.__traceback__)
    triple = given if isinstance(given, tuple) else sys.exc_info() if given else None
    return triple if triple and triple[0] is not None else None


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {printable(str(key)): _escaped(value) for key, value in event.items()}


def _escaped(value: object) -> object:
    """Escape text at any depth; whatever is not plain JSON shows its own `repr`, escaped as well."""
    match value:
        case str():
            return printable(value)
        case None | bool() | int() | float():
            return value
        case dict():
            return {printable(str(key)): _escaped(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_escaped(each) for each in value]
        case _:
            return printable(str(value))


def _redact(_: WrappedLogger, __: str, line: Any) -> Any:
    return redact(line)


_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _capture_libraries(stream: TextIO, finish: tuple[Processor, ...]) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    top = logging.getLogger()
    top.handlers = [handler]
    top.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # Their debug output is whole requests, with headers and bodies, and each that is sent again is a warning; ours says
    # what came of them.
    for name in ("okta", "okta-sdk-python", "urllib3.connectionpool"):
        logging.getLogger(name).disabled = True
