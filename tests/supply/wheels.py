"""The wheel, made twice: in folders of other names, from files of another age and other rights, in another zone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.supply.locks import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ("rotator", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
EPOCH = "1767225600"  # the start of 2026; any will do, as long as it is told


def make(source: Path, into: Path, **environ: str) -> Path:
    """Make the wheel of a checkout; it needs no network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)],
        cwd=source,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **environ},
        check=True,
        capture_output=True,
    )
    (wheel,) = into.glob("*.whl")
    return wheel


def copied(folder: Path, *, modified: float, mode: int) -> Path:
    """Copy what a wheel is made of, each file with that time and those rights."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(mode)
            os.utime(file, (modified, modified))
    return folder


def twice(folder: Path) -> tuple[str, str]:
    """Make it twice, and return the hash of each."""
    here = copied(folder / "here", modified=1_600_000_000, mode=0o644)
    there = copied(folder / "elsewhere" / "and deeper", modified=1_700_000_000, mode=0o600)
    one = make(here, folder / "one", TZ="UTC", PYTHONHASHSEED="1")
    two = make(there, folder / "two", TZ="Pacific/Auckland", PYTHONHASHSEED="2", LC_ALL="C")
    return _hash(one), _hash(two)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
