"""Bugs to plant: one rule of the protocol broken at a time, to prove that the observer has teeth.

Each takes pytest's `monkeypatch` and breaks the program in memory. They are the traces that broke the first decision
table (F-numbers), and mistakes that others have made in this field.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rotator.app import effects, evidence, rollback
from rotator.core import places, retirement, rotation, slots
from rotator.core.actions import Activate, CloseStaging, Create, Deactivate, Delete, Discard, Fence, Promote, Stage
from rotator.core.facts import Facts, Leaving
from rotator.core.history import Upshot
from rotator.core.model import Proof, ProofLevel, Reason, StagingState
from rotator.core.records import consumer_fields, staging_fields
from rotator.core.usage import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from rotator.app.observe import View, World
    from rotator.core.actions import Action
    from rotator.core.model import KvPath, OktaSecret, Snapshot, Staging
    from rotator.core.secret_value import SecretFields, SecretValue
    from rotator.ports import KvStore


def _row(
    patch: pytest.MonkeyPatch, old: Callable[[Facts], Action | None], new: Callable[[Facts], Action | None]
) -> None:
    patch.setattr(rotation, "ROWS", tuple(new if row is old else row for row in rotation.ROWS))


def _without(patch: pytest.MonkeyPatch, row: Callable[[Facts], Action | None]) -> None:
    patch.setattr(rotation, "ROWS", tuple(it for it in rotation.ROWS if it is not row))


def the_value_is_staged_after_okta_has_it(patch: pytest.MonkeyPatch) -> None:
    """Create, then write: a crash between them loses the secret."""
    stage = effects._stage

    async def create_first(seen: Snapshot, view: View, world: World, reason: Reason) -> Upshot:
        value = world.mint.value()

        class Again:
            rotation_id = world.mint.rotation_id

            def value(self) -> SecretValue:
                return value

        view.secret_is(await world.okta.create_secret(seen.target.app_id, value))
        return await stage(seen, view, replace(world, mint=Again()), reason)

    patch.setattr(effects, "_stage", create_first)


def a_candidate_is_promoted_unproven(patch: pytest.MonkeyPatch) -> None:
    def promote(facts_: Facts) -> Action | None:
        if facts_.staging.state is not StagingState.STAGED or not facts_.candidates:
            return None
        return Promote(facts_.candidates[0])

    _row(patch, rotation.promote, promote)


def the_proof_is_made_with_the_current_value(patch: pytest.MonkeyPatch) -> None:
    def proof_of(self: Facts, value: SecretValue | None) -> Proof | None:
        return Proof(ProofLevel.TOKEN_ISSUED, "of another value", self.now) if self.alive else None

    patch.setattr(Facts, "proof_of", proof_of)


def the_overlap_is_skipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leaving, "overlap_ends", lambda self, policy: self.since)  # noqa: ARG005


def the_overlap_runs_from_the_first_promotion(patch: pytest.MonkeyPatch) -> None:
    """F3."""

    def left(self: Facts, secret: OktaSecret) -> Any:
        held = [v.number for v in self.consumer.versions if v.value and secret.carries(v.value)]
        first = min(held, default=0)
        return next((v.created for v in self.consumer.versions if v.number > first), self.now)

    patch.setattr(Facts, "_left", left)


def a_deleted_version_counts_as_never_written(patch: pytest.MonkeyPatch) -> None:
    """F10."""
    _without(patch, rotation.consumer_path_lost)
    patch.setattr(Facts, "never_held", property(lambda self: self.value is None))


def the_candidate_is_discarded_although_it_was_promoted(patch: pytest.MonkeyPatch) -> None:
    """F1."""
    patch.setattr(Facts, "promoted", property(lambda self: self.value == self.staging.value))


def a_refused_candidate_is_discarded(patch: pytest.MonkeyPatch) -> None:
    """F2, F7."""
    original = rotation.promote

    def promote(facts_: Facts) -> Action | None:
        proof = facts_.proof_of(facts_.staging.value)
        if facts_.staging.state is StagingState.STAGED and proof and not proof.level.good:
            return Discard("refused")
        return original(facts_)

    _row(patch, original, promote)


def sleepers_are_not_fenced_off(patch: pytest.MonkeyPatch) -> None:
    """F2."""
    original = rotation.discard

    def discard(facts_: Facts) -> Action | None:
        action = original(facts_)
        if not isinstance(action, Fence):
            return action
        for candidate in facts_.candidates:
            if len(facts_.active) > 1 or not candidate.active:
                kind = Deactivate if candidate.active else Delete
                return kind(candidate.id, "discarded candidate")
        return CloseStaging("discarded")

    _row(patch, original, discard)


def unmatched_is_dead(patch: pytest.MonkeyPatch) -> None:
    """F4."""
    patch.setattr(Facts, "dead", property(lambda self: self.value is not None and self.alive is None))


def another_clients_path_is_taken(patch: pytest.MonkeyPatch) -> None:
    """F5."""
    _without(patch, rotation.not_ours_to_rotate)


def an_unknown_value_is_overwritten(patch: pytest.MonkeyPatch) -> None:
    """F11."""
    patch.setattr(Facts, "record_is_ours", property(lambda self: True))  # noqa: ARG005


def an_order_is_not_bound_to_an_id(patch: pytest.MonkeyPatch) -> None:
    """F12."""
    patch.setattr(Facts, "order", property(lambda self: self.staging.order))
    close = effects._close

    async def keep_order(seen: Snapshot, view: View, world: World) -> Upshot:
        write = effects._write_staging

        async def with_order(seen: Snapshot, view: View, world: World, record: Staging) -> Upshot:
            return await write(seen, view, world, replace(record, order=seen.staging.order))

        patch.setattr(effects, "_write_staging", with_order)
        try:
            return await close(seen, view, world)
        finally:
            patch.setattr(effects, "_write_staging", write)

    patch.setattr(effects, "_close", keep_order)


def a_create_is_repeated_at_once(patch: pytest.MonkeyPatch) -> None:
    """F18."""
    original = rotation.register

    def register(facts_: Facts) -> Action | None:
        if facts_.staging.state is StagingState.STAGED and not facts_.candidates and facts_.slot_free:
            return Create()
        return original(facts_)

    _row(patch, original, register)


def a_lost_create_is_answered_with_a_new_value(patch: pytest.MonkeyPatch) -> None:
    original = rotation.register

    def register(facts_: Facts) -> Action | None:
        attempted = facts_.seen.attempted_at
        waiting = facts_.staging.state is StagingState.STAGED and not facts_.candidates
        return Stage(Reason.MISSING) if waiting and attempted is not None else original(facts_)

    _row(patch, original, register)


def another_candidate_is_made_while_one_waits(patch: pytest.MonkeyPatch) -> None:
    original = rotation.promote

    def promote(facts_: Facts) -> Action | None:
        proof = facts_.proof_of(facts_.staging.value)
        if facts_.staging.state is StagingState.STAGED and proof and not proof.level.good and facts_.slot_free:
            return Stage(Reason.MISSING)
        return original(facts_)

    _row(patch, original, promote)


def what_we_made_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    """F8, F16."""
    patch.setattr(effects, "with_made", lambda record, value, at: record)  # noqa: ARG005


def history_does_not_explain_a_secret(patch: pytest.MonkeyPatch) -> None:
    """F8."""
    patch.setattr(Facts, "_explained", lambda self, secret: secret.hash in self.made)


def the_promotion_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """Whatever the version is by now: it is overwritten."""
    _without(patch, rotation.base_moved)
    original = effects._promote

    async def force(seen: Snapshot, view: View, world: World, candidate: OktaSecret) -> Upshot:
        metadata = await world.kv.read_metadata(seen.target.consumer)
        base = metadata.current if metadata else 0
        return await original(replace(seen, staging=replace(seen.staging, base_version=base)), view, world, candidate)

    patch.setattr(effects, "_promote", force)


def staging_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A second process overwrites the first one's staged value."""

    async def write(seen: Snapshot, view: View, world: World, record: Staging) -> Upshot:
        metadata = await world.kv.read_metadata(seen.target.staging)
        await world.kv.write(seen.target.staging, staging_fields(record), cas=metadata.current if metadata else 0)
        view.staging_changed()
        return Upshot("forced")

    patch.setattr(effects, "_write_staging", write)


