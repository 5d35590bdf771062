"""Trials on the secrets of one app: what Okta answers to their whole life, and how soon it is known elsewhere.

On an app that was given nothing is touched but the one secret that is made here: it is written down before it is made,
and what is tried besides can only be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.certification.notes import OWN_APP_ONLY, Look, Miss, Plain, Span
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.app.certify_trial import Bench
    from rotator.core.certification.notes import Client, Maybe, RawSecret
    from rotator.core.model import SecretId
    from rotator.core.secret_value import SecretValue

SLOTS = 2
ON_OWN_APPS = (
    "only_active", "same_app", "other_app", "app_off", "without_proof", "wrong_grant", "other_method", "percent",
    "both_ways", "by_org",
)  # fmt: skip
EARLY = (0.0, 0.2, 0.9)  # parts of `propagation`; each refusal counts as a wrong secret
OFTEN = (0.0, 0.1, 0.25, 0.5, 0.9)
LATE = (*OFTEN, 2.0, 4.0)  # what is still accepted counts nothing


class SecretTrials:
    """The life of one secret, on an app of our own (whose `first` value we know) or on one that was given."""

    def __init__(self, bench: Bench, app: Client, first: SecretValue | None) -> None:
        """Do nothing yet."""
        self._bench = bench
        self._lab = bench.means.lab
        self._notes = bench.notes
        self._app = app
        self._first = first
        self._value = bench.means.mint.value()

    async def run(self) -> SecretValue | None:
        """Try it; return the value of the secret that was made and removed, None if none could be made."""
        if self._first is None:
            await self._check_room()
        made = await self._make()
        if made is None:
            return None
        await self._while_active(made)
        await self._refusals(made)
        await self._while_inactive(made)
        await self._both_ways(made)
        await self._gone(made)
        if self._first is None:
            for name in ON_OWN_APPS:
                setattr(self._notes, name, OWN_APP_ONLY)
        else:
            await self._twice(self._first)
        return self._value

    async def _check_room(self) -> None:
        if len(await self._lab.list_secrets(self._app.app)) >= SLOTS:
            raise RefusedError(
                f"{self._app.app} ({self._app.label}) holds two secrets: there is no room for a third",
                code="slots_full",
                hint="Name an app with one secret, or remove one that nobody uses.",
            )
        self._bench.means.trail.note(self._app.app, self._value.hash)

    async def _make(self) -> RawSecret | None:
        notes = self._notes
        self._bench.tell("makes a secret")
        notes.created_said, made = await self._bench.answered(self._lab.create_secret(self._app.app, self._value))
        if made is None:
            why = notes.created_said.why if isinstance(notes.created_said, Miss) else notes.created_said.text
            notes.created = Miss(why)
            return None
        notes.created, notes.hash_made = self._look(made), made.hash
        notes.list_lag = await self._bench.waited(lambda _: self._stands_in_list(made.id), self._bench.moments(*OFTEN))
        self._bench.tell("waits until the token endpoints take it")
        notes.create_lag = await self._bench.waited(
            lambda evidence: self._bench.taken(self._app, self._value, evidence), self._bench.moments(*EARLY)
        )
        return made

    async def _while_active(self, made: RawSecret) -> None:
        notes, bench = self._notes, self._bench
        bench.tell("reads it")
        notes.listed_on, notes.got_on = await self._listed(made.id), await self._got(made.id)
        if self._first is None:
            bench.tell("asks for a token by it, and introspects")
            notes.introspected_by_org = await bench.introspect(self._app, self._value, bench.wish.org_url)
            notes.granted = await bench.token(self._app, self._value, scope=bench.wish.scope)
            notes.hash_used = made.hash

    async def _refusals(self, made: RawSecret) -> None:
        """Try what cannot be done: a third secret, and the deletion of an active one."""
        notes, bench, value = self._notes, self._bench, self._bench.means.mint.value()
        bench.tell("tries what is refused")
        if len(await self._lab.list_secrets(self._app.app)) == SLOTS:
            notes.full, _ = await bench.answered(self._lab.create_secret(self._app.app, value))
        notes.still_active, _ = await bench.answered(self._lab.delete_secret(self._app.app, made.id))

    async def _while_inactive(self, made: RawSecret) -> None:
        notes, bench = self._notes, self._bench
        bench.tell("switches it off, and waits until it is refused")
        said, _ = await bench.answered(self._lab.switch_secret(self._app.app, made.id, on=False))
        if isinstance(said, Miss) or not said.ok:
            missed = Miss("the secret could not be switched off")
            notes.deactivate_lag = notes.listed_off = notes.got_off = notes.twice_off = missed
            return
        if isinstance(notes.create_lag, Span) and notes.create_lag.later is not None:
            notes.deactivate_lag = await bench.waited(self._is_refused, bench.moments(*LATE))
        else:
            notes.deactivate_lag = Miss("it was not seen to be accepted before")
        notes.listed_off, notes.got_off = await self._listed(made.id), await self._got(made.id)
        notes.twice_off, _ = await bench.answered(self._lab.switch_secret(self._app.app, made.id, on=False))

    async def _both_ways(self, made: RawSecret) -> None:
        """Try to switch off the only active one, and to switch on what is on."""
        notes, bench = self._notes, self._bench
        if self._first is not None:
            others = [each for each in await self._lab.list_secrets(self._app.app) if each.id != made.id]
            if [each.active for each in others] == [True]:
                switched = self._lab.switch_secret(self._app.app, others[0].id, on=False)
                notes.only_active, _ = await bench.answered(switched)
        await bench.answered(self._lab.switch_secret(self._app.app, made.id, on=True))
        notes.twice_on, _ = await bench.answered(self._lab.switch_secret(self._app.app, made.id, on=True))

    async def _gone(self, made: RawSecret) -> None:
        notes, bench = self._notes, self._bench
        bench.tell("deletes it")
        await bench.answered(self._lab.switch_secret(self._app.app, made.id, on=False))
        said, _ = await bench.answered(self._lab.delete_secret(self._app.app, made.id))
        if isinstance(said, Miss) or not said.ok:
            notes.gone = Miss("the secret could not be deleted")
            return
        bench.means.trail.clear()
        notes.gone, _ = await bench.answered(self._lab.get_secret(self._app.app, made.id))
        await bench.wait_for_event("app.oauth2.credentials.lifecycle.delete")

    async def _twice(self, first: SecretValue) -> None:
        self._bench.tell("registers a value that the app has already")
        self._notes.same_app, again = await self._bench.answered(self._lab.create_secret(self._app.app, first))
        if again is not None:
            await self._listed(again.id)

    # --- looks --------------------------------------------------------------------------------------------

    async def _stands_in_list(self, secret: SecretId) -> bool:
        return secret in {each.id for each in await self._lab.list_secrets(self._app.app)}

    async def _is_refused(self, evidence: list[str]) -> Maybe[bool]:
        taken = await self._bench.taken(self._app, self._value, evidence)
        return taken if isinstance(taken, Miss) else not taken

    async def _listed(self, secret: SecretId) -> Maybe[Look]:
        """Look at a secret in the list; it is the one that was made last."""
        said, secrets = await self._bench.answered(self._lab.list_secrets(self._app.app))
        if secrets is None:
            return said if isinstance(said, Miss) else Miss(said.text)
        self._notes.orders.extend(orders_of(secrets, secret))
        found = next((each for each in secrets if each.id == secret), None)
        return self._look(found) if found is not None else Miss("it does not stand in the list")

    async def _got(self, secret: SecretId) -> Maybe[Look]:
        said, found = await self._bench.answered(self._lab.get_secret(self._app.app, secret))
        if found is None:
            return said if isinstance(said, Miss) else Miss(said.text)
        return self._look(found)

    def _look(self, secret: RawSecret) -> Look:
        plain = Plain.ABSENT if secret.plain is None else Plain.MASKED
        if secret.plain == self._value:
            plain = Plain.SHOWN
        return Look(plain, secret.hash == self._value.hash)


def orders_of(secrets: Sequence[RawSecret], last: SecretId) -> list[frozenset[str]]:
    """Return the orders that a list of two may have, of which that one was made last."""
    if len(secrets) != SLOTS:
        return []
    by_age = "oldest first" if secrets[1].id == last else "newest first"
    return [frozenset({by_age} | ({"by id"} if secrets[0].id < secrets[1].id else set()))]
