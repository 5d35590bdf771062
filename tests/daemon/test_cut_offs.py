"""The watch over the small world: who was cut off with an old secret is heard of, and looked at by the next poll."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.agenda import Pace
from rotator.core.model import AppId, ClientId, Mode, Policy
from rotator.core.secret_value import SecretValue
from rotator.core.usage import LATE, Usage
from rotator.daemon.cut_offs import MOST_NAMES, QUIET, CutOffs
from rotator.daemon.soaking import Soak, Soaking
from rotator.daemon.watch import ClientIds, Watch
from rotator.errors import InvariantError, RefusedError, UnavailableError
from tests.app.small_world import OLD, SmallWorld
from tests.daemon.post import Post, Switch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping
    from datetime import datetime

    from rotator.core.model import Target
    from tests.fakes.state import FakeState

    Log = list[MutableMapping[str, Any]]

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
POLICY = Policy(mode=Mode.AUTO, usage=Usage.OFF)


class Asking:
    """The log, which also notes how it was asked for refusals."""

    def __init__(self, inner: Any) -> None:
        self.switch = Switch(inner)
        self.asked: list[tuple[tuple[str, ...], str | None, datetime]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.switch, name)
        if name != "refusals":
            return real

        async def refusals(clients: Any, cursor: str | None, since: datetime) -> Any:
            self.asked.append((tuple(clients), cursor, since))
            return await real(clients, cursor, since)

        return refusals


class Soaked:
    """A target whose old secret is off, another that is at rest, and the watch, which polls when a test says so."""

    def __init__(self, small: SmallWorld, *, policy: Policy = POLICY, state: FakeState | None = None) -> None:
        self.small = small
        self.policy = policy
        self.log = self.reconnect()
        self.targets: list[Target] = []
        self.state = state
        self.soaking = Soaking()

    def reconnect(self) -> Asking:
        """Have the log reached by another connection."""
        self.log = Asking(self.small.okta)
        self.small.world = replace(self.small.world, log=self.log)
        return self.log

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Soaked]:
        """Run the daemon until the first one's old secret is off."""
        billing = replace(self.small.settled(age=91), policy=self.policy)
        self.targets = [billing, replace(self.small.settled("second", app_id="0oa2"), policy=self.policy)]
        async with self.daemon():
            await self.post.tick(POLICY.overlap + MINUTE)
            assert self.is_back is (self.policy.mode is Mode.OBSERVE)
            self.small.clock.advance(2 * LATE)
            yield self

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Soaked]:
        """Run a daemon, and a watch of its own."""
        self.post = Post(self.small, self.targets, pace=Pace(resync=7 * DAY), state=self.state)
        self.state, self.soaking = self.post.state, Soaking()
        self.post.tell.append(self.soaking.passed)
        self.watch = Watch(
            self.post.loop,
            self.post.wires,
            cursors=self.state.member("daemon@here", {}).cursors,
            key_of=lambda alias: f"https://{alias}.okta.com",
            clock=self.small.clock,
            every=MINUTE,
            client_ids=ClientIds(),
            soaking=self.soaking,
        )
        async with self.post:
            yield self

    async def poll(self, after: timedelta = MINUTE) -> None:
        self.small.clock.advance(after)
        await self.watch.poll("acme")
        await self.post.settle()

    def ask(self, *, value: str = OLD, app_id: str = "0oa1", agent: str = "job/1.0") -> bool:
        return self.small.okta.ask_for_token(value, agent=agent, app_id=app_id)

    @property
    def is_back(self) -> bool:
        """Whether the old secret is on."""
        return self.small.okta.accepts(OLD)

    @property
    def passes(self) -> tuple[int, int]:
        return self.post.passes(), self.post.passes("second")


@pytest.fixture
async def soaked(small: SmallWorld) -> AsyncIterator[Soaked]:
    async with Soaked(small).running() as soaked:
        await soaked.poll()
        yield soaked


def events(log: Log, *names: str) -> list[str]:
    return [event["event"] for event in log if event["event"] in names]


# --- whom it wakes ----------------------------------------------------------------------------------------------


