"""Who shares an app or a path with whom: two targets that do would undo each other's work.

* Aliases are looked behind: two of them may lead to one org, or to one Vault.
* Every path of a target counts, not the first alone.
* A path inside a staging area is shared with the staging records, which are wiped.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from rotator.core.model import KvPath, Target


@dataclass(frozen=True, slots=True)
class VaultSite:
    """What the alias of a Vault leads to."""

    address: str
    namespace: str | None
    staging: KvPath


@dataclass(frozen=True, slots=True)
class Sites:
    """What the aliases lead to; an org is known by its host."""

    orgs: Mapping[str, str]
    vaults: Mapping[str, VaultSite]

    def app_of(self, target: Target) -> Hashable:
        """Return what says that two targets have one app."""
        return (self.orgs[target.org], target.app_id)

    def paths_of(self, target: Target) -> tuple[Hashable, ...]:
        """Return what says that two targets write to one place, wherever mount and path are divided."""
        vault = self.vaults[target.vault]
        return tuple((vault.address, vault.namespace, str(path)) for path in paths_of(target))

    def wiped(self, target: Target) -> tuple[int, ...]:
        """Return which of the target's paths lie in the staging area of any of our Vaults."""
        own = self.vaults[target.vault]
        areas = [
            f"{vault.staging}/"
            for vault in self.vaults.values()
            if (vault.address, vault.namespace) == (own.address, own.namespace)
        ]
        return tuple(n for n, path in enumerate(paths_of(target)) if any(f"{path}/".startswith(area) for area in areas))


def paths_of(target: Target) -> tuple[KvPath, ...]:
    """Return every path that the target's consumers read, the leading one first."""
    return (target.consumer, *(each.path for each in target.also))


class Shared(enum.Enum):
    """What two targets share. The value is the end of a sentence about one of them."""

    APP = "has the same app"
    PATH = "writes to the same path"


@dataclass(frozen=True, slots=True)
class Clash:
    """A target, and an earlier one that it shares something with: the app, or the path of that number.

    A target that has one path twice is the earlier one itself.
    """

    target: Target
    earlier: Target
    what: Shared
    number: int = 0


def clashes(targets: Sequence[Target], sites: Sites) -> Iterator[Clash]:
    """Yield who shares an app or a path with an earlier target, the first one that has it."""
    apps: dict[Hashable, Target] = {}
    paths: dict[Hashable, Target] = {}
    for target in targets:
        if (earlier := apps.setdefault(sites.app_of(target), target)) is not target:
            yield Clash(target, earlier, Shared.APP)
        own: set[Hashable] = set()
        for number, path in enumerate(sites.paths_of(target)):
            if (earlier := paths.setdefault(path, target)) is not target or path in own:
                yield Clash(target, earlier, Shared.PATH, number)
            own.add(path)


def with_conflicts(targets: Sequence[Target], sites: Sites) -> tuple[Target, ...]:
    """Return the targets, each with what it shares with another; both sides of it know."""
    why = {target.name: "its path lies in a staging area, which is wiped" for target in targets if sites.wiped(target)}
    for clash in clashes(targets, sites):
        if clash.earlier is clash.target:
            why.setdefault(clash.target.name, "two of its paths are the same")
            continue
        why.setdefault(clash.target.name, f"target `{clash.earlier.name}` {clash.what.value}")
        why.setdefault(clash.earlier.name, f"target `{clash.target.name}` {clash.what.value}")
    return tuple(replace(target, conflict=why[target.name]) if target.name in why else target for target in targets)
