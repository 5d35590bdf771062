"""The chapter of a year: what an app costs of Okta's calls, and how many events its System Log gets by us."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.cli.run import run as daemon
from rotator.core.model import Policy
from rotator.daemon.serve import POLL
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from rotator.settings.kinds import read_duration
from tests.bench.figures import Chapter, Row
from tests.bench.fleet import UNLIMITED
from tests.entry.site import Site

if TYPE_CHECKING:
    from pathlib import Path

YEAR = timedelta(days=365)
MANY = 1_000  # targets of an org, which share the polls of its log


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    lives: int = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs: calls to Okta by bucket, and events in its System Log by kind."""

    calls: Counter[str]
    events: Counter[str]


class Life:
    """One target, and what its passes cost."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self._box = box
        self._site = Site(box, folder)
        self.app = self._site.add(age=Policy().rotate_after + timedelta(days=1))

    def passes(self, *after: timedelta) -> Cost:
        """Make a pass after each of these times; return what they cost together."""
        calls, events = self._box.journal.mark(), len(self._box.okta.log.by_publication)
        for wait in after:
            self._box.clock.advance(wait)
            asyncio.run(self._site.reconcile())
        made = [call for call in self._box.journal.calls(since=calls) if call.service == "okta"]
        told = self._box.okta.log.by_publication[events:]
        return Cost(Counter(str(call.bucket) for call in made), Counter(event.kind for event in told))


def measured(folder: Path, size: Size) -> Chapter:
    """Count the calls and events of some lives and of a look between them, and make a year of the two."""
    policy, resync = Policy(), default_of("--resync")
    now, hour = timedelta(0), timedelta(hours=1)
    lives, looks = [], []
    # Nobody passes by between two lives, so that our API token would die of not being used.
    with Sandbox(okta=OktaSettings(limits=UNLIMITED, api_token_idle_life=None)) as box:
        target = Life(box, folder)
        for _ in range(size.lives):
            (old,) = target.app.secrets
            lives.append(target.passes(now, policy.overlap + hour, policy.soak + hour))
            (new,) = target.app.secrets
            assert new.id != old.id
            looks.append(target.passes(resync))
            box.clock.advance(policy.rotate_after)
    life, look = lives[-1], looks[-1]
    rotations, all_looks = YEAR / policy.rotate_after, YEAR / resync
    rests = all_looks - 3 * rotations  # a life's own passes are looks as well

    def of_year(life: float, look: float) -> float:
        return rotations * life + rests * look

    polls = YEAR / POLL
    days = f"{policy.rotate_after.days} d, overlap {policy.overlap.days} d, soak {policy.soak.days} d"
    return Chapter(
        "A year of one app",
        f"By the defaults: `rotate_after` {days}, a look at least every {resync.days} d (`--resync`), a poll of the"
        f" System Log every {POLL.seconds} s (`--poll`), proof by a token request. Counted in the sandbox over"
        f" {size.lives} lives, the last of which counts, and the look after it: a year is 365 d \N{DIVISION SIGN}"
        " `rotate_after` lives, and 365 d \N{DIVISION SIGN} `--resync` looks less the three that belong to each life."
        " Polls are by org, however many apps it has. Not counted: our own login.",
        [
            Row("calls to Okta in one life", life.calls.total(), remark=_listed(life.calls)),
            Row("calls to Okta in a look at rest", look.calls.total(), remark=_listed(look.calls)),
            Row("events in one life", life.events.total(), remark=_listed(life.events)),
            Row("events in a look at rest", look.events.total(), remark=_listed(look.events)),
            Row("calls to Okta for each app and year", of_year(life.calls.total(), look.calls.total())),
            Row("of them in the apps bucket", of_year(life.calls["apps"], look.calls["apps"])),
            Row("events for each app and year", of_year(life.events.total(), look.events.total())),
            Row("polls of the System Log for each org and year", polls),
            Row(f"polls for each app and year, of {MANY:,} in an org", polls / MANY),
        ],
    )


def default_of(option: str) -> timedelta:
    """Return how long an option of `rotator run` is where nobody says so."""
    (found,) = (each for each in daemon.params if option in each.opts)
    return read_duration(found.default)


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counted.items()))
