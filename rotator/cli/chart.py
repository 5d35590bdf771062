"""Days as bars: an SVG that reads on light and on dark, and blocks in a terminal, plain where nobody looks.

* Both are made of the same `Bars`; the same bars give the same bytes.
* The SVG is for a page of any width: it has no script, no font of its own and nothing from elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape  # nosec B406 -- it writes XML, and reads none

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

WIDTH, LEFT, RIGHT, TOP, PANEL, GAP = 960, 56, 16, 40, 150, 58
BLOCKS = " \N{LOWER ONE EIGHTH BLOCK}\N{LOWER ONE QUARTER BLOCK}\N{LOWER THREE EIGHTHS BLOCK}\N{LOWER HALF BLOCK}" + (
    "\N{LOWER FIVE EIGHTHS BLOCK}\N{LOWER THREE QUARTERS BLOCK}\N{LOWER SEVEN EIGHTHS BLOCK}\N{FULL BLOCK}"
)
PLAIN = "  ..:::##"  # as high, in ASCII
ROWS = 6
STYLE = """\
text{font:12px system-ui,sans-serif;fill:#444}.h{font-weight:600;fill:#111}.b{fill:#2563eb}.o{fill:#c2410c}
.d{fill:#000;opacity:.08}.a{stroke:#888;stroke-width:1}.g{stroke:#888;stroke-width:.5;opacity:.4}
.l{stroke:#c2410c;stroke-width:1.5;stroke-dasharray:6 4}
@media(prefers-color-scheme:dark){.p{fill:#111827}text{fill:#cbd5e1}.h{fill:#f8fafc}.b{fill:#60a5fa}.o{fill:#fb923c}
.d{fill:#fff;opacity:.12}.l{stroke:#fb923c}}
"""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each day. `line` is a level to compare with; `dark` are the days on which nothing may begin."""

    title: str
    first: date
    values: Sequence[int]
    line: int | None = None
    line_name: str = ""
    dark: frozenset[int] = frozenset()

    @property
    def top(self) -> int:
        """A round number that no bar exceeds."""
        most = max(1, *self.values, self.line or 0)
        step = int(10 ** max(0, math.floor(math.log10(most))))
        return next(step * part // 2 for part in range(2, 21) if step * part // 2 >= most)


def as_svg(panels: Sequence[Bars], title: str) -> str:
    """Return the panels one above the other, as a file."""
    height = TOP + len(panels) * (PANEL + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(title, {chr(34): "&quot;"})}">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{STYLE}</style>",
        f'<rect class="p" width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for n, bars in enumerate(panels):
        lines += _panel(bars, TOP + n * (PANEL + GAP))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(bars: Bars, top: int) -> Iterator[str]:
    bottom, wide, scale = top + PANEL, (WIDTH - LEFT - RIGHT) / len(bars.values), PANEL / bars.top
    yield f'<text class="h" x="{LEFT}" y="{top - 12}">{escape(bars.title)}</text>'
    for level in (bars.top, bars.top / 2):
        y = bottom - level * scale
        yield f'<path class="g" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:g}</text>'
    for first, count in _runs(bars.dark):
        yield f'<rect class="d" x="{LEFT + first * wide:.1f}" y="{top}" width="{count * wide:.1f}" height="{PANEL}"/>'
    over = bars.line if bars.line is not None else bars.top
    for name, beyond in (("b", False), ("o", True)):
        drawn = [
            f"M{LEFT + day * wide:.1f} {bottom}v-{value * scale:.1f}h{wide * 0.85:.2f}v{value * scale:.1f}z"
            for day, value in enumerate(bars.values)
            if value and (value > over) is beyond
        ]
        if drawn:
            yield f'<path class="{name}" d="{"".join(drawn)}"/>'
    if bars.line is not None:
        y = bottom - bars.line * scale
        yield f'<path class="l" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="o" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">{escape(bars.line_name)}</text>'
    yield f'<path class="a" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>'
    for day, name in _marks(bars):
        yield f'<text x="{LEFT + day * wide:.1f}" y="{bottom + 18}">{name}</text>'


def _marks(bars: Bars) -> Iterator[tuple[int, str]]:
    """Yield where a month begins; of a short time, where each seventh day does, and of a long one every few months."""
    days = [(day, bars.first + timedelta(days=day)) for day in range(len(bars.values))]
    if len(days) < 62:
        yield from ((day, f"{date:%m-%d}") for day, date in days if day % 7 == 0)
        return
    months = [(day, date) for day, date in days if date.day == 1]
    for day, date in months[:: -(-len(months) // 12)]:
        yield day, f"{date:%Y-%m}" if date.month == 1 or day == months[0][0] else f"{date:%b}"


def _runs(days: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Yield days that follow each other as the first and how many."""
    first, count = -1, 0
    for day in sorted(days):
        if day != first + count:
            if count:
                yield first, count
            first, count = day, 0
        count += 1
    if count:
        yield first, count


def as_text(bars: Bars, *, width: int, plain: bool) -> list[str]:
    """Return the bars as lines of that width at most, the highest of several days where there are more than columns."""
    label = len(f"{bars.top}")
    columns = max(10, min(width - label - 2, len(bars.values)))
    bounds = [n * len(bars.values) // columns for n in range(columns + 1)]
    highest = [max(bars.values[first:last]) for first, last in pairwise(bounds)]
    shades = PLAIN if plain else BLOCKS
    lines = [bars.title[:width]]
    for row in range(ROWS, 0, -1):
        cells = (shades[_eighths(value, row, bars.top)] for value in highest)
        name = f"{bars.top}" if row == ROWS else ""
        lines.append(f"{name:>{label}} {'|' if plain else chr(0x2502)}{''.join(cells).rstrip()}")
    lines.append(f"{0:>{label}} {'+' if plain else chr(0x2514)}{('-' if plain else chr(0x2500)) * columns}")
    return [*lines, _months(bars, bounds, label + 2)]


def _eighths(value: int, row: int, top: int) -> int:
    """Return how full the cell of that row is, from 0 to 8; what is there at all can be seen."""
    full = value * ROWS * 8 / top
    if value and row == 1 and full < 1:
        return 1
    return max(0, min(8, round(full - (row - 1) * 8)))


def _months(bars: Bars, bounds: Sequence[int], indent: int) -> str:
    line = ""
    for day, name in _marks(bars):
        column = next((n for n, last in enumerate(bounds[1:]) if day < last), len(bounds) - 2)
        if column >= len(line) + (1 if line else 0) and column + len(name) < len(bounds):
            line = line.ljust(column) + name
    return " " * indent + line
