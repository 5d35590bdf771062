"""The real daemon and a selection, by a clock that runs fast: who comes, who is let in, and who all vanish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox import okta_apps
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.world import Sandbox
from tests.entry.daemon import SOON, Daemon
from tests.entry.site import EXPIRED, SCOPE, WRITES, Site
from tests.soak.member import SharedClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.okta_state import OktaApp

SPEED = 200  # the sandbox's seconds in one of ours


@pytest.fixture
def clock() -> SharedClock:
    clock = SandboxClock(datetime.now(UTC), speed=SPEED)
    return SharedClock(clock._base.isoformat(), clock._since, SPEED)


@pytest.fixture
def box(clock: SharedClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock.made()) as box:
        yield box


class Member:
    """A member of the soak, as a process of its own."""

    def __init__(self, clock: SharedClock, daemon: Daemon) -> None:
        argv = [sys.executable, "-m", "tests.soak.member", str(daemon.site.config), json.dumps(asdict(clock))]
        with daemon.log.open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, env=dict(os.environ) | daemon.environ)
        self.pid = self._process.pid

    def wait(self) -> int:
        return self._process.wait(SOON)


@pytest.fixture
def daemon(site: Site, clock: SharedClock) -> Iterator[Daemon]:
    site.selections["services"] = {
        "where": {"label": "svc-*"},
        "verify": {"authorization_server": "default", "scope": SCOPE},
        "write_to": [{"mount": "secret", "path": "apps/{app_id}/okta"}],
    }
    for number in range(4):
        add(site, f"svc-{number}")
    site.release()
    with Daemon(site, lambda _, daemon: Member(clock, daemon)) as daemon:
        yield daemon.until_ready()


def add(site: Site, label: str) -> OktaApp:
    """Have somebody make an app whose secret has long expired, with its path in Vault."""
    app = site.box.okta.add_app(label, secrets=[GivenSecret(age=EXPIRED)])
    fields = {"client_id": app.client_id, "client_secret": app.secrets[-1].value}
    site.box.vault.put("secret", f"apps/{app.id}/okta", fields)
    tell(site, app, "create")
    return app


def tell(site: Site, app: OktaApp, what: str) -> None:
    """Have Okta's log tell of it."""
    okta_apps.tell_lifecycle(site.box.okta.org, app, what=what, origin=site.box.okta._by_hand())


def test_an_app_that_is_made_while_it_runs_is_observed_and_rotated_once_it_is_let_in(
    site: Site, daemon: Daemon
) -> None:
    daemon.until("target_observed", 4)
    app = add(site, "svc-new")
    daemon.until("selection_members_changed", 2)
    observed = daemon.until("target_observed", target=f"services/{app.id}")
    assert (observed["detail"], "it is new" in observed["hint"]) == ("would Stage", True)
    assert site.box.journal.count(WRITES) == 0

    ran = site.run("resume", f"services/{app.id}")
    assert (ran.code, "let in" in ran.out) == (0, True)
    assert daemon.until("staging_closed")["target"] == f"services/{app.id}"
    assert daemon.stop() == 0
    assert len(app.secrets) == 2
    assert site.box.journal.count(WRITES) == 3


def test_when_many_vanish_at_once_nothing_is_written_and_it_is_told_once(site: Site, daemon: Daemon) -> None:
    daemon.until("target_observed", 4)
    apps = list(site.box.okta.org.apps.values())
    for app in apps[:2]:
        app.label = "renamed"
        tell(site, app, "update")
    notice = daemon.until("selection_not_believed")
    assert notice["hint"]
    assert site.run("resume", *(f"services/{app.id}" for app in apps)).code == 0
    tell(site, apps[0], "update")
    marked = site.box.journal.mark()
    site.box.journal.wait_until(lambda calls: any(call.path == "/api/v1/apps" for call in calls[marked:]), within=SOON)
    assert daemon.stop() == 0
    assert site.box.journal.count(WRITES) == 0
    assert daemon.names("selection_not_believed") == ["selection_not_believed"]
