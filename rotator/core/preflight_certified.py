"""The pre-flight's look at what was certified of an org: what is open, and what is otherwise than assumed. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.certification.facts import ROWS, Fact, Verdict
from rotator.core.preflight_facts import NotAsked
from rotator.core.preflight_said import Said, cannot_tell, ok, warning
from rotator.errors import RotatorError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rotator.core.preflight_facts import OrgFacts

MOST_NAMED = 3
LAGS = (Fact.LIST_LAG, Fact.CREATE_LAG)


def certified(org: OrgFacts) -> Said | None:
    if isinstance(org.metadata, RotatorError | NotAsked):
        return None
    known = org.certified
    if known is None:
        count = sum(row.matters for row in ROWS.values())
        return cannot_tell(
            f"not certified: {count} facts about Okta are assumed",
            f"`rotator certify --org {org.alias}` tries them on this org, with apps that it makes and removes.",
        )
    when = f"certified on {known.at:%Y-%m-%d}"
    open_facts = f"; not shown: {_named(known.open_facts)}" if known.open_facts else ""
    longest = known.propagation
    if longest is not None and longest > org.propagation:
        # In whole seconds, with as much again: what was measured once may take longer.
        wanted = int(2 * longest / timedelta(seconds=1)) + 1
        return warning(
            f"{when}: a new secret took {longest.total_seconds():.1f} s until it was seen everywhere, longer than"
            f" `propagation` ({org.propagation.total_seconds():g} s)",
            f"Set `okta.{org.alias}.propagation: {wanted}s`.",
        )
    otherwise = [fact for fact in known.otherwise if not (fact in LAGS and known.later.get(fact) is not None)]
    if otherwise:
        return warning(
            f"{when}: {_named(otherwise)} {'is' if len(otherwise) == 1 else 'are'} otherwise than assumed{open_facts}",
            ROWS[otherwise[0]].otherwise.replace("<alias>", org.alias),
        )
    shown = sum(verdict is Verdict.AS_ASSUMED for verdict in known.verdicts.values())
    return ok(f"{when}: {shown} facts are as assumed{open_facts}")


def _named(facts: Iterable[Fact]) -> str:
    names = [fact.value for fact in facts]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
