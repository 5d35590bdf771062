"""`rotator policy`: the least rights that this configuration needs, ready to be given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.options import Invocation, config_option
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from rotator.settings import Org, Settings, Vault

    T = TypeVar("T")

CLIENT_ID = "0oa…"  # of a service app that is still to be made


@click.group()
def policy() -> None:
    """Print the least rights that this configuration needs."""


@policy.command()
@click.option("--vault", "alias", metavar="ALIAS", help="Which Vault, where there are several.")
@config_option
@click.pass_obj
def vault(invocation: Invocation, /, alias: str | None) -> int:
    """Print the least policy for a Vault, in HCL: vault policy write rotator policy.hcl."""
    settings = invocation.settings()
    print(_hcl(settings, _chosen(settings.vaults, alias, "Vault", "--vault")), end="")
    return 0


@policy.command()
@click.option("--org", "alias", metavar="ALIAS", help="Which org, where there are several.")
@config_option
@click.pass_obj
def okta(invocation: Invocation, /, alias: str | None) -> int:
    """Print what a super admin of an org sets up: the service app, its scopes, its role, the role's resource set."""
    settings = invocation.settings()
    print(_set_up(settings, _chosen(settings.orgs, alias, "org", "--org")), end="")
    return 0


def _chosen(known: Mapping[str, T], alias: str | None, what: str, option: str) -> T:
    listed = ", ".join(f"`{each}`" for each in known)
    if alias is None and len(known) == 1:
        return next(iter(known.values()))
    if alias is not None and alias in known:
        return known[alias]
    if alias is None:
        raise ConfigError([f"there are several: choose the {what} with {option}: {listed}"])
    raise ConfigError([f"there is no {what} {alias!r}; choose one of {listed}"])


def _hcl(settings: Settings, vault: Vault) -> str:
    from rotator.core.vault_rights import as_hcl, consumer_patterns, least_policy

    targets = [target for target in settings.targets if target.vault == vault.alias]
    selections = [each for each in settings.selections if each.target.vault == vault.alias]
    within = f", in its namespace {vault.namespace}" if vault.namespace else ""
    head = (
        f"# What rotator needs in the Vault {vault.alias} ({vault.address}){within}.\n"
        f"# For {len(targets)} targets and {len(selections)} selections; another one is another pair of lines.\n\n"
    )
    return head + as_hcl(least_policy(consumer_patterns(targets, selections), vault.staging))


def _set_up(settings: Settings, org: Org) -> str:
    from rotator.core import okta_rights
    from rotator.settings import PrivateKeyJwtAuth

    client_id = org.auth.client_id if isinstance(org.auth, PrivateKeyJwtAuth) else CLIENT_ID
    apps = sorted({str(target.app_id) for target in settings.targets if target.org == org.alias})
    return okta_rights.guide(org.url, client_id, apps)
