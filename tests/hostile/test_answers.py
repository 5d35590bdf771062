"""Whatever Okta, the token endpoint and Vault answer: a clean end, soon, with a cause and a next step.

Each case is a seed: it draws which calls are answered badly, how, and which command is run then.
"""

from __future__ import annotations

import resource
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from rotator.errors import InvariantError
from rotator.sandbox.journal import Wanted
from tests.hostile.mutation import TIMES, Spoil

if TYPE_CHECKING:
    from tests.entry.site import Ran, Site

CASES = 12 * TIMES
CPU, WALL, MEMORY = 5.0, 60.0, 300 * 1024  # seconds, seconds, KiB
WHO = {
    "okta": Wanted(service="okta", path="/api/v1/*"),
    "token": Wanted(service="okta", path="/oauth2/*"),
    "vault": Wanted(service="vault"),
}
COMMANDS = (
    ("reconcile",), ("reconcile",), ("reconcile",), ("status",), ("verify",), ("doctor", "billing"), ("plan",),
    ("discover", "--yes", "--fresh"), ("doctor", "--preflight"), ("rotate", "billing", "--force", "--wait", "0"),
)  # fmt: skip
FOUND: tuple[tuple[str, int], ...] = ()  # seeds that found something once


def survive(site: Site, who: str, seed: int) -> Ran:
    """Let a command meet bad answers, and check what is promised of any."""
    rng = Random(f"{who} {seed}")
    site.targets.clear()
    site.box.okta.org.apps.clear()
    app = site.add(f"app-{seed}")
    site.targets["billing"] = site.targets.pop(f"app-{seed}")
    if rng.random() < 0.3:
        site.box.okta.add_secret_by_admin(app)
    site.box.faults.arm(Spoil(rng), WHO[who], when="after", nth=rng.randint(1, 4), times=rng.choice((1, 2, None)))
    command = rng.choice(COMMANDS)
    cpu, began = time.process_time(), time.monotonic()
    ran = site.run(*command)
    site.box.faults.clear()
    told = f"{who} {seed} {command}: {ran}"
    assert ran.code in {0, 1, 3, 4, 5}, told
    assert "Traceback" not in ran.err, told
    assert '"exception"' not in ran.err, told
    assert InvariantError.hint not in ran.err + ran.out, told
    assert ran.code in {0, 1, 4} or ran.out or len(ran.err.splitlines()) > 1, told
    assert time.process_time() - cpu < CPU, told
    assert time.monotonic() - began < WALL, told
    return ran


def ready(site: Site) -> Site:
    site.answer_within = "2s"
    site.propagation = "1s"
    site.box.okta.settings.limits = {"apps": 100_000, "app": 100_000, "logs": 100_000}
    site.run("resume", "--all")
    return site


@pytest.mark.timeout(60 + 60 * CASES)
@pytest.mark.parametrize("who", WHO)
def test_whatever_is_answered_the_end_is_clean(site: Site, who: str) -> None:
    ready(site)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    codes = {survive(site, who, seed).code for seed in range(CASES)}

    assert codes != {0}, "nothing of that was ever noticed"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY
