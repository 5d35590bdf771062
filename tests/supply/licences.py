"""The licences of what is installed, by its own metadata, against a list of those that are allowed.

* What ships with the program may ask for notice, or for its own source to stay free; never for ours.
* Of two that may be chosen from, one has to be allowed; of two that both hold, both.
* What says nothing, or what is not known here, is a finding, not a pass.
"""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from tests.supply.locks import pins_of

if TYPE_CHECKING:
    from pathlib import Path

NOTICE = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0", "Unlicense"})
OWN_SOURCE = frozenset({"LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0"})  # used as they are, and to be replaced
ALLOWED = NOTICE | OWN_SOURCE
_KNOWN_AS = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",  # where the text is not told, the longest of the family
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd license": "BSD-3-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "public domain": "Unlicense",
    "python software foundation license": "PSF-2.0",
}


def licence_of(package: Distribution) -> str:
    """Return what a package says of its licence, in SPDX's words where it has some; empty if it says nothing."""
    said = package.metadata
    if expression := said.json.get("license_expression"):
        return str(expression)
    free = str(said.json.get("license") or "").partition("\n")[0].split(", ")  # below the first line is the text itself
    if all(map(_known, free)):
        return " AND ".join(map(_known, free))
    named = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or () if line.startswith("License ::")]
    return " AND ".join(_known(name) or name for name in named)


def is_allowed(expression: str) -> bool:
    """Say whether we may ship what is licensed so; an expression in brackets is for a person to read."""
    choices = (choice.split(" AND ") for choice in expression.split(" OR "))
    return any(all(name.strip() in ALLOWED for name in choice) for choice in choices)


def unfit(lock: Path) -> list[str]:
    """Return what a lock file brings that may not be shipped; what another system alone needs is not looked at."""
    found = []
    for pin in pins_of(lock):
        try:
            licence = licence_of(distribution(pin.name))
        except PackageNotFoundError:
            if not pin.marker:
                found.append(f"{pin.name} {pin.version}: not installed, so its licence is not known")
            continue
        if not is_allowed(licence):
            found.append(f"{pin.name} {pin.version}: {licence or 'says nothing of its licence'}")
    return found


def _known(name: str) -> str:
    plain = name.strip()
    return plain if plain in ALLOWED else _KNOWN_AS.get(plain.lower(), "")
