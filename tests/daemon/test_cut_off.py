"""`rotator run` over real HTTP: a consumer that is cut off with its old secret has it back, whatever `usage` says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests

from tests.entry.daemon import SOON, Daemon
from tests.entry.site import SCOPE
from tests.entry.test_run import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.sandbox.okta_state import ClientSecret, OktaApp
    from tests.entry.site import Site

POLL = 1.0  # seconds
CONSUMER = "legacy-job/3.1"
NAME = "job-177"  # whose own moment is the first: what ends for many is spread over minutes, by name


def ask(site: Site, app: OktaApp, secret: ClientSecret) -> bool:
    """Ask for a token as a consumer does; say whether there was one."""
    answer = requests.post(
        f"{site.box.okta_url}/oauth2/default/v1/token",
        {"grant_type": "client_credentials", "scope": SCOPE},
        auth=(app.client_id, secret.value),
        headers={"User-Agent": CONSUMER},
        timeout=30,
    )
    return answer.status_code == 200


def until(happened: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("refused", "actor"),
    [
        pytest.param("hash", "app_id", id="the log tells the hash that was refused"),
        pytest.param("absent", "app_id", id="the log masks it, but it was used from there"),
        pytest.param("absent", "client_id", id="likewise, and the actor is the client"),
    ],
)
def test_who_is_cut_off_is_back_within_a_poll_and_five_seconds_of_its_first_failure(
    site: Site, refused: str, actor: str
) -> None:
    site.policy = "{mode: auto, usage: 'off', overlap: 2s, soak: 7d}"
    site.box.okta.settings.switch("log_refused", refused)
    site.box.okta.settings.switch("log_actor_id", actor)
    app = site.add(NAME, client_id="billing-client")
    (old,) = app.secrets
    with Daemon(site, Program, "--resync", "7d", "--poll", f"{POLL:.0f}s") as daemon:
        daemon.until("staging_closed")
        assert ask(site, app, old)
        until(lambda: old.status == "INACTIVE", SOON)
        daemon.until("usage_asked")  # by the pass that switched it off, which must not be the one that hears of it

        assert not ask(site, app, old)
        until(lambda: old.status == "ACTIVE", POLL + 5)

        assert ask(site, app, old)
        heard = daemon.until("cut_off_heard")
        assert (heard["targets"], heard["agent"], heard["address"]) == ([NAME], CONSUMER, "127.0.0.1")
        assert daemon.stop() == 0

    assert site.works(app, NAME)
    assert site.secrets_in(daemon.log.read_text()) == []
