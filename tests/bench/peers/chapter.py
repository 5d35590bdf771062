"""The chapter of the peers: this program and two others over the same emulators, undisturbed and killed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self, get_args

from rotator.sandbox.consumer import Consumer
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.figures import Chapter, Row
from tests.bench.peers.contestants import ALL, ROTATOR, Contestant, start
from tests.bench.peers.kills import OVERLAP, Came, When, calls_of, kill
from tests.entry.site import EXPIRED, ROOT, SCOPE, Site
from tests.entry.zygote import Zygote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.sandbox.okta_state import OktaApp

APPS = Wanted(bucket="apps")
VAULT = Wanted(service="vault")
AT_ONCE = 6
RUNS = 8  # at most, until a run has nothing left to do
REFUSED = "invalid_client"
SHOWN = {
    "lost": "kills that lost a secret",
    "stuck": "kills after which it is stuck until a person mends it",
    "current_refused": "kills after which a consumer was refused",
    "former_refused": "kills after which a lagging consumer was refused",
}
TOKENS = 10_000_000  # requests of a minute: those of the observer are not to be in anybody's way


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    apps: int = 40
    window: int = 10  # seconds, of Okta's limits: a sixth of the true one, so that the bench ends
    late: float = 1.0  # seconds until Okta's token endpoints take a new secret, in the second run
    every: int = 1  # of the kills, one in so many
    peers: tuple[str, ...] = tuple(who.title for who in ALL)


@dataclass
class Watching:
    """Consumers of all apps, in turn: read Vault, ask Okta for a token with what is there, many times a second."""

    site: Site
    names: list[str]
    asked: int = 0
    refused: int = 0
    hit: set[str] = field(default_factory=set)  # the apps whose consumers were refused
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        box, consumers = self.site.box, {}
        with ExitStack() as around:
            for name in self.names:
                consumers[name] = around.enter_context(
                    Consumer(
                        vault_url=box.vault_url,
                        vault_token=ROOT,
                        mount="secret",
                        path=f"{name}/okta",
                        token_url=f"{box.okta_url}/oauth2/default/v1/token",
                    )
                )
            while not self._over.is_set():
                for name, consumer in consumers.items():
                    if self._over.is_set():
                        break
                    if (read := consumer.read()) and consumer.ask(read, SCOPE).error == REFUSED:
                        self.refused += 1
                        self.hit.add(name)
                    self.asked += 1


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a run over many apps took."""

    seconds: float
    apps_calls: float  # for each app
    vault_calls: float
    limited: int
    refused: int
    asked: int
    hit: int
    rotated: int


def measured(folder: Path, size: Size) -> Chapter:
    """Run each over a fleet, twice; then kill it at each of its calls."""
    rows = []
    with ExitStack() as around:
        for who in (who for who in ALL if who.title in size.peers):
            zygote = around.enter_context(Zygote(folder, who.program))
            place = folder / who.program
            place.mkdir()
            rows += _of_fleet(who, _fleet(who, place / "fleet", size, zygote, late=0.0), size)
            rows += _of_late(who, _fleet(who, place / "late", size, zygote, late=size.late), size)
            rows += _of_kills(who, _killed(who, place, size, zygote))
    return Chapter(
        "Beside what people use today",
        f"Over the same emulators: rotator; a script from cron on the whole okta SDK and hvac, which removes the secret"
        f" that Vault does not hold, makes a new one and writes it (`tests/bench/peers/cron.py`); and the steps of a"
        f" product that keeps two secrets of each app in a store of its own (`two_phase.py`), which then writes to"
        f" Vault. {size.apps} expired secrets under Okta's usual limits, whose windows last {size.window} s here;"
        " a consumer of each app reads Vault and asks for a token, in turn, as often as it can; imports are not"
        " counted. Then one app, killed (SIGKILL) at each call of each run of a life, once before it is applied and"
        " once after; run again until it ends well, four times at most, then the rest of its life, 90 d between two"
        " runs of the others. Lost: at Okta, and neither in any version in Vault nor in a store. Lagging: who read"
        f" within the last {OVERLAP.days} d.",
        rows,
    )


