"""From a document to `Settings`: each section is checked by itself, then all of them together.

A section that is wrong is left out and what refers to it is not blamed for that: names are looked up in the document.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.admission import Limits
from rotator.core.model import (
    Mode,
    Onboard,
    OnUnknownValue,
    Policy,
    Wave,
)
from rotator.core.schedule import Blackout, Window
from rotator.core.usage import Usage
from rotator.settings.aliases import ALIAS, give_aliases
from rotator.settings.checks import check_policy, check_selections, check_targets
from rotator.settings.connections import resolve_org, resolve_vault
from rotator.settings.document import Document, Origin, told
from rotator.settings.explain import validated
from rotator.settings.files import secret_at
from rotator.settings.hooks import check_hook_names, resolve_hooks
from rotator.settings.later import refuse_later
from rotator.settings.model import Control, Listen, Org, Settings, State, Vault, nearest
from rotator.settings.notify import resolve_heartbeat, resolve_notify
from rotator.settings.overrides import apply_overrides
from rotator.settings.places import state_url
from rotator.settings.schema import (
    Configuration,
    ControlSection,
    HealthSection,
    LimitsSection,
    PolicySection,
    StateSection,
    WaveSection,
)
from rotator.settings.schema_connections import OrgSection, VaultSection
from rotator.settings.shown import shown_settings
from rotator.settings.targets import resolve_selections, resolve_targets
from rotator.settings.vendor_environment import fill_from_environment

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rotator.settings.document import Key
    from rotator.settings.files import Surroundings


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
    hooks = resolve_hooks(document, around, sections)
    policies = _policies(document, sections)
    targets = resolve_targets(document, orgs, vaults, policies, sections=sections)
    selections = resolve_selections(document, orgs, vaults, policies, sections=sections)
    state = _state(document, around, sections)
    limits = _limits(document, sections)
    several = _engine(document, state)
    health = _health(document, sections)
    control = _control(document, sections)
    notify = resolve_notify(document, around, document.data["policies"], sections=sections)
    heartbeat = resolve_heartbeat(document, around, sections=sections)
    check_targets(document, targets, orgs, vaults)
    check_selections(document, selections, targets, orgs=orgs, vaults=vaults)
    document.raise_problems()
    assert state
    if not targets and not selections:
        document.warn((), "there is no target yet; add your apps under `targets`")
    return Settings(
        orgs=orgs,
        vaults=vaults,
        policies=policies,
        targets=targets,
        state=state,
        limits=limits,
        health=health,
        several=several,
        control=control,
        notify=notify,
        heartbeat=heartbeat,
        warnings=tuple(told(document.warnings)),
        shown=shown_settings(document, sections),
        selections=selections,
        hooks=hooks,
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
    if any("policy" not in entry for kind in ("targets", "selections") for _, entry in document.names(kind)):
        document.data["policies"].setdefault(ALIAS, {})
    found = {}
    for name in document.data["policies"]:
        key = ("policies", name)
        if section := validated(document, key, PolicySection):
            sections[key] = section
            found[name] = _policy(name, section)
            check_policy(document, key, found[name])
            check_hook_names(document, (*key, "hooks"), section.hooks)
    return found


def _policy(name: str, section: PolicySection) -> Policy:
    return Policy(
        name=name,
        mode=Mode(section.mode),
        onboard=Onboard(section.onboard),
        rotate_after=section.rotate_after,
        overlap=section.overlap.min,
        overlap_max=section.overlap.longest,
        usage=Usage(section.usage),
        soak=section.soak,
        reclaim_after=section.reclaim_after,
        on_unknown_value=OnUnknownValue(section.on_unknown_value),
        windows=tuple(Window(frozenset(each.days), each.since, each.to, each.zone) for each in section.windows),
        blackouts=tuple(Blackout(each.first, each.to or each.first, each.zone) for each in section.blackouts),
        daily_cap=section.daily_cap,
        wave=_wave(section.wave),
        backlog_spread=section.backlog_spread or timedelta(0),
    )


def _wave(section: WaveSection | None) -> Wave | None:
    return Wave(section.canary, section.size, section.spacing) if section else None


def _state(document: Document, around: Surroundings, sections: dict[Key, BaseModel]) -> State | None:
    key: Key = ("state",)
    document.data.setdefault("state", {})
    named = document.has((*key, "url"))
    if document.get(key) is not None and not document.has((*key, "url")):
        document.put((*key, "url"), state_url(around.environ), Origin("default"))
    section = validated(document, key, StateSection)
    if section is None:
        return None
    sections[key] = section
    if section.password_file is None:
        return State(section.url, named=named)
    if section.url.startswith("sqlite:"):
        document.report((*key, "password_file"), "goes with PostgreSQL alone; remove it, or set `state.url`")
        return None
    password = secret_at(document, (*key, "password_file"), around)
    return State(section.url, password) if password else None


def _engine(document: Document, state: State | None) -> bool:
    """Return whether a queue hands the passes out."""
    key: Key = ("engine",)
    engine = document.get(key) if document.has(key) else "local"
    if engine not in ("local", "postgres"):
        document.report(key, "must be `local` or `postgres`")
    if engine == "postgres" and state is not None and not state.shared:
        document.report(key, "`postgres` needs a state that processes can share; set `state.url: postgresql://…`")
    return bool(engine == "postgres")


def _limits(document: Document, sections: dict[Key, BaseModel]) -> Limits:
    key: Key = ("limits",)
    section = validated(document, key, LimitsSection) if document.has(key) else LimitsSection()
    if section is None:
        return Limits()
    sections[key] = section
    return Limits(section.urgent_at_once, section.urgent_share, section.failures)


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
