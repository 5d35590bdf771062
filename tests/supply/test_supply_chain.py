"""The audit finds what is planted and tells what it could not ask; what is made can be made again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply.__main__ import code
from tests.supply.bounds import TESTS
from tests.supply.known import known_against
from tests.supply.licences import is_allowed, licence_of, unfit
from tests.supply.locks import ALL, LOCKS, ROOT, SHIPPED, pins_of, requirements
from tests.supply.sbom import ITSELF, bill
from tests.supply.wheels import twice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOSED = "http://127.0.0.1:9/"
FOUND = {
    "id": "OSV-1",
    "summary": "planted",
    "affected": [
        {
            "package": {"name": "h11", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9.9.9"}]}],
        }
    ],
}


# --- licences -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_all_that_is_locked_may_be_shipped(lock: Path) -> None:
    assert len(pins_of(lock)) > 5
    assert unfit(lock) == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("AGPL-3.0-or-later OR SSPL-1.0", False),
        ("(MIT OR GPL-2.0-only) AND MIT", False),
        ("", False),
    ],
)
def test_of_a_choice_one_has_to_be_allowed_and_of_a_sum_all(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ("License-Expression: MIT\nLicense: GPL", "MIT"),
        ("License: Apache 2.0", "Apache-2.0"),
        ("License: MIT License", "MIT"),
        ("License: see the file\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Classifier: License :: OSI Approved :: GNU GPL v3 (GPLv3)", "GNU GPL v3 (GPLv3)"),
        ("Summary: nothing of it", ""),
    ],
)  # fmt: skip
def test_a_licence_is_read_off_the_metadata(said: str, licence: str, tmp_path: Path) -> None:
    folder = tmp_path / "some-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: some\nVersion: 1\n{said}\n")

    assert licence_of(PathDistribution(folder)) == licence


def test_what_is_not_installed_is_not_taken_on_trust(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("nobody-has-this==1.0\nnor-this==2.0 ; sys_platform == 'win32'\n")

    assert unfit(lock) == ["nobody-has-this 1.0: not installed, so its licence is not known"]


# --- the code -------------------------------------------------------------------------------------------------


def test_a_planted_hole_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hole.py").write_text("import subprocess\nsubprocess.run(input(), shell=True)\n")

    (found,) = code(tmp_path)

    assert "shell=True" in found
    assert capsys.readouterr().out == "code: bandit found something\n"


# --- what is known --------------------------------------------------------------------------------------------


class Osv(BaseHTTPRequestHandler):
    """Knows something against one package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        against = [FOUND] if asked["package"]["name"] == "h11" else []
        body = json.dumps({"vulns": against} if against else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name in the base class
        """Say nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def two(tmp_path: Path) -> Path:
    lock = tmp_path / "two.txt"
    lock.write_text("".join(f"{line}\n" for line in requirements(ALL) if line.startswith(("h11==", "idna=="))))
    assert len(pins_of(lock)) == 2
    return lock


def test_what_is_known_against_a_package_is_told_with_its_cure(two: Path, osv: str) -> None:
    (version,) = [pin.version for pin in pins_of(two) if pin.name == "h11"]

    known = known_against(two, osv_url=osv)

    assert known.asked == 2
    assert known.against == (f"h11 {version}: OSV-1, mended in 9.9.9",)
    assert known.unasked == ()


def test_where_nobody_answers_that_is_told_and_is_no_pass(two: Path) -> None:
    known = known_against(two, osv_url=CLOSED)

    assert (known.asked, known.against) == (0, ())
    assert known.unasked


# --- the bill of materials ------------------------------------------------------------------------------------


def test_the_bill_keeps_to_the_schema() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill()) is None


def test_the_bill_names_all_that_may_come_along() -> None:
    found = json.loads(bill())

    assert {(one["name"], one["version"]) for one in found["components"]} == {
        (pin.name, pin.version) for pin in pins_of(SHIPPED)
    }
    assert all(one["hashes"] for one in found["components"])
    assert [one["name"] for one in found["components"] if "licenses" not in one and "properties" not in one] == []
    needs = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert any(name.startswith("pkg:pypi/okta@") for name in needs[ITSELF])
    assert needs.keys() == {ITSELF, *(one["bom-ref"] for one in found["components"])}


def test_the_bill_is_the_same_whoever_writes_it(tmp_path: Path) -> None:
    program = "from tests.supply.sbom import bill; print(bill(), end='')"
    again = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert again.stdout == bill()
    assert str(ROOT) not in again.stdout


# --- the wheel, and the bounds --------------------------------------------------------------------------------


def test_a_wheel_made_twice_is_the_same(tmp_path: Path) -> None:
    one, two = twice(tmp_path)

    assert one == two


def test_the_tests_of_the_bounds_are_there() -> None:
    assert [name for name in TESTS if not (ROOT / "tests" / name).is_file()] == []
