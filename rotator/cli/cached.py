"""`plan --cached` and `status --cached`: what the state database remembers. Nobody is asked, and nothing is changed.

* Each target is told as it was at the daemon's last look at it, and how old that is; what has fallen due since, as due.
* Of whom nothing is remembered, or whose configuration has changed since, nothing is told but that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rotator.cli.heap import uncollected
from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.report import VERSION, age, moment, names_of
from rotator.cli.results import Result, exit_code
from rotator.cli.steps import plan_of_step
from rotator.core.actions import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.cli.options import Invocation
    from rotator.core.admission import Brake
    from rotator.core.agenda import LastLook, Remembered
    from rotator.core.model import Target
    from rotator.settings import Settings

HEADINGS = ("TARGET", "RESULT", "SECRET", "LOOKED AT", "DETAIL")
NOT_YET, MOVED = "nobody has looked at it yet", "its configuration has changed since the last look"
WAITS = {
    Waiting.PAUSED.value: (Result.PAUSED, 4),
    Waiting.ATTEMPT.value: (Result.WAITING, 4),
    Waiting.VERIFICATION.value: (Result.UNVERIFIED, 1),
}
HELD = frozenset({each.value for each in (Waiting.TURN, Waiting.BACKLOG, Waiting.BREAKER, Waiting.SLOT)})
DUE_IF_TOLD = frozenset(
    {each.value for each in (Waiting.WINDOW, Waiting.TOLD, Waiting.APPROVAL)}
)  # with a detail: it says why


@dataclass(frozen=True, slots=True)
class Recalled:
    """A target, and what is remembered of it as it is configured now; None if nothing."""

    target: Target
    known: Remembered | None
    why_not: str = ""

    @property
    def last(self) -> LastLook | None:
        return self.known.last if self.known else None


@dataclass(frozen=True, slots=True)
class Said:
    """A target as the memory tells it."""

    about: Recalled
    result: Result
    exit_code: int
    message: str
    hint: str = ""
    next: str = ""


@uncollected()
def plan(invocation: Invocation, names: Sequence[str], *, output: str) -> list[Said]:
    """Print what would be done, as far as that is remembered, and return it."""
    now = datetime.now(UTC)
    recalled, brake = _recall(invocation.settings(), names)
    told = [_said(each, now) for each in recalled]
    code = exit_code(each.exit_code for each in told)
    if output == "json":
        targets = [_as_json(each) for each in told]
        print_json(
            {"version": VERSION, "command": "plan", "exit_code": code, **_of_cache(recalled), "targets": targets}
        )
    elif told:
        print_table(HEADINGS, [_row(each) for each in told])
        print_lines([f"{each.about.target.name}: {each.hint}" for each in told if each.hint])
    _say_how_old(recalled, brake, now)
    return told


def code_of(told: Sequence[Said], *, detailed: bool) -> int:
    """Return the exit code; `detailed` as Terraform's. Of whom nothing is known nobody can say that nothing is due."""
    if not detailed:
        return exit_code(each.exit_code for each in told)
    if any(each.exit_code not in {0, 4} or each.result is Result.NOT_KNOWN for each in told):
        return 1
    return 2 if any(each.result is Result.PLANNED for each in told) else 0


@uncollected()
def status(invocation: Invocation, names: Sequence[str], *, output: str) -> int:
    """Print how each target stood, in the words of the daemon."""
    from rotator.cli import by_daemon
    from rotator.core.agenda import Entry
    from rotator.daemon.standing import standing_of
    from rotator.daemon.vitals import TargetVitals

    now = datetime.now(UTC)
    recalled, brake = _recall(invocation.settings(), names)
    told = []
    for each in recalled:
        entry = each.known.entry if each.known else Entry(now)
        vitals = TargetVitals(each.target, entry.state, entry.at, entry.failures, under_way=False, last=each.last)
        told.append({**standing_of(vitals), "detail": each.last.detail if each.last else each.why_not})
    if output == "json":
        print_json({"version": VERSION, "command": "status", "exit_code": 0, **_of_cache(recalled), "targets": told})
    elif told:
        print_table(by_daemon.HEADINGS, [by_daemon.row(each, now) for each in told])
        print_lines([f"{each['target']}: {each['hint']}" for each in told if each["hint"]])
    _say_how_old(recalled, brake, now)
    return 0


# --- what is remembered -------------------------------------------------------------------------------------


