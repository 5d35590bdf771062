"""The watch over the System Log, with the loop over the small world: whom it wakes, and what it does without a log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.agenda import SPREAD, Pace, State
from rotator.core.budget import Share, haste
from rotator.core.changes import Change, Heard
from rotator.core.model import AppId, ClientId
from rotator.core.secret_value import SecretValue
from rotator.core.usage import Refusals, UsageLog
from rotator.daemon.soaking import Soaking
from rotator.daemon.vitals import Condition, Reach, Side
from rotator.daemon.watch import BLIND, OVERLAP, SILENCE, UNREADABLE, ClientIds, Watch
from rotator.errors import ConfigError, RateLimitedError, RefusedError, UnavailableError
from tests.app.small_world import OTHER
from tests.daemon.post import Post, Switch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, MutableMapping
    from datetime import datetime

    from rotator.core.model import App, OktaSecret
    from tests.app.small_world import SmallWorld

    Log = list[MutableMapping[str, Any]]

MINUTE, SHORT = timedelta(minutes=1), timedelta(minutes=15)


class Watched:
    """Two targets at rest, their loop, and its watch, which polls when a test says so."""

    def __init__(self, small: SmallWorld) -> None:
        self.small = small
        self.targets = [small.settled(), small.settled("second", app_id="0oa2")]
        small.clock.advance(2 * OVERLAP)  # its beginnings are past
        self.post = Post(small, self.targets, pace=Pace(resync=timedelta(days=7)))
        self.port = self.reconnect()
        self.client_ids = ClientIds()
        self.watch = self.another("daemon@here")

    def another(self, owner: str) -> Watch:
        """Return the watch of a member of the service, as after its start."""
        return Watch(
            self.post.loop,
            self.post.wires,
            cursors=self.post.state.member(owner, {}).cursors,
            key_of=lambda alias: f"https://{alias}.okta.com",
            clock=self.small.clock,
            every=MINUTE,
            client_ids=self.client_ids,
            soaking=Soaking(),
        )

    def reconnect(self) -> Switch:
        """Have the log reached by another connection."""
        self.port = Switch(self.small.okta)
        self.small.world = replace(self.small.world, log=self.port)
        return self.port

    async def poll(self, after: timedelta = MINUTE) -> None:
        self.small.clock.advance(after)
        await self.watch.poll("acme")
        await self.post.settle()

    async def revoke(self, app_id: str = "0oa1") -> None:
        """Let somebody add a secret and switch the older one off."""
        okta = self.small.okta
        with okta.by("somebody"):
            await okta.create_secret(AppId(app_id), SecretValue(OTHER))
            await okta.deactivate_secret(AppId(app_id), okta.held(app_id)[0].id)

    async def touch(self, app_id: str = "0oa1") -> None:
        """Let somebody do what leaves an event and nothing to do."""
        okta = self.small.okta
        with okta.by("somebody"):
            made = await okta.create_secret(AppId(app_id), SecretValue(OTHER))
            await okta.deactivate_secret(AppId(app_id), made.id)
            await okta.delete_secret(AppId(app_id), made.id)

    @property
    def passes(self) -> tuple[int, int]:
        return self.post.passes(), self.post.passes("second")

    def next_looks(self) -> list[timedelta]:
        now = self.small.clock.now()
        return [self.post.entry(target.name).at - now for target in self.targets]


class Says:
    """A log that says just this."""

    def __init__(self, *heard: Heard) -> None:
        self._heard = list(heard)
        self.asked: list[tuple[str | None, datetime]] = []

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        self.asked.append((cursor, since))
        return self._heard.pop(0)

    async def deactivated_by_us(self, _app: App, _secret: OktaSecret) -> bool:
        return False

    async def usage(self, _app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        return UsageLog((), None)

    async def refusals(self, clients: Collection[str], cursor: str | None, since: datetime) -> Refusals:
        return Refusals((), "")


@pytest.fixture
async def watched(small: SmallWorld, log: Log) -> AsyncIterator[Watched]:
    watched = Watched(small)
    async with watched.post:
        await watched.poll()
        await watched.poll(SHORT - MINUTE)
        log.clear()
        assert watched.passes == (1, 1)
        yield watched


def events(log: Log, *names: str) -> list[str]:
    return [event["event"] for event in log if event["event"] in names]


# --- whom it wakes ----------------------------------------------------------------------------------------------


async def test_what_was_revoked_is_looked_at_and_mended_at_once_and_nobody_else(watched: Watched, log: Log) -> None:
    await watched.revoke()
    await watched.poll()

    assert watched.small.current(watched.targets[0]) == OTHER
    assert watched.post.passes("second") == 1
    heard = [event for event in log if event["event"] == "change_heard"]
    assert {tuple(event["targets"]) for event in heard} == {("billing",)}


async def test_who_may_be_cut_off_is_looked_at_by_the_urgent_share_and_others_are_not(watched: Watched) -> None:
    shares: list[Share] = []

    async def note(name: str) -> None:
        if name == "list_secrets":
            shares.append(haste().share)

    watched.post.wires.okta["acme"].meanwhile = note
    await watched.revoke()
    await watched.poll()
    assert shares[:1] == [Share.URGENT]
    shares.clear()
    with watched.small.okta.by("somebody"):
        await watched.small.okta.create_secret(AppId("0oa2"), SecretValue(OTHER))
    await watched.poll()

    assert shares[:1] == [Share.ROUTINE]


async def test_an_app_that_is_no_target_wakes_nobody(watched: Watched, log: Log) -> None:
    watched.small.okta.add_app("0oa9", "z" * 40)
    await watched.poll()

    assert watched.passes == (1, 1)
    assert events(log, "change_heard") == []


async def test_an_event_that_names_the_client_id_alone_wakes_its_target_once_a_pass_has_seen_it(
    watched: Watched,
) -> None:
    heard = Heard((Change("e1", "a kind", "a time", frozenset({"its-client"})),), "cursor")
    again = replace(heard, changes=(replace(heard.changes[0], id="e2"),))
    watched.small.world = replace(watched.small.world, log=Says(heard, again))
    await watched.poll()
    assert watched.passes == (1, 1)

    seen = replace(watched.small.app(), client_id=ClientId("its-client"))
    outcome = watched.post.outcomes[0]
    assert outcome.seen
    watched.client_ids.passed(replace(outcome, seen=replace(outcome.seen, app=seen)), watched.small.clock.now())
    await watched.poll()
    looked = {"billing": (2, 1), "second": (1, 2)}
    assert watched.passes == looked[outcome.target.name]


async def test_an_event_that_is_told_again_wakes_nobody_again(watched: Watched) -> None:
    await watched.touch()
    await watched.poll()
    watched.reconnect()  # so that it begins by time, before these events
    await watched.poll()

    assert watched.passes == (2, 1)


async def test_who_is_being_looked_at_is_looked_at_once_more(watched: Watched) -> None:
    okta, gate = watched.post.wires.okta["acme"], asyncio.Event()

    async def wait(_: str) -> None:
        await gate.wait()

    await watched.touch()
    okta.meanwhile = wait
    await watched.poll()
    assert watched.post.vitals.target("billing").under_way
    await watched.revoke()
    await watched.poll()
    okta.meanwhile = None
    gate.set()
    await watched.post.settle()

    assert watched.post.passes() == 2
    assert watched.next_looks()[0] <= timedelta(seconds=1)


async def test_who_failed_is_looked_at_before_its_time(watched: Watched) -> None:
    billing = watched.targets[0]
    watched.post.wires.unopened["billing"] = ConfigError(["the file is not there"])
    await watched.touch()
    await watched.poll()
    assert watched.post.entry().state is State.FAILING
    del watched.post.wires.unopened["billing"]

    await watched.revoke()
    await watched.poll(timedelta(seconds=1))

    assert watched.small.current(billing) == OTHER


async def test_a_targets_removal_from_the_configuration_is_heeded(watched: Watched) -> None:
    await watched.post.reload(watched.targets[1])
    await watched.touch()
    await watched.poll()

    assert watched.post.passes() == 1


async def test_over_other_connections_it_begins_again_somewhat_before_it_last_heard(watched: Watched) -> None:
    last = watched.small.clock.now()
    first, second = Says(*[Heard((), "first")] * 2), Says(*[Heard((), "second")] * 2)
    for log in (first, second):
        watched.small.world = replace(watched.small.world, log=log)
        await watched.poll()
        await watched.poll()

    assert first.asked[0] == (None, last - OVERLAP)
    assert second.asked[0] == (None, last + 2 * MINUTE - OVERLAP)
    assert [cursor for cursor, _ in (first.asked[1], second.asked[1])] == ["first", "second"]


async def test_who_was_woken_comes_before_those_that_only_rest(watched: Watched) -> None:
    watched.post.loop.wake(["billing"])

    assert watched.post.entry().soon
    assert not watched.post.entry("second").soon


# --- gaps -------------------------------------------------------------------------------------------------------


async def test_while_the_org_is_away_its_log_is_not_asked(watched: Watched) -> None:
    before = len(watched.port.asked)
    reach = watched.post.loop._pulse.reach
    reach[Side("okta", "acme")] = Reach(Condition.UNREACHABLE, watched.small.clock.now())
    await watched.poll()

    assert len(watched.port.asked) == before


async def test_a_lost_cursor_and_a_long_silence_have_everybody_looked_at_within_minutes(watched: Watched) -> None:
    assert min(watched.next_looks()) > SPREAD

    watched.small.okta.cursors += 1
    await watched.poll()
    assert timedelta(0) < min(watched.next_looks())
    assert max(watched.next_looks()) <= SPREAD
    assert len(set(watched.next_looks())) == 2

    await watched.post.tick(SPREAD)
    await watched.poll()
    assert min(watched.next_looks()) > SPREAD
    await watched.poll(SILENCE + MINUTE)
    assert max(watched.next_looks()) <= SPREAD


async def test_who_failed_keeps_its_time_when_everybody_is_looked_at(watched: Watched) -> None:
    entries = watched.post.loop._pulse.entries
    later = watched.small.clock.now() + timedelta(days=1)
    entries["billing"] = replace(entries["billing"], at=later, state=State.PARKED, failures=9)
    watched.small.okta.cursors += 1
    await watched.poll()

    assert watched.post.entry().at == later
    assert watched.next_looks()[1] <= SPREAD


async def test_a_short_outage_costs_no_look(watched: Watched, log: Log) -> None:
    watched.port.error = UnavailableError("okta acme: no answer")
    await watched.poll()
    watched.port.error = RateLimitedError("okta acme: 429")
    await watched.poll()
    watched.port.error = None
    await watched.poll()

    assert watched.passes == (1, 1)
    assert min(watched.next_looks()) > SPREAD
    assert [event["event"] for event in log] == []


# --- no log -----------------------------------------------------------------------------------------------------


async def test_a_log_that_may_not_be_read_is_told_once_and_everybody_looked_at_each_hour(
    watched: Watched, log: Log
) -> None:
    watched.small.okta.shows_log = False
    for _ in range(4 * 12):  # hours
        await watched.poll(UNREADABLE)
        await watched.post.tick(MINUTE / 60)

    (told,) = [event for event in log if event["event"] == "log_unreadable"]
    assert (told["log_level"], told["org"]) == ("warning", "acme")
    assert "once an hour" in told["hint"]
    assert all(4 <= passes <= 6 for passes in watched.passes)

    watched.small.okta.shows_log = True
    await watched.poll(UNREADABLE)
    await watched.touch()
    before = watched.passes
    await watched.poll()
    assert events(log, "log_unreadable", "log_readable") == ["log_unreadable", "log_readable"]
    assert watched.passes[0] == before[0] + 1


async def test_a_log_that_may_not_be_read_is_seldom_asked(watched: Watched) -> None:
    watched.small.okta.shows_log = False
    await watched.poll()
    before = len(watched.port.asked)
    for _ in range(10):
        await watched.poll()

    assert len(watched.port.asked) == before + 2


async def test_a_log_that_gives_no_answer_for_long_counts_as_none(watched: Watched) -> None:
    watched.port.error = RateLimitedError("okta acme: 429")
    await watched.poll(BLIND - MINUTE)
    assert watched.passes == (1, 1)
    await watched.poll(2 * MINUTE)

    assert max(watched.next_looks()) <= BLIND


FAULTS: dict[str, tuple[Exception, list[str]]] = {
    "a fault of this program": (ZeroDivisionError("secret"), ["log_not_understood"]),
    "a login that is refused": (RefusedError("okta acme: 401", code="E0000011"), []),
    "a connection that cannot be made": (ConfigError(["the key is not there"]), []),
}


@pytest.mark.parametrize(("fault", "told"), FAULTS.values(), ids=FAULTS)
async def test_whatever_goes_wrong_the_loop_goes_on(
    watched: Watched, log: Log, fault: Exception, told: list[str]
) -> None:
    watched.port.error = fault
    await watched.poll()
    await watched.poll()
    watched.port.error = None
    await watched.revoke()
    await watched.poll()

    assert watched.small.current(watched.targets[0]) == OTHER
    assert watched.post.running
    assert [event["event"] for event in log if event["event"].startswith("log_")] == told
    assert "secret" not in [event.get("detail") for event in log]


# --- by itself --------------------------------------------------------------------------------------------------


async def test_it_asks_again_and_again_and_an_org_that_hangs_makes_no_other_wait(small: SmallWorld) -> None:
    watched = Watched(small)
    slow = replace(small.settled("slow", app_id="0oa3"), org="slow")
    watched.post.wires.okta["slow"] = Switch(small.flaky_okta)
    watched.post = Post(small, [*watched.targets, slow])
    hung = Switch(small.okta)

    thrice = asyncio.Event()

    async def hang(_: str) -> None:
        await asyncio.Event().wait()

    async def count(_: str) -> None:
        if len(watched.port.asked) == 3:
            thrice.set()

    hung.meanwhile, watched.port.meanwhile = hang, count

    class Wires:
        def of(self, target: Any) -> Any:
            return replace(small.world, log=hung if target.org == "slow" else watched.port)

    async with watched.post:
        watch = Watch(
            watched.post.loop,
            Wires(),
            cursors=watched.post.state.member("daemon@here", {}).cursors,
            key_of=str,
            clock=small.clock,
            every=timedelta(milliseconds=1),
            client_ids={},
            soaking=Soaking(),
        )
        task = asyncio.create_task(watch.run())
        await asyncio.wait_for(thrice.wait(), 30)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert hung.asked == ["changes"]
