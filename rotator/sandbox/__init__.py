"""A small world to run against: an Okta org and a Vault, over HTTP on loopback. Imports nothing of the rest.

An emulator that is too kind proves nothing: each rule that these keep is listed in `docs/sandbox-rules-okta.md` or
`docs/sandbox-rules-vault.md`, with the section of the contract it comes from and the test that pins it.
"""
