"""The bill of materials, in CycloneDX's JSON: what the program may bring along, from the lock file and its metadata.

* The same lock file and the same packages give the same bytes: no time, no random number, no path, no host.
* Each package has its hashes, its licence, and what it needs in turn; what only another system needs has no licence
  here, since its metadata is not.
"""

from __future__ import annotations

import json
import re
import uuid
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

from rotator import __version__
from tests.supply.licences import licence_of
from tests.supply.locks import SHIPPED, normal, pins_of

if TYPE_CHECKING:
    from importlib.metadata import Distribution
    from pathlib import Path

    from tests.supply.locks import Pin

SPEC = "1.6"
ITSELF = f"pkg:pypi/rotator@{__version__}"
_NAMED = re.compile(r"[A-Za-z0-9._-]+")


def bill(lock: Path = SHIPPED) -> str:
    """Return the bill of what a lock file holds, as JSON."""
    pins = sorted(pins_of(lock), key=lambda pin: (pin.name, pin.version))
    addresses = {pin.name: _address(pin) for pin in pins}
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {"component": _itself()},
        "components": [_component(pin) for pin in pins],
        "dependencies": [
            {"ref": ITSELF, "dependsOn": _needs("rotator", addresses)},
            *({"ref": _address(pin), "dependsOn": _needs(pin.name, addresses)} for pin in pins),
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return json.dumps({**document, "serialNumber": f"urn:uuid:{number}"}, indent=1, sort_keys=True) + "\n"


def _itself() -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": ITSELF,
        "name": "rotator",
        "version": __version__,
        "purl": ITSELF,
        "licenses": [{"expression": "Apache-2.0"}],
    }


def _component(pin: Pin) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": _address(pin),
        "name": pin.name,
        "version": pin.version,
        "purl": _address(pin),
        "hashes": [{"alg": "SHA-256", "content": each} for each in sorted(pin.hashes)],
    }
    if (package := _installed(pin.name)) and (licence := licence_of(package)):
        found["licenses"] = [{"expression": licence}]
    if pin.marker:
        found["properties"] = [{"name": "rotator:installed-where", "value": pin.marker}]
    return found


def _needs(name: str, addresses: dict[str, str]) -> list[str]:
    """Return the locked packages that a package asks for, extras included."""
    package = _installed(name)
    asked = (_NAMED.match(line) for line in (package.requires if package else None) or ())
    names = {normal(found[0]) for found in asked if found}
    return sorted(addresses[each] for each in names if each in addresses and each != name)


def _address(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version}"


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
