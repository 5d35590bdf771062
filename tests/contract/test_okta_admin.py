"""The OktaAdmin port: one suite for the fake and for the SDK against the sandbox (contracts: Okta 1, 3)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.budget import Haste, in_haste
from rotator.core.model import AppId, AuthMethod, SecretId, SecretStatus
from rotator.core.secret_value import SecretValue
from rotator.errors import MissingError, RateLimitedError, RefusedError, UnknownOutcomeError
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from tests.contract.okta_worlds import FakeWorld, OktaWorld, sandbox_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OURS = SecretValue("our-own-value-" * 4)
OTHER = SecretValue("another-value-" * 4)
GONE = SecretId("ocsGone")
NO_APP = AppId("0oaNone")
LESS_KIND: dict[str, Any] = {
    "same_state": "refused",
    "management_wording": "old",
    "list_order": "newest_first",
    "unique_secrets": "org",
}


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[OktaWorld]:
    if name == "fake":
        yield FakeWorld()
        return
    settings = OktaSettings(**LESS_KIND) if name == "sandbox in a less kind mood" else OktaSettings()
    async with sandbox_world(settings) as world:
        yield world


@pytest.fixture(params=["fake", "sandbox", "sandbox in a less kind mood"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[OktaWorld]:
    async with opened(request.param) as world:
        yield world


async def statuses(world: OktaWorld, app: AppId) -> dict[str, SecretStatus]:
    return {secret.id: secret.status for secret in await world.admin.list_secrets(app)}


async def test_a_created_secret_is_active_and_carries_our_value(world: OktaWorld) -> None:
    app = world.add_app()

    made = await world.admin.create_secret(app, OURS)

    assert (made.active, made.carries(OURS), made.value) == (True, True, OURS)
    assert await world.admin.list_secrets(app) == (made,)


async def test_creating_leaves_the_other_secret_alone(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    (before,) = await world.admin.list_secrets(app)

    made = await world.admin.create_secret(app, OURS)

    assert set(await world.admin.list_secrets(app)) == {before, made}
    assert before.value == SecretValue("a" * 40)


async def test_an_app_has_room_for_two_secrets(world: OktaWorld) -> None:
    app = world.add_app("a" * 40, "b" * 40)

    with pytest.raises(RefusedError) as refused:
        await world.admin.create_secret(app, OURS)

    assert refused.value.code == "slots_full"


@pytest.mark.parametrize(
    ("method", "value"),
    [
        pytest.param(AuthMethod.BASIC, "x" * 13, id="too short"),
        pytest.param(AuthMethod.BASIC, "x" * 101, id="too long"),
        pytest.param(AuthMethod.BASIC, "x" * 20 + "\N{SNOWMAN}", id="not ASCII"),
        pytest.param(AuthMethod.BASIC, "x" * 20 + "\n", id="not printable"),
        pytest.param(AuthMethod.SECRET_JWT, "x" * 31, id="too short for client_secret_jwt"),
        pytest.param(AuthMethod.PRIVATE_KEY_JWT, "x" * 64, id="for an app that uses none"),
    ],
)
async def test_a_value_that_okta_does_not_take_is_refused(world: OktaWorld, method: AuthMethod, value: str) -> None:
    app = world.add_app(method=method)

    with pytest.raises(RefusedError) as refused:
        await world.admin.create_secret(app, SecretValue(value))

    assert value not in str(refused.value)
    assert await world.admin.list_secrets(app) == ()
    if method is not AuthMethod.PRIVATE_KEY_JWT:  # an old wording of Okta's is too general to tell
        assert refused.value.code == "bad_value"


async def test_deactivating_moves_only_the_time_of_change(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    made = await world.admin.create_secret(app, OURS)
    world.advance(timedelta(minutes=10))

    now = await world.admin.deactivate_secret(app, made.id)

    assert (now.id, now.status, now.created, now.value) == (made.id, SecretStatus.INACTIVE, made.created, OURS)
    assert now.changed - made.changed >= timedelta(minutes=10)
    assert now.changed.microsecond == 0


async def test_an_inactive_secret_can_be_activated_again(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    made = await world.admin.create_secret(app, OURS)
    await world.admin.deactivate_secret(app, made.id)

    now = await world.admin.activate_secret(app, made.id)

    assert (now.active, now.carries(OURS)) == (True, True)


async def test_switching_to_where_it_is_already_is_done(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    made = await world.admin.create_secret(app, OURS)
    off = await world.admin.deactivate_secret(app, made.id)
    world.advance(timedelta(minutes=10))

    assert await world.admin.deactivate_secret(app, made.id) == off
    on = await world.admin.activate_secret(app, made.id)
    world.advance(timedelta(minutes=10))
    assert await world.admin.activate_secret(app, made.id) == on


@pytest.mark.parametrize("beside", [0, 1], ids=["which is alone", "beside an inactive one"])
async def test_the_only_active_secret_stays_on(world: OktaWorld, beside: int) -> None:
    app = world.add_app("a" * 40)
    (only,) = await world.admin.list_secrets(app)
    if beside:
        await world.admin.deactivate_secret(app, (await world.admin.create_secret(app, OURS)).id)

    with pytest.raises(RefusedError) as refused:
        await world.admin.deactivate_secret(app, only.id)

    assert refused.value.code == "only_active"
    assert (await statuses(world, app))[only.id] is SecretStatus.ACTIVE


async def test_an_active_secret_is_not_deleted(world: OktaWorld) -> None:
    app = world.add_app("a" * 40, "b" * 40)
    first, _ = await world.admin.list_secrets(app)

    with pytest.raises(RefusedError) as refused:
        await world.admin.delete_secret(app, first.id)

    assert refused.value.code == "still_active"
    assert len(await world.admin.list_secrets(app)) == 2


async def test_an_inactive_secret_is_deleted_once_and_then_is_gone(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    made = await world.admin.create_secret(app, OURS)
    await world.admin.deactivate_secret(app, made.id)

    await world.admin.delete_secret(app, made.id)
    await world.admin.delete_secret(app, made.id)

    assert made.id not in await statuses(world, app)


async def test_a_slot_that_was_freed_can_be_used(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)
    made = await world.admin.create_secret(app, OURS)
    await world.admin.deactivate_secret(app, made.id)
    await world.admin.delete_secret(app, made.id)

    again = await world.admin.create_secret(app, OTHER)

    assert again.id != made.id


async def test_a_secret_that_is_gone_cannot_be_switched(world: OktaWorld) -> None:
    app = world.add_app("a" * 40)

    with pytest.raises(MissingError):
        await world.admin.activate_secret(app, GONE)
    with pytest.raises(MissingError):
        await world.admin.deactivate_secret(app, GONE)


async def test_an_app_that_is_not_there_is_missing(world: OktaWorld) -> None:
    assert await world.admin.get_app(NO_APP) is None
    with pytest.raises(MissingError):
        await world.admin.list_secrets(NO_APP)
    with pytest.raises(RefusedError):
        await world.admin.create_secret(NO_APP, OURS)


async def test_values_that_okta_hides_are_still_recognised(world: OktaWorld) -> None:
    app = world.add_app(OURS.reveal())
    world.hide_values()

    (found,) = await world.admin.list_secrets(app)

    assert (found.value, found.carries(OURS), found.carries(OTHER)) == (None, True, False)


async def test_an_app_is_described_as_it_is(world: OktaWorld) -> None:
    app_id = world.add_app(
        method=AuthMethod.POST, grants=("authorization_code", "refresh_token"), client_id="custom_id", label="Billing"
    )

    app = await world.admin.get_app(app_id)

    assert app is not None
    assert (app.id, app.client_id, app.label) == (app_id, "custom_id", "Billing")
    assert (app.auth_method, app.sign_on_mode, app.status) == (AuthMethod.POST, "OPENID_CONNECT", "ACTIVE")
    assert (app.allows_client_credentials, app.dpop_bound) == (False, False)


async def test_a_dpop_bound_app_and_an_inactive_one_say_so(world: OktaWorld) -> None:
    app_id = world.add_app(dpop=True)
    world.deactivate_app(app_id)

    app = await world.admin.get_app(app_id)

    assert app is not None
    assert (app.dpop_bound, app.allows_client_credentials, app.status) == (True, True, "INACTIVE")


async def test_every_client_is_listed_over_as_many_pages_as_it_takes(world: OktaWorld) -> None:
    world.add_saml_app()
    added = {world.add_app(label=f"svc-{number}") for number in range(230)}

    listed = [app.id async for app in world.admin.list_apps()]

    assert len(listed) == len(set(listed))
    assert set(listed) == added


async def test_only_so_many_pages_are_read_as_were_asked_for() -> None:
    async with sandbox_world() as world:
        for number in range(230):
            world.add_app(label=f"svc-{number}")

        listed = [app.id async for app in world.admin.list_apps(pages=1)]

        assert len(listed) == 200
        assert world.box.okta.calls["apps"] == 1


async def test_a_service_app_with_a_key_may_do_all_of_it() -> None:
    async with sandbox_world(with_key=True) as world:
        app = world.add_app("a" * 40)
        (old,) = await world.admin.list_secrets(app)
        made = await world.admin.create_secret(app, OURS)
        await world.admin.deactivate_secret(app, old.id)
        await world.admin.delete_secret(app, old.id)

        assert await world.admin.list_secrets(app) == (made,)
        assert world.box.okta.calls["token"] == 1


async def test_a_create_whose_answer_is_lost_is_found_by_listing() -> None:
    async with sandbox_world() as world:
        app = world.add_app("a" * 40)
        world.box.faults.drop(Wanted(service="okta", method="POST"), when="after")

        with pytest.raises(UnknownOutcomeError):
            await world.admin.create_secret(app, OURS)

        assert [secret.carries(OURS) for secret in await world.admin.list_secrets(app)] == [False, True]


async def test_a_used_up_rate_limit_says_when_the_window_opens_again() -> None:
    async with sandbox_world(OktaSettings(limits={"apps": 2})) as world:
        app = world.add_app("a" * 40)
        await world.admin.list_secrets(app)

        with in_haste(Haste(waits=timedelta(0))), pytest.raises(RateLimitedError) as limited:
            await world.admin.create_secret(app, OURS)

        assert limited.value.retry_at is not None
        assert timedelta(0) < limited.value.retry_at - world.box.clock.now() <= timedelta(seconds=62)
        world.box.clock.advance(limited.value.retry_at - world.box.clock.now())
        assert (await world.admin.create_secret(app, OURS)).active


async def test_a_role_that_may_only_read_changes_nothing() -> None:
    async with sandbox_world() as world:
        app = world.add_app("a" * 40)
        (token,) = world.box.okta.org.api_tokens.values()
        token.role = AdminRole(manage=False, view_secrets=False)

        with pytest.raises(RefusedError) as refused:
            await world.admin.create_secret(app, OURS)

        assert refused.value.code == "E0000006"
        assert [secret.value for secret in await world.admin.list_secrets(app)] == [None]


async def test_a_login_that_was_revoked_is_refused_with_the_next_step() -> None:
    async with sandbox_world() as world:
        for token in world.box.okta.org.api_tokens.values():
            token.revoked = True

        with pytest.raises(RefusedError) as refused:
            await world.admin.get_app(NO_APP)

        assert (refused.value.code, "login" in refused.value.hint) == ("E0000011", True)
        assert refused.value.request_id


async def test_a_fake_org_never_waits() -> None:
    """An enumerator drives it without an event loop."""
    world = FakeWorld()
    app = world.add_app("a" * 40)

    creating = world.okta.create_secret(app, OURS)

    with pytest.raises(StopIteration):
        creating.send(None)
