"""Orgs and Vaults that are away: all their targets wait together, one asks, and the log says it once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.agenda import State
from rotator.daemon.vitals import Condition, Side
from rotator.errors import RateLimitedError, RefusedError, RotatorError, SealedError, UnavailableError
from tests.daemon.post import TICK, Post, Switch

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rotator.core.model import Target
    from tests.app.small_world import SmallWorld

    Log = list[MutableMapping[str, Any]]

DUE = 91.0
OKTA, VAULT = Side("okta", "acme"), Side("vault", "main")
AWAY = UnavailableError("okta acme: no connection")
SEALED = SealedError("vault main: 503 Vault is sealed")
LOGIN_REFUSED = RefusedError("vault main: permission denied", code="token")
KEY_REFUSED = RefusedError("okta acme: Invalid token provided", code="E0000011")


def fleet(small: SmallWorld, count: int, *, org: str = "acme") -> list[Target]:
    made = [small.settled(f"{org}{n}", app_id=f"0oa{org}{n}") for n in range(count)]
    small.clock.advance(timedelta(days=DUE))
    return [replace(target, org=org) for target in made]


def rotated(small: SmallWorld, targets: list[Target]) -> int:
    return sum(len(small.okta.held(target.app_id)) == 2 for target in targets)


def side_events(log: Log) -> list[tuple[str, str]]:
    return [(event["event"], event["log_level"]) for event in log if event.keys() & {"okta", "vault"}]


def switch_of(post: Post, side: Side) -> Switch:
    return post.wires.okta["acme"] if side is OKTA else post.wires.kv


@pytest.mark.parametrize(
    ("side", "error", "condition", "told"),
    [
        pytest.param(OKTA, AWAY, Condition.UNREACHABLE, ("okta_unreachable", "warning"), id="Okta unreachable"),
        pytest.param(OKTA, KEY_REFUSED, Condition.REFUSED, ("okta_refused_us", "error"), id="Okta refuses our token"),
        pytest.param(VAULT, AWAY, Condition.UNREACHABLE, ("vault_unreachable", "warning"), id="Vault unreachable"),
        pytest.param(VAULT, SEALED, Condition.SEALED, ("vault_sealed", "error"), id="Vault sealed"),
        pytest.param(VAULT, LOGIN_REFUSED, Condition.REFUSED, ("vault_refused_us", "error"), id="Vault refuses us"),
    ],
)
async def test_an_outage_holds_all_asks_once_a_tick_is_told_once_and_heals_by_itself(
    small: SmallWorld, log: Log, side: Side, error: RotatorError, condition: Condition, told: tuple[str, str]
) -> None:
    targets = fleet(small, 12)
    post = Post(small, targets)
    post.wires.logins = {"main": None}  # a login that is not due shows nothing
    switch = switch_of(post, side)
    switch.error = error
    async with post:
        reach = post.vitals.reach[side]
        assert (reach.condition, reach.detail, reach.fine) == (condition, str(error), False)
        assert post.vitals.by_state() == {State.HELD: 12}
        looked = len(post.outcomes)
        assert looked == 4  # those that were begun before anybody knew

        for _ in range(5):
            before = len(switch.asked)
            await post.tick()
            assert len(switch.asked) == before + 1
        assert len(post.outcomes) == looked
        assert all(not one.failures for one in post.vitals.targets())

        switch.error = None
        await post.tick()
        assert rotated(small, targets) == 12
        assert post.vitals.reach[side].fine

    word = "okta_reachable" if side is OKTA else "vault_reachable"
    assert side_events(log) == [told, (word, "info")]
    assert next(event["seconds_away"] for event in log if event["event"] == word) == 6 * 30
    assert not [event for event in log if event["event"] == "target_failed"]


async def test_another_orgs_targets_go_on(small: SmallWorld) -> None:
    ours, theirs = fleet(small, 6), fleet(small, 6, org="other")
    post = Post(small, [*ours, *theirs])
    post.wires.okta["acme"].error = AWAY
    async with post:
        assert (rotated(small, ours), rotated(small, theirs)) == (0, 6)
        assert post.vitals.by_state() == {State.HELD: 6, State.RESTING: 6}


async def test_an_app_that_okta_fails_for_holds_nobody_else(small: SmallWorld, log: Log) -> None:
    targets = fleet(small, 6)
    post = Post(small, targets)
    real = post.wires.of

    def of(target: Target) -> Any:
        world = real(target)
        if target != targets[0]:
            return world
        broken = Switch(small.flaky_okta)
        broken.error = UnavailableError("okta acme: 500")
        return replace(world, okta=broken)

    post.wires.of = of  # type: ignore[method-assign]
    async with post:
        assert rotated(small, targets) == 5
        assert post.vitals.target(targets[0].name).state is State.FAILING
    assert side_events(log) == []


async def test_of_all_that_fail_at_the_same_time_one_asks(small: SmallWorld) -> None:
    post = Post(small, fleet(small, 4))
    okta = post.wires.okta["acme"]
    okta.error = AWAY

    async def suspend(_: str) -> None:
        await asyncio.sleep(0)

    okta.meanwhile = suspend
    async with post:
        assert okta.asked == ["get_app"] * 5


async def test_an_answer_over_a_connection_that_is_left_behind_says_nothing(small: SmallWorld, log: Log) -> None:
    targets = fleet(small, 2)
    post, release = Post(small, targets), asyncio.Event()
    old = post.wires.okta["acme"]
    old.error = AWAY

    async def wait(_: str) -> None:
        await release.wait()

    async with post:
        old.error, old.meanwhile = KEY_REFUSED, wait
        await post.tick()
        await post.reload(*targets)
        release.set()
        await post.settle()
        await post.tick()

        assert rotated(small, targets) == 2
    assert [event for event, _ in side_events(log)] == ["okta_unreachable", "okta_reachable"]


async def test_who_asks_in_vain_is_not_waited_for_when_it_stops(small: SmallWorld) -> None:
    post = Post(small, fleet(small, 1))
    okta = post.wires.okta["acme"]
    okta.error = AWAY

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    async with post:
        okta.meanwhile = hangs
        await post.tick()
        post.ask_to_stop()
        await post.settle()
        assert not post.running


async def test_what_an_outage_cut_off_goes_on_first_afterwards(small: SmallWorld) -> None:
    targets = fleet(small, 30)
    post = Post(small, targets)
    begun: list[str] = []

    async def fails_after_staging(name: str) -> None:
        if name == "create_secret":
            post.wires.okta["acme"].error = AWAY

    post.wires.okta["acme"].meanwhile = fails_after_staging
    async with post:
        begun = [outcome.target.name for outcome in post.outcomes if outcome.steps]
        post.wires.okta["acme"].meanwhile = post.wires.okta["acme"].error = None
        looked = len(post.outcomes)
        await post.tick()

        assert begun
        assert {outcome.target.name for outcome in post.outcomes[looked : looked + len(begun)]} == set(begun)


async def test_a_change_from_one_outage_to_another_is_told(small: SmallWorld, log: Log) -> None:
    post = Post(small, fleet(small, 2))
    post.wires.kv.error = AWAY
    async with post:
        post.wires.kv.error = SEALED
        await post.tick()
        await post.tick()

    assert [event for event, _ in side_events(log)] == ["vault_unreachable", "vault_sealed"]


async def test_a_rate_limit_of_okta_holds_all_until_it_is_over_and_nobody_asks_meanwhile(
    small: SmallWorld, log: Log
) -> None:
    targets = fleet(small, 12)
    post = Post(small, targets)
    okta = post.wires.okta["acme"]
    opens = small.clock.now() + timedelta(seconds=45)
    okta.error = RateLimitedError("okta acme: 429", retry_at=opens)
    async with post:
        assert post.vitals.reach[OKTA].condition is Condition.LIMITED
        assert post.vitals.reach[OKTA].fine
        asked = len(okta.asked)
        assert asked == 4
        await post.tick()
        assert len(okta.asked) == asked
        assert post.wakes_at == opens

        okta.error = None
        await post.tick()
        assert rotated(small, targets) == 12
    assert side_events(log) == [("okta_rate_limited", "info")]


async def test_a_clock_that_is_put_back_prolongs_no_rate_limit(small: SmallWorld) -> None:
    targets = fleet(small, 2)
    small.clock.advance(timedelta(days=2))
    post = Post(small, targets)
    okta = post.wires.okta["acme"]
    okta.error = RateLimitedError("okta acme: 429", retry_at=small.clock.now() + TICK)
    async with post:
        okta.error = None
        await post.tick(-timedelta(days=2))
        assert rotated(small, targets) == 2


async def test_a_rate_limit_of_vault_is_not_taken_for_oktas(small: SmallWorld, log: Log) -> None:
    post = Post(small, fleet(small, 4))
    post.wires.kv.error = RateLimitedError("vault main: 429", retry_at=small.clock.now() + TICK)

    async def suspend(_: str) -> None:
        await asyncio.sleep(0)

    post.wires.kv.meanwhile = suspend
    async with post:
        assert post.vitals.reach[VAULT].condition is Condition.LIMITED
        assert OKTA not in post.vitals.reach
    assert side_events(log) == [("vault_rate_limited", "info")]


async def test_a_rate_limit_that_is_prolonged_is_told_once(small: SmallWorld, log: Log) -> None:
    async with Post(small, fleet(small, 1)) as post:
        for _ in range(3):
            limit = RateLimitedError("vault main: 429", retry_at=small.clock.now() + 3 * TICK)
            post.wires.logins = {"main": limit}
            await post.tick()
        assert post.vitals.reach[VAULT].until == small.clock.now() + 2 * TICK

    assert side_events(log) == [("vault_rate_limited", "info")]


async def test_a_later_rate_limit_is_told_again(small: SmallWorld, log: Log) -> None:
    targets = fleet(small, 1)
    async with Post(small, targets) as post:
        for _ in range(2):
            opens = small.clock.now() + timedelta(days=1, minutes=1)
            post.wires.okta["acme"].error = RateLimitedError("429", retry_at=opens)
            await post.until_due(targets[0].name)
            post.wires.okta["acme"].error = None
            await post.tick(timedelta(hours=2))

    assert [event for event, _ in side_events(log)] == ["okta_rate_limited"] * 2


async def test_a_login_that_cannot_be_renewed_is_found_out_without_a_pass(small: SmallWorld, log: Log) -> None:
    async with Post(small, fleet(small, 2)) as post:
        post.wires.logins = {"main": LOGIN_REFUSED}
        await post.tick()
        assert post.vitals.by_state() == {State.HELD: 2}

        post.wires.logins = {}
        await post.tick()
        assert post.vitals.by_state() == {State.RESTING: 2}
    assert [event for event, _ in side_events(log)] == ["vault_refused_us", "vault_reachable"]


async def test_a_new_configuration_lifts_a_refusal(small: SmallWorld) -> None:
    targets = fleet(small, 3)
    post = Post(small, targets)
    post.wires.okta["acme"].error = KEY_REFUSED
    async with post:
        post.wires.okta["acme"].error = None
        await post.reload(*targets)

        assert rotated(small, targets) == 3


async def test_a_side_that_no_target_needs_any_more_is_forgotten(small: SmallWorld) -> None:
    targets = fleet(small, 3)
    post = Post(small, targets)
    post.wires.okta["acme"].error = AWAY
    async with post:
        assert OKTA in post.vitals.reach
        await post.reload()
        await post.tick()

        assert OKTA not in post.vitals.reach
