"""A year of a small fleet; ROTATOR_TEST_YEARS and ROTATOR_TEST_FLEET make it longer and larger."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.clocks.years import DAY, QUEUE, YEAR, Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

YEARS = float(os.environ.get("ROTATOR_TEST_YEARS", "1"))
TARGETS = int(os.environ.get("ROTATOR_TEST_FLEET", "20"))
TIMEOUT = 120 + 60 * YEARS * TARGETS / 20
SEED = int(os.environ.get("ROTATOR_TEST_SEED", "20261127"))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(TIMEOUT)
async def test_in_a_year_each_is_rotated_once_in_a_period_and_nothing_is_broken() -> None:
    fleet = Fleet(TARGETS, SEED)

    await fleet.live(YEARS * YEAR)

    assert fleet.broken() == [], f"seed {SEED}"
    assert fleet.lost
    for life in fleet.lives.values():
        longest = life.target.policy.rotate_after + life.longest_closed(fleet.small.clock.now()) + QUEUE
        assert len(life.promoted) >= YEARS * YEAR // longest


async def test_a_secret_that_is_switched_off_too_early_is_seen() -> None:
    fleet = Fleet(4, SEED, faults=0)
    life = fleet.lives["t0"]
    while len(held := fleet.small.okta.held(life.target.app_id)) == 1:
        await fleet.live(2 * DAY)

    await fleet.small.flaky_okta.deactivate_secret(life.target.app_id, held[0].id)

    assert [each for each in fleet.broken() if "I1" in each]
