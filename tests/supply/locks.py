"""The lock files as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
LOCKS = tuple(FOLDER / name for name in ("build.txt", "run.txt", "postgres.txt", "image.txt", "dev.txt"))
SHIPPED = FOLDER / "image.txt"  # all that may come along with the program
ALL = FOLDER / "dev.txt"  # and the tools of the house

_PIN = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+?))?(?= +--hash|\s*$)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package; `marker` says where it is installed, if not everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def requirements(lock: Path) -> list[str]:
    """Return each locked requirement with all that belongs to it, on one line; comments are left out."""
    joined = re.sub(r"\\\n", " ", lock.read_text(encoding="utf-8"))
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins_of(lock: Path) -> tuple[Pin, ...]:
    """Return what a lock file holds, in its order."""
    found = ((_PIN.match(line), line) for line in requirements(lock))
    return tuple(
        Pin(pin["name"], pin["version"], pin["marker"] or "", tuple(_HASH.findall(line))) for pin, line in found if pin
    )


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
