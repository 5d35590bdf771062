"""The control socket's place in the file system: who may reach it, and what lies there already.

* Its folder is ours, or root's, and nobody else may write there: nobody can put another socket in its place.
* Mode 0660 from the first moment on: the daemon's own user and one group. The folder may allow fewer.
* What a dead daemon left is replaced; where a living one answers, or something else lies, nothing is touched.
* Of two daemons that start at once one gets it: the folder is locked meanwhile.
* In the end it is removed, unless it is another's by then.
"""

from __future__ import annotations

import fcntl
import grp
import os
import socket
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rotator.errors import ConfigError
from rotator.settings.kinds import LONGEST_SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODE = 0o660
ANSWERS_WITHIN = 1.0  # seconds; a daemon that is stopped does not refuse either


@contextmanager
def listening(path: Path, group: str | None) -> Iterator[socket.socket]:
    """Listen at the path while the context lasts; `ConfigError` if that cannot be."""
    with _problems(path):
        folder = _folder(path)
        try:
            listener = _bound(path, folder, group)
            ours = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(folder)
    try:
        with listener:
            yield listener
    finally:
        _remove(path, ours)


@contextmanager
def _problems(path: Path) -> Iterator[None]:
    """Say what cannot be done at the path in the words of the configuration."""
    try:
        yield
    except OSError as failure:
        raise _problem(path, f"{(failure.strerror or str(failure)).lower()}; choose another place") from failure


def _problem(path: Path, text: str) -> ConfigError:
    return ConfigError([f"control.socket: cannot listen on {path}: {text}"])


def _folder(path: Path) -> int:
    """Open the folder, made if it is not there, and lock it; it is checked as it was opened."""
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise _problem(path, f"the path is longer than {LONGEST_SOCKET} bytes; name a shorter one under `control`")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    state = os.fstat(folder)
    try:
        if state.st_uid not in {0, os.geteuid()} or state.st_mode & 0o022:
            raise _problem(path, "others may write to its folder; it must be yours, with `chmod go-w`")
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _problem(path, "another daemon is about to; start one alone") from None
    except ConfigError:
        os.close(folder)
        raise
    return folder


def _bound(path: Path, folder: int, group: str | None) -> socket.socket:
    _clear(path, folder)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~MODE)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    try:
        _give(path, group)
        listener.listen()
    except (OSError, ConfigError):
        listener.close()
        path.unlink()
        raise
    listener.setblocking(False)
    return listener


def _clear(path: Path, folder: int) -> None:
    """Remove what a dead daemon left."""
    try:
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise _problem(path, "something else lies there; remove it, or choose another place")
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(ANSWERS_WITHIN)
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path.name, dir_fd=folder)
            return
        except (BlockingIOError, TimeoutError):  # so many wait to be heard that it must be alive
            pass
    raise _problem(path, "another daemon answers there; stop it, or give each its own `control.socket`")


def _give(path: Path, group: str | None) -> None:
    """Let the group use it."""
    if group is None:
        return
    try:
        number = grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError([f"control.group: there is no group `{group}` on this machine; make it first"]) from None
    try:
        os.chown(path, -1, number)
    except OSError as failure:
        raise ConfigError(
            [f"control.group: the socket cannot be given to `{group}`; make the daemon's user a member of it"]
        ) from failure


def _remove(path: Path, ours: os.stat_result) -> None:
    with suppress(OSError):
        if os.path.samestat(path.lstat(), ours):
            path.unlink()
