"""Stories worth keeping: for each planted bug one that shows it, and those that once showed a bug of ours.

The program as it is must tell all of them without a violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.faults import bugs, operations, people, scenes
from tests.faults.ports import Fault
from tests.faults.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWS: dict[Callable[[Any], None], Story] = {
    bugs.the_value_is_staged_after_okta_has_it: Story(scenes.expired),
    bugs.a_candidate_is_promoted_unproven: Story(scenes.slow),
    bugs.the_proof_is_made_with_the_current_value: Story(scenes.slow),
    bugs.the_overlap_is_skipped: Story(scenes.expired),
    bugs.the_overlap_runs_from_the_first_promotion: Story(scenes.expired, acts=((5, people.person_rolls_back),)),
    bugs.a_deleted_version_counts_as_never_written: Story(scenes.expired, acts=((1, people.person_deletes_version),)),
    bugs.the_candidate_is_discarded_although_it_was_promoted: Story(
        scenes.expired, acts=((5, people.person_puts_unknown),)
    ),
    bugs.a_refused_candidate_is_discarded: Story(scenes.slow),
    bugs.sleepers_are_not_fenced_off: Story(
        scenes.expired,
        faults=((4, Fault.SLEEP), (8, Fault.CRASH_AFTER)),
        acts=((5, people.admin_revokes_other),),
    ),
    bugs.unmatched_is_dead: Story(scenes.strange_hash),
    bugs.another_clients_path_is_taken: Story(scenes.misplaced),
    bugs.an_unknown_value_is_overwritten: Story(scenes.expired, acts=((1, people.person_puts_unknown),)),
    bugs.an_order_is_not_bound_to_an_id: Story(scenes.ordered),
    bugs.a_create_is_repeated_at_once: Story(scenes.expired, faults=((2, Fault.LOST),)),
    bugs.a_lost_create_is_answered_with_a_new_value: Story(scenes.expired, faults=((2, Fault.LATE),)),
    bugs.another_candidate_is_made_while_one_waits: Story(scenes.nothing, faults=((3, Fault.ERROR),)),
    bugs.what_we_made_is_not_written_down: Story(
        scenes.revoked,
        faults=((5, Fault.LOST), (10, Fault.ERROR)),
        acts=((8, people.person_patches_value_back), (9, people.admin_deletes_other)),
    ),
    bugs.history_does_not_explain_a_secret: Story(scenes.expired),
    bugs.the_promotion_is_not_compared: Story(scenes.expired, acts=((1, people.person_puts_unknown),)),
    bugs.staging_is_not_compared: Story(scenes.handwritten, faults=((1, Fault.SLEEP), (4, Fault.CRASH_AFTER))),
    bugs.duplicates_are_left_alone: Story(scenes.nothing, faults=((2, Fault.TWICE),)),
    bugs.room_is_made_by_removing_the_current: Story(scenes.guarded),
    bugs.an_inactive_foreign_secret_goes_at_once: Story(scenes.guarded, days=((1, people.admin_revokes_other),)),
    bugs.everything_that_is_not_current_is_retired: Story(scenes.revoked),
    bugs.other_peoples_fields_are_dropped: Story(scenes.expired),
    bugs.the_staged_value_is_left_readable: Story(scenes.expired, faults=((6, Fault.CRASH_AFTER),)),
    bugs.what_an_admin_revoked_is_switched_on: Story(scenes.revoked),
    bugs.what_an_admin_switched_on_is_switched_off: Story(scenes.expired, acts=((10, people.admin_reactivates),)),
    bugs.a_settled_target_is_rewritten: Story(scenes.expired),
    bugs.retiring_is_not_recorded: Story(scenes.replaced),
    bugs.whatever_is_inactive_is_deleted: Story(scenes.deleted, acts=((4, people.admin_revokes_other),)),
    bugs.the_record_is_closed_before_it_is_empty: Story(scenes.expired, faults=((6, Fault.CRASH_AFTER),)),
    bugs.closing_destroys_the_whole_record: Story(scenes.expired),
    bugs.a_sighting_does_not_stop_us: Story(scenes.lagging),
    bugs.whoever_fails_with_the_old_one_is_not_heard: Story(scenes.lagging_unwatched),
    bugs.doubt_counts_as_silence: Story(scenes.unheard),
    bugs.an_older_path_counts_for_nothing: Story(scenes.one_path_behind),
    bugs.another_path_is_written_over: Story(scenes.another_path_is_theirs),
    bugs.a_rollback_does_not_pause: Story(scenes.overlapping, orders=((1, operations.rollback),)),
    bugs.a_pause_is_not_honoured: Story(scenes.expired, orders=((1, operations.pause),)),
    bugs.a_compromised_one_keeps_its_order: Story(scenes.leaked, acts=((6, people.person_rolls_back),)),
    bugs.a_hook_is_forgotten_at_a_crash: Story(scenes.hooked, faults=((8, Fault.CRASH_AFTER),)),
}

# Each was a violation once; beside it the rule that it taught.
FOUND: tuple[Story, ...] = (
    # What consumers read is looked at again after every effect, a token request included.
    Story(scenes.expired, acts=((7, people.person_rolls_back),)),
    Story(scenes.expired, acts=((1, people.person_deletes_version),)),
    Story(scenes.hidden, acts=((4, people.person_deletes_version), (1, people.person_adds_field))),
    Story(scenes.expired, acts=((4, people.person_deletes_version), (3, people.admin_revokes_other))),
    Story(scenes.deleted, acts=((7, people.person_patches_value_back), (8, people.person_deletes_version))),
    # After an unknown deactivation the consumer path is read again.
    Story(scenes.overlapping, faults=((2, Fault.UNHEARD),), acts=((2, people.person_patches_value_back),)),
    # Where there is no room, a foreign secret is adopted however old: closing and staging in turn came to no end.
    Story(
        scenes.deleted,
        faults=((1, Fault.LOST),),
        acts=((1, people.person_adds_field),),
        days=((1, people.admin_adds_secret),),
    ),
    # What a policy replaces is named when the value is staged, not when it is promoted.
    Story(scenes.replaced, faults=((3, Fault.ERROR),), days=((2, people.admin_revokes_other),)),
    Story(scenes.replaced, acts=((1, people.admin_adds_secret),), days=((4, people.admin_deletes_other),)),
    # A secret that was found dead and is active again was switched on by somebody: it is left alone.
    Story(
        scenes.hidden,
        faults=((3, Fault.UNHEARD),),
        acts=((5, people.admin_reactivates),),
        days=((2, people.admin_revokes_current),),
    ),
    Story(scenes.revoked, acts=((2, people.admin_reactivates),)),
    # Before a secret is switched off, Okta's list is younger than our last write.
    Story(
        scenes.handwritten,
        acts=((13, people.admin_revokes_other), (8, people.admin_revokes_current), (14, people.admin_reactivates)),
    ),
    # A version that cannot be read may have replaced a secret long before the next one that can.
    Story(
        scenes.soaking,
        faults=((4, Fault.CRASH_BEFORE),),
        acts=((8, people.person_deletes_version), (1, people.admin_reactivates)),
        days=((6, people.admin_deletes_current), (5, people.admin_reactivates)),
    ),
    # Who deactivated the current one is asked of the log, even right after our own deactivation.
    Story(scenes.overlapping, acts=((1, people.admin_revokes_other), (2, people.person_patches_value_back))),
    # A value that we once wrote is ours, also when a person puts it back.
    Story(scenes.revoked, acts=((12, people.admin_deletes_current), (11, people.person_patches_value_back))),
    # A list that the token endpoint contradicts is read again before anybody is blocked.
    Story(scenes.expired, acts=((7, people.admin_revokes_current),)),
    # An order is carried out once, also where somebody goes back to the secret that it named.
    Story(scenes.leaked, acts=((6, people.person_rolls_back),)),
    Story(scenes.cut_short, acts=((9, people.person_rolls_back),)),
    # Where silence has to be proven, the soak's has to be as well.
    Story(scenes.proven_silent),
    # One that was found off and is on again was switched on by somebody, be it in the same second.
    Story(
        scenes.leaked,
        faults=((3, Fault.LATE),),
        acts=((8, people.admin_reactivates),),
        days=((2, people.admin_revokes_current),),
    ),
    # What another path still holds leaves no room by waiting: it is copied over, or somebody else makes room.
    Story(
        scenes.one_path_behind,
        acts=((16, people.admin_reactivates), (11, people.admin_revokes_other)),
        days=((2, people.person_patches_value_back),),
    ),
    Story(
        scenes.two_paths,
        faults=((17, Fault.CRASH_BEFORE),),
        acts=((14, people.admin_adds_secret),),
        days=((4, people.person_rolls_back),),
        orders=((2, operations.retire), (6, operations.resume)),
    ),
    # What a rollback went back to is switched on again if an order of ours arrives after it, pause or no pause.
    Story(
        scenes.nothing,
        faults=((17, Fault.LATER),),
        orders=((5, operations.compromised), (5, operations.rollback)),
    ),
    Story(
        scenes.unheard,
        faults=((14, Fault.LATER),),
        orders=((4, operations.compromised), (4, operations.rollback)),
    ),
    # Who switched a secret off is asked anew after we switched it on: an admin may do it right then.
    Story(
        scenes.two_paths,
        acts=((12, people.admin_revokes_current), (10, people.person_patches_value_back)),
        days=((6, people.admin_revokes_current),),
    ),
    # A secret of Okta's is proven before it is adopted.
    Story(
        scenes.slow,
        acts=((13, people.admin_adds_secret),),
        days=((6, people.person_patches_value_back),),
    ),
)
