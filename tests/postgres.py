"""A PostgreSQL cluster of our own for tests: thrown away afterwards, on a unix socket, not safe from a power loss."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NONE = "no `initdb` and `pg_ctl` on PATH: nothing was tried on PostgreSQL"
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "''",
    "shared_buffers": "16MB",
    "max_connections": "200",
    "autovacuum": "off",
    "timezone": "'Asia/Kolkata'",  # neither UTC nor ours: what is read must not depend on it
}
RULES = "local all guarded scram-sha-256\nlocal all all trust\n"
PASSWORD = "a password of the tests"


@dataclass(slots=True)
class Cluster:
    """A server, its folder and its databases."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def new_database(self) -> str:
        """Make an empty one; return its URL."""
        name = f"state_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, user: str = "rotator") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the administrator."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def conninfo(self, database: str) -> str:
        return f"host={self.folder} user=rotator dbname={database}"

    def start(self) -> None:
        self._ctl("start", "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """End it at once, as a crash does, or a failover."""
        self._ctl("stop", "-m", "immediate")

    def processes(self) -> list[int]:
        """Return the server's processes, the first of them first."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
        return [first, *map(int, children.split())]

    def _ctl(self, command: str, *options: str) -> None:
        _run("pg_ctl", "--pgdata", str(self.folder / "data"), "--wait", "--silent", command, *options)

    def make(self) -> None:
        data = self.folder / "data"
        _run("initdb", "--pgdata", str(data), "--username=rotator", "--auth=trust", "--no-sync", "--encoding=UTF8",
             "--locale=C")  # fmt: skip
        settings = [f"{name} = {value}" for name, value in SETTINGS.items()]
        settings.append(f"unix_socket_directories = '{self.folder}'")
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join(settings) + "\n")
        (data / "pg_hba.conf").write_text(RULES)


@contextmanager
def cluster_or_skip() -> Iterator[Cluster]:
    """Start one; skip where the programs are missing."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip(NONE)
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path may not be long
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")  # the server refuses to run as root
    cluster = Cluster(folder)
    try:
        cluster.make()
        cluster.start()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        cluster.execute(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        cluster.execute("CREATE ROLE guest LOGIN")
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    done = subprocess.run(
        command, user=user, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
