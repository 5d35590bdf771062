"""The core's actions in words: as they begin, as they end, as the log names them, and as a plan tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rotator.core import actions as do
from rotator.core.foresight import step_of
from rotator.core.model import Reason
from rotator.core.sharing import paths_of

if TYPE_CHECKING:
    from rotator.core.actions import Effect
    from rotator.core.foresight import Step
    from rotator.core.model import Target


class Words(NamedTuple):
    """What people see while it is done and when it is done, and the event in the log."""

    doing: str
    done: str
    event: str


WORDS = {
    "Stage": Words("staging a new value in Vault", "staged", "secret_staged"),
    "Create": Words("creating it at Okta", "created", "secret_created"),
    "Verify": Words("trying it at the token endpoint", "tried", "secret_tried"),
    "AskLog": Words("asking the System Log who switched it off", "asked the log", "log_asked"),
    "AskUsage": Words("asking the System Log who uses the old one", "asked the log", "usage_asked"),
    "Promote": Words("writing it where consumers read", "promoted", "secret_promoted"),
    "CloseStaging": Words("closing the staging record", "closed", "staging_closed"),
    "ScrubStaging": Words("destroying staged values", "scrubbed", "staging_scrubbed"),
    "Discard": Words("discarding the candidate", "discarded", "candidate_discarded"),
    "Rebase": Words("staging on top of the new version", "rebased", "staging_rebased"),
    "Fence": Words("fencing off other writers", "fenced", "consumer_fenced"),
    "OrderReplacement": Words("ordering one of ours in its place", "ordered", "replacement_ordered"),
    "Adopt": Words("adopting Okta's secret", "adopted", "secret_adopted"),
    "Activate": Words("switching it on again", "switched on again", "secret_activated"),
    "Deactivate": Words("switching the old one off", "deactivated", "secret_deactivated"),
    "Delete": Words("deleting the old one", "deleted", "secret_deleted"),
    "Copy": Words("writing it to the other paths", "copied", "secret_copied"),
    "RunHook": Words("running a hook", "ran", "hook_run"),
    "Approve": Words("writing the approval", "approved", "rotation_approved"),
    "Retire": Words("ordering that the old one goes", "retirement ordered", "retirement_ordered"),
    "Reclaim": Words("ordering that it goes", "removal ordered", "reclaim_ordered"),
    "Rollback": Words("writing what is gone back to", "rollback begun", "rollback_begun"),
    "Pause": Words("writing the pause", "paused", "pause_placed"),
    "Resume": Words("lifting the pause", "resumed", "pause_lifted"),
}


def words_for(step: str) -> Words:
    """Return the words for an action's name; what is none, such as a wait, speaks for itself."""
    return WORDS.get(step) or Words(step, step, "waiting")


PLANS = {  # the end of "it would …"; {0} is a secret, {1} why, {2} the consumer path
    "Stage": "make a new secret: {1}",
    "Create": "create the staged value at Okta",
    "Verify": "try the {1} value at the token endpoint",
    "AskLog": "ask the System Log who switched {0} off",
    "AskUsage": "ask the System Log who uses {0}",
    "Copy": "write the same to {1}",
    "RunHook": "run the hook `{1}`",
    "Promote": "write {0} to {2}",
    "CloseStaging": "close the staging record: {1}",
    "ScrubStaging": "destroy staged values that are still readable",
    "Discard": "discard the candidate: {1}",
    "Rebase": "go on from the new version of the consumer path",
    "Fence": "rewrite {2} unchanged, to fence off other writers",
    "OrderReplacement": "adopt Okta's {0}, and order one of ours in its place",
    "Adopt": "write Okta's {0} to {2}",
    "Activate": "switch {0} on again: {1}",
    "Deactivate": "switch {0} off: {1}",
    "Delete": "delete {0}: {1}",
}


def plan_of(action: Effect, target: Target) -> str:
    """Return what an action would do, as the end of "it would …"."""
    return plan_of_step(step_of(action), target)


def plan_of_step(step: Step, target: Target) -> str:
    """Return the same of a step that was written down."""
    why = step.why
    if step.name == do.Copy.__name__:  # it names a place among the target's other paths, if there still is one
        why = next((str(each.path) for n, each in enumerate(target.also) if str(n) == why), "another path")
    then = ", then replace it" if step.name == do.Adopt.__name__ and why else ""
    return PLANS.get(step.name, step.name).format(step.secret, why, target.consumer) + then


def what_follows(action: Effect, target: Target) -> str:
    """Return what comes after an action if all goes well."""
    from rotator.settings.kinds import write_duration

    overlap, soak = write_duration(target.policy.overlap), write_duration(target.policy.soak)
    retire = f"the old one stays active for {overlap}, switched off for {soak}, then goes"
    match action:
        case do.Stage(Reason.REVOKED | Reason.UNKNOWN_VALUE):
            return f"create it at Okta, prove it, write it to {_places(target)}; nobody waits for a window"
        case do.Stage():
            return f"create it at Okta, prove it, write it to {_places(target)}; {retire}"
        case do.Create() | do.Rebase():
            return f"prove it, write it to {_places(target)}; {retire}"
        case do.Promote():
            return retire
        case do.Discard() | do.Fence():
            return "remove the candidate, and look again"
        case do.Deactivate():
            return f"delete it after {soak}"
        case do.OrderReplacement():
            return f"write it to {_places(target)}; one of ours replaces it within a day"
        case do.Adopt(replace=False):
            return f"a rotation when it is {write_duration(target.policy.rotate_after)} old"
    return "look again"


def _places(target: Target) -> str:
    first, *others = [str(path) for path in paths_of(target)]
    return f"{first}, then to {' and '.join(others)}" if others else first
