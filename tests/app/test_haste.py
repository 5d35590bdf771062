"""How pressing a pass says its calls to Okta are, as a port sees it at each call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.reconcile import Patience, reconcile, see_through
from rotator.app.rotate import carry_on
from rotator.core.budget import TURN, Haste, Share, haste
from rotator.core.model import OrderMode
from rotator.core.secret_value import SecretValue
from rotator.errors import UnknownOutcomeError
from tests.app.small_world import OLD, OTHER, SmallWorld

if TYPE_CHECKING:
    from rotator.core.model import Target

HASTELESS, PRESSING = Haste(Share.ROUTINE, TURN), Haste(Share.URGENT, TURN)
OVERLAP, SOAK = timedelta(days=7, minutes=1), timedelta(days=3, minutes=1)


class Noting:
    """A port that notes the haste of each call."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.noted: list[tuple[str, Haste]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.inner, name)
        if not callable(real):
            return real

        async def noting(*args: Any, **kwargs: Any) -> Any:
            self.noted.append((name, haste()))
            return await real(*args, **kwargs)

        return noting

    def of(self, name: str) -> list[Haste]:
        return [how for called, how in self.noted if called == name]


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


@pytest.fixture
def okta(small: SmallWorld) -> Noting:
    noting = Noting(small.flaky_okta)
    small.world = replace(small.world, okta=noting, tokens=noting)
    return noting


async def test_a_rotation_that_is_due_by_age_is_routine(small: SmallWorld, okta: Noting) -> None:
    await carry_on(small.settled(age=91), small.world)

    assert {how for _, how in okta.noted} == {HASTELESS}
    assert okta.of("create_secret")


async def test_a_revoked_secret_is_pressing_once_that_is_seen(small: SmallWorld, okta: Noting) -> None:
    await carry_on(await revoked(small), small.world)

    assert okta.of("list_secrets") == [HASTELESS]
    assert okta.of("create_secret") == [PRESSING]


async def test_the_look_after_a_lost_answer_is_as_pressing_as_what_was_lost(small: SmallWorld, okta: Noting) -> None:
    target = await revoked(small)
    small.flaky_okta.fail("create_secret", UnknownOutcomeError("lost"), done=True)

    await carry_on(target, small.world)

    assert okta.of("list_secrets") == [HASTELESS, PRESSING]


async def test_an_order_is_pressing(small: SmallWorld, okta: Noting) -> None:
    await carry_on(small.settled(), small.world, order=OrderMode.NOW)

    assert okta.of("create_secret") == [PRESSING]


async def test_a_removal_is_pressing_and_does_not_wait(small: SmallWorld, okta: Noting) -> None:
    target = small.settled(age=91)
    await carry_on(target, small.world)
    for passed in (OVERLAP, SOAK):
        small.clock.advance(passed)
        await carry_on(target, small.world)

    at_once = Haste(Share.URGENT, timedelta(0))
    assert (okta.of("deactivate_secret"), okta.of("delete_secret")) == ([at_once], [at_once])


async def test_the_next_target_is_not_hurried_by_the_last(small: SmallWorld, okta: Noting) -> None:
    await carry_on(small.settled(), small.world, order=OrderMode.NOW)

    assert haste() == HASTELESS


@pytest.mark.parametrize(("seconds", "turn"), [(60, TURN), (0, timedelta(0))], ids=["some patience", "none"])
async def test_whoever_will_not_wait_waits_for_no_turn(
    small: SmallWorld, okta: Noting, seconds: int, turn: timedelta
) -> None:
    await see_through(small.settled(), small.world, patience=Patience(timedelta(seconds=seconds)))

    assert okta.of("list_secrets") == [Haste(Share.ROUTINE, turn)]


async def test_targets_that_are_carried_on_at_the_same_time_have_each_a_haste_of_its_own(
    small: SmallWorld, okta: Noting
) -> None:
    due = small.settled("due", app_id="0oa2", age=91)
    dead = await revoked(small, "dead")

    await reconcile([dead, due], small.of)

    assert sorted(how.share.value for how in okta.of("create_secret")) == ["routine", "urgent"]


async def revoked(small: SmallWorld, name: str = "billing", *, app_id: str = "0oa1") -> Target:
    """Add a target whose secret somebody has switched off, beside an older one that nobody knows."""
    target = small.target(name, app_id=app_id)
    small.okta.add_app(app_id, OTHER)
    small.clock.advance(timedelta(hours=1))
    with small.okta.by("somebody"):
        current = await small.okta.create_secret(target.app_id, SecretValue(OLD))
        small.kv.by_hand.put(target.consumer, {"client_id": app_id, "client_secret": OLD})
        await small.okta.deactivate_secret(target.app_id, current.id)
    return target
