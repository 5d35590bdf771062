"""The OktaLog port: whose act the last deactivation was (contracts: Okta 4)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.errors import RefusedError
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_worlds import FakeWorld, OktaWorld, sandbox_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import App, OktaSecret

MOODS: dict[str, dict[str, Any]] = {
    "sandbox with a token": {},
    "sandbox with a key": {},
    "sandbox whose log has other hashes": {"log_hash": "different", "log_detail_keys": "lower"},
    "sandbox whose log has no hashes": {"log_hash": "absent"},
}


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[OktaWorld]:
    if name == "fake":
        yield FakeWorld()
        return
    async with sandbox_world(OktaSettings(**MOODS[name]), with_key=name == "sandbox with a key") as world:
        yield world


@pytest.fixture(params=["fake", *MOODS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


async def two_secrets(world: OktaWorld) -> tuple[App, OktaSecret, OktaSecret]:
    app = await world.admin.get_app(world.add_app("a" * 40, "b" * 40))
    assert app is not None
    first, second = await world.admin.list_secrets(app.id)
    world.advance(timedelta(minutes=10))
    return app, first, second


async def now(world: OktaWorld, app: App, secret: OktaSecret) -> OktaSecret:
    return next(found for found in await world.admin.list_secrets(app.id) if found.id == secret.id)


async def test_what_we_deactivated_is_ours(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)

    off = await world.admin.deactivate_secret(app.id, first.id)

    assert await world.log.deactivated_by_us(app, off)


async def test_what_somebody_deactivated_is_not_ours(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)

    world.deactivate(app.id, first)

    assert not await world.log.deactivated_by_us(app, await now(world, app, first))


async def test_the_last_deactivation_counts(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)
    await world.admin.deactivate_secret(app.id, first.id)
    world.advance(timedelta(minutes=1))
    world.activate(app.id, first)
    world.advance(timedelta(minutes=1))
    world.deactivate(app.id, first)

    assert not await world.log.deactivated_by_us(app, await now(world, app, first))


async def test_a_deactivation_of_the_other_secret_does_not_count(world: OktaWorld) -> None:
    app, first, second = await two_secrets(world)
    await world.admin.deactivate_secret(app.id, first.id)
    world.advance(timedelta(minutes=1))
    await world.admin.activate_secret(app.id, first.id)
    world.advance(timedelta(minutes=1))
    world.deactivate(app.id, second)

    assert not await world.log.deactivated_by_us(app, await now(world, app, second))


async def test_a_secret_that_nobody_ever_deactivated_is_not_ours(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)

    assert not await world.log.deactivated_by_us(app, first)


async def test_a_deactivation_that_the_log_does_not_show_yet_is_not_ours() -> None:
    async with sandbox_world(OktaSettings(log_delay=30)) as world:
        app, first, _ = await two_secrets(world)
        await world.admin.deactivate_secret(app.id, first.id)
        world.advance(timedelta(minutes=1))
        world.activate(app.id, first)
        world.advance(timedelta(minutes=1))
        world.deactivate(app.id, first)

        assert not await world.log.deactivated_by_us(app, await now(world, app, first))


async def test_a_log_that_we_may_not_read_is_refused() -> None:
    async with sandbox_world() as world:
        app, first, _ = await two_secrets(world)
        (token,) = world.box.okta.org.api_tokens.values()
        token.role = AdminRole(read_log=False)

        with pytest.raises(RefusedError) as refused:
            await world.log.deactivated_by_us(app, first)

        assert refused.value.code == "E0000006"


async def test_a_question_costs_one_call_whatever_else_is_in_the_log() -> None:
    async with sandbox_world() as world:
        for _ in range(3):
            app, first, _second = await two_secrets(world)
            await world.admin.deactivate_secret(app.id, first.id)
        before = world.box.okta.calls["logs"]

        await world.log.deactivated_by_us(app, first)

        assert world.box.okta.calls["logs"] == before + 1
