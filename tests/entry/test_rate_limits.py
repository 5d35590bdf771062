"""Passes over many targets within Okta's rate limits, over real HTTP: the sandbox counts and refuses as Okta does.

Time runs fast, and jumps over what is waited for once no call is under way.
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from rotator.app.reconcile import Patience
from rotator.core.model import ProofLevel
from rotator.errors import RateLimitedError, RotatorError
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.wiring import open_worlds
from tests.app.small_world import Told
from tests.entry.paced import SLOW, Unpaced, Watched, passed, rotated, times
from tests.entry.site import APPS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

SPEED = 50.0
WINDOW = 60
FRESH = timedelta(days=5)
PATIENT = Patience(timedelta(hours=2), retries=20)
SHARE = 0.4


@pytest.fixture
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An org with 20 calls a minute in the small bucket, of which a token gets half, unless told otherwise."""
    settings = OktaSettings(plan="integrator", principal_share=getattr(request, "param", 0.5))
    with Sandbox(clock=SandboxClock(speed=SPEED), okta=settings) as box:
        yield box


# --- many at once ---------------------------------------------------------------------------------------------


async def test_sixty_targets_take_as_long_as_our_share_makes_them_and_meet_no_refusal(site: Site) -> None:
    for n in range(60):
        site.add(f"t{n:02}")
    site.box.okta.compete("apps", 0.3)
    pace = Watched(site.box.clock)

    outcomes = await passed(site, pace)

    took, calls = times(site)[-1], site.box.okta.calls["apps"]
    assert (rotated(outcomes), calls, +site.box.okta.refused) == (60, 120, {})
    assert min(left for (bucket, _), told in pace.told.items() if bucket == "/api/v1/apps" for _, left in told) == 6
    windows = calls / (SHARE * 10)
    assert took == pytest.approx((windows - 1) * WINDOW, rel=0.1)


@pytest.mark.parametrize("box", [1.0], indirect=True, ids=["all of it"])
async def test_a_competitor_s_part_is_no_part_of_ours(site: Site) -> None:
    """Nothing but the remainder tells of it: they use eighteen of twenty by the end of each window."""
    for n in range(20):
        site.add(f"t{n:02}")
    site.box.okta.compete("apps", 0.9)
    pace = Watched(site.box.clock)

    outcomes = await passed(site, pace)

    assert (rotated(outcomes), +site.box.okta.refused) == (20, {})
    for told in (told for (bucket, _), told in pace.told.items() if bucket == "/api/v1/apps"):
        for ours, (limit, left) in enumerate(sorted(told, key=lambda each: -each[1]), start=1):
            assert limit == 20
            assert ours <= max(1, SHARE * (limit if ours == 1 else told[0][1] + 1))
            assert left >= 1


async def test_without_a_pace_the_same_targets_are_refused(site: Site) -> None:
    for n in range(60):
        site.add(f"t{n:02}")
    site.box.okta.compete("apps", 0.3)

    outcomes = await passed(site, Unpaced(site.box.clock))

    assert site.box.okta.refused["apps"] > 0
    assert rotated(outcomes) < 60
    assert any(isinstance(outcome.ending, RateLimitedError) for outcome in outcomes)


async def test_old_secrets_are_switched_off_in_the_window_in_which_they_were_looked_at(site: Site) -> None:
    """A removal does not wait; still none is put off, however many there are: a look leaves it its room."""
    apps = [site.add(f"t{n:02}") for n in range(20)]
    await passed(site, Watched(site.box.clock))
    site.box.clock.advance(timedelta(days=8))
    pace = Watched(site.box.clock)

    outcomes = await passed(site, pace)

    assert [outcome.ending for outcome in outcomes if isinstance(outcome.ending, RotatorError)] == []
    assert [app.secrets[0].active for app in apps] == [False] * 20
    assert +site.box.okta.refused == {}
    lefts = [left for (bucket, _), told in pace.told.items() if bucket == "/api/v1/apps" for _, left in told]
    assert min(lefts) >= 2


# --- what is urgent -------------------------------------------------------------------------------------------


