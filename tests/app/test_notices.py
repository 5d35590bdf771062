"""From passes to what people are told, and from the box to a channel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.notices import Delivery, deliver, sight_of
from rotator.app.rotate import Outcome, Step, carry_on
from rotator.core.actions import Activate, Block, Blocked, Create, Rest, Waiting
from rotator.core.model import SecretId
from rotator.core.notices import Kind, Route, Rules, Said, Sight, Subject, decide
from rotator.errors import BusyError, RateLimitedError, RefusedError, RotatorError, UnavailableError
from tests.app.small_world import SmallWorld
from tests.core.snapshots import TARGET
from tests.fakes.okta import NOON, ManualClock
from tests.fakes.state import FakeState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.core.notice_text import Message
    from rotator.core.notices import Standing
    from rotator.ports import Notifier

ALL = Rules((Route("ops"),))
WITHIN = timedelta(seconds=10)
DAY = timedelta(days=1)


def ended(ending: Any, **more: Any) -> Outcome:
    return Outcome(TARGET, more.pop("steps", ()), ending, None, **more)


def sight(outcome: Outcome, *, failures: int = 0, held: bool = False) -> Sight:
    return sight_of(outcome, NOON, failures=failures, held=held)


# --- what lasts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [each for each in Block if each is not Block.IN_USE])
def test_whatever_blocks_is_told_with_its_cause_and_its_next_step(block: Block) -> None:
    lasts = sight(ended(Blocked(block, "as was seen", "Do this."))).lasts

    assert lasts == {Kind.BLOCKED: Said(block.name, f"{block.value}: as was seen", "Do this.")}


WHO = "10.0.0.7, curl/8, last seen 2026-06-15 11:58 UTC"


def test_an_old_secret_in_use_is_told_as_that_with_who_uses_it() -> None:
    blocked = sight(ended(Blocked(Block.IN_USE, WHO, "Move it over.")))
    resting = sight(ended(Rest(NOON + DAY, Waiting.IN_USE, WHO)))

    assert blocked.lasts == {Kind.IN_USE: Said("IN_USE", f"{Block.IN_USE.value}: {WHO}", "Move it over.")}
    assert (resting.lasts[Kind.IN_USE].detail, resting.lasts[Kind.IN_USE].what) == (WHO, "IN_USE")
    assert "`rotator retire billing`" in resting.lasts[Kind.IN_USE].hint
    assert resting.over == {Kind.FAILED, Kind.BLOCKED}


def test_who_uses_it_may_change_without_another_notice() -> None:
    standing = decide((), sight(ended(Rest(None, Waiting.IN_USE, WHO))), ALL).keep

    assert not decide(standing, sight(ended(Rest(None, Waiting.IN_USE, "10.0.0.8"))), ALL)


def test_that_nobody_can_tell_who_uses_it_is_no_end_of_its_use() -> None:
    assert sight(ended(Rest(None, Waiting.EVIDENCE))).over == {Kind.FAILED, Kind.BLOCKED}


@pytest.mark.parametrize(
    ("error", "failures", "told"),
    [
        (RefusedError("no right"), 0, True),
        (UnavailableError("no answer"), 0, False),
        (UnavailableError("no answer"), 1, True),
        (BusyError("somebody else"), 9, False),
        (RateLimitedError("too many"), 9, False),
    ],
)
def test_a_failure_is_told_when_it_needs_a_person_or_is_repeated(
    error: RotatorError, failures: int, told: bool
) -> None:
    seen = sight(ended(error, failed=Create()), failures=failures)

    assert (Kind.FAILED in seen.lasts) is told
    assert seen.over == frozenset()
    if told:
        assert seen.lasts[Kind.FAILED] == Said(type(error).__name__, str(error), error.hint)


def test_who_waits_for_its_org_says_nothing() -> None:
    seen = sight(ended(UnavailableError("no answer")), failures=9, held=True)

    assert (seen.lasts, seen.over) == ({}, frozenset())


@pytest.mark.parametrize("waiting", [Waiting.VERIFICATION, Waiting.ATTEMPT, Waiting.PAUSED, Waiting.HOOK])
def test_a_rest_that_shows_nothing_ends_nothing(waiting: Waiting) -> None:
    assert sight(ended(Rest(None, waiting))).over == frozenset()


@pytest.mark.parametrize("waiting", [Waiting.NEXT_ROTATION, Waiting.OVERLAP, Waiting.TURN, Waiting.TOLD])
def test_any_other_rest_ends_what_was_wrong(waiting: Waiting) -> None:
    assert sight(ended(Rest(None, waiting))).over == {Kind.FAILED, Kind.BLOCKED, Kind.IN_USE}


# --- what happened ----------------------------------------------------------------------------------------------


def kinds(standing: Sequence[Standing], outcome: Outcome) -> list[Kind]:
    return [notice.kind for _, notice in decide(standing, sight(outcome), ALL).notices]


async def test_a_rotation_is_told_once_with_the_end_of_the_overlap() -> None:
    small = SmallWorld()
    target = small.settled(age=100)

    outcome = await carry_on(target, small.world)
    seen = sight_of(outcome, small.clock.now(), failures=0, held=False)
    verdict = decide((), seen, ALL)
    again = await carry_on(target, small.world)

    ((_, notice),) = verdict.notices
    assert notice.kind is Kind.ROTATED
    assert f"is in {target.consumer} version 2, and proven; the old one, ocs" in notice.detail
    assert f"stays good until {small.clock.now() + target.policy.overlap:%Y-%m-%d}" in notice.detail
    assert kinds(verdict.keep, again) == []
    (over,) = sight_of(outcome, small.clock.now() + target.policy.overlap, failures=0, held=False).happened
    assert "stays good" not in over.said.detail


async def test_an_old_one_that_somebody_has_switched_off_is_not_said_to_stay_good() -> None:
    small = SmallWorld()
    target = small.settled(age=100)
    await carry_on(target, small.world)
    with small.okta.by("admin") as okta:
        await okta.deactivate_secret(target.app_id, small.okta.held()[0].id)

    outcome = await carry_on(target, small.world)
    (happened,) = sight_of(outcome, small.clock.now(), failures=0, held=False).happened

    assert happened.kind is Kind.ROTATED
    assert "stays good" not in happened.said.detail


async def test_a_pass_that_was_killed_right_after_the_rotation_is_made_up_for() -> None:
    """A first rotation was told; of the second nobody heard: the next pass finds it."""
    small = SmallWorld()
    target = small.settled(age=100)
    told = decide((), sight(await carry_on(target, small.world)), ALL).keep
    small.clock.advance(11 * DAY)
    await carry_on(target, small.world)
    small.clock.advance(90 * DAY)
    await carry_on(target, small.world)  # its outcome is lost

    assert kinds(told, await carry_on(target, small.world)) == [Kind.ROTATED]


async def test_a_record_that_somebody_copied_over_an_older_secret_is_no_rotation() -> None:
    """Theirs is a rollback by `vault kv patch`: the rotation's name stays, and its secret is another one."""
    small = SmallWorld()
    target = small.settled(age=100)
    told = decide((), sight(await carry_on(target, small.world)), ALL).keep
    first = small.current(target)
    small.clock.advance(11 * DAY)
    await carry_on(target, small.world)
    small.clock.advance(90 * DAY)
    await carry_on(target, small.world)
    small.kv.by_hand.put(target.consumer, small.fields(target) | {"client_secret": first})

    assert kinds(told, await carry_on(target, small.world)) == []


