"""The systemd units: hardened, known to systemd, and about the files that the example names."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.cli.main import COMMANDS
from rotator.sandbox.world import Sandbox
from rotator.settings.places import state_url
from tests.deploy.places import CONFIG, DEPLOY, loaded
from tests.entry.daemon import Daemon
from tests.entry.site import Site

if TYPE_CHECKING:
    from pathlib import Path

UNITS = DEPLOY / "systemd"
DAEMON, PASS, TIMER = (
    UNITS / name for name in ("rotator.service", "rotator-reconcile.service", "rotator-reconcile.timer")
)
SERVICES = pytest.mark.parametrize("unit", [DAEMON, PASS], ids=["the daemon", "one pass"])
COMMON_FROM = "DynamicUser"  # from here on the two services are the same

# The kernel's own part of MemoryDenyWriteExecute=, UMask= and LimitCORE=, taken on before the program begins.
GET_MDWE = 66
HARDENED = """
import ctypes, os, resource, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0
os.umask(0o077)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.execv(sys.executable, [sys.executable, "-m", "rotator", *sys.argv[1:]])
"""

needs_mdwe = pytest.mark.skipif(
    ctypes.CDLL(None).prctl(GET_MDWE, 0, 0, 0, 0) < 0, reason="the kernel is too old to deny it without systemd"
)
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings_of(unit: Path) -> list[tuple[str, str]]:
    """Return the settings of a unit in their order."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [
        (name, value) for name, is_set, value in (line.partition("=") for line in lines if line[:1].isupper()) if is_set
    ]


def values(unit: Path, name: str) -> list[str]:
    return [value for each, value in settings_of(unit) if each == name]


def analyze(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, check=False, timeout=30)


@needs_systemd
@SERVICES
def test_systemd_finds_little_that_is_exposed(unit: Path) -> None:
    looked = analyze("security", "--offline=true", "--no-pager", "--threshold=20", str(unit))

    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", looked.stdout)
    assert found, looked.stderr
    assert float(found[1]) <= 2.0
    assert looked.returncode == 0


@needs_systemd
@pytest.mark.parametrize("unit", [DAEMON, PASS, TIMER], ids=lambda unit: unit.name)
def test_systemd_knows_every_setting(unit: Path, tmp_path: Path) -> None:
    program = tmp_path / "rotator"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for each in (DAEMON, PASS, TIMER):
        (tmp_path / each.name).write_text(each.read_text().replace("/opt/rotator/bin/rotator", str(program)))

    looked = analyze("verify", "--man=no", str(tmp_path / unit.name))

    assert (looked.returncode, looked.stderr) == (0, "")


@SERVICES
def test_a_unit_runs_a_command_that_there_is(unit: Path) -> None:
    (line,) = values(unit, "ExecStart")
    program, command, option, config = line.split()

    assert (program, option, config) == ("/opt/rotator/bin/rotator", "--config", "/etc/rotator/config.yaml")
    assert command in COMMANDS


@SERVICES
def test_the_credentials_are_those_of_the_example(unit: Path, tmp_path: Path) -> None:
    credentials = dict(value.split(":") for value in values(unit, "LoadCredential"))
    text = (CONFIG / "systemd.yaml").read_text(encoding="utf-8")

    assert set(credentials) == set(re.findall(r"cred:([a-z.-]+)", text))
    assert all(path == f"/etc/rotator/credentials/{name}" for name, path in credentials.items())
    assert loaded(CONFIG / "systemd.yaml", tmp_path).warnings == ()


def test_a_command_beside_the_units_gets_what_they_get() -> None:
    (command,) = re.findall(r"systemd-run (.*?)/opt/rotator", (DEPLOY / "README.md").read_text(), re.DOTALL)
    given = re.findall(r"-p (\S+)=(\S+)", command)

    assert len(given) == 6
    assert set(given) <= set(settings_of(DAEMON)) & set(settings_of(PASS))


