"""A chapter in a process of its own: what it imports and opens weighs on nobody else's figures.

`python -m tests.bench.alone NAME FOLDER SIZE` measures the chapter of that module, `SIZE` as JSON, and prints it.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.figures import Chapter, Row
from tests.bench.measure import run

if TYPE_CHECKING:
    from collections.abc import Mapping


def alone(name: str, folder: Path, environ: Mapping[str, str], **size: float | str) -> Chapter:
    """Measure the chapter of that module; what `size` does not say is as large as its own `Size` says."""
    folder.mkdir()
    took = run(["-m", "tests.bench.alone", name, str(folder), json.dumps(size)], environ)
    chapter = json.loads(took.out)
    return Chapter(chapter["title"], chapter["how"], [Row(**row) for row in chapter["rows"]])


def main(name: str, folder: str, size: str) -> None:
    module = importlib.import_module(f"tests.bench.{name}")
    print(json.dumps(asdict(module.measured(Path(folder), module.Size(**json.loads(size))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