async def test_what_was_rotated_before_anybody_was_to_be_told_is_not_told() -> None:
    small = SmallWorld()
    target = small.settled(age=100)
    await carry_on(target, small.world)

    assert kinds((), await carry_on(target, small.world)) == []


async def test_an_adopted_secret_is_no_rotation() -> None:
    small = SmallWorld()
    small.okta.add_app("0oa1", "o" * 40)

    outcome = await carry_on(small.target(), small.world)

    assert [type(step.action).__name__ for step in outcome.steps][-1] == "Adopt"
    assert kinds((), outcome) == []


def test_a_secret_that_is_switched_on_again_is_told() -> None:
    step = Step(Activate(SecretId("ocs1"), "10.0.0.7 still uses it"), "done")
    failed = replace(step, surprise=RefusedError("no"))

    (happened,) = sight(ended(Rest(None, Waiting.SOAK), steps=(step,))).happened

    assert (happened.kind, happened.said.detail) == (
        Kind.REACTIVATED,
        "ocs1 was switched on again: 10.0.0.7 still uses it",
    )
    assert sight(ended(Rest(None, Waiting.SOAK), steps=(failed,))).happened == ()


# --- out of the box ---------------------------------------------------------------------------------------------


@dataclass
class Way:
    """A notifier that keeps what it is given; the next tries end as planned."""

    errors: list[RotatorError] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)