async def test_a_revoked_secret_is_replaced_while_others_wait_for_the_next_window(site: Site) -> None:
    site.box.clock.run(SLOW)
    pace = Watched(site.box.clock, jumps=False)
    due = [site.add(f"due{n}") for n in range(2)]
    revoked = site.add("revoked", age=FRESH, older=["a-secret-of-somebody"])
    site.box.okta.revoke(revoked, revoked.secrets[1].id)

    outcomes = await passed(site, pace)

    assert rotated(outcomes) == 3
    journal = site.box.journal.calls(APPS)
    last_of = {app.id: max(call.at for call in journal if app.id in call.path) for app in (*due, revoked)}
    assert (last_of[revoked.id] - journal[0].at).total_seconds() < WINDOW
    assert max((last_of[app.id] - journal[0].at).total_seconds() for app in due) >= WINDOW
    assert +site.box.okta.refused == {}


async def test_one_target_is_rotated_without_a_pause(site: Site) -> None:
    """Two calls of the small bucket, of which four in a window are ours."""
    site.add()
    pace = Watched(site.box.clock)

    outcomes = await passed(site, pace)

    assert rotated(outcomes) == 1
    assert len({window for bucket, window in pace.told if bucket == "/api/v1/apps"}) == 1
    assert times(site)[-1] < WINDOW / 2


# --- storms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavour", ["without headers", "too many at once"])
async def test_a_storm_without_a_window_is_met_one_by_one_with_growing_pauses(site: Site, flavour: str) -> None:
    for n in range(5):
        site.add(f"t{n}")
    if flavour == "without headers":
        site.box.faults.answer(429, APPS, times=6)
    else:
        site.box.okta.crowd(6)

    outcomes = await passed(site, Watched(site.box.clock), patience=PATIENT)

    assert rotated(outcomes) == 5
    refused = [call.at for call in site.box.journal.calls() if call.status == 429]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(refused)]
    assert len(refused) == 6
    assert max(pauses) >= 2


async def test_a_storm_that_tells_its_end_is_waited_out_without_another_call(site: Site) -> None:
    for n in range(5):
        site.add(f"t{n}")
    ends = site.box.clock.now() + timedelta(seconds=50)
    site.box.faults.answer(429, APPS, headers=used_up_until(ends, site.box.clock.now()))

    outcomes = await passed(site, Watched(site.box.clock))

    assert rotated(outcomes) == 5
    assert times(site)[1] >= 49
    assert len([call for call in site.box.journal.calls() if call.status == 429]) == 1


def used_up_until(ends: datetime, now: datetime) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": "10",
        "X-Rate-Limit-Remaining": "0",
        "X-Rate-Limit-Reset": str(int(ends.timestamp())),
        "Date": format_datetime(now, usegmt=True),
    }


async def test_the_token_endpoint_s_limit_is_kept_as_well(site: Site) -> None:
    for n in range(6):
        site.add(f"t{n}")
    site.box.okta.settings.limits = {"apps": 1000, "token:default": 10}
    pace = Watched(site.box.clock)

    outcomes = await passed(site, pace)

    assert rotated(outcomes) == 6
    assert +site.box.okta.refused == {}


# --- through the configuration --------------------------------------------------------------------------------


async def test_the_shares_of_the_configuration_are_kept_by_all_ports_of_an_org(site: Site) -> None:
    for n in range(3):
        site.add(f"t{n}")
    environ = dict.fromkeys([f"ROTATOR_OKTA__ACME__RATE_SHARE__{name}" for name in ("ROUTINE", "URGENT")], "0.1")
    settings, clock = load(site.config, environ=environ), site.box.clock
    site.box.okta.settings.limits = {"token:default": 20}  # half of them for one client
    pace = Watched(clock)

    async with open_worlds(
        settings, progress=Told(), warn=print, clock=clock, sleep=pace.jump, leases_in=site.folder / "leases"
    ) as worlds:
        for target in settings.targets:
            (current,) = await worlds.of(target).okta.list_secrets(target.app_id)
        world, app = worlds.of(target), await worlds.of(target).okta.get_app(target.app_id)
        assert app
        assert current.value
        for _ in range(3):
            assert (await world.tokens.prove(app, current.value, target.verify)).level is ProofLevel.TOKEN_ISSUED

    for bucket in ("apps", "token:default"):
        first, second, third = times(site, Wanted(bucket=bucket))
        assert second - first >= WINDOW - 1
        assert third - second >= WINDOW - 1
