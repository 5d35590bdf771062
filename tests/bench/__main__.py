"""Measure, against floors of the same run, and write `docs/figures.md` and `docs/figures.json`.

A figure depends on the machine and on what else it does: never assert one in a test.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rotator import __version__
from tests.bench import chapters
from tests.bench.figures import as_json, as_markdown, missed
from tests.bench.measure import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.figures import Chapter

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--seed", type=int, default=20261123, help="of what is drawn at random")
    options.add_argument("--into", type=Path, default=DOCS, help="the folder for figures.md and figures.json")
    chosen = options.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        environ, place = clean_environ(folder), Path(folder)
        works: tuple[Callable[[], Chapter], ...] = (
            lambda: chapters.start_up(environ),
            lambda: chapters.rotation(place, environ),
            lambda: chapters.one_off(place, environ),
            lambda: chapters.settled(place, environ),
            lambda: chapters.enumerator(environ, chosen.seed),
        )
        measured = []
        for work in works:
            measured.append(work())
            print(f"{measured[-1].title}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    conditions = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": f"make bench (python -m tests.bench --seed {chosen.seed})",
        "program": f"rotator {__version__}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before": f"{load:.1f}",
        "took": f"{time.monotonic() - began:.0f} s",
    }
    chosen.into.mkdir(exist_ok=True)
    (chosen.into / "figures.json").write_text(as_json(conditions, measured))
    (chosen.into / "figures.md").write_text(as_markdown(conditions, measured))
    print(as_markdown(conditions, measured))
    for goal in missed(measured):
        print(f"missed: {goal}", file=sys.stderr)


if __name__ == "__main__":
    main()
