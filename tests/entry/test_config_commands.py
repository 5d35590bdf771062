"""`rotator config`, as a person meets it: what is printed where, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rotator.cli.main import COMMANDS, main
from rotator.settings.json_schema import json_schema_text
from tests.settings.files import CANARY, GOOD, changed, save

if TYPE_CHECKING:
    from pathlib import Path

VENDORS = ("OKTA_", "VAULT_", "ROTATOR_", "XDG_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(VENDORS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_validate_counts_what_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate", "--config", str(save(tmp_path, GOOD))]) == 0

    said = capsys.readouterr()
    assert said.out == "1 org, 1 vault, 1 policy, 1 target: all fine\n"
    assert said.err == ""


def test_validate_tells_warnings_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = save(tmp_path, GOOD)
    (tmp_path / "token").chmod(0o644)

    assert main(["config", "validate", "--config", str(config)]) == 0

    said = capsys.readouterr()
    assert said.out.endswith(": all fine\n")
    assert said.err.startswith(f"rotator: warning: {config}:4: okta.acme.auth.token_file: everybody on this machine")


def test_validate_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate", "--config", str(save(tmp_path, GOOD)), "--output", "json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "valid": True,
        "orgs": 1,
        "vaults": 1,
        "policies": 1,
        "targets": 1,
        "selections": 0,
        "warnings": [],
    }


def test_every_problem_is_a_line_on_stderr_with_a_hint_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = save(tmp_path, changed("soak: 3d", "soak: 0d").replace("https://acme", "http://acme"))

    assert main(["--config", str(config), "config", "validate"]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    first, second, hint = said.err.splitlines()
    assert first.startswith(f"rotator: {config}:3: okta.acme.org_url: is not encrypted")
    assert second.startswith(f"rotator: {config}:10: policies.prod.soak: is no time at all")
    assert hint.startswith("Nothing was touched.")


def test_what_the_file_is_named_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate", "--config", f"{tmp_path}/\x1b[2J\u202egone"]) == 2

    err = capsys.readouterr().err
    assert r"\x1b[2J\u202egone" in err
    assert not {"\x1b", "\u202e"} & set(err)


def test_show_has_each_setting_with_its_source_and_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = save(tmp_path, changed("token_file: token", "token_file: env:OKTA_TOKEN"))
    monkeypatch.setenv("OKTA_TOKEN", CANARY)

    assert main(["config", "show", "--config", str(config)]) == 0
    table = capsys.readouterr().out
    assert main(["config", "show", "--config", str(config), "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)

    assert {"key": "okta.acme.org_url", "value": "https://acme.okta.com", "source": f"{config}:3"} in rows
    assert {"key": "okta.acme.auth.token_file", "value": "env:OKTA_TOKEN", "source": f"{config}:4"} in rows
    assert table.splitlines()[0].split() == ["SETTING", "VALUE", "SOURCE"]
    assert len(table.splitlines()) == len(rows) + 1
    assert CANARY not in table + json.dumps(rows)


def test_schema_prints_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0

    assert capsys.readouterr().out == json_schema_text()


def test_init_writes_a_file_that_only_lacks_the_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"

    assert main(["config", "init", str(config)]) == 0
    assert f"rotator config validate --config {config}" in capsys.readouterr().out
    assert main(["config", "validate", "--config", str(config)]) == 2

    problems = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rotator:")]
    assert len(problems) == 3
    assert all("cannot be read (no such file or directory)" in problem for problem in problems)
    assert (tmp_path / "rotator.schema.json").read_text(encoding="utf-8") == json_schema_text()
    assert config.stat().st_mode & 0o007 == 0


def test_init_writes_over_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("mine")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    assert main(["config", "init", str(config)]) == 2
    assert main(["config", "init", str(tmp_path / "link.yaml")]) == 2
    assert main(["config", "init", str(tmp_path / "no" / "folder.yaml")]) == 2

    assert config.read_text() == "mine"
    assert not (tmp_path / "elsewhere.yaml").exists()
    err = capsys.readouterr().err
    assert f"{config} exists already; name another file, or remove it first" in err
    assert "cannot be written: No such file or directory; choose another place" in err


def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate"]) == 2

    err = capsys.readouterr().err
    assert f"{tmp_path}/.config/rotator/config.yaml or /etc/rotator/config.yaml" in err
    assert "begin one with `rotator config init`" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        pytest.param(["staus"], "No such command 'staus'. Did you mean 'status'?", id="a misspelt command"),
        pytest.param(["frobnicate"], "No such command 'frobnicate'.", id="an unknown command"),
        pytest.param(["config", "validate", "--otput", "json"], "No such option", id="a misspelt option"),
        pytest.param(["config", "validate", "--output", "xml"], "is not one of 'table', 'json'", id="a wrong choice"),
        pytest.param(["config", "validate", "extra"], "Got unexpected extra argument (extra)", id="too much"),
    ],
)
def test_wrong_usage_is_exit_2_on_stderr(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2

    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""


def test_the_version_and_the_help_are_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rotator ")

    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert [name for name in COMMANDS if f" {name} " not in listed] == []


def test_a_reader_that_leaves_is_no_error() -> None:
    argv = [sys.executable, "-m", "rotator", "config", "schema"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_interrupt_is_exit_130_without_a_traceback() -> None:
    # Reading from a pipe that nobody writes to waits until it is interrupted.
    script = (
        "import os, sys\n"
        "from rotator.cli.main import main, root\n"
        "import rich_click as click\n"
        "@click.command()\n"
        "def wait():\n"
        "    print('waiting', flush=True)\n"
        "    os.read(os.pipe()[0], 1)\n"
        "root.load = lambda name: wait\n"
        "sys.exit(main(['status']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)

        assert process.stderr.read().strip() == ""
    assert process.returncode == 128 + signal.SIGINT
