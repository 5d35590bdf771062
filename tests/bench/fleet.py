"""A fleet in a sandbox, and a state database that remembers it as settled: a daemon that starts has nothing to ask.

* It is written through the ports, the brake released: as it is after each target was looked at once.
* Nothing of it is due for half a day unless told, and every app and path is really there.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from rotator.core.actions import Waiting
from rotator.core.admission import Admitted
from rotator.core.agenda import Entry, LastLook, Remembered, State, digest_of, place_of
from rotator.core.model import AppId, ClientId, Proof, ProofLevel, SecretId
from rotator.core.selection import Member, targets_of
from rotator.sandbox.okta_console import GivenSecret
from rotator.settings import load
from rotator.wiring_state import open_state
from tests.bench.world import BUCKETS
from tests.entry.daemon import Daemon
from tests.entry.site import SCOPE, Site

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.core.model import Target
    from rotator.sandbox.okta_state import OktaApp
    from rotator.sandbox.world import Sandbox
    from rotator.settings import Settings

UNLIMITED = dict.fromkeys(BUCKETS, 10_000_000)
ANOTHER = "somebody-else-s-secret-that-stays"  # an app's only active secret cannot be revoked
PATIENCE = 300.0
YOUNG = timedelta(days=10)
SELECTION = "services"
VERIFY = {"authorization_server": "default", "scope": SCOPE}
AT_REST = ("--resync", "7d", "--poll", "10m")  # one poll at the start, and no other call of its own accord


@dataclass
class Fleet:
    """Apps with a young secret each, their paths, and the targets: named ones, or the members of a selection."""

    box: Sandbox
    folder: Path
    state_url: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700)  # else the state database is not made
        state = {"url": self.state_url or f"sqlite:///{self.folder}/state.db"}
        self.site = Site(self.box, self.folder, extra={"state": state, **self.extra}, answer_within="10s")
        self.apps: dict[str, OktaApp] = {}  # by the target's name
        self._members: list[Member] = []

    def add_named(self, count: int, *, age: timedelta = YOUNG, **traits: Any) -> None:
        """Add targets that stand in the configuration by name."""
        for name in (f"app-{n:05}" for n in range(count)):
            self.apps[name] = self.site.add(name, age=age, **traits)

    def select(self, count: int) -> None:
        """Add members of a selection, let in already."""
        self.site.selections[SELECTION] = {
            "where": {"label": "svc-*"},
            "max_matches": max(count, 1),
            "newcomers": "policy",
            "verify": VERIFY,
            "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
        }
        since = datetime.now(UTC)
        for n in range(count):
            app = self.box.okta.add_app(f"svc-{n:05}", secrets=[GivenSecret(age=YOUNG)])
            fields = {"client_id": app.client_id, "client_secret": app.secrets[-1].value}
            self.box.vault.put("secret", f"apps/{app.id}/okta", fields)
            member = Member(SELECTION, AppId(app.id), ClientId(app.client_id), app.label, since, newcomer=False)
            self._members.append(member)
            self.apps[member.name] = app

    def revoke(self, *names: str) -> None:
        """Deactivate what consumers of these read, as a person does."""
        with self.box.lock:
            for name in names:
                self.box.okta.revoke(self.apps[name], self.apps[name].secrets[-1].id)

    def remember(self, *, due: int = 0) -> None:
        """Write the state database; let so many be due for a look at once."""
        asyncio.run(self._remember(load(self.site.config), due))

    async def _remember(self, settings: Settings, due: int) -> None:
        now = datetime.now(UTC)
        targets = targets_of(settings, self._members) if self._members else settings.targets
        async with open_state(settings, decide=lambda *_: Admitted(), owner="bench") as state:
            if self._members:
                await state.roster.note(self._members)
            remembered = [self._settled(target, now) for target in targets]
            late = [replace(each, entry=replace(each.entry, at=now)) for each in remembered[:due]]
            await state.memory.remember([*late, *remembered[due:]])
            await state.brakes.release("the bench", now)

    def _settled(self, target: Target, now: datetime) -> Remembered:
        """Return what is remembered of a target after a look at which nothing was due."""
        secret = self.apps[target.name].secrets[-1]
        looked_at = now - timedelta(hours=1)
        last = LastLook(
            at=looked_at,
            result="resting",
            waiting=Waiting.NEXT_ROTATION.value,
            until=secret.created + target.policy.rotate_after,
            secret_id=SecretId(secret.id),
            secret_created=secret.created,
            proof=Proof(ProofLevel.TOKEN_ISSUED, "a token was issued", looked_at),
            rotated_before=True,
        )
        entry = Entry(now + timedelta(hours=12) * (1 + place_of(target.name)), State.RESTING)
        return Remembered(target.name, digest_of(target), now, entry, last)

    def daemon(self, *options: str) -> Daemon:
        """Return `rotator run` here, to be started."""
        return Daemon(self.site, _program, *options)


class Endings:
    """A daemon's log, read on: when rotations were over, promoted, verified and recorded."""

    def __init__(self, daemon: Daemon) -> None:
        self._file = daemon.log.open(encoding="utf-8")
        self._ended: dict[str, datetime] = {}  # by target

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def wait_for(self, *names: str) -> datetime:
        """Return when the last of these was over, once all are."""
        ends = time.monotonic() + PATIENCE
        while missing := set(names) - self._ended.keys():
            assert time.monotonic() < ends, f"not rotated: {sorted(missing)}"
            line = self._file.readline()
            if line.startswith("{"):
                self._note(json.loads(line))
            elif not line:
                time.sleep(0.02)
        return max(self._ended[name] for name in names)

    def _note(self, event: dict[str, Any]) -> None:
        if event["event"] == "staging_closed":
            self._ended[event["target"]] = datetime.fromisoformat(event["timestamp"])


def _program(argv: list[str], daemon: Daemon) -> subprocess.Popen[bytes]:
    with daemon.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rotator", *argv], stdout=log, stderr=log, env=os.environ | daemon.environ
        )
