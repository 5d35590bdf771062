"""The chapter of revoked secrets: how soon a new one is promoted and verified, one at a time and many at once."""

from __future__ import annotations

import math
import random
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rotator.core.budget import Shares
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import Chapter, Row
from tests.bench.fleet import ANOTHER, Endings, Fleet
from tests.entry.site import APPS

if TYPE_CHECKING:
    from pathlib import Path

MORE = 5  # seconds beyond a poll, by the goal


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    targets: int = 1_000
    trials: int = 20
    at_once: int = 50
    poll: int = 2
    window: int = 10  # seconds, of Okta's limits: a sixth of the true one, so that the bench ends


class Trials:
    """A fleet with a daemon at rest, and people who revoke secrets of it."""

    def __init__(self, fleet: Fleet, endings: Endings) -> None:
        self._fleet = fleet
        self._endings = endings
        self._left = iter(fleet.apps)

    def revoke(self, count: int = 1) -> float:
        """Revoke the secrets of so many; return the seconds until the last one is replaced."""
        fleet, names = self._fleet, [next(self._left) for _ in range(count)]
        began = datetime.now(UTC)
        fleet.revoke(*names)
        ended = self._endings.wait_for(*names)
        assert all(fleet.site.works(fleet.apps[name], name) for name in names)
        return (ended - began).total_seconds()


def measured(folder: Path, size: Size) -> Chapter:
    """Revoke one after the other, then many at once."""
    urgent = size.trials + size.at_once
    with Sandbox(okta=OktaSettings(window=timedelta(seconds=size.window))) as box:
        fleet = Fleet(box, folder / "fleet", extra={"limits": {"urgent_at_once": urgent}})
        fleet.add_named(size.targets, older=[ANOTHER])
        fleet.remember()
        options = ("--resync", "7d", "--poll", f"{size.poll}s")
        with fleet.daemon(*options) as daemon, Endings(daemon.until_ready()) as endings:
            box.journal.wait_until(lambda calls: any(call.bucket == "logs" for call in calls), within=60)
            trials, one_by_one = Trials(fleet, endings), []
            for _ in range(size.trials):
                time.sleep(random.uniform(0, size.poll))
                one_by_one.append(trials.revoke())
            time.sleep(size.window)  # a window of their own
            mark = box.journal.mark()
            together = trials.revoke(size.at_once)
            calls = box.journal.count(APPS, since=mark)
        touched = {call.path.split("/")[4] for call in box.journal.calls(Wanted(path="/api/v1/apps/*"))}
        refused = box.okta.refused.total()
        limit = box.okta.org.limits.limit("apps")
    share = int(limit * box.okta.settings.principal_share * Shares().urgent)
    at_most = size.poll + MORE
    one_by_one.sort()
    p95 = one_by_one[math.ceil(0.95 * len(one_by_one)) - 1]
    in_time = at_most + calls / share * size.window
    return Chapter(
        "Revoked secrets",
        f"`rotator run --poll {size.poll}s` over {size.targets:,} settled targets and Okta's usual limits, whose"
        f" windows last {size.window} s here instead of a minute. Secrets are deactivated at Okta; time is from the"
        " event in the System Log to the new one promoted, verified and recorded, by the daemon's log. The goal is a"
        f" poll and {MORE} s, for many at once and calls \N{DIVISION SIGN} our urgent share ({share} calls a window).",
        [
            Row(f"one among {size.targets:,}: p95 of {size.trials}", p95, at_most, " s"),
            Row("one: median", statistics.median(one_by_one), unit=" s"),
            Row("one: the worst", one_by_one[-1], unit=" s"),
            Row(f"{size.at_once} at once: the last one", together, in_time, " s", f"{calls} calls of the apps bucket"),
            Row("apps asked about that were not revoked", len(touched) - urgent, 0),
            Row("refused with 429", refused, 0),
        ],
    )
