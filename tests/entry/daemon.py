"""A running `rotator run`: what it logs, what it tells systemd, and the signals that it gets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.entry.site import Site

SOON = 60.0  # seconds, on a busy machine


class Process(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int: ...

    def wait(self) -> int: ...


class Daemon:
    """The daemon at a site, from its start to the end of the block."""

    soon = SOON

    def __init__(self, site: Site, start: Callable[[list[str], Daemon], Process], *options: str) -> None:
        self.site = site
        self.log = site.folder / f"log-{time.monotonic_ns()}"
        self.log.touch()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified = f"{tempfile.mkdtemp(prefix='rt')}/notify"  # a socket's path may not be long
        self._notify.settimeout(self.soon)
        self._argv = site.argv("run", "--tick", "1s", "--resync", "1s", *options)
        self._start = start
        self._process: Process | None = None
        self._code: int | None = None
        self._said: list[str] = []

    @property
    def environ(self) -> dict[str, str]:
        home = str(self.site.folder)
        return {"HOME": home, "XDG_STATE_HOME": f"{home}/state", "NOTIFY_SOCKET": self._notified}

    def __enter__(self) -> Self:
        self._notify.bind(self._notified)
        self._process = self._start(self._argv, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:  # shown by pytest where the test failed
            print(f"--- the log of {' '.join(self._argv)}", self.log.read_text(), sep="\n")
        if self._code is None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.wait()
        self._notify.close()
        shutil.rmtree(Path(self._notified).parent)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Say whether the same process still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return the exit code, or minus the signal."""
        assert self._process
        if self._code is None:
            self._code = self._process.wait()
        return self._code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def told(self) -> str:
        """Return the next message to systemd."""
        try:
            return self._notify.recv(4096).decode()
        except TimeoutError:
            raise AssertionError(f"nothing was told to systemd: {self.log.read_text()}") from None

    def until_ready(self) -> Self:
        assert self.told() == "READY=1"
        return self

    def events(self, *names: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [event for event in found if not names or event["event"] in names]

    def names(self, *names: str) -> list[str]:
        """Return the names of these events; without any of all, but for the rows of the audit among them."""
        return [event["event"] for event in self.events(*names) if names or event["event"] != "audit"]

    def until(self, name: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait for the count-th event of that name with these fields, and return it."""
        end = time.monotonic() + self.soon
        while True:
            found = [event for event in self.events(name) if fields.items() <= event.items()]
            if len(found) >= count:
                return found[count - 1]
            assert time.monotonic() < end, f"no {name}: {self.log.read_text()}"
            time.sleep(0.02)
