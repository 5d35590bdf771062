"""Targets and selections from their sections: what they name is looked up here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.model import AppId, Destination, FieldNames, KvPath, Mode, Target, VerifySettings
from rotator.core.selection import APP_ID, Newcomers, Selection
from rotator.settings.document import Origin
from rotator.settings.explain import validated
from rotator.settings.hooks import check_hook_names
from rotator.settings.model import nearest, staging_path
from rotator.settings.schema import PolicySection, SelectionSection, TargetSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from rotator.core.model import Policy
    from rotator.settings.document import Document, Key
    from rotator.settings.model import Org, Vault

_WHERE = {"org": "okta", "vault": "vaults", "policy": "policies"}  # where a name of that kind leads to
A_MOMENT = timedelta(seconds=2)  # to get a call on its way
SLACK = timedelta(seconds=2)  # clocks; should it not do, a late duplicate carries the same value and is removed


def resolve_targets(
    document: Document,
    orgs: Mapping[str, Org],
    vaults: Mapping[str, Vault],
    policies: Mapping[str, Policy],
    *,
    sections: dict[Key, BaseModel],
) -> tuple[Target, ...]:
    """Return the targets that have a name; those with problems, which are reported, are left out."""
    found = []
    for name, entry in document.data["targets"].items():
        key: Key = ("targets", name)
        if isinstance(entry, dict):
            _fill_in_only_ones(document, key)
        section = validated(document, key, TargetSection)
        if section is None or not _names_lead_somewhere(document, key, section):
            continue
        sections[key] = section
        org, vault, policy = orgs.get(section.org), vaults.get(section.vault), policies.get(section.policy)
        if org and vault and policy:
            target = _target(name, section, section.app_id, org=org, vault=vault, policy=policy)
            found.append(replace(target, hooks=_hooks(section, policy.name, sections)))
    return tuple(found)


def resolve_selections(
    document: Document,
    orgs: Mapping[str, Org],
    vaults: Mapping[str, Vault],
    policies: Mapping[str, Policy],
    *,
    sections: dict[Key, BaseModel],
) -> tuple[Selection, ...]:
    """Return the selections, likewise."""
    found = []
    for name, entry in document.data["selections"].items():
        key: Key = ("selections", name)
        if isinstance(entry, dict):
            _fill_in_only_ones(document, key)
        section = validated(document, key, SelectionSection)
        if section is None or not _names_lead_somewhere(document, key, section):
            continue
        sections[key] = section
        overrides = _overrides(document, key, section, policies=policies)
        org, vault, policy = orgs.get(section.org), vaults.get(section.vault), policies.get(section.policy)
        if org and vault and policy:
            target = _target(name, section, APP_ID, org=org, vault=vault, policy=policy)
            hooks = {app: _hooks(section, each.name, sections) for app, each in overrides.items()}
            target = replace(target, hooks=_hooks(section, policy.name, sections))
            found.append(_selection(target, section, overrides, hooks))
    return tuple(found)


def _selection(
    target: Target, section: SelectionSection, overrides: dict[AppId, Policy], hooks: dict[AppId, tuple[str, ...]]
) -> Selection:
    return Selection(
        name=target.name,
        target=target,
        label=section.where.label,
        apps=frozenset(AppId(app_id) for app_id in section.where.apps or ()),
        max_matches=section.max_matches,
        newcomers=Newcomers(section.newcomers),
        overrides=overrides,
        hooks=hooks,
    )


def _hooks(
    section: TargetSection | SelectionSection, policy: str, sections: Mapping[Key, BaseModel]
) -> tuple[str, ...]:
    """Return the hooks of a target: its own, else those of that policy."""
    if section.hooks is not None:
        return tuple(section.hooks)
    of_policy = sections["policies", policy]
    assert isinstance(of_policy, PolicySection)
    return tuple(of_policy.hooks)


def _overrides(
    document: Document, key: Key, section: SelectionSection, *, policies: Mapping[str, Policy]
) -> dict[AppId, Policy]:
    found = {}
    for app_id, override in section.overrides.items():
        name = override.policy or section.policy
        if override.policy is not None and not _leads_somewhere(document, (*key, "overrides", app_id, "policy"), name):
            continue
        if policy := policies.get(name):
            mode = Mode(override.mode) if override.mode else policy.mode
            found[AppId(app_id)] = replace(policy, mode=mode)
    return found


def _fill_in_only_ones(document: Document, key: Key) -> None:
    for name, where in (("org", "okta"), ("vault", "vaults")):
        choices = document.data[where]
        if len(choices) == 1 and not document.has((*key, name)):
            document.put((*key, name), next(iter(choices)), Origin("the only one"))


def _names_lead_somewhere(document: Document, key: Key, section: TargetSection | SelectionSection) -> bool:
    names = {"org": section.org, "vault": section.vault, "policy": section.policy}
    found = [_leads_somewhere(document, (*key, name), wanted) for name, wanted in names.items()]
    check_hook_names(document, (*key, "hooks"), section.hooks)
    return all(found)


def _leads_somewhere(document: Document, key: Key, wanted: str) -> bool:
    where = _WHERE[str(key[-1])]
    if wanted in document.data[where] or (where, wanted) in document.told:
        return True
    document.report(key, f"is no name under `{where}`; {nearest(wanted, document.data[where])}")
    return False


def _target(
    name: str, section: TargetSection | SelectionSection, app_id: str, *, org: Org, vault: Vault, policy: Policy
) -> Target:
    first, *others = (
        Destination(KvPath(each.mount, each.path), FieldNames(each.fields.client_id, each.fields.client_secret))
        for each in section.write_to
    )
    verify = section.verify_
    return Target(
        name=name,
        org=org.alias,
        vault=vault.alias,
        app_id=AppId(app_id),
        consumer=first.path,
        staging=staging_path(org, vault, app_id),
        policy=policy,
        fields=first.fields,
        also=tuple(others),
        verify=VerifySettings(verify.authorization_server, verify.scope),
        settle=org.answer_within + org.propagation + vault.answer_within + SLACK,
        effect=max(org.answer_within, vault.answer_within) + A_MOMENT,
        hash_differs=org.certified is not None and org.certified.hash_formula_holds is False,
    )
