"""The OktaLog port: whose token requests are refused for their secret, poll by poll (contracts: Okta 4.2, 4.4)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_log import OktaSystemLog
from rotator.adapters.okta_session import OktaSession
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_script import Script, says
from tests.contract.okta_worlds import FakeWorld, OktaWorld, SandboxWorld, sandbox_world
from tests.contract.test_okta_usage import MOODS, OLD, VERIFY, WRONG, an_app, ask, event, now_of, opened, refusal
from tests.fakes.okta import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.usage import Refusals

ALWAYS, MINUTE = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)


@pytest.fixture(params=["fake", *MOODS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


@asynccontextmanager
async def late(name: str) -> AsyncIterator[OktaWorld]:
    """An org whose log shows a request a minute later."""
    async with opened(name, log_delay=60) as world:
        if isinstance(world, FakeWorld):
            world.okta.log_lag = MINUTE
        yield world


def agents(heard: Refusals) -> list[str]:
    return [refusal.agent for refusal in heard.found]


async def test_who_is_refused_is_told_once_by_the_names_of_the_client_and_who_is_not_is_not(world: OktaWorld) -> None:
    app = await an_app(world)
    begun = await world.log.refusals([app.id, app.client_id], None, now_of(world) - MINUTE)

    assert [ask(world, app, WRONG, "wrong/1"), ask(world, app, OLD, "good/1")] == [False, True]
    told = await world.log.refusals([app.id, app.client_id], begun.cursor, ALWAYS)
    then = await world.log.refusals([app.id, app.client_id], told.cursor, ALWAYS)

    assert (begun.found, then.found) == ((), ())
    (refused,) = told.found
    assert (refused.agent, refused.address) == ("wrong/1", "127.0.0.1")
    assert refused.clients & {app.id, app.client_id}


async def test_of_other_clients_nothing_is_told_and_without_clients_of_all(world: OktaWorld) -> None:
    app = await an_app(world)
    other = await world.admin.get_app(world.add_app("c" * 40))
    assert other
    since = now_of(world) - MINUTE
    assert [ask(world, app, WRONG, "one/1"), ask(world, other, WRONG, "other/1")] == [False, False]

    assert agents(await world.log.refusals([other.id, other.client_id], None, since)) == ["other/1"]
    assert sorted(agents(await world.log.refusals((), None, since))) == ["one/1", "other/1"]


async def test_our_own_proof_that_is_refused_is_not_told(world: OktaWorld) -> None:
    app = await an_app(world)
    assert not (await world.tokens.prove(app, WRONG, VERIFY)).level.good

    assert (await world.log.refusals([app.id, app.client_id], None, now_of(world) - MINUTE)).found == ()


async def test_without_a_cursor_it_begins_at_the_time_that_is_given(world: OktaWorld) -> None:
    app = await an_app(world)
    ask(world, app, WRONG, "first/1")
    world.advance(10 * MINUTE)
    ask(world, app, WRONG, "second/1")

    heard = await world.log.refusals([app.id, app.client_id], None, now_of(world) - 5 * MINUTE)

    assert agents(heard) == ["second/1"]


async def test_a_cursor_that_is_not_taken_any_more_counts_as_none(world: OktaWorld) -> None:
    app = await an_app(world)
    ask(world, app, WRONG)

    heard = await world.log.refusals([app.id, app.client_id], "/api/v1/logs?after=gone", now_of(world) - MINUTE)

    assert len(heard.found) == 1


@pytest.mark.parametrize("name", ["fake", "sandbox with a token"])
async def test_a_refusal_that_is_persisted_late_is_told_when_it_shows(name: str) -> None:
    async with late(name) as world:
        app = await an_app(world)
        ask(world, app, WRONG)
        early = await world.log.refusals([app.id], None, now_of(world) - MINUTE)
        world.advance(2 * MINUTE)
        told = await world.log.refusals([app.id], early.cursor, ALWAYS)

    assert (len(early.found), len(told.found)) == (0, 1)


@pytest.mark.parametrize("name", ["fake", "sandbox with a token"])
async def test_a_log_that_may_not_be_read_is_a_refusal_with_a_cursor_and_without(name: str) -> None:
    async with opened(name) as world:
        app = await an_app(world)
        begun = await world.log.refusals([app.id], None, ALWAYS)
        if isinstance(world, FakeWorld):
            world.okta.shows_log = False
        if isinstance(world, SandboxWorld):
            (token,) = world.box.okta.org.api_tokens.values()
            token.role = AdminRole(read_log=False)
        for cursor in (begun.cursor, None):
            with pytest.raises(RefusedError):
                await world.log.refusals([app.id], cursor, ALWAYS)


async def test_a_refusal_for_the_scope_is_not_told_and_an_alarm_is() -> None:
    async with sandbox_world(OktaSettings(log_refused="hash")) as world:
        app = await an_app(world)
        since = now_of(world) - MINUTE
        assert not ask(world, app, OLD, scope="no.such.scope")
        assert (await world.log.refusals([app.id], None, since)).found == ()
        for _ in range(5):
            ask(world, app, WRONG)

        assert len((await world.log.refusals([app.id], None, since)).found) == 6


async def test_odd_events_are_passed_over_or_told_as_far_as_they_can_be_read() -> None:
    odd: list[Any] = ["noise", None, {}, event(), refusal(published=None), refusal(actor=None, client=None, uuid="u1")]
    with Script(says(200, odd)) as script:
        session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
        try:
            heard = await OktaSystemLog(session).refusals(["0oa1"], None, ALWAYS)
        finally:
            await session.aclose()

    (told,) = heard.found
    assert (told.id, told.clients, told.address, told.agent) == ("u1", frozenset(), "", "")
