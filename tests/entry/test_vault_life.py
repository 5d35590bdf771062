"""A whole life under the policy that `rotator policy vault` prints and no other, before the emulator and a real server.

Two targets, of which one writes to two mounts and one is new to Vault, and a selection: looked at beforehand, rotated,
gone back to the former secret, rotated again, the old one retired; by commands alone, each with a login of its own.
What Vault is asked meanwhile, and answers, is one table for both: nothing in it is refused.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import TokenAuth
from rotator.adapters.vault_kv import VaultKv
from rotator.core.preflight import Check
from rotator.core.secret_value import SecretValue
from rotator.sandbox.okta_console import GivenSecret
from rotator.settings import load
from rotator.wiring import vault_connection
from tests.dev_vault import real_or_skip
from tests.entry.site import EXPIRED, SCOPE, STAGING, Site
from tests.entry.vault_hosts import RealHost, SandboxHost, VaultHost
from tests.witness import Asked, Witness, witness_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rotator.sandbox.world import Sandbox
    from tests.dev_vault import RealVault
    from tests.entry.site import Ran

PERIOD = timedelta(minutes=20)
VERIFY = {"authorization_server": "default", "scope": SCOPE}
AT_VAULT = {
    Check.VAULT_REACHABLE, Check.VAULT_CLOCK, Check.VAULT_SEAL, Check.VAULT_LOGIN, Check.VAULT_TOKEN,
    Check.VAULT_EXCESS, Check.MOUNT, Check.RIGHTS, Check.EXPIRY, Check.VERSIONS,
}  # fmt: skip
REPORTS = {"client_id": "OKTA_ID", "client_secret": "OKTA_SECRET"}


@pytest.fixture(scope="session")
def real_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    with real_or_skip(tmp_path_factory.mktemp("vault")) as real:
        yield real


@pytest.fixture(params=[None, "team"], ids=["at the root", "in a namespace"])
def namespace(request: pytest.FixtureRequest) -> str | None:
    within: str | None = request.param
    return within


@contextmanager
def the_sandbox(box: Sandbox, namespace: str | None) -> Iterator[VaultHost]:
    host = SandboxHost(box, namespace)
    yield host
    host.close()


@contextmanager
def the_real_one(real: RealVault, namespace: str | None) -> Iterator[VaultHost]:
    host = RealHost(real, namespace)
    yield host
    host.close()


@dataclass
class Life:
    """Commands at a site whose Vault is this host's, seen by a witness."""

    site: Site
    host: VaultHost
    witness: Witness

    def __post_init__(self) -> None:
        site, host = self.site, self.host
        site.policy = "{mode: auto, overlap: 1s, soak: 1s, usage: off}"
        self.billing = site.add("billing", in_vault=False)
        self.portal = site.add("portal", in_vault=False)
        self.service = site.box.okta.add_app("svc-one", secrets=[GivenSecret(age=EXPIRED)])
        site.targets["billing"]["write_to"] = [
            {"mount": host.mount, "path": "billing/okta"},
            {"mount": "secret", "path": f"{host.mount}/reports", "fields": REPORTS},
        ]
        site.targets["portal"]["write_to"] = [{"mount": host.mount, "path": "portal/okta"}]
        site.selections["services"] = {
            "where": {"label": "svc-*"},
            "verify": VERIFY,
            "write_to": [{"mount": host.mount, "path": "apps/{app_id}/okta"}],
        }
        self.auth: dict[str, object] = {"method": "token", "token_file": "vault-token"}
        self.configure()
        client = {"client_id": self.billing.client_id, "client_secret": self.billing.secrets[-1].value}
        host.put(host.mount, "billing/okta", client | {"note": "theirs"})

    def configure(self) -> None:
        vault = {"address": self.witness.address, "auth": self.auth, "namespace": self.host.namespace}
        staging = {"mount": "secret", "prefix": f"{STAGING}/{self.host.mount}"}
        self.site.extra = {"vaults": {"main": {**vault, "staging": staging, "answer_within": "10s"}}}

    def log_in_by_role(self) -> None:
        """Have the printed policy written, and a wrapped secret id for each run from now on."""
        hcl = self.ran("policy", "vault").out
        self.put_file("role-id", self.host.allow(hcl, PERIOD))
        self.auth = {
            "method": "approle",
            "mount": self.host.approle,
            "role_id_file": "role-id",
            "secret_id_file": "envelope",
            "wrapped": True,
        }
        self.configure()

    def ran(self, *args: str) -> Ran:
        if self.auth.get("wrapped"):
            self.put_file("envelope", self.host.envelope())
        command, *rest = args
        second = [rest.pop(0)] if command == "policy" else []
        ran = self.site.run_bare(command, *second, "--config", str(self.site.config), *rest)
        assert ran.code == 0, f"{args}\n{ran.out}\n{ran.err}"
        return ran

    def put_file(self, name: str, text: str) -> None:
        file = self.site.folder / name
        file.write_text(text)
        file.chmod(0o600)

    def holds(self) -> dict[str, str]:
        """Return what each path holds, by the name of whoever reads there."""
        mount = self.host.mount
        return {
            "billing": str(self.host.read(mount, "billing/okta")["client_secret"]),
            "reports": str(self.host.read("secret", f"{mount}/reports")["OKTA_SECRET"]),
            "portal": str(self.host.read(mount, "portal/okta")["client_secret"]),
            "svc-one": str(self.host.read(mount, f"apps/{self.service.id}/okta")["client_secret"]),
        }


