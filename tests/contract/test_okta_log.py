"""The OktaLog port: whose act the last deactivation was (contracts: Okta 4)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_log import OktaSystemLog
from rotator.adapters.okta_session import OktaSession
from rotator.core.model import OktaSecret, SecretId, SecretStatus
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError, UnavailableError
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_script import Script, says
from tests.contract.okta_worlds import FakeWorld, OktaWorld, sandbox_world
from tests.fakes.okta import FakeOkta, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import App

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


# --- Answers of the log that the sandbox does not give ----------------------------------------------------

CHANGED = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def event(
    second: float, *, agent: str, names: str = "0oa1", kind: str = "deactivate", result: str = "SUCCESS"
) -> dict[str, object]:
    return {
        "eventType": f"app.oauth2.credentials.lifecycle.{kind}",
        "published": (CHANGED + timedelta(seconds=second)).isoformat(timespec="milliseconds"),
        "outcome": {"result": result},
        "client": {"userAgent": {"rawUserAgent": agent}},
        "target": [{"id": "0oa1", "detailEntry": {"clientsecret": names}}],
    }


US, SOMEBODY = "rotator/0.1.0", "Mozilla/5.0"
PAGES = {
    "ours": ([event(0, agent=US)], True),
    "an event in an unknown shape": ([event(0, agent=US) | {"client": None}, "noise", {}], False),
    "no event": ([], False),
    "ours, and a later attempt that failed": (
        [event(0, agent=US), event(1, agent=SOMEBODY, result="FAILURE")],
        True,
    ),
    "ours on the other secret, somebody's on this one": (
        [event(2, agent=US, names="otherhash"), event(0, agent=SOMEBODY, names="thishash")],
        False,
    ),
    "ours first, then somebody's, in no order": (
        [event(0, agent=US), event(3, agent=SOMEBODY), event(1, agent=US, kind="activate")],
        False,
    ),
}


@pytest.mark.parametrize(("page", "ours"), PAGES.values(), ids=PAGES)
async def test_the_last_event_that_fits_decides(page: list[object], ours: bool) -> None:
    app = FakeOkta(ManualClock()).add_app("0oa1")
    secret = OktaSecret(SecretId("ocs1"), SecretStatus.INACTIVE, CHANGED, CHANGED, "thishash", None)
    with Script(says(200, page)) as script:
        session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
        answer = await OktaSystemLog(session).deactivated_by_us(app, secret)
        await session.aclose()

    assert answer is ours
    (request,) = script.requests
    assert (request.param("since"), request.param("until")) == ("2026-11-23T11:59:50.000Z", "2026-11-23T12:00:10.000Z")


async def test_a_log_that_is_no_list_is_no_answer() -> None:
    app = FakeOkta(ManualClock()).add_app("0oa1")
    secret = OktaSecret(SecretId("ocs1"), SecretStatus.INACTIVE, CHANGED, CHANGED, "thishash", None)
    with Script(says(200, {"events": []})) as script:
        session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
        with pytest.raises(UnavailableError):
            await OktaSystemLog(session).deactivated_by_us(app, secret)
        await session.aclose()


async def test_a_question_costs_one_call_whatever_else_is_in_the_log() -> None:
    async with sandbox_world() as world:
        for _ in range(3):
            app, first, _second = await two_secrets(world)
            await world.admin.deactivate_secret(app.id, first.id)
        before = world.box.okta.calls["logs"]

        await world.log.deactivated_by_us(app, first)

        assert world.box.okta.calls["logs"] == before + 1
