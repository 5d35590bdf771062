"""`rotator run`, the real daemon against the sandbox, its targets at rest for a week: the System Log wakes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_state import AdminRole
from tests.entry.daemon import SOON, Daemon
from tests.entry.test_rotate import FRESH
from tests.entry.test_run import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entry.site import Site

LOG, SECRETS = Wanted(path="/api/v1/logs"), Wanted(method="GET", path="/api/v1/apps/*/credentials/secrets")
POLL = 1.0  # seconds


def until(happened: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_revoked_in_the_console_is_replaced_within_a_poll_and_five_seconds(site: Site) -> None:
    app, other = site.add(age=FRESH), site.add("other", age=FRESH)
    journal = site.box.journal
    with Daemon(site, Program, "--resync", "7d", "--poll", f"{POLL:.0f}s") as daemon:
        daemon.until_ready()
        until(lambda: journal.count(SECRETS) == 2 and journal.count(LOG) >= 3, SOON)  # one is the pre-flight's

        site.box.okta.add_secret_by_admin(app)
        site.box.okta.revoke(app, app.secrets[0].id)
        assert not site.works(app)
        until(lambda: site.works(app), POLL + 5)

        assert daemon.until("change_heard")["targets"] == ["billing"]
        daemon.until("secret_adopted", target="billing")
        assert daemon.stop() == 0

    assert site.works(other, "other")
    assert "other" not in {event.get("target") for event in daemon.events()}
    assert site.secrets_in(daemon.log.read_text()) == []


def test_without_the_log_it_says_so_once_and_does_what_is_due(site: Site) -> None:
    app = site.add()
    (token,) = site.box.okta.org.api_tokens.values()
    token.role = AdminRole(read_log=False)
    with Daemon(site, Program, "--resync", "7d", "--poll", f"{POLL:.0f}s") as daemon:
        told = daemon.until("log_unreadable", org="acme")
        daemon.until("staging_closed")
        time.sleep(2 * POLL)
        assert daemon.stop() == 0

    assert site.works(app)
    assert "once an hour" in told["hint"]
    assert daemon.names("log_unreadable", "log_readable") == ["log_unreadable"]
    assert site.box.journal.count(LOG) == 2  # by the pre-flight, and by the watch
