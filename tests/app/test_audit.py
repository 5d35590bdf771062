"""What is written down of what is done: a row before each effect, one after it, and one of each proof."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.audit import check, history, pages
from rotator.app.orders import pause
from rotator.app.rotate import carry_on
from rotator.core import requests
from rotator.core.chain import Broken, Whole
from rotator.core.model import Mode, OrderMode, Policy
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError, StateError, UnknownOutcomeError
from tests.app.small_world import OLD, SmallWorld
from tests.fakes.state import FakeState

if TYPE_CHECKING:
    from typing import Any

    from rotator.core.history import Row
    from rotator.core.model import Target
    from rotator.core.secret_value import SecretFields
    from rotator.errors import RotatorError
    from rotator.ports import KvStore

DAY = timedelta(days=1)
LIFE = (0, 31, 8)  # days to promoted, to switched off, to deleted


class Counted:
    """A store of values that notes a request for each write, as the adapter does."""

    def __init__(self, inner: Any) -> None:
        self._inner: KvStore = inner
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, path: Any, fields: SecretFields, *, cas: int) -> int:
        number = await self._inner.write(path, fields, cas=cas)
        self.writes += 1
        requests.note(f"vault-{self.writes}")
        return number


class Kept:
    """A small world whose audit is kept."""

    def __init__(self) -> None:
        self.small = SmallWorld()
        self.state = FakeState(self.small.clock)
        member = self.state.member("daemon@host", {"acme": "acme.okta.com"})
        self.chronicle = member.chronicle
        kept = replace(self.small.world, journal=member.journal, actor="daemon@host")
        self.small.world = replace(kept, kv=Counted(kept.kv))

    @property
    def rows(self) -> list[Row]:
        return self.state.audit

    def of(self, step: str) -> list[Row]:
        return [row for row in self.rows if row.step == step]

    async def live(self, target: Target, *days: float) -> None:
        for each in days:
            self.small.clock.advance(each * DAY)
            await carry_on(target, self.small.world)


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_every_effect_of_a_life_has_its_two_rows_and_every_proof_its_one(kept: Kept) -> None:
    await kept.live(kept.small.settled(age=91), *LIFE)

    told = [(row.step, row.phase) for row in kept.rows]
    effects = ["Stage", "Create", "Promote", "CloseStaging", "Deactivate", "Delete"]
    assert [step for step, phase in told if phase == "begins"] == effects
    for step in effects:
        before, after = kept.of(step)
        assert (before.begun, after.begun, after.how) == (None, before.number, "done")
    proofs = kept.of("Verify")
    assert len(proofs) >= 3
    assert {(row.phase, row.begun, row.proof) for row in proofs} == {("ended", None, "token issued")}
    assert isinstance(await check(kept.chronicle), Whole)


async def test_a_row_before_an_effect_names_the_secret_that_is_about_to_be_touched(kept: Kept) -> None:
    target = kept.small.settled(age=91)
    (old,) = [secret.id for secret in await kept.small.okta.list_secrets(target.app_id)]
    await kept.live(target, *LIFE)

    assert [kept.of(step)[0].secret_id for step in ("Deactivate", "Delete")] == [old, old]
    made = kept.of("Create")[-1].secret_id
    assert made
    assert made != old
    assert kept.of("Promote")[0].secret_id == made


async def test_what_was_written_in_vault_is_told_with_path_version_and_requests(kept: Kept) -> None:
    target = kept.small.settled(age=91)
    await kept.live(target, 0)

    found = {row.step: (row.path, row.version, row.request_id) for row in kept.rows if row.path}
    assert found == {
        "Stage": (str(target.staging), 1, "vault-1"),
        "Promote": (str(target.consumer), 2, "vault-2"),
        "CloseStaging": (str(target.staging), 2, "vault-3"),
    }


async def test_a_rotation_that_was_ordered_is_told_with_its_order(kept: Kept) -> None:
    target = kept.small.settled()
    (old,) = [secret.id for secret in await kept.small.okta.list_secrets(target.app_id)]

    await carry_on(target, kept.small.world, order=OrderMode.NOW)

    (story,) = await history(kept.chronicle, "billing")
    assert [act.step for act in story.acts][:2] == ["OrderReplacement", "Stage"]
    assert (story.acts[0].begins.secret_id, story.reason) == (old, "ordered")


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (RefusedError("no", request_id="okta-1"), "not done"),
        (UnknownOutcomeError("lost", request_id="okta-1"), "unknown"),
    ],
)
async def test_an_effect_that_failed_is_told_with_the_request_that_failed(
    kept: Kept, error: RotatorError, how: str
) -> None:
    target = kept.small.settled(age=91)
    kept.small.flaky_okta.fail("create_secret", error)

    await kept.live(target, 0)

    assert (kept.of("Create")[1].how, kept.of("Create")[1].request_id) == (how, "okta-1")


async def test_a_pause_is_told_with_its_version(kept: Kept) -> None:
    target = kept.small.settled()

    await pause(target, kept.small.world)

    assert [(row.phase, row.version, row.request_id) for row in kept.rows] == [
        ("begins", None, None),
        ("ended", 1, "vault-1"),
    ]


async def test_who_only_looks_writes_nothing_down_though_a_proof_is_made(kept: Kept) -> None:
    target = kept.small.settled()
    fields = {"client_id": "0oa1", "client_secret": "nobody's" + "x" * 40}
    kept.small.kv.by_hand.put(target.consumer, fields)

    await carry_on(replace(target, policy=Policy(mode=Mode.OBSERVE)), kept.small.world)
    await carry_on(target, kept.small.world, dry_run=True)

    assert kept.small.told.ended == ["Verify", "Verify"]
    assert kept.rows == []
    await carry_on(target, kept.small.world)
    assert {row.step for row in kept.rows} == {"Verify"}


async def test_what_cannot_be_written_down_is_not_done(kept: Kept) -> None:
    target = kept.small.settled(age=91)
    kept.state.down = StateError("gone")

    await kept.live(target, 0)

    assert kept.small.current(target) == OLD
    assert kept.rows == []


# --- reading it -------------------------------------------------------------------------------------------------


async def test_the_audit_is_read_to_its_end(kept: Kept) -> None:
    await kept.live(kept.small.settled(age=91), *LIFE)

    assert [row async for page in pages(kept.chronicle) for row in page] == kept.rows
    assert len(kept.rows) > 6, "more than two pages of the fake"


async def test_a_story_is_told_by_name_and_by_app(kept: Kept) -> None:
    await kept.live(kept.small.settled(age=91), *LIFE)

    told = await history(kept.chronicle, "billing")

    assert [story.state for story in told] == ["finished"]
    assert await history(kept.chronicle, "0oa1") == told
    assert await history(kept.chronicle, "portal") == ()


async def test_a_break_is_found_on_any_page(kept: Kept) -> None:
    await kept.live(kept.small.settled(age=91), *LIFE)
    for number in range(len(kept.rows)):
        whole = kept.rows[number]
        kept.rows[number] = replace(whole, actor="nobody")

        assert await check(kept.chronicle) == Broken(number + 1, "it is not as it was written")
        kept.rows[number] = whole


async def test_another_record_is_compared_with_all_pages(kept: Kept) -> None:
    await kept.live(kept.small.settled(age=91), *LIFE)
    told = {row.number: row.hash for row in kept.rows}
    assert await check(kept.chronicle, told) == await check(kept.chronicle)

    last = kept.rows.pop()

    assert await check(kept.chronicle, told) == Broken(last.number, "the other record has it, it is not here")


async def test_no_secret_is_in_any_row(kept: Kept) -> None:
    target = kept.small.settled(age=91)
    await kept.live(target, *LIFE)

    assert SecretValue(OLD).reveal() not in str(kept.rows)
    assert kept.small.current(target) not in str(kept.rows)
