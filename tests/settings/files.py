"""A configuration that is fine, to be spoilt one line at a time."""

from __future__ import annotations

from pathlib import Path

from rotator.settings import Settings, load

GOOD = """\
okta:
  acme:
    org_url: https://acme.okta.com
    auth: {method: ssws, token_file: token}
vaults:
  main:
    address: https://vault.example.com:8200
    auth: {method: approle, role_id: rotator, secret_id_file: secret-id}
policies:
  prod: {mode: auto, rotate_after: 90d, overlap: 7d, soak: 3d}
targets:
  billing:
    app_id: 0oa1example1example1
    policy: prod
    write_to: [{mount: kv, path: billing/okta}]
"""
SELECTION = """\
selections:
  services:
    where: {where}
    policy: prod
    write_to: [{{mount: kv, path: "{path}"}}]
    {more}
"""
SECRETS = (
    "token", "secret-id", "okta-key.pem", "vault-secret-id", "pager-url", "chat-url", "hook-secret", "heartbeat-url",
)  # fmt: skip
NOBODY = Path("/nonexistent")
CANARY = "00cnryQ7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0"  # as long as a token of Okta's


def save(folder: Path, text: str) -> Path:
    """Write a configuration and the secrets that it names; return its path."""
    for name in SECRETS:
        secret = folder / name
        secret.write_text(f"{name}-{CANARY}")
        secret.chmod(0o600)
    config = folder / "config.yaml"
    config.write_text(text)
    config.chmod(0o600)
    return config


def loaded(folder: Path, text: str = GOOD, **environ: str) -> Settings:
    """Return what the configuration means in that environment."""
    return load(save(folder, text), environ=environ, home=NOBODY)


def selecting(*, where: str = '{label: "svc-*"}', path: str = "apps/{app_id}/okta", more: str = "") -> str:
    """Return the good configuration with a selection; it begins in line 16."""
    return GOOD + SELECTION.format(where=where, path=path, more=more)


def changed(old: str, new: str) -> str:
    """Return the good configuration with one thing in it changed."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)
