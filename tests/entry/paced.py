"""Passes at the pace of Okta's rate limits over a sandbox whose time runs fast, and what its answers told of them.

Time jumps over what is waited for once no call is under way.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.adapters.leases import FileLeases
from rotator.adapters.mint import RandomMint
from rotator.adapters.no_state import NoJournal, OpenGate
from rotator.adapters.okta_admin import OktaSdkAdmin
from rotator.adapters.okta_log import OktaSystemLog
from rotator.adapters.okta_pace import OktaPace, Turn
from rotator.adapters.okta_session import OktaSession
from rotator.adapters.okta_tokens import OktaTokenEndpoint
from rotator.adapters.vault_kv import VaultKv
from rotator.app.observe import World
from rotator.app.reconcile import ONE_PASS, Patience, reconcile
from rotator.core.budget import bucket_of
from rotator.core.model import ProofLevel
from rotator.settings import load
from rotator.wiring import okta_connection, vault_connection
from rotator.wiring_hooks import open_hooks
from tests.app.small_world import Told
from tests.entry.site import APPS, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.app.rotate import Outcome
    from rotator.sandbox.clock import SandboxClock
    from rotator.sandbox.journal import Wanted

SLOW = 20.0


class Watched(OktaPace):
    """The pace, and what each answer told, by bucket and window: the limit and what was left."""

    def __init__(self, clock: SandboxClock, *, jumps: bool = True) -> None:
        """Jump over what is waited for, or wait as long as the clock takes at the slow pace."""
        super().__init__("the sandbox", clock, sleep=self.jump if jumps else self.wait)
        self.told: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        self._sandbox_clock = clock
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def turn(self, path: str) -> AsyncIterator[Turn]:
        async with super().turn(path) as turn:
            self._calls += 1
            self._idle.clear()
            try:
                yield turn
            finally:
                self._calls -= 1
                if not self._calls:
                    self._idle.set()
                if turn.answer:
                    self._note(path, turn.answer[1])

    async def jump(self, seconds: float) -> None:
        """Let time pass at once; not while a call is under way, for it would seem to have taken that long."""
        await self._idle.wait()
        self._sandbox_clock.advance(timedelta(seconds=seconds))

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SLOW)

    def _note(self, path: str, headers: object) -> None:
        assert hasattr(headers, "get")
        limit, left, resets = (headers.get(f"x-rate-limit-{name}", "0") for name in ("limit", "remaining", "reset"))
        self.told[bucket_of(path), resets].append((int(limit), int(left)))


class Unpaced(Watched):
    """No pace: whatever is to be sent is sent."""

    @asynccontextmanager
    async def turn(self, path: str) -> AsyncIterator[Turn]:
        yield Turn()


async def passed(site: Site, pace: Watched, *, patience: Patience = ONE_PASS) -> tuple[Outcome, ...]:
    """Make a pass over all targets, as `rotator reconcile` does, at that pace."""
    settings, clock = load(site.config), site.box.clock
    connection = okta_connection(settings.orgs["acme"])
    session = OktaSession(connection, clock, pace=pace)
    tokens = OktaTokenEndpoint(connection, clock, pace=pace)
    kv = VaultKv(vault_connection(settings.vaults["main"]), clock, warn=print)
    world = World(
        okta=OktaSdkAdmin(session),
        log=OktaSystemLog(session),
        tokens=tokens,
        kv=kv,
        leases=FileLeases(site.folder / "leases", {"acme": "127.0.0.1"}),
        clock=clock,
        mint=RandomMint(),
        progress=Told(),
        gate=OpenGate(),
        journal=NoJournal(),
        hooks=open_hooks(settings, clock),
    )
    try:
        return await reconcile(settings.targets, lambda _: world, patience=patience, sleep=pace.jump)
    finally:
        for each in (session, tokens, kv):
            await each.aclose()


def rotated(outcomes: tuple[Outcome, ...]) -> int:
    """Count those whose new secret is out and proven."""
    promoted = [any(type(step.action).__name__ == "Promote" for step in outcome.steps) for outcome in outcomes]
    proven = [outcome.proof is not None and outcome.proof.level is ProofLevel.TOKEN_ISSUED for outcome in outcomes]
    return sum(map(all, zip(promoted, proven, strict=True)))


def times(site: Site, wanted: Wanted = APPS) -> list[float]:
    """Return when calls, by default of the small bucket, arrived: in seconds after the first."""
    arrived = [call.at for call in site.box.journal.calls(wanted)]
    return [(at - arrived[0]).total_seconds() for at in arrived]
