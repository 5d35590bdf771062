"""What the pre-flight makes of what was seen: one line for each check and subject. Pure.

* What was not asked, because something before it failed, is not judged: one cause is one line.
* A failure of an org, a Vault or a place of ours holds back every target that needs it; an outage holds nothing back,
  for it ends by itself.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rotator.core import preflight_okta as okta
from rotator.core import preflight_vault as vault
from rotator.core.model import Mode
from rotator.core.preflight_certified import certified
from rotator.core.preflight_facts import NotAsked, OrgFacts, PlaceFacts, TargetFacts, VaultFacts
from rotator.core.preflight_said import Said, Verdict, broken, ok
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rotator.core.model import Target

F = TypeVar("F")


class Kind(enum.Enum):
    """What a finding is about."""

    OWN = "own"
    ORG = "okta"
    VAULT = "vault"
    TARGET = "target"


class Check(enum.Enum):
    """What is looked at, in the order in which it is told."""

    PLACE = "own place"
    OKTA_REACHABLE = "okta reachable"
    OKTA_TLS = "okta tls"
    OKTA_CLOCK = "okta clock"
    OKTA_LOGIN = "okta login"
    OKTA_SCOPES = "okta scopes"
    OKTA_ROLE = "okta role"
    OKTA_WRITING = "okta writing"
    OKTA_LOG = "system log"
    OKTA_LIMIT = "rate limit"
    OKTA_CERTIFIED = "certified"
    VAULT_REACHABLE = "vault reachable"
    VAULT_TLS = "vault tls"
    VAULT_CLOCK = "vault clock"
    VAULT_SEAL = "vault unsealed"
    VAULT_LOGIN = "vault login"
    VAULT_TOKEN = "token life"  # noqa: S105 -- a check, no password
    VAULT_EXCESS = "no more rights"
    APP = "app"
    VERIFICATION = "verification"
    MOUNT = "kv mount"
    RIGHTS = "vault rights"
    EXPIRY = "delete_version_after"
    VERSIONS = "max_versions"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check said of one org, Vault, target or place. `about` is its name in the configuration."""

    check: Check
    kind: Kind
    about: str
    said: Said


def place(facts: PlaceFacts) -> Said | None:
    if isinstance(facts.tried, NotAsked):
        return None
    return broken(facts.tried) if isinstance(facts.tried, RotatorError) else ok("can be written")


PLACE_CHECKS: tuple[tuple[Check, Callable[[PlaceFacts], Said | None]], ...] = ((Check.PLACE, place),)
ORG_CHECKS: tuple[tuple[Check, Callable[[OrgFacts], Said | None]], ...] = (
    (Check.OKTA_REACHABLE, okta.reachable),
    (Check.OKTA_TLS, okta.tls),
    (Check.OKTA_CLOCK, okta.clock),
    (Check.OKTA_LOGIN, okta.login),
    (Check.OKTA_SCOPES, okta.scopes),
    (Check.OKTA_ROLE, okta.role),
    (Check.OKTA_WRITING, okta.writing),
    (Check.OKTA_LOG, okta.system_log),
    (Check.OKTA_LIMIT, okta.rate_limit),
    (Check.OKTA_CERTIFIED, certified),
)
VAULT_CHECKS: tuple[tuple[Check, Callable[[VaultFacts], Said | None]], ...] = (
    (Check.VAULT_REACHABLE, vault.reachable),
    (Check.VAULT_TLS, vault.tls),
    (Check.VAULT_CLOCK, vault.clock),
    (Check.VAULT_SEAL, vault.seal),
    (Check.VAULT_LOGIN, vault.login),
    (Check.VAULT_TOKEN, vault.token_life),
    (Check.VAULT_EXCESS, vault.more_rights),
)
TARGET_CHECKS: tuple[tuple[Check, Callable[[TargetFacts], Said | None]], ...] = (
    (Check.APP, okta.app),
    (Check.VERIFICATION, okta.verification),
    (Check.MOUNT, vault.kv_mount),
    (Check.RIGHTS, vault.rights),
    (Check.EXPIRY, vault.expiry),
    (Check.VERSIONS, vault.versions),
)


def judge(
    places: Iterable[PlaceFacts], orgs: Iterable[OrgFacts], vaults: Iterable[VaultFacts], targets: Iterable[TargetFacts]
) -> tuple[Finding, ...]:
    """Return what every check says of every subject, in the order of the checks' table."""
    return (
        *(finding for each in places for finding in _said_of(each, PLACE_CHECKS, Kind.OWN, each.name)),
        *(finding for each in orgs for finding in _said_of(each, ORG_CHECKS, Kind.ORG, each.alias)),
        *(finding for each in vaults for finding in _said_of(each, VAULT_CHECKS, Kind.VAULT, each.alias)),
        *(finding for each in targets for finding in _said_of(each, TARGET_CHECKS, Kind.TARGET, each.target.name)),
    )


def held_back(targets: Sequence[Target], findings: Iterable[Finding]) -> Mapping[str, Finding]:
    """Return which of these targets should not be rotated, by name, and the first finding that says so.

    A failure of its own, of its org, its Vault or a place of ours. An outage is none: it ends by itself.
    """
    stops = {(each.kind, each.about): each for each in reversed(tuple(findings)) if _stops(each)}
    own = next((each for (kind, _), each in stops.items() if kind is Kind.OWN), None)
    found = {
        target.name: own
        or stops.get((Kind.ORG, target.org))
        or stops.get((Kind.VAULT, target.vault))
        or stops.get((Kind.TARGET, target.name))
        for target in targets
    }
    return {name: finding for name, finding in found.items() if finding is not None}


def only_observed(target: Target, finding: Finding) -> Target:
    """Return the target as it is while that finding holds it back: looked at, and not touched."""
    what = f"{finding.check.value} of {finding.kind.value} {finding.about}"
    todo = f" {finding.said.remedy.rstrip('.')};" if finding.said.remedy else ""
    why = f"the pre-flight failed, {what}: {finding.said.detail}.{todo} It is checked again by itself"
    return replace(target, policy=replace(target.policy, mode=Mode.OBSERVE), only_observed=why)


def in_doubt(targets: Iterable[Target], findings: Iterable[Finding]) -> frozenset[str]:
    """Return the names of those of which an outage has hidden something: it may still be found."""
    away = {(each.kind, each.about) for each in findings if each.said.outage}
    kinds = {kind for kind, _ in away}
    return frozenset(
        target.name
        for target in targets
        if Kind.OWN in kinds or away & {(Kind.ORG, target.org), (Kind.VAULT, target.vault), (Kind.TARGET, target.name)}
    )


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 if nothing failed, 5 if only outages did, else 1."""
    failures = [each.said for each in findings if each.said.verdict is Verdict.FAILED]
    if not failures:
        return 0
    return 5 if all(each.outage for each in failures) else 1


def _said_of(
    facts: F, checks: Sequence[tuple[Check, Callable[[F], Said | None]]], kind: Kind, about: str
) -> Iterator[Finding]:
    for check, says in checks:
        if (said := says(facts)) is not None:
            yield Finding(check, kind, about, said)


def _stops(finding: Finding) -> bool:
    return finding.said.verdict is Verdict.FAILED and not finding.said.outage
