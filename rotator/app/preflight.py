"""Look whether everything is there that a rotation needs, before one begins; change nothing.

* Each org and each Vault is asked its own questions once, however many targets it has; each mount and authorization
  server too. Of the targets' apps those that stand on the first pages of the list need no call of their own.
* A question whose answer hangs on one that failed is not asked.
* An `Effort` bounds what is spent on targets; what it leaves out is `NOT_ASKED`.
* Every error of ours is a fact; `core.preflight` makes findings of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from rotator.core import vault_rights
from rotator.core.budget import Shares
from rotator.core.preflight import judge
from rotator.core.preflight_facts import (
    NOT_ASKED,
    KeyFacts,
    NotAsked,
    OrgFacts,
    PlaceFacts,
    TargetFacts,
    VaultFacts,
    VaultHealth,
)
from rotator.core.sharing import paths_of
from rotator.core.usage import strictest
from rotator.errors import ConfigError, MissingError, RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from rotator.core.certified import Certified
    from rotator.core.model import App, AppId, KvMetadata, KvPath, Target
    from rotator.core.preflight import Finding
    from rotator.core.preflight_facts import Answer, MountDefaults, ServerMetadata
    from rotator.ports import (
        Clock,
        Handshakes,
        KvStore,
        OktaAccess,
        OktaAdmin,
        OktaLog,
        OwnPlace,
        VaultAccess,
    )

T = TypeVar("T")
K = TypeVar("K")

TARGETS_FOR_A_PAGE = 20  # a page of the list is worth about as many single calls, which have a larger bucket
AT_ONCE = 4
PROBE = "rotator-preflight"  # a name under a mount that a policy for exact paths does not cover


@dataclass(frozen=True, slots=True)
class OrgWay:
    """The ports to one org, and what the configuration says of our login there."""

    access: OktaAccess
    admin: OktaAdmin
    log: OktaLog
    handshakes: Handshakes
    shares: Shares
    signs: bool
    propagation: timedelta
    certified: Certified | None


@dataclass(frozen=True, slots=True)
class VaultWay:
    """The ports to one Vault, and what the configuration says of our login there."""

    access: VaultAccess
    kv: KvStore
    handshakes: Handshakes
    given: bool
    once: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """How to reach everything that is to be looked at. `org` and `vault` take an alias; they may raise."""

    org: Callable[[str], OrgWay]
    vault: Callable[[str], VaultWay]
    places: tuple[OwnPlace, ...]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Effort:
    """How much may be spent on the apps of one org: pages of the list, and calls for apps that stand on none."""

    pages: int | None = None
    single_apps: int | None = None


FRUGAL = Effort(pages=5, single_apps=20)  # a thousand apps, for a tenth of the small bucket


async def preflight(targets: Sequence[Target], ways: Ways, effort: Effort = Effort()) -> tuple[Finding, ...]:
    """Look at the orgs and Vaults of these targets, and at each target there; return what every check says."""
    orgs = {target.org: _OrgLook(ways, target.org, targets, effort=effort) for target in targets}
    vaults = {target.vault: _VaultLook(ways, target.vault, targets) for target in targets}
    places = [PlaceFacts(each.name, await _answer(each.try_out())) for each in ways.places]
    async with asyncio.TaskGroup() as tasks:
        for org in orgs.values():
            tasks.create_task(org.run())
        for vault in vaults.values():
            tasks.create_task(vault.run())
    seen = [vaults[target.vault].of(target, orgs[target.org].of(target)) for target in targets]
    return judge(places, [each.facts for each in orgs.values()], [each.facts for each in vaults.values()], seen)


class _OrgLook:
    """A look at one org, and at the apps and authorization servers of its targets."""

    def __init__(self, ways: Ways, alias: str, targets: Sequence[Target], *, effort: Effort) -> None:
        self._ways = ways
        self._effort = effort
        self._targets = [target for target in targets if target.org == alias]
        self._apps: dict[AppId, Answer[App]] = {}
        self._servers: dict[str, Answer[ServerMetadata]] = {}
        usage = strictest(target.policy.usage for target in self._targets)
        self.facts = OrgFacts(alias, signs=False, shares=Shares(), now=ways.clock.now(), usage=usage)

    async def run(self) -> None:
        """Ask from the outside in, as far as the answers let us."""
        try:
            way = self._ways.org(self.facts.alias)
        except RotatorError as error:
            self.facts = replace(self.facts, scopes=error)
            return
        self.facts = replace(
            self.facts, signs=way.signs, shares=way.shares, propagation=way.propagation, certified=way.certified
        )
        self.facts = replace(self.facts, handshake=await _answer(way.handshakes.handshake()))
        if isinstance(self.facts.handshake, RotatorError):
            return
        metadata = await _answer(way.access.metadata())
        if isinstance(metadata, ConfigError):  # our login is of no use, before anybody was asked
            self.facts = replace(self.facts, scopes=metadata)
            return
        self.facts = replace(self.facts, metadata=metadata, now=self._ways.clock.now())
        if isinstance(metadata, RotatorError):
            return
        servers = {name for target in self._targets if (name := target.verify.authorization_server) is not None}
        self._servers = await _each(servers, lambda name: _answer(way.access.metadata(name)))
        self.facts = replace(self.facts, scopes=await _answer(way.access.sign_in()))
        if isinstance(self.facts.scopes, RotatorError):
            return
        self.facts = replace(self.facts, apps=await self._list(way))
        if not isinstance(self.facts.apps, RotatorError):
            missing = sorted({target.app_id for target in self._targets} - self._apps.keys())
            self._apps |= await _each(missing[: self._effort.single_apps], lambda app: _app(way.admin, app))
            self.facts = replace(self.facts, log=await _answer(_read_log(way.log, self._ways.clock)))
        self.facts = replace(self.facts, window=way.access.window())

    def of(self, target: Target) -> TargetFacts:
        """Return what was seen of a target here."""
        server = target.verify.authorization_server
        return TargetFacts(
            target,
            app=self._apps.get(target.app_id, NOT_ASKED),
            server=self._servers.get(server, NOT_ASKED) if server is not None else NOT_ASKED,
        )

    async def _list(self, way: OrgWay) -> Answer[int]:
        """Read the first pages of the list of apps; return how many our role sees there."""
        wanted, count = {target.app_id for target in self._targets}, 0
        pages = 1 + len(wanted) // TARGETS_FOR_A_PAGE
        try:
            async for app in way.admin.list_apps(pages=min(pages, self._effort.pages or pages)):
                count += 1
                if app.id in wanted:
                    self._apps[app.id] = app
        except RotatorError as error:
            return error
        return count


class _VaultLook:
    """A look at one Vault, and at the mounts and keys of its targets."""

    def __init__(self, ways: Ways, alias: str, targets: Sequence[Target]) -> None:
        self._ways = ways
        self._targets = [target for target in targets if target.vault == alias]
        self._mounts: dict[str, Answer[None]] = {}
        self._defaults: dict[str, Answer[MountDefaults]] = {}
        self._keys: dict[KvPath, Answer[KvMetadata | None]] = {}
        self.facts = VaultFacts(alias, given=False, once=False, now=ways.clock.now())

    async def run(self) -> None:
        """Ask from the outside in, as far as the answers let us."""
        try:
            way = self._ways.vault(self.facts.alias)
        except RotatorError as error:
            self.facts = replace(self.facts, login=error)
            return
        self.facts = replace(self.facts, given=way.given, once=way.once)
        self.facts = replace(self.facts, handshake=await _answer(way.handshakes.handshake()))
        if isinstance(self.facts.handshake, RotatorError):
            return
        self.facts = replace(self.facts, health=await _answer(way.access.health()), now=self._ways.clock.now())
        if not isinstance(self.facts.health, VaultHealth) or self.facts.health.sealed:
            return
        self.facts = replace(self.facts, login=await _answer(way.access.sign_in()))
        if isinstance(self.facts.login, RotatorError):
            return
        await self._look_inside(way)

    async def _look_inside(self, way: VaultWay) -> None:
        token = await _answer(way.access.token())
        needed, beyond = self._paths()
        rights = await _answer(way.access.rights([*needed, *beyond]))
        self.facts = replace(self.facts, token=token, rights=rights, needed=needed)
        if isinstance(token, RefusedError) and isinstance(rights, RefusedError):
            return  # the token is dead, or as good as that: whatever was asked with it now would say the same
        paths = [path for target in self._targets for path in (*paths_of(target), target.staging)]
        mounts = {path.mount: path for path in paths}
        self._mounts = await _each(mounts, lambda mount: _answer(way.access.check_mount(mounts[mount])))
        good = {mount for mount, found in self._mounts.items() if not isinstance(found, RotatorError)}
        readable = {mount for mount in good if _may_read(rights, f"{mount}/config")}
        self._defaults = await _each(readable, lambda mount: _answer(way.access.defaults(mount)))
        self._keys = await _each(
            {path for path in paths if path.mount in good}, lambda path: _answer(way.kv.read_metadata(path))
        )

    def of(self, target: Target, facts: TargetFacts) -> TargetFacts:
        """Return what was seen of a target, with what was seen of it here."""
        return replace(
            facts,
            consumer_mount=self._mounts.get(target.consumer.mount, NOT_ASKED),
            staging_mount=self._mounts.get(target.staging.mount, NOT_ASKED),
            rights=self.facts.rights if self._mounts else NOT_ASKED,  # else the login has said it
            consumer=self._keys.get(target.consumer, NOT_ASKED),
            staging=self._keys.get(target.staging, NOT_ASKED),
            consumer_defaults=self._defaults.get(target.consumer.mount, NOT_ASKED),
            staging_defaults=self._defaults.get(target.staging.mount, NOT_ASKED),
            also=tuple(self._key(each.path) for each in target.also),
        )

    def _key(self, path: KvPath) -> KeyFacts:
        return KeyFacts(
            path,
            mount=self._mounts.get(path.mount, NOT_ASKED),
            key=self._keys.get(path, NOT_ASKED),
            defaults=self._defaults.get(path.mount, NOT_ASKED),
        )

    def _paths(self) -> tuple[dict[str, frozenset[str]], list[str]]:
        """Return what is needed, by path, and the paths beside it on which nothing is."""
        needed: dict[str, frozenset[str]] = {}
        for rule in (rule for target in self._targets for rule in vault_rights.of_target(target)):
            needed[rule.path] = needed.get(rule.path, frozenset()) | frozenset(rule.capabilities)
        beyond = [
            f"{path.mount}/{kind}/{path.path}"
            for target in self._targets
            for path in paths_of(target)
            for kind in ("delete", "destroy", "undelete")
        ]
        mounts = {path.mount for target in self._targets for path in (*paths_of(target), target.staging)}
        for mount in sorted(mounts):
            beyond += [f"{mount}/config", f"{mount}/data/{PROBE}", f"{mount}/metadata/{PROBE}"]
        return needed, [path for path in dict.fromkeys(beyond) if path not in needed]


async def _answer(asked: Awaitable[T]) -> T | RotatorError:
    try:
        return await asked
    except RotatorError as error:
        return error


async def _each(names: Collection[K], ask: Callable[[K], Awaitable[T]]) -> dict[K, T]:
    """Ask for each, a few at a time."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: K) -> T:
        async with turns:
            return await ask(name)

    return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


async def _app(admin: OktaAdmin, app: AppId) -> Answer[App]:
    found = await _answer(admin.get_app(app))
    return MissingError(f"there is no app {app} that our role may see") if found is None else found


async def _read_log(log: OktaLog, clock: Clock) -> None:
    await log.changes(None, clock.now())


def _may_read(rights: Answer[Mapping[str, frozenset[str]]], path: str) -> bool:
    if isinstance(rights, RotatorError | NotAsked):
        return False
    return not rights.get(path, frozenset()).isdisjoint({"read", "root"})
