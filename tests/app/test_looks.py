"""What a pass looks at, how often, and what it makes of answers that are missing, late or refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rotator.adapters.no_state import OpenGate
from rotator.app.observe import read_record
from rotator.app.operate import look_at
from rotator.app.rotate import MAX_ACTIONS_PER_PASS, Outcome, carry_on
from rotator.core.actions import AskUsage, Block, Blocked, Create, Rest, Verify, Waiting
from rotator.core.model import AuthMethod, Onboard, OrderMode, Proof, ProofLevel, Removal, SecretId
from rotator.core.records import staging_fields
from rotator.core.usage import Usage
from rotator.errors import ConflictError, InvariantError, RefusedError, UnavailableError
from tests.app.small_world import AUTO, OLD, OTHER, SmallWorld
from tests.fakes.okta import NOON, ManualClock
from tests.fakes.vault import FakeKv

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.admission import Admission, Wish
    from rotator.core.model import App, KvPath, Target
    from rotator.core.secret_value import SecretFields
    from rotator.core.usage import UsageLog

DAY = timedelta(days=1)
AWAY = UnavailableError("the log is away")


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


class Counted:
    """A port that counts how often each of its calls is made."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._inner, name)


class Log:
    """Okta's log, of which usage can be asked only so often before it is away."""

    def __init__(self, small: SmallWorld, *, answers: int = 0) -> None:
        self.inner = small.okta
        self.answers = answers

    async def usage(self, app: App, *, old: str, current: str | None, since: datetime) -> UsageLog:
        self.answers -= 1
        if self.answers < 0:
            raise AWAY
        return await self.inner.usage(app, old=old, current=current, since=since)

    async def deactivated_by_us(self, *about: Any) -> bool:
        return await self.inner.deactivated_by_us(*about)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def rotated(small: SmallWorld, usage: Usage = Usage.STOP_IF_SEEN) -> Target:
    target = small.settled()
    target = replace(target, policy=replace(target.policy, usage=usage))
    await carry_on(target, small.world, order=OrderMode.NOW)
    return target


def did(outcome: Outcome) -> list[str]:
    return [type(step.action).__name__ for step in outcome.steps]


def said(outcome: Outcome, action: type) -> list[str]:
    return [step.detail for step in outcome.steps if isinstance(step.action, action)]


# --- how often --------------------------------------------------------------------------------------------------


async def test_of_a_target_with_nothing_to_explain_the_history_is_not_read(small: SmallWorld) -> None:
    target = small.settled()
    for number in range(5):
        small.kv.by_hand.patch(target.consumer, {"note": f"theirs {number}"})
    kv = Counted(small.kv)

    await carry_on(target, replace(small.world, kv=kv))

    assert kv.calls == {"read_metadata": 2, "read": 1}


async def test_each_version_is_read_once_in_a_pass_and_a_deleted_one_never(small: SmallWorld) -> None:
    target = await rotated(small)
    small.kv.by_hand.patch(target.consumer, {"note": "theirs"})
    small.kv.by_hand.delete(target.consumer, 1)
    small.clock.advance(8 * DAY)
    kv = Counted(small.kv)

    outcome = await carry_on(target, replace(small.world, kv=kv))

    assert did(outcome) == ["AskUsage", "Verify", "Deactivate"]
    assert kv.calls == {"read_metadata": 5, "read": 3}, "the record, and two versions"


async def test_a_list_that_is_fresh_is_not_read_again_before_a_secret_is_switched_off(small: SmallWorld) -> None:
    target = await rotated(small)
    small.clock.advance(8 * DAY)
    okta = Counted(small.okta)

    outcome = await carry_on(target, replace(small.world, okta=okta))

    assert did(outcome) == ["AskUsage", "Verify", "Deactivate"]
    assert okta.calls["list_secrets"] == 1


