"""Going back to the former secret: what is written, what is refused, and that a second call finishes the first."""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.observe import read_record
from rotator.app.orders import resume
from rotator.app.rollback import RolledBack, rollback
from rotator.app.rotate import carry_on
from rotator.core.actions import Rest, Waiting
from rotator.core.model import Destination, KvPath, OrderMode, SecretStatus
from rotator.errors import BusyError, RefusedError, UnavailableError, UnknownOutcomeError
from tests.app.small_world import OLD, SmallWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rotator.core.actions import Ending
    from rotator.core.history import Deed, Ended
    from rotator.core.model import SecretId, Target
    from rotator.errors import RotatorError


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


async def rotated(small: SmallWorld, *, also: tuple[Destination, ...] = ()) -> Target:
    """A target whose secret was replaced just now."""
    target = replace(small.settled(), also=also)
    await carry_on(target, small.world, order=OrderMode.NOW)
    assert small.current(target) != OLD
    return target


async def later(small: SmallWorld, target: Target, days: float) -> None:
    small.clock.advance(timedelta(days=days))
    await carry_on(target, small.world)


async def back(small: SmallWorld, target: Target) -> RolledBack:
    return await rollback(target, replace(small.world, actor="alice"), sleep=small.sleep)


async def refusal(small: SmallWorld, target: Target) -> RefusedError:
    before = {path: key.current for path, key in small.kv.keys.items()}
    with pytest.raises(RefusedError) as caught:
        await back(small, target)
    assert {path: key.current for path, key in small.kv.keys.items()} == before, "a refusal writes nothing"
    assert caught.value.hint
    return caught.value


async def ending(small: SmallWorld, target: Target) -> Ending | RotatorError:
    return (await carry_on(target, small.world)).ending


async def test_the_former_secret_is_current_again_and_the_target_paused(small: SmallWorld) -> None:
    target = await rotated(small)
    new = small.current(target)

    done = await back(small, target)

    assert (small.current(target), done.version, done.changed) == (OLD, 3, True)
    assert done.proof.level.good
    assert small.okta.accepts(str(new)), "whoever has read the new one goes on"
    assert small.fields(target)["note"] == "theirs"
    found = await ending(small, target)
    assert isinstance(found, Rest)
    assert (found.waiting, "by alice" in found.detail) == (Waiting.PAUSED, True)


async def test_a_second_call_changes_nothing(small: SmallWorld) -> None:
    target = await rotated(small)
    await back(small, target)
    before = {path: key.current for path, key in small.kv.keys.items()}

    again = await back(small, target)

    assert (again.changed, again.version, small.current(target)) == (False, 3, OLD)
    assert {path: key.current for path, key in small.kv.keys.items()} == before


async def test_one_that_we_switched_off_is_switched_on_again_first(small: SmallWorld) -> None:
    target = await rotated(small)
    await later(small, target, 8)
    assert not small.okta.accepts(OLD)

    await back(small, target)

    assert small.current(target) == OLD
    assert small.okta.accepts(OLD)


async def test_one_that_was_switched_on_again_is_proven_before_it_is_written(small: SmallWorld) -> None:
    target = await rotated(small)
    await later(small, target, 8)
    new = small.current(target)
    small.okta.server_answers = False

    with pytest.raises(RefusedError, match="is not proven to work") as caught:
        await back(small, target)

    assert "The target stays paused" in caught.value.hint
    assert (small.current(target), caught.value.code) == (new, "refused")
    small.okta.server_answers = True
    await back(small, target)
    assert small.current(target) == OLD


async def test_the_one_that_is_gone_back_from_is_named_as_the_old_one(small: SmallWorld) -> None:
    target = await rotated(small)
    new = small.fields(target)["client_secret_id"]

    done = await back(small, target)

    assert (done.instead_of, small.fields(target)["retiring_secret_id"]) == (new, new)
    assert small.fields(target)["client_secret_id"] == done.secret != new


async def test_one_that_an_admin_switched_off_stays_off(small: SmallWorld) -> None:
    target = await rotated(small)
    (old,) = [held.id for held in small.okta.held(target.app_id) if held.value.reveal() == OLD]
    with small.okta.by("admin") as okta:
        await okta.deactivate_secret(target.app_id, old)

    assert (await refusal(small, target)).code == "revoked"
    assert [held.status for held in small.okta.held(target.app_id) if held.id == old] == [SecretStatus.INACTIVE]


async def test_one_that_is_gone_cannot_be_gone_back_to(small: SmallWorld) -> None:
    target = await rotated(small)
    await later(small, target, 8)
    await later(small, target, 4)
    assert len(small.okta.held(target.app_id)) == 1

    assert (await refusal(small, target)).code == "no_such_secret"