def _fleet(who: Contestant, folder: Path, size: Size, zygote: Zygote, *, late: float) -> Fleet:
    folder.mkdir()
    settings = OktaSettings(window=timedelta(seconds=size.window), limits={"token": TOKENS}, create_delay=late)
    with Sandbox(okta=settings) as box:
        site = Site(box, folder)
        apps = {name: site.add(name, age=EXPIRED) for name in (f"app-{n:03}" for n in range(size.apps))}
        old = {name: site.holder(app, name) for name, app in apps.items()}
        start(who, site, {}, 0, zygote=zygote).wait()  # what it imports is no part of its time
        mark = box.journal.mark()
        with Watching(site, list(apps)) as watching:
            took = _until_done(who, site, apps, zygote)
        calls = box.journal.count(VAULT, since=mark) - watching.asked
        return Fleet(
            seconds=took,
            apps_calls=box.okta.calls["apps"] / size.apps,
            vault_calls=calls / size.apps,
            # The consumers' own requests meet the limit of the token endpoint, as often as the machine lets them ask.
            limited=sum(count for bucket, count in box.okta.refused.items() if not bucket.startswith("token")),
            refused=watching.refused,
            asked=watching.asked,
            hit=len(watching.hit),
            rotated=sum(site.holder(app, name) not in (None, old[name]) for name, app in apps.items()),
        )


def _until_done(who: Contestant, site: Site, apps: Mapping[str, OktaApp], zygote: Zygote) -> float:
    """Run it until it ends well; what rests for Okta's sake is run again, as cron does."""
    began = time.monotonic()
    for _ in range(RUNS if who is ROTATOR else 1):
        if start(who, site, apps, 0, zygote=zygote).wait() == 0:
            break
    return time.monotonic() - began


def _killed(who: Contestant, folder: Path, size: Size, zygote: Zygote) -> list[Came]:
    trials: list[tuple[int, int, When]] = []
    for run in range(len(who.runs)):
        calls = calls_of(who, run, folder / f"run-{run}", zygote)
        trials += [(run, number, when) for number in range(1, len(calls) + 1) for when in get_args(When)]

    def tried(trial: tuple[int, int, When]) -> Came:
        run, number, when = trial
        return kill(who, run, folder / f"{run}-{number}-{when}", zygote, number=number, when=when)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(tried, trials[:: size.every]))


def _of_fleet(who: Contestant, seen: Fleet, size: Size) -> list[Row]:
    ours = who is ROTATOR
    return [
        Row(f"{who.title}: {size.apps} apps, time", seen.seconds, unit=" s", remark=f"{seen.rotated} rotated"),
        Row(f"{who.title}: calls of the apps bucket for each", seen.apps_calls),
        Row(f"{who.title}: calls to Vault for each", seen.vault_calls),
        Row(f"{who.title}: refused with 429, but for token requests", seen.limited, 0 if ours else None),
        Row(f"{who.title}: consumers refused", seen.hit, 0 if ours else None, remark=f"{seen.asked} tokens asked for"),
    ]


def _of_late(who: Contestant, seen: Fleet, size: Size) -> list[Row]:
    what = f"{who.title}: consumers refused where Okta takes a new secret {size.late:.0f} s late"
    remark = f"{seen.refused} of {seen.asked} requests, {seen.rotated} rotated"
    return [Row(what, seen.hit, 0 if who is ROTATOR else None, remark=remark)]


def _of_kills(who: Contestant, came: list[Came]) -> list[Row]:
    rows = [Row(f"{who.title}: kills", len(came))]
    for trait, what in SHOWN.items():
        hit = [one for one in came if getattr(one, trait)]
        goal = 0 if who is ROTATOR else None
        rows.append(Row(f"{who.title}: {what}", len(hit), goal, remark=hit[0].call if hit else ""))
    return rows
