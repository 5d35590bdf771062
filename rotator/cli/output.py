"""What commands print on stdout: JSON for programs, aligned columns for people; and files that they make."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from rotator.errors import ConfigError
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def print_json(data: Any) -> None:
    """Print one JSON document. It is ASCII: nothing in it can steer a terminal.

    Indented for whoever reads it there; for a program on one line, which takes a tenth of the time.
    """
    print(json.dumps(data, indent=2 if sys.stdout.isatty() else None))


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


def write_new(file: Path, text: str) -> None:
    """Write a file that is not there yet; `ConfigError` if it is."""
    try:
        # O_EXCL: neither an existing file nor what a symbolic link points to is ever written over.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        raise ConfigError([f"{file} exists already; name another file, or remove it first"]) from None
    except OSError as failure:
        raise ConfigError([f"{file} cannot be written: {failure.strerror}; choose another place"]) from failure
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
