"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import sys

import rich_click as click

from rotator.errors import ConfigError, RefusedError


def agreed(_: str) -> bool:
    """Agree beforehand, as --yes does."""
    return True


def asked(question: str) -> bool:
    """Ask; `ConfigError` where there is nobody."""
    if not sys.stdin.isatty():
        raise ConfigError([f"{question} There is nobody to ask; --yes agrees beforehand"])
    return click.confirm(question, err=True)


def agree(question: str, *, what: str) -> None:
    """Ask, and end the command unless the answer is yes; `what` says what was left undone."""
    if not asked(question):
        raise RefusedError(what, code="declined", hint="Run the command again to be asked again.")
