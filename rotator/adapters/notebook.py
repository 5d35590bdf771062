"""The Notebook port over a file of JSON lines: what was found of the secrets of an org's apps.

* One line for each answer, on the disk before the next question; the last line about an app counts. A line that was
  cut off, or that this release does not understand, is as if it were not there.
* No value and no hash of a secret is in it: ids, times, and whether a secret is on.
* The folder and the file are ours alone, and no link is followed. One process at a time writes.
* At opening what counts is written anew beside the file, which it then replaces: the file does not grow without end.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.core.last_use import HeldSecret, Holding, LastUse, UseOf
from rotator.core.model import AppId, SecretId, SecretStatus
from rotator.errors import BusyError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

FORM = 1  # of the lines
LONGEST = 64 * 1024 * 1024
_STRANGE = re.compile(r"[^A-Za-z0-9.-]")
_OURS = os.O_NOFOLLOW | os.O_CLOEXEC


class FileNotebook:
    """One file for an org."""

    def __init__(self, directory: Path, place: str) -> None:
        """Take the directory, made with mode 0700 when something is written; `place` is the org's host and port."""
        self._directory = directory
        self._name = f"{_STRANGE.sub('_', place.lower())[:200]}.jsonl"

    def recall(self) -> Mapping[AppId, Holding]:
        """Return the last answer about each app; none where there is no file of ours."""
        try:
            file = os.open(self._directory / self._name, os.O_RDONLY | _OURS)
        except FileNotFoundError:
            return {}
        except OSError as failure:
            raise self._refusal("read", failure) from failure
        with os.fdopen(file, encoding="utf-8", errors="replace") as lines:
            found = (_read(line) for line in lines.read(LONGEST).split("\n"))
            return {holding.app_id: holding for holding in found if holding}

    @contextmanager
    def open(self) -> Iterator[Callable[[Holding], None]]:
        """Return what writes an answer down."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | _OURS)
        except OSError as failure:
            raise self._refusal("written", failure) from failure
        try:
            self._check(directory)
            self._lock(directory)
            file = self._rewritten(directory)
            try:
                yield lambda holding: _append(file, [holding])
            finally:
                os.close(file)
        finally:
            os.close(directory)

    def _rewritten(self, directory: int) -> int:
        """Return the file, open for more, with nothing in it but what counts."""
        known = self.recall()
        new = f"{self._name}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | _OURS
        try:
            file = os.open(new, flags, 0o600, dir_fd=directory)
            _append(file, known.values())
            os.replace(new, self._name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except OSError as failure:
            raise self._refusal("written", failure) from failure
        return file

    def _lock(self, directory: int) -> None:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise BusyError("another `rotator discover` is asking") from held

    def _check(self, directory: int) -> None:
        state = os.fstat(directory)
        if state.st_uid != os.geteuid() or state.st_mode & 0o077:
            hint = f"Run `chmod 700 {self._directory}`, as its owner."
            raise RefusedError(f"{self._directory} must be yours alone", code="notebook", hint=hint)

    def _refusal(self, what: str, failure: OSError) -> RefusedError:
        hint = "Let the user that runs rotator read and write there; XDG_STATE_HOME names another place."
        place = self._directory / self._name
        return RefusedError(f"{place} cannot be {what}: {failure.strerror}", code="notebook", hint=hint)


def _append(file: int, holdings: Iterable[Holding]) -> None:
    text = "".join(f"{json.dumps(_written(each))}\n" for each in holdings).encode()
    while text:
        text = text[os.write(file, text) :]
    os.fsync(file)


# --- Lines ------------------------------------------------------------------------------------------------


def _written(holding: Holding) -> dict[str, Any]:
    secrets = [
        {
            "id": secret.id,
            "status": secret.status.value,
            "created": secret.created.isoformat(),
            "changed": secret.changed.isoformat(),
            "used_of": secret.used.of.value,
            "used_at": _iso(secret.used.at),
            "used_since": _iso(secret.used.since),
            "tried_at": _iso(secret.tried_at),
        }
        for secret in holding.secrets
    ]
    return {"form": FORM, "app": holding.app_id, "asked_at": holding.asked_at.isoformat(), "secrets": secrets}


def _read(line: str) -> Holding | None:
    try:
        found = json.loads(line)
        if found["form"] != FORM:
            return None
        secrets = tuple(_secret(each) for each in found["secrets"])
        return Holding(AppId(_text(found["app"])), _moment(found["asked_at"]), secrets)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _secret(found: Mapping[str, Any]) -> HeldSecret:
    used = LastUse(UseOf(found["used_of"]), _moment_if_any(found["used_at"]), _moment_if_any(found["used_since"]))
    return HeldSecret(
        SecretId(_text(found["id"])),
        SecretStatus(found["status"]),
        _moment(found["created"]),
        _moment(found["changed"]),
        used,
        _moment_if_any(found["tried_at"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _moment_if_any(value: object) -> datetime | None:
    return None if value is None else _moment(value)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
