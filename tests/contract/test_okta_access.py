"""The OktaAccess port over the okta SDK's session, before the sandbox."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.okta_access import OktaOwnAccess
from rotator.adapters.okta_connection import OktaConnection, PrivateKeyAuth, SswsAuth
from rotator.adapters.okta_session import OktaSession
from rotator.core.secret_value import SecretValue
from rotator.errors import MissingError, RefusedError, UnavailableError
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.contract.okta_worlds import _key_login

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SCOPES = {"okta.apps.read", "okta.apps.manage", "okta.logs.read"}
METADATA = Wanted(path="*/.well-known/*")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        box.okta.add_authorization_server("default", scopes=["billing.read"])
        yield box


@asynccontextmanager
async def access_to(box: Sandbox, auth: SswsAuth | PrivateKeyAuth | None = None) -> AsyncIterator[OktaOwnAccess]:
    connection = OktaConnection(
        box.okta_url, auth or SswsAuth(SecretValue(box.okta.add_api_token())), answer_within=timedelta(seconds=5)
    )
    session = OktaSession(connection, box.clock)
    try:
        yield OktaOwnAccess(session)
    finally:
        await session.aclose()


async def test_an_org_publishes_what_its_own_server_does(box: Sandbox) -> None:
    async with access_to(box) as access:
        seen = await access.metadata()

    assert seen.issuer == box.okta_url
    assert "client_secret_basic" in seen.auth_methods
    assert seen.at is not None
    assert abs(seen.at - box.clock.now()) < timedelta(seconds=5)


async def test_a_custom_server_publishes_its_scopes(box: Sandbox) -> None:
    async with access_to(box) as access:
        seen = await access.metadata("default")

    assert seen.issuer == f"{box.okta_url}/oauth2/default"
    assert "billing.read" in seen.scopes
    assert "client_credentials" in seen.grant_types


async def test_a_server_that_is_not_there_is_missing(box: Sandbox) -> None:
    async with access_to(box) as access:
        with pytest.raises(MissingError):
            await access.metadata("nowhere")


async def test_what_is_published_is_read_without_our_login_and_costs_nothing(box: Sandbox) -> None:
    async with access_to(box, SswsAuth(SecretValue("00of-nobody"))) as access:
        await access.metadata("default")

        assert access.window() is None
        assert sum(box.okta.calls.values()) == 0


@pytest.mark.parametrize("body", [b'{"welcome": "to the portal"}', b'["welcome"]', b'{"issuer": null}'])
async def test_what_is_no_metadata_is_an_outage(box: Sandbox, body: bytes) -> None:
    box.faults.answer(200, METADATA, body=body)
    async with access_to(box) as access:
        with pytest.raises(UnavailableError, match="no metadata") as lost:
            await access.metadata()

    assert "org_url" in lost.value.hint


async def test_what_a_server_does_not_publish_is_not_known(box: Sandbox) -> None:
    box.faults.answer(200, METADATA, body={"issuer": "https://acme.okta.com", "scopes_supported": None})
    async with access_to(box) as access:
        seen = await access.metadata()

    assert seen.scopes | seen.grant_types | seen.auth_methods == set()


async def test_a_service_app_is_told_its_scopes_once(box: Sandbox) -> None:
    async with access_to(box, _key_login(box)) as access:
        assert await access.sign_in() == SCOPES
        assert await access.sign_in() == SCOPES
        assert box.okta.calls["token"] == 1


async def test_an_api_token_has_no_scopes_and_needs_no_sign_in(box: Sandbox) -> None:
    async with access_to(box) as access:
        assert await access.sign_in() == set()
        assert box.journal.count() == 0


async def test_a_key_that_okta_does_not_know_is_refused(box: Sandbox) -> None:
    stranger = replace(_key_login(box), client_id="0oaNobody00000000000")
    async with access_to(box, stranger) as access:
        with pytest.raises(RefusedError) as refused:
            await access.sign_in()

    assert refused.value.code == "invalid_client"


async def test_scopes_that_are_not_granted_are_refused_as_such(box: Sandbox) -> None:
    greedy = replace(_key_login(box), scopes=("okta.apps.read", "okta.users.manage"))
    async with access_to(box, greedy) as access:
        with pytest.raises(RefusedError) as refused:
            await access.sign_in()

    assert refused.value.code == "consent_required"


async def test_scopes_that_okta_leaves_out_without_a_word_are_not_ours(box: Sandbox) -> None:
    token = {"token_type": "Bearer", "expires_in": 3600, "access_token": "a-token", "scope": "okta.apps.read"}
    box.faults.answer(200, Wanted(path="/oauth2/v1/token"), body=token)
    async with access_to(box, _key_login(box)) as access:
        assert await access.sign_in() == {"okta.apps.read"}


async def test_the_window_of_the_small_bucket_is_told_once_it_was_met() -> None:
    with Sandbox(okta=OktaSettings(limits={"apps": 40})) as box:
        connection = OktaConnection(box.okta_url, SswsAuth(SecretValue(box.okta.add_api_token())))
        session = OktaSession(connection, box.clock)
        access = OktaOwnAccess(session)
        await session.read(lambda client: client.fetch("/api/v1/apps?limit=1"))
        window = access.window()
        await session.aclose()

    assert window is not None
    assert (window.limit, window.left) == (20, 19)
