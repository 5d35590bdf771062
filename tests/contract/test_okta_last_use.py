"""The ClientLog port over the sandbox: who asked for tokens with which secret (contracts: Okta 4.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.adapters.okta_connection import USER_AGENT, OktaConnection, SswsAuth
from rotator.adapters.okta_last_use import LARGEST_PAGE, OktaClientLog
from rotator.adapters.okta_session import OktaSession
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError, UnavailableError
from rotator.sandbox.okta_admin import app_actor
from rotator.sandbox.okta_log import Origin
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_script import Script, says
from tests.contract.okta_worlds import SandboxWorld, sandbox_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from rotator.core.model import App

FIRST, SECOND, WRONG = SecretValue("a" * 40), SecretValue("b" * 40), SecretValue("w" * 40)
DAY = timedelta(days=1)
MOODS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "actors are clients": {"log_actor_id": "client_id"},
    "refused hashes are logged": {"log_refused": "hash"},
}


@pytest.fixture(params=list(MOODS))
async def world(request: pytest.FixtureRequest) -> AsyncIterator[SandboxWorld]:
    async with sandbox_world(OktaSettings(**MOODS[request.param])) as world:
        yield world


@pytest.fixture
async def usage(world: SandboxWorld) -> AsyncIterator[OktaClientLog]:
    auth = SswsAuth(SecretValue(world.box.okta.add_api_token()))
    session = OktaSession(OktaConnection(world.box.okta_url, auth), world.box.clock)
    yield OktaClientLog(session)
    await session.aclose()


async def client(world: SandboxWorld, **traits: Any) -> App:
    app = await world.admin.get_app(world.add_app(FIRST.reveal(), SECOND.reveal(), **traits))
    assert app
    return app


def asks(world: SandboxWorld, app: App, value: SecretValue, *, agent: str = "billing/1.0") -> int:
    return requests.post(
        f"{world.box.okta_url}/oauth2/default/v1/token",
        data={"grant_type": "client_credentials"},
        auth=(app.client_id, value.reveal()),
        headers={"User-Agent": agent},
        timeout=5,
    ).status_code


def since(world: SandboxWorld) -> datetime:
    return world.box.clock.now() - 90 * DAY


async def test_a_use_is_told_with_its_client_and_its_secret(world: SandboxWorld, usage: OktaClientLog) -> None:
    app, other = await client(world, client_id="billing"), await client(world, client_id="portal")
    assert asks(world, app, FIRST) == asks(world, other, SECOND) == 200

    (found,) = (told := await usage.of_clients([app], since(world))).found

    assert told.whole
    assert {app.client_id} <= found.client
    assert (found.hash, found.refused) == (FIRST.hash, False)


async def test_several_clients_are_asked_for_at_once_newest_first(world: SandboxWorld, usage: OktaClientLog) -> None:
    apps = [await client(world) for _ in range(20)]
    for app in apps:
        asks(world, app, SECOND)
        world.advance(timedelta(minutes=1))

    found = (await usage.of_clients(apps, since(world))).found

    assert len(found) == 20
    assert found[0].at > found[-1].at


async def test_a_wrong_secret_is_a_refusal_and_alone_if_so_said(world: SandboxWorld, usage: OktaClientLog) -> None:
    app = await client(world)
    assert asks(world, app, FIRST) == 200
    assert asks(world, app, WRONG) == 401

    everything = (await usage.of_clients([app], since(world))).found
    refused = (await usage.of_clients([app], since(world), refused=True)).found

    assert sorted(each.refused for each in everything) == [False, True]
    assert [each.refused for each in refused] == [True]


async def test_a_refusal_for_another_reason_is_neither(world: SandboxWorld, usage: OktaClientLog) -> None:
    app = await client(world)
    world.box.okta.refuse_tokens("no_matching_policy")
    assert asks(world, app, FIRST) != 200

    assert (await usage.of_clients([app], since(world))).found == ()


async def test_our_own_test_requests_are_no_use(world: SandboxWorld, usage: OktaClientLog) -> None:
    app = await client(world)
    assert asks(world, app, FIRST, agent=USER_AGENT) == 200

    assert (await usage.of_clients([app], since(world))).found == ()


async def test_a_secret_is_asked_for_by_its_hash(world: SandboxWorld, usage: OktaClientLog) -> None:
    app = await client(world)
    for value in (FIRST, SECOND):
        assert asks(world, app, value) == 200

    found = (await usage.of_hashes([SECOND.hash], since(world))).found

    assert [each.hash for each in found] == [SECOND.hash]


async def test_a_full_page_is_not_the_whole(world: SandboxWorld, usage: OktaClientLog) -> None:
    app = await client(world)
    emulated = world.box.okta.org.apps[app.id]
    for _ in range(LARGEST_PAGE):
        origin = Origin(app_actor(emulated), "billing/1.0", "/oauth2/default/v1/token", "r")
        world.box.okta.org.log.record("app.oauth2.as.token.grant.access_token", origin, now=world.box.clock.now())
    world.advance(DAY)

    told = await usage.of_clients([app], since(world))

    assert (len(told.found), told.whole) == (LARGEST_PAGE, False)


async def test_a_log_that_we_may_not_read_is_refused(world: SandboxWorld, usage: OktaClientLog) -> None:
    for token in world.box.okta.org.api_tokens.values():
        token.role = AdminRole(read_log=False)

    with pytest.raises(RefusedError):
        await usage.of_clients([await client(world)], since(world))


async def test_what_is_no_list_is_no_answer(world: SandboxWorld) -> None:
    app = await client(world)
    with Script(says(200, {"events": []})) as script:
        session = OktaSession(OktaConnection(script.url, SswsAuth(FIRST)), world.box.clock)
        with pytest.raises(UnavailableError, match="is no list"):
            await OktaClientLog(session).of_clients([app], since(world))
        await session.aclose()
