"""What goes wrong with a state database is an error of ours, and over when the fault is: nothing is started anew."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import update
from sqlalchemy.exc import StatementError

from rotator.adapters.store import Store
from rotator.adapters.store_file import DatabaseFile
from rotator.adapters.store_journal import StoreJournal
from rotator.adapters.store_leases import StoreLeases
from rotator.adapters.store_schema import brake
from rotator.adapters.store_service import StoreBrakes
from rotator.core.history import Deed
from rotator.core.model import AppId, KvPath, Target
from rotator.core.secret_value import SecretValue
from rotator.core.survey import NEW_STATE
from rotator.errors import BusyError, ConfigError, RotatorError, SpoiltStateError, StateError
from tests.fakes.okta import NOON, ManualClock
from tests.postgres import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Connection

    from tests.postgres import Cluster


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "database" / "state.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    store = Store(f"sqlite:///{file}")
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture
async def on_postgres(cluster: Cluster) -> AsyncIterator[Store]:
    store = Store(cluster.new_database())
    await store.open()
    yield store
    await store.aclose()


async def works(store: Store) -> bool:
    """Write, and read it back."""
    await StoreBrakes(store).release("ops", NOON)
    return await StoreBrakes(store).brake() is None


async def refusal(store: Store) -> RotatorError:
    with pytest.raises(RotatorError) as refused:
        await StoreBrakes(store).release("ops", NOON)
    assert "\n" not in str(refused.value)
    assert refused.value.hint
    return refused.value


# --- Locked ---------------------------------------------------------------------------------------------------


async def test_a_file_that_is_locked_for_longer_than_we_wait_is_free_again(store: Store, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        failure = await refusal(store)

    assert isinstance(failure, StateError)
    assert str(failure) == f"the state database {file} is locked by another process"
    assert failure.exit_code == 5
    assert await works(store)


async def test_while_it_waits_for_a_lock_everything_else_goes_on(store: Store, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        waiting = asyncio.create_task(works(store))
        await asyncio.sleep(0)  # it is begun
        other.execute("ROLLBACK")  # nobody could do this if the event loop waited as well

    assert await waiting


async def test_what_was_begun_is_seen_through_though_nobody_waits_for_it(store: Store) -> None:
    loop, began, goes_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        loop.call_soon_threadsafe(began.set)
        assert goes_on.wait(10)
        connection.execute(update(brake).values(pulled=False))

    writing = asyncio.create_task(store.write(slow))
    await began.wait()
    writing.cancel()
    await asyncio.wait({writing})
    goes_on.set()

    assert writing.cancelled()
    assert await StoreBrakes(store).brake() is None


async def test_a_table_that_another_session_locks_is_free_again(on_postgres: Store, cluster: Cluster) -> None:
    database = on_postgres.name.partition("@/")[2].partition(" ")[0]
    with psycopg.connect(cluster.conninfo(database)) as other:
        other.execute("LOCK TABLE rotator_brake")
        failure = await refusal(on_postgres)

    assert isinstance(failure, StateError)
    assert str(failure) == f"the state database {on_postgres.name} is locked by another session"
    assert await works(on_postgres)


# --- Gone and back --------------------------------------------------------------------------------------------


async def test_postgresql_may_be_started_anew_in_the_middle(on_postgres: Store, cluster: Cluster) -> None:
    assert await works(on_postgres)

    cluster.stop()
    try:
        failures = [await refusal(on_postgres), await refusal(on_postgres)]
    finally:
        cluster.start()

    assert [type(failure) for failure in failures] == [StateError, StateError]
    assert str(failures[1]).startswith(f"the state database {on_postgres.name} cannot be reached: ")
    assert await works(on_postgres)


async def test_a_restart_that_nobody_noticed_costs_nothing(on_postgres: Store, cluster: Cluster) -> None:
    assert await works(on_postgres)

    cluster.stop()
    cluster.start()

    assert await works(on_postgres)


async def test_a_lease_that_cannot_be_given_back_ends_by_itself(store: Store, file: Path) -> None:
    path = KvPath("kv", "billing")
    target = Target("billing", "acme", "main", AppId("0oa1"), path, path)
    leases = StoreLeases(store, {"acme": "acme.okta.com"}, "one", timedelta(0))

    async with leases.hold(target):
        aside = move(file, file.with_suffix(".aside"))
    move(aside, file)

    async with leases.hold(target) as lease:
        await lease.confirm(timedelta(seconds=1))


async def test_a_lease_that_could_not_be_given_back_is_free_for_whoever_could_not(store: Store, file: Path) -> None:
    path = KvPath("kv", "billing")
    target = Target("billing", "acme", "main", AppId("0oa1"), path, path)
    one, two = (StoreLeases(store, {"acme": "acme.okta.com"}, name) for name in ("one", "two"))

    async with one.hold(target):
        aside = move(file, file.with_suffix(".aside"))
    move(aside, file)

    with pytest.raises(BusyError, match="worked on by one"):
        await two.hold(target).__aenter__()
    async with one.hold(target):
        with pytest.raises(BusyError, match="worked on by one"):
            await one.hold(target).__aenter__()


async def test_a_connection_that_is_cut_in_the_middle_of_a_transaction_is_replaced(
    on_postgres: Store, cluster: Cluster
) -> None:
    def cut(connection: Connection) -> None:
        cluster.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rotator'")
        connection.execute(update(brake).values(pulled=False))

    with pytest.raises(StateError, match=r"ended the connection|cannot be reached"):
        await on_postgres.write(cut)

    assert await works(on_postgres)


async def test_opening_is_tried_again_with_the_next_transaction(cluster: Cluster) -> None:
    store = Store(cluster.new_database())
    cluster.stop()
    try:
        with pytest.raises(StateError, match="cannot be reached"):
            await store.open()
    finally:
        cluster.start()

    assert await works(store)
    await store.aclose()


async def test_a_file_that_vanishes_is_not_silently_an_empty_database(store: Store, file: Path) -> None:
    aside = move(file, file.with_suffix(".aside"))

    failure = await refusal(store)

    assert isinstance(failure, StateError)
    assert str(failure) == f"the state database {file} is gone, or cannot be opened"
    assert "state.db" not in names_in(file.parent)
    move(aside, file)
    assert await works(store)


def move(file: Path, to: Path) -> Path:
    return file.rename(to)


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# --- No room, no right ----------------------------------------------------------------------------------------

LIVES_THROUGH = """
import asyncio, os, resource, sys
from pathlib import Path
from rotator.adapters.store import Store
from rotator.adapters.store_service import StoreBrakes
from rotator.core.admission import Brake
from rotator.errors import RotatorError
from datetime import UTC, datetime

