"""Finding out who is away: by asking, one question at a time for each side, however many passes have failed.

* A pass that failed is a reason to ask both of its sides, if possible by way of another target.
* What comes back over connections that have been left behind since says nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol

from rotator.app.reconcile import each
from rotator.daemon.reach import ask, may_be_away
from rotator.daemon.vitals import STATE, Side, sides_of
from rotator.errors import RateLimitedError, RotatorError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AsyncExitStack
    from datetime import timedelta

    from rotator.app.observe import World
    from rotator.core.model import Target
    from rotator.daemon.reach import Horizon
    from rotator.daemon.vitals import Pulse
    from rotator.settings import Settings


class Connections(Protocol):
    """Protocol: the ports of every target, as they are wired."""

    def of(self, target: Target) -> World:
        """Return the ports of a target; raises one of our errors where they cannot even be opened."""
        ...

    async def keep_alive(self) -> Mapping[str, RotatorError | None]:
        """Renew the logins at Vaults that are due; return what came of it, by alias."""
        ...

    def follow(self, settings: Settings) -> AsyncExitStack:
        """Go over to other settings; closing what is returned closes what they leave behind."""
        ...


class Inquiry:
    """Asks, and has the horizon note what came of it."""

    def __init__(
        self,
        pulse: Pulse,
        horizon: Horizon,
        connections: Connections,
        *,
        answer_within: timedelta,
        ring: Callable[[], None],
    ) -> None:
        """Ask nobody yet; `ring` is called after each answer. `answer_within` is for a call that keeps no limit."""
        self._pulse = pulse
        self._horizon = horizon
        self._connections = connections
        self._within = answer_within.total_seconds()
        self._ring = ring
        self._asked_last: dict[Side, float] = {}
        self._turns: dict[Side, asyncio.Lock] = {}
        self._followed = 0

    def connections_changed(self) -> None:
        """Let what is being asked now say nothing."""
        self._followed += 1

    async def find_out(self, target: Target, error: object) -> None:
        """Find out whether it was the target's org or its Vault. A limit that is not Vault's is Okta's."""
        if isinstance(error, StateError):
            self._horizon.note(STATE, error)
            return
        okta, vault, _ = sides_of(target)
        if not isinstance(error, RateLimitedError):
            await asyncio.gather(self.ask(okta, failed=target), self.ask(vault, failed=target))
            return
        await self.ask(vault, failed=target)
        if error.retry_at is not None and not self._horizon.holds(target):
            self._horizon.note(okta, error)

    async def ask(self, side: Side, *, failed: Target | None = None) -> None:
        """Ask whether the side is there, if possible by way of another target than the one that failed."""
        clock = asyncio.get_running_loop().time
        wanted = clock()
        async with self._turns.setdefault(side, asyncio.Lock()):
            via = self._via(side, failed)
            known = self._asked_last.get(side, -1.0) >= wanted  # somebody has asked while we waited
            if via is None or known or (failed is not None and not self._horizon.fine(side)):
                return
            followed = self._followed
            (answer,) = await each([via], partial(self._answer, side), failed=lambda _, error: error)
            if followed != self._followed:
                return
            self._asked_last[side] = clock()
            self._horizon.note(side, answer)
        self._ring()

    async def keep_logins_alive(self) -> None:
        """Renew what is due. Only a failure shows anything: a login that is not due asks nobody."""
        for alias, error in (await self._connections.keep_alive()).items():
            if may_be_away(error):
                self._horizon.note(Side("vault", alias), error)

    async def _answer(self, side: Side, target: Target) -> RotatorError | None:
        async with asyncio.timeout(self._within):
            return await ask(side, target, self._connections.of(target))

    def _via(self, side: Side, failed: Target | None) -> Target | None:
        pulse = self._pulse
        there = [target for target in pulse.targets.values() if side in sides_of(target)]
        sound = (target for target in there if target != failed and not pulse.entries[target.name].failures)
        return next(sound, failed or next(iter(there), None))
