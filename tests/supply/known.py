"""What is known against the locked packages, by `pip-audit`; it asks the network, so it may have no answer.

No answer is not a pass: it is told, with the reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WITHIN = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Known:
    """How many packages were looked up, what is known against them, and why some were not looked up."""

    asked: int
    against: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def known_against(lock: Path, *, osv_url: str | None = None, within: float = WITHIN) -> Known:
    """Ask about all that a lock file holds."""
    argv = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    argv += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    if osv_url is not None:
        argv += ["--vulnerability-service", "osv", "--osv-url", osv_url]
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=within)
    except subprocess.TimeoutExpired:
        return Known(0, unasked=(f"no answer within {within:.0f} s",))
    try:
        packages = json.loads(ran.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        said = ran.stderr.strip().splitlines() or [f"pip-audit ended with {ran.returncode}"]
        return Known(0, unasked=(said[-1],))
    asked = [one for one in packages if "skip_reason" not in one]
    against = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version'}"
        for one in asked
        for found in one["vulns"]
    ]
    unasked = [one["skip_reason"] for one in packages if "skip_reason" in one]
    return Known(len(asked), tuple(against), tuple(unasked))
