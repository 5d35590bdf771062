"""Whole lives of apps on the real stack: our adapters, over HTTP, on the emulators, while calls go wrong.

`python -m tests.proof.stack MINUTES SEED` prints how many rotations there were, and what was wrong, as JSON. After
each call it is checked that Okta takes what Vault holds, and what Vault held until then for the length of the overlap;
in the end each app has one secret, which consumers read, and nothing lies in staging.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.app.reconcile import reconcile
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import Drop, GoOn, Reply
from rotator.sandbox.http import Response
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.entry.site import EXPIRED, Site
from tests.soak.__main__ import BUCKETS, FAULTS

if TYPE_CHECKING:
    from rotator.sandbox.faults import Verdict
    from rotator.sandbox.journal import Call
    from rotator.sandbox.okta_state import OktaApp

APPS = 8
DAYS, QUIET = 14, 7  # with calls that go wrong, and without
EVERY = timedelta(days=1)
UNDONE: tuple[Verdict, ...] = (Drop(), Reply(Response(503, (), b"")), Reply(Response(502, (), b"<html>")))
UNHEARD: tuple[Verdict, ...] = (Drop(), Reply(Response(502, (), b"")), Reply(Response(504, (), b"<html>")))
OVERLAP = timedelta(days=7)


@dataclass
class Watch:
    """After each call: does Okta take what consumers read, and what those read who have not looked since?

    Of one call in a hundred the answer is lost then, or another one is heard, though it was applied.
    """

    box: Sandbox
    site: Site
    apps: dict[str, OktaApp]
    rng: random.Random
    stormy: bool = True
    name: str = "watch"
    read: dict[str, dict[str, datetime]] = field(default_factory=dict)  # by app: until when each value was the latest
    wrong: set[str] = field(default_factory=set)
    looks: int = 0

    def arm(self) -> None:
        """Watch every call but those that are struck; one call meets one fault alone, the first that was armed."""
        self.box.faults.clear()
        if self.stormy:
            self.box.faults.arm(Strike(self), when="before", nth=1 + int(self.rng.expovariate(FAULTS)))
        self.box.faults.arm(self, when="after", times=None)

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        self.looks += 1
        with self.box.lock:
            for name in self.apps:
                self._look(name)
        return self.rng.choice(UNHEARD) if self.stormy and self.rng.random() < FAULTS else GoOn()

    def _look(self, name: str) -> None:
        now, taken = self.box.clock.now(), set(self.apps[name].accepted(self.box.clock.now()))
        current, known = str(self.site.fields(name)["client_secret"]), self.read.setdefault(name, {})
        known[current] = now
        if current not in taken:
            self.wrong.add(f"{name}: Okta does not take what Vault holds")
        if any(now - until < OVERLAP and value not in taken for value, until in known.items() if value != current):
            self.wrong.add(f"{name}: Okta does not take what Vault held a moment ago")


@dataclass(frozen=True)
class Strike:
    """One call never arrives, is refused, or takes its time."""

    watch: Watch
    name: str = "strike"

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        rng = self.watch.rng
        self.watch.arm()
        if rng.random() < 1 / 3:
            await asyncio.sleep(rng.uniform(0.1, 3))
            return GoOn()
        return rng.choice(UNDONE)


def batch(seed: int, folder: Path) -> tuple[int, list[str]]:
    """Let some apps live for three weeks; return how many rotations there were, and what was wrong."""
    rng = random.Random(seed)
    clock = SandboxClock(datetime.now(UTC))
    settings = OktaSettings(limits=dict.fromkeys(BUCKETS, 10_000_000), seed=seed, api_token_idle_life=None)
    with Sandbox(clock=clock, okta=settings) as box:
        site = Site(box, folder, answer_within="2s", propagation="1s")
        apps = {name: site.add(name, age=EXPIRED * rng.uniform(0.9, 2)) for name in (f"app-{n}" for n in range(APPS))}
        watch = Watch(box, site, apps, rng)
        watch.arm()
        asyncio.run(_live(site, clock, passes=DAYS))
        watch.stormy = False
        watch.arm()
        asyncio.run(_live(site, clock, passes=QUIET))
        wrong = sorted(watch.wrong) + [problem for name, app in apps.items() for problem in _unsettled(site, name, app)]
        versions = [key.current - 1 for name in apps if (key := box.vault.key("secret", f"{name}/okta"))]
        assert watch.looks > len(box.journal.calls()) / 2
    return sum(versions), wrong


async def _live(site: Site, clock: SandboxClock, *, passes: int) -> None:
    settings = load(site.config)
    async with AsyncExitStack() as around:
        leases = site.folder / "leases"
        worlds = await around.enter_async_context(
            open_worlds(settings, progress=Told(), warn=lambda _: None, clock=clock, leases_in=leases)
        )
        for _ in range(passes):
            await reconcile(settings.targets, worlds.of)
            clock.advance(EVERY)


def _unsettled(site: Site, name: str, app: OktaApp) -> list[str]:
    holder = site.holder(app, name)
    if holder is None or not holder.active or len(app.secrets) != 1:
        return [f"{name}: Okta holds {[secret.status for secret in app.secrets]} in the end"]
    if (state := site.staged(app).get("state")) != "empty":
        return [f"{name}: staging is {state} in the end"]
    return []


def main(minutes: float, seed: int) -> None:
    ends, rotations, wrong, number = time.monotonic() + minutes * 60, 0, list[str](), 0
    while number == 0 or time.monotonic() < ends:
        with tempfile.TemporaryDirectory() as folder:
            made, found = batch(seed + number, Path(folder))
        rotations += made
        wrong += [f"seed {seed + number}: {one}" for one in found]
        number += 1
    print(json.dumps({"rotations": rotations, "wrong": wrong}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
