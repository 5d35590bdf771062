"""Who is compared: what each runs, and how long it leaves between two runs of one life."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from tests.entry.zygote import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rotator.sandbox.okta_state import OktaApp
    from tests.entry.site import Site
    from tests.entry.zygote import Child, Zygote

INTERVAL = timedelta(days=90)
HTTP = {"OKTA_TESTING_TESTINGDISABLEHTTPSCHECK": "true"}  # the SDK takes no `http` without it


class Contestant(Protocol):
    """A program that rotates, and its habits."""

    @property
    def title(self) -> str: ...

    @property
    def program(self) -> str:
        """The module whose `main(argv)` is run."""
        ...

    @property
    def runs(self) -> tuple[timedelta, ...]:
        """The time after each run of one life."""
        ...

    def argv(self, site: Site, apps: Mapping[str, OktaApp], run: int) -> list[str]:
        """Return what the n-th run is given."""
        ...

    def stored(self, site: Site) -> list[str]:
        """Return the values in a store of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Rotator:
    """This program, from cron."""

    title: str = "rotator"
    program: str = PROGRAM
    runs: tuple[timedelta, ...] = (timedelta(days=8), timedelta(days=4), timedelta(0))

    def argv(self, site: Site, apps: Mapping[str, OktaApp], run: int) -> list[str]:
        return site.argv("rotate" if run == 0 else "reconcile", *apps)

    def stored(self, site: Site) -> list[str]:
        return []


@dataclass(frozen=True, slots=True)
class Script:
    """Another one, which is told everything in its first argument."""

    title: str
    program: str
    runs: tuple[timedelta, ...] = (INTERVAL, INTERVAL)

    def argv(self, site: Site, apps: Mapping[str, OktaApp], run: int) -> list[str]:
        job = {
            "okta_url": site.box.okta_url,
            "okta_token": site.api_token,
            "vault_url": site.box.vault_url,
            "vault_token": "root",
            "store": str(site.folder),
            "apps": [(app.id, f"{name}/okta") for name, app in apps.items()],
        }
        return [json.dumps(job)]

    def stored(self, site: Site) -> list[str]:
        stores = [json.loads(file.read_text()) for file in site.folder.glob("0oa*.json")]
        return [kept["value"] for store in stores for kept in store["kept"]]


ROTATOR = Rotator()
CRON = Script("a script from cron", "tests.bench.peers.cron")
TWO_PHASE = Script("two phases", "tests.bench.peers.two_phase", (INTERVAL, INTERVAL, INTERVAL))
ALL: tuple[Contestant, ...] = (ROTATOR, CRON, TWO_PHASE)


def start(who: Contestant, site: Site, apps: Mapping[str, OktaApp], run: int, *, zygote: Zygote) -> Child:
    """Start a run in a process of its own."""
    environ = {"HOME": str(site.folder), "XDG_STATE_HOME": str(site.folder / "state"), **HTTP}
    return zygote.run(who.argv(site, apps, run), log_of(site), **environ)


def undisturbed(who: Contestant, site: Site, apps: Mapping[str, OktaApp], run: int, *, zygote: Zygote) -> int:
    """Make a run at whatever time the sandbox has; return its exit code. This program goes by its own clock else."""
    if who is ROTATOR:
        return asyncio.run(site.reconcile()).exit_code
    return start(who, site, apps, run, zygote=zygote).wait()


def log_of(site: Site) -> Path:
    return site.folder / "log"
