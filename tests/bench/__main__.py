"""Measure, against floors of the same run, and write `docs/figures.md` and `docs/figures.json`.

Chapters that are named are measured and printed alone; only a run of all of them is written down, unless `--put` puts
the named ones in the place of those that were written down before, with conditions of their own.
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
from tests.bench.alone import alone
from tests.bench.figures import as_json, as_markdown, missed, put
from tests.bench.measure import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.figures import Chapter

    Work = Callable[[Path, dict[str, str], int], Chapter]

DOCS = Path(__file__).parents[2] / "docs"
WORKS: dict[str, Work] = {
    "start": lambda _, environ, __: chapters.start_up(environ),
    "rotation": lambda folder, environ, _: chapters.rotation(folder, environ),
    "one-off": lambda folder, environ, _: chapters.one_off(folder, environ),
    "settled": lambda folder, environ, _: chapters.settled(folder, environ),
    "daemon": lambda folder, environ, _: alone("daemon", folder / "daemon", environ),
    "limits": lambda folder, environ, _: alone("limits", folder / "limits", environ),
    "revoked": lambda folder, environ, _: alone("revoked", folder / "revoked", environ),
    "failover": lambda folder, environ, _: alone("failover", folder / "failover", environ),
    "kills": lambda folder, environ, seed: alone("kills", folder / "kills", environ, seed=seed),
    "stops": lambda folder, environ, seed: alone("stops", folder / "stops", environ, seed=seed),
    "peers": lambda folder, environ, _: alone("peers.chapter", folder / "peers", environ),
    "year": lambda folder, environ, _: alone("year", folder / "year", environ),
    "foresight": lambda folder, environ, _: alone("foresight", folder / "foresight", environ),
    "enumerator": lambda _, environ, seed: chapters.enumerator(environ, seed),
}


def main() -> None:
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("chapters", nargs="*", metavar="CHAPTER", help=f"any of {', '.join(WORKS)}; default: all")
    options.add_argument("--seed", type=int, default=20261123, help="of what is drawn at random")
    options.add_argument("--into", type=Path, default=DOCS, help="the folder for figures.md and figures.json")
    options.add_argument("--put", action="store_true", help="write the named chapters down beside the others")
    chosen = options.parse_args()
    if unknown := set(chosen.chapters) - WORKS.keys():
        options.error(f"no such chapter: {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    began, load = time.monotonic(), os.getloadavg()[0]
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        environ = clean_environ(folder)
        for name in chosen.chapters or WORKS:
            measured.append(WORKS[name](Path(folder), environ, chosen.seed))
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
    print(as_markdown(conditions, measured))
    if chosen.put:
        conditions, every = put(measured, conditions, (chosen.into / "figures.json").read_text())
    else:
        every = measured
    if chosen.put or not chosen.chapters:
        chosen.into.mkdir(exist_ok=True)
        (chosen.into / "figures.json").write_text(as_json(conditions, every))
        (chosen.into / "figures.md").write_text(as_markdown(conditions, every))
    for goal in missed(measured):
        print(f"missed: {goal}", file=sys.stderr)


if __name__ == "__main__":
    main()
