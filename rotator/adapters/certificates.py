"""The files of a certification: its report, and the trail by which a crash is cleared up. Nothing in them is secret.

* A file is there whole or not at all: it is written beside its place and moved there.
* The trail is a file beside the report; it is there as long as a secret of ours may be on an app that was given.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.model import AppId
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


class TrailFile:
    """The Trail port over a file."""

    def __init__(self, report: Path) -> None:
        """Lie beside the report of that org."""
        self._path = report.with_name(f"{report.stem}.trail")

    def left(self) -> tuple[AppId, str] | None:
        """Return the app on which a secret of ours may be, and the secret's hash."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return AppId(str(document["app"])), str(document["hash"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, app: AppId, value_hash: str) -> None:
        """Write it down."""
        write_whole(self._path, json.dumps({"app": app, "hash": value_hash}))

    def clear(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)


def keep_report(path: Path, document: Mapping[str, Any]) -> None:
    """Write the report where the program reads it again."""
    write_whole(path, json.dumps(document, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole; `ConfigError` where it cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
            Path(beside).replace(path)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as failure:
        raise ConfigError([f"{path}: cannot be written ({failure.strerror}); name another place"]) from failure
