"""The report as a document for programs: what is kept, and what `core.certified` reads again. Pure.

Nothing in it is secret: words of Okta's and ours, times, names of apps that are gone, and names of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.core.certification.facts import ROWS, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from rotator.core.certification.facts import Shown

VERSION = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What was found at one org. `left` are the apps, or secrets, that could not be removed again."""

    org: str  # its alias
    host: str
    at: datetime
    program: str
    by: str  # on what: apps of our own, or an app that was given
    shown: tuple[Shown, ...]
    left: tuple[str, ...] = ()
    why_not: str = ""  # where it ended early

    @property
    def exit_code(self) -> int:
        """1 where something is left behind, or it ended early; what is otherwise than assumed is no failure."""
        return 1 if self.left or self.why_not else 0

    def count(self, verdict: Verdict) -> int:
        """Return how many facts are found so."""
        return sum(each.verdict is verdict for each in self.shown)


def as_document(report: Report) -> dict[str, Any]:
    """Return the report in JSON's words."""
    return {
        "version": VERSION,
        "command": "certify",
        "exit_code": report.exit_code,
        "org": report.org,
        "host": report.host,
        "at": report.at.isoformat(),
        "program": report.program,
        "by": report.by,
        "why_not": report.why_not,
        "left_behind": list(report.left),
        "facts": [_fact(each) for each in report.shown],
    }


def _fact(each: Shown) -> dict[str, Any]:
    row = ROWS[each.fact]
    return {
        "fact": each.fact.value,
        "question": row.question,
        "assumed": row.assumed,
        "seen": each.seen,
        "verdict": each.verdict.value,
        "matters": row.matters,
        "detail": each.detail,
        "follows": each.follows,
        "seconds": list(each.span) if each.span else None,
        "evidence": list(each.evidence),
    }
