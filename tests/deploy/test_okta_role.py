"""What the Okta guide asks a super admin for is enough for a whole rotation, and nothing in it is too much."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from joserfc.jwk import RSAKey

from rotator.core import okta_rights
from rotator.core.preflight import Check
from rotator.core.preflight_said import Verdict
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.okta_state import AdminRole
from rotator.sandbox.world import Sandbox
from tests.contract.okta_keys import rsa_pem
from tests.deploy.test_vault_policy import EXAMPLE, ROOT, RULES, Life
from tests.entry.documents import code_in, rows_of, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.core.preflight import Finding

GUIDE = ROOT / "deploy" / "okta" / "README.md"
SCOPES = tuple(each.name for each in okta_rights.SCOPES)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    # The SDK signs by this machine's clock, the sandbox's runs ahead by months.
    with Sandbox(okta=OktaSettings(client_clock="real")) as box:
        yield box


class Staff:
    """A service app of ours with scopes and a role, and two targets that it is to rotate."""

    def __init__(
        self, box: Sandbox, folder: Path, *, scopes: tuple[str, ...] = SCOPES, view_secrets: bool = True,
        read_log: bool = True, manage: bool = True, sees: int = 2,
    ) -> None:  # fmt: skip
        key = RSAKey.import_key(rsa_pem())
        us = box.okta.add_service_app(dict(key.as_dict(private=False), kid="k1"), scopes=scopes)
        auth = {"method": "private_key_jwt", "client_id": us.client_id, "key_file": "okta.pem", "scopes": list(scopes)}
        (folder / "okta.pem").write_text(rsa_pem())
        (folder / "okta.pem").chmod(0o600)
        self.box = box
        self.life = Life(box, folder, RULES, auth)
        self.before = {name: app.secrets[0].id for name, app in self.life.apps.items()}
        apps = frozenset(app.id for app in list(self.life.apps.values())[:sees])
        us.role = replace(AdminRole(), apps=apps, view_secrets=view_secrets, read_log=read_log, manage=manage)

    async def preflight(self) -> tuple[Finding, ...]:
        return await self.life.preflight()

    async def rotates(self) -> bool:
        """Live through a whole rotation; say whether Okta let us, and each app has a new secret, alone."""
        await self.life.preflight()
        await self.life.rotation()
        refused = [call for call in self.box.journal.calls() if call.service == "okta" and call.status == 403]
        left = {name: [secret.id for secret in app.secrets] for name, app in self.life.apps.items()}
        return not refused and all(len(ids) == 1 and ids[0] != self.before[name] for name, ids in left.items())


async def test_a_whole_rotation_passes_with_the_scopes_and_the_role_of_the_guide(box: Sandbox, tmp_path: Path) -> None:
    staff = Staff(box, tmp_path)

    found = await staff.preflight()

    assert {each.check for each in found if each.said.verdict is not Verdict.OK} == {
        Check.OKTA_TLS,
        Check.VAULT_TLS,
        Check.OKTA_WRITING,
        Check.OKTA_CERTIFIED,
        Check.EXPIRY,
    }
    assert await staff.rotates()


@pytest.mark.parametrize("scope", SCOPES)
async def test_each_scope_is_needed_and_missed_by_the_preflight(box: Sandbox, tmp_path: Path, scope: str) -> None:
    staff = Staff(box, tmp_path, scopes=tuple(each for each in SCOPES if each != scope))

    told = [each.said for each in await staff.preflight() if each.check is Check.OKTA_SCOPES]

    assert [scope in each.detail for each in told] == [True]
    assert (told[0].verdict is Verdict.FAILED) is (scope != okta_rights.LOG)
    assert not await staff.rotates()


@pytest.mark.parametrize(
    "less",
    [
        pytest.param({"manage": False}, id=okta_rights.MANAGE),
        pytest.param({"view_secrets": False}, id=okta_rights.VIEW_SECRETS),
        pytest.param({"read_log": False}, id="Report Administrator"),
        pytest.param({"sees": 1}, id="an app of the resource set"),
    ],
)
async def test_each_part_of_the_role_is_needed(box: Sandbox, tmp_path: Path, less: dict[str, bool]) -> None:
    assert not await Staff(box, tmp_path, **less).rotates()  # type: ignore[arg-type]  # one number among them


async def test_an_app_that_was_forgotten_in_the_resource_set_is_named(box: Sandbox, tmp_path: Path) -> None:
    staff = Staff(box, tmp_path, sees=1)

    found = await staff.preflight()

    forgotten = list(EXAMPLE["targets"])[1]
    assert [(each.about, each.said.verdict) for each in found if each.check is Check.APP] == [
        (name, Verdict.FAILED if name == forgotten else Verdict.OK) for name in EXAMPLE["targets"]
    ]


async def test_an_empty_resource_set_is_no_success(box: Sandbox, tmp_path: Path) -> None:
    found = await Staff(box, tmp_path, sees=0).preflight()

    assert [each.said.verdict for each in found if each.check is Check.OKTA_ROLE] == [Verdict.FAILED]


# --- the guide says what the program says -------------------------------------------------------------------


def test_the_scopes_of_the_guide_are_those_of_the_program() -> None:
    rows = rows_of(sections_of(GUIDE, 2)["2. The scopes"])

    assert [(code_in(row[0])[0], row[1]) for row in rows] == [(each.name, each.use) for each in okta_rights.SCOPES]


def test_the_permissions_of_the_guide_are_those_of_the_program() -> None:
    rows = rows_of(sections_of(GUIDE, 2)["3. The role"])

    told = [(row[0], code_in(row[1])[0], row[2]) for row in rows]
    assert told == [(each.title, each.name, each.without) for each in okta_rights.PERMISSIONS]


def test_the_commands_of_the_guide_are_those_that_are_printed() -> None:
    apps = [each["app_id"] for each in EXAMPLE["targets"].values()]
    client_id = EXAMPLE["okta"]["acme"]["auth"]["client_id"]
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)

    assert blocks[-1] == okta_rights.set_up_by_api("https://acme.okta.com", client_id, apps)
