"""Hooks from their sections, and which of them a target has. What a command needs of the machine is looked at here.

* A program is named by its whole path, and nobody else may change it: it runs as we do.
* What a command gets of our environment is read once, with the configuration.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.secret_value import SecretValue
from rotator.settings.explain import validated
from rotator.settings.files import authority_at, secret_at
from rotator.settings.model import CommandHook, WebHook, nearest
from rotator.settings.schema_hooks import HookSection
from rotator.settings.secret_source import SecretSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from rotator.settings.document import Document, Key
    from rotator.settings.files import Surroundings


def resolve_hooks(
    document: Document, around: Surroundings, sections: dict[Key, BaseModel]
) -> dict[str, CommandHook | WebHook]:
    """Return the hooks by name; those with problems, which are reported, are left out."""
    found: dict[str, CommandHook | WebHook] = {}
    for name in document.data["hooks"]:
        key: Key = ("hooks", name)
        if section := validated(document, key, HookSection):
            sections[key] = section
            hook = _command(document, key, section, around) if section.command else _web(document, key, section, around)
            if hook:
                found[name] = hook
    return found


def check_hook_names(document: Document, key: Key, names: Sequence[str] | None) -> None:
    """Report the names in a list of hooks that lead nowhere, or stand there twice."""
    for index, name in enumerate(names or ()):
        if name not in document.data["hooks"] and ("hooks", name) not in document.told:
            document.report((*key, index), f"is no name under `hooks`; {nearest(name, document.data['hooks'])}")
        elif names and name in names[:index]:
            document.report((*key, index), "is there twice; remove one")


def _command(document: Document, key: Key, section: HookSection, around: Surroundings) -> CommandHook | None:
    assert section.command
    usable = _is_program(document, (*key, "command", 0), section.command[0])
    folder = Path(section.cwd or "/")
    if not folder.is_absolute() or not folder.is_dir():
        document.report((*key, "cwd"), "is no folder; write its whole path, from the root on")
        usable = False
    environment = _environment(document, (*key, "env"), section, around)
    return CommandHook(tuple(section.command), environment, folder, section.timeout) if usable else None


def _environment(
    document: Document, key: Key, section: HookSection, around: Surroundings
) -> tuple[tuple[str, SecretValue], ...]:
    names = list(dict.fromkeys(section.env or ()))
    for name in names:
        if name not in around.environ:
            document.warn(key, f"`{name}` is not set; the command does without it")
    return tuple((name, SecretValue(around.environ[name])) for name in names if around.environ.get(name))


def _is_program(document: Document, key: Key, written: str) -> bool:
    """Say whether it can be run and is in nobody else's hands; report it if not."""
    problem = _problem_with(Path(written))
    if problem:
        document.report(key, problem)
    return not problem


def _problem_with(program: Path) -> str:
    if not program.is_absolute():
        return "is no whole path; write it from the root on: `/usr/local/bin/restart`"
    try:
        really = program.resolve(strict=True)
        file, folder = really.stat(), really.parent.stat()
    except (OSError, ValueError, RuntimeError) as failure:
        reason = (getattr(failure, "strerror", None) or "no usable name").lower()
        return f"the program cannot be found ({reason}); check the path"
    if not stat.S_ISREG(file.st_mode) or not os.access(really, os.X_OK):
        return "is no program that we may run; check the path, and `chmod +x` it"
    if file.st_mode & stat.S_IWOTH:
        return "everybody on this machine may change this program; `chmod o-w` it"
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        return "everybody on this machine may replace this program; `chmod o-w` its folder"
    return ""


def _web(document: Document, key: Key, section: HookSection, around: Surroundings) -> WebHook | None:
    url = _url(document, key, section, around)
    secret = secret_at(document, (*key, "secret_file"), around)
    ca_file = authority_at(document, (*key, "ca_file"), around)
    return WebHook(url, secret, ca_file, section.proxy, section.timeout) if url and secret else None


def _url(document: Document, key: Key, section: HookSection, around: Surroundings) -> SecretSource | None:
    if section.url is not None:
        return SecretSource(str(document.origin((*key, "url"))), value=SecretValue(section.url))
    return secret_at(document, (*key, "url_file"), around)  # what lies there is looked at when it is used
