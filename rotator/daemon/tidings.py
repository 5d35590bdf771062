"""What the log and whoever looks at the daemon are told of a pass: how it ended, if that is news.

* What a pass does is told by its progress, step by step. Here is only how it ended.
* An ending that lasts is told once, and once more when it is over; a rest that only waits for its time is no news.
* A target that waits for its org or its Vault has no ending of its own: the side is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from rotator.core.actions import Blocked, Rest, Waiting
from rotator.core.agenda import LastLook, State, needs_a_person
from rotator.core.facts import Facts
from rotator.core.foresight import step_after, step_of
from rotator.core.model import Mode
from rotator.errors import BusyError, InvariantError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.rotate import Outcome
    from rotator.core.agenda import Entry
    from rotator.core.foresight import Step
    from rotator.core.model import Target
    from rotator.daemon.vitals import TargetVitals

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tiding:
    """An event that lasts until another ending takes its place."""

    level: str
    event: str
    detail: str
    hint: str = ""


class Tidings:
    """What was told last of each target."""

    def __init__(self) -> None:
        """Have told nothing yet."""
        self._told: dict[str, Tiding] = {}

    def ended(self, outcome: Outcome, entry: Entry) -> None:
        """Log how a pass ended, if that is news."""
        name, tiding = outcome.target.name, _tiding(outcome, entry)
        before = self._told.get(name)
        if tiding == before:
            return
        if tiding is None:
            del self._told[name]
            log.info("target_recovered", **names_of(outcome.target))
            return
        self._told[name] = tiding
        fields: dict[str, Any] = {"detail": tiding.detail, "hint": tiding.hint, "next_look": entry.at.isoformat()}
        if isinstance(outcome.ending, RotatorError):
            fields |= _of_error(outcome.ending)
        getattr(log, tiding.level)(tiding.event, **names_of(outcome.target), **fields)

    def forget_others(self, names: frozenset[str]) -> None:
        """Forget the targets that are gone."""
        self._told = {name: tiding for name, tiding in self._told.items() if name in names}


def names_of(target: Target) -> dict[str, str]:
    """Return what names a target in an event."""
    return {"target": target.name, "org": target.org, "app_id": target.app_id}


def last_look(outcome: Outcome, now: datetime) -> LastLook:
    """Return what may be shown of an outcome. The snapshot itself holds values and is let go."""
    alive = Facts(outcome.seen, now).alive if outcome.seen else None
    shown: dict[str, Any] = {
        "at": now,
        "secret_id": alive.id if alive else None,
        "secret_created": alive.created if alive else None,
        "proof": outcome.proof,
        "planned": type(outcome.planned).__name__ if outcome.planned else "",
        "rotated_before": bool(outcome.seen and outcome.seen.staging.made),
        "unreached": isinstance(outcome.ending, UnavailableError | BusyError),
        "step": _step(outcome, now),
        "vault_version": outcome.seen.consumer.latest if outcome.seen else None,
    }
    match outcome.ending:
        case Rest(until=until, waiting=waiting, detail=detail):
            waits = "" if outcome.planned else waiting.value  # it could begin, and is not let
            return LastLook(**shown, result="resting", detail=detail, waiting=waits, until=until)
        case Blocked(block, detail, hint):
            return LastLook(**shown, result="blocked", detail=f"{block.value}: {detail}", hint=hint)
        case error:
            return LastLook(**shown, result="error", detail=str(error), hint=error.hint)


def _step(outcome: Outcome, now: datetime) -> Step | None:
    """Return what was left undone, or what the rest will end in."""
    if outcome.planned is not None:
        return step_of(outcome.planned)
    if outcome.seen is None or isinstance(outcome.ending, RotatorError):
        return None
    return step_after(outcome.ending, outcome.seen, now)


def tell_status(one: TargetVitals) -> None:
    """Log how a target stands."""
    last = one.last
    log.info(
        "status",
        **names_of(one.target),
        state=one.state.value,
        under_way=one.under_way,
        next_look=one.next_look.isoformat(),
        looked_at=last.at.isoformat() if last else None,
        waiting=last.waiting if last else "",
        until=last.until.isoformat() if last and last.until else None,
        detail=last.detail if last else "",
        secret_id=last.secret_id if last else None,
        failures=one.failures,
    )


def _tiding(outcome: Outcome, entry: Entry) -> Tiding | None:
    match outcome.ending:
        case Blocked(block, detail, hint):
            return Tiding("error", "target_blocked", f"{block.value}: {detail}", hint)
        case BusyError():
            return Tiding("info", "target_busy", "another process works on it")
        case RotatorError() as error:
            return _tiding_of_error(error, entry)
        case Rest(waiting=Waiting.VERIFICATION, detail=detail):
            return Tiding("warning", "secret_unproven", detail, "It is tried again; no other is made meanwhile.")
        case Rest(waiting=Waiting.IN_USE, detail=detail):
            return Tiding("warning", "old_secret_in_use", detail, "It stays active until its users take the new one.")
        case Rest(waiting=Waiting.EVIDENCE, detail=detail):
            return Tiding("warning", "use_unproven", detail, "It stays active until it is proven that nobody uses it.")
        case Rest(waiting=Waiting.HOOK, detail=detail):
            return Tiding("warning", "hook_failed", detail, "It is run again; the old secret stays active meanwhile.")
        case Rest(waiting=Waiting.PAUSED, detail=detail):
            return Tiding("info", "target_paused", detail)
        case Rest(waiting=Waiting.BREAKER, detail=detail):
            return Tiding("error", "target_stopped", detail, "Find out why; `rotator resume --all` lets all go on.")
    if outcome.planned is not None:
        why = outcome.target.only_observed or "its policy observes"
        if not outcome.target.only_observed and outcome.target.policy.mode is not Mode.OBSERVE:
            return None  # the brake is on, and told by itself
        return Tiding("info", "target_observed", f"would {type(outcome.planned).__name__}", f"Only looked at: {why}.")
    asks_for = {Waiting.TOLD: "rotate", Waiting.APPROVAL: "approve"}.get(outcome.ending.waiting)
    if asks_for is not None and outcome.ending.detail:
        return Tiding("info", "target_due", outcome.ending.detail, f"Run `rotator {asks_for} {outcome.target.name}`.")
    return None


def _tiding_of_error(error: RotatorError, entry: Entry) -> Tiding:
    if entry.state is State.PARKED:
        return Tiding("error", "target_parked", str(error), error.hint)
    return Tiding("error" if needs_a_person(error) else "warning", "target_failed", str(error), error.hint)


def _of_error(error: RotatorError) -> dict[str, Any]:
    """Return what else an error tells; the traceback only where the fault is ours."""
    fields = {"error": type(error).__name__, "request_id": error.request_id}
    if isinstance(error, InvariantError) and error.__cause__ is not None:
        return fields | {"exc_info": error.__cause__}
    return fields
