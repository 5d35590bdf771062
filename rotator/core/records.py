"""The two records in Vault, to and from our words (design: "What lies in Vault").

Everything is a string: an audit device hashes strings and shows numbers and booleans in clear (contracts: Vault 3.6).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rotator.core.model import (
    Approval,
    ConsumerVersion,
    HooksDue,
    KvVersion,
    Made,
    Order,
    OrderMode,
    Reason,
    Removal,
    RetiringMode,
    RotationId,
    SecretId,
    Staging,
    StagingState,
)
from rotator.core.secret_value import SecretFields

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import FieldNames
    from rotator.core.secret_value import SecretValue

MADE_KEPT = 20


class UnreadableRecordError(ValueError):
    """A record at one of our paths is not what we write there. The message names the field, not its content."""


def read_consumer(version: KvVersion, names: FieldNames) -> ConsumerVersion:
    """Put a version of the consumer path into our words. Total: what is not there is None."""
    fields = version.fields
    return ConsumerVersion(
        number=version.number,
        created=version.created,
        value=fields.secret(names.client_secret),
        client_id=fields.text(names.client_id),
        secret_id=_as(SecretId, fields.text("client_secret_id")),
        rotation_id=_as(RotationId, fields.text("rotation_id")),
        retiring_id=_as(SecretId, fields.text("retiring_secret_id")),
        retiring_mode=RetiringMode.NOW if fields.text("retiring_mode") == "now" else RetiringMode.OVERLAP,
        fields=fields,
    )


def consumer_fields(
    base: SecretFields | None,
    names: FieldNames,
    *,
    client_id: str,
    value: SecretValue,
    secret_id: SecretId,
    rotation_id: RotationId,
    rotated_at: datetime,
    retiring: tuple[SecretId, RetiringMode] | None,
) -> SecretFields:
    """Lay our fields over whatever the current version holds; other people's fields are kept."""
    retiring_id, mode = retiring or ("", None)
    return (base or SecretFields({})).merged(
        {
            names.client_id: client_id,
            names.client_secret: value,
            "client_secret_id": secret_id,
            "rotation_id": rotation_id,
            "rotated_at": rotated_at.isoformat(),
            "retiring_secret_id": retiring_id,
            "retiring_mode": mode.value if mode else "",
        }
    )


def read_staging(version: KvVersion, older: tuple[int, ...]) -> Staging:
    """Put the live staging record into our words; `UnreadableRecordError` if it is none of ours."""
    fields = version.fields
    try:
        state = StagingState(fields.text("state"))
        record = Staging(
            version=version.number,
            state=state,
            value=fields.secret("client_secret"),
            rotation_id=_as(RotationId, fields.text("rotation_id")),
            base_version=int(fields.text("base_version") or "0"),
            base_hash=fields.text("base_hash"),
            reason=_as(Reason, fields.text("reason")),
            staged_at=_time(fields.text("staged_at")),
            made=tuple(_read_made(item) for item in json.loads(fields.text("made") or "[]")),
            paused=fields.text("pause"),
            order=_read(_read_order, fields.text("order")),
            remove=_read(_read_removal, fields.text("remove")),
            approved=_read(_read_approval, fields.text("approved")),
            rollback=_as(SecretId, fields.text("rollback")),
            hooks=_read(_read_hooks, fields.text("hooks")),
            older=older,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise UnreadableRecordError("the staging record is not one of ours, or of a newer release") from problem
    if state is not StagingState.EMPTY and (record.value is None or record.staged_at is None):
        raise UnreadableRecordError(f"the staging record is `{state.value}` but holds no value or no time")
    return record


def staging_fields(record: Staging) -> SecretFields:
    """Put a staging record into the form it has in Vault. `version` and `older` are Vault's own."""
    fields: dict[str, Any] = {
        "state": record.state.value,
        "rotation_id": record.rotation_id or "",
        "base_version": str(record.base_version),
        "base_hash": record.base_hash or "",
        "reason": record.reason.value if record.reason else "",
        "staged_at": record.staged_at.isoformat() if record.staged_at else "",
        "made": json.dumps([{"hash": made.hash, "at": made.at.isoformat()} for made in record.made]),
        "pause": record.paused or "",
        "order": json.dumps(_order(record.order)),
        "remove": json.dumps(_removal(record.remove)),
        "approved": json.dumps(_approval(record.approved)),
        "rollback": record.rollback or "",
        "hooks": json.dumps(_hooks(record.hooks)),
        "secret_hash": record.value.hash if record.value else "",
    }
    return SecretFields(fields).merged({"client_secret": record.value} if record.value else {})


def with_made(record: Staging, value: SecretValue, at: datetime) -> Staging:
    """Note that we made a value; the oldest notes go."""
    return replace(record, made=(*record.made, Made(value.hash, at))[-MADE_KEPT:])


def _read_made(item: dict[str, str]) -> Made:
    return Made(item["hash"], _required_time(item["at"]))


def _read_order(item: dict[str, str]) -> Order:
    return Order(SecretId(item["replace"]), OrderMode(item["mode"]), _required_time(item["placed_at"]))


def _order(order: Order | None) -> dict[str, str] | None:
    if order is None:
        return None
    return {"replace": order.replace, "mode": order.mode.value, "placed_at": order.placed_at.isoformat()}


def _read_removal(item: dict[str, Any]) -> Removal:
    changed, placed_at = _required_time(item["changed"]), _required_time(item["placed_at"])
    return Removal(SecretId(item["secret"]), changed, placed_at, compromised=item["compromised"] is True)


def _removal(removal: Removal | None) -> dict[str, Any] | None:
    if removal is None:
        return None
    times = {"changed": removal.changed.isoformat(), "placed_at": removal.placed_at.isoformat()}
    return {"secret": removal.secret, **times, "compromised": removal.compromised}


def _read_approval(item: dict[str, str]) -> Approval:
    return Approval(item["of"], _required_time(item["at"]))


def _approval(approval: Approval | None) -> dict[str, str] | None:
    return {"of": approval.of, "at": approval.at.isoformat()} if approval else None


def _read_hooks(item: dict[str, Any]) -> HooksDue:
    return HooksDue(RotationId(item["rotation"]), tuple(str(name) for name in item["names"]))


def _hooks(due: HooksDue | None) -> dict[str, Any] | None:
    return {"rotation": due.rotation, "names": list(due.names)} if due else None


def _read(read: Callable[[dict[str, Any]], Any], text: str | None) -> Any:
    """Read what is there in JSON; an absent one stays absent."""
    item = json.loads(text or "null")
    return read(item) if item else None


def _time(text: str | None) -> datetime | None:
    return _required_time(text) if text else None


def _required_time(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError("a time without a zone")
    return parsed


def _as(kind: Any, text: str | None) -> Any:
    """Give a text its type; an absent one stays absent."""
    return kind(text) if text else None
