"""What the demo shows when it has ended: one table, and what follows from it.

* It fits 100 columns; narrower terminals get narrower columns. Elsewhere than on a terminal it is plain text.
* All it prints itself is ASCII, so that it can be shown anywhere.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rotator.cli.demo_board import Board
from rotator.cli.output import print_json
from rotator.cli.report import VERSION
from rotator.core.actions import Waiting
from rotator.core.model import ProofLevel
from rotator.printable import printable
from rotator.sandbox.scenes import OVERLAPPING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rotator.cli.demo_findings import Ending, Tried
    from rotator.cli.demo_site import Site

WIDEST = 100
STYLES = {"rotated": "green", "adopted": "green", "blocked": "yellow", "nothing due": "dim"}
COMING = {
    Waiting.OVERLAP: "old secret switched off",
    Waiting.SOAK: "old secret deleted",
    Waiting.NEXT_ROTATION: "rotated again",
}


class Screen:
    """Standard output, for people or for programs."""

    def __init__(self, *, as_json: bool) -> None:
        """Show everything as one JSON document, or as text."""
        self.as_json = as_json
        self._console = _console(sys.stdout)

    def open(self, apps: int) -> None:
        """Say what begins."""
        if self.as_json:
            return
        self._say("Starting an Okta org and a Vault in this process. Nothing leaves this machine.")
        self._say(f"{apps} apps in states people really have; one pass of `rotator reconcile` over all:")
        self._say()

    @contextmanager
    def board(self, names: Sequence[str]) -> Iterator[Board]:
        """Show a board while it lasts; elsewhere than on a terminal nothing moves."""
        with Live(console=self._console, transient=True, refresh_per_second=12) as live:
            yield Board(live, names)

    def show(
        self, endings: Sequence[Ending], tried: Sequence[Tried], *, calls: Mapping[str, int], seconds: float, code: int
    ) -> None:
        """Show how it ended."""
        if self.as_json:
            print_json(
                {
                    "version": VERSION,
                    "command": "demo",
                    "exit_code": code,
                    "targets": [each.as_json() for each in endings],
                    "consumers": [each.as_json() for each in tried],
                    "calls": dict(calls),
                    "seconds": round(seconds, 1),
                }
            )
            return
        self._show_table(endings)
        self._show_blocked(endings)
        self._show_proofs(endings)
        self._show_consumers(tried)
        self._show_what_comes(endings)
        self._show_verdict(endings, tried, calls=calls, seconds=seconds)

    # --- The parts ------------------------------------------------------------------------------------------

    def _show_table(self, endings: Sequence[Ending]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for heading in ("APP", "WHAT HAD HAPPENED", "WHAT WAS DONE", "PROOF"):
            table.add_column(heading, no_wrap=heading == "APP")
        for each in endings:
            done = Text(each.done, style=STYLES.get(each.done, ""))
            table.add_row(each.name, each.situation, done, each.proof.level.value if each.proof else "-")
        self._print(table)

    def _show_blocked(self, endings: Sequence[Ending]) -> None:
        blocked = [each for each in endings if each.report.hint]
        if blocked:
            self._list("Left to a person:", [(e.name, f"{e.report.message}. {e.report.hint}") for e in blocked])

    def _show_proofs(self, endings: Sequence[Ending]) -> None:
        short = [
            (each.name, each.proof.detail)
            for each in endings
            if each.proof and each.proof.level is not ProofLevel.TOKEN_ISSUED
        ]
        if short:
            self._list("Proven without a token:", short)

    def _show_consumers(self, tried: Sequence[Tried]) -> None:
        rows = [
            (
                each.name,
                f"version {each.read.version}, {each.which}" if each.read else each.which,
                f"{len(each.read.client_secret)} characters, hash {each.read.hash}" if each.read else "",
                each.answer,
            )
            for each in tried
        ]
        self._list("As applications see it: plain HTTP, and a Vault token that reads one path:", rows)

    def _show_what_comes(self, endings: Sequence[Ending]) -> None:
        coming: dict[tuple[str, str], list[str]] = {}
        for each in endings:
            if (rest := each.rest) and rest.until:
                what = COMING.get(rest.waiting, rest.waiting.value) + (", then rotated" if each.ordered else "")
                coming.setdefault((f"{rest.until:%Y-%m-%d}", what), []).append(each.name)
        rows = [(*when, ", ".join(names)) for when, names in sorted(coming.items())]
        self._list("What comes next, each by another `rotator reconcile` (cron):", rows)

    def _show_verdict(
        self, endings: Sequence[Ending], tried: Sequence[Tried], *, calls: Mapping[str, int], seconds: float
    ) -> None:
        right = sum(each.as_it_should_be for each in endings)
        wrong = [(each.name, surprise) for each in endings for surprise in each.surprises]
        wrong += [(each.name, f"{each.which}: {each.answer}") for each in tried if not each.as_it_should_be]
        if wrong:
            self._list("NOT AS IT SHOULD BE:", wrong)
        self._say()
        self._say(
            f"{right} of {len(endings)} apps ended as they should, in {seconds:.1f} s,"
            f" with {calls['okta']} calls to Okta and {calls['vault']} to Vault."
        )

    def show_next_steps(self) -> None:
        """Say what to type next."""
        if self.as_json:
            return
        rotator = _program()
        rows = [
            (f"{rotator} demo --keep", "the same, and the two servers stay, to play with"),
            (f"{rotator} sandbox", "an Okta org and a Vault for tools of your own"),
            (f"{rotator} config init", "begin a configuration for your own; at first it only observes"),
            ("README.md", "how to run it for real"),
        ]
        self._list("Next:", rows)

    def show_how_to_play(self, site: Site, variables: Path, endings: Sequence[Ending]) -> None:
        """Say how to reach what keeps running; beside JSON, on stderr."""
        console = _console(sys.stderr) if self.as_json else self._console
        rotator = _program()
        for line in (
            "",
            "The sandbox keeps running, with a configuration that leads to it:",
            f"  {site.config}",
            "In another terminal:",
            f"  source {variables}",
            f"  {rotator} status",
            f"  {rotator} plan",
            '  curl -s -H "X-Vault-Token: $VAULT_TOKEN" $VAULT_ADDR/v1/secret/data/'
            + site.tenants[OVERLAPPING].scene.path,
            '  curl -s -H "Authorization: SSWS $OKTA_CLIENT_TOKEN" $OKTA_CLIENT_ORGURL/api/v1/apps',
            f"Revoke what {OVERLAPPING} uses, as an admin would, and have it mended:",
            f"  curl -s $OKTA_CLIENT_ORGURL/_sandbox/okta/revoke -d '{_revocation(endings)}'",
            f"  {rotator} rotate {OVERLAPPING}",
            "Ctrl-C here ends it, and removes all of it.",
        ):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show_end(self) -> None:
        """Say that the sandbox is gone."""
        if not self.as_json:
            self._say()
            self._say("The sandbox has ended; its files are removed.")

    # --------------------------------------------------------------------------------------------------------

    def _list(self, heading: str, rows: Sequence[Sequence[str]]) -> None:
        self._say()
        self._say(heading, style="bold")
        grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for row in rows:
            grid.add_row("", *(Text(printable(cell)) for cell in row))
        self._print(grid)

    def _say(self, text: str = "", style: str = "") -> None:
        self._print(Text(text, style=style))

    def _print(self, what: Any) -> None:
        with self._console.capture() as drawn:
            self._console.print(what)
        for line in drawn.get().splitlines():
            print(line.rstrip())


def _console(stream: TextIO) -> Console:
    """Return a console for the stream: as wide as the terminal, up to a point; else of a fixed width, and plain."""
    console = Console(file=stream, highlight=False, markup=False)
    console.width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    return console


def _program() -> str:
    """Return what starts this program in the user's shell, as far as that can be told."""
    if shutil.which("rotator"):
        return "rotator"
    return "python -m rotator" if sys.argv[0].endswith("__main__.py") else shlex.quote(sys.argv[0])


def _revocation(endings: Sequence[Ending]) -> str:
    told = next(each.as_json() for each in endings if each.name == OVERLAPPING)
    return json.dumps({"app": told["app_id"], "secret_id": told["secret_id"]})
