"""The state database itself: how it is opened, brought up to date, pruned, and what it takes, on both engines."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, insert, inspect, select, text

from rotator.adapters.store import Store
from rotator.adapters.store_chronicle import StoreChronicle
from rotator.adapters.store_gate import StoreGate
from rotator.adapters.store_journal import StoreJournal
from rotator.adapters.store_memory import StoreMemory
from rotator.adapters.store_schema import VERSION, audit, metadata, rotation, target
from rotator.adapters.store_service import StoreBrakes, StoreCursors, StoreRoster
from rotator.adapters.store_upgrade import NEWEST, migrations
from rotator.core.admission import Brake, Wish
from rotator.core.agenda import Entry, LastLook, Remembered
from rotator.core.chain import BEGINNING, Whole, verify
from rotator.core.history import Deed, Ended, Place
from rotator.core.model import AppId, ClientId, Policy, Reason
from rotator.core.secret_value import SecretValue
from rotator.core.selection import Member
from rotator.errors import ConfigError, InvariantError, SpoiltStateError, StateError
from tests.fakes.okta import NOON, ManualClock
from tests.fakes.state import admit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

CANARY = "cnryQ7vYw3xZk9Lm2PbT5RjH8sNdF4gC6aE1WqU0abcdefghijklmnopqrstuvwx"
DEED = Deed("billing", "acme", AppId("0oa1"), "Create", NOON, "daemon@host")
DIES = """
import asyncio, os, sys
from sqlalchemy import Engine, event
from rotator.adapters.store import Store

@event.listens_for(Engine, "after_cursor_execute")
def die(connection, cursor, statement, parameters, context, executemany):
    if sys.argv[2] in statement:
        os._exit(9)

