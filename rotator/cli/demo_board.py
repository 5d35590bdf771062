"""What moves on the screen while the demo works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rotator.cli.steps import words_for
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live

    from rotator.core.model import RotationId, Target
    from rotator.errors import RotatorError


class Board:
    """Progress on the screen: a line for each app, with what was done last or is under way."""

    def __init__(self, live: Live, names: Sequence[str]) -> None:
        """Draw in `live`."""
        self._live = live
        self._rows: dict[str, tuple[bool, str]] = dict.fromkeys(names, (False, ""))

    def doing(self, target: Target, step: str) -> None:
        """Show what is under way."""
        self._draw(target, words_for(step).doing, moving=True)

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:  # noqa: ARG002
        """Show what was done; the details are in the table."""
        self._draw(target, words_for(step).done, moving=False)

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:
        """Show why it is looked at again."""
        self._draw(target, f"{words_for(step).doing}: {error}; looking again", moving=False)

    def _draw(self, target: Target, text: str, *, moving: bool) -> None:
        self._rows[target.name] = (moving, text)
        rows = Table.grid(padding=(0, 2))
        for name, (moves, last) in self._rows.items():
            rows.add_row(Spinner("line") if moves else " ", name, Text(printable(last), style="dim"))
        self._live.update(rows)
