"""Where the lock files lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rotator.settings.places import SYSTEM_STATE, control_socket, lease_directory, state_url

OWN = SYSTEM_STATE if os.geteuid() == 0 else Path("/home/ops/.local/state/rotator")


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        pytest.param({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, Path("/var/lib/a"), id="where systemd says, first"),
        pytest.param({"XDG_STATE_HOME": "/state"}, Path("/state/rotator"), id="in the user's state folder"),
        pytest.param({"XDG_STATE_HOME": "state"}, OWN, id="a relative folder is none"),
        pytest.param({}, OWN, id="else in the account's own place"),
    ],
)
def test_the_lock_files_lie(environ: dict[str, str], place: Path) -> None:
    assert lease_directory({"HOME": "/home/ops", **environ}) == place / "leases"


def test_the_state_database_lies_beside_the_lock_files_in_a_folder_of_its_own() -> None:
    assert state_url({"STATE_DIRECTORY": "/var/lib/a"}) == "sqlite:////var/lib/a/database/state.db"


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        pytest.param(
            {"RUNTIME_DIRECTORY": "/run/a:/run/b", "STATE_DIRECTORY": "/s"}, Path("/run/a"), id="systemd's, first"
        ),
        pytest.param({"STATE_DIRECTORY": "/var/lib/a"}, Path("/var/lib/a"), id="else beside the state"),
        pytest.param({}, OWN, id="wherever that is"),
    ],
)
def test_the_control_socket_lies(environ: dict[str, str], place: Path) -> None:
    assert control_socket({"HOME": "/home/ops", **environ}) == place / "control.sock"
