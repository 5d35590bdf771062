"""Stories worth keeping: for each planted bug one that shows it, and those that once showed a bug of ours.

The program as it is must tell all of them without a violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.faults import bugs, story
from tests.faults.ports import Fault
from tests.faults.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWS: dict[Callable[[Any], None], Story] = {
    bugs.the_value_is_staged_after_okta_has_it: Story(story.expired),
    bugs.a_candidate_is_promoted_unproven: Story(story.slow),
    bugs.the_proof_is_made_with_the_current_value: Story(story.slow),
    bugs.the_overlap_is_skipped: Story(story.expired),
    bugs.the_overlap_runs_from_the_first_promotion: Story(story.expired, acts=((5, story.person_rolls_back),)),
    bugs.a_deleted_version_counts_as_never_written: Story(story.expired, acts=((1, story.person_deletes_version),)),
    bugs.the_candidate_is_discarded_although_it_was_promoted: Story(
        story.expired, acts=((5, story.person_puts_unknown),)
    ),
    bugs.a_refused_candidate_is_discarded: Story(story.slow),
    bugs.sleepers_are_not_fenced_off: Story(
        story.expired,
        faults=((4, Fault.SLEEP), (8, Fault.CRASH_AFTER)),
        acts=((5, story.admin_revokes_other),),
    ),
    bugs.unmatched_is_dead: Story(story.strange_hash),
    bugs.another_clients_path_is_taken: Story(story.misplaced),
    bugs.an_unknown_value_is_overwritten: Story(story.expired, acts=((1, story.person_puts_unknown),)),
    bugs.an_order_is_not_bound_to_an_id: Story(story.ordered),
    bugs.a_create_is_repeated_at_once: Story(story.expired, faults=((2, Fault.LOST),)),
    bugs.a_lost_create_is_answered_with_a_new_value: Story(story.expired, faults=((2, Fault.LATE),)),
    bugs.another_candidate_is_made_while_one_waits: Story(story.nothing, faults=((3, Fault.ERROR),)),
    bugs.what_we_made_is_not_written_down: Story(
        story.revoked,
        faults=((5, Fault.LOST), (10, Fault.ERROR)),
        acts=((8, story.person_patches_value_back), (9, story.admin_deletes_other)),
    ),
    bugs.history_does_not_explain_a_secret: Story(story.expired),
    bugs.the_promotion_is_not_compared: Story(story.expired, acts=((1, story.person_puts_unknown),)),
    bugs.staging_is_not_compared: Story(story.handwritten, faults=((1, Fault.SLEEP), (4, Fault.CRASH_AFTER))),
    bugs.duplicates_are_left_alone: Story(story.nothing, faults=((2, Fault.TWICE),)),
    bugs.room_is_made_by_removing_the_current: Story(story.guarded),
    bugs.an_inactive_foreign_secret_goes_at_once: Story(story.guarded, days=((1, story.admin_revokes_other),)),
    bugs.everything_that_is_not_current_is_retired: Story(story.revoked),
    bugs.other_peoples_fields_are_dropped: Story(story.expired),
    bugs.the_staged_value_is_left_readable: Story(story.expired, faults=((6, Fault.CRASH_AFTER),)),
    bugs.what_an_admin_revoked_is_switched_on: Story(story.revoked),
    bugs.what_an_admin_switched_on_is_switched_off: Story(story.expired, acts=((10, story.admin_reactivates),)),
    bugs.a_settled_target_is_rewritten: Story(story.expired),
    bugs.retiring_is_not_recorded: Story(story.replaced),
    bugs.whatever_is_inactive_is_deleted: Story(story.deleted, acts=((4, story.admin_revokes_other),)),
    bugs.the_record_is_closed_before_it_is_empty: Story(story.expired, faults=((6, Fault.CRASH_AFTER),)),
    bugs.closing_destroys_the_whole_record: Story(story.expired),
}

# Each was a violation once; beside it the rule that it taught.
FOUND: tuple[Story, ...] = (
    # What consumers read is looked at again after every effect, a token request included.
    Story(story.expired, acts=((7, story.person_rolls_back),)),
    Story(story.expired, acts=((1, story.person_deletes_version),)),
    Story(story.hidden, acts=((4, story.person_deletes_version), (1, story.person_adds_field))),
    Story(story.expired, acts=((4, story.person_deletes_version), (3, story.admin_revokes_other))),
    Story(story.deleted, acts=((7, story.person_patches_value_back), (8, story.person_deletes_version))),
    # After an unknown deactivation the consumer path is read again.
    Story(story.overlapping, faults=((2, Fault.UNHEARD),), acts=((2, story.person_patches_value_back),)),
    # Where there is no room, a foreign secret is adopted however old: closing and staging in turn came to no end.
    Story(
        story.deleted,
        faults=((1, Fault.LOST),),
        acts=((1, story.person_adds_field),),
        days=((1, story.admin_adds_secret),),
    ),
    # What a policy replaces is named when the value is staged, not when it is promoted.
    Story(story.replaced, faults=((3, Fault.ERROR),), days=((2, story.admin_revokes_other),)),
    Story(story.replaced, acts=((1, story.admin_adds_secret),), days=((4, story.admin_deletes_other),)),
    # A secret that was found dead and is active again was switched on by somebody: it is left alone.
    Story(
        story.hidden,
        faults=((3, Fault.UNHEARD),),
        acts=((5, story.admin_reactivates),),
        days=((2, story.admin_revokes_current),),
    ),
    Story(story.revoked, acts=((2, story.admin_reactivates),)),
    # Before a secret is switched off, Okta's list is younger than our last write.
    Story(
        story.handwritten,
        acts=((13, story.admin_revokes_other), (8, story.admin_revokes_current), (14, story.admin_reactivates)),
    ),
    # A version that cannot be read may have replaced a secret long before the next one that can.
    Story(
        story.soaking,
        faults=((4, Fault.CRASH_BEFORE),),
        acts=((8, story.person_deletes_version), (1, story.admin_reactivates)),
        days=((6, story.admin_deletes_current), (5, story.admin_reactivates)),
    ),
    # Who deactivated the current one is asked of the log, even right after our own deactivation.
    Story(story.overlapping, acts=((1, story.admin_revokes_other), (2, story.person_patches_value_back))),
    # A value that we once wrote is ours, also when a person puts it back.
    Story(story.revoked, acts=((12, story.admin_deletes_current), (11, story.person_patches_value_back))),
    # A list that the token endpoint contradicts is read again before anybody is blocked.
    Story(story.expired, acts=((7, story.admin_revokes_current),)),
    # A secret of Okta's is proven before it is adopted.
    Story(
        story.slow,
        acts=((13, story.admin_adds_secret),),
        days=((6, story.person_patches_value_back),),
    ),
)
