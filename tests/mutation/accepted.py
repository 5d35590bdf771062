"""The mutants that may survive, each with its reason: the table of `docs/mutation.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.entry.documents import DOCS, code_in, rows_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mutation.mutants import Mutant

Name = tuple[str, str, str, str]  # file, function, what it was, what it became


def accepted(document: Path = DOCS / "mutation.md") -> dict[Name, str]:
    """Return the reason for each; lines are left out, since they move."""
    found = {}
    for row in rows_of(text_of(document)):
        if len(row) == 4 and len(code_in(row[0])) == 2:
            file, function = code_in(row[0])
            found[file, function, _plain(row[1]), _plain(row[2])] = row[3]
    return found


def named(mutant: Mutant) -> Name:
    """Return by what a mutant is known in that table."""
    return mutant.file, mutant.function, mutant.was, mutant.became


def row(mutant: Mutant, reason: str) -> str:
    """Return a mutant as a row of that table."""
    was, became = (text.replace("|", r"\|") for text in (mutant.was, mutant.became))
    return f"| `{mutant.file}` `{mutant.function}` | `{was}` | `{became}` | {reason} |"


def _plain(cell: str) -> str:
    return cell.strip("`").replace(r"\|", "|")
