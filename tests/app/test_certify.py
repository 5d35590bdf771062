"""Certifying an org in memory: what is noted of it, what is left behind, and what is done where it may do little."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.certify import OLD, Certification, certify, remove_leftovers
from rotator.app.certify_trial import SLACK, Means, Wish
from rotator.core.certification.facts import Fact, Verdict
from rotator.core.certification.notes import (
    NOT_TRIED,
    OWN_APP_ONLY,
    WRONG_SECRETS,
    Client,
    Event,
    Labelled,
    Miss,
    RawSecret,
    Said,
    Span,
)
from rotator.core.certification.table import judge
from rotator.core.diagnosis.evidence import CLIENT_CREDENTIALS, INTROSPECTION, Answer
from rotator.core.model import AppId, AuthMethod, ClientId, SecretStatus
from rotator.core.requests import note
from rotator.core.secret_value import SecretValue
from rotator.errors import MissingError, RefusedError, UnavailableError, UnknownOutcomeError
from tests.app.small_world import CountingMint
from tests.fakes.okta import NOON, FakeOkta, HeldSecret, ManualClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.core.certification.facts import Shown
    from rotator.core.diagnosis.evidence import Asked
    from rotator.core.model import SecretId
    from rotator.errors import RotatorError

OURS = "rotator-certify-0000aaaa"
WISH = Wish(
    org_url="https://acme.okta.com",
    propagation=timedelta(seconds=10),
    machine="0000aaaa",
    run="00000001",
    server="default",
    scope="billing.read",
)
AWAY = UnavailableError("the line was cut")
NO = RefusedError("POST somewhere: 403: you may not", code="E0000006", request_id="r403")
WRONG = Answer(401, "invalid_client", "The client secret is invalid.")
NO_SCOPE = Answer(400, "invalid_scope", "One or more scopes are not configured.")
NO_GRANT = Answer(400, "unsupported_grant_type")
TWICE = Answer(400, "invalid_request", "Cannot supply multiple client credentials.")
REFUSES_SERVICES = Answer(400, "invalid_request", "Invalid client type.")


class Lab:
    """One org as its certification meets it. `wrong`: errors of the next calls of a name; None lets one through."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.okta = FakeOkta(clock)
        self.us: str | None = "us"
        self.clock_ahead = timedelta(0)
        self.scopes = frozenset({"okta.apps.read", "okta.apps.manage", "okta.logs.read"})
        self.servers = {"default"}
        self.wrong: dict[str, list[RotatorError | None]] = {}
        self.calls: list[str] = []
        self.asked: list[tuple[str, str, str, str | None, AuthMethod]] = []  # client, issuer, grant, scope, method
        self.refusals: list[str] = []  # by client
        self.labels: dict[AppId, Labelled] = {}
        self.requests: list[tuple[datetime, Event]] = []  # for tokens, as the log has them
        self.late = timedelta(0)  # until the token endpoints know of a change
        self.listed_late = timedelta(0)
        self.log_late = timedelta(0)
        self.introspects = self.shows_values = True
        self.scope_first = False
        self.since: set[datetime] = set()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        note(f"request {len(self.calls)}")
        if self.wrong.get(name) and (error := self.wrong[name].pop(0)) is not None:
            raise error

    def limits(self) -> Mapping[str, int]:
        return {"apps": 50}

    async def sign_in(self) -> frozenset[str]:
        self._call("sign in")
        return self.scopes

    async def has_server(self, name: str) -> bool:
        return name in self.servers

    async def apps_labelled(self, prefix: str) -> tuple[Labelled, ...]:
        self._call("labelled")
        return tuple(each for each in self.labels.values() if each.label.startswith(prefix))

    def label(self, app_id: str, label: str, age: timedelta | None) -> None:
        self.okta.add_app(app_id, "l" * 40, label=label)
        created = None if age is None else self.clock.now() - age
        self.labels[AppId(app_id)] = Labelled(AppId(app_id), label, created)

    async def make_app(
        self, label: str, value: SecretValue, *, client_id: str | None = None, dpop_bound: bool = False
    ) -> Client:
        self._call("make app")
        app_id = f"0oa{label[-1]}"
        app = self.okta.add_app(app_id, value.reveal(), client_id=client_id, label=label, dpop_bound=dpop_bound)
        self.okta.events.pop()  # an app is made together with its first secret
        self.labels[app.id] = Labelled(app.id, label, self.clock.now())
        return Client(app.id, ClientId(app.client_id), label)

    async def switch_app_off(self, app: AppId) -> None:
        self._call("switch app off")
        self.okta.change_app(replace(self.okta.app(app), status="INACTIVE"))

    async def delete_app(self, app: AppId) -> None:
        self._call("delete app")
        assert self.okta.app(app).status == "INACTIVE"
        self.okta.remove_app(app)
        self.labels.pop(app, None)

    async def list_secrets(self, app: AppId) -> tuple[RawSecret, ...]:
        self._call("list")
        held = self._held(app)
        return tuple(self._raw(each) for each in held if each.created + self.listed_late <= self.clock.now())

    async def get_secret(self, app: AppId, secret: SecretId) -> RawSecret:
        self._call("get")
        for each in self._held(app):
            if each.id == secret:
                return self._raw(each)
        raise MissingError("GET secret: 404: Not found", code="E0000007")

    async def create_secret(self, app: AppId, value: SecretValue) -> RawSecret:
        self._call("create")
        made = await self.okta.create_secret(app, value)
        return next(self._raw(each) for each in self._held(app) if each.id == made.id)

    async def switch_secret(self, app: AppId, secret: SecretId, *, on: bool) -> None:
        self._call("switch on" if on else "switch off")
        await (self.okta.activate_secret if on else self.okta.deactivate_secret)(app, secret)

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        self._call("delete")
        await self.okta.delete_secret(app, secret)

    def with_percent_signs(self, value: SecretValue) -> SecretValue:
        return SecretValue(f"{value.reveal()[:40]}%41")

    async def ask(self, asked: Asked, value: SecretValue, *, both_ways: bool = False) -> Answer:
        self._call("ask")
        self.asked.append((asked.client_id, asked.issuer, asked.grant, asked.scope, asked.method))
        answer = self._answer(asked, value, both_ways=both_ways)
        if answer.error == "invalid_client":
            self.refusals.append(asked.client_id)
        if asked.grant != INTROSPECTION and (answer.token or answer.error == "invalid_client"):
            self.requests.append((self.clock.now(), self._request(asked, value, granted=answer.token)))
        return replace(answer, request_id=f"ask {len(self.asked)}")

    async def events(self, names: Sequence[str], since: datetime) -> tuple[Event, ...]:
        self._call("events")
        self.since.add(since)
        last = self.clock.now() - self.log_late
        lifecycle = [self._event(each, at) for each in self.okta.events if (at := each.at) <= last]
        requests = [each for at, each in self.requests if at <= last]
        return tuple(each for each in (*lifecycle, *requests) if {*each.targets, *each.actor} & set(names))

    # ------------------------------------------------------------------------------------------------------

    def _held(self, app: AppId) -> tuple[HeldSecret, ...]:
        try:
            return self.okta.held(app)
        except KeyError:
            raise MissingError("GET secrets: 404: no such app", code="E0000007") from None

    def _raw(self, held: HeldSecret) -> RawSecret:
        plain = held.value if self.shows_values else None
        return RawSecret(held.id, held.status is SecretStatus.ACTIVE, held.created, held.value.hash, plain)

    def _event(self, what: Any, at: datetime) -> Event:
        kind = f"app.oauth2.credentials.lifecycle.{what.act}"
        targets = frozenset({str(what.app), str(what.secret)})
        actor = (self.us or "00u1", "us@acme")
        return Event(kind, f"e{at}", targets, actor, "rotator/1", False, "", what.hash, True, "q")

    def _request(self, asked: Asked, value: SecretValue, *, granted: bool) -> Event:
        (app,) = [app for app in self.labels if self.okta.app(app).client_id == asked.client_id]
        return Event(
            kind=f"app.oauth2.as.token.grant{'.access_token' if granted else ''}",
            id=f"e{len(self.asked)}",
            targets=frozenset(),
            actor=(app, asked.client_id),
            agent="rotator/1",
            failed=not granted,
            reason="" if granted else "invalid_client_secret",
            hash=value.hash if granted else None,
            keys_in_lower_case=True,
            request_id=f"ask {len(self.asked)}",
        )

    def _answer(self, asked: Asked, value: SecretValue, *, both_ways: bool) -> Answer:
        if both_ways:
            return TWICE
        if self.scope_first and asked.scope not in {None, WISH.scope}:
            return NO_SCOPE
        if not self._takes(asked.client_id, value):
            return WRONG
        if asked.grant == INTROSPECTION:
            return Answer(200, introspected=True) if self.introspects else REFUSES_SERVICES
        if asked.grant != CLIENT_CREDENTIALS or "/oauth2/" not in asked.issuer:
            return NO_GRANT
        return Answer(200, token=True) if asked.scope == WISH.scope else NO_SCOPE

    def _takes(self, client_id: str, value: SecretValue) -> bool:
        now = self.clock.now()
        for app in self.labels:
            if self.okta.app(app).client_id == client_id and self.okta.app(app).status == "ACTIVE":
                for held in self._held(app):
                    if held.value == value:
                        changed = held.changed + self.late <= now
                        was_on = held.created != held.changed
                        return changed if held.status is SecretStatus.ACTIVE else was_on and not changed
        return False


