"""One command of an operator's, run to its end: no shell, nothing of ours inherited, no longer than it may.

* Its environment is what we give it, no more. It reads nothing, and no file of ours is open in it.
* It runs in a session of its own. When it ends, runs out of time or is not wanted any more, whatever it left running
  in its process group is ended with it. What it put into another session is not ours any more.
* What it writes to its output is thrown away. Of what it writes to its error output the end is kept, in bounded memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

KEPT = 16 * 1024  # of the end of what it says
_DYING = 5.0  # seconds: longer takes only what the kernel itself holds up
_DRAINING = 1.0  # likewise: for what is still in the pipe


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, a signal's number below zero, or None where its time was over.

    `said` is the end of what it wrote to its error output; `cut` where that began earlier.
    """

    code: int | None
    said: str = ""
    cut: bool = False


async def run_command(
    command: Sequence[str], environment: Mapping[str, str], *, folder: Path, limit: timedelta
) -> Ended:
    """Run a command and say how it ended; `OSError` or `ValueError` where it cannot be started."""
    async with _tail() as (tail, pipe):
        process = await _started(command, environment, folder=folder, stderr=pipe)
        code = None
        try:
            with contextlib.suppress(TimeoutError):  # that there is no code tells it
                async with asyncio.timeout(limit.total_seconds()):
                    code = await process.wait()
        finally:
            await _end(process)
    return Ended(code, bytes(tail.kept).decode(errors="replace"), tail.cut)


async def _started(
    command: Sequence[str], environment: Mapping[str, str], *, folder: Path, stderr: int
) -> asyncio.subprocess.Process:
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # It may run already, and have started more: asyncio itself would end the command alone.
        with contextlib.suppress(OSError, ValueError):
            await _end(await starting)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DYING):
            await process.wait()


class _Tail(asyncio.Protocol):
    """The end of what comes through a pipe."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.cut = False
        self.over = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) > KEPT:
            self.cut = True
            del self.kept[:-KEPT]

    def connection_lost(self, _: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


@contextlib.asynccontextmanager
async def _tail() -> AsyncIterator[tuple[_Tail, int]]:
    """Open a pipe, and read it to its end once the block is over; not longer than a moment, somebody may hold it open.

    It is no pipe of asyncio's own: those make it wait for whoever else has the other end.
    """
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, tail = await loop.connect_read_pipe(_Tail, os.fdopen(reading, "rb", buffering=0))
    try:
        try:
            yield tail, writing
        finally:
            os.close(writing)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAINING):
                await tail.over
    finally:
        transport.close()