folder, fault = Path(sys.argv[1]), sys.argv[2]
file = folder / "database" / "state.db"
asyncio.run(Store(f"sqlite:///{file}").open())
if os.geteuid() == 0:  # who may write everywhere
    for each in (file.parent, *file.parent.iterdir()):
        os.chown(each, 65534, 65534)
    os.setresuid(65534, 65534, 65534)

def spoil():
    if fault == "no room":
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, resource.RLIM_INFINITY))
    elif fault == "read-only file":
        file.chmod(0o400)
    else:
        file.with_name("state.db-journal").unlink()  # it has to be made anew
        file.parent.chmod(0o500)

def mend():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    file.chmod(0o600)
    file.parent.chmod(0o700)

async def main():
    store = Store(f"sqlite:///{file}")
    brakes = StoreBrakes(store)
    now = datetime.now(UTC)
    print((await brakes.brake()).why)
    spoil()
    try:
        await brakes.end_survey(Brake(now, "x" * 1_000_000), now)
    except RotatorError as error:
        print(type(error).__name__, str(error).removeprefix(f"the state database {file} "))
    mend()
    print((await brakes.brake()).why)
    await brakes.end_survey(Brake(now, "y" * 1_000_000), now)
    print((await brakes.brake()).why[0])

asyncio.run(main())
"""


@pytest.fixture
def anybody_s() -> Iterator[Path]:
    """A folder of an account that is not root."""
    folder = Path(tempfile.mkdtemp(prefix="state"))
    if os.geteuid() == 0:
        shutil.chown(folder, 65534)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param("no room", "cannot be read or written: I/O error, or no room", id="a full disk"),
        pytest.param("read-only file", "cannot be written: it is read-only", id="a file that is read-only"),
        pytest.param("read-only folder", "cannot be written: it is read-only", id="a folder that is read-only"),
    ],
)
def test_what_cannot_be_written_leaves_what_was_and_can_be_written_later(
    anybody_s: Path, fault: str, said: str
) -> None:
    command = [sys.executable, "-c", LIVES_THROUGH, str(anybody_s), fault]
    lived = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (lived.stdout.splitlines(), lived.stderr) == ([NEW_STATE, f"StateError {said}", NEW_STATE, "y"], "")


async def test_a_role_without_rights_is_a_matter_for_a_person(cluster: Cluster) -> None:
    url = cluster.new_database()
    store = Store(url.replace("rotator@", "guest@"))

    with pytest.raises(SpoiltStateError, match="our role may not do that there; grant it the right"):
        await store.open()

    await store.aclose()


async def test_a_table_of_our_name_that_is_another_s_is_left_alone(cluster: Cluster) -> None:
    store = Store(cluster.new_database())
    database = store.name.partition("@/")[2].partition(" ")[0]
    cluster.execute("CREATE TABLE rotator_audit (precious text)", database)

    with pytest.raises(SpoiltStateError, match="it has a table of one of our names already"):
        await store.open()

    cluster.execute("SELECT precious FROM rotator_audit", database)
    await store.aclose()


async def test_a_database_that_does_not_exist_is_told_in_the_server_s_words(cluster: Cluster) -> None:
    store = Store(cluster.url("nowhere"))

    with pytest.raises(StateError, match=r'cannot be reached: .*database "nowhere" does not exist'):
        await store.open()

    await store.aclose()


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 100, b"SQLite format 3\0" * 99])
async def test_a_damaged_file_is_a_matter_for_a_person(file: Path, content: bytes) -> None:
    write(file, content)
    store = Store(f"sqlite:///{file}")

    with pytest.raises(
        SpoiltStateError, match="this is no database, or a damaged one; move it away, a new one is made"
    ):
        await store.open()

    assert bytes_of(file) == content
    await store.aclose()


async def test_a_file_that_is_damaged_while_we_work_is_told(store: Store, file: Path) -> None:
    whole = bytes_of(file)
    write(file, whole[:4096] + b"\xff" * (len(whole) - 4096))

    with pytest.raises(SpoiltStateError, match="damaged"):
        await works(store)


def bytes_of(file: Path) -> bytes:
    return file.read_bytes()


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(content)
    file.chmod(0o600)


async def test_nothing_waits_for_ever_on_postgresql(on_postgres: Store) -> None:
    def limits(connection: Connection) -> list[str]:
        return [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in ("lock_timeout", "statement_timeout")
        ]

    assert await on_postgres.read(limits) == ["5s", "10s"]


async def test_an_error_shows_no_parameter(store: Store) -> None:
    with pytest.raises(RotatorError) as refused:
        await StoreJournal(store, ManualClock()).begins(
            Deed("billing", "acme", AppId("0oa1"), "cnry_in_a_parameter", NOON.replace(tzinfo=None), "daemon@host")
        )

    assert isinstance(refused.value.__cause__, StatementError)
    assert "cnry_" not in f"{refused.value} {refused.value.__cause__}"


# --- The password and the driver ------------------------------------------------------------------------------


async def test_the_password_is_read_at_each_connection_and_never_told(cluster: Cluster) -> None:
    url = cluster.new_database().replace("rotator@", "guarded@")
    passwords = iter(["the old one", PASSWORD])
    store = Store(url, lambda: SecretValue(next(passwords)))

    with pytest.raises(StateError, match="password authentication failed") as refused:
        await store.open()

    assert "the old one" not in f"{refused.value} {refused.value.__cause__!r} {store.name}"
    assert await works(store)
    await store.aclose()


async def test_a_password_that_cannot_be_read_is_told_as_such(cluster: Cluster) -> None:
    def unreadable() -> SecretValue:
        raise ConfigError(["file /run/password cannot be read: gone"])

    store = Store(cluster.url("any", "guarded"), unreadable)

    with pytest.raises(ConfigError, match="file /run/password cannot be read"):
        await store.open()

    await store.aclose()


def test_without_its_driver_postgresql_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ConfigError, match=r"pip install 'rotator\[postgres\]'"):
        Store("postgresql://db/rotator")


# --- The file -------------------------------------------------------------------------------------------------


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directory_and_file_are_ours_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        DatabaseFile(file).make()
    finally:
        os.umask(before)

    assert (permissions(file.parent), permissions(file)) == (0o700, 0o600)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_directory_open_to_others_is_refused(file: Path, mode: int) -> None:
    file.parent.mkdir()
    file.parent.chmod(mode)

    with pytest.raises(ConfigError, match=f"{file.parent}: must be yours alone; run `chmod 700`"):
        DatabaseFile(file).make()

    assert names_in(file.parent) == []


@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_file_open_to_others_is_refused(file: Path, mode: int) -> None:
    DatabaseFile(file).make()
    file.chmod(mode)

    with pytest.raises(ConfigError, match=f"{file}: must be yours alone; run `chmod 600`"):
        DatabaseFile(file).make()


@pytest.mark.parametrize("planted", ["link", "dangling link", "second name", "pipe", "directory"])
def test_what_is_no_plain_file_is_refused(file: Path, tmp_path: Path, planted: str) -> None:
    DatabaseFile(file).make()
    precious = tmp_path / "precious"
    if planted == "second name":
        precious.hardlink_to(file)
    else:
        file.unlink()
        plant(planted, file, precious)

    with pytest.raises(ConfigError, match="must be a plain file with one name"):
        DatabaseFile(file).make()

    assert precious.exists() is (planted in {"link", "second name"})


def plant(what: str, place: Path, precious: Path) -> None:
    if what == "link":
        precious.write_text("precious")
    if "link" in what:
        place.symlink_to(precious)
    elif what == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()


def test_a_link_in_place_of_the_directory_is_refused(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    file.parent.symlink_to(elsewhere)

    with pytest.raises(StateError, match="cannot be made"):
        DatabaseFile(file).make()

    assert names_in(elsewhere) == []


@pytest.mark.parametrize(("kind", "refused"), [("nfs4", True), ("cifs", True), ("ext4", False), ("tmpfs", False)])
def test_a_network_file_system_is_refused(file: Path, tmp_path: Path, kind: str, refused: bool) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        f"27 1 {os.major(device)}:{os.minor(device)} / / rw,relatime shared:1 - {kind} server:/home rw\n"
    )
    database = DatabaseFile(file, mounts=mounts)

    if refused:
        with pytest.raises(ConfigError, match=rf"is on a network file system \({kind}\); name a local one"):
            database.make()
    else:
        database.make()
    assert file.exists() is not refused


def test_where_the_kernel_tells_no_mounts_the_file_is_taken(file: Path, tmp_path: Path) -> None:
    DatabaseFile(file, mounts=tmp_path / "nothing").make()

    assert file.exists()
