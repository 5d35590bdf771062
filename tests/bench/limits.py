"""The chapter of Okta's rate limit: many secrets are due at once, while somebody else uses the same bucket."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.budget import Shares
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import TIMES, Chapter, Row
from tests.entry.paced import Watched, passed, rotated, times
from tests.entry.site import Site

if TYPE_CHECKING:
    from pathlib import Path

SPEED = 20.0  # ten rotations, all that one window has room for, take some of that window
COMPETITOR = 0.3  # of the org's limit
APPS = "/api/v1/apps"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    targets: int = 1_000


def measured(folder: Path, size: Size) -> Chapter:
    """Let all of them be due at once, and make one pass."""
    began = time.perf_counter()
    settings = OktaSettings()
    with Sandbox(clock=SandboxClock(speed=SPEED), okta=settings) as box:
        site = Site(box, folder)
        for n in range(size.targets):
            site.add(f"t{n:04}")
        box.okta.compete("apps", COMPETITOR)
        pace = Watched(box.clock)
        outcomes = asyncio.run(passed(site, pace))
        calls, refused, took = box.okta.calls["apps"], box.okta.refused.total(), times(site)[-1]
    limit = int(box.okta.org.limits.limit("apps") * settings.principal_share)
    share = int(limit * Shares().routine)
    told = [window for (bucket, _), window in pace.told.items() if bucket == APPS]
    windows = -(-calls // share)
    ideal = (windows - 1) * settings.window.total_seconds()  # the calls of the last one wait for nothing
    real = time.perf_counter() - began
    return Chapter(
        f"{size.targets:,} secrets due at once, and a competitor",
        f"One pass over all of them, over HTTP to a sandbox of Okta's usual limits: {2 * limit} calls a minute for the"
        f" org, half of them for one token, {Shares().routine:.0%} of that for what is routine. A competitor uses"
        f" {COMPETITOR:.0%} of the org's. Time is the sandbox's: it runs {SPEED:.0f} times as fast, and jumps over what"
        " is waited for. The floor is calls \N{DIVISION SIGN} our share, in whole windows.",
        [
            Row("not rotated to promoted and proven", size.targets - rotated(outcomes), 0),
            Row("calls of the apps bucket for each", calls / size.targets, 3),
            Row("time", took / 60, unit=" min", remark=f"{real:.0f} s of real time"),
            Row("time to calls \N{DIVISION SIGN} our share", took / ideal, 1.1, TIMES, f"{windows} windows"),
            Row("calls in a window, the most, to our share", max(map(len, told)) / share, 1, TIMES, f"{share} calls"),
            Row(
                "answers whose `Remaining` was under our reserve",
                sum(left < limit - share for window in told for _, left in window),
                0,
                remark=f"the lowest: {min(left for window in told for _, left in window)}, reserve {limit - share}",
            ),
            Row("refused with 429", refused, 0),
        ],
    )
