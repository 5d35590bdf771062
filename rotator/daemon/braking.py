"""The brake: while it is on, every pass only observes. Kept in the state, where all members and commands find it.

* It is read at every tick; each change is one event in the log.
* A new state database has it on. It is released by itself once every target was looked at and nothing speaks against
  it (`core.survey`), or set anew with what does; from then on only a person releases it.
* Who was held back by it is looked at as soon as it is off, even if that look was still being made then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from rotator.core.survey import NEW_STATE, objection, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rotator.core.admission import Brake, Limits
    from rotator.daemon.vitals import Pulse
    from rotator.ports import Brakes, Clock

log = structlog.get_logger()


class Braking:
    """Whether passes may act."""

    def __init__(
        self,
        pulse: Pulse,
        brakes: Brakes,
        *,
        clock: Clock,
        limits: Callable[[], Limits],
        wake: Callable[[Iterable[str]], None],
    ) -> None:
        """Know nothing yet, and so let nothing be done: ask first."""
        self._pulse = pulse
        self._brakes = brakes
        self._clock = clock
        self._limits = limits
        self._wake = wake
        self._held_back: set[str] = set()

    async def ask(self) -> None:
        """Find out whether the brake is on, and whether a new state may go on by now."""
        brake = await self._brakes.brake()
        if brake is not None and brake.why == NEW_STATE and not unfinished(self._pulse.targets, self._pulse.last):
            brake = await self._judge()
        self._take(brake)

    def note(self, name: str, *, held_back: bool) -> None:
        """Note whether a pass had something to do that it was not let do."""
        if not held_back:
            self._held_back.discard(name)
        elif self._pulse.brake is not None:
            self._held_back.add(name)
        else:  # it came off in the middle of the pass
            self._wake([name])

    async def _judge(self) -> Brake | None:
        """Release the brake of a new state, or set it anew with what speaks against that."""
        pulse, now = self._pulse, self._clock.now()
        await self._brakes.end_survey(objection(pulse.targets, pulse.last, self._limits(), now), now)
        return await self._brakes.brake()

    def _take(self, brake: Brake | None) -> None:
        before, self._pulse.brake = self._pulse.brake, brake
        if brake is None:
            if before is not None:
                log.info("brake_released", held_back=len(self._held_back))
                self._wake(self._held_back)
                self._held_back = set()
            return
        if before is None or before.why != brake.why:
            level = log.info if brake.why == NEW_STATE else log.error
            level("brake_set", since=brake.since.isoformat(), detail=brake.why, hint=brake.hint)
