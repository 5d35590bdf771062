"""What a service that knows nothing yet has to find out before it may act (design: "State and scale"). Pure.

* A new state database may be a lost one. So everything only observes until each target was looked at once.
* If Vault shows that we rotated here before, or if many targets are due at once, a person is asked; else it goes on.
* A target that cannot be reached leaves the survey open: nobody knows what it would show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.admission import Brake, most_at_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from rotator.core.admission import Limits
    from rotator.core.agenda import LastLook

NEW_STATE = "the state database is new"  # as the first migration writes it
SURVEY = "the first survey"  # who releases its brake
_HINT = (
    "Was the database lost, or does `state.url` name another one? `rotator plan` says what is due;"
    " `rotator resume --all` lets everything go on."
)


def new_state(since: datetime) -> Brake:
    """Return the brake that a new state database begins with."""
    return Brake(since, NEW_STATE, "`rotator resume --all` lets it go on.")


def unfinished(targets: Collection[str], looks: Mapping[str, LastLook]) -> int:
    """Return how many targets nobody has looked at yet."""
    return sum(name not in looks or looks[name].unreached for name in targets)


def objection(targets: Collection[str], looks: Mapping[str, LastLook], limits: Limits, now: datetime) -> Brake | None:
    """Return what speaks against going on, once all were looked at."""
    before = sum(looks[name].rotated_before for name in targets)
    if before:
        whose = f"{before} target{'s' * (before > 1)}"
        return Brake(now, f"the state database is new, yet Vault shows earlier rotations of {whose}", _HINT)
    due = sum(bool(looks[name].planned) for name in targets)
    if due > (most := most_at_once(limits, len(targets))):
        return Brake(now, f"{due} targets are due at once, more than {most} (`limits`)", _HINT)
    return None
