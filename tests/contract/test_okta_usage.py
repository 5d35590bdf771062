"""The OktaLog port: who asked for tokens with the old secret, and who was refused (contracts: Okta 4.2, 4.3)."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_log import USAGE_PAGES, OktaSystemLog
from rotator.adapters.okta_session import OktaSession
from rotator.core.model import VerifySettings
from rotator.core.secret_value import SecretValue
from rotator.core.usage import Evidence, weigh
from rotator.errors import InvariantError, RefusedError, RotatorError, UnavailableError
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_script import Script, error_json, says
from tests.contract.okta_worlds import FakeWorld, OktaWorld, SandboxWorld, sandbox_world
from tests.fakes.okta import FakeOkta, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import App
    from rotator.core.usage import UsageLog
    from tests.contract.okta_script import Act

OLD, NEW, WRONG = SecretValue("a" * 40), SecretValue("b" * 40), SecretValue("w" * 40)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
VERIFY = VerifySettings(authorization_server="default")
MOODS: dict[str, dict[str, Any]] = {
    "sandbox with a token": {},
    "sandbox with a key": {},
    "sandbox whose actors are clients": {"log_actor_id": "client_id"},
    "sandbox with details in lower case": {"log_detail_keys": "lower"},
}


@asynccontextmanager
async def opened(name: str, **settings: Any) -> AsyncIterator[OktaWorld]:
    if name == "fake":
        yield FakeWorld()
        return
    with_key = name == "sandbox with a key"
    async with sandbox_world(OktaSettings(**(MOODS[name] | settings)), with_key=with_key) as world:
        yield world


@pytest.fixture(params=["fake", *MOODS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


@pytest.fixture(params=["fake", "sandbox with a token"])
async def masking(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    """An org whose log masks what was refused, which is how it comes."""
    async with opened(request.param, log_refused="absent") as world:
        yield world


@pytest.fixture(params=["fake", "sandbox with a token"])
async def telling(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    """An org whose log has the hash of what was refused as well."""
    async with opened(request.param, log_refused="hash") as world:
        if isinstance(world, FakeWorld):
            world.okta.logs_refused_hash = True
        yield world


def now_of(world: OktaWorld) -> datetime:
    assert isinstance(world, FakeWorld | SandboxWorld)
    return world.clock.now() if isinstance(world, FakeWorld) else world.box.clock.now()


async def an_app(world: OktaWorld) -> App:
    app = await world.admin.get_app(world.add_app(OLD.reveal(), NEW.reveal(), client_id="billing-client"))
    assert app
    return app


def ask(
    world: OktaWorld, app: App, value: SecretValue, agent: str = "job/1.0", *, scope: str = "", server: str = "/default"
) -> bool:
    """Ask for a token as a consumer does; say whether there was one."""
    if isinstance(world, FakeWorld):
        return world.okta.ask_for_token(value.reveal(), "127.0.0.1", agent, app_id=app.id)
    assert isinstance(world, SandboxWorld)
    pair = base64.b64encode(f"{app.client_id}:{value.reveal()}".encode()).decode()
    answer = requests.post(
        f"{world.box.okta_url}/oauth2{server}/v1/token",
        {"grant_type": "client_credentials", "scope": scope},
        headers={"Authorization": f"Basic {pair}", "User-Agent": agent},
        timeout=5,
    )
    return answer.status_code == 200


async def used(world: OktaWorld, app: App, since: timedelta = HOUR) -> UsageLog:
    return await world.log.usage(app, old=OLD.hash, current=NEW.hash, since=now_of(world) - since)


async def weighed(world: OktaWorld, app: App, switched_off: datetime | None = None) -> Evidence:
    now = now_of(world)
    return weigh(await used(world, app), old_hash=OLD.hash, left=now - HOUR, switched_off=switched_off, now=now)


async def switch_off(world: OktaWorld, app: App) -> datetime:
    """Let us switch the old secret off; return when Okta says that it was."""
    old = next(each for each in await world.admin.list_secrets(app.id) if each.carries(OLD))
    return (await world.admin.deactivate_secret(app.id, old.id)).changed


async def test_who_got_a_token_with_the_old_secret_is_told_and_who_got_one_with_the_new_is_not(
    world: OktaWorld,
) -> None:
    app = await an_app(world)
    assert [ask(world, app, OLD, "old/1"), ask(world, app, NEW, "new/2")] == [True, True]

    log = await used(world, app)

    (request,) = log.requests
    assert (request.granted, request.agent, request.address) == (True, "old/1", "127.0.0.1")
    assert (set(request.hashes), request.ours, log.whole) == ({OLD.hash}, False, True)


async def test_the_last_grant_with_the_new_secret_calibrates_be_it_our_own(world: OktaWorld) -> None:
    app = await an_app(world)
    assert ask(world, app, OLD)
    assert (await used(world, app)).calibrated_at is None
    assert ask(world, app, NEW)
    world.advance(MINUTE)
    proven_at = now_of(world)
    assert (await world.tokens.prove(app, NEW, VERIFY)).level.good
    world.advance(MINUTE)

    calibrated = (await used(world, app)).calibrated_at

    assert calibrated is not None
    assert abs(calibrated - proven_at) < timedelta(seconds=30)
    assert (await weighed(world, app)).unproven == ""


async def test_our_own_proof_of_the_old_secret_is_told_as_ours_and_nobodys_use(world: OktaWorld) -> None:
    app = await an_app(world)
    assert (await world.tokens.prove(app, OLD, VERIFY)).level.good

    assert [request.ours for request in (await used(world, app)).requests] == [True]
    assert (await weighed(world, app)).users == ()


async def test_what_is_older_than_was_asked_is_not_told(world: OktaWorld) -> None:
    app = await an_app(world)
    ask(world, app, OLD)
    ask(world, app, NEW)
    world.advance(10 * MINUTE)

    log = await used(world, app, 5 * MINUTE)

    assert (log.requests, log.calibrated_at, log.whole) == ((), None, True)


async def test_another_client_with_the_same_value_is_not_told(world: OktaWorld) -> None:
    app, other = await an_app(world), await world.admin.get_app(world.add_app(OLD.reveal(), client_id="portal-client"))
    assert other
    assert ask(world, other, OLD)
    assert not ask(world, other, WRONG)

    assert (await used(world, app)).requests == ()


async def test_requests_are_told_newest_first(world: OktaWorld) -> None:
    app = await an_app(world)
    for agent in ("first/1", "second/1", "third/1"):
        ask(world, app, OLD, agent)
        world.advance(MINUTE)

    assert [request.agent for request in (await used(world, app)).requests] == ["third/1", "second/1", "first/1"]


async def test_a_log_that_may_not_be_read_is_a_refusal(masking: OktaWorld) -> None:
    app = await an_app(masking)
    if isinstance(masking, FakeWorld):
        masking.okta.shows_log = False
    if isinstance(masking, SandboxWorld):
        (token,) = masking.box.okta.org.api_tokens.values()
        token.role = AdminRole(read_log=False)

    with pytest.raises(RefusedError) as refused:
        await used(masking, app)

    assert refused.value.code == "E0000006"


# --- who is refused -----------------------------------------------------------------------------------------------


async def test_without_hashes_refusals_are_told_without_one_and_laid_to_who_used_it_from_there(
    masking: OktaWorld,
) -> None:
    app = await an_app(masking)
    assert ask(masking, app, OLD)
    off = await switch_off(masking, app)
    masking.advance(MINUTE)
    assert not ask(masking, app, OLD)

    refused, granted = (await used(masking, app)).requests

    assert (refused.granted, len(refused.hashes), refused.for_other_reason) == (False, 0, False)
    assert (granted.granted, set(granted.hashes)) == (True, {OLD.hash})
    assert [user.address for user in (await weighed(masking, app, off)).failing] == ["127.0.0.1"]


async def test_with_hashes_a_refusal_tells_by_itself_which_secret_it_was(telling: OktaWorld) -> None:
    app = await an_app(telling)
    off = await switch_off(telling, app)
    telling.advance(MINUTE)
    assert [ask(telling, app, WRONG, "wrong/1"), ask(telling, app, OLD, "late/1")] == [False, False]

    evidence = await weighed(telling, app, off)

    assert [user.agent for user in evidence.failing] == ["late/1"]
    assert evidence.users == ()


async def test_an_event_shows_late_and_is_told_then() -> None:
    for name in ("fake", "sandbox with a token"):
        async with opened(name, log_delay=300) as world:
            if isinstance(world, FakeWorld):
                world.okta.log_lag = timedelta(minutes=5)
            app = await an_app(world)
            assert ask(world, app, OLD)
            assert (await used(world, app)).requests == ()
            world.advance(6 * MINUTE)

            assert len((await used(world, app)).requests) == 1


@pytest.mark.parametrize("kind", ["absent", "different"])
async def test_a_log_without_our_hashes_shows_no_use_and_proves_nothing(kind: str) -> None:
    async with opened("sandbox with a token", log_hash=kind, log_refused="hash") as world:
        app = await an_app(world)
        assert [ask(world, app, OLD), ask(world, app, NEW), ask(world, app, WRONG)] == [True, True, False]

        assert [request.granted for request in (await used(world, app)).requests] == [False]
        evidence = await weighed(world, app, now_of(world) - MINUTE)
        assert (evidence.users, evidence.failing) == ((), ())
        assert "no token request with the current secret's hash" in evidence.unproven


async def test_the_fake_without_hashes_likewise() -> None:
    world = FakeWorld()
    world.okta.logs_hashes = False
    app = await an_app(world)
    assert [ask(world, app, OLD), ask(world, app, NEW), ask(world, app, WRONG)] == [True, True, False]

    assert [request.granted for request in (await used(world, app)).requests] == [False]
    assert "no token request with the current secret's hash" in (await weighed(world, app)).unproven


async def test_a_refusal_for_the_scope_is_a_use_of_the_secret_whose_hash_it_has_and_else_says_nothing() -> None:
    for shown, told in (("hash", 1), ("absent", 0)):
        async with opened("sandbox with a token", log_refused=shown) as world:
            app = await an_app(world)
            assert not ask(world, app, OLD, scope="no.such.scope")

            found = (await used(world, app)).requests
            evidence = await weighed(world, app, now_of(world) - MINUTE)

            assert [request.for_other_reason for request in found] == [True] * told
            assert (len(evidence.users), evidence.failing) == (told, ())


async def test_an_alarm_about_wrong_secrets_is_a_refusal_without_a_hash() -> None:
    async with opened("sandbox with a token", log_refused="hash") as world:
        app = await an_app(world)
        for _ in range(5):
            assert not ask(world, app, WRONG)

        hashes = [request.hashes for request in (await used(world, app)).requests]

        assert sorted(map(len, hashes)) == [0, 1, 1, 1, 1, 1]


async def test_refusals_at_the_orgs_own_server_are_told_as_well() -> None:
    async with opened("sandbox with a token") as world:
        app = await an_app(world)
        assert not ask(world, app, WRONG, server="")

        assert [request.granted for request in (await used(world, app)).requests] == [False]


async def test_it_costs_two_calls_whatever_else_is_in_the_log() -> None:
    async with opened("sandbox with a token") as world:
        app = await an_app(world)
        assert isinstance(world, SandboxWorld)
        for _ in range(5):
            ask(world, app, OLD)
        before = world.box.okta.calls["logs"]

        await used(world, app)

        assert world.box.okta.calls["logs"] == before + 2


# --- Answers of the log that the sandbox does not give ------------------------------------------------------------

SINCE = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


def event(**traits: Any) -> dict[str, Any]:
    return {
        "eventType": "app.oauth2.as.token.grant.access_token",
        "published": "2026-11-23T12:30:00.123Z",
        "outcome": {"result": "SUCCESS", "reason": None},
        "actor": {"id": "0oa1", "alternateId": "0oa1"},
        "client": {"userAgent": {"rawUserAgent": "job/1.0"}, "ipAddress": "192.0.2.7"},
        "debugContext": {"debugData": {"clientSecret": OLD.hash}},
    } | traits


def refusal(**traits: Any) -> dict[str, Any]:
    failed = {"result": "FAILURE", "reason": "invalid_client_secret"}
    return event(eventType="app.oauth2.as.token.grant", outcome=failed, debugContext=None) | traits


async def answered(*acts: Act) -> tuple[UsageLog, Script]:
    """Ask a log that answers so; return what it told, and what it was asked."""
    app = FakeOkta(ManualClock()).add_app("0oa1", client_id="c1")
    with Script(*acts) as script:
        session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
        try:
            return await OktaSystemLog(session).usage(app, old=OLD.hash, current=NEW.hash, since=SINCE), script
        finally:
            await session.aclose()


async def test_it_asks_for_this_client_by_both_its_names_and_for_the_last_grant_alone() -> None:
    _, script = await answered(says(200, []))

    first, second = script.requests
    for request in (first, second):
        assert '(actor.id eq "0oa1" or actor.id eq "c1") and ' in (request.param("filter") or "")
        assert (request.param("since"), request.param("sortOrder")) == ("2026-11-23T12:00:00.000Z", "DESCENDING")
    assert OLD.hash in (first.param("filter") or "")
    assert NEW.hash in (second.param("filter") or "")
    assert second.param("limit") == "1"


ODD: dict[str, tuple[list[object], list[bool], bool]] = {  # events; which of them, as granted or not; all of it read
    "a refusal without debug data": ([refusal()], [False], True),
    "a refusal with odd debug data": ([refusal(debugContext={"debugData": ["clientSecret"]})], [False], True),
    "a refusal that says no reason": ([refusal(outcome={"result": "FAILURE"})], [False], True),
    "a refusal whose reason is no text": ([refusal(outcome={"result": "FAILURE", "reason": ["x"]})], [False], True),
    "a refusal by policy, without a hash": (
        [refusal(outcome={"result": "FAILURE", "reason": "no_matching_policy"})],
        [],
        True,
    ),
    "a grant that shows no hash although it was found by it": ([event(debugContext=None)], [], False),
    "a grant whose hash is no text": ([event(debugContext={"debugData": {"clientSecret": 7}})], [], False),
    "no time": ([event(published=None), event()], [True], False),
    "a time in another form": ([event(published="yesterday")], [], False),
    "a time without a zone": ([event(published="2026-11-23T12:30:00")], [True], True),
    "no event": (["noise", None, 7, event()], [True], False),
    "an outcome in an unknown shape": ([event(outcome="SUCCESS")], [False], True),
    "an alarm without an outcome": (
        [refusal(eventType="app.oauth2.invalid_client_credentials", outcome=None)],
        [False],
        True,
    ),
    "a client and targets in unknown shapes": ([event(client=["x"], target={"id": 7}, actor="0oa1")], [True], True),
}


@pytest.mark.parametrize(("events", "told", "whole"), ODD.values(), ids=ODD)
async def test_odd_events_are_told_as_far_as_they_can_be_read(
    events: list[object], told: list[bool], whole: bool
) -> None:
    log, _ = await answered(says(200, events), says(200, []))

    assert [request.granted for request in log.requests] == told
    assert log.whole is whole


async def test_who_asked_is_made_fit_to_be_shown() -> None:
    agent = "evil\n2026-11-23 rotator: all is well\x1b[31m\u202e" + "x" * 500
    who = {"userAgent": {"rawUserAgent": agent}, "ipAddress": "192.0.2.7\r\n"}
    log, _ = await answered(says(200, [event(client=who), event(client={"ipAddress": 7})]), says(200, []))

    told, unnamed = log.requests
    assert told.agent.startswith("evil 2026-11-23 rotator: all is well [31m x")
    assert told.agent.isprintable()
    assert (len(told.agent), told.address) == (80, "192.0.2.7")
    assert (unnamed.agent, unnamed.address) == ("", "")


async def test_a_last_grant_that_does_not_show_the_hash_calibrates_nothing() -> None:
    log, _ = await answered(says(200, []), says(200, [event()]))

    assert log.calibrated_at is None


async def follow(script: Script, *pages: tuple[list[object], bool]) -> UsageLog:
    """Ask a log of these pages, each of which says whether there is another."""
    link = {"Link": f'<{script.url}/api/v1/logs?after=x>; rel="next"'}
    script.then(*(says(200, events, link if more else {}) for events, more in pages))
    app = FakeOkta(ManualClock()).add_app("0oa1")
    session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
    try:
        return await OktaSystemLog(session).usage(app, old=OLD.hash, current=NEW.hash, since=SINCE)
    finally:
        await session.aclose()


async def test_pages_are_followed_to_the_end() -> None:
    with Script() as script:
        log = await follow(script, ([event()], True), ([event()], False), ([], False))

    assert (len(log.requests), log.whole, len(script.requests)) == (2, True, 3)


async def test_an_empty_page_is_the_end_whatever_it_says() -> None:
    with Script() as script:
        log = await follow(script, ([event()], True), ([], True), ([], False))

    assert (len(log.requests), log.whole) == (1, True)


async def test_of_too_many_pages_the_newest_are_told_and_that_some_are_missing() -> None:
    with Script() as script:
        log = await follow(script, ([event()], True))

    assert (len(log.requests), log.whole) == (USAGE_PAGES, False)
    assert len(script.requests) == USAGE_PAGES + 1


FAULTS: dict[str, tuple[Act, type[RotatorError]]] = {
    "forbidden": (says(403, error_json("E0000006", "You do not have permission")), RefusedError),
    "a fault of the server": (says(500, error_json("E0000009")), UnavailableError),
    "a page of HTML": (says(200, b"<html>", {"Content-Type": "text/html"}), UnavailableError),
    "no list": (says(200, {"events": []}), UnavailableError),
    "another host": (
        says(200, [event()], {"Link": '<https://example.org/api/v1/logs?after=x>; rel="next"'}),
        InvariantError,
    ),
}


@pytest.mark.parametrize(("act", "error"), FAULTS.values(), ids=FAULTS)
async def test_what_is_no_answer_is_an_error_at_either_query(act: Act, error: type[RotatorError]) -> None:
    with pytest.raises(error):
        await answered(act)
    if error is not InvariantError:  # the second has one page
        with pytest.raises(error):
            await answered(says(200, []), act)
