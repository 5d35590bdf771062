"""A process that has imported everything and forks for each run of the command: a tenth of the time of a new one.

It listens on a UNIX socket. Who connects sends one line of JSON, `{"argv", "environ", "out", "before"}`, gets the
number of the process that runs `main(argv)`, and, if it waits for it, the status with which that one ended and
the most memory that it took.
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

PROGRAM = "rotator.cli.main"  # the module whose `main(argv)` is run
EVERYTHING = (
    "Cryptodome.Hash.CMAC",
    "Cryptodome.IO.PKCS8",
    "alembic.command",
    "anyio._backends._asyncio",
    "authlib.integrations.httpx_client",
    "cryptography.hazmat.backends.openssl.backend",
    "httpcore2",
    "httpcore2._backends.anyio",
    "httpx2",
    "rotator.adapters.clock",
    "rotator.adapters.handshake",
    "rotator.adapters.hooks",
    "rotator.adapters.leases",
    "rotator.adapters.mint",
    "rotator.adapters.okta_access",
    "rotator.adapters.okta_admin",
    "rotator.adapters.okta_key",
    "rotator.adapters.okta_last_use",
    "rotator.adapters.okta_log",
    "rotator.adapters.okta_sdk",
    "rotator.adapters.okta_session",
    "rotator.adapters.okta_tokens",
    "rotator.adapters.store",
    "rotator.adapters.vault_kv",
    "rotator.app.preflight",
    "rotator.app.reconcile",
    "rotator.cli.act",
    "rotator.cli.daemon_line",
    "rotator.cli.passes",
    "rotator.cli.progress",
    "rotator.daemon.serve",
    "rotator.logs",
    "rotator.settings",
    "rotator.wiring",
    "rotator.wiring_state",
    "truststore",
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
        return self.ended()[0]

    def ended(self) -> tuple[int, int]:
        """Wait, and return how it ended and how many kilobytes it took at most."""
        with self.line:
            status, peak = self.line.makefile().readline().split()
        return os.waitstatus_to_exitcode(int(status)), int(peak)


class Zygote:
    """The forking process, seen from a test."""

    def __init__(self, folder: Path, program: str = PROGRAM) -> None:
        self._folder, self._program = folder, program
        self._address = str(folder / f"zygote-{program.rpartition('.')[2]}")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.entry.zygote", self._address, self._program])
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

    def _connected(self, within: float = 120.0) -> socket.socket:
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


def serve(address: str, program: str) -> None:
    """Import, listen, fork for each who connects."""
    for name in (program, *EVERYTHING) if program == PROGRAM else (program,):
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who attend to a connection
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                attend(line, program)
                os._exit(0)
            line.close()


def attend(line: socket.socket, program: str) -> None:
    """Start the command that was asked for, say its number, wait for its end and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order = json.loads(line.makefile().readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        become(order, program)
    line.sendall(f"{pid}\n".encode())
    _, status, usage = os.wait4(pid, 0)
    line.sendall(f"{status} {usage.ru_maxrss}\n".encode())


def become(order: dict[str, Any], program: str) -> None:
    """Run the command, and never return."""
    main = importlib.import_module(program).main
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
    serve(*sys.argv[1:])