def duplicates_are_left_alone(patch: pytest.MonkeyPatch) -> None:
    _without(patch, rotation.duplicate)


def room_is_made_by_removing_the_current(patch: pytest.MonkeyPatch) -> None:
    def free(facts_: Facts) -> Action:
        oldest = min(facts_.seen.secrets, key=lambda secret: secret.created)
        return Deactivate(oldest.id, "oldest") if oldest.active else Delete(oldest.id, "oldest")

    patch.setattr(rotation, "free_a_slot", free)


def an_inactive_foreign_secret_goes_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(slots, "_old", lambda facts_, secret: True)  # noqa: ARG005


def everything_that_is_not_current_is_retired(patch: pytest.MonkeyPatch) -> None:
    """Delete all but current: what most scripts do."""
    patch.setattr(Facts, "_explained", lambda self, secret: True)  # noqa: ARG005


def other_peoples_fields_are_dropped(patch: pytest.MonkeyPatch) -> None:
    def fields(base: SecretFields | None, names: Any, **ours: Any) -> SecretFields:
        return consumer_fields(None, names, **ours)

    patch.setattr(effects, "consumer_fields", fields)


def the_staged_value_is_left_readable(patch: pytest.MonkeyPatch) -> None:
    _without(patch, rotation.scrub)