async def test_after_a_write_it_is_read_again_before_a_secret_is_switched_off(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.okta.server_answers = False
    await carry_on(target, small.world)
    small.kv.by_hand.patch(target.consumer, {"client_secret": OTHER})
    okta = Counted(small.okta)

    outcome = await carry_on(target, replace(small.world, okta=okta))

    assert did(outcome)[:2] == ["Discard", "Deactivate"]
    assert okta.calls["list_secrets"] == 2


async def test_of_an_app_that_is_gone_or_has_no_secret_none_are_asked_for(small: SmallWorld) -> None:
    target, okta = small.settled(), Counted(small.okta)
    world = replace(small.world, okta=okta)
    small.change_app(auth_method=AuthMethod.PRIVATE_KEY_JWT)
    without = await carry_on(target, world)
    small.okta.remove_app("0oa1")
    gone = await carry_on(target, world)

    assert okta.calls["list_secrets"] == 0
    assert isinstance(without.ending, Blocked)
    assert isinstance(gone.ending, Blocked)
    assert (without.ending.block, gone.ending.block) == (Block.NOT_OAUTH, Block.APP_MISSING)


async def test_what_agrees_with_the_list_is_no_reason_to_read_it_again(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.put(target.consumer, {"client_id": "0oa1", "client_secret": OTHER})
    okta = Counted(small.okta)

    outcome = await carry_on(target, replace(small.world, okta=okta))

    assert did(outcome) == ["Verify"], "it is refused, and no secret has it"
    assert outcome.proof
    assert outcome.proof.level is ProofLevel.REFUSED
    assert okta.calls["list_secrets"] == 1


async def test_what_contradicts_the_list_is_a_reason_to_read_it_again(small: SmallWorld) -> None:
    class Refusing:
        async def prove(self, *_: Any) -> Proof:
            return Proof(ProofLevel.REFUSED, "as the test says", small.clock.now())

    target, okta = await rotated(small), Counted(small.okta)
    small.clock.advance(8 * DAY)

    outcome = await carry_on(target, replace(small.world, okta=okta, tokens=Refusing()))

    assert isinstance(outcome.ending, Blocked)
    assert (outcome.ending.block, okta.calls["list_secrets"]) == (Block.REFUSED, 2)
    assert said(outcome, Verify) == ["what Vault holds: refused: as the test says"]


async def test_what_shows_nothing_contradicts_nothing(small: SmallWorld) -> None:
    target, okta = await rotated(small), Counted(small.okta)
    small.clock.advance(8 * DAY)
    small.okta.server_answers = False

    outcome = await carry_on(target, replace(small.world, okta=okta))

    assert did(outcome) == ["AskUsage", "Verify"]
    assert okta.calls["list_secrets"] == 1


async def test_without_a_look_nothing_is_shown_of_the_current_value(small: SmallWorld) -> None:
    target = small.settled()
    small.flaky_okta.fail("get_app", UnavailableError("away"))

    away, looked = [await carry_on(target, small.world) for _ in range(2)]

    assert (away.seen, away.proof) == (None, None)
    assert (looked.seen is not None, looked.proof) == (True, None)
    small.kv.by_hand.delete(target.consumer)
    assert (await carry_on(target, small.world)).proof is None


# --- how long a pass lasts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "begins"), [(timedelta(0), False), (timedelta(seconds=1), True)], ids=str)
async def test_after_its_deadline_a_pass_begins_nothing_more(small: SmallWorld, left: timedelta, begins: bool) -> None:
    target = small.settled(age=100)

    outcome = await carry_on(target, small.world, deadline=small.clock.now() + left)

    assert (small.current(target) != OLD) is begins
    assert isinstance(outcome.ending, UnavailableError) is not begins
    if not begins:
        assert (outcome.steps, "too slow" in str(outcome.ending)) == ((), True)


async def test_a_pass_that_comes_to_no_rest_ends_all_the_same(small: SmallWorld) -> None:
    class Forgetful(FakeKv):
        async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
            return cas + 1

    target = small.settled(age=100)
    kv = Forgetful(small.clock)
    kv.keys = small.kv.keys

    outcome = await carry_on(target, replace(small.world, kv=kv))

    assert isinstance(outcome.ending, InvariantError)
    assert did(outcome) == ["Stage"] * MAX_ACTIONS_PER_PASS


# --- a create that is refused -------------------------------------------------------------------------------------


async def test_a_value_that_is_there_already_may_be_our_own_attempt_and_is_waited_for(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", RefusedError("exists", code="duplicate_value"))

    outcome = await carry_on(target, small.world)

    assert isinstance(outcome.ending, Rest)
    assert outcome.ending.waiting is Waiting.ATTEMPT


async def test_slots_that_are_full_are_no_attempt_that_may_still_arrive(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", RefusedError("full", code="slots_full"))

    outcome = await carry_on(target, small.world)

    assert did(outcome).count("Create") == 2
    assert small.current(target) != OLD


async def test_before_an_older_value_is_created_the_record_is_stamped_anew(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", UnavailableError("away"))
    await carry_on(target, small.world)
    before, _ = await read_record(small.kv, target.staging)
    small.clock.advance(DAY)
    small.flaky_okta.fail("create_secret", RefusedError("no", code="E0000006"))

    outcome = await carry_on(target, small.world)

    after, _ = await read_record(small.kv, target.staging)
    assert outcome.failed == Create()
    assert (after.version, after.staged_at) == (before.version + 1, small.clock.now())
    assert (after.value, after.rotation_id) == (before.value, before.rotation_id)


async def test_of_a_value_that_was_stamped_anew_no_older_attempt_is_waited_for(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", UnavailableError("away"))
    await carry_on(target, small.world)
    small.clock.advance(DAY)
    small.flaky_okta.fail("create_secret", RefusedError("full", code="slots_full"))

    outcome = await carry_on(target, small.world)

    assert did(outcome).count("Create") == 2
    assert small.current(target) != OLD


async def test_whoever_wrote_to_the_record_meanwhile_stops_the_create(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", UnavailableError("away"))
    await carry_on(target, small.world)
    small.clock.advance(DAY)
    small.flaky_kv.fail("write", *[ConflictError("somebody was first")] * 3)

    outcome = await carry_on(target, small.world)

    assert isinstance(outcome.ending, ConflictError)
    assert len(small.okta.held()) == 1, "nothing was sent to Okta"


# --- who still uses it --------------------------------------------------------------------------------------------


async def test_what_the_log_said_of_it_is_told(small: SmallWorld) -> None:
    target = await rotated(small)
    small.clock.advance(8 * DAY)
    quiet = await carry_on(target, small.world, dry_run=True)
    small.okta.ask_for_token(OLD)
    used = await carry_on(target, small.world)

    old = small.okta.held()[0].id
    assert f"{old}: " in said(quiet, AskUsage)[0]
    assert said(used, AskUsage) == [f"{old} was used: job/1.0 at 192.0.2.7, last 2026-12-01 12:00 UTC"]
    assert small.okta.accepts(OLD)


async def test_how_late_the_log_is_goes_by_okta_s_clock() -> None:
    behind = ManualClock(NOON - timedelta(minutes=30))
    small = SmallWorld(okta_clock=behind)
    small.okta.clock_ahead = timedelta(minutes=30)
    target = await rotated(small, Usage.REQUIRED)
    for clock in (behind, small.clock):
        clock.advance(8 * DAY)

    outcome = await carry_on(target, small.world)

    assert did(outcome) == ["Verify", "AskUsage", "Deactivate"]


async def test_a_log_that_may_not_be_read_is_evidence_of_nothing(small: SmallWorld) -> None:
    target = await rotated(small, Usage.REQUIRED)
    small.okta.shows_log = False
    small.clock.advance(8 * DAY)

    outcome = await carry_on(target, small.world)

    assert "the System Log cannot be read" in said(outcome, AskUsage)[0]
    assert isinstance(outcome.ending, Rest)
    assert outcome.ending.waiting is Waiting.EVIDENCE


async def test_who_misses_it_is_told(small: SmallWorld) -> None:
    target = await rotated(small)
    small.okta.logs_refused_hash = True
    small.clock.advance(8 * DAY)
    await carry_on(target, small.world)
    small.clock.advance(DAY)
    small.okta.ask_for_token(OLD)

    missed = await carry_on(target, small.world)

    assert said(missed, AskUsage) == [
        f"{small.okta.held()[0].id} is missed: job/1.0 at 192.0.2.7, last 2026-12-02 12:00 UTC"
    ]
    assert small.okta.accepts(OLD), "it is switched on again"


@pytest.mark.parametrize("usage", [Usage.STOP_IF_SEEN, Usage.REQUIRED])
async def test_a_log_that_is_away_holds_up_what_it_might_stop(small: SmallWorld, usage: Usage) -> None:
    target = await rotated(small, usage)
    small.clock.advance(8 * DAY)

    outcome = await carry_on(target, replace(small.world, log=Log(small)))

    assert outcome.ending == AWAY
    assert small.okta.accepts(OLD)


@pytest.mark.parametrize(("days", "holds_up"), [(1, False), (3, True)], ids=["while it soaks", "when it is to go"])
async def test_under_off_it_is_waited_for_only_where_a_secret_is_to_be_deleted(
    small: SmallWorld, days: int, holds_up: bool
) -> None:
    target = await rotated(small, Usage.OFF)
    small.clock.advance(8 * DAY)
    await carry_on(target, small.world)
    small.clock.advance(days * DAY)

    outcome = await carry_on(target, replace(small.world, log=Log(small)))

    assert (outcome.ending == AWAY) is holds_up
    assert len(small.okta.held()) == 2
    if not holds_up:
        assert "cannot be read: the log is away" in said(outcome, AskUsage)[0]


async def test_a_look_asks_for_usage_only_where_that_is_wanted(small: SmallWorld) -> None:
    target = await rotated(small)
    old = small.okta.held()[0].id
    small.okta.ask_for_token(OLD)

    without = await look_at(target, small.world)
    found = await look_at(target, small.world, usage=True)
    away = await look_at(target, replace(small.world, log=Log(small)), usage=True)

    assert (without.usage, dict(without.seen.usage)) == (False, {})
    assert found.usage
    assert [user.agent for user in found.seen.usage[old].users] == ["job/1.0"]
    assert away.seen.usage[old].unproven == "the System Log cannot be read: the log is away"


# --- what is said of a rotation -----------------------------------------------------------------------------------


async def test_a_secret_that_is_replaced_unread_is_named_as_the_old_one(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD)
    target = small.target(policy=replace(AUTO, onboard=Onboard.ROTATE))

    await carry_on(target, small.world)

    old = next(held.id for held in small.okta.held() if held.value.reveal() == OLD)
    assert small.fields(target)["retiring_secret_id"] == old
    assert (small.fields(target)["retiring_mode"], small.okta.accepts(OLD)) == ("overlap", True)


@pytest.mark.parametrize(("age", "overdue"), [(100, 10 * DAY), (0, timedelta(0))], ids=["expired", "ordered"])
async def test_the_gate_is_told_since_when_it_is_overdue(small: SmallWorld, age: float, overdue: timedelta) -> None:
    class Asked(OpenGate):
        wishes: ClassVar[list[Wish]] = []

        async def ask(self, wish: Wish) -> Admission:
            self.wishes.append(wish)
            return await super().ask(wish)

    target, gate = small.settled(age=age), Asked()

    await carry_on(target, replace(small.world, gate=gate), order=None if age else OrderMode.NOW)

    (wish,) = gate.wishes
    assert small.clock.now() - wish.overdue_since == overdue
    assert wish.told is (age == 0)
    gate.wishes.clear()


# --- records ------------------------------------------------------------------------------------------------------


async def test_a_removal_that_was_ordered_outlives_a_rotation_that_was_ordered_for_another_reason(
    small: SmallWorld,
) -> None:
    target = small.settled()
    gone = Removal(SecretId("ocs9"), small.clock.now(), small.clock.now())
    record, _ = await read_record(small.kv, target.staging)
    await small.kv.write(target.staging, staging_fields(replace(record, remove=gone)), cas=0)

    await carry_on(target, small.world, order=OrderMode.NOW)

    record, _ = await read_record(small.kv, target.staging)
    assert small.current(target) != OLD
    assert (record.order, record.remove) == (None, gone)


async def test_a_record_that_cannot_be_read_tells_of_no_attempt(small: SmallWorld) -> None:
    target = small.settled(age=100)
    small.flaky_okta.fail("create_secret", UnavailableError("away"))
    await carry_on(target, small.world)
    there = await carry_on(target, small.world, dry_run=True)
    small.kv.by_hand.delete(target.staging)
    lost = await carry_on(target, small.world)

    assert there.seen
    assert lost.seen
    assert there.seen.attempted_at == small.clock.now()
    assert lost.seen.attempted_at is None
    assert isinstance(lost.ending, Blocked)
    assert lost.ending.block is Block.UNREADABLE


async def test_a_version_that_was_deleted_is_none_that_was_read(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.put(target.consumer, {"client_id": "0oa1", "client_secret": OTHER})
    small.kv.by_hand.patch(target.consumer, {"client_secret": OLD})
    small.kv.by_hand.delete(target.consumer, 2)
    small.okta.add_app("0oa1", OLD, OTHER)

    seen = (await look_at(target, small.world)).seen

    assert [each.number for each in seen.consumer.versions] == [1, 3]
    assert seen.consumer.unreadable == {2}
