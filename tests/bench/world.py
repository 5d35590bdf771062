"""A sandbox in a process of its own, so that what its clients take is theirs alone.

`python -m tests.bench.world FOLDER FLEET` serves until its stdin ends; `FLEET` says how many targets there are of each
kind, as JSON. Rate limits are lifted: they would be measured instead of the program.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.bare import Task

BUCKETS = ("apps", "app", "clients", "logs", "token", "oauth2", "api")
AGES = {"expired": timedelta(days=100), "settled": timedelta(days=10)}


@dataclass(frozen=True, slots=True)
class World:
    """The sandbox as seen from outside."""

    config: Path
    okta_url: str
    vault_url: str
    okta_token: str
    vault_token: str
    apps: dict[str, str]  # by the target's name

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._ask("clock", {"advance": by.total_seconds()})

    def mark(self) -> int:
        """Return where the journal stands."""
        return len(self._ask("journal"))

    def calls(self, since: int) -> list[dict[str, Any]]:
        """Return the calls that arrived after the mark."""
        found: list[dict[str, Any]] = self._ask(f"journal?since={since}")
        return found

    def task(self, name: str) -> Task:
        """Return what bare calls need to know to rotate that target."""
        return {
            "okta_url": self.okta_url,
            "okta_token": self.okta_token,
            "vault_url": self.vault_url,
            "vault_token": self.vault_token,
            "app": self.apps[name],
            "path": f"{name}/okta",
            "staging": f"rotator/staging/bare/{self.apps[name]}",
            "scope": "billing.read",
        }

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.okta_url}/_sandbox/{path}", data=data)) as answer:
            return json.load(answer)


def tally(calls: list[dict[str, Any]]) -> Counter[str]:
    """Count calls by Okta's bucket, and those to Vault as `vault`."""
    return Counter("vault" if call["service"] == "vault" else str(call["bucket"]) for call in calls)


@contextmanager
def serving(folder: Path, fleet: Mapping[str, int], environ: Mapping[str, str]) -> Iterator[World]:
    """Start the process, and end it."""
    folder.mkdir()
    argv = [sys.executable, "-m", "tests.bench.world", str(folder), json.dumps(fleet)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environ))
    try:
        assert process.stdout
        facts = json.loads(process.stdout.readline())
        yield World(**{**facts, "config": Path(facts["config"])})
    finally:
        process.communicate()  # closes its stdin


def serve(folder: Path, fleet: Mapping[str, int]) -> None:
    """Serve until stdin ends."""
    from rotator.sandbox.okta_settings import OktaSettings
    from rotator.sandbox.world import Sandbox
    from tests.entry.site import ROOT, Site

    with Sandbox(okta=OktaSettings(limits=dict.fromkeys(BUCKETS, 10_000_000))) as box:
        site = Site(box, folder)
        apps = {}
        for kind, number in fleet.items():
            for name in (f"{kind}-{n:03}" for n in range(number)):
                apps[name] = site.add(name, age=AGES[kind]).id
        facts = {
            "config": str(site.config),
            "okta_url": box.okta_url,
            "vault_url": box.vault_url,
            "okta_token": site.api_token,
            "vault_token": ROOT,
            "apps": apps,
        }
        print(json.dumps(facts), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), json.loads(sys.argv[2]))
