"""The Leases port over lock files, between tasks and between processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.leases import FileLeases
from rotator.core.model import AppId, KvPath, Target
from rotator.errors import BusyError, ConfigError, RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = {"acme": "acme.okta.com", "again": "ACME.okta.com", "other": "other.okta.com"}

HOLDER = """
import asyncio, sys
from pathlib import Path
from rotator.adapters.leases import FileLeases
from rotator.core.model import AppId, KvPath, Target

async def hold():
    path = KvPath("kv", "a")
    target = Target("held", "acme", "main", AppId("0oa1"), path, path)
    async with FileLeases(Path(sys.argv[1]), {"acme": "acme.okta.com"}).hold(target):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


def target(app: str = "0oa1", org: str = "acme", name: str = "billing") -> Target:
    path = KvPath("kv", "billing")
    return Target(name, org, "main", AppId(app), path, path)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "leases"


def try_out(directory: Path) -> None:
    asyncio.run(FileLeases(directory, HOSTS).try_out())


def test_a_directory_that_can_be_written_is_left_as_it_was(directory: Path) -> None:
    try_out(directory)
    try_out(directory)

    assert list(directory.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    directory.parent.write_text("in its place")

    with pytest.raises(RefusedError, match="no lock file can be made in") as refused:
        try_out(directory)

    assert "StateDirectory" in refused.value.hint


def test_a_directory_that_others_may_use_is_not_tried(directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o755)

    with pytest.raises(ConfigError, match="chmod 700"):
        try_out(directory)


@pytest.fixture
def leases(directory: Path) -> FileLeases:
    return FileLeases(directory, HOSTS)


@pytest.fixture
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds app 0oa1 until its stdin ends."""
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def names_in(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


def only_file(directory: Path) -> Path:
    (file,) = directory.iterdir()
    return file


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


def text_of(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def make(directory: Path, mode: int) -> None:
    directory.mkdir(parents=True)
    directory.chmod(mode)


def plant(what: str, place: Path, precious: Path) -> None:
    """Put something at `place` that is no file of ours."""
    place.unlink(missing_ok=True)
    if what == "link":
        precious.write_text("precious")
    if "link" in what:
        place.symlink_to(precious)
    elif what == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()


def a_child_with_our_files() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)


def a_copy_of_the_descriptor(file: Path) -> int:
    for descriptor in range(3, 1024):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), file.stat()):
                return os.dup(descriptor)
    raise AssertionError("nobody has it open")


async def is_free(leases: FileLeases, wanted: Target) -> bool:
    try:
        async with leases.hold(wanted):
            return True
    except BusyError:
        return False


async def test_a_free_target_is_held_and_free_again_afterwards(leases: FileLeases) -> None:
    for _ in range(2):
        async with leases.hold(target()):
            assert not await is_free(leases, target())
    assert await is_free(leases, target())


async def test_a_held_target_is_refused_at_once_and_its_holder_named(
    leases: FileLeases, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(BusyError, match=f"billing is being worked on by process {holder.pid}$"):
        async with leases.hold(target()):
            pytest.fail("it is held")


async def test_a_lease_dies_with_its_process(leases: FileLeases, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)

    assert await is_free(leases, target())


async def test_a_holder_that_has_not_said_who_it_is_is_another_process(
    leases: FileLeases, directory: Path, holder: subprocess.Popen[str]
) -> None:
    only_file(directory).write_text("")

    with pytest.raises(BusyError, match=r"by another process$"):
        async with leases.hold(target()):
            pytest.fail("it is held")


async def test_nobody_can_put_words_into_the_message(
    leases: FileLeases, directory: Path, holder: subprocess.Popen[str]
) -> None:
    only_file(directory).write_bytes(b"1\x1b[31m\xff\nred")

    with pytest.raises(BusyError, match=r"by another process$"):
        async with leases.hold(target()):
            pytest.fail("it is held")


@pytest.mark.parametrize(
    ("other", "free"),
    [
        pytest.param(target(name="the same app under another name"), False, id="the app counts, not the target's name"),
        pytest.param(target(org="again"), False, id="the org's host counts, not its alias"),
        pytest.param(target(org="other"), True, id="another org's app of that id is another app"),
        pytest.param(target(app="0oa2"), True, id="another app is another lease"),
    ],
)
async def test_a_lease_is_on_one_app_of_one_org(leases: FileLeases, other: Target, free: bool) -> None:
    async with leases.hold(target()):
        assert await is_free(leases, other) is free


async def test_a_lease_is_given_back_after_a_failure(leases: FileLeases) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        async with leases.hold(target()):
            raise RuntimeError("in the middle")

    assert await is_free(leases, target())


@pytest.mark.parametrize("app", ["../../etc/passwd", "a/b", "..", ".", "", "x" * 4000, "ünï\n", "\0"])
async def test_every_name_stays_a_file_in_the_directory(leases: FileLeases, directory: Path, app: str) -> None:
    async with leases.hold(target(app=app)):
        assert not await is_free(leases, target(app=app))

    name = only_file(directory).name
    assert name.isascii()
    assert name.endswith(".lock")


async def test_names_that_look_alike_are_different_leases(leases: FileLeases) -> None:
    async with leases.hold(target(app="a/b")):
        assert await is_free(leases, target(app="a_b"))


async def test_directory_and_files_are_ours_alone(leases: FileLeases, directory: Path) -> None:
    async with leases.hold(target()):
        pass

    assert permissions(directory) == 0o700
    assert permissions(only_file(directory)) == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
async def test_a_directory_open_to_others_is_refused(leases: FileLeases, directory: Path, mode: int) -> None:
    make(directory, mode)

    with pytest.raises(ConfigError, match="chmod 700"):
        async with leases.hold(target()):
            pytest.fail("it is not ours alone")


@pytest.mark.parametrize("planted", ["link", "dangling link", "pipe", "directory"])
async def test_what_is_no_file_of_ours_is_not_opened(
    leases: FileLeases, directory: Path, tmp_path: Path, planted: str
) -> None:
    async with leases.hold(target()):
        pass
    precious = tmp_path / "precious"
    plant(planted, only_file(directory), precious)

    with pytest.raises(RefusedError, match="billing"):
        async with leases.hold(target()):
            pytest.fail("it is no file")

    assert text_of(precious) == ("precious" if planted == "link" else None)


async def test_a_link_in_place_of_the_directory_is_refused(leases: FileLeases, directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    make(elsewhere, 0o700)
    make(directory.parent, 0o700)
    plant("link to a directory", directory, elsewhere)

    with pytest.raises(RotatorError):
        async with leases.hold(target()):
            pytest.fail("it is a link")

    assert names_in(elsewhere) == []


async def test_a_file_left_behind_means_nothing(leases: FileLeases, directory: Path) -> None:
    async with leases.hold(target()):
        pass
    only_file(directory).write_text("1\n")

    assert await is_free(leases, target())


async def test_a_free_target_names_nobody(leases: FileLeases, directory: Path) -> None:
    async with leases.hold(target()):
        assert text_of(only_file(directory)) == f"{os.getpid()}\n"

    assert text_of(only_file(directory)) == ""


async def test_a_program_that_we_start_does_not_inherit_the_lease(leases: FileLeases) -> None:
    async with leases.hold(target()):
        child = a_child_with_our_files()
    try:
        assert await is_free(leases, target())
    finally:
        child.kill()
        child.wait()


async def test_a_lease_is_given_back_even_if_a_fork_still_has_the_file(leases: FileLeases, directory: Path) -> None:
    async with leases.hold(target()):
        copy = a_copy_of_the_descriptor(only_file(directory))
    try:
        assert await is_free(leases, target())
    finally:
        os.close(copy)
