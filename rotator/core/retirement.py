"""Whether anybody still uses a secret that is leaving, and what that means for it (core.usage has the evidence).

* Each sighting begins the overlap anew. Under `required` silence has to be proven as well.
* Both are waited for until `overlap.max`; then a person decides. A retirement is never given up, and never forced.
* Switched off, it comes back once for whoever fails with it, if it was us who switched it off: from then on it is one
  that somebody switched on again, and stays until a person says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import backoff
from rotator.core.actions import Activate, AskLog, AskUsage, Block, Blocked, Delete, Rest, Verify, Waiting
from rotator.core.usage import Usage, told

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.facts import Facts, Leaving
    from rotator.core.model import OktaSecret
    from rotator.core.usage import Evidence


def still_in_use(facts: Facts, leaving: Leaving) -> Action | None:
    """Return what stands against switching it off: a question to the log, a wait, or blocked; None if nothing does."""
    wanted = facts.policy.usage
    if wanted is Usage.OFF:
        return None
    if wanted is Usage.REQUIRED and facts.proof is None:
        return _show_ourselves(facts)
    evidence = facts.seen.usage.get(leaving.secret.id)
    if evidence is None or not evidence.is_fresh(facts.now):
        return _ask(facts, leaving)
    if evidence.seen_at is not None and facts.now < (quiet := evidence.seen_at + facts.policy.overlap):
        return _until(facts, leaving, quiet, evidence)
    if wanted is Usage.REQUIRED and evidence.unproven:
        return _until(facts, leaving, facts.now + _look_again(evidence), evidence)
    return None


def while_off(facts: Facts, leaving: Leaving) -> Action | None:
    """Return the step for one that is switched off: back on for whoever fails with it, or gone after the soak."""
    ends = leaving.soak_ends(facts.policy)
    if not leaving.comes_back:
        return Delete(leaving.secret.id, "soak over") if facts.now >= ends else Rest(ends, Waiting.SOAK)
    if facts.policy.usage is Usage.REQUIRED and facts.now >= ends and not facts.proof:
        return _show_ourselves(facts)
    evidence = facts.seen.usage.get(leaving.secret.id)
    if evidence is None or not evidence.is_fresh(facts.now):
        return _ask(facts, leaving)
    if evidence.failing:
        back_on = switch_on_if_ours(facts, [leaving.secret], f"still used: {told(evidence.failing)}")
        if back_on is not None:
            return back_on
    if facts.now < ends:
        return Rest(ends, Waiting.SOAK)
    if facts.policy.usage is Usage.REQUIRED and evidence.unproven and leaving.removal is None:
        return _until(facts, leaving, facts.now + _look_again(evidence), evidence)
    return Delete(leaving.secret.id, "soak over")


def switch_on_if_ours(facts: Facts, off: Iterable[OktaSecret], why: str) -> Action | None:
    """Ask the log who switched them off; what an admin switched off stays so."""
    for secret in off:
        if secret.id not in facts.seen.asked:
            return AskLog(secret)
        if facts.seen.asked[secret.id]:
            return Activate(secret.id, why)
    return None


_FIRST_WAIT = 6  # of the backoff: the log shows a request within a minute or two, as a rule
_OFTEN = 8  # looks, after which one a day is enough


def _look_again(evidence: Evidence) -> timedelta:
    return backoff.delay(_FIRST_WAIT + evidence.tries) if evidence.tries < _OFTEN else timedelta(days=1)


def _show_ourselves(facts: Facts) -> Action | None:
    """Make the request by which the log shows that it tells hashes."""
    return Verify(facts.value, "current") if facts.value is not None else None


def _ask(facts: Facts, leaving: Leaving) -> Action:
    return AskUsage(leaving.secret, facts.alive, leaving.since)


def _until(facts: Facts, leaving: Leaving, until: datetime, evidence: Evidence) -> Action:
    ends = leaving.since + facts.policy.overlap_max
    seen = evidence.seen_at is not None and facts.now < evidence.seen_at + facts.policy.overlap
    detail = f"{leaving.secret.id}: {told(evidence.users) if seen else evidence.unproven}"
    if facts.now < ends:
        return Rest(min(until, ends), Waiting.IN_USE if seen else Waiting.EVIDENCE, detail)
    name = facts.seen.target.name
    if seen:
        return Blocked(Block.IN_USE, detail, f"Have its users take the new one; `rotator retire {name}` does not wait.")
    return Blocked(Block.UNPROVEN, detail, f"When you know that nobody uses it: `rotator retire {name}`.")
