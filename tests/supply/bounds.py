"""The oldest and the newest versions that `pyproject.toml` allows, tried in an environment that is thrown away.

`python -m tests.supply.bounds lowest|highest` needs `uv` and the network. The tests are those that meet the vendors'
libraries: Okta, Vault, tokens, the database, YAML, the command line, the daemon.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.supply.locks import FOLDER, ROOT

HOW = {"lowest": "lowest-direct", "highest": "highest"}
TESTS = (
    *("contract/test_okta_sdk_faults.py", "contract/test_okta_key.py", "contract/test_okta_pace.py"),
    *("contract/test_vault_kv.py", "contract/test_vault_connection.py", "contract/test_vault_login.py"),
    *("contract/test_token_endpoint.py", "contract/test_state_journal.py", "contract/test_state_leases.py"),
    *("settings/test_refused.py", "entry/test_rotate.py", "entry/test_history.py", "daemon/test_serve.py"),
)


def locked(which: str, folder: Path) -> Path:
    """Resolve what the program needs to the oldest or the newest, and the tests' own tools beside it."""
    program, everything = folder / "program.txt", folder / "all.txt"
    common = ["uv", "pip", "compile", "--quiet", "--no-header", "--python", sys.executable, "pyproject.toml"]
    subprocess.run([*common, "--resolution", HOW[which], "--all-extras", "-o", str(program)], cwd=ROOT, check=True)
    subprocess.run(
        [*common, "--all-extras", "--group", "dev", "-c", str(program), "-o", str(everything)], cwd=ROOT, check=True
    )
    return everything


def tried(which: str, folder: Path, tests: tuple[str, ...] = TESTS) -> int:
    """Install them, and run the tests; return pytest's exit code."""
    python = folder / "environment" / "bin" / "python"
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(python.parents[1])], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, "-r", str(locked(which, folder)), "-r", str(FOLDER / "build.in")], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", str(ROOT)], check=True)
    argv = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in tests)]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.supply.bounds", description=__doc__)
    parser.add_argument("which", choices=HOW)
    which = parser.parse_args().which
    with tempfile.TemporaryDirectory() as folder:
        return tried(which, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
