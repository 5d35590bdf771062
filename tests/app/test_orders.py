"""A pause in the staging record: written and lifted beside whatever else stands there."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.observe import read_record
from rotator.app.orders import BETWEEN, PATIENCE, pause, resume
from rotator.app.reconcile import Patience, see_through
from rotator.app.rotate import carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.model import StagingState
from rotator.core.records import staging_fields
from rotator.errors import BusyError, ConfigError, ConflictError, RefusedError, UnknownOutcomeError
from tests.app.small_world import OLD, SmallWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.app.observe import World
    from rotator.core.history import Deed, Ended
    from rotator.core.model import Staging, Target

EXPIRED = 100


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


def alice(small: SmallWorld) -> World:
    return replace(small.world, actor="alice")


def words(small: SmallWorld, reason: str = "") -> str:
    by = f"by alice, {small.clock.now():%Y-%m-%d %H:%M} UTC"
    return f"{reason} ({by})" if reason else by


async def record(small: SmallWorld, target: Target) -> Staging:
    found, unreadable = await read_record(small.kv, target.staging)
    assert unreadable is None
    return found


def version(small: SmallWorld, target: Target) -> int:
    return small.kv.keys[target.staging].current if target.staging in small.kv.keys else 0


async def waits_for(small: SmallWorld, target: Target) -> Waiting | None:
    ending = (await carry_on(target, small.world)).ending
    return ending.waiting if isinstance(ending, Rest) else None


async def staged(small: SmallWorld) -> Target:
    """A target whose rotation was cut off after its value was staged."""
    target = small.settled(age=EXPIRED)
    small.flaky_okta.fail("create_secret", *[UnknownOutcomeError("lost")] * 3)
    await carry_on(target, small.world)
    assert (await record(small, target)).state is StagingState.STAGED
    return target


# --- what is written --------------------------------------------------------------------------------------------


async def test_a_pause_makes_the_first_record_and_nothing_is_rotated(small: SmallWorld) -> None:
    target = small.settled(age=EXPIRED)

    done = await pause(target, alice(small), reason=" change freeze ")

    assert (done.before, done.now, done.changed) == (None, words(small, "change freeze"), True)
    assert (await record(small, target)).state is StagingState.EMPTY
    assert await waits_for(small, target) is Waiting.PAUSED
    assert small.current(target) == OLD


async def test_a_pause_without_a_reason_says_who_and_when(small: SmallWorld) -> None:
    target = small.settled()

    assert (await pause(target, alice(small))).now == words(small)


async def test_after_the_pause_what_was_due_is_done(small: SmallWorld) -> None:
    target = small.settled(age=EXPIRED)
    paused = await pause(target, alice(small))

    done = await resume(target, small.world)

    assert (done.before, done.now, done.changed) == (paused.now, None, True)
    await carry_on(target, small.world)
    assert small.current(target) != OLD


async def test_a_target_that_is_new_is_taken_over_after_its_pause_as_without_one(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD)
    target = small.target()
    await pause(target, small.world)
    await resume(target, small.world)

    await carry_on(target, small.world)

    assert small.current(target) == OLD


async def test_a_second_pause_keeps_the_first_one_s_words_and_writes_nothing(small: SmallWorld) -> None:
    target = small.settled()
    first = await pause(target, alice(small), reason="audit")
    before = version(small, target)

    second = await pause(target, replace(small.world, actor="bob"), reason="another")

    assert (second.before, second.now, second.changed) == (first.now, first.now, False)
    assert version(small, target) == before


@pytest.mark.parametrize("rotated", [False, True], ids=["without a record", "with one"])
async def test_a_target_that_is_not_paused_is_not_written_to(small: SmallWorld, rotated: bool) -> None:
    target = small.settled(age=EXPIRED)
    if rotated:
        await carry_on(target, small.world)
    before = version(small, target)

    done = await resume(target, small.world)

    assert (done.before, done.changed, version(small, target)) == (None, False, before)


async def test_in_the_middle_of_a_rotation_everything_but_the_pause_is_kept(small: SmallWorld) -> None:
    target = await staged(small)
    before = await record(small, target)

    await pause(target, alice(small), reason="incident")

    now = await record(small, target)
    assert now.value is not None
    kept = replace(before, version=now.version, older=now.older, paused=now.paused)
    assert (now, now.paused) == (kept, words(small, "incident"))
    assert await waits_for(small, target) is Waiting.PAUSED
    await resume(target, small.world)
    await see_through(target, small.world, patience=Patience(timedelta(minutes=5)), sleep=small.sleep)
    assert before.value
    assert small.current(target) == before.value.reveal()


async def test_a_reason_may_be_of_so_many_characters(small: SmallWorld) -> None:
    done = await pause(small.settled(), alice(small), reason="x" * 200)

    assert done.now == words(small, "x" * 200)


@pytest.mark.parametrize("reason", ["x" * 201, "two\nlines", "a \x1b[31m colour"], ids=["long", "lines", "steering"])
async def test_a_reason_that_is_no_short_line_is_refused(small: SmallWorld, reason: str) -> None:
    target = small.settled()
    with pytest.raises(ConfigError, match="the reason must be one line"):
        await pause(target, small.world, reason=reason)

    assert version(small, target) == 0


# --- what stands in the way -------------------------------------------------------------------------------------


@pytest.mark.parametrize("work", [pause, resume])
async def test_a_record_of_another_release_is_not_written_over(small: SmallWorld, work: object) -> None:
    assert callable(work)
    target = small.settled()
    small.kv.by_hand.put(target.staging, {"state": "elsewhere"})

    with pytest.raises(RefusedError, match="record unreadable") as refused:
        await work(target, small.world)

    assert (refused.value.code, version(small, target)) == ("blocked", 1)
    assert "docs/recovery.md" in refused.value.hint


async def test_a_target_that_is_being_worked_on_is_waited_for(small: SmallWorld) -> None:
    target = small.settled()
    small.leases.now.add(target.name)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            small.leases.now.discard(target.name)

    done = await pause(target, small.world, sleep=sleep)

    assert (done.changed, slept) == (True, [BETWEEN] * 3)
    assert not small.leases.now


async def test_not_for_ever(small: SmallWorld) -> None:
    target = small.settled()
    small.leases.now.add(target.name)
    began = small.clock.now()

    async def sleep(seconds: float) -> None:
        small.clock.advance(timedelta(seconds=seconds))

    with pytest.raises(BusyError, match="being worked on"):
        await pause(target, small.world, sleep=sleep)

    assert small.clock.now() - began == PATIENCE


class Lost:
    """Leases that are lost once they are held."""

    @asynccontextmanager
    async def hold(self, _: Target) -> AsyncIterator[Lost]:
        yield self

    async def confirm(self, outlives: timedelta) -> None:
        raise BusyError(f"lost, {outlives} before it had to last")


async def test_nothing_is_written_without_the_lease(small: SmallWorld) -> None:
    target = small.settled()

    with pytest.raises(BusyError, match="lost, 0:00:35 before"):
        await pause(target, replace(small.world, leases=Lost()))

    assert version(small, target) == 0


@pytest.mark.parametrize(
    ("error", "applied"),
    [
        pytest.param(ConflictError("somebody was first"), False, id="somebody else came first"),
        pytest.param(UnknownOutcomeError("lost"), False, id="lost before it was applied"),
        pytest.param(UnknownOutcomeError("lost"), True, id="lost after it was applied"),
    ],
)
async def test_a_write_in_doubt_is_looked_up(small: SmallWorld, error: Exception, applied: bool) -> None:
    target = small.settled()
    small.flaky_kv.fail("write", error, done=applied)

    done = await pause(target, alice(small))

    assert (done.before, done.now) == (None, words(small))
    assert version(small, target) == 1, "it is there once"


async def test_a_write_that_never_comes_through_is_given_up(small: SmallWorld) -> None:
    target = small.settled()
    small.flaky_kv.fail("write", *[ConflictError("somebody was first")] * 5)

    with pytest.raises(ConflictError):
        await pause(target, small.world)

    assert small.flaky_kv.left("write") == 2


# --- evidence ---------------------------------------------------------------------------------------------------


class Written:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    async def begins(self, deed: Deed) -> int:
        self.rows.append((deed.step, deed.actor, "begins"))
        return len(self.rows)

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        self.rows.append((deed.step, deed.actor, how.value))


async def test_who_did_it_is_written_down_before_and_after(small: SmallWorld) -> None:
    target, journal = small.settled(), Written()
    world = replace(small.world, actor="alice", journal=journal)

    await pause(target, world)
    small.flaky_kv.fail("write", RefusedError("no"))
    with suppress(RefusedError):
        await resume(target, world)

    assert journal.rows == [
        ("Pause", "alice", "begins"),
        ("Pause", "alice", "done"),
        ("Resume", "alice", "begins"),
        ("Resume", "alice", "not done"),
    ]
    assert small.told.ended == ["Pause"]


async def test_the_record_after_a_pause_reads_as_it_was_written(small: SmallWorld) -> None:
    target = small.settled()
    await pause(target, alice(small), reason="audit")
    found = await record(small, target)

    assert staging_fields(found).reveal()["pause"] == words(small, "audit")
