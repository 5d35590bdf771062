"""`python -m tests.soak --minutes 60 --seed 1`: two daemons on one PostgreSQL, and everything against them.

Secrets expire and are revoked, one daemon is killed every minute and started again, one call in a hundred goes wrong,
and a consumer asks for tokens all the time. After a quarter of the time the first daemon is killed no more: it shows
whether memory grows. At the end all of that stops, and every target has to settle by itself. A day takes less than four
minutes. Prints what was seen as JSON, and exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.entry.site import ROOT, SCOPE, Site
from tests.postgres import cluster_or_skip
from tests.soak.member import SharedClock

if TYPE_CHECKING:
    from rotator.sandbox.clock import SandboxClock
    from rotator.sandbox.okta_state import OktaApp

SPEED = 400  # the sandbox's seconds in one of ours
OVERLAP, SOAK, AGE = timedelta(hours=2), timedelta(hours=1), timedelta(hours=30)
POLICY = f"""{{mode: auto, rotate_after: {AGE.total_seconds() / 3600:.0f}h, overlap: 2h, soak: 1h, daily_cap: 20}}"""
LIMITS = {"urgent_at_once": 1000}  # more are revoked in a day than any breaker lets pass
BUCKETS = ("apps", "app", "clients", "logs", "token", "oauth2", "api")
MEMBERS = 2
KILL_EVERY, AWAY_FOR = 60.0, 2.0
REVOKE_EVERY = 12.0
FAULTS = 0.01
SETTLING = 60.0  # seconds: more than six hours of the sandbox's
TO_RECOVER = 60.0  # seconds after a revocation, in which a daemon may be killed twice


@dataclass
class Seen:
    """What there is to tell."""

    minutes: float
    seed: int
    targets: int
    kills: int = 0
    revoked: int = 0
    faults: int = 0
    rotations: int = 0
    created: int = 0
    asked: int = 0
    weather: int = 0
    outages: list[dict[str, Any]] = field(default_factory=list)
    recovered_after: list[float] = field(default_factory=list)  # seconds from a revocation to a token
    unsettled: list[str] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # by process: seconds, MB
    told: Counter[str] = field(default_factory=Counter)  # what the daemons logged, by event

    @property
    def slope(self) -> float | None:
        """Return how many MB an hour the longest-lived daemon grew by, after its first five minutes.

        None where none has lived for ten: nothing can be said then.
        """
        longest = max(self.memory.values(), key=len, default=[])
        if not longest or longest[-1][0] - longest[0][0] < 600:
            return None
        points = [(at, size) for at, size in longest if at - longest[0][0] > 300]
        return statistics.linear_regression(*zip(*points, strict=True)).slope * 3600

    @property
    def broken(self) -> list[str]:
        """Return which promises were broken."""
        slow = [after for after in self.recovered_after if after > TO_RECOVER]
        return [
            *(f"outage: {outage}" for outage in self.outages),
            *(f"not settled: {name}" for name in self.unsettled),
            *(f"recovered after {after:.0f} s" for after in slow),
        ]


class Member:
    """One daemon, which is killed and started again."""

    def __init__(self, number: int, config: Path, clock: SharedClock, folder: Path) -> None:
        self._argv = [sys.executable, "-m", "tests.soak.member", str(config), json.dumps(asdict(clock))]
        self._log = folder / f"member-{number}.log"
        self.number = number
        self.lives = 0
        self.start()

    def start(self) -> None:
        self.lives += 1
        self._file: IO[bytes] = self._log.open("ab")
        state = {"STATE_DIRECTORY": str(self._log.parent / f"state-{self.number}")}
        self.process = subprocess.Popen(self._argv, stderr=self._file, stdout=self._file, env={**os.environ, **state})

    def end(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        code = self.process.wait(60)
        self._file.close()
        return code

    def kill(self) -> None:
        """End it if it has not ended."""
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    @property
    def memory(self) -> float:
        """Return the megabytes that it takes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def events(self) -> Counter[str]:
        """Return what it logged, by event; anything that is no event counts as `traceback`."""
        told: Counter[str] = Counter()
        for line in self._log.read_text(encoding="utf-8").splitlines():
            told[event_of(line)] += 1
        return told


def event_of(line: str) -> str:
    """Return the event that a line of a log tells; one that was killed in the middle of a line left it unended."""
    for begins in (at.start() for at in re.finditer(r"\{", line)):
        try:
            return str(json.loads(line[begins:])["event"])
        except (ValueError, KeyError):
            continue
    return "cut off" if line.startswith("{") else "traceback"


