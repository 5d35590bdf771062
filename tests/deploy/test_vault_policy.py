"""The policy that ships, and is printed, is enough for a whole rotation, and nothing in it is too much."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.vault_kv import VaultKv
from rotator.app.preflight import preflight
from rotator.app.reconcile import reconcile
from rotator.cli.main import main
from rotator.core.preflight import Check, exit_code, held_back
from rotator.core.preflight_said import Said, Verdict
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.vault_tokens import TokenTraits
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.settings.yaml_text import parse
from rotator.wiring import open_worlds, vault_connection
from tests.app.small_world import Told
from tests.contract.okta_keys import certificate
from tests.vault_hcl import Rules, rules_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from rotator.core.preflight import Finding
    from rotator.sandbox.okta_state import OktaApp
    from rotator.settings import Settings
    from rotator.wiring import Worlds

ROOT = Path(__file__).parents[2]
POLICY = (ROOT / "deploy" / "vault" / "policy.hcl").read_text(encoding="utf-8")
EXAMPLE = parse((ROOT / "config" / "rotator.yaml").read_text(encoding="utf-8"), "rotator.yaml").data
DAY = timedelta(days=1)
TTL = timedelta(minutes=20)


RULES = rules_in(POLICY)


def without(pattern: str, capability: str) -> Rules:
    return RULES | {pattern: tuple(each for each in RULES[pattern] if each != capability)}


class RefusedByPolicyError(AssertionError):
    """Vault answered 403 to a call that the policy should have allowed."""


@dataclass
class Life:
    """Two apps, of which one is new to Vault, under the policy and no other, not even `default`."""

    box: Sandbox
    folder: Path
    rules: Rules
    okta_auth: dict[str, Any] = field(default_factory=lambda: {"method": "ssws", "token_file": "okta-token"})
    apps: dict[str, OktaApp] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        box = self.box
        box.okta.add_authorization_server("default", scopes=["s"], default_scopes=["s"])
        box.vault.add_mount("kv")
        box.vault.add_policy("rotator", self.rules)
        self.role = box.vault.add_approle(
            "rotator", TokenTraits(policies=("rotator",), ttl=TTL, with_default_policy=False)
        )
        self.approle = {"method": "approle", "role_id": self.role.role_id, "secret_id_file": "secret-id"}
        for name in EXAMPLE["targets"]:
            self.apps[name] = box.okta.add_app(name, secrets=[GivenSecret(age=80 * DAY)])
        self._write("okta-token", box.okta.add_api_token())
        self._write("secret-id", box.vault.new_secret_id(self.role))
        self._write("token", box.vault.create_token(["rotator"], with_default_policy=False))

    def settings(self, auth: dict[str, Any]) -> Settings:
        targets = {
            name: {
                "app_id": self.apps[name].id,
                "verify": {"authorization_server": "default"},
                "write_to": each["write_to"],
            }
            for name, each in EXAMPLE["targets"].items()
        }
        document = {
            "okta": {"org_url": self.box.okta_url, "auth": self.okta_auth},
            "vaults": {
                "address": self.box.vault_url,
                "auth": auth,
                "staging": EXAMPLE["vaults"]["main"]["staging"],
            },
            "policies": {"default": {"mode": "auto", "rotate_after": "90d", "overlap": "7d", "soak": "3d"}},
            "targets": targets,
        }
        return load(self._write("config.yaml", json.dumps(document)), environ={}, home=self.folder)

    async def whole(self) -> None:
        """Live through everything that asks Vault for something."""
        await self.login()
        await self.preflight()
        self.check()
        await self.rotation()

    async def preflight(self) -> tuple[Finding, ...]:
        """Look whether everything is there."""
        settings = self.settings(self.approle)
        async with self.worlds(settings) as worlds:
            return await preflight(settings.targets, worlds.ways())

    def worlds(self, settings: Settings) -> AbstractAsyncContextManager[Worlds]:
        return open_worlds(
            settings, progress=Told(), warn=print, clock=self.box.clock, leases_in=self.folder / "leases"
        )

    async def login(self) -> None:
        """Take a token that was given; then log in, renew the login, and give it back."""
        for auth in ({"method": "token", "token_file": "token"}, self.approle):
            (vault,) = self.settings(auth).vaults.values()
            kv = VaultKv(vault_connection(vault), self.box.clock, monotonic=lambda: self.seconds)
            await kv.renew_if_due()
            self.seconds += TTL.total_seconds() * 0.9
            await kv.renew_if_due()
            await kv.aclose()
            self.check()

    async def rotation(self) -> None:
        """Adopt, rotate, let the old secret overlap, switch it off, delete it."""
        settings = self.settings(self.approle)
        for days in (0, 11, 8, 4):
            self.box.clock.advance(days * DAY)
            async with self.worlds(settings) as worlds:
                await reconcile(settings.targets, worlds.of)
            self.check()

    def check(self) -> None:
        refused = [call for call in self.box.journal.calls() if call.service == "vault" and call.status == 403]
        if refused:
            raise RefusedByPolicyError(f"{refused[0].method} {refused[0].path}")

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


async def test_a_whole_rotation_passes_under_the_policy_that_ships(box: Sandbox, tmp_path: Path) -> None:
    life = Life(box, tmp_path, RULES)
    before = {name: app.secrets[0].id for name, app in life.apps.items()}

    await life.whole()

    for name, app in life.apps.items():
        (secret,) = app.secrets
        (place,) = EXAMPLE["targets"][name]["write_to"]
        field_name = place.get("fields", {}).get("client_secret", "client_secret")
        fields = box.vault.read(place["mount"], place["path"])
        assert fields
        assert fields[field_name] == secret.value
        assert secret.id != before[name]


@pytest.mark.parametrize(
    ("pattern", "capability"),
    [
        pytest.param(pattern, capability, id=f"{capability} on {pattern}")
        for pattern, capabilities in RULES.items()
        for capability in capabilities
    ],
)
async def test_each_capability_is_needed(box: Sandbox, tmp_path: Path, pattern: str, capability: str) -> None:
    life = Life(box, tmp_path, without(pattern, capability))

    with pytest.raises(RefusedByPolicyError) as refused:
        await life.whole()

    assert pattern.removesuffix("*") in str(refused.value)


def test_the_policy_is_for_the_paths_of_the_example() -> None:
    staging = EXAMPLE["vaults"]["main"]["staging"]
    places = [target["write_to"][0] for target in EXAMPLE["targets"].values()]
    wanted = {f"{place['mount']}/{kind}/{place['path']}" for place in places for kind in ("data", "metadata")}
    wanted |= {f"{staging['mount']}/{kind}/{staging['prefix']}/*" for kind in ("data", "metadata", "destroy")}

    assert {pattern for pattern in RULES if not pattern.startswith(("auth/token/", "sys/"))} == wanted


def test_the_policy_that_is_printed_for_the_example_is_the_one_that_ships(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "rotator.yaml"
    config.write_text((ROOT / "config" / "rotator.yaml").read_text(encoding="utf-8"))
    certificate(tmp_path).cert.rename(tmp_path / "vault-ca.pem")
    for name in ("okta-key.pem", "vault-secret-id", "hook-secret", "pager-url", "heartbeat-url"):
        (tmp_path / name).write_text("any")
        (tmp_path / name).chmod(0o600)

    assert main(["policy", "vault", "--config", str(config)]) == 0

    shipped = [line for line in POLICY.splitlines() if line.startswith("path ")]
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("path ")]
    assert [line for line in told if "/+" not in line] == shipped, "but for the selections, whose paths are patterns"


# --- what the pre-flight makes of it ------------------------------------------------------------------------


def said(findings: Sequence[Finding], check: Check) -> list[Said]:
    return [each.said for each in findings if each.check is check]


async def test_the_preflight_finds_nothing_missing_in_the_policy_and_nothing_too_much(
    box: Sandbox, tmp_path: Path
) -> None:
    found = await Life(box, tmp_path, RULES).preflight()

    assert {each.verdict for check in (Check.RIGHTS, Check.VAULT_EXCESS) for each in said(found, check)} == {Verdict.OK}
    assert held_back([], found) == {}
    assert exit_code(found) == 0


ON_PATHS = [(pattern, each) for pattern, listed in RULES.items() if "/token/" not in pattern for each in listed]


@pytest.mark.parametrize(("pattern", "capability"), ON_PATHS, ids=lambda each: each)
async def test_the_preflight_names_a_capability_that_is_missing(
    box: Sandbox, tmp_path: Path, pattern: str, capability: str
) -> None:
    found = await Life(box, tmp_path, without(pattern, capability)).preflight()

    told = [each for each in said(found, Check.RIGHTS) if each.verdict is not Verdict.OK]
    assert told
    if pattern == "sys/capabilities-self":
        assert {each.verdict for each in told} == {Verdict.CANNOT_TELL}
    else:
        assert all(f"`{capability}` on {pattern.removesuffix('*')}" in each.detail for each in told)
        assert {each.verdict for each in told} == {Verdict.FAILED}


async def test_a_token_that_may_not_look_at_itself_is_a_warning_and_hides_nothing(box: Sandbox, tmp_path: Path) -> None:
    found = await Life(box, tmp_path, without("auth/token/lookup-self", "read")).preflight()

    assert [each.verdict for each in said(found, Check.VAULT_TOKEN)] == [Verdict.WARNING]
    assert {each.verdict for each in said(found, Check.RIGHTS)} == {Verdict.OK}
    assert exit_code(found) == 0


@pytest.mark.parametrize(
    ("pattern", "capability"),
    [
        pytest.param("kv/data/billing/okta", "delete", id="deleting what consumers read"),
        pytest.param("kv/metadata/portal/okta", "update", id="writing metadata"),
        pytest.param("kv/destroy/portal/okta", "update", id="destroying what consumers read"),
        pytest.param("kv/data/*", "read", id="reading all of the mount"),
        pytest.param("secret/config", "update", id="changing the mount"),
        pytest.param("secret/metadata/rotator/staging/*", "list", id="listing the staging records"),
    ],
)
async def test_the_preflight_warns_of_a_capability_that_is_too_much(
    box: Sandbox, tmp_path: Path, pattern: str, capability: str
) -> None:
    more = RULES | {pattern: (*RULES.get(pattern, ()), capability)}

    found = await Life(box, tmp_path, more).preflight()

    (told,) = said(found, Check.VAULT_EXCESS)
    assert told.verdict is Verdict.WARNING
    assert f"`{capability}` on {pattern.removesuffix('*')}" in told.detail
    assert exit_code(found) == 0
