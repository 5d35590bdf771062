"""The VaultAccess port, kept by the adapter against the sandbox, and against a real server where there is one."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_access import PATHS_AT_ONCE
from rotator.adapters.vault_connection import TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.preflight_facts import TokenLife
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import RefusedError, SealedError, UnavailableError
from rotator.sandbox.journal import Wanted
from rotator.sandbox.vault import VaultSettings
from rotator.sandbox.vault_tokens import TokenTraits
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rotator.sandbox.vault_status import Node
    from tests.dev_vault import RealVault

MINUTE = timedelta(minutes=1)
HCL = {
    "secret/data/a": ["create", "read", "update"],
    "secret/data/many/*": ["read", "list"],
    "auth/token/lookup-self": ["read"],
    "sys/capabilities-self": ["update"],
}


@dataclass
class Place:
    """A Vault, and who makes tokens there. `box` is where it is emulated."""

    address: str
    root: str
    box: Sandbox | None = None

    def write(self, path: str, **fields: Any) -> dict[str, Any]:
        """Ask as root, as an operator does."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.address}/v1/{path}", json=fields, headers={"X-Vault-Token": self.root}, timeout=10
            )
        assert answer.ok, answer.text
        return dict(answer.json()) if answer.content else {}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


def token(place: Place, rules: dict[str, list[str]], **traits: Any) -> str:
    """Make a token with these rules alone."""
    name = f"preflight-{uuid.uuid4().hex}"
    if place.box is not None:
        place.box.vault.add_policy(name, rules)
        return place.box.vault.create_token([name], with_default_policy=False, **traits)
    hcl = "\n".join(
        f'path "{path}" {{ capabilities = {str(each).replace(chr(39), chr(34))} }}' for path, each in rules.items()
    )
    place.write(f"sys/policies/acl/{name}", policy=hcl)
    asked = {"policies": [name], "no_default_policy": True, "ttl": "20m"}
    asked |= {"period": "10m"} if "period" in traits else {}
    asked |= {"num_uses": traits["uses"]} if "uses" in traits else {}
    asked |= {"type": traits["kind"]} if "kind" in traits else {}
    return str(place.write("auth/token/create", **asked)["auth"]["client_token"])


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real_vault)])
def place(request: pytest.FixtureRequest, box: Sandbox) -> Place:
    if request.param == "real":
        real: RealVault = request.getfixturevalue("real_vault")
        return Place(real.address, real.token)
    return Place(box.vault_url, box.vault.settings.root_token, box)


@pytest.fixture
async def vault_with(place: Place) -> AsyncIterator[Callable[..., VaultKv]]:
    """Return what opens the adapter with a token of these rules and traits; None for root's own."""
    made: list[VaultKv] = []

    def opened(rules: dict[str, list[str]] | None, **traits: Any) -> VaultKv:
        value = place.root if rules is None else token(place, rules, **traits)
        made.append(adapter(place.address, value))
        return made[-1]

    yield opened
    for kv in made:
        await kv.aclose()


def adapter(address: str, value: str, **settings: Any) -> VaultKv:
    connection = VaultConnection(address, TokenAuth(lambda: SecretValue(value)), **settings)
    return VaultKv(connection, SystemClock(), first_pause=timedelta(milliseconds=5))


async def test_a_node_says_how_it_is(vault_with: Callable[..., VaultKv]) -> None:
    health = await vault_with(None).access.health()

    assert (health.initialized, health.sealed, health.standby) == (True, False, False)
    assert health.version
    assert abs(health.at - SystemClock().now()) < MINUTE


async def test_a_token_says_how_long_it_lives(vault_with: Callable[..., VaultKv]) -> None:
    life = await vault_with(HCL, ttl=20 * MINUTE).access.token()

    assert life.left
    assert timedelta(0) < life.left <= 20 * MINUTE
    assert (life.renewable, life.periodic, life.uses) == (True, False, 0)


async def test_a_periodic_token_says_so(vault_with: Callable[..., VaultKv]) -> None:
    assert (await vault_with(HCL, period=10 * MINUTE).access.token()).periodic


async def test_the_root_token_never_ends(vault_with: Callable[..., VaultKv]) -> None:
    life = await vault_with(None).access.token()

    assert (life.left, set(life.policies)) == (None, {"root"})


