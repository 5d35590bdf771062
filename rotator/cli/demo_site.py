"""Where the demo takes place: a sandbox with a fleet in it, and a temporary folder with a configuration for it.

* The rotator gets what it gets in production, and no more: a service app with a key at Okta, an AppRole with a small
  policy in Vault. So does an application: a token that may read its own path.
* All of it is made up on the spot and gone in the end; nothing is read from the user's environment or home.
"""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rotator.sandbox.consumer import Consumer
from rotator.sandbox.furnish import MOUNT, STAGING, Tenant, furnish
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.scenes import SERVER
from rotator.sandbox.vault_settings import VaultSettings
from rotator.sandbox.vault_tokens import TokenTraits, random_text
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rotator.sandbox.scenes import Scene
    from rotator.settings import Settings

OKTA_SCOPES = ("okta.apps.read", "okta.apps.manage", "okta.logs.read")
ROOMY = {"apps": 2000, "app": 2000}  # of an org's common 100 a minute we would take two fifths, and wait for more
WRITE = ("create", "read", "update")
ROTATOR_POLICY: Mapping[str, Sequence[str]] = {
    f"{MOUNT}/data/apps/*": WRITE,
    f"{MOUNT}/metadata/apps/*": ("read",),
    f"{MOUNT}/data/{STAGING}/*": WRITE,
    f"{MOUNT}/metadata/{STAGING}/*": ("read",),
    f"{MOUNT}/destroy/{STAGING}/*": ("update",),
}
CONFIG = """\
# Leads to the sandbox of `rotator demo`, while that is running.
okta:
  demo:
    org_url: {okta_url}
    auth: {{method: private_key_jwt, client_id: {client_id}, key_file: okta-key.pem}}
vaults:
  demo:
    address: {vault_url}
    auth: {{method: approle, role_id: {role_id}, secret_id_file: vault-secret-id}}
    staging: {{mount: {mount}, prefix: {staging}}}
policies:
  default: {{mode: auto, rotate_after: 90d, overlap: 7d, soak: 3d}}
targets:
{targets}"""
TARGET = """\
  {name}:
    app_id: {app_id}
    verify: {{authorization_server: {authorization_server}, scope: {scope}}}
    write_to: [{{mount: {mount}, path: {path}}}]
"""


@dataclass(frozen=True, slots=True)
class Site:
    """The sandbox, the apps in it by name, and the folder."""

    box: Sandbox
    tenants: Mapping[str, Tenant]
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "rotator.yaml"

    @property
    def leases(self) -> Path:
        return self.folder / "leases"

    def settings(self) -> Settings:
        """Read the configuration, and nothing beside it."""
        from rotator.settings import load

        return load(self.config, environ={}, home=self.folder)

    def consumer_of(self, name: str) -> Consumer:
        """Return the application behind one of the apps."""
        path, policy = self.tenants[name].scene.path, f"app-{name}"
        self.box.vault.add_policy(policy, {f"{MOUNT}/data/{path}": ("read",)})
        token = self.box.vault.create_token([policy], ttl=timedelta(hours=1))
        server = f"{self.box.okta_url}/oauth2/{SERVER}/v1/token"
        return Consumer(vault_url=self.box.vault_url, vault_token=token, mount=MOUNT, path=path, token_url=server)

    def open_to_people(self) -> Path:
        """Make what a person with a shell needs, and return a file to source."""
        variables = {
            "ROTATOR_CONFIG": str(self.config),
            "STATE_DIRECTORY": str(self.folder),
            "OKTA_CLIENT_ORGURL": self.box.okta_url,
            "OKTA_CLIENT_TOKEN": self.box.okta.add_api_token(),
            "VAULT_ADDR": self.box.vault_url,
            "VAULT_TOKEN": self.box.vault.settings.root_token,
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        return self._write("env", "".join(lines))

    def write_config(self) -> None:
        """Enrol the rotator at both, and write down how it gets in."""
        from joserfc.jwk import RSAKey

        key = RSAKey.generate_key(2048)
        service = self.box.okta.add_service_app(key.as_dict(private=False), scopes=OKTA_SCOPES)
        self._write("okta-key.pem", key.as_pem(private=True).decode())
        self.box.vault.add_policy("rotator", ROTATOR_POLICY)
        role = self.box.vault.add_approle("rotator", TokenTraits(policies=["rotator"], ttl=timedelta(minutes=20)))
        self._write("vault-secret-id", self.box.vault.new_secret_id(role))
        text = CONFIG.format(
            okta_url=self.box.okta_url,
            client_id=service.client_id,
            vault_url=self.box.vault_url,
            role_id=role.role_id,
            mount=MOUNT,
            staging=STAGING,
            targets="".join(_target(tenant) for tenant in self.tenants.values()),
        )
        self._write(self.config.name, text)

    def _write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file


def new_sandbox() -> Sandbox:
    """Build a sandbox with room for many calls, and a root token that nobody can guess."""
    return Sandbox(okta=OktaSettings(limits=ROOMY), vault=VaultSettings(root_token=f"s.{random_text(24)}"))


@contextmanager
def open_site(fleet: Sequence[Scene]) -> Iterator[Site]:
    """Start the sandbox, furnish it with the fleet, and take everything away in the end."""
    with TemporaryDirectory(prefix="rotator-demo-") as folder, new_sandbox() as box:
        site = Site(box, furnish(box, fleet), Path(folder))
        site.write_config()
        yield site


def _target(tenant: Tenant) -> str:
    scene = tenant.scene
    return TARGET.format(name=scene.name, app_id=tenant.app.id, mount=MOUNT, path=scene.path, **scene.verify)
