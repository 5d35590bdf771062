"""Okta, Vault and this machine disagree on the time for good: what that costs, and that it costs no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.core.rotation import CLOCKS_DIFFER
from tests.clocks.apart import DAY, EXACT, HOUR, MINUTE, Apart

if TYPE_CHECKING:
    from datetime import timedelta

SKEWS = [-3 * HOUR, -10 * MINUTE, 10 * MINUTE, 3 * HOUR]
LIFE = 14 * DAY


@pytest.mark.parametrize("skew", SKEWS, ids=str)
@pytest.mark.parametrize("whose", ["ours", "okta", "vault"])
async def test_a_life_with_one_clock_that_is_off(whose: str, skew: timedelta) -> None:
    """Overlap and soak are true to as much as the clocks differ."""
    off = {"ours": EXACT, "okta": EXACT, "vault": EXACT} | {whose: skew}
    world = Apart(ours=off["ours"], okta=off["okta"], vault=off["vault"])
    world.life.early = abs(skew)
    ahead_of_okta = off["ours"] - off["okta"]
    async with world.post:
        await world.go_on(LIFE)

    if ahead_of_okta >= CLOCKS_DIFFER:
        assert (world.calls.count("create_secret"), world.life.promoted) == (0, [])
        return
    assert world.problems() == []


@pytest.mark.parametrize("vault", SKEWS, ids=str)
@pytest.mark.parametrize("okta", SKEWS, ids=str)
async def test_a_life_with_three_clocks(okta: timedelta, vault: timedelta) -> None:
    world = Apart(okta=okta, vault=vault)
    world.life.early = max(abs(okta), abs(vault))
    async with world.post:
        await world.go_on(LIFE, step=3 * HOUR)

    if -okta >= CLOCKS_DIFFER:
        assert world.life.promoted == []
        return
    assert world.problems() == []
