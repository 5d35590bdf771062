"""What commands print on stdout: JSON for programs, aligned columns for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def print_json(data: Any) -> None:
    """Print one JSON document. It is ASCII: nothing in it can steer a terminal."""
    print(json.dumps(data, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings, never cut or wrapped, so that they can be searched."""
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_lines(lines: Sequence[str]) -> None:
    """Print lines as they are, but for what a terminal would obey."""
    for line in lines:
        print(printable(line))
