"""What one pass knows of a target: read once, then kept up to date by the answers to our own effects.

* Okta's answer to a write is itself a look: the object it returns replaces ours, and no second list is spent. Only
  before a secret is switched off it is listed anew (`app.rotate`).
* What consumers read is looked at before every decision, so that a person's write is seen before the next effect; a
  version never changes its value, so each is read once in a pass.
* History is read only where it can matter: a target whose every secret carries the current value has none to explain.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rotator.core.model import Consumer, HookTry, Snapshot, Staging, StagingState
from rotator.core.records import UnreadableRecordError, read_consumer, read_staging

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.core.model import (
        App,
        ConsumerVersion,
        FieldNames,
        KvMetadata,
        KvPath,
        OktaSecret,
        Proof,
        RotationId,
        SecretId,
        Target,
    )
    from rotator.core.usage import Evidence
    from rotator.ports import (
        Clock,
        Gate,
        Hooks,
        Journal,
        KvStore,
        Leases,
        Mint,
        OktaAdmin,
        OktaLog,
        Progress,
        TokenEndpoint,
    )


@dataclass(frozen=True, slots=True)
class World:
    """The ports that one target needs."""

    okta: OktaAdmin
    log: OktaLog
    tokens: TokenEndpoint
    kv: KvStore
    leases: Leases
    clock: Clock
    mint: Mint
    progress: Progress
    gate: Gate
    journal: Journal
    hooks: Hooks
    actor: str = "rotator"  # who acts, for the audit


async def read_record(kv: KvStore, path: KvPath) -> tuple[Staging, str | None]:
    """Return the staging record at a path, and why it cannot be read if something else is there."""
    metadata = await kv.read_metadata(path)
    if metadata is None or metadata.current == 0:
        return Staging(), None
    version = await kv.read(path, metadata.current)
    if version is None:
        return Staging(version=metadata.current), f"version {metadata.current} of the staging record {path} is deleted"
    readable = {info.number for info in metadata.versions.values() if not info.deleted}
    try:
        return read_staging(version, tuple(sorted(readable - {metadata.current}))), None
    except UnreadableRecordError as problem:
        return Staging(version=metadata.current), f"{path}: {problem}"


class View:
    """What this pass has seen of one target."""

    def __init__(self, target: Target, world: World, *, told: bool = False, tries: dict[str, int]) -> None:
        """See nothing yet; `told` says that a person named the target, `tries` counts test requests by hash."""
        self.target = target
        self.proofs: dict[str, Proof] = {}
        self.asked: dict[SecretId, bool] = {}
        self.switched_off: set[SecretId] = set()
        self.list_is_fresh = False  # no write of ours since Okta was asked for its list
        self._told = told
        self._tries = tries
        self._world = world
        self._app: App | None = None
        self._secrets: dict[SecretId, OktaSecret] | None = None
        self._staging: Staging | None = None
        self._paths = [Path(target.consumer, target.fields), *(Path(it.path, it.fields) for it in target.also)]
        self._usage: dict[SecretId, Evidence] = {}
        self._hooks_failed: dict[str, HookTry] = {}
        self._unreadable: str | None = None
        self._attempted_at: datetime | None = None
        self._fresh: RotationId | None = None

    @property
    def staged_now(self) -> RotationId | None:
        """The rotation whose value was staged, or staged afresh, in this pass."""
        return self._fresh

    async def look(self) -> Snapshot:
        """Read whatever is not known or may have changed, and return all of it."""
        if self._secrets is None:
            await self._read_okta()
        if self._staging is None:
            self._staging = await self._read_staging()
        first, *others = [await self._consumer_path(path, self._staging) for path in self._paths]
        return Snapshot(
            target=self.target,
            app=self._app,
            secrets=tuple((self._secrets or {}).values()),
            consumer=first,
            staging=self._staging,
            proofs=dict(self.proofs),
            asked=dict(self.asked),
            attempted_at=self._attempted_at,
            told=self._told,
            others=tuple(others),
            usage=dict(self._usage),
            hooks_failed=dict(self._hooks_failed),
            clock_ahead=self._world.okta.clock_ahead,
            unreadable=self._unreadable,
        )

    # --- what our own effects tell ----------------------------------------------------------------------

    def okta_changed(self) -> None:
        """An Okta write ended unknown, or not as expected: list again."""
        self._secrets = None

    def staging_changed(self) -> None:
        """Read the staging record again."""
        self._staging = None

    def secret_is(self, secret: OktaSecret) -> None:
        """Okta has shown the secret as it is now."""
        assert self._secrets is not None
        self._secrets[secret.id] = secret

    def switched_on(self, secret: OktaSecret) -> None:
        """Okta has switched it on for us: if it is found off again, who did that is another question."""
        self.secret_is(secret)
        self.asked.pop(secret.id, None)
        self.switched_off.discard(secret.id)

    def secret_gone(self, secret: SecretId) -> None:
        """Okta has removed it."""
        assert self._secrets is not None
        self._secrets.pop(secret, None)

    def staged_afresh(self, rotation: RotationId) -> None:
        """The value was staged in this pass: no create of it can be under way."""
        self._fresh = rotation
        self._attempted_at = None
        self._staging = None

    def attempted(self, at: datetime) -> None:
        """A create of the staged value may be under way."""
        self._fresh = None
        self._attempted_at = at

    def proven(self, value_hash: str, proof: Proof) -> None:
        """Keep what a test request showed, and how many there were."""
        self.proofs[value_hash] = replace(proof, tries=self._count(value_hash))

    def weighed(self, secret: SecretId, evidence: Evidence) -> None:
        """Keep what the log shows of a secret's use, and how often it was asked."""
        tries, now = self._count(f"usage of {secret}"), self._world.clock.now()
        self._usage[secret] = replace(evidence, tries=tries, asked_at=now)

    def hook_failed(self, name: str, detail: str) -> None:
        """Keep that a hook did not do what it was for."""
        self._hooks_failed[name] = HookTry(detail, self._count(f"hook {name}"))

    # ---------------------------------------------------------------------------------------------------

    def _count(self, what: str) -> int:
        self._tries[what] = self._tries.get(what, 0) + 1
        return self._tries[what]

    async def _read_okta(self) -> None:
        if self._app is None:
            self._app = await self._world.okta.get_app(self.target.app_id)
        listed: Iterable[OktaSecret] = ()
        if self._app is not None and self._app.auth_method.uses_secret:
            listed = await self._world.okta.list_secrets(self.target.app_id)
        self._secrets = {secret.id: secret for secret in listed}
        self.list_is_fresh = True

    async def _read_staging(self) -> Staging:
        staging, self._unreadable = await read_record(self._world.kv, self.target.staging)
        if self._unreadable is None:
            self._note_attempt(staging)
        return staging

    def _note_attempt(self, staging: Staging) -> None:
        """Whoever staged a value before this pass may have sent a create of it, as late as anybody knows."""
        if staging.state is StagingState.EMPTY:
            self._attempted_at = None
        elif staging.rotation_id != self._fresh and staging.staged_at is not None:
            self._attempted_at = max(staging.staged_at, self._attempted_at or staging.staged_at)

    async def _consumer_path(self, path: Path, staging: Staging) -> Consumer:
        """Look at one path: its counter, its latest version, and its history where that can matter."""
        known = await self._world.kv.read_metadata(path.at)
        if known is None or known.current == 0:
            return Consumer()
        await path.read([known.current], known, self._world.kv)
        if not self._nothing_to_explain(staging, path.versions.get(known.current)):
            await path.read(known.versions, known, self._world.kv)
        return path.consumer(known)

    def _nothing_to_explain(self, staging: Staging, current: ConsumerVersion | None) -> bool:
        if staging.state is not StagingState.EMPTY or current is None or current.value is None:
            return False
        secrets = (self._secrets or {}).values()
        return bool(secrets) and all(secret.carries(current.value) for secret in secrets)


@dataclass(frozen=True, slots=True)
class Path:
    """A path that consumers read, and the versions of it that were read in this pass; None: it cannot be read."""

    at: KvPath
    names: FieldNames
    versions: dict[int, ConsumerVersion | None] = field(default_factory=dict)

    async def read(self, numbers: Iterable[int], known: KvMetadata, kv: KvStore) -> None:
        """Read those of the versions that were not read yet."""
        for number in numbers:
            if number in self.versions or known.versions[number].deleted:
                continue
            version = await kv.read(self.at, number)
            self.versions[number] = read_consumer(version, self.names) if version else None

    def consumer(self, known: KvMetadata) -> Consumer:
        """Return what is known of it now."""
        lost = {number for number, version in self.versions.items() if version is None}
        deleted = {number for number, info in known.versions.items() if info.deleted or number in lost}
        readable = {
            number: version for number, version in self.versions.items() if number in known.versions and version
        }
        return Consumer(
            latest=known.current,
            versions=tuple(readable[number] for number in sorted(readable.keys() - deleted)),
            unreadable=frozenset(deleted),
        )
