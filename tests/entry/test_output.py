"""What goes to stdout for programs and for people, and how often a process looks for garbage."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

GARBAGE = (
    "import gc\nfrom rotator.cli.heap import collected_for_years\nfrom rotator.cli.main import main\n"
    "main(['--version'])\n"
)
PRINT = "from rotator.cli.output import print_json\nprint_json({'version': 1, 'targets': [{'target': 'a\\x1b'}]})"
SAID = {"version": 1, "targets": [{"target": "a\x1b"}]}


def said_to_a_person(program: str) -> str:
    """Return what a program prints at a terminal."""
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", program], stdin=theirs, stdout=theirs, check=True, timeout=60)
        return os.read(ours, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(ours)
        os.close(theirs)


def said_to_a_program(program: str) -> str:
    """Return what it prints into a pipe."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_json_is_on_one_line_for_programs_and_indented_for_people() -> None:
    program, person = said_to_a_program(PRINT), said_to_a_person(PRINT)

    assert json.loads(program) == json.loads(person) == SAID
    assert program.count("\n") == 1
    assert person == json.dumps(SAID, indent=2) + "\n"


def test_a_command_hardly_looks_for_garbage_and_the_daemon_does() -> None:
    command, daemon = (
        int(said_to_a_program(f"{GARBAGE}{more}print(gc.get_threshold()[0])").split()[-1])
        for more in ("", "collected_for_years()\n")
    )

    assert command > 50 * daemon > 0
