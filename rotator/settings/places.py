"""Where the program keeps its own few files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_STATE = Path("/var/lib/rotator")


def lease_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the lock files lie: systemd's StateDirectory, root's own place, else the user's state folder.

    Two runs keep out of each other's way only if they agree on it.
    """
    environ = os.environ if environ is None else environ
    return _state(environ) / "leases"


def state_url(environ: Mapping[str, str] | None = None) -> str:
    """Return the URL of the state database where the configuration names none: a file in a folder of its own.

    The state's own folder may have been made by others, and be open to them.
    """
    environ = os.environ if environ is None else environ
    return f"sqlite:///{_state(environ)}/database/state.db"


def certified_file(host: str, environ: Mapping[str, str] | None = None) -> Path:
    """Return where the report of `rotator certify` on an org is kept unless the configuration names a place."""
    environ = os.environ if environ is None else environ
    return _state(environ) / "certified" / f"{host}.json"


def inventory_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return where `rotator discover` keeps what it has found, so that nobody has to be asked twice."""
    environ = os.environ if environ is None else environ
    return _state(environ) / "inventory"


def control_socket(environ: Mapping[str, str] | None = None) -> Path:
    """Return where the control socket lies by default: systemd's RuntimeDirectory, else beside the state."""
    environ = os.environ if environ is None else environ
    given = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return (Path(given) if given else _state(environ)) / "control.sock"


def _state(environ: Mapping[str, str]) -> Path:
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    folder = environ.get("XDG_STATE_HOME", "")
    if folder.startswith("/"):
        return Path(folder) / "rotator"
    if os.geteuid() == 0:
        return SYSTEM_STATE
    return Path(environ.get("HOME") or "/") / ".local" / "state" / "rotator"