def lead(site: Site, host: VaultHost) -> set[tuple[str, str, int]]:
    """Lead a whole life at that host, and return what its Vault was asked."""
    with witness_of(host.address) as witness:
        life = Life(site, host, witness)
        site.release()
        life.log_in_by_role()
        beforehand(life)
        course(life)
        asyncio.run(long_login(life))
        return in_kinds(life, witness.asked)


def beforehand(life: Life) -> None:
    """The pre-flight finds nothing that is missing in the policy, and nothing that is too much."""
    found = life.ran("doctor", "--preflight", "-o", "json").json()["findings"]

    said = {(each["check"], each["about"]): each for each in found if each["check"] in {it.value for it in AT_VAULT}}
    assert {check for check, _ in said} == {check.value for check in AT_VAULT}
    bad = [each for each in said.values() if each["verdict"] != "ok"]
    assert [each["check"] for each in bad if each["check"] != Check.EXPIRY.value] == []
    assert all("the mount's own setting may not be read" in each["detail"] for each in bad), bad


def course(life: Life) -> None:
    """Rotate, go back, rotate again, retire."""
    life.ran("status")
    life.ran("resume", f"services/{life.service.id}")
    life.ran("rotate", "--all")
    first = life.holds()
    assert first["billing"] == first["reports"]

    life.ran("rollback", "billing", "--yes")
    assert life.holds()["billing"] == life.holds()["reports"] == life.billing.secrets[0].value
    life.ran("resume", "billing")
    life.ran("reconcile")
    time.sleep(1.2)  # the overlap, by the clock of whoever answers
    life.ran("reconcile")
    time.sleep(1.2)  # the soak
    life.ran("reconcile")
    life.ran("verify")
    assert life.holds()["billing"] == life.holds()["reports"]


async def long_login(life: Life) -> None:
    """Keep a login of each kind alive for longer than it was given, and end it."""
    (vault,) = load(life.site.config).vaults.values()
    wrapped = vault_connection(vault)
    token = life.host.token()
    for connection in (wrapped, replace(wrapped, auth=TokenAuth(lambda: SecretValue(token)))):
        life.put_file("envelope", life.host.envelope())
        passed = Passed()
        kv = VaultKv(connection, SystemClock(), monotonic=passed)
        await kv.renew_if_due()
        passed.seconds += PERIOD.total_seconds() * 0.9
        await kv.renew_if_due()
        assert kv.login_ends is not None
        assert kv.login_ends - SystemClock().now() > PERIOD / 2
        await kv.aclose()


@dataclass
class Passed:
    """A monotonic clock that somebody else moves."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def in_kinds(life: Life, asked: Sequence[Asked]) -> set[tuple[str, str, int]]:
    """Return what was asked, without the names that are different each time."""
    mount, staging = life.host.mount, f"{STAGING}/{life.host.mount}"
    kinds = [
        (rf"/v1/sys/internal/ui/mounts/({mount}|secret)/.*", r"sys/internal/ui/mounts"),
        (rf"/v1/secret/(\w+)/{staging}/.*", r"\1 of staging"),
        (rf"/v1/(?:{mount}|secret)/(\w+)/.*", r"\1 of consumers"),
        (rf"/v1/auth/{life.host.approle}/(.*)", r"auth/\1"),
        (r"/v1/(.*)", r"\1"),
    ]

    def kind(path: str) -> str:
        return next(found.expand(name) for pattern, name in kinds if (found := re.fullmatch(pattern, path)))

    return {(each.method, kind(each.path), each.status) for each in asked}


ALL_THAT_IS_ASKED = {
    ("GET", "sys/health", 200),
    ("GET", "sys/internal/ui/mounts", 200),
    ("POST", "sys/capabilities-self", 200),
    ("POST", "sys/wrapping/lookup", 200),
    ("POST", "sys/wrapping/unwrap", 200),
    ("POST", "auth/login", 200),
    ("GET", "auth/token/lookup-self", 200),
    ("POST", "auth/token/renew-self", 200),
    ("POST", "auth/token/revoke-self", 204),
    ("GET", "data of consumers", 200),
    ("POST", "data of consumers", 200),
    ("GET", "metadata of consumers", 200),
    ("GET", "metadata of consumers", 404),
    ("GET", "data of staging", 200),
    ("POST", "data of staging", 200),
    ("POST", "destroy of staging", 204),
    ("GET", "metadata of staging", 200),
    ("GET", "metadata of staging", 404),
}


def test_before_the_emulator(site: Site, box: Sandbox, namespace: str | None) -> None:
    with the_sandbox(box, namespace) as host:
        assert lead(site, host) == ALL_THAT_IS_ASKED


@pytest.mark.real_vault
def test_before_a_real_server(real_vault: RealVault, site: Site, namespace: str | None) -> None:
    with the_real_one(real_vault, namespace) as host:
        assert lead(site, host) == ALL_THAT_IS_ASKED
