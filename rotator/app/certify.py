"""Certify an org: make apps for it, try on them what documents leave open, note what was seen, remove them again.

* Whatever was made is removed: also after an error, when the time is up, and when the run is interrupted. What a killed
  run has left the next one finds by its label, and on an app that was given by what the trail says.
* Of labelled apps those of this machine are removed, and others' once they are old: another machine may be at it now.
* What cannot be tried is noted as missing; the rest goes on.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.app.certify_requests import RequestTrials
from rotator.app.certify_secrets import SecretTrials
from rotator.app.certify_trial import Bench, Means, Wish
from rotator.core import okta_rights
from rotator.core.budget import Haste, Share, in_haste
from rotator.core.certification.notes import Client, Miss, Notes
from rotator.core.diagnosis.evidence import Asked
from rotator.errors import ConfigError, MissingError, RefusedError, RotatorError, UnknownOutcomeError

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.certification.notes import Labelled
    from rotator.core.model import AppId
    from rotator.core.secret_value import SecretValue

MARK = "rotator-certify-"
LABEL = re.compile(rf"{MARK}(?P<machine>[0-9a-f]{{8}})-[0-9a-f]{{8}}-[abc]")
OLD = timedelta(hours=1)  # no run lasts so long
REMOVAL = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Certification:
    """What came of it. `left`: what could not be removed; `why_not`: why it ended early."""

    notes: Notes
    left: tuple[str, ...] = ()
    why_not: str = ""


async def certify(wish: Wish, means: Means) -> Certification:
    """Try everything out, and remove what that took."""
    run = _Run(wish, means)
    with in_haste(Haste(Share.URGENT)):
        try:
            why_not = await run.tried()
        finally:  # an interruption comes once: this is not cut short by it
            left = await _removed_in_time(run)
    return Certification(run.bench.notes, left, why_not)


async def remove_leftovers(wish: Wish, means: Means) -> tuple[str, ...]:
    """Remove what runs that were killed have left; return what could not be removed."""
    left: list[str] = []
    now = means.clock.now() - means.lab.clock_ahead
    for found in await means.lab.apps_labelled(MARK):
        if not _is_ours(found, wish.machine, now):
            means.tell(f"leaves alone {found.label} ({found.app}): another machine may be at it")
            continue
        means.tell(f"removes {found.label} ({found.app}), left by a run that was killed")
        left += await _removed(means, found.app)
    left += await _secret_removed(means)
    return tuple(left)


class _Run:
    """One run: what it made, and the trials in their order."""

    def __init__(self, wish: Wish, means: Means) -> None:
        self._wish = wish
        self._means = means
        self.label = f"{MARK}{wish.machine}-{wish.run}-"
        self._apps: list[AppId] = []
        self._asked = False  # for an app at least
        self.left: tuple[str, ...] = ()
        self.bench = Bench(wish, means, Notes(wish.propagation, means.lab.us, own=wish.given is None))

    async def tried(self) -> str:
        """Try everything; return why it ended early, if it did."""
        try:
            async with asyncio.timeout(self._wish.limit.total_seconds()):
                self._tell_scopes(await self._means.lab.sign_in())
                await self._look_for_server()
                self.left = await remove_leftovers(self._wish, self._means)
                await (self._on_given(self._wish.given) if self._wish.given else self._on_own())
                await self.bench.read_log()
        except TimeoutError:
            return f"the time was up after {self._wish.limit}"
        except RotatorError as error:
            return f"{error}. {error.hint}".strip()
        finally:
            self.bench.notes.limits = self._means.lab.limits()
        return ""

    def _tell_scopes(self, scopes: frozenset[str]) -> None:
        missing = [each.name for each in okta_rights.SCOPES if each.name not in scopes] if scopes else []
        if missing:
            self.bench.tell(f"our token lacks {', '.join(missing)}: what takes it is not shown")

    async def _look_for_server(self) -> None:
        wanted = self._wish.server
        self.bench.server_is_there = wanted is not None and await self._means.lab.has_server(wanted)
        if wanted is not None and not self.bench.server_is_there:
            self.bench.tell(f"finds no authorization server {wanted!r}: what takes one is left out")

    async def _on_own(self) -> None:
        notes, mint = self.bench.notes, self._means.mint
        first = mint.value()
        app = await self._made("a", first)
        if app is None:
            notes.created_said = notes.made
            why = notes.made.why if isinstance(notes.made, Miss) else notes.made.text
            raise RefusedError(
                f"no app could be made: {why}",
                hint="Making one takes `okta.apps.manage` on all apps; or name an app for it: --app.",
            )
        notes.app = app
        await SecretTrials(self.bench, app, first).run()
        value = mint.value()
        client = await self._made("c", value, named=True) or await self._made("c", value)
        trials = RequestTrials(self.bench, client, value) if client is not None else None
        if trials is not None:
            notes.client = client
            await trials.prepare()
        other = mint.value()
        bound = await self._made("b", other, dpop_bound=True)
        await self.bench.settled()
        if trials is not None:
            await trials.run()
        self.bench.tell("asks the org's own server for a token")
        notes.by_org = await self.bench.ask(Asked(self._wish.org_url, app.client_id, self.bench.method), first)
        if bound is None:
            notes.without_proof = notes.other_app = notes.app_off = Miss("another app could not be made")
        else:
            await self._on_another(bound, other, taken=first)

    async def _on_another(self, bound: Client, value: SecretValue, *, taken: SecretValue) -> None:
        """Try what takes another app: a request without a proof, a value that an app has, a deactivated client."""
        bench, lab = self.bench, self._means.lab
        bench.tell("asks without a DPoP proof, with a wrong secret")
        bench.notes.without_proof = await bench.wrong_token(bound, scope=self._wish.scope)
        bench.tell("registers a value that another app has")
        bench.notes.other_app, _ = await bench.answered(lab.create_secret(bound.app, taken))
        bench.tell("asks as the client of an app that was deactivated")
        said, _ = await bench.answered(lab.switch_app_off(bound.app))
        if isinstance(said, Miss) or not said.ok:
            bench.notes.app_off = Miss("the app could not be deactivated")
        else:
            bench.notes.app_off = await bench.introspect(bound, value)

    async def _on_given(self, given: AppId) -> None:
        app = await self._means.admin.get_app(given)
        if app is None:
            raise MissingError(f"there is no app {given} that our role may see")
        if app.status != "ACTIVE" or not app.auth_method.uses_secret:
            raise ConfigError([f"{given} ({app.label}) is no active app that authenticates with a secret"])
        client = Client(app.id, app.client_id, app.label)
        self.bench.method = app.auth_method
        self.bench.notes.app = self.bench.notes.client = client
        value = await SecretTrials(self.bench, client, None).run()
        if value is not None:
            self.bench.tell("asks with a wrong secret, once")
            self.bench.notes.wrong_scope = await self.bench.wrong_token(client)

    async def _made(
        self, letter: str, value: SecretValue, *, named: bool = False, dpop_bound: bool = False
    ) -> Client | None:
        """Make an app; None, with a note of why, if Okta does not let us."""
        label = f"{self.label}{letter}"
        self.bench.tell(f"makes the app {label}")
        self._asked = True
        client_id = label if named else None
        asked = self._means.lab.make_app(label, value, client_id=client_id, dpop_bound=dpop_bound)
        said, client = await self.bench.answered(asked)
        if letter == "a":
            self.bench.notes.made = said
        if client is not None:
            self._apps.append(client.app)
        return client

    async def removed(self) -> tuple[str, ...]:
        """Remove what this run made; return what could not be."""
        left = [*self.left, *await _secret_removed(self._means)]
        if not self._asked:
            return tuple(left)
        self.bench.tell("removes what it made")
        try:
            found = [each.app for each in await self._means.lab.apps_labelled(self.label)]
        except RotatorError:
            found = []  # those that we know of, at least
        for app in dict.fromkeys([*self._apps, *found]):
            left += await _removed(self._means, app)
        return tuple(left)


async def _removed(means: Means, app: AppId) -> list[str]:
    """Deactivate and delete an app of ours; once more where nobody knows what came of it."""
    problem = ""
    for _ in range(2):
        try:
            await means.lab.switch_app_off(app)
            await means.lab.delete_app(app)
        except UnknownOutcomeError as unknown:
            problem = str(unknown)
        except RotatorError as error:
            problem = str(error)
            break
        else:
            return []
    return [f"app {app}: {problem}"]


async def _secret_removed(means: Means) -> list[str]:
    """Remove the secret that a run has made on an app that was given, if one is still there."""
    trail = means.trail.left()
    if trail is None:
        return []
    app, value_hash = trail
    try:
        for secret in await means.lab.list_secrets(app):
            if secret.hash == value_hash or (secret.plain is not None and secret.plain.hash == value_hash):
                means.tell(f"removes {secret.id} from {app}")
                if secret.active:
                    await means.lab.switch_secret(app, secret.id, on=False)
                await means.lab.delete_secret(app, secret.id)
    except MissingError:
        pass
    except RotatorError as error:
        return [f"a secret of ours on app {app}: {error}"]
    means.trail.clear()
    return []


def _is_ours(found: Labelled, machine: str, now: datetime) -> bool:
    label = LABEL.fullmatch(found.label)
    if label is None:
        return False
    return label["machine"] == machine or (found.created is not None and found.created < now - OLD)


async def _removed_in_time(run: _Run) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(REMOVAL.total_seconds()):
            left = await run.removed()
    except TimeoutError:
        left = (f"apps labelled {run.label}…: removing them took too long",)
    for each in left:
        run.bench.tell(f"could not remove {each}")
    return left
