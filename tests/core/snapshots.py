"""Builders for snapshots: say what matters, leave out the rest. Ages are in days before NOON."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.core.model import (
    App,
    AppId,
    AuthMethod,
    ClientId,
    Consumer,
    ConsumerVersion,
    KvPath,
    Made,
    Mode,
    OktaSecret,
    Order,
    OrderMode,
    Policy,
    Proof,
    ProofLevel,
    RetiringMode,
    RotationId,
    SecretId,
    SecretStatus,
    Snapshot,
    Staging,
    StagingState,
    Target,
)
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.core.usage import Evidence

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
A, B, C, F = (SecretValue(letter * 64) for letter in "ABCF")
APP = App(
    id=AppId("0oa1"),
    label="billing",
    status="ACTIVE",
    sign_on_mode="OPENID_CONNECT",
    client_id=ClientId("0oa1"),
    auth_method=AuthMethod.BASIC,
    application_type="service",
    grant_types=frozenset({"client_credentials"}),
    dpop_bound=False,
)
POLICY = Policy(mode=Mode.AUTO)
TARGET = Target(
    name="billing",
    org="default",
    vault="default",
    app_id=APP.id,
    consumer=KvPath("kv", "billing/okta"),
    staging=KvPath("secret", "rotator/staging/acme/0oa1"),
    policy=POLICY,
)


def ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


def secret(
    value: SecretValue,
    *,
    age: float = 1,
    active: bool = True,
    changed: float | None = None,
    name: str | None = None,
    hidden: bool = False,
) -> OktaSecret:
    """A secret at Okta; its id is `ocs` and the letter of its value."""
    return OktaSecret(
        id=SecretId(name or f"ocs{value.reveal()[0]}"),
        status=SecretStatus.ACTIVE if active else SecretStatus.INACTIVE,
        created=ago(age),
        changed=ago(age if changed is None else changed),
        hash=value.hash,
        value=None if hidden else value,
    )


def version(
    number: int,
    value: SecretValue | None,
    *,
    age: float = 1,
    client_id: str | None = "0oa1",
    secret_id: str | None = None,
    rotation: str | None = None,
    retiring: str | None = None,
    mode: RetiringMode = RetiringMode.OVERLAP,
) -> ConsumerVersion:
    """A version of the consumer path; by default one that we wrote."""
    return ConsumerVersion(
        number=number,
        created=ago(age),
        value=value,
        client_id=client_id,
        secret_id=SecretId(secret_id or f"ocs{value.reveal()[0]}") if value else None,
        rotation_id=RotationId(rotation if rotation is not None else f"r{number}") if rotation != "" else None,
        retiring_id=SecretId(retiring) if retiring else None,
        retiring_mode=mode,
        fields=SecretFields({"client_secret": value.reveal()} if value else {}),
    )


def by_hand(
    number: int, value: SecretValue | None, *, age: float = 1, client_id: str | None = "0oa1"
) -> ConsumerVersion:
    """A version that a person wrote."""
    return version(number, value, age=age, client_id=client_id, rotation="")


def consumer(*versions: ConsumerVersion, deleted: frozenset[int] = frozenset()) -> Consumer:
    return Consumer(max([v.number for v in versions] + list(deleted), default=0), versions, deleted)


def staged(value: SecretValue, *, base: ConsumerVersion | None = None, minutes: float = 10, **more: Any) -> Staging:
    """A staged value, some minutes old, on top of `base`."""
    record = Staging(
        version=3,
        state=StagingState.STAGED,
        value=value,
        rotation_id=RotationId("r9"),
        base_version=base.number if base else 0,
        base_hash=base.value.hash if base and base.value else None,
        staged_at=NOON - timedelta(minutes=minutes),
        made=(Made(value.hash, NOON - timedelta(minutes=minutes)),),
    )
    return replace(record, **more)


def closed(*made: SecretValue, base: int = 0, **more: Any) -> Staging:
    """An empty record that remembers what we made, ten days ago."""
    return replace(
        Staging(version=2, base_version=base, made=tuple(Made(value.hash, ago(10)) for value in made)), **more
    )


def order(name: str, *, mode: OrderMode = OrderMode.NOW, age: float = 0) -> Order:
    return Order(SecretId(name), mode, ago(age))


def proof(level: ProofLevel = ProofLevel.TOKEN_ISSUED, *, tries: int = 1) -> Proof:
    return Proof(level, "as the test says", NOON, tries)


ISSUED = proof()
REFUSED = proof(ProofLevel.REFUSED)
INCONCLUSIVE = proof(ProofLevel.INCONCLUSIVE)


def seen(
    *secrets: OktaSecret,
    vault: Consumer = Consumer(),
    staging: Staging = Staging(),
    proofs: dict[SecretValue, Proof] | None = None,
    policy: Policy = POLICY,
    app: App | None = APP,
    **more: Any,
) -> Snapshot:
    """A snapshot; `more` goes to `Snapshot`. Unless it says otherwise the log shows that nobody uses an old secret."""
    more.setdefault("usage", {secret.id: Evidence() for secret in secrets})
    return Snapshot(
        target=replace(TARGET, policy=policy),
        app=app,
        secrets=secrets,
        consumer=vault,
        staging=staging,
        proofs={value.hash: shown for value, shown in (proofs or {}).items()},
        **more,
    )
