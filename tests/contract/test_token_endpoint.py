"""The TokenEndpoint port: what a test request shows of a value (contracts: Okta 5)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.model import AuthMethod, ProofLevel, VerifySettings
from rotator.core.secret_value import SecretValue
from rotator.sandbox.okta_settings import OktaSettings
from tests.contract.okta_worlds import FakeWorld, OktaWorld, SandboxWorld, sandbox_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.model import App, AppId, Proof

FIRST, SECOND = SecretValue("first-value-" * 4), SecretValue("second-value-" * 4)
WRONG = SecretValue("nobodys-value-" * 4)
AT_ORG = VerifySettings()
AT_DEFAULT = VerifySettings(authorization_server="default")

MOODS: dict[str, dict[str, Any]] = {
    "sandbox": {},
    "sandbox in other words": {"oauth_wording": "spec", "www_authenticate": True},
    "sandbox that decodes Basic and refuses any other method": {"basic_percent_decoding": True},
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


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxWorld]:
    async with sandbox_world() as world:
        yield world


async def described(world: OktaWorld, app_id: AppId) -> App:
    app = await world.admin.get_app(app_id)
    assert app is not None
    return app


async def tried(world: OktaWorld, value: SecretValue, settings: VerifySettings, **traits: Any) -> Proof:
    app = await described(world, world.add_app(FIRST.reveal(), SECOND.reveal(), **traits))
    return await world.tokens.prove(app, value, settings)


SECRET_METHODS = (AuthMethod.BASIC, AuthMethod.POST, AuthMethod.SECRET_JWT)


@pytest.mark.parametrize("method", SECRET_METHODS)
@pytest.mark.parametrize(
    ("settings", "level"), [(AT_DEFAULT, ProofLevel.TOKEN_ISSUED), (AT_ORG, ProofLevel.CLIENT_AUTHENTICATED)]
)
async def test_each_active_secret_gets_in(
    world: OktaWorld, method: AuthMethod, settings: VerifySettings, level: ProofLevel
) -> None:
    app = await described(world, world.add_app(FIRST.reveal(), SECOND.reveal(), method=method))

    shown = [(await world.tokens.prove(app, value, settings)).level for value in (FIRST, SECOND)]

    assert shown == [level, level]


@pytest.mark.parametrize("method", SECRET_METHODS)
@pytest.mark.parametrize("settings", [AT_DEFAULT, AT_ORG])
async def test_a_wrong_value_is_refused(world: OktaWorld, method: AuthMethod, settings: VerifySettings) -> None:
    assert (await tried(world, WRONG, settings, method=method)).level is ProofLevel.REFUSED


@pytest.mark.parametrize("settings", [AT_DEFAULT, AT_ORG])
async def test_a_deactivated_secret_is_refused_and_the_other_is_not(world: OktaWorld, settings: VerifySettings) -> None:
    app = await described(world, world.add_app(FIRST.reveal(), SECOND.reveal()))
    first = next(secret for secret in await world.admin.list_secrets(app.id) if secret.carries(FIRST))
    await world.admin.deactivate_secret(app.id, first.id)

    assert (await world.tokens.prove(app, FIRST, settings)).level is ProofLevel.REFUSED
    assert (await world.tokens.prove(app, SECOND, settings)).level.good


@pytest.mark.parametrize("settings", [AT_DEFAULT, AT_ORG])
async def test_a_deactivated_app_says_nothing_about_its_secret(world: OktaWorld, settings: VerifySettings) -> None:
    app = await described(world, world.add_app(FIRST.reveal()))
    world.deactivate_app(app.id)

    assert (await world.tokens.prove(app, FIRST, settings)).level is ProofLevel.INCONCLUSIVE


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param({"grants": ("authorization_code",)}, id="an app without the grant"),
        pytest.param({"dpop": True}, id="a DPoP-bound app"),
    ],
)
async def test_an_app_that_gets_no_token_is_authenticated_all_the_same(
    world: OktaWorld, traits: dict[str, Any]
) -> None:
    assert (await tried(world, FIRST, AT_DEFAULT, **traits)).level is ProofLevel.CLIENT_AUTHENTICATED
    assert (await tried(world, WRONG, AT_DEFAULT, **traits)).level is ProofLevel.REFUSED


async def test_an_app_with_a_custom_client_id_signs_in_under_that(world: OktaWorld) -> None:
    assert (await tried(world, FIRST, AT_DEFAULT, client_id="custom_id")).level is ProofLevel.TOKEN_ISSUED


async def test_an_app_that_uses_a_key_says_nothing_about_a_secret(world: OktaWorld) -> None:
    app = await described(world, world.add_app(method=AuthMethod.PRIVATE_KEY_JWT))

    assert (await world.tokens.prove(app, FIRST, AT_ORG)).level is ProofLevel.INCONCLUSIVE


# --- Only the sandbox can say this ------------------------------------------------------------------------


async def test_the_token_is_revoked(sandbox: SandboxWorld) -> None:
    proof = await tried(sandbox, FIRST, AT_DEFAULT)

    assert proof.detail.endswith(", test token revoked")
    assert not sandbox.box.okta.org.access_tokens


async def test_a_scope_that_the_server_does_not_have_shows_a_good_secret_and_says_what_to_mend(
    sandbox: SandboxWorld,
) -> None:
    proof = await tried(sandbox, FIRST, VerifySettings(authorization_server="default", scope="billing.write"))

    assert (proof.level, "verify.scope" in proof.detail) == (ProofLevel.CLIENT_AUTHENTICATED, True)


async def test_a_policy_that_lets_nobody_in_shows_a_good_secret(sandbox: SandboxWorld) -> None:
    sandbox.box.okta.add_authorization_server("closed", policies=(), default_scopes=["a.b"])

    proof = await tried(sandbox, FIRST, VerifySettings(authorization_server="closed"))

    assert (proof.level, "policy" in proof.detail) == (ProofLevel.CLIENT_AUTHENTICATED, True)


async def test_a_server_that_is_not_there_says_nothing(sandbox: SandboxWorld) -> None:
    proof = await tried(sandbox, FIRST, VerifySettings(authorization_server="typo"))

    assert (proof.level, "verify.authorization_server" in proof.detail) == (ProofLevel.INCONCLUSIVE, True)


async def test_an_org_without_the_licence_for_servers_says_nothing(sandbox: SandboxWorld) -> None:
    sandbox.box.okta.settings.api_access_management = False

    assert (await tried(sandbox, WRONG, AT_DEFAULT)).level is ProofLevel.INCONCLUSIVE


async def test_a_server_that_checks_the_grant_first_does_not_hide_a_wrong_secret(sandbox: SandboxWorld) -> None:
    sandbox.box.okta.settings.grant_check_first = True
    sandbox.box.okta.org.servers["default"].grant_types = frozenset({"authorization_code"})

    assert (await tried(sandbox, WRONG, AT_DEFAULT)).level is ProofLevel.REFUSED
    assert (await tried(sandbox, FIRST, AT_DEFAULT)).level is ProofLevel.CLIENT_AUTHENTICATED


async def test_a_probe_leaves_no_token_and_no_failure_behind(sandbox: SandboxWorld) -> None:
    await tried(sandbox, FIRST, AT_ORG)

    assert not sandbox.box.okta.org.access_tokens
    assert [event.kind for event in sandbox.box.okta.log.events() if event.result == "FAILURE"] == []
