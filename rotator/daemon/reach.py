"""Which orgs and Vaults answer. One that does not holds all its targets back together, and is asked once a tick.

* Whether a side is away is found out by asking it, with one small read, and not guessed from a pass that failed: an
  app for which Okta fails does not make its org unreachable.
* Each change is one event in the log, however many targets it holds.
* A rate limit holds as well, for as long as it says. That is nothing wrong, and nobody is asked meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from rotator.core.agenda import LONGEST_LIMIT
from rotator.daemon.vitals import STATE, Condition, Reach, Side, sides_of
from rotator.errors import RateLimitedError, RefusedError, RotatorError, SealedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from rotator.app.observe import World
    from rotator.core.model import Target
    from rotator.daemon.vitals import Pulse
    from rotator.ports import Clock

# A refusal with one of these codes is about our own login, whatever was asked for.
LOGIN_REFUSED = frozenset({"E0000011", "invalid_client", "login", "token", "mfa", "wrapping_token"})
LEVELS = {
    Condition.UNREACHABLE: ("warning", "unreachable"),
    Condition.SEALED: ("error", "sealed"),
    Condition.REFUSED: ("error", "refused_us"),
    Condition.LIMITED: ("info", "rate_limited"),
}

log = structlog.get_logger()


async def ask(side: Side, target: Target, world: World) -> RotatorError | None:
    """Ask an org or a Vault for something small about one of its targets; return what went wrong."""
    try:
        if side.kind == "okta":
            await world.okta.get_app(target.app_id)
        else:
            await world.kv.read_metadata(target.staging)
    except RotatorError as error:
        return error
    return None


def may_be_away(error: object) -> bool:
    """Say whether a pass that ended so is a reason to ask both of its sides."""
    return isinstance(error, UnavailableError) or _login_refused(error)


class Horizon:
    """The sides, as far as they were asked. Kept in the pulse, where it can be seen."""

    def __init__(self, pulse: Pulse, clock: Clock) -> None:
        """Take every side for reachable until it is asked."""
        self._reach = pulse.reach
        self._clock = clock

    def note(self, side: Side, error: RotatorError | None) -> None:
        """Note what came of asking, and log it if it changes anything."""
        now, condition = self._clock.now(), _condition(error)
        before = self._reach.get(side, Reach(Condition.UP, now))
        if before.condition is not condition or before.until is not None:
            self._reach[side] = Reach(condition, now, str(error or ""), _limited_until(error, now))
            _tell(side, before, self._reach[side], error)
        else:
            self._reach[side] = before

    def holds(self, target: Target) -> bool:
        """Say whether the target has to wait for its org or its Vault."""
        now = self._clock.now()
        return any(_holds(self._reach.get(side), now) for side in sides_of(target))

    def fine(self, side: Side) -> bool:
        """Say whether the side is not known to be away."""
        return side not in self._reach or self._reach[side].fine

    def away(self) -> tuple[Side, ...]:
        """Return the sides that are to be asked at the next tick."""
        return tuple(side for side, reach in self._reach.items() if not reach.fine)

    def limits_end(self) -> Iterator[datetime]:
        """Yield when rate limits end."""
        for reach in self._reach.values():
            if reach.until is not None:
                yield reach.until

    def keep(self, sides: Collection[Side]) -> None:
        """Forget the sides that are gone, and refusals: the configuration may have brought another login."""
        for side, reach in tuple(self._reach.items()):
            if side not in (*sides, STATE) or reach.condition is Condition.REFUSED:
                del self._reach[side]


def _limited_until(error: RotatorError | None, now: datetime) -> datetime | None:
    opens = error.retry_at if isinstance(error, RateLimitedError) else None
    return min(opens, now + LONGEST_LIMIT) if opens else None


def _login_refused(error: object) -> bool:
    return isinstance(error, RefusedError) and error.code in LOGIN_REFUSED


def _condition(error: RotatorError | None) -> Condition:
    """Return the condition that an answer shows. A refusal of what was asked for is an answer like any other."""
    if _login_refused(error):
        return Condition.REFUSED
    match error:
        case SealedError():
            return Condition.SEALED
        case RateLimitedError():
            return Condition.LIMITED
        case UnavailableError():
            return Condition.UNREACHABLE
    return Condition.UP


def _holds(reach: Reach | None, now: datetime) -> bool:
    if reach is None:
        return False
    # Further ahead than any limit is set: by a clock that was put back since.
    limited = reach.until is not None and now < reach.until <= now + LONGEST_LIMIT
    return limited or not reach.fine


def _tell(side: Side, before: Reach, after: Reach, error: RotatorError | None) -> None:
    names = {side.kind: side.alias}
    if error is not None and after.condition in LEVELS:
        if _holds(before, after.since) and before.condition is after.condition:
            return  # a limit that was prolonged
        level, word = LEVELS[after.condition]
        event, until = f"{side.kind}_{word}", {"until": after.until.isoformat()} if after.until else {}
        getattr(log, level)(event, **names, detail=str(error), hint=error.hint, **until)
    elif not before.fine:
        event = f"{side.kind}_reachable"
        log.info(event, **names, seconds_away=round((after.since - before.since).total_seconds()))
