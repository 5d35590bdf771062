"""What came of a target, told: lines for people, a row of a table, JSON for programs.

The JSON is stable: within one `version` keys are added, never renamed or removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.cli.results import Result, result_of
from rotator.cli.steps import plan_of, what_follows, words_for
from rotator.core import actions as do
from rotator.core.actions import Blocked, Rest, Waiting
from rotator.core.facts import Facts
from rotator.core.model import Mode
from rotator.core.sharing import paths_of
from rotator.errors import RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from rotator.app.rotate import Outcome, Step
    from rotator.core.model import OktaSecret, Snapshot, Target

VERSION = 1
CAN_BE_CUT = frozenset({Waiting.OVERLAP, Waiting.IN_USE, Waiting.EVIDENCE})  # by `rotate --force --now`
LATER = "`rotator reconcile` (cron) or the next `rotator rotate`"


@dataclass(frozen=True, slots=True)
class Report:
    """One target's outcome, told."""

    target: Target
    result: Result
    exit_code: int
    message: str
    hint: str = ""
    found: str = ""
    steps: tuple[Step, ...] = ()
    proof: str = ""
    next: str = ""
    outcome: Outcome | None = None


def report(
    outcome: Outcome,
    now: datetime,
    *,
    told: bool = False,
    force: bool = False,
    dry_run: bool = False,
    later: str = LATER,
) -> Report:
    """Tell what came of a target; the keywords are those with which it was carried on. `later`: who does the rest."""
    result, code = result_of(outcome, now, told=told, force=force, dry_run=dry_run)
    message, hint = _message(outcome, result, now, force=force, dry_run=dry_run)
    rest = outcome.ending if isinstance(outcome.ending, Rest) and outcome.planned is None else None
    return Report(
        target=outcome.target,
        result=result,
        exit_code=code,
        message=message,
        hint=hint,
        found=_found(outcome),
        steps=outcome.steps,
        proof=f"{outcome.proof.level.value}: {outcome.proof.detail}" if outcome.proof else "",
        next=what_comes_next(rest, Facts(outcome.seen, now), later=later) if rest and outcome.seen else "",
        outcome=outcome,
    )


def what_comes_next(rest: Rest, facts: Facts, *, later: str = LATER) -> str:  # noqa: PLR0912 -- a line for each
    """Return in one sentence what happens next, when, and who does it."""
    when = moment(rest.until)
    old = ", ".join(leaving.secret.id for leaving in facts.leaving) or "the old one"
    match rest.waiting:
        case Waiting.NEXT_ROTATION:
            return f"{facts.alive.id if facts.alive else 'the secret'} is rotated after {when} by {later}{_and(rest)}"
        case Waiting.OVERLAP:
            return f"old secret {old} stays active until {when}; {later} then switches it off{_and(rest)}"
        case Waiting.IN_USE:
            return f"the old secret is still used: {rest.detail}; {later} looks again after {when}"
        case Waiting.EVIDENCE:
            return f"whether the old secret is still used is not known: {rest.detail}; {later} looks after {when}"
        case Waiting.HOOK:
            return f"a hook failed: {rest.detail}; {later} runs it again after {when}"
        case Waiting.APPROVAL:
            return f"nothing before it is approved ({rest.detail}): `rotator approve {facts.seen.target.name}`"
        case Waiting.SOAK:
            return f"old secret {old} is switched off; {later} deletes it after {when}{_and(rest)}"
        case Waiting.WINDOW:
            return f"the maintenance window opens {when}; {later} goes on then"
        case Waiting.ATTEMPT:
            return f"an earlier attempt may still arrive at Okta until {when}; {later} goes on then"
        case Waiting.VERIFICATION:
            return f"{later} tries the token request again after {when}"
        case Waiting.SLOT:
            return f"both slots are taken; one is free after {when}"
        case Waiting.TOLD:
            return f"nothing by itself, the policy's mode is manual: `rotator rotate {facts.seen.target.name}`"
        case Waiting.PAUSED:
            return f"nothing while it is paused: {rest.detail}"
        case Waiting.TURN | Waiting.BACKLOG:
            return f"it waits its turn until {when}: {rest.detail}"
        case Waiting.BREAKER:
            return f"nothing begins while a breaker is open: {rest.detail}"


def _and(rest: Rest) -> str:
    return f"; {rest.detail}" if rest.detail else ""


