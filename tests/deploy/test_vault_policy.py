"""The policy that ships is enough for a whole rotation, and nothing in it is too much."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.vault_kv import VaultKv
from rotator.app.reconcile import reconcile
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.vault_tokens import TokenTraits
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.settings.yaml_text import parse
from rotator.wiring import open_worlds, vault_connection
from tests.app.small_world import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.okta_state import OktaApp
    from rotator.settings import Settings

ROOT = Path(__file__).parents[2]
POLICY = (ROOT / "deploy" / "vault" / "policy.hcl").read_text(encoding="utf-8")
EXAMPLE = parse((ROOT / "config" / "rotator.yaml").read_text(encoding="utf-8"), "rotator.yaml").data
RULE = re.compile(r'path "([^"]+)" \{ capabilities = \[([^]]*)\] \}')
DAY = timedelta(days=1)
TTL = timedelta(minutes=20)

Rules = dict[str, tuple[str, ...]]


def rules_in(hcl: str) -> Rules:
    """Read the subset of HCL that the policy is written in; anything else is refused."""
    rules: Rules = {}
    for line in hcl.splitlines():
        if not line or line.startswith("#"):
            continue
        found = RULE.fullmatch(line)
        assert found, f"not a rule in one line: {line}"
        assert found[1] not in rules, f"twice: {found[1]}"
        rules[found[1]] = tuple(json.loads(f"[{found[2]}]"))
    return rules


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
            "okta": {"org_url": self.box.okta_url, "auth": {"method": "ssws", "token_file": "okta-token"}},
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
        await self.rotation()

    async def login(self) -> None:
        """Take a token that was given; then log in, renew the login, and give it back."""
        approle = {"method": "approle", "role_id": self.role.role_id, "secret_id_file": "secret-id"}
        for auth in ({"method": "token", "token_file": "token"}, approle):
            (vault,) = self.settings(auth).vaults.values()
            kv = VaultKv(vault_connection(vault), self.box.clock, monotonic=lambda: self.seconds)
            await kv.renew_if_due()
            self.seconds += TTL.total_seconds() * 0.9
            await kv.renew_if_due()
            await kv.aclose()
            self.check()

    async def rotation(self) -> None:
        """Adopt, rotate, let the old secret overlap, switch it off, delete it."""
        approle = {"method": "approle", "role_id": self.role.role_id, "secret_id_file": "secret-id"}
        settings = self.settings(approle)
        for days in (0, 11, 8, 4):
            self.box.clock.advance(days * DAY)
            async with open_worlds(
                settings, progress=Told(), warn=print, clock=self.box.clock, leases_in=self.folder / "leases"
            ) as worlds:
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

    assert {pattern for pattern in RULES if not pattern.startswith("auth/token/")} == wanted
