"""Who has an old secret that is switched off and comes back for whoever still uses it, as far as anybody knows.

* A pass of ours tells it exactly. Of a target that we have not looked at, since the start or before another member did,
  the last look that is remembered tells: it waits for the end of the soak, and that says since when. Nothing else is
  kept, so that a restart costs no look. Only the client id is not known then; it hardly ever differs from the app's.
* A look that did not get as far changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.actions import Waiting
from rotator.core.facts import Facts
from rotator.core.model import Mode

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.app.rotate import Outcome
    from rotator.core.agenda import LastLook
    from rotator.daemon.vitals import TargetVitals

ERROR = "error"  # how a look ended that may not have seen much


@dataclass(frozen=True, slots=True)
class Soak:
    """That a target's old secret is off, since when, and by which names the log knows its client."""

    target: str
    since: datetime
    clients: frozenset[str]


class Soaking:
    """What passes have told of it."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seen: dict[str, tuple[datetime, Soak | None]] = {}  # by target, with the time of the look

    def passed(self, outcome: Outcome, now: datetime) -> None:
        """Learn from a pass."""
        seen = outcome.seen
        if seen is None or seen.app is None:
            return
        off = [leaving.secret.changed for leaving in Facts(seen, now).leaving if leaving.comes_back]
        names = frozenset({seen.app.id, seen.app.client_id})
        self._seen[outcome.target.name] = now, Soak(outcome.target.name, min(off), names) if off else None

    def of(self, one: TargetVitals) -> Soak | None:
        """Return what is known of a target; None if nothing of it soaks, or if it may not be touched."""
        if one.target.policy.mode is Mode.OBSERVE:
            return None
        at, soak = self._seen.get(one.target.name, (None, None))
        newer = one.last is not None and one.last.result != ERROR and (at is None or one.last.at > at)
        return _remembered(one, one.last) if newer and one.last else soak


def _remembered(one: TargetVitals, last: LastLook) -> Soak | None:
    if last.waiting != Waiting.SOAK.value or last.until is None:
        return None
    return Soak(one.target.name, last.until - one.target.policy.soak, frozenset({one.target.app_id}))