async def test_a_token_that_may_not_look_at_itself_is_refused(vault_with: Callable[..., VaultKv]) -> None:
    with pytest.raises(RefusedError):
        await vault_with({"secret/data/a": ["read"]}).access.token()


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_a_token_is_told_its_rights_on_each_path(vault_with: Callable[..., VaultKv], number: int) -> None:
    expected = {
        "secret/data/a": {"create", "read", "update"},
        "secret/data/many/x": {"read", "list"},
        "secret/data/other": {"deny"},
        "nowhere/data/a": {"deny"},
        "secret/config": {"deny"},
    }
    paths = list(expected)[:number]

    rights = await vault_with(HCL).access.rights(paths)

    assert rights == {path: expected[path] for path in paths}


async def test_the_rights_of_root_are_root(vault_with: Callable[..., VaultKv]) -> None:
    assert await vault_with(None).access.rights(["secret/data/a"]) == {"secret/data/a": {"root"}}


async def test_rights_on_many_paths_are_asked_in_several_calls(vault_with: Callable[..., VaultKv]) -> None:
    paths = [f"secret/data/many/{number}" for number in range(2 * PATHS_AT_ONCE + 1)]

    rights = await vault_with(HCL).access.rights(paths)

    assert rights == {path: {"read", "list"} for path in paths}


async def test_a_token_that_may_not_ask_for_its_rights_is_refused(vault_with: Callable[..., VaultKv]) -> None:
    with pytest.raises(RefusedError):
        await vault_with({"secret/data/a": ["read"]}).access.rights(["secret/data/a"])


async def test_a_mount_says_what_holds_for_its_keys(vault_with: Callable[..., VaultKv]) -> None:
    defaults = await vault_with(None).access.defaults("secret")

    assert (defaults.max_versions, defaults.delete_version_after) == (0, timedelta(0))


async def test_a_mount_that_may_not_be_read_is_refused(vault_with: Callable[..., VaultKv]) -> None:
    with pytest.raises(RefusedError):
        await vault_with(HCL).access.defaults("secret")


async def test_a_mount_of_version_2_is_good_and_another_is_not(vault_with: Callable[..., VaultKv]) -> None:
    access = vault_with(None).access
    await access.check_mount(KvPath("secret", "a"))

    with pytest.raises(RefusedError):
        await access.check_mount(KvPath("cubbyhole", "a"))


async def test_a_version_says_when_it_deletes_itself(place: Place, vault_with: Callable[..., VaultKv]) -> None:
    kv, path = vault_with(None), KvPath("secret", uuid.uuid4().hex)
    await kv.write(path, SecretFields({"a": "b"}), cas=0)
    place.write(f"secret/metadata/{path.path}", delete_version_after="1h")
    await kv.write(path, SecretFields({"a": "c"}), cas=1)

    metadata = await kv.read_metadata(path)

    assert metadata is not None
    assert metadata.delete_version_after == timedelta(hours=1)
    assert metadata.versions[1].ends is None
    assert metadata.versions[2].ends is not None
    assert timedelta(minutes=59) < metadata.versions[2].ends - SystemClock().now() <= timedelta(hours=1)


async def test_a_mount_says_what_people_have_set_there(place: Place, vault_with: Callable[..., VaultKv]) -> None:
    mount = f"kv-{uuid.uuid4().hex[:8]}"
    if place.box is None:
        place.write(f"sys/mounts/{mount}", type="kv", options={"version": "2"})
    else:
        place.box.vault.add_mount(mount)
    access = vault_with(None).access
    for settings, told in (
        ({"max_versions": 3, "delete_version_after": "36h30m"}, (3, timedelta(hours=36, minutes=30))),
        ({"max_versions": 0, "delete_version_after": "-1s"}, (0, timedelta(seconds=-1))),
    ):
        await written_when_ready(place, f"{mount}/config", **settings)

        defaults = await access.defaults(mount)

        assert (defaults.max_versions, defaults.delete_version_after) == told


async def written_when_ready(place: Place, path: str, **fields: Any) -> None:
    """Write; a mount becomes one of version 2 a moment after it was made."""
    for _ in range(100):
        with suppress(AssertionError):
            place.write(path, **fields)
            return
        await asyncio.sleep(0.02)
    place.write(path, **fields)


async def test_a_token_with_few_uses_says_so(vault_with: Callable[..., VaultKv]) -> None:
    assert (await vault_with(HCL, uses=5).access.token()).uses in {3, 4}


