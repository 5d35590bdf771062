"""Where a run of the program leaves things, and who watches it meanwhile.

* Everything that a run says or writes lies under one folder; a channel is a part of it. What fits no channel is
  `other files`: nothing is left out.
* While it lasts, somebody looks every few milliseconds at what comes and goes: files that are there for a moment, and
  the command line and the environment of each process of ours.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from tests.leaks.scanner import Found, Scanner

OFTEN = 0.02  # seconds
LARGEST = 4 * 1024 * 1024
INPUTS = "inputs"  # what people gave the program; that is where secrets may be
OTHER = "other files"
FILES = {
    "what commands say": "said/*",
    "tracebacks": "tracebacks/*",
    "the daemon's log": "log-*",
    "pages of the daemon": "pages/*",
    "answers of the control socket": "answers/*",
    "webhook notices": "post/hook/*",
    "Apprise notices": "post/apprise/*",
    "the heartbeat": "post/ping/*",
    "hook webhooks": "post/ci/*",
    "what a hook is told": "hook/*",
    "plans": "plans/*",
    "the audit's export": "audit/*",
    "the inventory": "state/rotator/inventory/*",
    "targets that were found": "emitted/*",
    "the state database": "state/rotator/database/*",
    "a dump of PostgreSQL": "dump/*",
    "temporary files": "tmp/*",
    "files of a moment": "moments/*",
    "command lines": "processes/cmdline-*",
    "environments": "processes/environ-*",
}  # fmt: skip
MOMENTARY = ("tmp", "state")


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret where none may be."""

    channel: str
    file: str
    found: Found


@dataclass(slots=True)
class Place:
    """The folder of a run."""

    folder: Path

    def __post_init__(self) -> None:
        for name in (INPUTS, "tmp", "processes", "moments"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)

    def file(self, name: str) -> Path:
        """Return where something may be written, its folder made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def artefacts(self) -> Iterator[tuple[str, str, bytes]]:
        """Yield everything that is there: its channel, its name and its bytes."""
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            if not path.is_file() or name.startswith(f"{INPUTS}/"):
                continue
            channel = next((each for each, pattern in FILES.items() if fnmatchcase(name, pattern)), OTHER)
            yield channel, name, name.encode() + b"\n" + path.read_bytes()

    def leaks(self, scanner: Scanner) -> list[Leak]:
        """Return every secret that got out."""
        return [
            Leak(channel, name, found) for channel, name, data in self.artefacts() for found in scanner.found_in(data)
        ]


@dataclass(slots=True)
class Watcher:
    """Looks again and again while the context lasts."""

    place: Place
    look: Callable[[], None] = lambda: None  # at what else there is to see
    looks: int = 0
    failure: BaseException | None = None
    _seen: set[tuple[str, bytes]] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        assert self._thread
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _watch(self) -> None:
        try:
            while not self._over.wait(OFTEN):
                self.look()
                self._see_processes()
                self._see_files()
                self.looks += 1
        except BaseException as failure:  # noqa: BLE001 -- raised where the watch ends
            self.failure = failure

    def _see_processes(self) -> None:
        for pid in descendants():
            for kind in ("cmdline", "environ"):
                with suppress(OSError):  # it has ended meanwhile
                    self._keep(f"processes/{kind}", Path(f"/proc/{pid}/{kind}").read_bytes())

    def _see_files(self) -> None:
        for part in MOMENTARY:
            for folder, _, names in os.walk(self.place.folder / part):
                for path in (Path(folder) / name for name in names):
                    with suppress(OSError):
                        if path.is_file() and path.stat().st_size <= LARGEST and not path.name.endswith(".db"):
                            self._keep(f"moments/{path.name}", path.read_bytes())

    def _keep(self, name: str, data: bytes) -> None:
        if data and (name, data) not in self._seen:
            self._seen.add((name, data))
            self.place.file(f"{name}-{len(self._seen)}").write_bytes(data)


def descendants() -> list[int]:
    """Return the processes that we started, and those that they did."""
    found, left = [], [os.getpid()]
    while left:
        with suppress(OSError):  # it has ended meanwhile
            for told in Path(f"/proc/{left.pop()}/task").glob("*/children"):
                below = [int(pid) for pid in told.read_text().split()]
                found += below
                left += below
    return found
