"""Where what ships for deployment lies, and the files that its configurations name."""

from __future__ import annotations

import shutil
from pathlib import Path

import certifi

from rotator.settings import Settings, load

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
DEPLOY = ROOT / "deploy"
EXAMPLES = sorted(path for path in CONFIG.glob("*.yaml") if path.name != "rotator.yaml")
CREDENTIALS = ("okta.pem", "vault-role-id", "vault-secret-id")
BESIDE = (
    "okta-token",
    "vault-token",
    *(f"okta-{org}.pem" for org in ("preview", "production")),
    *(f"{org}-{what}" for org in ("preview", "production") for what in ("role-id", "secret-id")),
)
MOUNTED = ("okta/key.pem", "vault/token", "state/password")
VARIABLES = ("OKTA_ROTATOR_KEY", "VAULT_ID_TOKEN")


def loaded(example: Path, folder: Path) -> Settings:
    """Load a configuration as it is deployed, with all that it names in place under `folder`."""
    for name in (*BESIDE, *(f"credentials/{name}" for name in CREDENTIALS), *(f"mounted/{name}" for name in MOUNTED)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"the secret in {name}")
        file.chmod(0o600)
    for authority in ("vault-ca.pem", "mounted/vault-ca/ca.crt"):
        (folder / authority).parent.mkdir(exist_ok=True)
        shutil.copy(certifi.where(), folder / authority)
    text = example.read_text(encoding="utf-8").replace("/var/run/secrets/rotator/", f"{folder}/mounted/")
    config = folder / "config.yaml"
    config.write_text(text)
    config.chmod(0o644)
    environ = {name: f"the secret in {name}" for name in VARIABLES}
    return load(config, environ=environ | {"CREDENTIALS_DIRECTORY": str(folder / "credentials")}, home=folder)
