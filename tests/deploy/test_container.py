"""The container: its steps name what there is, its end has neither root nor tools, and the wheel in it works.

No image can be built in these tests; the step that depends on this repository, the wheel, is done as it is written.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import pytest

from rotator import __version__
from tests.deploy.places import DEPLOY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (DEPLOY / "container" / "Containerfile").read_text(encoding="utf-8")
STEPS = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
BUILD, FINAL = (part.splitlines() for part in "\n".join(STEPS).split("FROM ")[1:])


def test_what_is_copied_is_there() -> None:
    copied = [word for line in BUILD if line.startswith("COPY ") for word in line.split()[1:-1]]

    assert {"requirements/image.txt", "requirements/build.txt", "pyproject.toml", "rotator"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("line", [line for line in BUILD if "-r requirements" in line])
def test_what_is_installed_is_locked_and_not_compiled(line: str) -> None:
    assert "--require-hashes --only-binary :all:" in line
    (lock,) = re.findall(r"-r (\S+)", line)
    pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*==.*$", (ROOT / lock).read_text(), re.MULTILINE)
    assert pinned
    assert all(pin.endswith("\\") for pin in pinned), "each is followed by its hashes"


def test_the_image_has_all_that_the_program_and_its_extras_need() -> None:
    (lock,) = (line.split()[-1] for line in BUILD if "--python /opt/rotator" in line and "-r requirements" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=!~\[; ]", one)[0].lower() for one in needed}

    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))
    assert {"procrastinate", "apprise"} <= names
    assert {name.replace(".", "-") for name in names} <= {name.replace(".", "-") for name in pinned}


def test_the_last_stage_has_no_root_no_tools_and_no_shell_form() -> None:
    assert "USER 65532:65532" in FINAL
    assert [line for line in FINAL if line.startswith("COPY ")] == ["COPY --from=build /opt/rotator /opt/rotator"]
    assert next(line for line in FINAL if line.startswith("RUN ")).startswith("RUN pip uninstall --yes pip")
    assert FINAL[-2:] == ['ENTRYPOINT ["rotator"]', 'CMD ["run"]']
    assert FINAL[0] == BUILD[0].removesuffix(" AS build"), "the interpreter that the environment was made with"


def test_the_wheel_that_is_installed_works_by_itself(tmp_path: Path) -> None:
    (step,) = (line for line in BUILD if line.startswith("RUN pip wheel"))
    arguments = step.removeprefix("RUN pip ").replace("/dist", str(tmp_path)).removesuffix(" .").split()
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments, str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)

    code = "import rotator, sys; print(rotator.__file__); from rotator.cli.main import main; sys.exit(main())"
    said = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked)},
    )

    assert said.stdout.splitlines() == [str(unpacked / "rotator" / "__init__.py"), f"rotator {__version__}"]
    assert {path.name for path in unpacked.iterdir()} == {"rotator", f"rotator-{__version__}.dist-info"}
    assert (unpacked / "rotator" / "py.typed").exists()
    assert list(unpacked.rglob("LICENSE"))