class Weather(threading.Thread):
    """Lets one call in a hundred go wrong, one way or another."""

    def __init__(self, box: Sandbox, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.made = 0
        self._box, self._rng = box, rng

    def run(self) -> None:
        while not self.over.is_set():
            if not self._box.faults.armed():
                self._arm()
            time.sleep(0.005)
        self._box.faults.clear()

    def _arm(self) -> None:
        faults, rng = self._box.faults, self._rng
        nth = 1 + int(rng.expovariate(FAULTS))
        wanted = rng.choice([Wanted(service="okta"), Wanted(service="vault")])
        self.made += 1
        match rng.randrange(6):
            case 0:
                faults.drop(wanted, when="before", nth=nth)
            case 1:
                faults.drop(wanted, when="after", nth=nth)
            case 2:
                faults.answer(503, wanted, when="before", nth=nth)
            case 3:
                faults.answer(502, wanted, when="after", nth=nth)
            case 4:
                faults.garble(wanted, keep=7, nth=nth)
            case _:
                faults.delay(rng.uniform(0.1, 3), wanted, when="before", nth=nth)


class People(threading.Thread):
    """Revokes what consumers read, now and then."""

    def __init__(self, box: Sandbox, site: Site, apps: dict[str, OktaApp], rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.revoked: list[tuple[float, str]] = []
        self.made: set[str] = set()
        self._box, self._site, self._apps, self._rng = box, site, apps, rng

    def run(self) -> None:
        while not self.over.wait(self._rng.uniform(0.5, 1.5) * REVOKE_EVERY):
            name = self._rng.choice(list(self._apps))
            with self._box.lock:
                self._revoke(name)

    def _revoke(self, name: str) -> None:
        app, okta = self._apps[name], self._box.okta
        current = self._site.holder(app, name)
        others = [secret for secret in app.secrets if secret is not current and secret.active]
        if current is None or not current.active:
            return
        if not others:
            if len(app.secrets) > 1:
                return
            self.made.add(okta.add_secret_by_admin(app).id)  # Okta keeps an app's only active secret
        okta.revoke(app, current.id)
        self.revoked.append((time.monotonic(), name))


def main() -> int:
    """Run, and say what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--targets", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="Where to leave the daemons' logs.")
    told = parser.parse_args()
    with ExitStack() as around:
        folder = told.keep or Path(around.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        seen = soak(told.minutes, told.seed, told.targets, folder, around)
    shown: dict[str, Any] = {name: getattr(seen, name) for name in Seen.__dataclass_fields__}
    shown |= {
        "memory_slope_mb_per_hour": None if (slope := seen.slope) is None else round(slope, 2),
        "broken": seen.broken,
    }
    shown["memory"] = {
        who: [round(size) for _, size in points][:: max(1, len(points) // 12)] for who, points in seen.memory.items()
    }
    recovered = sorted(shown.pop("recovered_after"))
    if recovered:
        shown["recovered_after"] = {
            "count": len(recovered),
            "median": round(statistics.median(recovered), 1),
            "p95": round(recovered[int(0.95 * (len(recovered) - 1))], 1),
            "worst": round(recovered[-1], 1),
        }
    print(json.dumps(shown, indent=1))
    return 1 if seen.broken else 0


def soak(
    minutes: float, seed: int, targets: int, folder: Path, around: ExitStack, *, settling: float = SETTLING
) -> Seen:
    """Let it run for so long, and settle."""
    rng, seen = random.Random(seed), Seen(minutes, seed, targets)
    url = around.enter_context(cluster_or_skip()).new_database()
    began, since = datetime.now(UTC), time.monotonic()
    shared = SharedClock(began.isoformat(), since, SPEED)
    clock: SandboxClock = shared.made()
    settings = OktaSettings(limits=dict.fromkeys(BUCKETS, 10_000_000), seed=seed)
    box = around.enter_context(Sandbox(clock=clock, okta=settings))
    site = Site(box, folder, policy=POLICY, extra={"state": {"url": url}, "engine": "postgres", "limits": LIMITS})
    apps = {
        name: site.add(name, age=AGE * ((n + 1) / targets))
        for n, name in enumerate(f"app-{n:03}" for n in range(targets))
    }
    members = [Member(n, site.config, shared, folder) for n in range(MEMBERS)]
    for member in members:
        around.callback(member.kill)
    facts = {
        "vault_url": box.vault_url,
        "vault_token": ROOT,
        "okta_url": box.okta_url,
        "scope": SCOPE,
        "names": list(apps),
        "clock": asdict(shared),
        "overlap": OVERLAP.total_seconds(),
        "per_second": 40,
    }
    consumers = Consumers(facts, folder)
    around.callback(consumers.process.kill)
    weather, people = Weather(box, rng), People(box, site, apps, rng)
    weather.start()
    people.start()
    ends, killed_at = time.monotonic() + minutes * 60, time.monotonic()
    spared = time.monotonic() + minutes * 60 / 4
    while (now := time.monotonic()) < ends:
        if now - killed_at >= KILL_EVERY:
            killed_at = now
            victim = members[seen.kills % MEMBERS if now < spared else 1]
            victim.end(signal.SIGKILL)
            seen.kills += 1
            time.sleep(AWAY_FOR)
            victim.start()
        for member in members:
            _measure(member, seen)
        time.sleep(1)
    weather.over.set()
    people.over.set()
    weather.join()
    people.join()
    time.sleep(settling)
    seen.unsettled += _unsettled(box, site, apps, people.made)
    for member in members:
        _measure(member, seen)
        if (code := member.end(signal.SIGTERM)) != 0:
            seen.unsettled.append(f"member {member.number} ended with {code}")
        seen.told += member.events()
    seen.faults, seen.revoked = weather.made, len(people.revoked)
    judge(consumers.end(), people.revoked, seen)
    seen.created = box.journal.count(Wanted(service="okta", method="POST", path="*/credentials/secrets"))
    keys = [box.vault.key("secret", f"{name}/okta") for name in apps]
    seen.rotations = sum(key.current - 1 for key in keys if key)
    return seen


class Consumers:
    """All consumers, in a process of their own."""

    def __init__(self, facts: dict[str, Any], folder: Path) -> None:
        self._said = folder / "consumers.jsonl"
        argv = [sys.executable, "-m", "tests.soak.observer", json.dumps(facts)]
        self._file = self._said.open("wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=self._file)

    def end(self) -> list[dict[str, Any]]:
        """Let them stop, and return what they said."""
        self.process.communicate()
        self._file.close()
        return [json.loads(line) for line in self._said.read_text(encoding="utf-8").splitlines()]


def _measure(member: Member, seen: Seen) -> None:
    if member.process.poll() is None:
        seen.memory.setdefault(f"{member.number}.{member.lives}", []).append((time.monotonic(), member.memory))
    else:
        seen.unsettled.append(f"member {member.number} ended by itself")
        member.start()


def _unsettled(box: Sandbox, site: Site, apps: dict[str, OktaApp], theirs: set[str]) -> list[str]:
    """Return what is not as it should be at rest."""
    found = []
    with box.lock:
        for name, app in apps.items():
            if not site.works(app, name):
                found.append(f"{name}: Okta does not take what Vault holds")
            state = site.staged(app).get("state", "empty")
            if state != "empty":
                found.append(f"{name}: staging is {state}")
            key = box.vault.key("secret", f"{name}/okta")
            versions = range(1, key.current + 1) if key else ()
            values = {
                (box.vault.read("secret", f"{name}/okta", version=n) or {}).get("client_secret") for n in versions
            }
            lost = [secret.id for secret in app.secrets if secret.value not in values and secret.id not in theirs]
            found += [f"{name}: {secret} is in no version of its path" for secret in lost]
    return found


def judge(said: list[dict[str, Any]], revoked: list[tuple[float, str]], seen: Seen) -> None:
    """Sort what the consumers met: what a person's revocation explains, and what is ours."""
    open_since: dict[tuple[str, str], float] = {}
    for one in said:
        which = one["app"], one.get("which", "")
        excused = [at for at, name in revoked if name == one["app"] and one["at"] - TO_RECOVER <= at <= one["at"]]
        match one["what"]:
            case "ended":
                seen.asked, seen.weather = one["asked"], one["weather"]
            case "taken":
                since = open_since.pop(which, None)
                if since is not None and one["which"] == "current":
                    seen.recovered_after.append(one["at"] - since)
            case "refused" if excused:
                open_since[which] = excused[-1]
            case _:
                seen.outages.append(one)
    seen.unsettled += [f"{app} was never taken again" for app, which in open_since if which == "current"]


if __name__ == "__main__":
    sys.exit(main())
