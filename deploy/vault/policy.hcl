# What rotator may do in Vault or OpenBao, and nothing else:   vault policy write rotator policy.hcl
#
# The paths are those of the targets in config/rotator.yaml: consumers read kv/billing/okta and kv/portal/okta, new values wait under
# secret/rotator/staging. `rotator policy vault` prints the same for your configuration, `rotator doctor --preflight` says what
# your token lacks or has too much of. Where apps follow a convention, `+` stands for one segment: kv/data/+/okta.
# tests/deploy/test_vault_policy.py lets two apps live through a whole rotation under exactly this policy, and holds
# that each capability in it is needed.
#
# Never given: `delete`, `sudo`, `list`, `patch`, `destroy` outside staging, and anything that writes metadata.

# What consumers read. `create` is for a path that was never written, `update` for every rotation.
path "kv/data/billing/okta" { capabilities = ["create", "read", "update"] }
path "kv/metadata/billing/okta" { capabilities = ["read"] }
path "kv/data/portal/okta" { capabilities = ["create", "read", "update"] }
path "kv/metadata/portal/okta" { capabilities = ["read"] }

# Where new values wait until they are proven. Nobody else may read here; what was promoted is destroyed by number.
path "secret/data/rotator/staging/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/rotator/staging/*" { capabilities = ["read"] }
path "secret/destroy/rotator/staging/*" { capabilities = ["update"] }

# Our own token, and what the pre-flight asks of it. The policy `default` has these lines as well; they stand here
# for roles without it (token_no_default_policy=true).
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
path "sys/capabilities-self" { capabilities = ["update"] }