asyncio.run(Store(sys.argv[1]).open())
"""


@pytest.fixture
async def store(state_url: str) -> AsyncIterator[Store]:
    store = Store(state_url)
    await store.open()
    yield store
    await store.aclose()


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def bytes_of(store: Store) -> bytes:
    return Path(store.name).read_bytes() if store.on_one_machine else b""


def another_program_s(path: Path) -> None:
    path.parent.chmod(0o700)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE precious (x)")
    path.chmod(0o600)


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def version(connection: Connection) -> str:
    found: str = connection.execute(text(f"SELECT version_num FROM {VERSION}")).scalar_one()
    return found


# --- Opening --------------------------------------------------------------------------------------------------


async def test_the_migrated_tables_are_those_of_the_schema(store: Store) -> None:
    assert await store.read(differences) == []
    assert await store.read(version) == NEWEST


async def test_the_comparison_sees_a_difference(store: Store) -> None:
    await store.write(lambda connection: connection.execute(text("ALTER TABLE rotator_member ADD COLUMN more TEXT")))

    assert len(await store.read(differences)) == 1


async def test_the_newest_migration_is_the_last_one_there_is(store: Store) -> None:
    head = await store.read(lambda at: ScriptDirectory.from_config(migrations(at)).get_current_head())

    assert head == NEWEST


async def test_of_many_who_open_a_new_database_at_once_all_succeed(state_url: str) -> None:
    stores = [Store(state_url) for _ in range(5)]

    await asyncio.gather(*(store.open() for store in stores))

    assert [await store.read(version) for store in stores] == [NEWEST] * 5
    assert await stores[0].read(differences) == []
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize(
    "in_the_middle", ["CREATE TABLE rotator_version", "CREATE TABLE rotator_audit", "INSERT INTO rotator_brake"]
)
async def test_who_was_killed_while_it_migrated_is_followed_by_one_that_finishes(
    state_url: str, in_the_middle: str
) -> None:
    assert run(DIES, state_url, in_the_middle).returncode == 9
    store = Store(state_url)

    await store.open()

    assert await store.read(differences) == []
    assert await StoreBrakes(store).brake()
    await store.aclose()


async def test_a_database_that_is_up_to_date_is_opened_without_the_machinery(state_url: str, store: Store) -> None:
    program = (
        "import asyncio, sys; from rotator.adapters.store import Store; s = Store(sys.argv[1]);"
        "asyncio.run(s.open()); print('alembic' in sys.modules)"
    )

    assert run(program, state_url).stdout == "False\n"


async def test_tables_of_a_newer_release_are_refused_and_left_alone(state_url: str, store: Store) -> None:
    await store.write(lambda at: at.execute(text(f"UPDATE {VERSION} SET version_num = '9999'")))
    older = Store(state_url)

    with pytest.raises(ConfigError, match=r"was made by a newer release; run that, or name another database"):
        await older.open()

    assert await store.read(version) == "9999"
    await older.aclose()


async def test_tables_that_are_gone_are_a_matter_for_a_person(store: Store) -> None:
    await store.write(lambda at: at.execute(text("DROP TABLE rotator_brake")))

    with pytest.raises(SpoiltStateError, match="its tables are not as we left them"):
        await StoreBrakes(store).brake()


async def test_a_lost_database_is_a_new_one_with_its_brake_on(tmp_path: Path) -> None:
    path = tmp_path / "database" / "state.db"
    before = Store(f"sqlite:///{path}")
    await before.open()
    await StoreBrakes(before).release("ops", NOON)
    await StoreMemory(before).remember([Remembered("billing", "digest", NOON, Entry(NOON))])
    await before.aclose()
    path.unlink()

    after = Store(f"sqlite:///{path}")
    await after.open()

    assert await StoreBrakes(after).brake()
    assert await StoreMemory(after).recall() == ()
    await after.aclose()


async def test_what_was_written_is_there_after_a_restart(state_url: str) -> None:
    before = Store(state_url)
    await before.open()
    await StoreBrakes(before).release("ops", NOON)
    await before.aclose()
    after = Store(state_url)

    assert await StoreBrakes(after).brake() is None
    await after.aclose()


async def test_closing_it_twice_does_no_harm(store: Store) -> None:
    await store.aclose()
    await store.aclose()


def drop_steps(connection: Connection) -> None:
    """Take away what was not remembered of a target in former releases."""
    for name in ("step", "step_secret", "step_why", "vault_version"):
        connection.execute(text(f"ALTER TABLE rotator_target DROP COLUMN {name}"))


async def test_what_was_remembered_before_there_were_steps_stays(state_url: str) -> None:
    known = Remembered("billing", "digest", NOON, Entry(NOON), LastLook(NOON, "resting", waiting="next rotation"))
    store = Store(state_url)
    await store.open()
    await StoreMemory(store).remember([known])

    def as_it_was(connection: Connection) -> None:
        drop_steps(connection)
        connection.execute(text(f"UPDATE {VERSION} SET version_num = '0003'"))

    await store.write(as_it_was)
    await store.aclose()
    store = Store(state_url)

    assert await StoreMemory(store).recall() == (known,)
    assert await store.read(differences) == []
    await store.aclose()


async def test_rows_from_before_the_chain_stay_as_they_were_and_the_chain_begins_behind_them(state_url: str) -> None:
    old = {"at": NOON, "target": "billing", "org": "acme", "app_id": "0oa1", "step": "Create", "phase": "begins"}
    old |= {"detail": "", "actor": "daemon@host", "reason": ""}
    names = ", ".join(old)
    values = ", ".join(f":{name}" for name in old)
    store = Store(state_url)
    await store.open()

    def as_it_was(connection: Connection) -> None:
        for name in ("secret_id", "path", "version", "proof", "previous", "hash"):
            connection.execute(text(f"ALTER TABLE rotator_audit DROP COLUMN {name}"))
        for name in ("standing", "channel", "notice"):
            connection.execute(text(f"DROP TABLE rotator_{name}"))
        drop_steps(connection)
        connection.execute(text(f"UPDATE {VERSION} SET version_num = '0001'"))
        connection.execute(text(f"INSERT INTO rotator_audit ({names}) VALUES ({values})"), {**old, "at": str(NOON)})

    await store.write(as_it_was)
    await store.aclose()
    store = Store(state_url)
    await StoreJournal(store, ManualClock()).begins(DEED)
    await StoreJournal(store, ManualClock()).begins(DEED)

    found = verify(await StoreChronicle(store).rows())

    assert isinstance(found, Whole)
    assert (found.unchained, found.rows, found.anchor) == (1, 2, BEGINNING)
    assert await store.read(differences) == []
    await store.aclose()


# --- Transactions ---------------------------------------------------------------------------------------------


async def test_what_is_asked_is_done_in_the_order_of_asking(store: Store) -> None:
    done: list[int] = []

    await asyncio.gather(*(store.write(lambda _, number=number: done.append(number)) for number in range(20)))  # type: ignore[misc]

    assert done == list(range(20))


async def test_what_fails_in_the_middle_leaves_nothing(store: Store) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(rotation), {"target": "a", "policy": "p", "urgent": False, "begun_at": NOON})
        raise ConfigError(["in the middle"])

    with pytest.raises(ConfigError, match="in the middle"):
        await store.write(half)

    assert await store.read(lambda at: at.scalar(select(func.count()).select_from(rotation))) == 0


async def test_many_are_remembered_all_or_none(store: Store) -> None:
    never_text: str = SecretValue(CANARY)  # type: ignore[assignment]
    many = [Remembered(f"target {number}", "digest", NOON, Entry(NOON)) for number in range(100)]

    with pytest.raises(InvariantError):
        await StoreMemory(store).remember([*many, replace(many[0], name="last", settings=never_text)])

    assert await StoreMemory(store).recall() == ()


async def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(InvariantError):
        await StoreBrakes(store).release("ops", NOON.replace(tzinfo=None))


# --- Nothing secret -------------------------------------------------------------------------------------------


async def everything_that_takes_text(store: Store, given: str) -> list[str]:
    """Give it to every port that keeps text; return which took it."""
    journal, memory, roster = StoreJournal(store, ManualClock()), StoreMemory(store), StoreRoster(store)
    gate = StoreGate(store, admit, ManualClock())
    known = Remembered("billing", "digest", NOON, Entry(NOON))
    took = []
    for name, call in {
        "begins": journal.begins(replace(DEED, reason=given)),
        "settings": memory.remember([replace(known, settings=given)]),
        "detail": memory.remember([replace(known, last=LastLook(NOON, "error", given))]),
        "label": roster.note([Member("services", AppId("0oa1"), ClientId("0oa1"), given, NOON)]),
        "cursor": StoreCursors(store, "one").keep("acme", Place(given, NOON)),
        "why": StoreBrakes(store).end_survey(Brake(NOON, given), NOON),
        "wish": gate.ask(Wish(given, Policy(), Reason.EXPIRED, NOON)),
    }.items():
        try:
            await call
        except InvariantError:
            continue
        took.append(name)
    await journal.ended(1, DEED, Ended.DONE, given)
    return took


def all_rows(connection: Connection) -> str:
    names = inspect(connection).get_table_names()
    return "\n".join(str(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in names)


@pytest.mark.parametrize("secret", [True, False])
async def test_a_secret_value_cannot_be_written_anywhere(store: Store, secret: bool) -> None:
    value: str = SecretValue(CANARY) if secret else CANARY  # type: ignore[assignment]

    took = await everything_that_takes_text(store, value)

    assert (took == []) is secret
    kept = await store.read(all_rows)
    assert (CANARY not in kept and CANARY.encode() not in bytes_of(store)) is secret


# --- Pruning --------------------------------------------------------------------------------------------------


async def test_old_rows_are_pruned_and_what_is_under_way_is_kept(store: Store) -> None:
    clock = ManualClock()
    journal, gate = StoreJournal(store, clock), StoreGate(store, admit, clock)
    await journal.begins(DEED)
    for name in ("ended long ago", "under way"):
        await gate.ask(Wish(name, Policy(), Reason.EXPIRED, NOON))
    await gate.ended("ended long ago", good=True)

    clock.advance(timedelta(days=30))
    await prune(journal, gate)
    assert await names_in(store) == (["Create"], ["ended long ago", "under way"])

    clock.advance(timedelta(seconds=1))
    await prune(journal, gate)
    assert await names_in(store) == (["Create"], ["under way"])

    clock.advance(timedelta(days=370))
    await journal.begins(replace(DEED, step="Delete", at=clock.now()))
    await prune(journal, gate)
    assert await names_in(store) == (["Delete"], ["under way"])


async def test_what_is_left_after_pruning_is_a_chain_from_its_oldest_row_on(store: Store) -> None:
    clock = ManualClock()
    journal = StoreJournal(store, clock)
    for hours, step in ((0, "old"), (3, "young"), (-3, "by a slow clock"), (5, "younger")):
        await journal.begins(replace(DEED, step=step, at=NOON + timedelta(hours=hours)))
    before = await StoreChronicle(store).rows()

    clock.advance(timedelta(days=400, hours=1))
    await journal.prune()

    kept = await StoreChronicle(store).rows()
    found = verify(kept)
    assert [row.step for row in kept] == ["young", "by a slow clock", "younger"]
    assert isinstance(found, Whole)
    assert (found.rows, found.anchor) == (3, before[0].hash)


async def test_the_newest_row_is_kept_however_old_so_that_the_chain_goes_on(store: Store) -> None:
    clock = ManualClock()
    journal = StoreJournal(store, clock)
    await journal.begins(DEED)
    await journal.begins(DEED)
    clock.advance(timedelta(days=4000))
    await journal.prune()
    (kept,) = await StoreChronicle(store).rows()

    await journal.begins(DEED)

    assert [row.previous for row in await StoreChronicle(store).rows()] == [kept.previous, kept.hash]


async def prune(journal: StoreJournal, gate: StoreGate) -> None:
    await journal.prune()
    await gate.prune()


async def names_in(store: Store) -> tuple[list[str], list[str]]:
    steps = await store.read(lambda at: at.execute(select(audit.c.step)).scalars().all())
    targets = await store.read(lambda at: at.execute(select(rotation.c.target).order_by("number")).scalars().all())
    return list(steps), list(targets)


async def test_the_number_of_a_pruned_row_never_comes_again(store: Store) -> None:
    clock = ManualClock()
    journal = StoreJournal(store, clock, retention=timedelta(0))
    first = await journal.begins(DEED)
    clock.advance(timedelta(seconds=1))
    await journal.prune()

    assert await journal.begins(DEED) > first


# --- Words of another release ---------------------------------------------------------------------------------


async def test_a_word_of_another_release_costs_a_look_and_nothing_else(store: Store) -> None:
    memory = StoreMemory(store)
    await memory.remember([Remembered("billing", "digest", NOON, Entry(NOON), LastLook(NOON, "resting"))])
    words = {"state": "meditating", "proof_level": "sworn"}
    await store.write(lambda at: at.execute(target.update().values(words)))

    (found,) = await memory.recall()

    assert (found.entry.state.name, found.last) == ("NEW", LastLook(NOON, "resting"))


# --- SQLite ---------------------------------------------------------------------------------------------------


async def test_a_file_is_made_by_opening_and_by_nothing_else(tmp_path: Path) -> None:
    """A second way in, such as the pre-flight's, began a new database where the daemon's file had been moved away."""
    path = tmp_path / "database" / "state.db"
    maker = Store(f"sqlite:///{path}")
    await maker.open()
    await maker.aclose()
    path.rename(tmp_path / "aside")

    other = Store(f"sqlite:///{path}")
    with pytest.raises(StateError, match="is gone, or cannot be opened"):
        await StoreBrakes(other).brake()

    assert not path.exists()
    await other.aclose()


async def test_a_file_keeps_its_last_commit_through_a_power_loss(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/database/state.db")
    await store.open()

    asked = ("journal_mode", "synchronous", "trusted_schema")
    found = await store.read(lambda at: [at.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked])

    assert found == ["truncate", 2, 0]
    await store.aclose()


async def test_reading_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "database" / "state.db"
    store = Store(f"sqlite:///{path}")
    await store.open()

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await StoreBrakes(store).brake()

    await store.aclose()


async def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    another_program_s(path)
    store = Store(f"sqlite:///{path}")

    with pytest.raises(ConfigError, match="holds somebody else's tables; name another file"):
        await store.open()

    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    await store.aclose()


@pytest.mark.parametrize("name", ["a home with spaces", "hömé", "100 sure"])
async def test_a_file_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=0o700)
    store = Store(f"sqlite:///{folder}/state.db")
    await store.open()

    assert await store.read(differences) == []
    await store.aclose()
    assert (folder / "state.db").exists()
