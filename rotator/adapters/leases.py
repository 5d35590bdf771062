"""The Leases port over lock files: one writer per target on this machine.

* The lock is the kernel's (`flock`): it dies with its process, and a file left behind means nothing.
* One file per Okta app, whatever the target is called in whichever configuration: org host and app id name it.
* The directory is ours alone, and no link in it is followed: nobody else can make us lock or write elsewhere.
* Lock files are never removed: two processes could then hold two files of one name.
* Whether it can be written is tried with a file that nobody locks.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from rotator.errors import BusyError, ConfigError, RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

    from rotator.core.model import Target
    from rotator.ports import Lease

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
TRIED = "tried"  # no name of a lock file: those have a digest in them
_STRANGE = re.compile(r"[^A-Za-z0-9.-]")


class _HeldByKernel:
    """A lock that lasts as long as its process, however long that sleeps."""

    async def confirm(self, outlives: timedelta) -> None:
        """Return: nobody can have taken it."""


class FileLeases:
    """One locked file per target in a directory of our own."""

    name = "leases"

    def __init__(self, directory: Path, hosts: Mapping[str, str]) -> None:
        """Take the directory, made with mode 0700 at the first lease, and the host of each org by its alias."""
        self._directory = directory
        self._hosts = hosts

    @asynccontextmanager
    async def hold(self, target: Target) -> AsyncIterator[Lease]:
        """Hold the target while the context lasts; `BusyError` at once if somebody else does."""
        with self._locked(target):
            yield _HeldByKernel()

    async def try_out(self) -> None:
        """Return if a file can be made there."""
        try:
            os.close(self._open(TRIED))
            (self._directory / TRIED).unlink(missing_ok=True)
        except OSError as failure:
            raise RefusedError(
                f"no lock file can be made in {self._directory}: {failure.strerror}",
                code="lease",
                hint="Let the user that runs rotator write there; under systemd `StateDirectory=rotator` does.",
            ) from failure

    @contextmanager
    def _locked(self, target: Target) -> Iterator[None]:
        try:
            file = self._open(_file_name(self._hosts[target.org], target.app_id))
        except OSError as failure:
            raise RefusedError(
                f"the lock file of {target.name} cannot be opened in {self._directory}: {failure.strerror}",
                code="lease",
                hint="Look at what lies there; with no rotator running it may be removed.",
            ) from failure
        try:
            _lock(file, target)
            yield
            _write(file, "")
            fcntl.flock(file, fcntl.LOCK_UN)  # closing frees it only once every child has closed it as well
        finally:
            os.close(file)

    def _open(self, name: str) -> int:
        directory = self._open_directory()
        try:
            file = os.open(name, _FLAGS, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(0, "it is no file")
        return file

    def _open_directory(self) -> int:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        state = os.fstat(directory)
        if state.st_uid == os.geteuid() and not state.st_mode & 0o077:
            return directory
        os.close(directory)
        raise ConfigError([f"{self._directory}: must be yours alone; run `chmod 700` on it, as its owner"])


def _file_name(host: str, app_id: str) -> str:
    """Return a name that a person can read and that no other app has."""
    host = host.lower()
    digest = hashlib.sha256(f"{host}/{app_id}".encode()).hexdigest()[:16]
    return f"{_STRANGE.sub('_', host)[:80]}_{_STRANGE.sub('_', app_id)[:80]}_{digest}.lock"


def _lock(file: int, target: Target) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        raise BusyError(f"{target.name} is being worked on by {_holder(file)}") from held
    _write(file, f"{os.getpid()}\n")


def _write(file: int, text: str) -> None:
    with suppress(OSError):  # on a full disk the lock holds all the same; only the message is poorer
        os.ftruncate(file, 0)
        os.pwrite(file, text.encode(), 0)


def _holder(file: int) -> str:
    """Name the process that wrote its number into the file; it may not have done so yet."""
    text = os.pread(file, 32, 0).decode("ascii", "replace").strip()
    return f"process {text}" if text.isascii() and text.isdigit() else "another process"
