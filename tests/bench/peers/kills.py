"""Kill a contestant at one of its calls, let it run again as its owner does, and see what became of the secrets.

* Each call of each run of one life is tried twice: it never arrives, or it is applied and nobody hears of it.
* After it the same run is made again, four times at most, and then the rest of the life.
* After every call of all of this a consumer reads Vault and is tried at Okta: with what it reads now, and with what it
  read within the last seven days.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import GoOn
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.bench.peers.contestants import start, undisturbed
from tests.entry.site import STAGING, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.sandbox.faults import Reply, Verdict
    from rotator.sandbox.journal import Call
    from tests.bench.peers.contestants import Contestant
    from tests.entry.zygote import Zygote

When = Literal["before", "after"]

AGAIN = 4
OVERLAP = timedelta(days=7)
SOON = 60.0  # seconds


@dataclass(slots=True)
class Came:
    """What came of one kill."""

    call: str
    current_refused: bool = False
    former_refused: bool = False
    stuck: bool = False
    lost: int = 0  # secrets at Okta that stand nowhere else


@dataclass
class Consumers:
    """Those who read the latest version, and those who read within the last days; tried after every call."""

    trial: Trial
    name: str = "consumers"
    read: dict[str, datetime] = field(default_factory=dict)  # until when each value was the latest one
    current_refused: bool = False
    former_refused: bool = False

    async def __call__(self, call: Call, _: Reply | None) -> Verdict:
        self.look()
        return GoOn()

    def look(self) -> None:
        trial = self.trial
        with trial.box.lock:
            now, current = trial.box.clock.now(), str(trial.site.fields()["client_secret"])
            taken = set(trial.app.accepted(now))
        self.read[current] = now
        former = {value for value, until in self.read.items() if value != current and now - until < OVERLAP}
        self.current_refused |= current not in taken
        self.former_refused |= bool(former - taken)


class Trial:
    """A world of its own, in which a contestant dies at most once."""

    def __init__(self, who: Contestant, run: int, folder: Path, zygote: Zygote) -> None:
        folder.mkdir()
        self.who, self.run, self._zygote = who, run, zygote
        ago = sum(who.runs[:run], timedelta(0))  # so that it is now when the run is made that is killed
        settings = OktaSettings(api_token_idle_life=None)  # whose token it is uses it for other apps meanwhile
        self.box = Sandbox(clock=SandboxClock(datetime.now(UTC) - ago), okta=settings)
        self.box.start()
        self.site = Site(self.box, folder, answer_within="2s", propagation="1s")
        self.app = self.site.add()
        self.consumers = Consumers(self)

    def live(self, runs: range) -> None:
        """Make these runs without a kill, each at its time."""
        for run in runs:
            undisturbed(self.who, self.site, {"billing": self.app}, run, zygote=self._zygote)
            self.consumers.look()
            self.box.clock.advance(self.who.runs[run])

    def once(self) -> int:
        """Make the run that is looked at."""
        return start(self.who, self.site, {"billing": self.app}, self.run, zygote=self._zygote).wait()

    def killed(self, number: int, when: When) -> Call:
        """Kill it at its n-th call."""
        hold = self.box.faults.hold(when=when, nth=number)
        self.box.faults.arm(self.consumers, when="after", times=None)
        victim = start(self.who, self.site, {"billing": self.app}, self.run, zygote=self._zygote)
        call = hold.wait(SOON)
        victim.kill()
        victim.wait()
        hold.drop()
        return call

    def lost(self) -> int:
        """Count the secrets at Okta that nobody can read anywhere."""
        paths = ("billing/okta", f"{STAGING}/127.0.0.1/{self.app.id}")
        known = {value for path in paths for value in self._values(path)} | set(self.who.stored(self.site))
        return sum(secret.value not in known for secret in self.app.secrets)

    def _values(self, path: str) -> Iterator[str]:
        key = self.box.vault.key("secret", path)
        for version in range(1, (key.current if key else 0) + 1):
            fields = self.box.vault.read("secret", path, version=version) or {}
            yield str(fields.get("client_secret"))


@contextmanager
def begun(who: Contestant, run: int, folder: Path, zygote: Zygote) -> Iterator[Trial]:
    """Open a world right before a run."""
    trial = Trial(who, run, folder, zygote)
    try:
        trial.live(range(run))
        yield trial
    finally:
        trial.box.stop()


def calls_of(who: Contestant, run: int, folder: Path, zygote: Zygote) -> list[Call]:
    """Return the calls of a run that nothing befalls."""
    with begun(who, run, folder, zygote) as trial:
        mark = trial.box.journal.mark()
        assert trial.once() == 0, (trial.site.folder / "log").read_text()
        return list(trial.box.journal.calls(since=mark))


def kill(who: Contestant, run: int, folder: Path, zygote: Zygote, *, number: int, when: When) -> Came:
    """Try one kill."""
    with begun(who, run, folder, zygote) as trial:
        call = trial.killed(number, when)
        trial.consumers.look()
        stuck = all(trial.once() != 0 for _ in range(AGAIN))
        lost = trial.lost()
        trial.consumers.look()
        trial.box.clock.advance(who.runs[run])
        trial.live(range(run + 1, len(who.runs)))
        seen = trial.consumers
        kind = f"run {run + 1}, call {number}, {call.kind}, {'lost' if when == 'before' else 'applied, unheard'}"
        return Came(kind, seen.current_refused, seen.former_refused, stuck, lost)
