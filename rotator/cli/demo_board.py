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
    """Progress on the screen: a line for each app, with what was done and what is under way."""

    def __init__(self, live: Live, names: Sequence[str]) -> None:
        """Draw in `live`, all apps at once."""
        self._live = live
        self._done: dict[str, list[str]] = {name: [] for name in names}
        self._doing: dict[str, str] = {}
        self._draw()

    def doing(self, target: Target, step: str) -> None:
        """Show what is under way."""
        self._doing[target.name] = words_for(step).doing
        self._draw()

    def done(self, target: Target, step: str, detail: str, *, rotation: RotationId | None) -> None:  # noqa: ARG002
        """Show what was done; what came of it is told in the end."""
        self._ended(target, words_for(step).done)

    def surprised(self, target: Target, step: str, error: RotatorError) -> None:  # noqa: ARG002
        """Show that it is looked at again; why is told in the end."""
        self._ended(target, f"{words_for(step).doing}?")

    def _ended(self, target: Target, what: str) -> None:
        self._doing.pop(target.name, None)
        self._done[target.name].append(what)
        self._draw()

    def _draw(self) -> None:
        rows = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for name, done in self._done.items():
            doing = self._doing.get(name)
            steps = Text(printable(", ".join([*done, doing] if doing else done)), style="dim", no_wrap=True)
            rows.add_row(name, Spinner("line") if doing else " ", steps)
        self._live.update(rows)
