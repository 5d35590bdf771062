"""The documents as data: their blocks, headings, tables and links.

A comment right before a block says what a test needs to know of it: `<!-- file: rotator.yaml -->` is written down for
the commands that use it, `<!-- fragment -->` is a part of a configuration, `<!-- scene: billing-api, expired -->` says
how things stand before the commands (see `predicaments`), and `<!-- demo -->` is a part of what the demo prints.
`<!-- script -->` and `<!-- check -->` are code that a test of its own runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DOCUMENTS = tuple(sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")]))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (\w+)(?:: (.+?))? -->\n\Z")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and what the comment before it says."""

    document: Path
    line: int
    language: str
    text: str
    kind: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


@cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks_of(document: Path, text: str | None = None) -> tuple[Block, ...]:
    """Return the fenced blocks of a document, or of a part of it."""
    text = text_of(document) if text is None else text
    found = []
    for fence in _FENCE.finditer(text):
        comment = _COMMENT.search(text[: fence.start()])
        kind, value = (comment[1], comment[2] or "") if comment else ("", "")
        line = text_of(document).find(fence[0])
        found.append(
            Block(document, text_of(document)[:line].count("\n") + 1, fence[1], fence[2], kind=kind, value=value)
        )
    return tuple(found)


def prose_of(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", text_of(document))


def sections_of(document: Path, level: int) -> dict[str, str]:
    """Return the parts of a document under its headings of that level."""
    parts = re.split(rf"^{'#' * level} (.+)$", _shielded(text_of(document)), flags=re.MULTILINE)
    ends = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE)
    return {
        title.strip(): _unshielded(ends.split(body)[0]) for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def headings_of(document: Path) -> tuple[str, ...]:
    return tuple(re.findall(r"^#+ (.+)$", prose_of(document), re.MULTILINE))


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, without the heads."""
    rows: list[list[str]] = []
    lines = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()]
    for cells, below in pairwise([*lines, []]):
        if cells and not _is_rule(cells) and not _is_rule(below):
            rows.append(cells)
    return rows


def code_in(cell: str) -> tuple[str, ...]:
    """Return what stands between back-ticks."""
    return tuple(re.findall(r"`([^`]+)`", cell))


def links_of(document: Path) -> tuple[str, ...]:
    return tuple(_LINK.findall(prose_of(document)))


def anchor_of(heading: str) -> str:
    """Return the anchor of a heading, as the usual viewers make it."""
    plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
    return plain.replace(" ", "-")


def _is_rule(cells: list[str]) -> bool:
    return bool(cells) and all(cell and set(cell) <= set("-: ") for cell in cells)


def _shielded(text: str) -> str:
    """Return the text with comments of shells and YAML hidden, which look like headings."""
    return _FENCE.sub(lambda fence: fence[0].replace("\n#", "\n\0#"), text)


def _unshielded(text: str) -> str:
    return text.replace("\0", "")