def moment(at: datetime | None) -> str:
    """Return a time for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "somebody acts"


def age(span: timedelta) -> str:
    """Return a span for people: days, hours for the first two of them, minutes for the first two hours."""
    minutes = max(0, int(span.total_seconds())) // 60
    if minutes < 2 * 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 60 // 24} days"


# --- what came of it ------------------------------------------------------------------------------------------


def _message(outcome: Outcome, result: Result, now: datetime, *, force: bool, dry_run: bool) -> tuple[str, str]:
    """Return one sentence on how it ended, and what to do about it."""
    match outcome.ending:
        case RotatorError() as error:
            return str(error), error.hint
        case Blocked(block, detail, hint):
            return f"{block.value}: {detail}", hint
    if outcome.planned is not None:
        return _planned(outcome, dry_run=dry_run)
    match result:
        case Result.UNVERIFIED:
            return _unverified(outcome), "The value is kept and tried again; no other is made meanwhile."
        case Result.NOTHING_DUE:
            return _age(outcome.seen, now), ""
        case Result.WAITING:
            hint = _cut_short(outcome.target) if force and outcome.ending.waiting in CAN_BE_CUT else ""
            return f"cannot be finished now, waits for {outcome.ending.waiting.value}", hint
    return "", ""


def _cut_short(target: Target) -> str:
    return f"`rotator rotate {target.name} --force --now` does not wait: whoever still uses the older one is refused."


def _planned(outcome: Outcome, *, dry_run: bool) -> tuple[str, str]:
    assert outcome.planned
    would = f"would {plan_of(outcome.planned, outcome.target)}; then {what_follows(outcome.planned, outcome.target)}"
    policy, why = outcome.target.policy, outcome.target.only_observed
    if why:
        return would, f"Only observed, so nothing was changed: {why}."
    if policy.mode is not Mode.OBSERVE or dry_run:
        return would, ""
    return would, f"Policy `{policy.name}` observes, so nothing was changed; `mode: auto` or `manual` lets it act."


def _unverified(outcome: Outcome) -> str:
    assert isinstance(outcome.ending, Rest)
    if outcome.ending.waiting is Waiting.VERIFICATION:
        return outcome.ending.detail
    return "promoted, but not proven afterwards"


def _age(seen: Snapshot | None, now: datetime) -> str:
    alive = Facts(seen, now).alive if seen else None
    return f"{alive.id} is {age(now - alive.created)} old" if alive else ""


def _found(outcome: Outcome) -> str:
    """Return why something was done."""
    for step in outcome.steps:
        match step.action:
            case do.Stage(reason):
                return f"{reason.value}{_replaced(step.current)}"
            case do.OrderReplacement(secret_id):
                return f"revoked, and {secret_id} there in its place"
            case do.Adopt(secret, replace):
                return f"revoked, and {secret.id} there in its place" if replace else "nothing in Vault yet"
            case do.Create() | do.Promote() | do.Rebase() | do.CloseStaging() | do.Discard():
                return "a rotation that was under way"
            case do.Activate(why=why) | do.Deactivate(why=why) | do.Delete(why=why):
                return why
    return ""


def _replaced(old: OktaSecret | None) -> str:
    return f": {old.id}, made {moment(old.created)}" if old else ""


# --- told -----------------------------------------------------------------------------------------------------


def as_lines(told: Report) -> list[str]:
    """Return a block for people: what was found, what was done, with which proof, what comes next."""
    head = f"{told.target.name}: {told.result.value}" + (f" — {told.message}" if told.message else "")
    done = [f"{words_for(type(step.action).__name__).done}: {step.detail}" for step in told.steps]
    parts = [
        *_labelled("found", [told.found] if told.found else []),
        *_labelled("did", done),
        *_labelled("proof", [told.proof] if told.proof else []),
        *_labelled("next", [told.next] if told.next else []),
        *_labelled("hint", [told.hint] if told.hint else []),
    ]
    return [head, *parts]


def _labelled(label: str, texts: Sequence[str]) -> list[str]:
    return [f"  {label if not n else '':<6} {text}" for n, text in enumerate(texts)]


def as_row(told: Report) -> tuple[str, ...]:
    """Return a line of a table: the target, what came of it, the secret, and a sentence."""
    sentence = "; ".join(text for text in (told.message, told.next) if text)
    return (told.target.name, told.result.value, _secret_id(told) or "-", sentence or "-")


HEADINGS = ("TARGET", "RESULT", "SECRET", "DETAIL")


def as_json(told: Report) -> dict[str, Any]:
    """Return the stable form for programs."""
    outcome = told.outcome
    ending, seen = (outcome.ending, outcome.seen) if outcome else (None, None)
    current = seen.consumer.current if seen else None
    proof = outcome.proof if outcome else None
    return {
        **names_of(told.target),
        "result": told.result.value,
        "exit_code": told.exit_code,
        "message": told.message,
        "hint": told.hint,
        "found": told.found,
        "secret_id": _secret_id(told),
        "vault_version": current.number if current else None,
        "rotation_id": current.rotation_id if current else None,
        "steps": [_step(step) for step in told.steps],
        "planned": type(outcome.planned).__name__ if outcome and outcome.planned else None,
        "proof": {"level": proof.level.value, "detail": proof.detail, "at": proof.at.isoformat()} if proof else None,
        "next": _next(ending, told.next),
        "block": ending.block.name.lower() if isinstance(ending, Blocked) else None,
        "error": error_of(ending) if isinstance(ending, RotatorError) else None,
    }


def names_of(target: Target) -> dict[str, Any]:
    """Return what identifies a target, for programs. Of its `paths` the first is the `path` that leads."""
    names = {"target": target.name, "org": target.org, "app_id": target.app_id, "path": str(target.consumer)}
    return {**names, "paths": [str(path) for path in paths_of(target)]}


def error_of(error: RotatorError) -> dict[str, str | None]:
    """Return an error for programs."""
    code = error.code if isinstance(error, RefusedError) else ""
    return {"kind": type(error).__name__, "code": code, "message": str(error), "request_id": error.request_id}


def _step(step: Step) -> dict[str, Any]:
    return {"step": type(step.action).__name__, "detail": step.detail, "certain": step.surprise is None}


def _next(ending: object, sentence: str) -> dict[str, Any] | None:
    if not isinstance(ending, Rest):
        return None
    at = ending.until.isoformat() if ending.until else None
    return {"waiting": ending.waiting.name.lower(), "at": at, "detail": sentence}


def _secret_id(told: Report) -> str | None:
    """Return the id of the secret that Vault holds, by its value, else as the record says."""
    seen = told.outcome.seen if told.outcome else None
    current = seen.consumer.current if seen else None
    if seen is None or current is None:
        return None
    by_value = [secret.id for secret in seen.secrets if current.value and secret.carries(current.value)]
    return by_value[0] if by_value else current.secret_id
