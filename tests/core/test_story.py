"""What a target's rows of the audit tell: each rotation from its beginning to the end of the old secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.history import Row
from rotator.core.story import CUT_OFF, Story, stories
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from datetime import datetime

GOOD = "token issued"


@dataclass
class Audit:
    """Writes rows; every one is a minute later than the one before."""

    rows: list[Row] = field(default_factory=list)

    def act(self, step: str, how: str | None = "done", *, rotation: str | None = "r1", **more: Any) -> Audit:
        """Write both rows of an effect, or the first alone where it was cut off (`how` is None)."""
        begun_in = more.pop("begun_in", rotation)
        before = self._row(step, "begins", rotation=begun_in, **more)
        if how is not None:
            self._row(step, "ended", begun=before.number, how=how, rotation=rotation, **more)
        return self

    def proof(self, proof: str = GOOD, *, rotation: str | None = "r1") -> Audit:
        self._row("Verify", "ended", how="done", proof=proof, rotation=rotation)
        return self

    def told(self) -> tuple[Story, ...]:
        return stories(self.rows)

    def one(self) -> Story:
        (story,) = self.told()
        return story

    def _row(self, step: str, phase: str, *, rotation: str | None, **more: Any) -> Row:
        number = len(self.rows) + 1
        known = {"begun": None, "how": None, "detail": "", "actor": "daemon@host", "reason": "", "secret_id": None}
        known |= {"path": None, "version": None, "proof": None, "request_id": None}
        where: dict[str, Any] = {"target": "billing", "org": "acme", "app_id": "0oa1"}
        at = NOON + timedelta(minutes=number)
        self.rows.append(Row(number, at=at, step=step, phase=phase, rotation_id=rotation, **where, **(known | more)))
        return self.rows[-1]


def minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)


def staged(rotation: str = "r1", before: str | None = None) -> Audit:
    return Audit().act("Stage", rotation=rotation, begun_in=before, reason="expired")


def promoted() -> Audit:
    """Ten rows."""
    return staged().act("Create", secret_id="ocs2").proof().act("Promote", version=2).proof().act("CloseStaging")


def steps(story: Story) -> list[str]:
    return [act.step for act in story.acts]


def test_who_began_it_and_why_is_what_the_staging_says() -> None:
    audit = Audit().act("OrderReplacement", rotation=None, reason="ordered", actor="a person")
    story = audit.act("Stage", begun_in=None, reason="expired", actor="the daemon").act("Create", actor="another").one()

    assert steps(story)[0] == "OrderReplacement"
    assert (story.actor, story.reason) == ("the daemon", "expired")


# --- one rotation -----------------------------------------------------------------------------------------------


def test_a_whole_life_is_told_with_its_times() -> None:
    told = promoted().proof().act("Deactivate", secret_id="ocs1").act("Delete", secret_id="ocs1").one()

    assert (told.rotation, told.actor, told.reason, told.state) == ("r1", "daemon@host", "expired", "finished")
    assert told.begun_at == minute(1)
    assert told.promoted_at == minute(7)
    assert told.verified
    assert (told.verified.at, told.verified.proof) == (minute(8), GOOD)
    assert (told.off_at, told.gone_at, told.last_at) == (minute(13), minute(15), minute(15))
    assert told.doubts == ()


@pytest.mark.parametrize(
    ("audit", "state"),
    [
        pytest.param(staged(), "under way", id="staged"),
        pytest.param(staged().act("Create").proof(), "under way", id="proven, not promoted"),
        pytest.param(staged().act("Create").proof("refused").act("Discard"), "discarded", id="discarded"),
        pytest.param(staged().act("Discard", "not done"), "under way", id="not discarded after all"),
        pytest.param(staged().proof().act("Promote"), "promoted", id="promoted; the proof before it does not count"),
        pytest.param(staged().act("Promote").proof("inconclusive"), "promoted", id="promoted, nothing shown"),
        pytest.param(
            staged().act("Promote").proof("client authenticated"), "promoted and verified", id="authenticated"
        ),
        pytest.param(promoted(), "promoted and verified", id="promoted and verified"),
        pytest.param(promoted().act("Deactivate"), "the old one is off", id="the old one is off"),
        pytest.param(
            promoted().act("Deactivate", "not done"), "promoted and verified", id="it could not be switched off"
        ),
        pytest.param(promoted().act("Deactivate").act("Delete", "unknown"), "the old one is off", id="perhaps gone"),
        pytest.param(promoted().act("Deactivate").act("Activate"), "the old one is on again", id="switched on again"),
        pytest.param(
            promoted().act("Deactivate").act("Activate").act("Deactivate"), "the old one is off", id="and off again"
        ),
        pytest.param(Audit().act("Rollback"), "going back", id="nothing written yet"),
        pytest.param(Audit().act("Rollback").act("Activate").act("Promote").proof(), "rolled back", id="rolled back"),
        pytest.param(
            staged().act("Deactivate").act("Delete").act("Promote"), "promoted", id="what made room was not the old one"
        ),
    ],
)
def test_how_far_a_rotation_has_come(audit: Audit, state: str) -> None:
    assert audit.one().state == state


# --- what belongs to which rotation -----------------------------------------------------------------------------


def test_a_staging_belongs_to_the_rotation_that_it_begins_not_to_the_one_before() -> None:
    audit = promoted()
    audit.act("Stage", rotation="r2", begun_in="r1").act("Create", rotation="r2").act("Delete", rotation="r1")

    first, second = audit.told()

    assert (first.rotation, steps(first)[-1]) == ("r1", "Delete")
    assert (second.rotation, steps(second)) == ("r2", ["Stage", "Create"])


def test_an_approval_leads_to_the_rotation_that_it_lets_begin() -> None:
    audit = promoted().act("Approve", rotation=None, actor="alice").act("Stage", rotation="r2")

    _, second = audit.told()

    assert (second.rotation, steps(second), second.actor) == ("r2", ["Approve", "Stage"], "daemon@host")


def test_that_the_old_one_may_go_belongs_to_the_last_rotation() -> None:
    audit = promoted().act("Retire", rotation=None, secret_id="ocs1").act("Deactivate", secret_id="ocs1")

    assert steps(audit.one())[-2:] == ["Retire", "Deactivate"]
    (alone,) = Audit().act("Retire", rotation=None).told()
    assert alone.rotation is None


def test_what_is_done_with_a_reclaimed_secret_is_told_by_itself() -> None:
    audit = promoted().act("Reclaim", rotation=None, secret_id="ocs9")
    audit.act("Deactivate", secret_id="ocs9").act("Deactivate", secret_id="ocs1").act("Delete", secret_id="ocs9")

    rotation, reclaimed = audit.told()

    assert (rotation.state, rotation.gone_at) == ("the old one is off", None)
    assert (steps(reclaimed), reclaimed.state) == (["Reclaim", "Deactivate", "Delete"], "outside of a rotation")


@pytest.mark.parametrize("how", ["not done", "unknown", None])
def test_an_order_and_a_staging_that_came_to_nothing_lead_to_the_next_rotation(how: str | None) -> None:
    audit = promoted().act("OrderReplacement").act("Stage", how, actor="alice@host").act("Stage", rotation="r2")

    _, second = audit.told()

    assert (second.rotation, steps(second)) == ("r2", ["OrderReplacement", "Stage", "Stage"])
    assert second.begun_at == minute(11)


@pytest.mark.parametrize("how", ["unknown", None])
def test_a_staging_that_nobody_knew_of_and_was_there_begins_what_follows(how: str | None) -> None:
    audit = promoted().act("Stage", how, reason="revoked").act("Create", rotation="r2")

    _, second = audit.told()

    assert (second.rotation, steps(second), second.reason) == ("r2", ["Stage", "Create"], "revoked")


def test_a_staging_that_failed_does_not_begin_what_was_begun_before_there_was_an_audit() -> None:
    audit = Audit().act("Stage", "not done", rotation=None).proof(rotation="older")

    alone, older = audit.told()

    assert (alone.rotation, steps(alone)) == (None, ["Stage"])
    assert (older.rotation, steps(older)) == ("older", ["Verify"])


@pytest.mark.parametrize("step", ["Pause", "Resume", "Adopt"])
def test_what_is_no_rotation_is_told_by_itself(step: str) -> None:
    first, alone, second = promoted().act(step).act("Stage", rotation="r2").told()

    assert (first.rotation, alone.rotation, second.rotation) == ("r1", None, "r2")
    assert (steps(alone), alone.state) == ([step], "outside of a rotation")


# --- doubts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "told"), [("unknown", "unknown"), (None, CUT_OFF)])
def test_what_nobody_knew_the_end_of_was_settled_by_what_followed(how: str | None, told: str) -> None:
    story = staged().act("Create", how, rotation="r1").act("Create").proof().one()

    (doubt,) = story.doubts
    assert (doubt.step, doubt.how) == ("Create", told)
    assert doubt.settled
    assert (doubt.settled.step, doubt.settled.how) == ("Create", "done")


def test_a_pause_settles_nothing() -> None:
    told = staged().act("Create", "unknown").act("Pause").proof().told()

    (doubt,) = told[0].doubts
    assert doubt.settled
    assert doubt.settled.step == "Verify"


def test_what_was_not_looked_at_since_is_not_settled() -> None:
    (doubt,) = staged().act("Create", "unknown").one().doubts

    assert doubt.settled is None


@pytest.mark.parametrize("how", ["unknown", None])
def test_a_promotion_in_doubt_has_happened_if_the_staging_was_closed(how: str | None) -> None:
    audit = staged().act("Create").proof().act("Promote", how)
    attempt = audit.rows[-1].at
    assert audit.one().promoted_at is None

    told = audit.proof().act("CloseStaging").one()

    assert (told.promoted_at, told.state) == (attempt, "promoted and verified")


def test_a_promotion_in_doubt_has_not_happened_if_the_candidate_was_discarded() -> None:
    told = staged().act("Promote", "unknown").act("Discard").act("CloseStaging").one()

    assert (told.promoted_at, told.state) == (None, "discarded")


def test_a_closing_that_came_to_nothing_tells_nothing_of_a_promotion_in_doubt() -> None:
    told = staged().act("Promote", "unknown").act("CloseStaging", "not done").one()

    assert told.promoted_at is None


def test_a_promotion_that_was_done_again_counts_from_the_one_that_was_done() -> None:
    audit = staged().act("Promote", "unknown").act("Promote")

    assert audit.one().promoted_at == audit.rows[-1].at


# --- an audit that is not whole ---------------------------------------------------------------------------------


def test_the_end_of_what_began_in_a_row_that_is_pruned_is_told() -> None:
    audit = promoted()

    (story,) = stories(audit.rows[7:])

    assert [(act.step, act.how) for act in story.acts] == [("Verify", "done"), ("CloseStaging", "done")]
    (story,) = stories(audit.rows[9:])
    assert [(act.step, act.how) for act in story.acts] == [("CloseStaging", "done")]


def test_no_rows_tell_nothing() -> None:
    assert stories([]) == ()


_ACTS = some.tuples(
    some.sampled_from(["Stage", "Create", "Promote", "CloseStaging", "Discard", "Delete", "Adopt", "OrderReplacement"]),
    some.sampled_from(["done", "not done", "unknown", None]),
    some.sampled_from(["r1", "r2", "r3", None]),
)


@given(acts=some.lists(_ACTS, max_size=12), kept_from=some.integers(0, 10))
def test_whatever_the_rows_are_each_is_told_once_and_the_stories_stand_in_order(
    acts: list[tuple[str, str | None, str | None]], kept_from: int
) -> None:
    audit = Audit()
    for step, how, rotation in acts:
        audit.act(step, how, rotation=rotation)
    rows = audit.rows[kept_from:]

    told = stories(rows)

    numbers = [{act.begins.number, act.last.number} for story in told for act in story.acts]
    assert sorted(number for pair in numbers for number in pair) == [row.number for row in rows]
    firsts = [story.acts[0].begins.number for story in told]
    assert firsts == sorted(firsts)
    for story in told:
        assert [act.begins.number for act in story.acts] == sorted(act.begins.number for act in story.acts)
        assert story.state
        assert story.last_at >= story.begun_at
