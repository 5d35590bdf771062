"""What Prometheus reads: moments, never ages, so that a value stays true between two scrapes.

* What another member found out, or was known before a restart, counts as a look of our own: the newest look is shown.
* A moment that was seen is kept while looking fails: an outage must not hide that something is overdue.
* A target without such a moment has no sample, never a zero.
* Counters begin with the process, at zero where their labels are known beforehand.
* Nothing secret: names, words of ours, and times.
"""

from __future__ import annotations

import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rotator import __version__
from rotator.core.actions import Adopt, Blocked, CloseStaging, Rest, Waiting
from rotator.core.agenda import State
from rotator.core.deadlines import STEPS
from rotator.core.facts import Facts
from rotator.core.preflight import Check
from rotator.errors import BusyError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from rotator.app.rotate import Outcome, Step
    from rotator.core.agenda import LastLook
    from rotator.daemon.vitals import Vitals

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OUTCOMES = ("promoted", "discarded", "adopted")
RESULTS = ("sent", "retried", "lost")

_WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

Sample = tuple[dict[str, str], float]


@dataclass(slots=True)
class Tally:
    """What passes have shown. Whoever carries a target on tells it the outcome; the looks of others are taken up."""

    rotations: Counter[tuple[str, str]] = field(default_factory=Counter)  # by target and outcome
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # by step and reason
    created: dict[str, datetime] = field(default_factory=dict)  # the secret that consumers read, by target
    due: dict[str, datetime] = field(default_factory=dict)  # the next step, by target
    succeeded: dict[str, datetime] = field(default_factory=dict)  # by target
    notices: Counter[tuple[str, str]] = field(default_factory=Counter)  # by channel and what came of them
    notices_waiting: Mapping[str, int] = field(default_factory=dict)  # by channel
    late: Mapping[str, int] = field(default_factory=dict)  # targets, by the step that is

    def passed(self, outcome: Outcome, now: datetime) -> None:
        """Count what came of a pass, and keep the moments that it has shown."""
        self._count(outcome)
        name = outcome.target.name
        if outcome.seen is not None:
            current = Facts(outcome.seen, now).alive
            _keep(self.created, name, current.created if current else None)
        match outcome.ending:
            case Rest(until=until, waiting=waiting):
                _keep(self.due, name, until)
                if waiting is not Waiting.VERIFICATION:
                    self.succeeded[name] = now
            case Blocked():
                _keep(self.due, name, None)

    def looked(self, name: str, look: LastLook | None) -> None:
        """Keep the moments that the last look has shown, whoever looked. One that failed may have seen nothing."""
        if look is None or look.result == "error":
            return
        _keep(self.created, name, look.secret_created)
        _keep(self.due, name, look.until)
        if look.result == "resting" and look.waiting != Waiting.VERIFICATION.value:
            self.succeeded[name] = look.at

    def _count(self, outcome: Outcome) -> None:
        for step in outcome.steps:
            if step.surprise is not None:
                self._failed(step.action, step.surprise)
            elif (ended := _ended(step)) is not None:
                self.rotations[outcome.target.name, ended] += 1
        error = outcome.ending
        if isinstance(error, RotatorError) and not isinstance(error, BusyError):  # busy: somebody else is at it
            self._failed(outcome.failed, error)

    def _failed(self, action: object, error: RotatorError) -> None:
        step = "look" if action is None else _words(type(action).__name__)
        self.failures[step, _words(type(error).__name__.removesuffix("Error"))] += 1


def _keep(moments: dict[str, datetime], name: str, moment: datetime | None) -> None:
    if moment is None:
        moments.pop(name, None)
    else:
        moments[name] = moment


def _ended(step: Step) -> str | None:
    """Return how a rotation has ended with this step, if it has."""
    match step.action:
        case CloseStaging(why=why) if why in OUTCOMES:
            return why
        case Adopt():
            return "adopted"
    return None


def _words(name: str) -> str:
    return _WORD_ENDS.sub("_", name).lower()


# --- The text ---------------------------------------------------------------------------------------------


