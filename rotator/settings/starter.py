"""The file that `config init` writes: as little as it takes, and where the rest is told."""

from __future__ import annotations

STARTER = """\
# yaml-language-server: $schema=./rotator.schema.json
#
# Keeps the client secrets of Okta apps fresh, in Vault.
# Fill in the four parts, then run:  rotator config validate --config <this file>
#
# Secrets never stand in here. A key that ends in `_file` names where one lies: a path, `env:NAME` (an environment
# variable), or `cred:NAME` (a systemd credential). Every key is described by `rotator config schema`.

# 1. Your Okta org, and how this program proves to it who it is.
okta:
  org_url: https://your-org.okta.com
  auth:
    method: private_key_jwt
    client_id: 0oa00000000000000000       # the service app that may manage the apps below
    key_file: /etc/rotator/okta-key.pem
    # Or, with an API token:
    # method: ssws
    # token_file: /etc/rotator/okta-token

# 2. Your Vault, and how this program logs in.
vaults:
  address: https://vault.example.com:8200
  # ca_file: /etc/rotator/vault-ca.pem    # if your own authority signed its certificate
  auth:
    method: approle
    role_id_file: /etc/rotator/vault-role-id
    secret_id_file: /etc/rotator/vault-secret-id
  staging:
    mount: secret                         # a KV v2 mount; nobody else should read below this prefix
    prefix: rotator/staging

# 3. When to rotate. `observe` changes nothing: look at `rotator plan` first, then choose `auto`.
policies:
  default:
    mode: observe
    rotate_after: 90d
    overlap: 7d                           # how long the old secret stays good
    soak: 3d                              # how long it stays switched off before it is deleted

# 4. The apps, and where their applications read the secret.
targets:
  my-app:
    app_id: 0oa11111111111111111          # the last part of the app's address in the admin console
    write_to:
      - mount: kv
        path: my-app/okta                 # without `data/`
        # fields: {client_id: OKTA_ID, client_secret: OKTA_SECRET}
"""