async def test_who_fails_with_the_old_secret_has_it_back_by_the_next_poll(soaked: Soaked, log: Log) -> None:
    soaked.small.okta.logs_refused_hash = True
    passes = soaked.passes
    assert not soaked.ask()
    await soaked.poll()

    assert soaked.ask()
    assert (soaked.passes[0] > passes[0], soaked.passes[1]) == (True, passes[1])
    (heard,) = [event for event in log if event["event"] == "cut_off_heard"]
    assert (heard["targets"], heard["address"], heard["agent"]) == (["billing"], "192.0.2.7", "job/1.0")
    assert OLD not in str(log)


async def test_who_fails_with_another_secret_is_looked_at_once_and_then_seldom(soaked: Soaked) -> None:
    before = soaked.passes[0]
    for _ in range(9):
        soaked.ask(value="wrong")
        await soaked.poll()
    assert soaked.passes[0] == before + 1

    soaked.ask(value="wrong", agent="another/1")
    await soaked.poll()
    assert soaked.passes[0] == before + 2

    soaked.ask(value="wrong")
    await soaked.poll(QUIET)
    assert soaked.passes[0] == before + 3
    assert not soaked.is_back


async def test_who_fails_at_another_target_wakes_nobody(soaked: Soaked) -> None:
    before = soaked.passes
    soaked.ask(value="wrong", app_id="0oa2")
    await soaked.poll()

    assert soaked.passes == before


async def test_our_own_proof_that_is_refused_wakes_nobody(soaked: Soaked) -> None:
    before = soaked.passes
    app = soaked.small.app()
    await soaked.small.okta.prove(app, SecretValue(OLD), soaked.targets[0].verify)
    await soaked.poll()

    assert soaked.passes == before


async def test_a_refusal_that_shows_late_is_heard_when_it_shows(soaked: Soaked) -> None:
    soaked.small.okta.logs_refused_hash = True
    soaked.small.okta.log_lag = timedelta(minutes=3)
    soaked.ask()
    await soaked.poll()
    assert not soaked.is_back
    await soaked.poll(3 * MINUTE)

    assert soaked.is_back


# --- what it asks -----------------------------------------------------------------------------------------------


async def test_while_nobody_soaks_nothing_is_asked(small: SmallWorld) -> None:
    soaked = Soaked(small)
    soaked.targets = [replace(small.settled(), policy=POLICY)]
    async with soaked.daemon():
        for _ in range(3):
            await soaked.poll()

        assert soaked.log.asked == []
        assert set(soaked.log.switch.asked) == {"changes"}


async def test_what_is_only_observed_is_not_asked_for(small: SmallWorld) -> None:
    soaked = Soaked(small, policy=replace(POLICY, mode=Mode.OBSERVE))
    async with soaked.running():
        await soaked.poll()

        assert soaked.log.asked == []


async def test_it_asks_by_one_query_for_who_soaks_and_goes_on_where_it_was(soaked: Soaked) -> None:
    off = next(held.changed for held in soaked.small.okta.held() if held.value.reveal() == OLD)
    for _ in range(3):
        await soaked.poll()

    (first, *others) = soaked.log.asked
    assert first == (("0oa1",), None, off)
    assert [clients for clients, _, _ in others] == [("0oa1",)] * 3
    assert all(cursor is not None for _, cursor, _ in others)


async def test_when_the_soak_is_over_it_asks_no_more(soaked: Soaked) -> None:
    await soaked.post.tick(POLICY.soak)
    assert len(soaked.small.okta.held()) == 1
    before = len(soaked.log.asked)
    await soaked.poll()

    assert len(soaked.log.asked) == before


async def test_over_another_connection_it_begins_somewhat_before_it_last_heard(soaked: Soaked) -> None:
    last = soaked.small.clock.now()
    log = soaked.reconnect()
    await soaked.poll()

    assert log.asked == [(("0oa1",), None, last - LATE)]


