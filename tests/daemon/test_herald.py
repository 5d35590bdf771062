"""The herald, the lookout and the heartbeat, over a state in memory and real HTTP receivers."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.rotate import Outcome
from rotator.core.actions import Block, Blocked, Rest, Waiting
from rotator.core.admission import Brake
from rotator.core.agenda import Entry, LastLook, State
from rotator.core.deadlines import Deadlines
from rotator.core.model import Mode, Policy
from rotator.core.notices import Kind, Route
from rotator.core.secret_value import SecretValue
from rotator.daemon.heartbeat import Pacemaker, healthy
from rotator.daemon.herald import Herald, Rhythm, Scene
from rotator.daemon.metrics import Tally, exposition
from rotator.daemon.vitals import Condition, Pulse, Reach, Side, Vitals
from rotator.errors import RefusedError, StateError, UnavailableError
from rotator.settings import Channel, Heartbeat, Notify, SecretSource, Settings
from rotator.settings.model import nothing
from rotator.wiring_notify import open_heart, open_notifier
from tests.core.snapshots import TARGET
from tests.fakes.okta import NOON, ManualClock
from tests.fakes.state import FakeState
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rotator.core.model import Target

FAST = Rhythm(box=0.02, service=0.02, deadlines=0.02)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
AUTO = replace(TARGET, policy=Policy(mode=Mode.AUTO))
OKTA = Side("okta", "default")
FULL = Blocked(Block.SLOTS_FULL, "both taken", "Free one.")
FINE = Rest(NOON + DAY, Waiting.NEXT_ROTATION)


def source(value: str) -> SecretSource:
    return SecretSource("the test", value=SecretValue(value))


def channel(receiver: Receiver, name: str = "hook", **changes: Any) -> Channel:
    plain = Channel(
        name=name,
        kind="webhook",
        url=source(f"{receiver.url}/hook"),
        secret=source("a secret of the tests"),
        route=Route(name),
        at_most=100,
        answer_within=timedelta(seconds=5),
        ca_file=None,
        proxy=None,
    )
    return replace(plain, **changes)


@dataclass
class Member:
    """One member of a service: its pulse, and a herald over the common state."""

    state: FakeState
    clock: ManualClock
    channels: list[Channel]
    name: str = "one"
    targets: tuple[Target, ...] = (AUTO,)
    deadlines: Deadlines = field(default_factory=Deadlines)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.pulse = Pulse(NOON, timedelta(seconds=30))
        self.pulse.targets = {target.name: target for target in self.targets}
        self.pulse.entries = {target.name: Entry(NOON, State.RESTING) for target in self.targets}
        ports = self.state.member(self.name, {})
        scene = Scene(lambda: Vitals(self.pulse), self.settings, ports.brakes, self.clock)
        self.herald = Herald(ports.outbox, scene, self.tally, open_notifier=open_notifier, rhythm=FAST)

    def settings(self) -> Settings:
        return replace(nothing(), notify=Notify(tuple(self.channels), DAY, self.deadlines))

    def passed(self, ending: Any, target: Target = AUTO) -> None:
        self.herald.passed(Outcome(target, (), ending, None), self.clock.now())

    def look(self, target: Target = AUTO, **changes: Any) -> None:
        seen = LastLook(self.clock.now(), "resting", waiting=Waiting.NEXT_ROTATION.value)
        self.pulse.last[target.name] = replace(seen, **changes)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.herald.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(receiver: Receiver, count: int, kind: str | None = None) -> list[dict[str, Any]]:
    return await asyncio.to_thread(receiver.until, count, kind=kind)


async def until_told(member: Member, how: str, count: int) -> None:
    """Return when what came of so many deliveries is counted, and the time of the next try is set."""

    async def told() -> None:
        while member.tally.notices["hook", how] < count:  # noqa: ASYNC110 -- a tally tells nobody when it is counted up
            await asyncio.sleep(0.02)

    await asyncio.wait_for(told(), 30)


async def a_while() -> None:
    """Give it time for what it should not do."""
    await asyncio.sleep(0.3)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def state(clock: ManualClock) -> FakeState:
    state = FakeState(clock)
    state.brake = None
    return state


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def member(state: FakeState, clock: ManualClock, receiver: Receiver) -> Member:
    return Member(state, clock, [channel(receiver)])


# --- passes -----------------------------------------------------------------------------------------------------


async def test_a_pass_is_told_at_once_and_its_end_once(member: Member, receiver: Receiver) -> None:
    async with member.telling():
        began = time.monotonic()
        member.passed(FULL)
        (told,) = await until(receiver, 1)
        assert time.monotonic() - began < 15
        for ending in (FULL, FULL, FINE, FINE):
            member.passed(ending)
        await until(receiver, 2)
        await a_while()

    assert [each["kind"] for each in receiver.documents()] == ["blocked", "recovered"]
    assert told.items() >= {"target": "billing", "detail": "both slots taken: both taken", "hint": "Free one."}.items()
    assert (member.tally.notices["hook", "sent"], member.tally.notices_waiting) == (2, {"hook": 0})


async def test_who_is_held_by_its_org_is_told_of_as_the_org(
    member: Member, clock: ManualClock, receiver: Receiver
) -> None:
    member.pulse.reach[OKTA] = Reach(Condition.UNREACHABLE, clock.now(), "no answer")
    async with member.telling():
        member.passed(UnavailableError("no answer"))
        member.passed(UnavailableError("no answer"))
        await a_while()
        assert receiver.got == []
        clock.advance(MINUTE)
        (told,) = await until(receiver, 1)
        clock.advance(MINUTE)
        member.pulse.reach[OKTA] = Reach(Condition.UP, clock.now())
        await until(receiver, 1, "recovered")

    assert told.items() >= {"kind": "failed", "subject": "okta default", "target": None}.items()


@pytest.mark.parametrize("condition", [Condition.SEALED, Condition.REFUSED])
async def test_what_only_a_person_mends_is_told_at_once(
    member: Member, receiver: Receiver, condition: Condition
) -> None:
    member.pulse.reach[Side("vault", "default")] = Reach(condition, NOON, "as it says")
    async with member.telling():
        (told,) = await until(receiver, 1)

    assert told.items() >= {"subject": "vault default", "detail": f"{condition.value}: as it says"}.items()


async def test_a_side_that_only_one_member_cannot_reach_does_not_flap(
    state: FakeState, clock: ManualClock, receiver: Receiver
) -> None:
    away, fine = (Member(state, clock, [channel(receiver)], name) for name in ("away", "fine"))
    away.pulse.reach[OKTA] = Reach(Condition.REFUSED, NOON, "401")
    async with away.telling(), fine.telling():
        await until(receiver, 1)
        for _ in range(4):
            clock.advance(6 * MINUTE)
            await a_while()
        assert len(receiver.got) == 1
        del away.pulse.reach[OKTA]  # it was started anew, and has not failed yet
        clock.advance(11 * MINUTE)
        await until(receiver, 1, "recovered")


# --- two members ------------------------------------------------------------------------------------------------


async def test_two_members_that_see_the_same_tell_it_once(
    state: FakeState, clock: ManualClock, receiver: Receiver
) -> None:
    one, two = (Member(state, clock, [channel(receiver)], name) for name in ("one", "two"))
    async with one.telling(), two.telling():
        for _ in range(3):
            one.passed(FULL)
            two.passed(FULL)
            await a_while()

    assert [each["kind"] for each in receiver.documents()] == ["blocked"]


async def test_what_one_has_put_into_the_box_another_sends(
    state: FakeState, clock: ManualClock, member: Member, receiver: Receiver
) -> None:
    """A crash between writing and sending: the first is stopped before its round comes to that."""
    member.passed(FULL)
    task = asyncio.create_task(member.herald.run())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert receiver.got == []
    task = asyncio.create_task(member.herald._guarded(member.herald._write_down(member.settings().notify.rules)))  # type: ignore[union-attr]
    await task
    assert len(state.box) == 1

    async with Member(state, clock, [channel(receiver)], "two").telling():
        await until(receiver, 1)


# --- channels ---------------------------------------------------------------------------------------------------


async def test_what_came_while_a_receiver_was_down_comes_when_it_is_back(
    member: Member, clock: ManualClock, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [503, 503, 200]
    async with member.telling():
        member.passed(FULL)
        for retried in (1, 2):
            await until_told(member, "retried", retried)
            clock.advance(MINUTE)
        await until_told(member, "sent", 1)

    assert len(receiver.got) == 3
    assert len({each.headers["idempotency-key"] for each in receiver.got}) == 1
    assert (member.tally.notices["hook", "retried"], member.tally.notices["hook", "sent"]) == (2, 1)


async def test_a_channel_that_hangs_holds_up_no_other(state: FakeState, clock: ManualClock, receiver: Receiver) -> None:
    with receiving() as deaf:
        deaf.deaf.set()
        one = Member(state, clock, [channel(deaf, "deaf"), channel(receiver)])
        async with one.telling():
            one.passed(FULL)
            await until(receiver, 1)
            one.passed(FINE)
            await until(receiver, 2)
            deaf.released.set()


async def test_more_than_so_many_an_hour_come_as_a_digest(
    state: FakeState, clock: ManualClock, receiver: Receiver
) -> None:
    targets = tuple(replace(AUTO, name=f"t{number}") for number in range(10))
    one = Member(state, clock, [channel(receiver, at_most=3)], targets=targets)
    for target in targets:
        one.passed(FULL, target)
    async with one.telling():
        await until(receiver, 10)
        one.passed(Blocked(Block.HIDDEN, "hidden", "Show it."), targets[0])
        await a_while()
        assert len(receiver.got) == 3
        assert receiver.got[-1].json()["kind"] == "digest"
        clock.advance(timedelta(hours=1))
        await until(receiver, 11)


async def test_another_configuration_is_followed(member: Member, receiver: Receiver) -> None:
    with receiving() as other:
        async with member.telling():
            member.passed(FULL)
            await until(receiver, 1)
            member.channels[0] = channel(other)
            member.passed(FINE)
            await until(other, 1, "recovered")
            member.channels.clear()
            member.passed(FULL)
            await a_while()

    assert (len(receiver.got), len(other.got)) == (1, 1)


# --- the brake, breakers and deadlines --------------------------------------------------------------------------


async def test_the_brake_is_told_whoever_has_set_it(member: Member, state: FakeState, receiver: Receiver) -> None:
    async with member.telling():
        state.brake = Brake(NOON, "40 targets are due at once", "`rotator resume --all`")
        (told,) = await until(receiver, 1)
        state.brake = None
        await until(receiver, 1, "recovered")

    assert told.items() >= {"kind": "brake", "subject": "the brake", "hint": "`rotator resume --all`"}.items()


async def test_the_brake_of_a_new_state_is_told_if_it_stays(clock: ManualClock, receiver: Receiver) -> None:
    one = Member(FakeState(clock), clock, [channel(receiver)])
    async with one.telling():
        await a_while()
        assert receiver.got == []
        clock.advance(11 * MINUTE)
        await until(receiver, 1, "brake")


async def test_an_open_breaker_is_told_once_for_all_that_wait(
    state: FakeState, clock: ManualClock, receiver: Receiver
) -> None:
    targets = tuple(replace(AUTO, name=f"t{number}") for number in range(3))
    one = Member(state, clock, [channel(receiver)], targets=targets)
    for target in targets:
        one.look(target, detail="the last 5 rotations failed")
        one.pulse.entries[target.name] = Entry(NOON, State.STOPPED)
    async with one.telling():
        (told,) = await until(receiver, 1)
        await a_while()

    assert len(receiver.got) == 1
    assert told["detail"] == "3 targets are due and not let begin: the last 5 rotations failed"


async def test_what_is_soon_and_what_is_late_is_told(state: FakeState, clock: ManualClock, receiver: Receiver) -> None:
    one = Member(state, clock, [channel(receiver)], deadlines=Deadlines(7 * DAY, 3 * DAY))
    one.look(secret_created=NOON - 85 * DAY)
    async with one.telling():
        await until(receiver, 1, "upcoming")
        clock.advance(9 * DAY)
        one.look(result="error", detail="Okta is away", secret_created=NOON - 85 * DAY, waiting="")
        (late,) = await until(receiver, 1, "late")
        await a_while()
        assert one.tally.late == {"rotation": 1}
        one.look(secret_created=clock.now())
        await until(receiver, 1, "recovered")

    assert [each["kind"] for each in receiver.documents()] == ["upcoming", "late", "recovered"]
    assert "the last look: error, Okta is away" in late["detail"]


async def test_a_target_that_is_gone_is_forgotten(member: Member, state: FakeState, receiver: Receiver) -> None:
    async with member.telling():
        member.passed(FULL)
        await until(receiver, 1)
        other = replace(AUTO, name="other")
        member.pulse.targets, member.pulse.entries = {"other": other}, {"other": Entry(NOON, State.RESTING)}
        await a_while()

    assert state.standing == {}
    assert len(receiver.got) == 1


# --- what goes wrong here ---------------------------------------------------------------------------------------


async def test_while_the_state_is_away_what_was_seen_is_kept(
    member: Member, state: FakeState, receiver: Receiver
) -> None:
    state.down = StateError("away")
    async with member.telling():
        member.passed(FULL)
        await a_while()
        state.down = None
        await until(receiver, 1)


async def test_a_fault_of_this_program_ends_nothing(member: Member, state: FakeState, receiver: Receiver) -> None:
    state.down = ZeroDivisionError("its text may hold an address")  # type: ignore[assignment]
    async with member.telling():
        member.passed(RefusedError("no right"))
        await a_while()
        state.down = None
        await until(receiver, 1)


async def test_it_is_counted(member: Member, receiver: Receiver) -> None:
    async with member.telling():
        member.passed(FULL)
        await until(receiver, 1)
        await a_while()

    text = "".join(exposition(Vitals(member.pulse), member.tally, {}))
    assert 'rotator_notices_sent_total{channel="hook",result="sent"} 1\n' in text
    assert 'rotator_notices_waiting{channel="hook"} 0\n' in text
    assert 'rotator_late{step="rotation"} 0\n' in text


# --- the heartbeat ----------------------------------------------------------------------------------------------


@dataclass
class Patient:
    """A daemon whose heart beats."""

    receiver: Receiver
    every: timedelta = timedelta(seconds=0.05)

    def __post_init__(self) -> None:
        self.pulse = Pulse(NOON, timedelta(seconds=30))
        wanted = Heartbeat(source(f"{self.receiver.url}/ping"), self.every, None, None, timedelta(seconds=5))
        settings = replace(nothing(), heartbeat=wanted)
        self.pacemaker = Pacemaker(lambda: Vitals(self.pulse), lambda: settings, open_heart, look=0.02, again=0.1)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.pacemaker.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_heart_beats_once_for_each_tick_at_most(receiver: Receiver) -> None:
    patient = Patient(receiver)
    async with patient.alive():
        await a_while()
        assert receiver.got == []  # no tick has finished
        patient.pulse.tick_finished(NOON)
        await a_while()
        assert len(receiver.got) == 1
        patient.pulse.tick_finished(NOON)
        await asyncio.to_thread(receiver.until_requests, 2)

    assert {(each.method, each.path) for each in receiver.got} == {("GET", "/ping")}


async def test_the_heart_beats_at_most_so_often(receiver: Receiver) -> None:
    patient = Patient(receiver, every=timedelta(hours=1))
    async with patient.alive():
        for _ in range(5):
            patient.pulse.tick_finished(NOON)
            await asyncio.sleep(0.1)

    assert len(receiver.got) == 1


@pytest.mark.parametrize("side", [OKTA, Side("vault", "default"), Side("state", "database")])
async def test_the_heart_does_not_beat_while_something_is_away(receiver: Receiver, side: Side) -> None:
    patient = Patient(receiver)
    patient.pulse.reach[side] = Reach(Condition.UNREACHABLE, NOON)
    patient.pulse.tick_finished(NOON)
    async with patient.alive():
        await a_while()
        assert receiver.got == []
        patient.pulse.reach[side] = Reach(Condition.UP, NOON)
        await asyncio.to_thread(receiver.until_requests, 1)


def test_who_hangs_or_stops_is_not_healthy() -> None:
    now = 0.0
    pulse = Pulse(NOON, timedelta(seconds=1), monotonic=lambda: now)
    pulse.tick_finished(NOON)
    assert healthy(Vitals(pulse))

    now = 60.0
    assert not healthy(Vitals(pulse))
    pulse.tick_finished(NOON)
    pulse.stopping = True
    assert not healthy(Vitals(pulse))


async def test_a_beat_that_nobody_took_is_tried_again(receiver: Receiver) -> None:
    receiver.statuses = [500, 200]
    patient = Patient(receiver, every=timedelta(hours=1))
    patient.pulse.tick_finished(NOON)
    async with patient.alive():
        await asyncio.to_thread(receiver.until_requests, 2)
        patient.pulse.tick_finished(NOON)
        await a_while()

    assert len(receiver.got) == 2


def test_every_kind_is_one_that_may_be_configured() -> None:
    from typing import get_args

    from rotator.settings.schema_notify import Event

    assert set(get_args(Event)) == {kind.value for kind in Kind}