@SERVICES
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DynamicUser", "yes"),
        ("LimitCORE", "0"),
        ("MemoryDenyWriteExecute", "yes"),
        ("MemorySwapMax", "0"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("CapabilityBoundingSet", ""),
    ],
)
def test_what_must_not_get_lost(unit: Path, name: str, value: str) -> None:
    assert values(unit, name) == [value]


def test_both_services_are_hardened_alike_and_share_their_user_and_leases() -> None:
    daemon, one_pass = (settings_of(unit) for unit in (DAEMON, PASS))
    begins = [[name for name, _ in each].index(COMMON_FROM) for each in (daemon, one_pass)]
    install = ("WantedBy", "multi-user.target")

    assert daemon[begins[0] :] == [*one_pass[begins[1] :], install]
    assert ("User", "rotator") in daemon


def test_the_daemon_is_watched_and_a_wrong_configuration_is_not_tried_for_ever() -> None:
    assert values(DAEMON, "Type") == ["notify"]
    assert values(DAEMON, "WatchdogSec") == ["90"]
    assert values(DAEMON, "Restart") == ["always"]
    assert values(DAEMON, "RestartPreventExitStatus") == ["2"]
    assert values(DAEMON, "ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_a_pass_that_found_another_at_work_has_not_failed() -> None:
    assert values(PASS, "Type") == ["oneshot"]
    assert values(PASS, "SuccessExitStatus") == ["4"]


def test_the_control_socket_lies_in_the_folder_that_systemd_makes(tmp_path: Path) -> None:
    socket = loaded(CONFIG / "systemd.yaml", tmp_path).control.socket

    assert values(DAEMON, "RuntimeDirectory") == ["rotator"]
    assert values(DAEMON, "RuntimeDirectoryMode") == ["0750"]
    assert str(socket) == "/run/rotator/control.sock"


@SERVICES
def test_both_services_keep_their_state_in_the_folder_that_systemd_makes(unit: Path, tmp_path: Path) -> None:
    """It is named, so that a pass of the timer uses it as well, whether a daemon has made it or not."""
    state = loaded(CONFIG / "systemd.yaml", tmp_path).state

    assert values(unit, "StateDirectory") == ["rotator"]
    assert state.named
    assert state.url == state_url({"STATE_DIRECTORY": "/var/lib/rotator"})


@needs_mdwe
def test_the_hardened_daemon_works_with_the_folders_of_its_unit(tmp_path: Path) -> None:
    run, state = tmp_path / "run", tmp_path / "state"  # as systemd makes them
    run.mkdir(mode=0o750)
    state.mkdir(mode=0o700)
    socket, database = run / "control.sock", state / "database" / "state.db"
    environ = {"HOME": str(tmp_path), "STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(run)}
    with Sandbox() as box:
        site = Site(box, tmp_path)
        site.extra = {"state": {"url": f"sqlite:///{database}"}, "control": {"socket": str(socket)}}
        app = site.add(age=timedelta(days=10))
        before = site.fields()["client_secret"]

        def hardened(argv: list[str], daemon: Daemon) -> subprocess.Popen[bytes]:
            with daemon.log.open("wb") as log:
                command = [sys.executable, "-c", HARDENED, *argv]
                return subprocess.Popen(command, env=environ | daemon.environ, stderr=log)

        with Daemon(site, hardened) as daemon:
            daemon.until_ready().until("brake_released")
            argv = [sys.executable, "-m", "rotator", *site.argv("rotate", "billing", "--force", "--daemon")]
            asked = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)
            modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (socket, database, database.parent)}
            assert daemon.stop() == 0

        assert asked.returncode == 0, asked.stderr
        assert site.works(app)
        assert site.fields()["client_secret"] != before
    assert modes == {"control.sock": "0o660", "state.db": "0o600", "database": "0o700"}
    assert not list(run.iterdir()), "the socket goes with the daemon"
