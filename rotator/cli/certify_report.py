"""The report of `rotator certify` for people, in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.certification.facts import ROWS, Verdict
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.certification.facts import Shown
    from rotator.core.certification.report import Report

_ESCAPES = str.maketrans({"|": r"\|", "<": "&lt;", "`": "'", "*": r"\*"})


def as_markdown(report: Report) -> str:
    """Return the report: a summary, and each fact with its question, what was seen and what follows."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# What was certified of {report.host}"
    yield ""
    yield f"By rotator {report.program} at {report.at:%Y-%m-%d %H:%M} UTC, on {report.by}."
    yield ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict) + "."
    if report.why_not:
        yield f"It ended early: {_text(report.why_not)}"
    for each in report.left:
        yield f"Left behind: {_text(each)}."
    for verdict in (Verdict.OTHERWISE, Verdict.NOT_SHOWN, Verdict.AS_ASSUMED):
        found = [each for each in report.shown if each.verdict is verdict]
        if found:
            yield ""
            yield f"## {verdict.value.capitalize()}"
            yield ""
            yield "| question | assumed | seen | what follows | evidence |"
            yield "| --- | --- | --- | --- | --- |"
            yield from map(_row, found)


def _row(each: Shown) -> str:
    row = ROWS[each.fact]
    seen = f"**{_text(each.seen)}**: {_text(each.detail)}" if each.seen else _text(each.detail)
    cells = (row.question, row.assumed, seen, each.follows, ", ".join(map(_text, each.evidence)))
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Return what Okta may have said as text that stays in its cell."""
    return printable(text).translate(_ESCAPES)