async def test_one_that_does_not_work_is_not_written(small: SmallWorld) -> None:
    target = await rotated(small)
    small.okta.server_answers = False

    refused = await refusal(small, target)

    assert (refused.code, refused.hint) == ("refused", "Nothing was written.")


@pytest.mark.parametrize("done", [False, True], ids=["not applied", "applied"])
@pytest.mark.parametrize("write", [0, 1], ids=["the pause", "the value"])
async def test_what_was_cut_off_is_finished_by_a_second_call(small: SmallWorld, write: int, done: bool) -> None:
    target = await rotated(small)
    small.flaky_kv.fail("write", *[None] * write, *[UnknownOutcomeError("lost")] * (3 if write == 0 else 1), done=done)

    with contextlib.suppress(UnknownOutcomeError, RefusedError):
        await back(small, target)
    small.flaky_kv.fail("write")
    await back(small, target)

    assert small.current(target) == OLD
    assert small.okta.accepts(OLD)


async def test_between_its_two_steps_a_pass_leaves_the_target_alone(small: SmallWorld) -> None:
    target = await rotated(small)
    new = small.current(target)
    small.flaky_kv.fail("write", None, UnavailableError("down"))

    with pytest.raises(UnavailableError):
        await back(small, target)
    await later(small, target, 30)

    assert small.current(target) == new
    assert len(small.okta.held(target.app_id)) == 2
    record, _ = await read_record(small.kv, target.staging)
    assert record.rollback is not None


async def test_after_it_is_resumed_the_target_is_rotated_as_policy_says(small: SmallWorld) -> None:
    target = await rotated(small)
    await back(small, target)
    await resume(target, small.world, sleep=small.sleep)

    found = await ending(small, target)
    assert isinstance(found, Rest)
    assert found.waiting is Waiting.OVERLAP, "the one that was rolled back from is an old secret now"
    record, _ = await read_record(small.kv, target.staging)
    assert (record.paused, record.rollback) == (None, None)


async def test_every_path_of_the_target_goes_back(small: SmallWorld) -> None:
    second = Destination(KvPath("kv", "billing/reports"))
    target = await rotated(small, also=(second,))

    await back(small, target)

    found = await small.kv.read(second.path)
    assert found is not None
    assert found.fields.reveal()["client_secret"] == OLD


async def test_what_is_blocked_is_not_paused(small: SmallWorld) -> None:
    target = await rotated(small)
    small.change_app(status="INACTIVE")

    assert (await refusal(small, target)).code == "blocked"


# --- evidence ---------------------------------------------------------------------------------------------------


class Written:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, SecretId | None]] = []

    async def begins(self, deed: Deed) -> int:
        self.rows.append((deed.step, "begins", deed.secret))
        return len(self.rows)

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        self.rows.append((deed.step, how.value, deed.secret))


async def test_each_step_and_the_proof_are_written_down_and_told(small: SmallWorld) -> None:
    target, journal = await rotated(small), Written()
    await later(small, target, 8)
    old = next(held.id for held in small.okta.held(target.app_id) if held.value.reveal() == OLD)
    begun, ended = len(small.told.begun), len(small.told.ended)
    small.world = replace(small.world, journal=journal)

    await back(small, target)

    steps = ["Rollback", "Activate", "Promote"]
    rows = [(step, how, old) for step in steps for how in ("begins", "done")]
    assert journal.rows == [*rows, ("Verify", "done", old)]
    assert (small.told.begun[begun:], small.told.ended[ended:]) == (steps, steps)
    await back(small, target)
    assert len(journal.rows) == len(rows) + 1, "a second call writes nothing down"


class Slipping:
    """Leases that are lost after some time."""

    def __init__(self, confirms: int) -> None:
        self.confirms = confirms

    @asynccontextmanager
    async def hold(self, _: Target) -> AsyncIterator[Slipping]:
        yield self

    async def confirm(self, outlives: timedelta) -> None:
        self.confirms -= 1
        if self.confirms < 0:
            raise BusyError(f"lost, {outlives} before it had to last")


@pytest.mark.parametrize(("confirms", "written"), [(0, []), (1, ["pause"]), (2, ["pause", "value"])], ids=str)
async def test_nothing_is_written_without_the_lease(small: SmallWorld, confirms: int, written: list[str]) -> None:
    target = await rotated(small)
    small.world = replace(small.world, leases=Slipping(confirms))

    with contextlib.suppress(BusyError):
        await back(small, target)

    record, _ = await read_record(small.kv, target.staging)
    assert ["pause"] * (record.paused is not None) + ["value"] * (small.current(target) == OLD) == written
