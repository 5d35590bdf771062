"""Trials on the requests of one client of ours: what the token endpoints look at, and in which order.

Of those with a wrong secret there are two, and two more that Okta may count as such; `Bench.ask` sends no fifth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.app.certify_secrets import orders_of
from rotator.core.certification.notes import NOT_TRIED, Miss
from rotator.core.diagnosis.evidence import CLIENT_CREDENTIALS, INTROSPECTION, Answer, Asked
from rotator.core.model import AuthMethod

if TYPE_CHECKING:
    from rotator.app.certify_trial import Bench
    from rotator.core.certification.notes import Client, Maybe
    from rotator.core.model import SecretId
    from rotator.core.secret_value import SecretValue


class RequestTrials:
    """What one client may ask, with its secret and with another."""

    def __init__(self, bench: Bench, client: Client, value: SecretValue) -> None:
        """Ask nothing yet."""
        self._bench = bench
        self._notes = bench.notes
        self._client = client
        self._value = value
        self._percent = bench.means.lab.with_percent_signs(bench.means.mint.value())
        self._made: Maybe[SecretId] = NOT_TRIED  # the secret with percent signs

    async def prepare(self) -> None:
        """Make a secret with percent signs, so that it has time to arrive."""
        said, made = await self._bench.answered(self._bench.means.lab.create_secret(self._client.app, self._percent))
        if made is not None:
            self._made = made.id
        else:
            self._made = said if isinstance(said, Miss) else Miss(said.text)

    async def run(self) -> None:
        """Ask."""
        notes, bench = self._notes, self._bench
        bench.tell("asks with a good secret")
        await self._introspections()
        notes.granted = await bench.token(self._client, self._value, scope=bench.wish.scope)
        notes.hash_used = await self._hash()
        notes.both_ways = await self._both_ways()
        bench.tell("asks with a wrong secret, twice")
        notes.wrong_scope = await bench.wrong_token(self._client)
        wrong = bench.means.mint.value()
        notes.wrong_grant = await self._ask("authorization_code", wrong)
        bench.tell("asks in other ways")
        # Where introspection refuses this kind of app, whatever its secret, a token tells.
        by_token = isinstance(notes.introspected, Answer) and notes.introspected.error == "invalid_request"
        grant = CLIENT_CREDENTIALS if by_token else INTROSPECTION
        notes.other_method = await self._ask(grant, method=AuthMethod.POST)
        notes.percent = self._made if isinstance(self._made, Miss) else await self._ask(grant, self._percent)

    async def _introspections(self) -> None:
        notes, bench = self._notes, self._bench
        if bench.custom is not None:
            notes.introspected = await bench.introspect(self._client, self._value)
        notes.introspected_by_org = await bench.introspect(self._client, self._value, bench.wish.org_url)

    async def _hash(self) -> str:
        """Return what the API shows as the hash of the client's secret, which need not be what we compute."""
        _, secrets = await self._bench.answered(self._bench.means.lab.list_secrets(self._client.app))
        if not isinstance(self._made, Miss):
            self._notes.orders.extend(orders_of(secrets or (), self._made))
        return next((each.hash for each in secrets or () if each.id != self._made), "")

    async def _both_ways(self) -> Maybe[Answer]:
        issuer = self._bench.custom or self._bench.wish.org_url
        asked = Asked(issuer, self._client.client_id, AuthMethod.BASIC, INTROSPECTION)
        return await self._bench.ask(asked, self._value, both_ways=True)

    async def _ask(
        self, grant: str, value: SecretValue | None = None, *, method: AuthMethod = AuthMethod.BASIC
    ) -> Maybe[Answer]:
        bench = self._bench
        scope = bench.wish.scope if grant == CLIENT_CREDENTIALS else None
        asked = Asked(bench.custom or bench.wish.org_url, self._client.client_id, method, grant, scope)
        return await bench.ask(asked, value or self._value)
