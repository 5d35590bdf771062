"""What a snapshot means: which secret is current, the candidate, leaving, or foreign (design: "Words").

* Decide by value. `client_secret_id` and `rotation_id` are copied by people (`kv put`, `kv patch`, `kv rollback`).
* A version that cannot be read may have held anything: whoever may have been current there keeps its overlap.
* `retiring_mode: now` holds for the very id it names, in the record that we wrote, until that value is current again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from rotator.core.model import OrderMode, ProofLevel, RetiringMode, StagingState
from rotator.core.precedence import Cause

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.model import (
        Consumer,
        ConsumerVersion,
        OktaSecret,
        Order,
        Policy,
        Proof,
        Removal,
        Snapshot,
    )
    from rotator.core.secret_value import SecretValue

CAUSES = {
    OrderMode.WINDOW: Cause.ADOPTED,
    OrderMode.NOW: Cause.FORCED,
    OrderMode.CUT: Cause.CUT,
    OrderMode.COMPROMISED: Cause.COMPROMISED,
}
JUST_BEFORE = timedelta(minutes=5)  # our list was older than the write it led to, and Okta's clock is not Vault's


@dataclass(frozen=True, slots=True)
class Leaving:
    """A secret on its way out: when it ceased to be current, and how it goes."""

    secret: OktaSecret
    since: datetime
    mode: RetiringMode
    seen_until: datetime  # the same, if what cannot be read did not hold it
    removal: Removal | None = None  # a person named it as one that may go
    held: bool = False  # another path of the target still has it

    @property
    def toggled(self) -> bool:
        """Somebody switched it on again since it left, or just before, or since it was found dead: they want it."""
        if not self.secret.active or self.secret.changed == self.secret.created:
            return False
        if self.removal is not None:
            return self.secret.changed > self.removal.changed
        return self.mode is RetiringMode.NOW or self.secret.changed > self.seen_until - JUST_BEFORE

    @property
    def at_once(self) -> bool:
        """Whether it waits for no overlap, no window and no evidence."""
        return self.mode is RetiringMode.NOW or self.removal is not None

    @property
    def comes_back(self) -> bool:
        """Whether it is switched on again for whoever still uses it."""
        compromised = self.removal is not None and self.removal.compromised
        return not self.secret.active and self.mode is RetiringMode.OVERLAP and not compromised

    def overlap_ends(self, policy: Policy) -> datetime:
        return self.since if self.at_once else self.since + policy.overlap

    def soak_ends(self, policy: Policy) -> datetime:
        return self.secret.changed + policy.soak


class Facts:
    """A snapshot, read once. Everything here is derived, nothing is decided."""

    def __init__(self, seen: Snapshot, now: datetime) -> None:
        """Read `seen` as of `now`."""
        self.seen = seen
        self.now = now
        self.policy = seen.target.policy
        self.staging = seen.staging
        self.consumer = seen.consumer
        self.made = {made.hash for made in seen.staging.made}

    # --- current ---------------------------------------------------------------------------------------

    @cached_property
    def current(self) -> ConsumerVersion | None:
        return self.consumer.current

    @property
    def value(self) -> SecretValue | None:
        return self.current.value if self.current else None

    @cached_property
    def matches(self) -> tuple[OktaSecret, ...]:
        """The secrets that carry the current value: none, one, or by a late duplicate two."""
        return self._carrying(self.value)

    @property
    def alive(self) -> OktaSecret | None:
        """An active secret that carries the current value."""
        return next((secret for secret in self.matches if secret.active), None)

    @property
    def proof(self) -> Proof | None:
        """What the token endpoint said of the current value in this pass."""
        return self.proof_of(self.value)

    @property
    def dead(self) -> bool:
        """Matched and inactive, or unmatched and refused: F4, a wrong hash formula must not kill a healthy one."""
        if self.value is None:
            return False
        if self.matches:
            return self.alive is None
        return self.proof is not None and self.proof.level is ProofLevel.REFUSED

    @property
    def current_since(self) -> datetime:
        """When the current value was first written, as far as can be read."""
        held = (version.created for version in self.consumer.versions if version.value == self.value)
        return min(held, default=self.now)

    @cached_property
    def record_is_ours(self) -> bool:
        """The current value is one that we made, or that we once wrote to this path."""
        return self.value is not None and (
            self.value.hash in self.made
            or any(version.value == self.value and self._genuine(version) for version in self.consumer.versions)
        )

    @property
    def to_replace(self) -> str | None:
        """The hash of what a new value is to replace: the current one, or at first what policy does not adopt."""
        if self.value is not None:
            return self.value.hash
        return self.active[0].hash if len(self.active) == 1 else None

    @cached_property
    def never_held(self) -> bool:
        """No version of the consumer path ever held a client secret, as far as can be known."""
        return not self.consumer.unreadable and all(version.value is None for version in self.consumer.versions)

    # --- candidate -------------------------------------------------------------------------------------

    @cached_property
    def candidates(self) -> tuple[OktaSecret, ...]:
        """The secrets that carry the staged value."""
        return self._carrying(self.staging.value)

    @cached_property
    def promoted(self) -> bool:
        """The staged value is current, or was, or may have been, above the version it was staged on."""
        staged = self.staging.value
        if staged is None:
            return False
        above = [version for version in self.consumer.versions if version.number > self.staging.base_version]
        hidden = any(number > self.staging.base_version for number in self.consumer.unreadable)
        return hidden or self.value == staged or any(version.value == staged for version in above)

    # --- the rest --------------------------------------------------------------------------------------

    @cached_property
    def leaving(self) -> tuple[Leaving, ...]:
        """Secrets that are neither current nor staged, and that we can explain."""
        return tuple(
            Leaving(
                secret,
                self._left(secret),
                self._mode(secret),
                self._seen_until(secret),
                self._removal(secret),
                self._held(secret),
            )
            for secret in self._others
            if self._explained(secret)
        )

    @cached_property
    def foreign(self) -> tuple[OktaSecret, ...]:
        """The secrets that nobody told us about."""
        return tuple(secret for secret in self._others if not self._explained(secret))

    @property
    def kept(self) -> tuple[OktaSecret, ...]:
        """Leaving secrets that somebody switched on again: they stay until a person decides."""
        return tuple(leaving.secret for leaving in self.leaving if leaving.toggled)

    @property
    def slot_free(self) -> bool:
        return len(self.seen.secrets) < 2

    @property
    def active(self) -> tuple[OktaSecret, ...]:
        return tuple(secret for secret in self.seen.secrets if secret.active)

    @property
    def order(self) -> Order | None:
        """The order, while the secret that it names is the current one."""
        order = self.staging.order
        return order if order and any(secret.id == order.replace for secret in self.matches) else None

    @property
    def cause(self) -> Cause:
        """Why the current one is replaced, if it is: the most pressing reason there is."""
        if self.order is not None and self.order.mode is OrderMode.COMPROMISED:
            return Cause.COMPROMISED
        if self.value is None or self.dead:
            return Cause.REVOKED
        return CAUSES[self.order.mode] if self.order is not None else Cause.EXPIRED

    @property
    def ordered_now(self) -> bool:
        """A person wants the current one replaced at once."""
        return self.order is not None and self.order.mode is not OrderMode.WINDOW

    @property
    def compromised(self) -> bool:
        """A compromised secret is still on: it goes before anything else."""
        return any(it.secret.active and it.removal is not None and it.removal.compromised for it in self.leaving)

    @property
    def approved(self) -> bool:
        """A person has approved the rotation that replaces what is current."""
        approval = self.staging.approved
        return approval is not None and approval.of == (self.value.hash if self.value else "")

    def proof_of(self, value: SecretValue | None) -> Proof | None:
        return self.seen.proofs.get(value.hash) if value else None

    # ---------------------------------------------------------------------------------------------------

    @cached_property
    def _others(self) -> tuple[OktaSecret, ...]:
        staged = self.candidates if self.staging.state is not StagingState.EMPTY else ()
        return tuple(secret for secret in self.seen.secrets if secret not in self.matches and secret not in staged)

    def _carrying(self, value: SecretValue | None) -> tuple[OktaSecret, ...]:
        return tuple(secret for secret in self.seen.secrets if value and secret.carries(value))

    def _explained(self, secret: OktaSecret) -> bool:
        if secret.hash in self.made or (secret.value and secret.value.hash in self.made) or self._removal(secret):
            return True
        if any(version.retiring_id == secret.id for version in self.consumer.versions):
            return True
        return any(_holding(consumer, secret) for consumer in (self.consumer, *self.seen.others))

    def _removal(self, secret: OktaSecret) -> Removal | None:
        removal = self.staging.remove
        return removal if removal is not None and removal.secret == secret.id else None

    def _held(self, secret: OktaSecret) -> bool:
        newest = (it.current.value for it in self.seen.others if it.current)
        return any(value and secret.carries(value) for value in newest)

    def _left(self, secret: OktaSecret) -> datetime:
        """The creation of the version that replaced the last one which held, or may have held, this value.

        Where it lay at several paths, the last of them counts.
        """
        here = self._replaced(self.consumer, max(_may_hold(self.consumer, secret), default=0))
        elsewhere = [self._replaced(it, max(held)) for it in self.seen.others if (held := _may_hold(it, secret))]
        return max([here, *elsewhere])

    def _seen_until(self, secret: OktaSecret) -> datetime:
        """Until when this value was in use for certain; what cannot be read may have replaced it at once."""
        last = max(_holding(self.consumer, secret), default=0)
        if any(number > last for number in self.consumer.unreadable):
            return next((it.created for it in self.consumer.versions if it.number == last), secret.created)
        return self._replaced(self.consumer, last)

    def _replaced(self, consumer: Consumer, number: int) -> datetime:
        """When the first readable version after that one was written."""
        return next(
            (version.created for version in consumer.versions if version.number > number),
            self.now,  # nothing readable came after it: it has only just left, as far as anybody can tell
        )

    def _mode(self, secret: OktaSecret) -> RetiringMode:
        for version in self.consumer.versions:
            named = version.retiring_id == secret.id and version.retiring_mode is RetiringMode.NOW
            if named and self._genuine(version) and not self._held_after(secret, version.number):
                return RetiringMode.NOW
        return RetiringMode.OVERLAP

    def _held_after(self, secret: OktaSecret, number: int) -> bool:
        """Say whether the value is, or may be, in a later version."""
        return any(hidden > number for hidden in self.consumer.unreadable) or any(
            version.number > number and version.value and secret.carries(version.value)
            for version in self.consumer.versions
        )

    def _genuine(self, version: ConsumerVersion) -> bool:
        """The first readable version with a rotation id is the one that we wrote; later ones are copies."""
        if version.rotation_id is None:
            return False
        first = next(v for v in self.consumer.versions if v.rotation_id == version.rotation_id)
        return first.number == version.number or first.value == version.value


def _may_hold(consumer: Consumer, secret: OktaSecret) -> set[int]:
    """Return the versions that hold the secret's value, or cannot be read."""
    return _holding(consumer, secret) | consumer.unreadable


def _holding(consumer: Consumer, secret: OktaSecret) -> set[int]:
    """Return the readable versions that hold the secret's value."""
    return {version.number for version in consumer.versions if version.value and secret.carries(version.value)}