def exposition(vitals: Vitals, tally: Tally, logins: Mapping[str, datetime | None]) -> Iterator[str]:
    """Yield the lines; `logins` has when each Vault's token ends, None for never.

    No step of it takes long, however many targets there are: whoever sends them may let others take turns.
    """
    targets = []
    for each in vitals.targets():
        targets.append(each)
        tally.looked(each.target.name, each.last)
        yield ""
    states = Counter(each.state for each in targets)
    version = {"version": __version__, "python": platform.python_version()}
    yield from _gauge("build_info", "Which program this is.", [(version, 1.0)])
    yield from _gauge("started_timestamp_seconds", "When the daemon began.", [({}, vitals.started_at.timestamp())])
    yield from _gauge(
        "last_tick_timestamp_seconds", "When the last tick finished; no more ticks, no rotations.", _tick(vitals)
    )
    yield from _gauge(
        "targets", "Targets by how they stand.", [({"state": state.value}, states[state]) for state in State]
    )
    held = Counter(finding.check for finding in vitals.held_back.values())
    yield from _gauge(
        "held_back",
        "Targets that are only looked at until a check of the pre-flight passes.",
        [({"check": check.value}, held[check]) for check in Check],
    )
    yield from _gauge("brake", "1 while everything is only looked at.", [({}, vitals.brake is not None)])
    yield from _gauge(
        "reachable",
        "1 for an org, a Vault or the state database that can be worked with, 0 if it is away, sealed or refuses us.",
        [({"kind": side.kind, "alias": side.alias}, reach.fine) for side, reach in vitals.reach.items()],
    )
    yield from _gauge(
        "vault_token_expiry_timestamp_seconds",
        "When our token at a Vault ends unless it is renewed; none for a token that does not end.",
        [({"vault": alias}, ends.timestamp()) for alias, ends in logins.items() if ends],
    )
    names = [each.target.name for each in targets]
    for family, about, moments in (
        ("secret_created", "When the secret that consumers read was made, by Okta's clock.", tally.created),
        ("next_step", "When the next step is due; none where somebody has to act first.", tally.due),
        ("last_success", "When a look at the target last ended with nothing wrong.", tally.succeeded),
    ):
        yield from _gauge(f"{family}_timestamp_seconds", about, _moments(names, moments))
    yield from _counted(names, tally)
    yield from _told(tally)


def _counted(names: Sequence[str], tally: Tally) -> Iterator[str]:
    yield from _counter(
        "rotations_total",
        "Rotations that ended, by how.",
        (
            ({"target": name, "outcome": outcome}, tally.rotations[name, outcome])
            for name in names
            for outcome in OUTCOMES
        ),
    )
    yield from _counter(
        "step_failures_total",
        "Steps that did not end as expected, by why.",
        [({"step": step, "reason": reason}, count) for (step, reason), count in sorted(tally.failures.items())],
    )


def _told(tally: Tally) -> Iterator[str]:
    yield from _gauge(
        "late",
        "Targets whose next step is overdue by more than `notify.late_after`; counted where that is configured.",
        [({"step": step}, tally.late.get(step, 0)) for step in STEPS],
    )
    yield from _gauge(
        "notices_waiting",
        "Notices that wait to be sent.",
        [({"channel": channel}, count) for channel, count in sorted(tally.notices_waiting.items())],
    )
    yield from _counter(
        "notices_sent_total",
        "Notices by what came of them: sent, retried (once for each try that failed), lost.",
        [
            ({"channel": channel, "result": result}, tally.notices[channel, result])
            for channel in sorted(tally.notices_waiting)
            for result in RESULTS
        ],
    )


def _tick(vitals: Vitals) -> list[Sample]:
    return [({}, vitals.last_tick.timestamp())] if vitals.last_tick else []


def _moments(names: Iterable[str], moments: Mapping[str, datetime]) -> Iterator[Sample]:
    return (({"target": name}, moments[name].timestamp()) for name in names if name in moments)


def _gauge(name: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    return _family(name, "gauge", about, samples=samples)


def _counter(name: str, about: str, samples: Iterable[Sample]) -> Iterator[str]:
    return _family(name, "counter", about, samples=samples)


def _family(name: str, kind: str, about: str, *, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP rotator_{name} {about}\n"
    yield f"# TYPE rotator_{name} {kind}\n"
    for labels, value in samples:
        pairs = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        yield f"rotator_{name}{'{' + pairs + '}' if pairs else ''} {_number(value)}\n"


def _number(value: float) -> str:
    # Not `g`: it would cut a moment to a quarter of an hour.
    return str(int(value)) if value == int(value) else f"{value:.3f}"
