"""How the functions that judge say what they found."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rotator.core.certification.facts import Shown, Verdict
from rotator.core.certification.notes import Miss

if TYPE_CHECKING:
    from rotator.core.certification.facts import Fact


def _said(
    verdict: Verdict,
    fact: Fact,
    seen: str,
    detail: str,
    *,
    evidence: tuple[str, ...] = (),
    span: tuple[float | None, float | None] | None = None,
) -> Shown:
    return Shown(fact, verdict, seen, detail, evidence, span)


shown = partial(_said, Verdict.AS_ASSUMED)
otherwise = partial(_said, Verdict.OTHERWISE)


def not_shown(fact: Fact, missed: object) -> Shown:
    """Say that it could not be shown, and why."""
    return Shown(fact, Verdict.NOT_SHOWN, "", missed.why if isinstance(missed, Miss) else "it was not tried")
