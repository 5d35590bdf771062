"""What a look at a target, or a try of its secret, showed: a row for people, JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.cli.report import VERSION, age, error_of, names_of, what_comes_next
from rotator.cli.results import result_of_error
from rotator.cli.steps import plan_of
from rotator.core.actions import Activate, Adopt, AskLog, Blocked, Rest, Stage, Verify, Waiting
from rotator.core.facts import Facts
from rotator.core.model import ProofLevel, StagingState
from rotator.core.usage import told as told_users

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.app.operate import Adopted, Elsewhere, Look, Verified
    from rotator.core.actions import Action
    from rotator.core.model import OktaSecret, Proof, Target
    from rotator.core.usage import Evidence, User
    from rotator.errors import RotatorError

STATUS = ("TARGET", "STATE", "SECRET", "AGE", "EXPIRES", "OTHER SLOT", "STAGING", "NEXT")
VERIFY = ("TARGET", "PROOF", "SECRET", "DETAIL")


@dataclass(frozen=True, slots=True)
class Finding:
    """One target's line. `cells` follow the target's name, the last one may be long."""

    target: Target
    exit_code: int
    cells: tuple[str, ...]
    as_json: dict[str, Any]
    hint: str = ""
    notes: tuple[str, ...] = ()  # sentences below the table

    def row(self, width: int) -> tuple[str, ...]:
        """Return the line with as many cells as the table has, the last one at its end."""
        *first, last = (self.target.name, *self.cells)
        return (*first, *("-" for _ in range(width - len(first) - 1)), last)


def of_error(target: Target, error: RotatorError) -> Finding:
    """Tell why a target could not be looked at."""
    result, code = result_of_error(error)
    told = {**names_of(target), "exit_code": code, "state": result.value, "error": error_of(error), "hint": error.hint}
    return Finding(target, code, (result.value, str(error)), told, error.hint)


# --- status ---------------------------------------------------------------------------------------------------


def of_look(look: Look, now: datetime) -> Finding:
    """Tell how a target is."""
    facts = Facts(look.seen, now)
    state = _state(look.next, facts)
    held = facts.alive or next(iter(facts.matches), None)
    blocked = look.next if isinstance(look.next, Blocked) else None
    sentence = _next(look.next, facts)
    told = {
        **names_of(look.target),
        "exit_code": 0,
        "state": state,
        "policy": {
            "name": facts.policy.name,
            "mode": facts.policy.mode.value,
            "usage": facts.policy.usage.value,
        },
        "secret": _held_as_json(held, facts) if held else None,
        "vault_version": look.seen.consumer.latest,
        "others": [
            {"id": secret.id, "status": secret.status.value, "role": _role(secret, facts)}
            for secret in _others(facts, held)
        ],
        "usage": _usage_as_json(look),
        "staging": _staging_as_json(facts),
        "next": _next_as_json(look.next, sentence),
        "blocked": {"cause": blocked.block.name.lower(), "detail": blocked.detail} if blocked else None,
        "hint": blocked.hint if blocked else "",
    }
    cells = (
        state,
        held.id if held else "-",
        age(now - held.created) if held else "-",
        f"{held.created + facts.policy.rotate_after:%Y-%m-%d}" if held and held.active else "-",
        "; ".join(f"{s.id} {_role(s, facts)}, {s.status.value}" for s in _others(facts, held)) or "-",
        _staging(facts),
        sentence,
    )
    notes = tuple(_usage(secret_id, evidence) for secret_id, evidence in look.seen.usage.items())
    return Finding(look.target, 0, cells, told, blocked.hint if blocked else "", notes)


def _state(action: Action, facts: Facts) -> str:
    """Return a word for how it stands: `ok`, or what is the matter."""
    match action:
        case Blocked():
            return "blocked"
        case Rest(waiting=Waiting.PAUSED):
            return "paused"
    if facts.staging.state is not StagingState.EMPTY:
        return "rotating"
    match action:
        case Stage(reason):
            return reason.value
        case Activate() | AskLog():
            return "revoked"
        case Adopt() | Verify(whose="candidate"):  # it is tried before it is adopted
            return "new"
    if facts.alive is None:
        return "unknown"
    return "expired" if facts.now >= facts.alive.created + facts.policy.rotate_after else "ok"


def _next(action: Action, facts: Facts) -> str:
    match action:
        case Blocked(block, detail):
            return f"{block.value}: {detail}"
        case Rest():
            return what_comes_next(action, facts)
        case Verify(whose="current") if facts.alive is None:
            return "Okta lists no such secret; `rotator plan` tries it at the token endpoint"
    return f"`rotator reconcile` would {plan_of(action, facts.seen.target)}"


def _others(facts: Facts, held: OktaSecret | None) -> list[OktaSecret]:
    return [secret for secret in facts.seen.secrets if secret is not held]


def _role(secret: OktaSecret, facts: Facts) -> str:
    if facts.staging.state is not StagingState.EMPTY and secret in facts.candidates:
        return "candidate"
    if secret in facts.matches:
        return "duplicate"
    if secret in facts.kept:
        return "kept, somebody switched it on again"
    return "foreign" if secret in facts.foreign else "leaving"


def _usage(secret_id: str, evidence: Evidence) -> str:
    """Say who uses an old secret, as far as the System Log tells."""
    if evidence.failing:
        return f"{secret_id} is missed by {told_users(evidence.failing)}"
    if evidence.users:
        return f"{secret_id} was used by {told_users(evidence.users)}"
    return (
        f"whether {secret_id} is used is not known: {evidence.unproven}"
        if evidence.unproven
        else (f"nobody has used {secret_id} since it left")
    )


def _usage_as_json(look: Look) -> list[dict[str, Any]] | None:
    """Return what the log has of each old secret; None where it was not asked."""
    if not look.usage:
        return None
    return [
        {
            "secret_id": secret_id,
            "users": _users_as_json(evidence.users),
            "failing": _users_as_json(evidence.failing),
            "unproven": evidence.unproven or None,
        }
        for secret_id, evidence in look.seen.usage.items()
    ]


def _users_as_json(users: Iterable[User]) -> list[dict[str, str]]:
    return [{"address": it.address, "program": it.agent, "last": it.last.isoformat()} for it in users]


def _staging(facts: Facts) -> str:
    staging = facts.staging
    parts = [
        staging.state.value if staging.state is not StagingState.EMPTY else "",
        "ordered" if facts.order else "",
        "approved" if facts.staging.approved is not None and facts.approved else "",
        "paused" if staging.paused is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "-"


def _held_as_json(held: OktaSecret, facts: Facts) -> dict[str, Any]:
    return {
        "id": held.id,
        "status": held.status.value,
        "created": held.created.isoformat(),
        "age_seconds": int((facts.now - held.created).total_seconds()),
        "expires": (held.created + facts.policy.rotate_after).isoformat(),
    }


def _staging_as_json(facts: Facts) -> dict[str, Any]:
    staging = facts.staging
    return {
        "state": staging.state.value,
        "rotation_id": staging.rotation_id,
        "reason": staging.reason.value if staging.reason else None,
        "staged_at": staging.staged_at.isoformat() if staging.staged_at else None,
        "ordered": facts.order is not None,
        "approved": facts.approved,
        "paused": staging.paused,
    }


def _next_as_json(action: Action, sentence: str) -> dict[str, Any]:
    at = action.until.isoformat() if isinstance(action, Rest) and action.until else None
    waiting = action.waiting.name.lower() if isinstance(action, Rest) else None
    planned = None if isinstance(action, Rest | Blocked) else type(action).__name__
    return {"waiting": waiting, "at": at, "planned": planned, "detail": sentence}


# --- verify ---------------------------------------------------------------------------------------------------


def of_proof(verified: Verified) -> Finding:
    """Tell what a try of the value in Vault showed."""
    proof, version = verified.proof, verified.version
    codes = {_code_of(each) for each in (proof, *(it.proof for it in verified.also))}
    holders = [{"id": secret.id, "status": secret.status.value} for secret in verified.holders]
    told = {
        **names_of(verified.target),
        "exit_code": next((code for code in (1, 5) if code in codes), 0),
        "state": proof.level.value,
        "detail": proof.detail,
        "at": proof.at.isoformat(),
        "request_id": proof.request_id,
        "vault_version": version.number,
        "secret_id": version.secret_id,
        "holders": None if proof.level.good else holders,
        "also": [_also_as_json(each) for each in verified.also],
    }
    elsewhere = "".join(f"; {_also_in_words(each)}" for each in verified.also)
    cells = (proof.level.value, version.secret_id or "-", f"{proof.detail}{_whose(verified)}{elsewhere}")
    return Finding(verified.target, told["exit_code"], cells, told, _advice(verified))


def _code_of(proof: Proof | None) -> int:
    if proof is None:
        return 1
    return 0 if proof.level.good else 5 if proof.unanswered else 1


def _also_as_json(each: Elsewhere) -> dict[str, Any]:
    return {
        "path": str(each.path),
        "vault_version": each.version,
        "same": each.same,
        "state": each.proof.level.value if each.proof else None,
        "detail": each.proof.detail if each.proof else each.trouble,
    }


def _also_in_words(each: Elsewhere) -> str:
    if each.proof is None:
        return each.trouble
    if each.same:
        return f"{each.path} holds the same"
    return f"{each.path} holds another secret: {each.proof.level.value}"


def _whose(verified: Verified) -> str:
    if verified.proof.level.good:
        return ""
    listed = ", ".join(f"{secret.id}, {secret.status.value}" for secret in verified.holders)
    return f"; it is the value of {listed}" if listed else "; no secret of the app has this value"


def _advice(verified: Verified) -> str:
    if verified.proof.level is not ProofLevel.REFUSED and all(each.same for each in verified.also):
        return ""
    return f"`rotator plan {verified.target.name}` tells what `rotator reconcile` would do about it."


# --- adopt ----------------------------------------------------------------------------------------------------


def adopted_as_lines(adopted: Adopted) -> list[str]:
    """Tell what was adopted, for people."""
    target, facts = adopted.target, Facts(adopted.then.seen, adopted.proof.at)
    return [
        f"{target.name}: adopted {adopted.secret}",
        f"  proof  {adopted.proof.level.value}: {adopted.proof.detail}",
        f"  where  {target.consumer} version {adopted.version}",
        f"  next   {_next(adopted.then.next, facts)}",
    ]


def adopted_as_json(adopted: Adopted) -> dict[str, Any]:
    """Tell what was adopted, for programs."""
    facts = Facts(adopted.then.seen, adopted.proof.at)
    proof = {"level": adopted.proof.level.value, "detail": adopted.proof.detail, "at": adopted.proof.at.isoformat()}
    told = {
        **names_of(adopted.target),
        "exit_code": 0,
        "result": "adopted",
        "secret_id": adopted.secret,
        "vault_version": adopted.version,
        "proof": proof,
        "next": _next_as_json(adopted.then.next, _next(adopted.then.next, facts)),
    }
    return {"version": VERSION, "command": "adopt", "exit_code": 0, "targets": [told]}
