"""`rotator sandbox`, as a person with a shell meets it: what it prints works, and Ctrl-C ends it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from rotator.cli.main import main
from rotator.sandbox.scenes import FLEET

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("clean")

EXPIRED, ANOTHER = "orders-api", "crm-sync"


@contextmanager
def served(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the sandbox until its invitation is printed; yields the process and the invitation."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rotator", "sandbox", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    with process:
        try:
            assert process.stdout
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                said += line
            yield process, said
        finally:
            process.kill()


def exported(said: str) -> dict[str, str]:
    words = [word for line in said.splitlines() if "export " in line for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_it_ends_cleanly(number: int) -> None:
    with served("--scene", "empty") as (process, said):
        url = exported(said)["VAULT_ADDR"]
        process.send_signal(number)

        _, err = process.communicate(timeout=60)

        assert process.returncode == 0
        assert "Traceback" not in err
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{url}/_sandbox", timeout=5)


BETWEEN_ANY_TWO_LINES = """
import signal, sys
from rotator.cli.sandbox import _until_a_signal

def interrupt(frame, event, _):
    if event == "line":
        signal.raise_signal(signal.SIGINT)
    return interrupt

def wait(until_then):
    until_then()

with _until_a_signal() as until_then:
    sys.settrace(interrupt)
    wait(until_then)
    sys.settrace(None)
"""


def test_it_ends_whenever_the_signal_comes() -> None:
    subprocess.run([sys.executable, "-c", BETWEEN_ANY_TWO_LINES], check=True, timeout=60)


def test_what_it_prints_works(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with served("--scene", EXPIRED) as (_, said):
        for name, value in exported(said).items():
            monkeypatch.setenv(name, value)
        okta, vault = os.environ["OKTA_CLIENT_ORGURL"], os.environ["VAULT_ADDR"]
        login = {"Authorization": f"SSWS {os.environ['OKTA_CLIENT_TOKEN']}"}

        apps = requests.get(f"{okta}/api/v1/apps", headers=login, timeout=5).json()
        rotate = re.search(r"^  rotator (rotate .*)$", said, re.MULTILINE)
        assert rotate
        code = main(rotate[1].split())

        assert [app["label"] for app in apps] == [EXPIRED]
        assert f"bao kv get secret/apps/{EXPIRED}" in said
        assert (code, "rotated" in capsys.readouterr().out) == (0, True)
        summary = requests.get(f"{vault}/_sandbox", timeout=5).json()
        assert summary["services"]["vault"]["state"]["mounts"]["secret/"][f"apps/{EXPIRED}"] == 2


def test_its_clock_runs_as_fast_as_one_likes() -> None:
    with served("--scene", "empty", "--speed", "0") as (_, said):
        url = f"{exported(said)['VAULT_ADDR']}/_sandbox"

        first, second = (requests.get(url, timeout=5).json()["now"] for _ in range(2))

        assert first == second


def test_all_scenes_are_there_unless_some_are_chosen() -> None:
    with served() as (_, said):
        assert all(f"# {scene.name}: {scene.says}" in said for scene in FLEET)


def test_only_the_chosen_scenes_are_there() -> None:
    with served("--scene", EXPIRED, "--scene", ANOTHER) as (_, said):
        named = {scene.name for scene in FLEET if f"# {scene.name}:" in said}

    assert named == {EXPIRED, ANOTHER}


def test_it_listens_where_it_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with served("--scene", "empty", "--vault-port", str(port)) as (_, said):
        assert exported(said)["VAULT_ADDR"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("args", "explained"),
    [
        pytest.param(["--vault-port", "TAKEN"], "choose another port", id="a port that is taken"),
        pytest.param(["--okta-port", "70000"], "70000", id="a port that is none"),
        pytest.param(["--speed", "-1"], "--speed", id="a clock that runs backwards"),
        pytest.param(["--scene", "nobodys"], "--scene", id="a scene that there is not"),
    ],
)
def test_a_wrong_call_is_explained(args: list[str], explained: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code = main(["sandbox", "--scene", "empty", *(port if arg == "TAKEN" else arg for arg in args)])

    assert code == 2
    assert explained in capsys.readouterr().err
