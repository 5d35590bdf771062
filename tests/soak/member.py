"""A daemon as `rotator run` starts it, but by the sandbox's clock: days go by in minutes.

`python -m tests.soak.member CONFIG CLOCK`, the clock as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from rotator.cli.progress import LogProgress, log_warning
from rotator.core.agenda import Pace
from rotator.daemon.passes import Limits
from rotator.daemon.serve import Telling, serve
from rotator.logs import start
from rotator.sandbox.clock import SandboxClock
from rotator.settings import load


@dataclass(frozen=True, slots=True)
class SharedClock:
    """A sandbox's clock in other processes of the same machine: when it began, by the wall and by the kernel."""

    began: str
    since: float
    speed: float

    def made(self) -> SandboxClock:
        """Return a clock that shows the same time."""
        clock = SandboxClock(datetime.fromisoformat(self.began), speed=self.speed)
        clock._since = self.since
        return clock


def main(config: Path, clock: SharedClock) -> int:
    """Serve until a signal ends it."""
    start(level="info", style="json")
    return asyncio.run(
        serve(
            partial(load, config),
            Telling(LogProgress(), log_warning, lambda *_: {}),
            pace=Pace(tick=timedelta(seconds=1), resync=timedelta(days=1)),
            limits=Limits(),
            poll=timedelta(seconds=1),
            clock=clock.made(),
        )
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), SharedClock(**json.loads(sys.argv[2]))))