def _recall(settings: Settings, names: Sequence[str]) -> tuple[list[Recalled], Brake | None]:
    """Return the targets with what is remembered of each; `MissingError` if there is no state database."""
    import asyncio

    from rotator.core.agenda import digests_of
    from rotator.core.selection import targets_of
    from rotator.errors import MissingError
    from rotator.settings import find_targets
    from rotator.wiring_state import open_memory

    if not settings.state.made:
        raise MissingError(
            "there is no state database", hint="`rotator run` makes one; without --cached nobody needs it."
        )

    async def read() -> tuple[Sequence[Target], dict[str, Remembered], Brake | None]:
        async with open_memory(settings) as state:
            targets = targets_of(settings, await state.roster.members()) if settings.selections else settings.targets
            return targets, {each.name: each for each in await state.memory.recall()}, await state.brakes.brake()

    targets, memory, brake = asyncio.run(read())
    chosen = find_targets(settings, names, among=targets) if names else targets
    digests = digests_of(chosen)
    return [_recalled(target, memory.get(target.name), digests[target.name]) for target in chosen], brake


def _recalled(target: Target, known: Remembered | None, digest: str) -> Recalled:
    if known is None or known.last is None:
        return Recalled(target, None, NOT_YET)
    return Recalled(target, known) if known.settings == digest else Recalled(target, None, MOVED)


def _say_how_old(recalled: Sequence[Recalled], brake: Brake | None, now: datetime) -> None:
    """Say on stderr what this is, so that nobody takes it for a look."""
    looks = sorted(each.last.at for each in recalled if each.last)
    told = f"looked at {age(now - looks[-1])} to {age(now - looks[0])} ago" if looks else "nobody was looked at"
    unknown = len(recalled) - len(looks)
    beside = f", {unknown} not known" if unknown else ""
    click.echo(f"rotator: as the state database remembers it, nobody was asked: {told}{beside}", err=True)
    if brake is not None:
        click.echo(f"rotator: everything is only looked at: {brake.why}\n{brake.hint}", err=True)


def _of_cache(recalled: Sequence[Recalled]) -> dict[str, Any]:
    looks = [each.last.at for each in recalled if each.last]
    oldest, newest = (min(looks).isoformat(), max(looks).isoformat()) if looks else (None, None)
    return {"cached": {"oldest_look": oldest, "newest_look": newest, "not_known": len(recalled) - len(looks)}}


# --- what it comes to ---------------------------------------------------------------------------------------


def _said(each: Recalled, now: datetime) -> Said:
    last = each.last
    if last is None:
        return Said(each, Result.NOT_KNOWN, 0, each.why_not)
    if last.result == "blocked":
        return Said(each, Result.BLOCKED, 1, last.detail, last.hint)
    if last.result == "error":
        result, code = (Result.UNREACHABLE, 5) if last.unreached else (Result.FAILED, 1)
        return Said(each, result, code, last.detail, last.hint)
    return _resting(each, last, now)


def _resting(each: Recalled, last: LastLook, now: datetime) -> Said:
    words = plan_of_step(last.step, each.target) if last.step else ""
    if last.planned:
        return Said(each, Result.PLANNED, 0, f"would {words or last.planned}")
    if last.waiting in WAITS:
        result, code = WAITS[last.waiting]
        return Said(each, result, code, last.detail or f"waits for {last.waiting}")
    if last.waiting in HELD or (last.waiting in DUE_IF_TOLD and last.detail):
        sentence = f"cannot be finished now, waits for {last.waiting}" + (f": {last.detail}" if last.detail else "")
        return Said(each, Result.WAITING, 0, sentence, next=f"would {words}" if words else "")
    if last.until is not None and last.until <= now and words:
        return Said(each, Result.PLANNED, 0, f"would {words}; it is due since {moment(last.until)}")
    made = last.secret_created
    old = f"{last.secret_id} is {age(now - made)} old" if made else ""
    then = f"after {moment(last.until)} it would {words}" if last.until and words else ""
    return Said(each, Result.NOTHING_DUE, 0, old, next=then)


def _row(told: Said) -> tuple[str, ...]:
    last = told.about.last
    sentence = "; ".join([text for text in (told.message, told.next) if text])
    looked_at = f"{last.at:%Y-%m-%d %H:%M}" if last else "-"
    return (told.about.target.name, told.result.value, (last and last.secret_id) or "-", looked_at, sentence or "-")


def _as_json(told: Said) -> dict[str, Any]:
    """Return the form of `rotator plan`, as far as it is remembered, and when the target was looked at."""
    last, step = told.about.last, told.about.last.step if told.about.last else None
    waits = last is not None and last.result == "resting" and not last.planned
    until = last.until.isoformat() if last and last.until else None
    return {
        **names_of(told.about.target),
        "result": told.result.value,
        "exit_code": told.exit_code,
        "message": told.message,
        "hint": told.hint,
        "secret_id": last.secret_id if last else None,
        "vault_version": last.vault_version if last else None,
        "planned": step.name if step and told.result is Result.PLANNED else None,
        "next": {
            "waiting": Waiting(last.waiting).name.lower() if last.waiting else None,
            "at": until,
            "step": step.name if step else None,
            "detail": told.next,
        }
        if last is not None and waits
        else None,
        "looked_at": last.at.isoformat() if last else None,
    }