def what_an_admin_revoked_is_switched_on(patch: pytest.MonkeyPatch) -> None:
    """F9."""
    original = rotation.current_is_dead

    def current_is_dead(facts_: Facts) -> Action | None:
        if facts_.alive is None and facts_.matches:
            return Activate(facts_.matches[0].id, "it is current")
        return original(facts_)

    _row(patch, original, current_is_dead)


def what_an_admin_switched_on_is_switched_off(patch: pytest.MonkeyPatch) -> None:
    """F9."""
    patch.setattr(Leaving, "toggled", property(lambda self: False))  # noqa: ARG005


def a_settled_target_is_rewritten(patch: pytest.MonkeyPatch) -> None:
    """A write without a reason: consumers restart."""
    original = rotation.renew

    def renew(facts_: Facts) -> Action | None:
        action = original(facts_)
        alone = action is None and not facts_.leaving and facts_.alive is not None and facts_.current is not None
        return Fence() if alone and facts_.current and facts_.current.created < facts_.now else action

    _row(patch, original, renew)


def retiring_is_not_recorded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(effects, "_retiring", lambda seen, world, candidate: None)  # noqa: ARG005


def whatever_is_inactive_is_deleted(patch: pytest.MonkeyPatch) -> None:
    """Whatever is inactive goes, even if somebody has just rolled back to it."""
    original = rotation.current_is_dead

    def current_is_dead(facts_: Facts) -> Action | None:
        for secret in facts_.seen.secrets:
            if not secret.active:
                return Delete(secret.id, "inactive")
        return original(facts_)

    _row(patch, original, current_is_dead)


def the_record_is_closed_before_it_is_empty(patch: pytest.MonkeyPatch) -> None:
    """Destroy first: a crash leaves a record that cannot be read."""
    close = effects._close

    async def destroy_first(seen: Snapshot, view: View, world: World) -> Upshot:
        await world.kv.destroy(seen.target.staging, (*seen.staging.older, seen.staging.version))
        return await close(seen, view, world)

    patch.setattr(effects, "_close", destroy_first)


def closing_destroys_the_whole_record(patch: pytest.MonkeyPatch) -> None:
    """F17: whatever is there by now, `made` and orders included."""

    async def close(seen: Snapshot, view: View, world: World) -> Upshot:
        metadata = await world.kv.read_metadata(seen.target.staging)
        numbers = range(1, (metadata.current if metadata else 0) + 1)
        await world.kv.destroy(seen.target.staging, tuple(numbers))
        view.staging_changed()
        return Upshot("destroyed")

    patch.setattr(effects, "_close", close)


# --- the rest of a life, and operators ------------------------------------------------------------------------------


def a_sighting_does_not_stop_us(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Evidence, "seen_at", property(lambda _: None))


def whoever_fails_with_the_old_one_is_not_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Leaving, "comes_back", property(lambda _: False))


