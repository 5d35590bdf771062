"""What an operator asks for beside a rotation: look, verify, adopt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.app.operate import Adopted, adopt, look_at, verify
from rotator.app.rotate import carry_on
from rotator.core.actions import Block, Blocked, Rest, Stage, Waiting
from rotator.core.history import Deed, Ended
from rotator.core.model import AuthMethod, OrderMode, Proof, ProofLevel, SecretStatus, StagingState
from rotator.core.records import staging_fields
from rotator.errors import (
    BusyError,
    ConflictError,
    MissingError,
    RefusedError,
    StateError,
    UnavailableError,
    UnknownOutcomeError,
)
from tests.app.small_world import OLD, OTHER, SmallWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.model import KvPath, Snapshot, Target
    from rotator.core.secret_value import SecretFields


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


class Person:
    """Answers what is asked."""

    def __init__(self, answer: bool) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self._answer


class PaperJournal:
    """Keeps each row with how it ended; full, it takes none before an effect."""

    def __init__(self, *, full: bool = False) -> None:
        self.rows: list[tuple[Deed, Ended | None]] = []
        self._full = full

    async def begins(self, deed: Deed) -> int:
        if self._full:
            raise StateError("the disk is full", hint="Make room.")
        self.rows.append((deed, None))
        return len(self.rows)

    async def ended(
        self, number: int | None, deed: Deed, how: Ended, detail: str, *, request_id: str | None = None
    ) -> None:
        self.rows.append((deed, how))


async def adopted(
    small: SmallWorld, target: Target, secret: str | None = None, *, person: Person | None = None
) -> Adopted:
    return await adopt(target, small.world, secret_id=secret, confirm=person or Person(answer=True))


async def refusal(
    small: SmallWorld, target: Target, secret: str | None = None, *, person: Person | None = None
) -> RefusedError:
    before = {path: key.current for path, key in small.kv.keys.items()}
    with pytest.raises(RefusedError) as caught:
        await adopted(small, target, secret, person=person)
    assert {path: key.current for path, key in small.kv.keys.items()} == before, "a refusal writes nothing"
    assert caught.value.hint
    return caught.value


async def seen(small: SmallWorld, target: Target) -> Snapshot:
    return (await look_at(target, small.world)).seen


def proof(level: ProofLevel) -> Callable[..., object]:
    async def prove(*_: object) -> Proof:
        return Proof(level, "as the test says", SmallWorld().clock.now())

    return prove


async def rotated(small: SmallWorld) -> Target:
    """A target that was rotated once, so that its staging record knows version 2."""
    target = small.settled()
    await carry_on(target, small.world, order=OrderMode.NOW)
    return target


# --- adopt: on paper --------------------------------------------------------------------------------------------


async def test_what_was_proven_and_written_is_on_paper(small: SmallWorld) -> None:
    """The command wrote where consumers read, and the audit knew nothing of it."""
    target = await rotated(small)
    newest = (await seen(small, target)).secrets[-1].id
    small.kv.by_hand.delete_metadata(target.consumer)
    journal = PaperJournal()
    world = replace(small.world, actor="kim", journal=journal)

    done = await adopt(target, world, secret_id=newest, confirm=Person(answer=True))

    assert [(deed.step, how) for deed, how in journal.rows] == [
        ("Verify", Ended.DONE),
        ("Adopt", None),
        ("Adopt", Ended.DONE),
        ("Rebase", None),
        ("Rebase", Ended.DONE),
    ]
    assert {deed.actor for deed, _ in journal.rows} == {"kim"}
    wrote = journal.rows[2][0]
    assert (wrote.secret, wrote.path, wrote.version) == (done.secret, str(target.consumer), 1)


async def test_what_could_not_be_written_down_is_not_done(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.delete(target.consumer)
    latest = small.kv.keys[target.consumer].current

    with pytest.raises(StateError):
        await adopt(target, replace(small.world, journal=PaperJournal(full=True)), confirm=Person(answer=True))

    assert small.kv.keys[target.consumer].current == latest


# --- adopt: what it mends -----------------------------------------------------------------------------------


async def test_after_a_deletion_the_secret_is_written_beside_the_fields_of_the_last_readable_version(
    small: SmallWorld,
) -> None:
    target = small.settled()
    small.kv.by_hand.patch(target.consumer, {"note": "newer"})
    small.kv.by_hand.delete(target.consumer)
    assert isinstance((await look_at(target, small.world)).next, Blocked)

    done = await adopted(small, target)

    assert done.version == 3
    assert done.proof.level is ProofLevel.TOKEN_ISSUED
    fields = small.fields(target)
    assert (fields["client_secret"], fields["client_secret_id"], fields["note"]) == (OLD, done.secret, "theirs")
    assert isinstance(done.then.next, Rest)
    assert target.staging not in small.kv.keys, "nothing was to be noted there"


async def test_a_path_that_was_made_anew_counts_from_where_it_is(small: SmallWorld) -> None:
    target = await rotated(small)
    current = small.current(target)
    small.kv.by_hand.delete_metadata(target.consumer)
    look = await look_at(target, small.world)
    assert isinstance(look.next, Blocked)
    assert look.next.block is Block.PATH_RESET

    done = await adopted(small, target, next(s.id for s in look.seen.secrets if s.created == small.clock.now()))

    assert (done.version, (await seen(small, target)).staging.base_version) == (1, 1)
    assert isinstance((await carry_on(target, small.world)).ending, Rest)
    assert small.current(target) in {current, OLD}


async def test_where_the_right_value_was_put_back_by_hand_only_the_count_is_mended(small: SmallWorld) -> None:
    target = await rotated(small)
    fields = small.fields(target)
    small.kv.by_hand.delete_metadata(target.consumer)
    small.kv.by_hand.put(target.consumer, fields)

    done = await adopted(small, target, str(fields["client_secret_id"]))

    assert (done.version, small.fields(target)) == (1, fields)
    assert isinstance(done.then.next, Rest)


async def test_the_named_one_of_two_active_secrets_is_written_where_nothing_was(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD, OTHER)
    target = small.target()
    first, second = small.okta.held()

    done = await adopted(small, target, second.id)

    assert (done.secret, small.current(target)) == (second.id, OTHER)
    assert {secret.id for secret in small.okta.held()} == {first.id, second.id}


async def test_a_value_that_nobody_knows_is_overwritten_once_a_person_agrees(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.patch(target.consumer, {"client_secret": "unknown-to-anybody"})
    person = Person(answer=True)

    await adopted(small, target, person=person)

    assert small.current(target) == OLD
    assert person.asked == [f"Overwrite the secret in {target.consumer} with {small.okta.held()[0].id}?"]


async def test_a_rotation_whose_path_was_removed_is_given_up_and_the_target_settles(small: SmallWorld) -> None:
    target = await rotated(small)
    for days in (8, 4):  # the first one is switched off, then deleted
        small.clock.advance(timedelta(days=days))
        await carry_on(target, small.world)
    small.clock.advance(timedelta(days=90))
    small.okta.server_answers = False
    await carry_on(target, small.world)
    small.okta.server_answers = True
    assert (await seen(small, target)).staging.state is StagingState.STAGED
    old, candidate = small.okta.held()
    small.kv.by_hand.delete_metadata(target.consumer)

    await adopted(small, target, old.id)
    outcome = await carry_on(target, small.world)

    assert isinstance(outcome.ending, Rest)
    assert (await seen(small, target)).staging.state is StagingState.EMPTY
    left = {secret.id: secret.status for secret in small.okta.held()}
    assert left[old.id] is SecretStatus.ACTIVE
    assert left.get(candidate.id) is not SecretStatus.ACTIVE


# --- adopt: what it refuses ---------------------------------------------------------------------------------


async def test_nothing_is_adopted_where_consumers_have_an_active_secret(small: SmallWorld) -> None:
    assert "nothing is to be adopted" in str(await refusal(small, small.settled()))


async def test_a_rotation_under_way_goes_first(small: SmallWorld) -> None:
    target = small.settled(age=91)
    small.okta.server_answers = False
    await carry_on(target, small.world)

    assert (await refusal(small, target)).code == "under_way"


async def test_two_active_secrets_want_a_name(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD, OTHER)

    problem = await refusal(small, small.target())

    assert problem.code == "ambiguous"
    assert all(secret.id in str(problem) for secret in small.okta.held())


@pytest.mark.parametrize("which", ["inactive", "nobody's"])
async def test_only_an_active_secret_of_the_app_can_be_named(small: SmallWorld, which: str) -> None:
    small.okta.add_app("0oa1", OLD, OTHER)
    off = small.okta.held()[1].id
    await small.okta.deactivate_secret(small.app().id, off)

    problem = await refusal(small, small.target(), off if which == "inactive" else "ocsNobody")

    assert "is no active secret" in str(problem)
    assert "INACTIVE" in str(problem)


async def test_a_value_that_okta_hides_cannot_be_adopted(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD)
    small.okta.shows_values = False

    assert (await refusal(small, small.target())).code == "hidden"


async def test_a_value_that_the_token_endpoint_refuses_is_not_written(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD)
    small.okta.prove = proof(ProofLevel.REFUSED)  # type: ignore[method-assign,assignment]

    assert (await refusal(small, small.target())).code == "refused"


async def test_a_value_that_could_not_be_proven_is_written_only_if_a_person_agrees(small: SmallWorld) -> None:
    small.okta.add_app("0oa1", OLD)
    small.okta.server_answers = False
    target, nobody, somebody = small.target(), Person(answer=False), Person(answer=True)

    assert (await refusal(small, target, person=nobody)).code == "declined"
    await adopted(small, target, person=somebody)

    assert "could not be proven" in somebody.asked[0]
    assert small.current(target) == OLD


async def test_a_person_who_declines_leaves_everything_as_it_was(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.patch(target.consumer, {"client_secret": "unknown-to-anybody"})

    assert (await refusal(small, target, person=Person(answer=False))).code == "declined"


async def test_another_apps_path_is_left_alone(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.patch(target.consumer, {"client_id": "0oaTheirs", "client_secret": "unknown-to-anybody"})

    assert "not of 0oa1" in str(await refusal(small, target))


async def test_an_app_without_a_secret_has_none_to_adopt(small: SmallWorld) -> None:
    target = small.settled()
    small.change_app(auth_method=AuthMethod.PRIVATE_KEY_JWT)

    assert "private_key_jwt" in str(await refusal(small, target))


async def test_a_paused_target_stays_as_it_is(small: SmallWorld) -> None:
    target = await rotated(small)
    staging = (await seen(small, target)).staging
    small.kv.by_hand.put(target.staging, staging_fields(replace(staging, paused="ops, CHG-1")).reveal())
    small.kv.by_hand.delete(target.consumer)

    assert "CHG-1" in str(await refusal(small, target))


async def test_whoever_is_at_work_on_the_target_is_not_disturbed(small: SmallWorld) -> None:
    target = small.settled()

    async with small.leases.hold(target):
        with pytest.raises(BusyError):
            await adopted(small, target)


# --- adopt: what may happen meanwhile -----------------------------------------------------------------------


async def test_what_somebody_writes_meanwhile_is_not_overwritten(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.delete(target.consumer)

    class Slow(Person):
        def __call__(self, question: str) -> bool:
            small.kv.by_hand.put(target.consumer, {"client_secret": "theirs"})
            return True

    small.okta.server_answers = False  # so that a person is asked
    with pytest.raises(ConflictError):
        await adopted(small, target, person=Slow(answer=True))

    assert small.current(target) == "theirs"


async def test_what_is_gone_when_it_is_read_back_is_not_called_adopted(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.delete(target.consumer)
    written = small.kv.write

    async def write_and_lose(path: KvPath, fields: SecretFields, *, cas: int) -> int:
        number = await written(path, fields, cas=cas)
        small.kv.by_hand.destroy(path, number)
        return number

    small.kv.write = write_and_lose  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        await adopted(small, target)


async def test_an_outage_while_looking_is_told_as_such(small: SmallWorld) -> None:
    target = small.settled()
    small.flaky_okta.fail("get_app", UnavailableError("away"))

    with pytest.raises(UnavailableError):
        await adopted(small, target)


async def test_after_a_lost_answer_the_same_command_finds_it_done(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.delete(target.consumer)
    small.flaky_kv.fail("write", UnknownOutcomeError("no answer"), done=True)
    with pytest.raises(UnknownOutcomeError):
        await adopted(small, target)

    assert (await refusal(small, target)).code == "not_needed"
    assert small.current(target) == OLD


async def test_what_was_cut_off_before_the_count_was_mended_is_finished_by_the_same_command(small: SmallWorld) -> None:
    target = await rotated(small)
    named = str(small.fields(target)["client_secret_id"])
    small.kv.by_hand.delete_metadata(target.consumer)
    small.flaky_kv.fail("write", None, UnavailableError("away"))
    with pytest.raises(UnavailableError):
        await adopted(small, target, named)

    done = await adopted(small, target, named)

    assert (done.version, isinstance(done.then.next, Rest)) == (1, True)


# --- verify -------------------------------------------------------------------------------------------------


async def test_the_value_in_vault_is_tried_without_looking_at_the_slots(small: SmallWorld) -> None:
    target = small.settled()
    small.flaky_okta.fail("list_secrets", RefusedError("not asked for"))

    verified = await verify(target, small.world)

    assert (verified.proof.level, verified.version.number) == (ProofLevel.TOKEN_ISSUED, 1)


async def test_a_refused_value_is_traced_to_its_secret(small: SmallWorld) -> None:
    target = small.settled()
    await small.okta.create_secret(small.app().id, small.world.mint.value())
    await small.okta.deactivate_secret(small.app().id, small.okta.held()[0].id)

    verified = await verify(target, small.world)

    assert verified.proof.level is ProofLevel.REFUSED
    assert [secret.id for secret in verified.holders] == [small.okta.held()[0].id]


async def test_a_refused_value_that_no_secret_has_is_told_as_such(small: SmallWorld) -> None:
    target = small.settled()
    small.kv.by_hand.patch(target.consumer, {"client_secret": "unknown-to-anybody"})

    verified = await verify(target, small.world)

    assert (verified.proof.level, verified.holders) == (ProofLevel.REFUSED, ())


@pytest.mark.parametrize(
    ("record", "error"),
    [
        pytest.param(None, MissingError, id="nothing at the path"),
        pytest.param({"client_id": "0oa1"}, MissingError, id="a record without a secret"),
        pytest.param({"client_id": "0oaTheirs", "client_secret": OLD}, RefusedError, id="another app's record"),
    ],
)
async def test_what_cannot_be_tried_is_an_error(
    small: SmallWorld, record: dict[str, str] | None, error: type[RefusedError]
) -> None:
    small.okta.add_app("0oa1", OLD)
    target = small.target()
    if record is not None:
        small.kv.by_hand.put(target.consumer, record)

    with pytest.raises(error) as caught:
        await verify(target, small.world)

    assert caught.value.hint


async def test_an_app_that_is_not_there_is_an_error(small: SmallWorld) -> None:
    target = small.settled()
    small.okta.remove_app("0oa1")

    with pytest.raises(MissingError):
        await verify(target, small.world)


# --- look ---------------------------------------------------------------------------------------------------


async def test_a_look_makes_no_token_request_and_writes_nothing(small: SmallWorld) -> None:
    target = small.settled(age=91)
    small.flaky_okta.fail("prove", RefusedError("not asked for"))
    small.flaky_kv.fail("write", RefusedError("not asked for"))

    look = await look_at(target, small.world)

    assert isinstance(look.next, Stage)
    assert small.leases.most == 0


async def test_a_look_tells_what_is_waited_for(small: SmallWorld) -> None:
    look = await look_at(await rotated(small), small.world)

    assert isinstance(look.next, Rest)
    assert look.next.waiting is Waiting.OVERLAP
