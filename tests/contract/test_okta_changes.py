"""The OktaLog port: what others have changed, poll by poll (contracts: Okta 4.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.okta_connection import OktaConnection, SswsAuth
from rotator.adapters.okta_log import MOST_PAGES, OktaSystemLog
from rotator.adapters.okta_session import OktaSession
from rotator.core.secret_value import SecretValue
from rotator.errors import InvariantError, RefusedError, RotatorError, UnavailableError
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_script import Script, says
from tests.contract.okta_worlds import FakeWorld, OktaWorld, SandboxWorld, sandbox_world
from tests.contract.test_okta_log import MOODS, now, opened, two_secrets
from tests.fakes.okta import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.changes import Heard

ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["fake", *MOODS])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


def now_of(world: OktaWorld) -> datetime:
    assert isinstance(world, FakeWorld | SandboxWorld)
    return world.clock.now() if isinstance(world, FakeWorld) else world.box.clock.now()


async def test_what_somebody_changed_is_told_once_and_by_the_apps_id(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)
    begun = await world.log.changes(None, now_of(world) - timedelta(minutes=1))

    world.deactivate(app.id, first)
    told = await world.log.changes(begun.cursor, ALWAYS)
    then = await world.log.changes(told.cursor, ALWAYS)
    world.activate(app.id, first)
    last = await world.log.changes(then.cursor, ALWAYS)

    assert begun.changes == then.changes == ()
    assert [app.id in change.names for change in (*told.changes, *last.changes)] == [True, True]
    assert all(heard.continued for heard in (begun, told, then, last))


async def test_without_a_cursor_it_begins_at_the_time_that_is_given(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)
    world.deactivate(app.id, first)
    deactivated = now_of(world)
    world.advance(timedelta(minutes=1))
    world.activate(app.id, first)

    assert len((await world.log.changes(None, deactivated - timedelta(seconds=1))).changes) == 2
    assert len((await world.log.changes(None, deactivated + timedelta(seconds=1))).changes) == 1


async def test_what_we_did_ourselves_is_not_told(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)
    begun = await world.log.changes(None, now_of(world) - timedelta(minutes=1))

    await world.admin.deactivate_secret(app.id, first.id)
    assert not (await now(world, app, first)).active

    assert (await world.log.changes(begun.cursor, ALWAYS)).changes == ()


async def test_an_event_that_is_persisted_late_is_told_when_it_shows() -> None:
    async with sandbox_world(OktaSettings(log_delay=30)) as world:
        app, first, _ = await two_secrets(world)
        world.deactivate(app.id, first)
        early = await world.log.changes(None, now_of(world) - timedelta(minutes=1))
        world.advance(timedelta(seconds=31))
        late = await world.log.changes(early.cursor, ALWAYS)

    assert early.changes == ()
    assert [app.id in change.names for change in late.changes] == [True]


async def test_a_cursor_that_is_not_taken_any_more_counts_as_none(world: OktaWorld) -> None:
    app, first, _ = await two_secrets(world)
    since = now_of(world) - timedelta(minutes=1)
    world.deactivate(app.id, first)

    heard = await world.log.changes("/api/v1/logs?after=gone", since)
    after = await world.log.changes(heard.cursor, ALWAYS)

    assert (len(heard.changes), heard.continued) == (1, False)
    assert (len(after.changes), after.continued) == (0, True)


async def test_a_log_that_we_may_not_read_is_refused_with_a_cursor_and_without() -> None:
    async with sandbox_world() as world:
        begun = await world.log.changes(None, now_of(world))
        (token,) = world.box.okta.org.api_tokens.values()
        token.role = AdminRole(read_log=False)
        for cursor in (begun.cursor, None):
            with pytest.raises(RefusedError) as refused:
                await world.log.changes(cursor, ALWAYS)
            assert refused.value.code == "E0000006"


# --- Answers of the log that the sandbox does not give ----------------------------------------------------


def event(**traits: Any) -> dict[str, Any]:
    return {"uuid": "1", "eventType": "application.lifecycle.update", "target": [{"id": "0oa1"}]} | traits


def page(*events: object, goes_on: str = "/api/v1/logs?after=x") -> tuple[list[object], str]:
    return list(events), goes_on


async def polled(*pages: tuple[object, str]) -> tuple[Heard, list[str]]:
    """Poll a log that answers with these pages; return what was heard, and the addresses that were asked."""
    with Script() as script:
        links = [link if "://" in link or not link else script.url + link for _, link in pages]
        heads = [{"Link": f'<{link}>; rel="next"'} if link else {} for link in links]
        script.then(*(says(200, document, head) for (document, _), head in zip(pages, heads, strict=True)))
        session = OktaSession(OktaConnection(script.url, SswsAuth(SecretValue("token"))), ManualClock())
        try:
            heard = await OktaSystemLog(session).changes(None, ALWAYS)
        finally:
            await session.aclose()
        return heard, [request.param("after") or "" for request in script.requests]


async def test_pages_are_followed_until_an_empty_one_which_says_where_to_go_on() -> None:
    heard, asked = await polled(
        page(event(), goes_on="/api/v1/logs?after=a"),
        page(event(uuid="2"), goes_on="/api/v1/logs?after=b"),
        page(goes_on="/api/v1/logs?after=c"),
    )

    assert asked == ["", "a", "b"]
    assert [change.id for change in heard.changes] == ["1", "2"]
    assert heard.cursor == "/api/v1/logs?after=c"


async def test_a_log_that_does_not_end_is_read_on_at_the_next_poll() -> None:
    heard, asked = await polled(page(event()))

    assert len(asked) == len(heard.changes) == MOST_PAGES
    assert heard.cursor == "/api/v1/logs?after=x"


async def test_a_log_without_a_next_page_is_asked_again_where_it_was() -> None:
    heard, asked = await polled(page(event(), goes_on=""))

    assert asked == [""]
    assert heard.cursor.startswith("/api/v1/logs?since=2026-01-01T00%3A00%3A00.000Z&filter=eventType")


NAMES: dict[str, tuple[object, set[str]]] = {
    "an app's id": ([{"id": "0oa1"}], {"0oa1"}),
    "a client id in the details, however it is spelt": (
        [{"id": "x", "detailEntry": {"clientID": "c1"}}, {"detailEntry": {"ClientId": "c2"}}],
        {"x", "c1", "c2"},
    ),
    "several targets": ([{"id": "0oa1", "alternateId": "c1"}, {"id": "0oa2"}], {"0oa1", "c1", "0oa2"}),
    "no targets": (None, set()),
    "targets in an unknown shape": (["noise", {"id": 7, "detailEntry": ["ClientId"]}, {}], set()),
    "targets that are no list": ({"id": "0oa1"}, set()),
}


@pytest.mark.parametrize(("targets", "names"), NAMES.values(), ids=NAMES)
async def test_a_change_has_all_names_of_what_was_changed(targets: object, names: set[str]) -> None:
    heard, _ = await polled(page(event(target=targets), "noise", None), page())

    assert [change.names for change in heard.changes] == [names]


STRANGE: dict[str, tuple[tuple[object, str], type[RotatorError]]] = {
    "no list": (({"events": []}, ""), UnavailableError),
    "a next page at another host": (page(event(), goes_on="https://example.org/api/v1/logs?after=x"), InvariantError),
}


@pytest.mark.parametrize(("answer", "error"), STRANGE.values(), ids=STRANGE)
async def test_what_is_no_log_is_an_error(answer: tuple[object, str], error: type[RotatorError]) -> None:
    with pytest.raises(error):
        await polled(answer)