async def test_after_a_restart_it_goes_on_at_once_without_a_look(soaked: Soaked) -> None:
    soaked.small.okta.logs_refused_hash = True
    last = soaked.small.clock.now()
    await soaked.post.stop()
    soaked.small.clock.advance(timedelta(hours=5))
    assert not soaked.ask()
    log = soaked.reconnect()
    async with soaked.daemon():
        assert soaked.passes == (0, 0)
        await soaked.poll()

        assert log.asked == [(("0oa1",), None, last - LATE)]
        assert soaked.is_back


# --- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(RefusedError("okta acme: 400 E0000031", code="E0000031"), 1, id="a filter that is not taken"),
        pytest.param(InvariantError("okta acme: the System Log goes on at another host"), 1, id="another host"),
        pytest.param(UnavailableError("okta acme: no answer"), 0, id="no answer"),
    ],
)
async def test_a_fault_is_told_once_stops_nothing_and_misses_nobody(
    soaked: Soaked, log: Log, error: Exception, told: int
) -> None:
    soaked.small.okta.logs_refused_hash = True
    healthy, soaked.log.switch.error = soaked.log.switch, None

    async def fail(name: str) -> None:
        if name == "refusals":
            raise error

    healthy.meanwhile = fail
    soaked.ask()
    await soaked.poll()
    await soaked.poll()
    assert len(events(log, "cut_offs_unheard")) == told
    assert events(log, "log_unreadable", "log_not_understood") == []

    healthy.meanwhile = None
    await soaked.poll()
    assert soaked.is_back


# --- many, coming and going -------------------------------------------------------------------------------------


class Woken:
    """Whom it wakes."""

    vitals: Any = None

    def __init__(self) -> None:
        self.names: list[str] = []

    def wake(self, names: Any, *, within: timedelta | None = None, pressing: bool = False) -> None:
        assert pressing
        assert within is None
        self.names += names

    def heard(self, kind: str) -> None:
        raise AssertionError(kind)

    async def taken_up(self) -> None: ...


class Ear:
    """It alone, over the log of the small world."""

    def __init__(self, small: SmallWorld) -> None:
        self.clock, self.okta, self.woken = small.clock, small.okta, Woken()
        self.log = Asking(self.okta)
        self.state = Post(small, []).state
        self.restart()

    def restart(self) -> None:
        cursors = self.state.member("daemon@here", {}).cursors
        self.ear = CutOffs(self.woken, cursors=cursors, key_of=str, clock=self.clock, lasting=3 * MINUTE)

    async def listen(self, *soaking: Soak) -> list[str]:
        """Ask once; return who was woken."""
        self.woken.names.clear()
        await self.ear.listen("acme", self.log, soaking)
        return self.woken.names

    def soak(self, app_id: str, before: timedelta = MINUTE) -> Soak:
        return Soak(f"target-{app_id}", self.clock.now() - before, frozenset({app_id, f"client-{app_id}"}))

    def fails(self, app_id: str) -> None:
        self.okta.ask_for_token("wrong", app_id=app_id)


@pytest.fixture
def ear(small: SmallWorld) -> Ear:
    for app_id in ("a", "b"):
        small.okta.add_app(app_id, OLD)
    return Ear(small)


async def test_who_joins_is_heard_from_when_its_secret_was_switched_off(ear: Ear) -> None:
    a, b = ear.soak("a"), ear.soak("b", timedelta(hours=3))
    await ear.listen(a)
    ear.fails("b")
    ear.clock.advance(timedelta(hours=2))
    await ear.listen(a)

    assert await ear.listen(a, b) == ["target-b"]
    assert ear.log.asked[-1][1:] == (None, b.since)
    assert await ear.listen(a, b) == []


async def test_a_refusal_that_is_told_again_wakes_nobody_again(ear: Ear) -> None:
    a = ear.soak("a")
    ear.fails("a")
    assert await ear.listen(a) == ["target-a"]
    ear.clock.advance(2 * QUIET)

    assert await ear.listen(a, ear.soak("b", timedelta(hours=3))) == []


