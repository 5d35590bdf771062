"""The OktaTraces port: what the System Log tells of a refused client (contracts: Okta 4)."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.adapters.okta_log import LARGEST_PAGE
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError
from rotator.sandbox.okta_admin import app_actor
from rotator.sandbox.okta_log import Origin
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_worlds import FakeWorld, OktaWorld, SandboxWorld, sandbox_world
from tests.fakes.okta import FakeOkta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.diagnosis.evidence import Traces
    from rotator.core.model import App
    from rotator.ports import OktaTraces

FIRST, SECOND, WRONG = SecretValue("a" * 40), SecretValue("b" * 40), SecretValue("w" * 40)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOODS: dict[str, dict[str, Any]] = {
    "sandbox": {},
    "sandbox with details in lower case": {"log_detail_keys": "lower"},
    "sandbox whose actors are clients": {"log_actor_id": "client_id"},
}


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[OktaWorld]:
    if name == "fake":
        yield FakeWorld()
        return
    async with sandbox_world(OktaSettings(**MOODS[name])) as world:
        yield world


@pytest.fixture(params=["fake", *MOODS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


@pytest.fixture(params=list(MOODS))
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[SandboxWorld]:
    async with sandbox_world(OktaSettings(**MOODS[request.param])) as world:
        yield world


def log_of(world: OktaWorld) -> OktaTraces:
    log: Any = world.log
    return log  # type: ignore[no-any-return]  # both worlds' logs have both ports


async def an_app(world: OktaWorld) -> App:
    app = await world.admin.get_app(world.add_app(FIRST.reveal(), SECOND.reveal(), client_id="billing-client"))
    assert app
    return app


async def delete(world: OktaWorld, app: App, value: SecretValue) -> None:
    secret = next(each for each in await world.admin.list_secrets(app.id) if each.carries(value))
    await world.admin.deactivate_secret(app.id, secret.id)
    await world.admin.delete_secret(app.id, secret.id)


async def told(world: OktaWorld, app: App, value: SecretValue, within: timedelta = DAY) -> Traces:
    return await log_of(world).traces(app, value, _now(world) - within)


def _now(world: OktaWorld) -> Any:
    return world.clock.now() if isinstance(world, FakeWorld) else world.box.clock.now()  # type: ignore[attr-defined]


async def test_a_deletion_is_told_with_the_hash_of_what_was_deleted(world: OktaWorld) -> None:
    app = await an_app(world)
    await delete(world, app, FIRST)

    traces = (await told(world, app, FIRST)).traces

    assert [trace.hashes for trace in traces if trace.deletion] == [{FIRST.hash}]
    assert [trace.at for trace in traces] == sorted((trace.at for trace in traces), reverse=True)


async def test_another_apps_deletions_are_not_told(world: OktaWorld) -> None:
    app, other = await an_app(world), await world.admin.get_app(world.add_app("c" * 40, "d" * 40))
    assert other
    await delete(world, other, SecretValue("c" * 40))

    assert not [trace for trace in (await told(world, app, FIRST)).traces if trace.deletion]


async def test_what_is_older_than_was_asked_is_not_told(world: OktaWorld) -> None:
    app = await an_app(world)
    await delete(world, app, FIRST)
    world.advance(2 * DAY)

    assert (await told(world, app, FIRST)).traces == ()


async def test_a_log_that_may_not_be_read_is_a_refusal(world: OktaWorld) -> None:
    app = await an_app(world)
    if isinstance(world.admin, FakeOkta):
        world.admin.shows_log = False
    else:
        forbid(world)

    with pytest.raises(RefusedError):
        await told(world, app, FIRST)
    with pytest.raises(RefusedError):
        await log_of(world).requests(app, _now(world) - HOUR)


def forbid(world: Any) -> None:
    for token in world.box.okta.org.api_tokens.values():
        token.role = AdminRole(read_log=False)


# --- Requests, which only the sandbox writes down ---------------------------------------------------------------


def ask(world: SandboxWorld, client_id: str, value: SecretValue, agent: str = "job/1.0") -> int:
    pair = base64.b64encode(f"{client_id}:{value.reveal()}".encode()).decode()
    answer = requests.post(
        f"{world.box.okta_url}/oauth2/default/v1/token",
        {"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {pair}", "User-Agent": agent},
        timeout=5,
    )
    return answer.status_code


async def test_requests_are_told_with_who_asked_and_why_they_were_refused(sandbox: SandboxWorld) -> None:
    app = await an_app(sandbox)
    assert [ask(sandbox, app.client_id, WRONG), ask(sandbox, app.client_id, FIRST, "portal/2.0")] == [401, 200]

    traces = await log_of(sandbox).requests(app, _now(sandbox) - HOUR)

    granted, refused = traces.traces
    assert (granted.granted, granted.refused, granted.who) == (True, "", "portal/2.0 at 127.0.0.1")
    assert (refused.granted, refused.refused, refused.who) == (False, "invalid_client_secret", "job/1.0 at 127.0.0.1")
    assert traces.whole
    assert not granted.ours
    assert granted.hashes == {FIRST.hash}


async def test_our_own_requests_are_told_as_ours(sandbox: SandboxWorld) -> None:
    app = await an_app(sandbox)
    ask(sandbox, app.client_id, WRONG, "rotator/9")

    assert [trace.ours for trace in (await log_of(sandbox).requests(app, _now(sandbox) - HOUR)).traces] == [True]


async def test_another_client_with_the_value_is_named(sandbox: SandboxWorld) -> None:
    app = await an_app(sandbox)
    value = SecretValue("e" * 40)
    other = await sandbox.admin.get_app(sandbox.add_app(value.reveal(), client_id="portal-client"))
    assert other
    assert ask(sandbox, other.client_id, value) == 200

    seen = [trace for trace in (await told(sandbox, app, value)).traces if value.hash in trace.hashes]

    assert [trace.client for trace in seen if trace.client] == ["portal-client"]


async def test_the_clients_own_use_of_a_value_is_no_others(sandbox: SandboxWorld) -> None:
    app = await an_app(sandbox)
    assert ask(sandbox, app.client_id, FIRST) == 200

    assert [trace.client for trace in (await told(sandbox, app, FIRST)).traces if trace.client] == []


async def test_what_did_not_fit_is_told_as_missing(sandbox: SandboxWorld) -> None:
    app = await an_app(sandbox)
    origin = Origin(app_actor(sandbox.box.okta.org.apps[app.id]), "job/1.0", "/oauth2/default/v1/token", "r")
    for _ in range(LARGEST_PAGE):
        sandbox.box.okta.log.record("app.oauth2.as.token.grant", origin, now=_now(sandbox), result="FAILURE")

    traces = await log_of(sandbox).requests(app, _now(sandbox) - HOUR)

    assert (len(traces.traces), traces.whole) == (LARGEST_PAGE, False)
