"""The file of a SQLite database: ours alone, on a disk of this machine.

* The directory is ours alone and the file as well; neither is a link, and the file has no second name.
* Network file systems are refused: their locks do not keep two processes apart.
* It is made here and nowhere else: a file that vanishes while we work is an error, not silently an empty database.
* TRUNCATE and FULL: the last commit outlives a power loss, and SQLite's WAL could damage the file before 3.51.3.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

from rotator.errors import ConfigError, StateError

BUSY = 5.0  # seconds to wait for a lock of another process
_OVER_A_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "fuse.sshfs", "fuse.glusterfs"}
)
_PRAGMAS = (
    "PRAGMA journal_mode = TRUNCATE",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
)


class DatabaseFile:
    """One file, and connections to it."""

    def __init__(self, path: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> None:
        """Touch nothing yet; `mounts` is where the kernel tells what is mounted."""
        self.path = path
        self._mounts = mounts

    def make(self) -> None:
        """Make it if it is not there; `ConfigError` if it, or its directory, is open to others."""
        try:
            self._make()
        except OSError as failure:
            raise StateError(
                f"the state database {self.path} cannot be made: {failure.strerror}",
                hint="Make its directory writable for this account, or name another by `state.url`.",
            ) from failure

    def connect(self) -> sqlite3.Connection:
        """Open it as it is there; it is not made."""
        # Transactions are begun by SQLAlchemy's event, not by this driver.
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma).close()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _refuse_unless_ours(folder, os.fstat(directory), 0o700)
            self._refuse_network(folder, os.fstat(directory).st_dev)
            with suppress(FileExistsError):
                os.close(os.open(self.path.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=directory))
            self._refuse_unless_plain(os.stat(self.path.name, dir_fd=directory, follow_symlinks=False))
        finally:
            os.close(directory)

    def _refuse_network(self, folder: Path, device: int) -> None:
        if (kind := self._file_system(device)) in _OVER_A_NETWORK:
            raise ConfigError([f"{folder}: is on a network file system ({kind}); name a local one, or use PostgreSQL"])

    def _file_system(self, device: int) -> str:
        """Return the kind of file system, as far as the kernel tells."""
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with suppress(OSError):
            for line in self._mounts.read_text(encoding="utf-8", errors="replace").splitlines():
                mount, _, source = line.partition(" - ")
                if mount.split()[2] == wanted:
                    return source.split()[0]
        return ""

    def _refuse_unless_plain(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ConfigError([f"{self.path}: must be a plain file with one name; move away what lies there"])
        _refuse_unless_ours(self.path, found, 0o600)


def _refuse_unless_ours(path: Path, found: os.stat_result, mode: int) -> None:
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ConfigError([f"{path}: must be yours alone; run `chmod {mode:o}` on it, as its owner"])