def what_the_log_once_said_is_gone_by(patch: pytest.MonkeyPatch) -> None:
    """Whoever asked it may have slept since."""
    patch.setattr(Evidence, "is_fresh", lambda *_: True)


def doubt_counts_as_silence(patch: pytest.MonkeyPatch) -> None:
    """The log may not be read, and that is taken for nobody."""
    patch.setattr(evidence, "unreadable", lambda _: Evidence())
    patch.setattr(retirement, "_show_ourselves", lambda _: None)


def an_older_path_counts_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """The first path was written: the old secret goes, though another path still holds it."""
    _without(patch, rotation.copy)


def another_path_is_written_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(places, "_trouble", lambda *_: None)
    patch.setattr(rotation, "cannot_be_written", lambda _: None)


def a_rollback_does_not_pause(patch: pytest.MonkeyPatch) -> None:
    """F13: the next pass goes on to a new one."""

    async def pause(_: rollback._Back, former: rollback._Former) -> None:
        """Write nothing."""

    patch.setattr(rollback._Back, "pause", pause)


def a_pause_is_not_honoured(patch: pytest.MonkeyPatch) -> None:
    _without(patch, rotation.paused)


def a_compromised_one_keeps_its_order(patch: pytest.MonkeyPatch) -> None:
    """The order is carried out again where somebody goes back to that secret."""
    patch.setattr(effects, "_fulfilled", lambda facts_: facts_.staging.order is not None and facts_.order is None)


def a_hook_is_forgotten_at_a_crash(patch: pytest.MonkeyPatch) -> None:
    """That it is due is noted after it was run."""
    run_hook = effects._run_hook

    async def noted_first(seen: Snapshot, view: View, world: World, name: str) -> Upshot:
        assert seen.staging.hooks
        left = tuple(it for it in seen.staging.hooks.names if it != name)
        due = replace(seen.staging.hooks, names=left) if left else None
        await effects._write_staging(seen, view, world, replace(seen.staging, hooks=due))
        return await run_hook(seen, view, replace(world, kv=_Deaf(world.kv)), name)

    patch.setattr(effects, "_run_hook", noted_first)


class _Deaf:
    """A Vault that is not written to."""

    def __init__(self, kv: KvStore) -> None:
        self._kv = kv

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kv, name)

    async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
        return cas + 1


BUGS: tuple[Callable[[Any], None], ...] = (
    the_value_is_staged_after_okta_has_it,
    a_candidate_is_promoted_unproven,
    the_proof_is_made_with_the_current_value,
    the_overlap_is_skipped,
    the_overlap_runs_from_the_first_promotion,
    a_deleted_version_counts_as_never_written,
    the_candidate_is_discarded_although_it_was_promoted,
    a_refused_candidate_is_discarded,
    sleepers_are_not_fenced_off,
    unmatched_is_dead,
    another_clients_path_is_taken,
    an_unknown_value_is_overwritten,
    an_order_is_not_bound_to_an_id,
    a_create_is_repeated_at_once,
    a_lost_create_is_answered_with_a_new_value,
    another_candidate_is_made_while_one_waits,
    what_we_made_is_not_written_down,
    history_does_not_explain_a_secret,
    the_promotion_is_not_compared,
    staging_is_not_compared,
    duplicates_are_left_alone,
    room_is_made_by_removing_the_current,
    an_inactive_foreign_secret_goes_at_once,
    everything_that_is_not_current_is_retired,
    other_peoples_fields_are_dropped,
    the_staged_value_is_left_readable,
    what_an_admin_revoked_is_switched_on,
    what_an_admin_switched_on_is_switched_off,
    a_settled_target_is_rewritten,
    retiring_is_not_recorded,
    whatever_is_inactive_is_deleted,
    the_record_is_closed_before_it_is_empty,
    closing_destroys_the_whole_record,
    a_sighting_does_not_stop_us,
    whoever_fails_with_the_old_one_is_not_heard,
    doubt_counts_as_silence,
    an_older_path_counts_for_nothing,
    another_path_is_written_over,
    a_rollback_does_not_pause,
    a_pause_is_not_honoured,
    a_compromised_one_keeps_its_order,
    a_hook_is_forgotten_at_a_crash,
)
