"""From a document to `Settings`: each section is checked by itself, then all of them together.

A section that is wrong is left out and what refers to it is not blamed for that: names are looked up in the document.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.core.model import (
    AppId,
    FieldNames,
    KvPath,
    Mode,
    Onboard,
    OnUnknownValue,
    Policy,
    Target,
    VerifySettings,
)
from rotator.core.schedule import Window
from rotator.settings.aliases import ALIAS, give_aliases
from rotator.settings.checks import check_policy, check_targets
from rotator.settings.connections import resolve_org, resolve_vault
from rotator.settings.document import Document, Origin, told
from rotator.settings.explain import validated
from rotator.settings.later import refuse_later
from rotator.settings.model import Control, Listen, Org, Settings, Vault, nearest, staging_path
from rotator.settings.overrides import apply_overrides
from rotator.settings.schema import Configuration, ControlSection, HealthSection, PolicySection, TargetSection
from rotator.settings.schema_connections import OrgSection, VaultSection
from rotator.settings.shown import shown_settings
from rotator.settings.vendor_environment import fill_from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from rotator.settings.document import Key
    from rotator.settings.files import Surroundings

SLACK = timedelta(seconds=10)  # clocks, queues and retries between our answer limit and the effect


def resolve(document: Document, around: Surroundings) -> Settings:
    """Return the settings; `ConfigError` with every problem."""
    if document.problems and not document.data:
        document.raise_problems()
    give_aliases(document)
    apply_overrides(document, around.environ)
    refuse_later(document)
    fill_from_environment(document, around.environ, around.home)
    _refuse_unknown_sections(document)
    sections: dict[Key, BaseModel] = {}
    orgs = _orgs(document, around, sections)
    vaults = _vaults(document, around, sections)
    policies = _policies(document, sections)
    targets = _targets(document, orgs, vaults, policies, sections=sections)
    health = _health(document, sections)
    control = _control(document, sections)
    check_targets(document, targets, orgs, vaults)
    document.raise_problems()
    if not targets:
        document.warn((), "there is no target yet; add your apps under `targets`")
    return Settings(
        orgs=orgs,
        vaults=vaults,
        policies=policies,
        targets=targets,
        health=health,
        control=control,
        warnings=tuple(told(document.warnings)),
        shown=shown_settings(document, sections),
    )


def _refuse_unknown_sections(document: Document) -> None:
    known = Configuration.model_fields
    for name in document.data.keys() - known.keys():
        document.report((name,), f"is no section of a configuration; {nearest(name, known)}")
    for section, example, variable in (
        ("okta", "org_url: https://acme.okta.com", "OKTA_CLIENT_ORGURL"),
        ("vaults", "address: https://vault.example.com:8200", "VAULT_ADDR"),
    ):
        if not document.data[section]:
            document.report((section,), f"is missing; add `{section}: {{{example}, …}}`, or set {variable}")


def _orgs(document: Document, around: Surroundings, sections: dict[Key, BaseModel]) -> dict[str, Org]:
    found = {}
    for alias in document.data["okta"]:
        key = ("okta", alias)
        if section := validated(document, key, OrgSection):
            sections[key] = section
            if org := resolve_org(document, key, section, around):
                found[alias] = org
    return found


def _vaults(document: Document, around: Surroundings, sections: dict[Key, BaseModel]) -> dict[str, Vault]:
    found = {}
    for alias in document.data["vaults"]:
        key = ("vaults", alias)
        if section := validated(document, key, VaultSection):
            sections[key] = section
            if vault := resolve_vault(document, key, section, around):
                found[alias] = vault
    return found


def _policies(document: Document, sections: dict[Key, BaseModel]) -> dict[str, Policy]:
    if any("policy" not in entry for _, entry in document.names("targets")):
        document.data["policies"].setdefault(ALIAS, {})
    found = {}
    for name in document.data["policies"]:
        key = ("policies", name)
        if section := validated(document, key, PolicySection):
            sections[key] = section
            found[name] = _policy(name, section)
            check_policy(document, key, found[name])
    return found


def _policy(name: str, section: PolicySection) -> Policy:
    return Policy(
        name=name,
        mode=Mode(section.mode),
        onboard=Onboard(section.onboard),
        rotate_after=section.rotate_after,
        overlap=section.overlap.min,
        soak=section.soak,
        reclaim_after=section.reclaim_after,
        on_unknown_value=OnUnknownValue(section.on_unknown_value),
        windows=tuple(Window(frozenset(each.days), each.since, each.to, each.zone) for each in section.windows),
        daily_cap=section.daily_cap,
    )


def _targets(
    document: Document,
    orgs: Mapping[str, Org],
    vaults: Mapping[str, Vault],
    policies: Mapping[str, Policy],
    *,
    sections: dict[Key, BaseModel],
) -> tuple[Target, ...]:
    found = []
    for name, entry in document.data["targets"].items():
        key: Key = ("targets", name)
        if isinstance(entry, dict):
            _fill_in_only(document, key, "org", document.data["okta"])
            _fill_in_only(document, key, "vault", document.data["vaults"])
        section = validated(document, key, TargetSection)
        if section is None or not _names_lead_somewhere(document, key, section):
            continue
        sections[key] = section
        org, vault, policy = orgs.get(section.org), vaults.get(section.vault), policies.get(section.policy)
        if org and vault and policy:
            found.append(_target(name, section, org, vault=vault, policy=policy))
    return tuple(found)


def _fill_in_only(document: Document, key: Key, name: str, choices: Mapping[str, Any]) -> None:
    if len(choices) == 1 and not document.has((*key, name)):
        document.put((*key, name), next(iter(choices)), Origin("the only one"))


def _names_lead_somewhere(document: Document, key: Key, section: TargetSection) -> bool:
    fine = True
    for name, wanted, where in (
        ("org", section.org, "okta"),
        ("vault", section.vault, "vaults"),
        ("policy", section.policy, "policies"),
    ):
        if wanted not in document.data[where] and (where, wanted) not in document.told:
            document.report((*key, name), f"is no name under `{where}`; {nearest(wanted, document.data[where])}")
            fine = False
    return fine


def _target(name: str, section: TargetSection, org: Org, *, vault: Vault, policy: Policy) -> Target:
    destination = section.write_to[0]
    verify = section.verify_
    return Target(
        name=name,
        org=org.alias,
        vault=vault.alias,
        app_id=AppId(section.app_id),
        consumer=KvPath(destination.mount, destination.path),
        staging=staging_path(org, vault, section.app_id),
        policy=policy,
        fields=FieldNames(destination.fields.client_id, destination.fields.client_secret),
        verify=VerifySettings(verify.authorization_server, verify.scope),
        settle=org.answer_within + org.propagation + vault.answer_within + SLACK,
    )


def _health(document: Document, sections: dict[Key, BaseModel]) -> Listen | None:
    key: Key = ("health",)
    if not document.has(key) or not (section := validated(document, key, HealthSection)):
        return None
    sections[key] = section
    host, _, port = section.listen.rpartition(":")
    return Listen(host.strip("[]"), int(port))


def _control(document: Document, sections: dict[Key, BaseModel]) -> Control:
    key: Key = ("control",)
    if not document.has(key) or not (section := validated(document, key, ControlSection)):
        return Control()
    sections[key] = section
    return Control(Path(section.socket) if section.socket else None, section.group)
