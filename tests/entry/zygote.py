"""A process that has imported everything and forks for each run of the command: a tenth of the time of a new one.

It listens on a UNIX socket. Who connects sends one line of JSON, `{"argv", "environ", "out", "before"}`, gets the
number of the process that runs `main(argv)`, and, if it waits for it, the status with which that one ended.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

EVERYTHING = (
    "alembic.command",
    "authlib.integrations.httpx_client",
    "httpx2",
    "rotator.adapters.okta_admin",
    "rotator.adapters.okta_log",
    "rotator.adapters.okta_sdk",
    "rotator.adapters.okta_tokens",
    "rotator.adapters.store",
    "rotator.adapters.vault_kv",
    "rotator.app.reconcile",
    "rotator.cli.act",
    "rotator.cli.passes",
    "rotator.cli.progress",
    "rotator.daemon.serve",
    "rotator.settings",
    "rotator.wiring",
    "rotator.wiring_state",
)


@dataclass(frozen=True, slots=True)
class Child:
    """A running command. Close it by `wait`."""

    pid: int
    line: socket.socket

    def kill(self) -> None:
        """Kill it so that it cannot do anything about it."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return the exit code, or minus the signal."""
        with self.line:
            answer = self.line.makefile().readline()
        return os.waitstatus_to_exitcode(int(answer))


class Zygote:
    """The forking process, seen from a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address = str(folder / "zygote")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.entry.zygote", self._address])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def run(self, argv: Sequence[str], out: Path, *, before: Sequence[str] = (), **environ: str) -> Child:
        """Start the command; what it says goes to `out`. `before`: a module, a function to call first, its words."""
        line = self._connected()
        order = {"argv": list(argv), "environ": environ, "out": str(out), "before": list(before)}
        line.sendall(json.dumps(order).encode() + b"\n")
        return Child(int(line.makefile().readline()), line)

    def _connected(self, within: float = 30.0) -> socket.socket:
        assert self._process
        end = time.monotonic() + within
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(self._address)
            except (FileNotFoundError, ConnectionRefusedError):
                line.close()
                assert self._process.poll() is None, "the zygote has ended"
                assert time.monotonic() < end, "the zygote does not listen"
                time.sleep(0.02)
            else:
                return line


def serve(address: str) -> None:
    """Import, listen, fork for each who connects."""
    for name in EVERYTHING:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who attend to a connection
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                attend(line)
                os._exit(0)
            line.close()


def attend(line: socket.socket) -> None:
    """Start the command that was asked for, say its number, wait for its end and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order = json.loads(line.makefile().readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        become(order)
    line.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    line.sendall(f"{status}\n".encode())


def become(order: dict[str, Any]) -> None:
    """Run the command, and never return."""
    from rotator.cli.main import main

    os.environ.update(order["environ"])
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    code = 70
    try:
        if order["before"]:
            module, function, *words = order["before"]
            getattr(importlib.import_module(module), function)(*words)
        code = main(order["argv"])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