class Post:
    """A box with some notices, and a way out of it."""

    def __init__(self, count: int = 1) -> None:
        self.clock = ManualClock()
        self.state = FakeState(self.clock)
        self.outbox = self.state.member("one", {}).outbox
        self.count = count

    async def fill(self) -> None:
        for number in range(self.count):
            said = Said("SLOTS_FULL", "both slots taken")
            await self.outbox.tell(Sight(Subject(f"t{number}"), self.clock.now(), {Kind.BLOCKED: said}), ALL)

    async def deliver(self, way: Notifier, at_most: int = 20) -> Delivery | None:
        return await deliver(self.outbox, "ops", way, self.clock, at_most=at_most, within=WITHIN)


async def test_what_is_in_the_box_goes_out_one_by_one() -> None:
    post, way = Post(2), Way()
    await post.fill()

    assert [bool(await post.deliver(way)) for _ in range(3)] == [True, True, False]
    assert [message.document["subject"] for message in way.sent] == ["t0", "t1"]


async def test_what_somebody_is_sending_nobody_else_takes_while_that_may_last() -> None:
    post, another = Post(), Way()
    await post.fill()

    class Slow(Way):
        async def send(self, message: Message) -> None:
            post.clock.advance(WITHIN)
            other = post.state.member("two", {}).outbox
            assert await deliver(other, "ops", another, post.clock, at_most=20, within=WITHIN) is None
            await super().send(message)

    way = Slow()
    await post.deliver(way)

    assert (len(way.sent), another.sent) == (1, [])


async def test_what_is_too_much_goes_out_as_a_digest() -> None:
    post, way = Post(5), Way()
    await post.fill()

    while await post.deliver(way, at_most=2):
        pass

    assert [message.document["kind"] for message in way.sent] == ["blocked", "digest"]


async def test_what_is_not_taken_is_tried_again_at_growing_intervals() -> None:
    post, way = Post(), Way([UnavailableError("away")] * 8)
    await post.fill()
    waits: list[int] = []
    while not way.sent:
        if await post.deliver(way) is None:
            post.clock.advance(timedelta(seconds=1))
            waits[-1] += 1
        else:
            waits.append(0)

    assert waits == [1, 2, 4, 8, 15, 60, 120, 300, 0]


async def test_after_a_day_it_is_given_up_and_the_next_one_follows() -> None:
    post, way = Post(), Way([UnavailableError("away")] * 2)
    await post.fill()
    await post.deliver(way)
    post.clock.advance(DAY + timedelta(hours=1))
    post.count = 2
    await post.fill()

    lost = await post.deliver(way)
    sent = await post.deliver(way)

    assert lost
    assert sent
    assert (lost.lost, [notice.subject.name for notice in lost.batch.notices]) == (True, ["t0"])
    assert way.sent


async def test_a_digest_is_not_given_up_while_there_is_a_young_one_in_it() -> None:
    post, way = Post(2), Way()
    await post.fill()
    post.clock.advance(DAY + timedelta(hours=1))
    post.count = 6
    await post.fill()
    await post.deliver(way, at_most=2)
    way.errors.append(UnavailableError("away"))

    found = await post.deliver(way, at_most=2)

    assert found
    ages = {post.clock.now() - notice.at for notice in found.batch.notices}
    assert (found.lost, ages) == (False, {timedelta(0), DAY + timedelta(hours=1)})


async def test_a_message_that_is_refused_by_itself_stands_in_nobody_s_way() -> None:
    post, way = Post(2), Way([RefusedError("413", code="message")])
    await post.fill()

    first, second = await post.deliver(way), await post.deliver(way)

    assert first
    assert second
    assert (first.lost, second.error) == (True, None)
    assert [message.document["subject"] for message in way.sent] == ["t1"]
