"""What the operating system asks of the daemon. A signal only leaves word and rings; the loop sees to it.

* SIGTERM and SIGINT ask to stop: what is under way is finished first. A second one stops at once; after it the old
  handlers are back, so that a third kills.
* SIGHUP asks to read the configuration again, SIGUSR1 to log how each target stands.
* On the way out every handler is as it was before.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOPPING = (signal.SIGTERM, signal.SIGINT)
HEARD = (*STOPPING, signal.SIGHUP, signal.SIGUSR1)


@dataclass(slots=True)
class Asked:
    """What was asked and is not seen to yet. `stop_by` is the signal that asked to stop first."""

    stop: bool = False
    reload: bool = False
    status: bool = False
    at_once: asyncio.Event = field(default_factory=asyncio.Event)
    stop_by: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """0 after an orderly stop by SIGTERM, 130 after SIGINT; 143 where a second signal cut it short."""
        if self.stop_by is None:
            return 0
        if self.stop_by is signal.SIGINT or self.at_once.is_set():
            return 128 + self.stop_by
        return 0


@contextmanager
def hearing(asked: Asked, ring: Callable[[], None]) -> Iterator[None]:
    """Note signals in `asked`, and ring for each, while the context lasts. Needs the main thread's event loop."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in HEARD}

    def deaf() -> None:
        for number in tuple(before):
            loop.remove_signal_handler(number)
            signal.signal(number, before.pop(number))

    def hear(number: signal.Signals) -> None:
        if number is signal.SIGHUP:
            asked.reload = True
        elif number is signal.SIGUSR1:
            asked.status = True
        elif asked.stop:
            asked.at_once.set()
            deaf()
        else:
            asked.stop, asked.stop_by = True, number
        ring()

    for number in HEARD:
        loop.add_signal_handler(number, partial(hear, number))
    try:
        yield
    finally:
        deaf()