async def test_who_leaves_is_passed_over_by_the_same_link_and_who_comes_back_is_heard_by_it(ear: Ear) -> None:
    a, b = ear.soak("a"), ear.soak("b")
    await ear.listen(a, b)
    ear.fails("b")
    assert await ear.listen(a) == []
    ear.fails("a")
    assert await ear.listen(a) == ["target-a"]
    ear.clock.advance(QUIET)
    ear.fails("b")

    assert await ear.listen(a, b) == ["target-b"]
    assert [cursor is None for _, cursor, _ in ear.log.asked] == [True, False, False, False]


async def test_a_link_that_is_not_taken_any_more_is_left_for_one_of_the_same_clients(ear: Ear) -> None:
    a, b = ear.soak("a"), ear.soak("b")
    await ear.listen(a, b)
    await ear.listen(a)
    ear.okta.cursors += 1
    ear.fails("b")
    await ear.listen(a)
    ear.clock.advance(QUIET)
    ear.fails("b")

    assert await ear.listen(a, b) == ["target-b"]
    assert {clients for clients, _, _ in ear.log.asked} == {("a", "b", "client-a", "client-b")}


async def test_of_many_all_are_asked_for_and_only_who_soaks_is_woken(ear: Ear) -> None:
    many = [ear.soak(str(number)) for number in range(MOST_NAMES // 2)]
    ear.fails("a")
    ear.fails("b")

    assert await ear.listen(*many, ear.soak("b")) == ["target-b"]
    assert ear.log.asked[0][0] == ()


async def test_while_nobody_soaked_nobody_was_missed(ear: Ear) -> None:
    await ear.listen(ear.soak("a"))
    await ear.listen()
    ear.clock.advance(10 * DAY)
    ear.fails("a")
    later = ear.soak("a", timedelta(0))

    assert await ear.listen(later) == ["target-a"]
    assert [since for _, _, since in ear.log.asked][-1] == later.since


async def test_after_a_restart_who_joined_meanwhile_is_heard_from_its_beginning(ear: Ear) -> None:
    a = ear.soak("a")
    await ear.listen(a)
    ear.clock.advance(timedelta(hours=1))
    b = ear.soak("b", timedelta(minutes=30))
    ear.restart()
    ear.fails("b")

    assert await ear.listen(a, b) == ["target-b"]
    assert ear.log.asked[-1][1:] == (None, ear.clock.now() - timedelta(hours=1) - LATE)


# --- who soaks --------------------------------------------------------------------------------------------------


async def test_a_look_that_did_not_get_as_far_changes_nothing(soaked: Soaked) -> None:
    one = soaked.post.vitals.target("billing")
    known = soaked.soaking.of(one)
    assert known is not None
    assert known.clients == {"0oa1"}
    outcome = next(each for each in reversed(soaked.post.outcomes) if each.target.name == "billing")
    later = soaked.small.clock.now() + MINUTE
    soaked.soaking.passed(replace(outcome, ending=UnavailableError("no answer"), seen=None), later)
    assert one.last

    failed = replace(one, last=replace(one.last, at=later, result="error", waiting=""))
    assert soaked.soaking.of(failed) == known


async def test_what_another_member_has_found_out_since_counts(soaked: Soaked) -> None:
    one = soaked.post.vitals.target("billing")
    assert one.last
    later = soaked.small.clock.now() + MINUTE

    gone = replace(one, last=replace(one.last, at=later, waiting="next rotation"))
    still = replace(one, last=replace(one.last, at=later, until=later + POLICY.soak))
    assert soaked.soaking.of(gone) is None
    assert soaked.soaking.of(still) == Soak("billing", later, frozenset({AppId("0oa1")}))


async def test_both_names_of_the_client_are_known_once_a_pass_has_seen_them(soaked: Soaked) -> None:
    outcome = next(each for each in reversed(soaked.post.outcomes) if each.target.name == "billing")
    assert outcome.seen
    app = replace(soaked.small.app(), client_id=ClientId("its-client"))
    soaked.soaking.passed(replace(outcome, seen=replace(outcome.seen, app=app)), soaked.small.clock.now())
    known = soaked.soaking.of(soaked.post.vitals.target("billing"))

    assert known is not None
    assert known.clients == {"0oa1", "its-client"}