class Paper:
    """A trail that remembers what was there when a secret was made."""

    def __init__(self) -> None:
        self.now: tuple[AppId, str] | None = None
        self.noted: list[tuple[AppId, str]] = []

    def left(self) -> tuple[AppId, str] | None:
        return self.now

    def note(self, app: AppId, value_hash: str) -> None:
        self.now = (app, value_hash)
        self.noted.append(self.now)

    def clear(self) -> None:
        self.now = None


class Place:
    """Everything a certification needs; `slept` lets the clock run."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lab, self.trail = Lab(self.clock), Paper()
        self.told: list[str] = []
        self.slept: list[float] = []
        self.hangs = False

    @property
    def means(self) -> Means:
        return Means(
            lab=self.lab,
            admin=self.lab.okta,
            mint=CountingMint(),
            trail=self.trail,
            clock=self.clock,
            sleep=self.sleep,
            tell=self.told.append,
        )

    async def sleep(self, seconds: float) -> None:
        if self.hangs:
            await asyncio.sleep(60)
        self.slept.append(round(seconds, 3))
        self.clock.advance(timedelta(seconds=seconds))

    async def run(self, **wish: Any) -> Certification:
        return await certify(replace(WISH, **wish), self.means)

    def add(self, *values: str, **traits: Any) -> AppId:
        """Add an app that somebody gives for it."""
        self.lab.okta.add_app("0oa9", *(values or ["t" * 40]), **traits)
        self.lab.labels[AppId("0oa9")] = Labelled(AppId("0oa9"), "theirs", None)
        return AppId("0oa9")


@pytest.fixture
def place() -> Place:
    return Place()


def facts(done: Certification) -> dict[Fact, Shown]:
    return {each.fact: each for each in judge(done.notes)}


def seen(done: Certification) -> dict[Fact, str]:
    return {fact: each.seen for fact, each in facts(done).items() if each.verdict is not Verdict.NOT_SHOWN}


def missed(done: Certification, name: str) -> str:
    found = getattr(done.notes, name)
    assert isinstance(found, Miss), name
    return found.why


# --- on apps of our own -----------------------------------------------------------------------------------------


async def test_on_an_org_as_assumed_everything_is_seen_and_nothing_left(place: Place) -> None:
    done = await place.run()

    found = facts(done)
    assert (done.left, done.why_not) == ((), "")
    assert [fact for fact, each in found.items() if each.verdict is Verdict.OTHERWISE] == []
    assert [fact for fact, each in found.items() if each.verdict is Verdict.NOT_SHOWN] == []
    assert seen(done) == {
        Fact.HASH_FORMULA: "as known",
        Fact.PLAINTEXT: "shown",
        Fact.LIST_LAG: "at once",
        Fact.CREATE_LAG: "at once",
        Fact.DEACTIVATE_LAG: "at once",
        Fact.DUPLICATES: "none",
        Fact.ERROR_TEXTS: "new",
        Fact.GONE: "E0000007",
        Fact.SCOPE_ORDER: "secret first",
        Fact.GRANT_ORDER: "secret first",
        Fact.PROOF_ORDER: "secret first",
        Fact.INTROSPECTION: "works",
        Fact.WRONG_SECRET: "catalogue",
        Fact.LOG_HASH: "same",
        Fact.LOG_HASH_OF_TOKENS: "same",
        Fact.LOG_ACTOR: "app id",
        Fact.LOG_REASON: "invalid_client_secret",
        Fact.LOG_REFUSED: "absent",
        Fact.LOG_KEYS: "lower",
        Fact.LOG_US: "our client id",
        Fact.LOG_LAG: "at once",
        Fact.LOG_DELETION: "same",
        Fact.WRITING: "enough",
        Fact.SAME_STATE: "ok",
        Fact.LIST_ORDER: "by id or oldest first",
        Fact.APP_OFF: "refused as any other",
        Fact.PERCENT: "not decoded",
        Fact.OTHER_METHOD: "taken",
        Fact.CHALLENGE: "not sent",
        Fact.BOTH_WAYS: "400",
        Fact.ORG_SERVER: "unknown there",
        Fact.LIMITS: "told",
    }
    assert place.lab.labels == {}
    assert place.trail.noted == [], "it is for apps that are not ours to remove"
    assert place.slept == [0.5], "but for a first look into the log"
    assert max(place.lab.refusals.count(each) for each in place.lab.refusals) <= WRONG_SECRETS
    assert place.lab.since == {NOON - SLACK}


async def test_every_step_is_told_in_its_order(place: Place) -> None:
    await place.run()

    assert place.told == [
        f"makes the app {OURS}-00000001-a",
        "makes a secret",
        "waits until the token endpoints take it",
        "reads it",
        "tries what is refused",
        "switches it off, and waits until it is refused",
        "deletes it",
        "waits for the System Log, 120 s at most",
        "registers a value that the app has already",
        f"makes the app {OURS}-00000001-c",
        f"makes the app {OURS}-00000001-b",
        "asks with a good secret",
        "asks with a wrong secret, twice",
        "asks in other ways",
        "asks the org's own server for a token",
        "asks without a DPoP proof, with a wrong secret",
        "registers a value that another app has",
        "asks as the client of an app that was deactivated",
        "reads the System Log",
        "removes what it made",
    ]


async def test_what_is_asked_as_a_client(place: Place) -> None:
    await place.run()

    org, custom = WISH.org_url, f"{WISH.org_url}/oauth2/default"
    basic, named = AuthMethod.BASIC, f"{OURS}-00000001-c"
    assert [each for each in place.lab.asked if each[0] == named] == [
        (named, custom, INTROSPECTION, None, basic),
        (named, org, INTROSPECTION, None, basic),
        (named, custom, CLIENT_CREDENTIALS, "billing.read", basic),
        (named, custom, INTROSPECTION, None, basic),  # in two ways
        (named, custom, CLIENT_CREDENTIALS, "rotator.certify.none", basic),
        (named, custom, "authorization_code", None, basic),
        (named, custom, INTROSPECTION, None, AuthMethod.POST),
        (named, custom, INTROSPECTION, None, basic),  # with percent signs
    ]
    assert place.lab.asked[-3:] == [
        ("0oaa", org, CLIENT_CREDENTIALS, None, basic),
        ("0oab", custom, CLIENT_CREDENTIALS, "billing.read", basic),
        ("0oab", custom, INTROSPECTION, None, basic),
    ]


async def test_where_introspection_refuses_service_apps_tokens_tell(place: Place) -> None:
    place.lab.introspects = False

    done = await place.run()

    assert seen(done)[Fact.INTROSPECTION] == "refuses service apps"
    assert (seen(done)[Fact.CREATE_LAG], seen(done)[Fact.DEACTIVATE_LAG]) == ("at once", "at once")
    assert (seen(done)[Fact.PERCENT], seen(done)[Fact.OTHER_METHOD]) == ("not decoded", "taken")
    assert place.lab.asked[-4][2:4] == (CLIENT_CREDENTIALS, "billing.read")


async def test_without_a_scope_that_is_granted_a_refused_scope_shows_that_the_secret_is_taken(place: Place) -> None:
    place.lab.introspects = False

    done = await place.run(scope=None)

    assert seen(done)[Fact.CREATE_LAG] == "at once"
    assert Fact.PERCENT not in seen(done)


async def test_a_scope_that_is_looked_at_first_is_seen(place: Place) -> None:
    place.lab.scope_first = True

    assert seen(await place.run())[Fact.SCOPE_ORDER] == "scope first"


async def test_what_takes_time_is_measured_and_waited_for(place: Place) -> None:
    place.lab.late = timedelta(seconds=5)
    place.lab.listed_late = timedelta(seconds=2)

    done = await place.run()

    notes = done.notes
    second = timedelta(seconds=1)
    assert notes.list_lag == Span(1 * second, 2.5 * second)
    assert isinstance(notes.create_lag, Span)
    assert (notes.create_lag.sooner, notes.create_lag.later) == (2 * second, 9 * second)
    assert len(notes.create_lag.evidence) == 3
    assert isinstance(notes.deactivate_lag, Span)
    assert (notes.deactivate_lag.sooner, notes.deactivate_lag.later) == (2.5 * second, 5 * second)
    assert "waits 10 s: changes take time here" in place.told
    assert 10 in place.slept
    assert seen(done)[Fact.PERCENT] == "not decoded", "it has had its time"


async def test_what_is_never_taken_is_not_looked_for_when_it_is_off(place: Place) -> None:
    place.lab.late = timedelta(hours=1)

    done = await place.run()

    assert isinstance(done.notes.create_lag, Span)
    assert done.notes.create_lag.later is None
    assert missed(done, "deactivate_lag") == "it was not seen to be accepted before"


async def test_a_log_that_is_late_is_waited_for(place: Place) -> None:
    place.lab.log_late = timedelta(seconds=3)

    done = await place.run()

    assert done.notes.log_lag == Span(timedelta(seconds=2), timedelta(seconds=4), ())
    assert Fact.LOG_DELETION in seen(done)
    assert place.slept[:4] == [0.5, 0.5, 1.0, 2.0]


@pytest.mark.parametrize("wanting", ["token.grant", "access_token"])
async def test_the_log_is_read_until_it_has_what_was_asked_for(place: Place, wanting: str) -> None:
    class Slow(Lab):
        async def events(self, names: Sequence[str], since: datetime) -> tuple[Event, ...]:
            found = await super().events(names, since)
            early = self.calls.count("events") < 4
            return tuple(each for each in found if not (early and each.kind.endswith(wanting)))

    place.lab = Slow(place.clock)

    done = await place.run()

    assert place.lab.calls.count("events") == 4
    assert {Fact.LOG_REASON, Fact.LOG_HASH_OF_TOKENS} <= set(seen(done))


async def test_a_log_that_shows_nothing_in_time_is_read_once_more(place: Place) -> None:
    place.lab.log_late = timedelta(hours=1)

    done = await place.run(log_within=timedelta(seconds=5))

    assert done.notes.log_lag == Span(timedelta(seconds=5), None, ())
    assert place.slept == [0.5, 0.5, 1.0, 2.0, 1.0]
    assert done.notes.events == ()
    assert "reads the System Log" not in place.told


async def test_a_log_that_may_not_be_read_is_noted(place: Place) -> None:
    place.lab.wrong["events"] = [NO, NO]

    done = await place.run()

    assert "you may not" in missed(done, "log_lag")
    assert "you may not" in missed(done, "events")
    assert done.why_not == ""


@pytest.mark.parametrize("missing", ["okta.apps.read", "okta.logs.read"])
async def test_a_scope_that_our_token_lacks_is_told(place: Place, missing: str) -> None:
    place.lab.scopes -= {missing}

    await place.run()

    assert place.told[0] == f"our token lacks {missing}: what takes it is not shown"


async def test_an_api_token_has_no_scopes_to_lack(place: Place) -> None:
    place.lab.scopes, place.lab.us = frozenset(), None

    done = await place.run()

    assert not [each for each in place.told if "lacks" in each]
    assert seen(done)[Fact.LOG_US] == "an administrator, with our User-Agent"


async def test_without_the_server_what_takes_one_is_left_out(place: Place) -> None:
    place.lab.servers.clear()

    done = await place.run()

    assert place.told[0] == "finds no authorization server 'default': what takes one is left out"
    assert "no custom authorization server" in missed(done, "granted")
    assert done.notes.introspected is NOT_TRIED
    assert seen(done)[Fact.INTROSPECTION] == "works"
    assert {each[1] for each in place.lab.asked} == {WISH.org_url}


async def test_where_none_is_named_none_is_looked_for(place: Place) -> None:
    done = await place.run(server=None)

    assert not [each for each in place.told if "finds no" in each]
    assert "no custom authorization server" in missed(done, "wrong_scope")


# --- where something is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "why"), [(NO, "you may not"), (AWAY, "the line was cut")])
async def test_where_no_app_can_be_made_it_ends_and_says_what_it_takes(
    place: Place, error: RotatorError, why: str
) -> None:
    place.lab.wrong["make app"] = [error]

    done = await place.run()

    assert done.why_not == (
        f"no app could be made: {why}. Making one takes `okta.apps.manage` on all apps; or name an app for it: --app."
    )
    assert done.notes.created_said == done.notes.made
    assert done.left == ()
    assert done.notes.limits == {"apps": 50}


async def test_where_the_client_id_may_not_be_chosen_okta_chooses_it(place: Place) -> None:
    place.lab.wrong["make app"] = [None, NO]

    done = await place.run()

    assert done.notes.client
    assert done.notes.client.client_id == "0oac"
    assert Fact.PERCENT in seen(done)


async def test_where_no_second_app_can_be_made_the_rest_goes_on(place: Place) -> None:
    place.lab.wrong["make app"] = [None, NO, NO]

    done = await place.run()

    assert (done.notes.client, done.why_not) == (None, "")
    assert Fact.PROOF_ORDER in seen(done)
    assert Fact.SCOPE_ORDER not in seen(done)


async def test_where_no_third_app_can_be_made_what_takes_it_is_noted(place: Place) -> None:
    place.lab.wrong["make app"] = [None, None, NO]

    done = await place.run()

    assert {missed(done, each) for each in ("without_proof", "other_app", "app_off")} == {
        "another app could not be made"
    }
    assert Fact.SCOPE_ORDER in seen(done)


@pytest.mark.parametrize("error", [NO, AWAY])
async def test_an_app_that_stays_on_tells_nothing_of_one_that_is_off(place: Place, error: RotatorError) -> None:
    place.lab.wrong["switch app off"] = [error]

    done = await place.run()

    assert missed(done, "app_off") == "the app could not be deactivated"


@pytest.mark.parametrize(("error", "why"), [(NO, "you may not"), (AWAY, "the line was cut")])
async def test_where_no_secret_can_be_made_its_life_is_not_tried(place: Place, error: RotatorError, why: str) -> None:
    place.lab.wrong["create"] = [error]

    done = await place.run()

    assert missed(done, "created") == why
    assert "reads it" not in place.told
    if error is NO:
        assert done.notes.created_said == Said(ok=False, code="E0000006", text="you may not", request_id="r403")
        assert seen(done)[Fact.WRITING] == "not enough"
    assert Fact.SCOPE_ORDER in seen(done), "the rest goes on"


@pytest.mark.parametrize("error", [NO, AWAY])
async def test_a_secret_that_stays_on_tells_nothing_of_one_that_is_off(place: Place, error: RotatorError) -> None:
    place.lab.wrong["switch off"] = [error]

    done = await place.run()

    names = ("deactivate_lag", "listed_off", "got_off", "twice_off")
    assert {missed(done, each) for each in names} == {"the secret could not be switched off"}


@pytest.mark.parametrize("error", [NO, AWAY])
async def test_a_secret_that_cannot_be_deleted_is_not_looked_for(place: Place, error: RotatorError) -> None:
    place.lab.wrong["delete"] = [None, error]

    done = await place.run()

    assert missed(done, "gone") == "the secret could not be deleted"
    assert done.notes.log_lag is NOT_TRIED


@pytest.mark.parametrize(("error", "why"), [(NO, "you may not"), (AWAY, "the line was cut")])
async def test_a_look_that_fails_is_noted(place: Place, error: RotatorError, why: str) -> None:
    place.lab.wrong["get"] = [error]
    place.lab.wrong["list"] = [None, error]

    done = await place.run()

    assert (missed(done, "listed_on"), missed(done, "got_on")) == (why, why)
    assert not isinstance(done.notes.listed_off, Miss)


async def test_values_that_are_hidden_or_masked_are_told(place: Place) -> None:
    place.lab.shows_values = False

    assert seen(await place.run())[Fact.PLAINTEXT] == "absent"


async def test_where_percent_signs_are_refused_that_is_noted(place: Place) -> None:
    place.lab.wrong["create"] = [None, None, None, NO]

    assert missed(await place.run(), "percent") == "you may not"


async def test_a_client_is_not_asked_as_once_too_often(place: Place) -> None:
    place.lab.late = timedelta(hours=1)

    done = await place.run()

    assert max(place.lab.refusals.count(each) for each in place.lab.refusals) == WRONG_SECRETS
    assert f"{WRONG_SECRETS} requests with a wrong secret" in missed(done, "percent")


async def test_an_error_on_the_way_ends_it_and_what_was_made_is_removed(place: Place) -> None:
    place.lab.wrong["list"] = [AWAY]

    done = await place.run()

    assert done.why_not == str(f"{AWAY}. {AWAY.hint}").strip()
    assert (done.left, place.lab.labels) == ((), {})
    assert done.notes.limits == {"apps": 50}


async def test_when_the_time_is_up_what_was_made_is_removed(place: Place) -> None:
    place.lab.late, place.hangs = timedelta(seconds=5), True

    done = await place.run(limit=timedelta(seconds=0.05))

    assert done.why_not == "the time was up after 0:00:00.050000"
    assert (done.left, place.lab.labels) == ((), {})


# --- what is left behind ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "left"),
    [
        pytest.param({"switch app off": [None, UnknownOutcomeError("lost")]}, (), id="once more where nobody knows"),
        pytest.param(
            {"switch app off": [None, *[UnknownOutcomeError("lost")] * 2]}, ("app 0oaa: lost",), id="and no oftener"
        ),
        pytest.param({"delete app": [NO]}, (f"app 0oaa: {NO}",), id="not where it was refused"),
        pytest.param({"delete app": [AWAY, None, NO]}, (f"app 0oaa: {AWAY}", f"app 0oab: {NO}"), id="of each"),
        pytest.param({"labelled": [None, AWAY]}, (), id="those that we know of, at least"),
    ],
)
async def test_what_cannot_be_removed_is_told(
    place: Place, wrong: dict[str, list[RotatorError | None]], left: tuple[str, ...]
) -> None:
    place.lab.wrong = wrong

    done = await place.run()

    assert done.left == left
    assert [each for each in place.told if each.startswith("could not")] == [
        f"could not remove {each}" for each in left
    ]
    assert len(place.lab.labels) == len(left)


async def test_an_app_whose_making_was_lost_is_found_by_its_label(place: Place) -> None:
    class Lossy(Lab):
        async def make_app(self, *args: Any, **traits: Any) -> Client:
            await super().make_app(*args, **traits)
            raise UnknownOutcomeError("lost")

    place.lab = Lossy(place.clock)

    done = await place.run()

    assert (done.left, place.lab.labels) == ((), {})
    assert "no app could be made: lost" in done.why_not


@pytest.mark.parametrize(
    ("label", "age", "removed"),
    [
        pytest.param(f"{OURS}-00000009-a", timedelta(0), True, id="of this machine"),
        pytest.param("rotator-certify-0000bbbb-00000009-c", OLD, False, id="of another one, young"),
        pytest.param("rotator-certify-0000bbbb-00000009-c", OLD + timedelta(seconds=1), True, id="and old"),
        pytest.param("rotator-certify-0000bbbb-00000009-c", None, False, id="of which nobody knows"),
        pytest.param(f"{OURS}-00000009-d", OLD * 9, False, id="with another label"),
        pytest.param(f"{OURS}-00000009-a copy", OLD * 9, False, id="with more of a label"),
    ],
)
async def test_what_a_killed_run_has_left_is_removed_where_it_is_ours(
    place: Place, label: str, age: timedelta | None, removed: bool
) -> None:
    place.lab.label("0oa5", label, age)

    left = await remove_leftovers(WISH, place.means)

    assert left == ()
    assert (place.lab.labels == {}) is removed
    assert place.told == [
        f"removes {label} (0oa5), left by a run that was killed"
        if removed
        else f"leaves alone {label} (0oa5): another machine may be at it"
    ]


async def test_how_old_it_is_goes_by_okta_s_clock(place: Place) -> None:
    place.lab.label("0oa5", "rotator-certify-0000bbbb-00000009-c", OLD)
    place.lab.clock_ahead = -timedelta(minutes=1)

    await remove_leftovers(WISH, place.means)

    assert place.lab.labels == {}


async def test_leftovers_that_stay_are_told_by_the_run_that_found_them(place: Place) -> None:
    place.lab.label("0oa5", f"{OURS}-00000009-a", OLD)
    place.lab.label("0oa6", "rotator-certify-0000bbbb-00000009-c", None)
    place.lab.wrong["switch app off"] = [NO]

    done = await place.run()

    assert done.left == (f"app 0oa5: {NO}",)
    assert set(place.lab.labels) == {"0oa5", "0oa6"}


# --- on an app that is given ------------------------------------------------------------------------------------


async def test_on_an_app_that_is_given_nothing_but_our_own_secret_is_touched(place: Place) -> None:
    app = place.add()
    before = place.lab.okta.held(app)

    done = await place.run(given=app)

    assert (done.left, done.why_not) == ((), "")
    assert place.lab.okta.held(app) == before
    assert "make app" not in place.lab.calls
    assert place.trail.left() is None
    ((noted, value_hash),) = place.trail.noted
    assert (noted, value_hash) == (app, done.notes.hash_made)
    assert done.notes.hash_used == done.notes.hash_made
    own = ("only_active", "same_app", "other_app", "app_off", "without_proof", "wrong_grant", "other_method", "percent")
    assert {getattr(done.notes, each) for each in (*own, "both_ways", "by_org")} == {OWN_APP_ONLY}
    assert seen(done)[Fact.SCOPE_ORDER] == "secret first"
    assert seen(done)[Fact.INTROSPECTION] == "works"
    assert {"asks for a token by it, and introspects", "asks with a wrong secret, once"} <= set(place.told)
    assert place.told[-1] == "reads the System Log"
    assert place.lab.refusals == ["0oa9"] * 2, "while it was off, and one that was wrong"


async def test_it_is_asked_in_the_way_of_the_app(place: Place) -> None:
    app = place.add(auth_method=AuthMethod.POST)

    await place.run(given=app)

    assert {each[4] for each in place.lab.asked} == {AuthMethod.POST}


async def test_there_has_to_be_room_on_it(place: Place) -> None:
    app = place.add("t" * 40, "u" * 40)

    done = await place.run(given=app)

    assert "holds two secrets: there is no room for a third" in done.why_not
    assert (place.trail.noted, "create" in place.lab.calls) == ([], False)


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        ({"status": "INACTIVE"}, "is no active app that authenticates with a secret"),
        ({"auth_method": AuthMethod.PRIVATE_KEY_JWT}, "is no active app that authenticates with a secret"),
    ],
    ids=["inactive", "without a secret"],
)
async def test_it_has_to_be_an_active_app_with_a_secret(place: Place, traits: dict[str, Any], why: str) -> None:
    app = place.add()
    place.lab.okta.change_app(replace(place.lab.okta.app(app), **traits))

    assert why in (await place.run(given=app)).why_not


async def test_it_has_to_be_there(place: Place) -> None:
    assert "there is no app 0oa9 that our role may see" in (await place.run(given=AppId("0oa9"))).why_not


async def test_where_no_secret_could_be_made_on_it_no_wrong_one_is_asked_with(place: Place) -> None:
    app = place.add()
    place.lab.wrong["create"] = [NO]

    done = await place.run(given=app)

    assert (place.lab.asked, done.left, place.trail.left()) == ([], (), None)


async def test_a_secret_that_was_left_on_it_is_removed_by_the_end(place: Place) -> None:
    app = place.add()
    place.lab.wrong["delete"] = [None, NO]

    done = await place.run(given=app)

    assert (done.left, place.trail.left(), len(place.lab.okta.held(app))) == ((), None, 1)
    assert [each for each in place.told if each.startswith("removes ocs")] != []


@pytest.mark.parametrize("shows", [True, False], ids=["by its value", "by its hash"])
@pytest.mark.parametrize("active", [True, False], ids=["on", "off"])
async def test_a_secret_of_a_killed_run_is_found_by_what_the_trail_says(
    place: Place, shows: bool, active: bool
) -> None:
    app, value = place.add(), SecretValue("k" * 40)
    made = await place.lab.okta.create_secret(app, value)
    if not active:
        await place.lab.okta.deactivate_secret(app, made.id)
    place.trail.now = (app, value.hash)
    if shows:  # and its hash says nothing

        class OtherHash(Lab):
            def _raw(self, held: HeldSecret) -> RawSecret:
                return replace(super()._raw(held), hash="another")

        place.lab.__class__ = OtherHash
    place.lab.shows_values = shows

    left = await remove_leftovers(WISH, place.means)

    assert (left, place.trail.left()) == ((), None)
    assert [each.value.reveal() for each in place.lab.okta.held(app)] == ["t" * 40]
    assert place.told == [f"removes {made.id} from 0oa9"]


async def test_of_an_app_that_is_gone_nothing_is_left(place: Place) -> None:
    place.trail.now = (AppId("0oa9"), "hash")

    assert await remove_leftovers(WISH, place.means) == ()
    assert place.trail.left() is None


async def test_a_secret_that_cannot_be_removed_stays_on_the_trail(place: Place) -> None:
    app, value = place.add(), SecretValue("k" * 40)
    await place.lab.okta.create_secret(app, value)
    place.trail.now = (app, value.hash)
    place.lab.wrong["delete"] = [NO]

    assert await remove_leftovers(WISH, place.means) == (f"a secret of ours on app 0oa9: {NO}",)
    assert place.trail.left() == (app, value.hash)
