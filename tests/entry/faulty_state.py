"""What may befall the n-th transaction of a process with its state file. Called in that process, before the command."""

from __future__ import annotations

import os
import resource
import signal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    from sqlalchemy import Connection

SMALL = 8192  # bytes up to which a file can still be written to on a disk that is full
FAULTS = ("disk full", "read-only", "killed before", "killed after", "no more pages")


def count_them(file: str) -> None:
    """Leave in a file how many transactions there were."""
    numbers = count(1)

    def begun(_: Connection) -> None:
        Path(file).write_text(str(next(numbers)))

    event.listen(Engine, "begin", begun)


def befall(fault: str, number: str) -> None:
    """Let it befall that transaction alone; of `no more pages`, all from that one on."""
    fault_of = _Fault(fault, int(number))
    event.listen(Engine, "begin", fault_of.begun)
    event.listen(Engine, "commit", fault_of.commits)
    event.listen(Engine, "rollback", fault_of.over)


class _Fault:
    def __init__(self, fault: str, number: int) -> None:
        self._fault, self._number, self._begun = fault, number, 0
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begun(self, connection: Connection) -> None:
        self.over(connection)
        self._begun += 1
        if self._fault == "killed after" and self._begun == self._number + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "read-only" and self._begun == self._number:
            connection.exec_driver_sql("PRAGMA query_only = 1")
        if self._fault == "no more pages" and self._begun >= self._number:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # which means: as many as there are

    def commits(self, _: Connection) -> None:
        if self._begun != self._number:
            return
        if self._fault == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "disk full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, self._before[1]))

    def over(self, _: Connection) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
