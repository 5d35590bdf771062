"""`python -m tests.supply [audit | sbom]`: look over what the program is made of, or write its bill of materials.

One line for each part; what could not be looked at is told with its reason, and fails nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.supply.known import known_against
from tests.supply.licences import unfit
from tests.supply.locks import ALL, LOCKS, ROOT, pins_of, requirements
from tests.supply.sbom import bill
from tests.supply.wheels import twice

BILL = ROOT / "dist" / "rotator.cdx.json"
BANDIT = ("-m", "bandit", "--quiet", "--recursive", "--configfile", str(ROOT / "pyproject.toml"), "--format", "txt")


def licences() -> list[str]:
    """Compare the licences of all that is locked with those that are allowed."""
    bad = {problem for lock in LOCKS for problem in unfit(lock)}
    number = len({pin.name for lock in LOCKS for pin in pins_of(lock)})
    print(f"licences: {number} packages, {len(bad)} not allowed")
    return sorted(bad)


def code(folder: Path = ROOT / "rotator") -> list[str]:
    """Have bandit look at the code."""
    ran = subprocess.run([sys.executable, *BANDIT, str(folder)], capture_output=True, text=True, check=False)
    print(f"code: {'nothing found' if ran.returncode == 0 else 'bandit found something'}")
    return [] if ran.returncode == 0 else [ran.stdout.strip() or ran.stderr.strip()]


def known() -> list[str]:
    """Ask what is known against what is locked; of all of it only if somebody answers for the first."""
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first.txt"
        first.write_text(requirements(ALL)[0], encoding="utf-8")
        seen = known_against(first)
    if not seen.unasked:
        seen = known_against(ALL)
    print(f"known: {seen.asked} packages asked about, {len(seen.against)} findings")
    if seen.unasked:
        print(f"known: SKIPPED, so nothing is known of the rest: {seen.unasked[0]}")
    return list(seen.against)


def wheel() -> list[str]:
    """Make the wheel twice."""
    with tempfile.TemporaryDirectory() as folder:
        one, two = twice(Path(folder))
    print(f"wheel: made twice, {'the same: ' + one if one == two else 'and they differ'}")
    return [] if one == two else [f"two wheels of the same sources: {one}, {two}"]


def audit() -> int:
    """Look at all of it; 1 if something is wrong."""
    found = [problem for part in (licences, code, wheel, known) for problem in part()]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


def sbom() -> int:
    """Write the bill of materials."""
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(bill(), encoding="utf-8")
    print(BILL.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.supply", description=__doc__)
    parser.add_argument("part", choices=("audit", "sbom"), nargs="?", default="audit")
    sys.exit({"audit": audit, "sbom": sbom}[parser.parse_args().part]())
