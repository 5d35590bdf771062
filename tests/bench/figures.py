"""Figures: what was measured, what was to be reached, and how both are printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


TIMES = " \N{MULTIPLICATION SIGN}"  # the unit of a ratio: so many times the floor


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; without a `goal` it is only told."""

    what: str
    figure: float
    goal: float | None = None
    unit: str = ""
    remark: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.figure <= self.goal

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: ""}[self.met]

    def cells(self) -> tuple[str, str, str, str]:
        goal = "" if self.goal is None else f"≤ {_number(self.goal)}{self.unit}"
        remark = f" ({self.remark})" if self.remark else ""
        return f"{self.what}{remark}", f"{_number(self.figure)}{self.unit}", goal, self.verdict


@dataclass(slots=True)
class Chapter:
    """Some rows that were measured together, and how."""

    title: str
    how: str
    rows: list[Row] = field(default_factory=list)


def as_markdown(conditions: dict[str, str], chapters: Sequence[Chapter]) -> str:
    """Return all of it as a page."""
    lines = [
        "# Figures",
        "",
        "Written by `make bench`; do not edit. Each ratio is to a floor measured in the same run, by turns with it.",
        "Times on the wall depend on what else the machine does; CPU times hardly do.",
        "",
    ]
    lines += [f"* {name}: {value}" for name, value in conditions.items()]
    for chapter in chapters:
        lines += ["", f"## {chapter.title}", "", chapter.how, ""]
        lines += ["| what | figure | goal | verdict |", "| --- | ---: | ---: | --- |"]
        lines += [f"| {' | '.join(row.cells())} |" for row in chapter.rows]
    return "\n".join(lines) + "\n"


def as_json(conditions: dict[str, str], chapters: Sequence[Chapter]) -> str:
    """Return the same for programs."""
    document: dict[str, Any] = {
        "conditions": conditions,
        "chapters": [
            {
                "title": chapter.title,
                "how": chapter.how,
                "rows": [{**asdict(row), "met": row.met} for row in chapter.rows],
            }
            for chapter in chapters
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def put(measured: Sequence[Chapter], conditions: dict[str, str], document: str) -> tuple[dict[str, str], list[Chapter]]:
    """Put chapters into a document in the place of those of their title, or at its end; say under what conditions."""
    before = json.loads(document)
    chapters = {
        one["title"]: Chapter(one["title"], one["how"], [_row(row) for row in one["rows"]])
        for one in before["chapters"]
    }
    chapters |= {one.title: one for one in measured}
    apart = f"by itself on {conditions['date']}, load before {conditions['load before']}"
    return before["conditions"] | {f"chapter {one.title!r}": apart for one in measured}, list(chapters.values())


def missed(chapters: Iterable[Chapter]) -> list[str]:
    """Return the goals that were not reached."""
    return [
        f"{chapter.title}: {what}: {figure}, goal {goal}"
        for chapter in chapters
        for what, figure, goal, verdict in (row.cells() for row in chapter.rows)
        if verdict == "missed"
    ]


def _row(row: dict[str, Any]) -> Row:
    return Row(**{name: value for name, value in row.items() if name != "met"})


def _number(value: float) -> str:
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
