"""One org as the admin and the log adapter reach it: one pool of connections, one login, one time limit per call.

* A read is repeated, at most twice more, with jitter, inside its limit. A write never is: what its loss leaves open
  is for the caller to look up.
* Every call takes its turn in Okta's budget (`okta_pace`). Waiting for it is not counted against the limit.
* The exception is a 401 against a token that we have had for a while: it says for certain that nothing was done, so
  we sign in afresh and ask once more.
* The SDK is imported at the first call: half a second that a command which needs no Okta does not pay.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from rotator.adapters.okta_answers import Page
from rotator.adapters.okta_connection import OktaConnection, PrivateKeyAuth
from rotator.adapters.okta_pace import OktaPace, in_time
from rotator.errors import RateLimitedError, RefusedError, UnavailableError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    import aiohttp

    from rotator.adapters.okta_answers import Answer
    from rotator.adapters.okta_sdk import NarrowClient
    from rotator.core.budget import Window
    from rotator.ports import Clock

    Ask = Callable[[NarrowClient], Awaitable[Answer]]

TRIES = 3
PAUSE = 0.2  # seconds, times the number of the attempt, with jitter


class OktaSession:
    """Our side of the conversation with one org. Use it from one event loop; close it in the end."""

    def __init__(self, connection: OktaConnection, clock: Clock, *, pace: OktaPace | None = None) -> None:
        """Open nothing yet; `pace` is the org's, by default one of our own."""
        self.connection = connection
        self._clock = clock
        self._pace = pace or OktaPace(connection.host, clock)
        self._pool: aiohttp.ClientSession | None = None
        self._client: NarrowClient | None = None

    @property
    def our_client_id(self) -> str | None:
        """The client id under which Okta's log knows us; None where we use an administrator's token."""
        auth = self.connection.auth
        return auth.client_id if isinstance(auth, PrivateKeyAuth) else None

    async def read(self, ask: Ask) -> Page:
        """Ask; again if Okta is away for a moment. Never leaves an outcome unknown."""
        client = self._opened()
        try:
            async with in_time(self.connection.answer_within) as limit:
                return await self._read(client, ask, limit)
        except TimeoutError:
            pass
        raise UnavailableError(f"okta {self.connection.host}: no answer within {self.connection.answer_within}")

    async def write(self, ask: Ask) -> Answer:
        """Ask once. A loss after anything may have left this machine is an `UnknownOutcomeError`."""
        client = self._opened()
        try:
            async with in_time(self.connection.answer_within):
                return await _signed_in(client, ask)
        except TimeoutError:
            pass
        raise UnknownOutcomeError(f"okta {self.connection.host}: no answer within {self.connection.answer_within}")

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes that Okta said our token has. An API token has none."""
        client = self._opened()
        try:
            async with in_time(self.connection.answer_within):
                return await client.sign_in()
        except TimeoutError:
            pass
        raise UnavailableError(f"okta {self.connection.host}: no answer within {self.connection.answer_within}")

    @property
    def windows(self) -> dict[str, Window]:
        """What the last answers said of each rate-limit bucket, where they said something."""
        return self._pace.windows

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock was ahead of Okta's when it last answered."""
        return self._pace.ahead

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool, self._client = self._pool, None, None
        if pool is not None:
            await pool.close()

    async def _read(self, client: NarrowClient, ask: Ask, limit: asyncio.Timeout) -> Page:
        for attempt in range(1, TRIES):
            try:
                return self._page(await _signed_in(client, ask))
            except RateLimitedError:
                continue  # the next turn is when the limit allows, or refused
            except UnavailableError:
                pause = PAUSE * attempt * random.uniform(0.5, 1.5)  # noqa: S311 -- jitter
                if asyncio.get_running_loop().time() + pause >= (limit.when() or 0):
                    raise
            await asyncio.sleep(pause)
        return self._page(await _signed_in(client, ask))

    def _opened(self) -> NarrowClient:
        if self._client is None:
            from rotator.adapters.okta_sdk import NarrowClient, open_pool  # noqa: PLC0415 -- see the module's rules

            self._pool = open_pool(self.connection)
            self._client = NarrowClient(self.connection, self._pool, now=self._clock.now, pace=self._pace)
        return self._client

    def _page(self, answer: Answer) -> Page:
        try:
            return Page(answer.document(), answer.next_link, answer.at)
        except ValueError:
            raise UnavailableError(
                f"okta {self.connection.host}: answered {answer.status} with something that is no JSON",
                hint="Check org_url; a proxy or a maintenance page may answer in Okta's place.",
            ) from None


async def _signed_in(client: NarrowClient, ask: Ask) -> Answer:
    try:
        return await ask(client)
    except RefusedError as refused:
        if refused.code != "E0000011" or not client.forget_login():
            raise
    return await ask(client)