async def test_a_batch_token_is_not_renewed(vault_with: Callable[..., VaultKv]) -> None:
    life = await vault_with(HCL, kind="batch", ttl=20 * MINUTE).access.token()

    assert (life.renewable, life.periodic, life.uses) == (False, False, 0)
    assert life.left is not None
    assert life.left <= 20 * MINUTE


# --- what only the sandbox can be made to show ----------------------------------------------------------------


@pytest.mark.parametrize("node", ["standby", "performance_standby", "dr_secondary"])
@pytest.mark.parametrize("flavour", ["vault", "openbao"])
async def test_any_node_answers(flavour: Any, node: Node) -> None:
    with Sandbox(vault=VaultSettings(flavour=flavour, node=node)) as box:
        health = await adapter(box.vault_url, "root").access.health()

        assert health.standby is (node != "dr_secondary")


async def test_a_sealed_node_answers_too_and_lets_nobody_in() -> None:
    with Sandbox() as box:
        box.vault.seal()
        access = adapter(box.vault_url, "root").access

        assert (await access.health()).sealed
        with pytest.raises(SealedError):
            await access.sign_in()


async def test_the_health_is_asked_outside_our_namespace() -> None:
    with Sandbox(vault=VaultSettings(flavour="openbao")) as box:
        assert not (await adapter(box.vault_url, "root", namespace="team").access.health()).sealed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"initialized": True}, id="a part of it"),
        pytest.param({"initialized": 1, "sealed": 0, "standby": 0, "version": "1", "server_time_utc": 1}, id="numbers"),
        pytest.param(
            {"initialized": True, "sealed": False, "standby": False, "version": "1", "server_time_utc": "now"},
            id="a time in words",
        ),
    ],
)
async def test_an_answer_that_is_none_of_vaults_is_an_outage(box: Sandbox, body: dict[str, Any]) -> None:
    box.faults.answer(200, Wanted(path="/v1/sys/health"), body=body)

    with pytest.raises(UnavailableError, match="none of Vault's"):
        await adapter(box.vault_url, "root").access.health()


def told_of_itself(**data: Any) -> dict[str, Any]:
    return {
        "data": {"ttl": 1200, "renewable": True, "policies": ["rotator"], "expire_time": "2026-01-02T03:04:05Z"} | data
    }


async def life_of(box: Sandbox, **data: Any) -> TokenLife:
    box.faults.answer(200, Wanted(path="/v1/auth/token/lookup-self"), body=told_of_itself(**data), times=2)
    kv = adapter(box.vault_url, "root")
    try:
        return await kv.access.token()
    finally:
        box.faults.clear()
        await kv.aclose()


@pytest.mark.parametrize(
    ("data", "life"),
    [
        pytest.param({}, {}, id="what there is at least"),
        pytest.param({"num_uses": 3}, {"uses": 3}, id="uses"),
        pytest.param({"period": 600}, {"periodic": True}, id="a period"),
        pytest.param({"ttl": 0}, {"left": timedelta(0)}, id="its last second"),
        pytest.param({"ttl": 0, "expire_time": None}, {"left": None}, id="for ever"),
        pytest.param({"policies": None}, {"policies": frozenset()}, id="no policy"),
        pytest.param(
            {"identity_policies": ["more"]}, {"policies": frozenset({"rotator", "more"})}, id="policies of its entity"
        ),
    ],
)
async def test_a_token_is_understood(box: Sandbox, data: dict[str, Any], life: dict[str, Any]) -> None:
    usual = TokenLife(timedelta(minutes=20), renewable=True, periodic=False, uses=0, policies=frozenset({"rotator"}))

    assert await life_of(box, **data) == replace(usual, **life)


@pytest.mark.parametrize("ttl", ["20m", True, -1, None])
async def test_a_token_whose_life_cannot_be_read_is_not_understood(box: Sandbox, ttl: object) -> None:
    with pytest.raises(UnavailableError, match="none of Vault's"):
        await life_of(box, ttl=ttl)


async def test_what_a_role_gives_is_told(box: Sandbox) -> None:
    box.vault.add_policy("looks", HCL)
    role = box.vault.add_approle("looks", TokenTraits(policies=("looks",), ttl=MINUTE, max_ttl=2 * MINUTE))
    logged_in = Place(box.vault_url, "").write(
        "auth/approle/login", role_id=role.role_id, secret_id=box.vault.new_secret_id(role)
    )

    life = await adapter(box.vault_url, logged_in["auth"]["client_token"]).access.token()

    assert life.left is not None
    assert life.left <= MINUTE
    assert life.policies == {"default", "looks"}
