"""The KvStore port, kept by the fake, by the adapter against the sandbox, and by the adapter against a real server."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import ConflictError
from rotator.sandbox.world import Sandbox
from tests.contract.vault_people import VaultPeople
from tests.fakes.okta import ManualClock
from tests.fakes.vault import FakeKv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from rotator.ports import KvStore
    from tests.dev_vault import RealVault

FIRST = SecretFields({"client_secret": "the first", "client_id": "0oa1"})
SECOND = SecretFields({"client_secret": "the second", "client_id": "0oa1"})


class People(Protocol):
    """What others do to the same keys."""

    def put(self, path: KvPath, fields: Mapping[str, Any]) -> int: ...
    def rollback(self, path: KvPath, to: int) -> int: ...
    def delete(self, path: KvPath, *versions: int) -> None: ...
    def undelete(self, path: KvPath, *versions: int) -> None: ...
    def destroy(self, path: KvPath, *versions: int) -> None: ...
    def delete_metadata(self, path: KvPath) -> None: ...
    def configure(self, path: KvPath, *, max_versions: int = ..., cas_required: bool = ..., delete_version_after: timedelta = ...) -> None: ...  # fmt: skip  # noqa: E501


@dataclass(frozen=True, slots=True)
class World:
    """A store, the people around it, and a path that nobody has used."""

    kv: KvStore
    people: People
    wait: Callable[[timedelta], None]
    path: KvPath


def adapter(address: str, token: str) -> VaultKv:
    connection = VaultConnection(address, TokenAuth(lambda: SecretValue(token)))
    hurry = timedelta(milliseconds=10)
    return VaultKv(connection, SystemClock(), standby_lag=timedelta(milliseconds=100), first_pause=hurry)


def sleep(by: timedelta) -> None:
    time.sleep(by.total_seconds())


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture(params=["fake", "sandbox", pytest.param("real", marks=pytest.mark.real_vault)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    path = KvPath("secret", f"contract/{uuid.uuid4().hex}/okta")
    if request.param == "fake":
        clock = ManualClock()
        fake = FakeKv(clock)
        yield World(fake, fake.by_hand, clock.advance, path)
        return
    wait: Callable[[timedelta], None] = sleep
    if request.param == "sandbox":
        box: Sandbox = request.getfixturevalue("sandbox")
        address, token, wait = box.vault_url, box.vault.settings.root_token, box.clock.advance
    else:
        real: RealVault = request.getfixturevalue("real_vault")
        address, token = real.address, real.token
    kv, people = adapter(address, token), VaultPeople(address, token)
    yield World(kv, people, wait, path)
    await kv.aclose()
    people.close()


async def content(world: World, version: int | None = None) -> Mapping[str, Any] | None:
    held = await world.kv.read(world.path, version)
    return None if held is None else held.fields


# --- reading and writing --------------------------------------------------------------------------------------


async def test_where_nothing_was_ever_written_there_is_nothing(world: World) -> None:
    assert await world.kv.read_metadata(world.path) is None
    assert await world.kv.read(world.path) is None
    assert await world.kv.read(world.path, 1) is None


async def test_the_first_write_is_version_1(world: World) -> None:
    assert await world.kv.write(world.path, FIRST, cas=0) == 1

    held = await world.kv.read(world.path)
    assert held is not None
    assert held.number == 1
    assert held.fields == FIRST


async def test_the_latest_version_is_read_and_an_older_one_by_its_number(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    assert await world.kv.write(world.path, SECOND, cas=1) == 2

    assert await content(world) == SECOND
    assert await content(world, 2) == SECOND
    assert await content(world, 1) == FIRST
    assert await content(world, 3) is None


async def test_metadata_name_every_version_and_the_counter(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, SECOND, cas=1)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.current == 2
    assert list(metadata.versions) == [1, 2]
    assert all(not version.deleted and not version.destroyed for version in metadata.versions.values())
    assert not metadata.cas_required
    assert metadata.delete_version_after == timedelta()


async def test_times_are_aware_in_utc_and_the_same_in_version_and_metadata(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)

    held, metadata = await world.kv.read(world.path), await world.kv.read_metadata(world.path)
    assert held is not None
    assert metadata is not None
    assert held.created.tzinfo is UTC
    assert held.created == metadata.versions[1].created


async def test_other_peoples_fields_come_back_as_they_are(world: World) -> None:
    fields = {
        "client_id": "0oa1",
        "nested": {"list": [1, 2.5, None, True, {"deep": "ünïcode ☃ \u2028"}], "empty": {}},
        "big": 2**53,  # Vault itself keeps no longer one: numbers are floats to it
        "none": None,
        "": "a key may be empty",
        "with space/and#odd?": 'a\nb\t\\"',
    }
    await world.kv.write(world.path, SecretFields(fields), cas=0)

    assert await content(world) == fields


# --- compare and set --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cas", [0, 1, 3, 99])
async def test_a_write_that_expects_another_version_conflicts_and_changes_nothing(world: World, cas: int) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, FIRST, cas=1)

    with pytest.raises(ConflictError):
        await world.kv.write(world.path, SECOND, cas=cas)

    assert await content(world) == FIRST
    assert await content(world, 3) is None


async def test_a_first_write_that_expects_a_version_conflicts(world: World) -> None:
    with pytest.raises(ConflictError):
        await world.kv.write(world.path, FIRST, cas=1)

    assert await world.kv.read_metadata(world.path) is None


async def test_the_same_write_repeated_applies_once(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    with pytest.raises(ConflictError):
        await world.kv.write(world.path, FIRST, cas=0)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.current == 1


async def test_of_two_writers_at_once_one_wins(world: World) -> None:
    outcomes = await asyncio.gather(
        world.kv.write(world.path, FIRST, cas=0), world.kv.write(world.path, SECOND, cas=0), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)] == [ConflictError]
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [1]
    assert await content(world) == (FIRST if outcomes[0] == 1 else SECOND)


async def test_a_key_that_requires_cas_takes_our_writes(world: World) -> None:
    world.people.configure(world.path, cas_required=True)

    assert await world.kv.write(world.path, FIRST, cas=0) == 1
    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.cas_required


# --- what people do -----------------------------------------------------------------------------------------------


async def test_what_a_person_wrote_is_read(world: World) -> None:
    world.people.put(world.path, {"client_secret": "by hand"})

    assert await content(world) == {"client_secret": "by hand"}
    assert await world.kv.write(world.path, FIRST, cas=1) == 2


async def test_a_rollback_is_a_new_version_with_old_content(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, SECOND, cas=1)
    world.people.rollback(world.path, 1)

    held = await world.kv.read(world.path)
    assert held is not None
    assert held.number == 3
    assert held.fields == FIRST


async def test_a_soft_delete_hides_the_version_and_leaves_the_counter(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, SECOND, cas=1)
    world.people.delete(world.path)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.current == 2
    assert [(v.number, v.deleted, v.destroyed) for v in metadata.versions.values()] == [
        (1, False, False),
        (2, True, False),
    ]
    assert await content(world) is None
    assert await content(world, 2) is None
    assert await content(world, 1) == FIRST


@pytest.mark.parametrize("act", ["delete", "destroy"])
async def test_after_a_removal_cas_is_still_the_counter(world: World, act: str) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    getattr(world.people, act)(world.path, 1)

    with pytest.raises(ConflictError):
        await world.kv.write(world.path, SECOND, cas=0)
    assert await world.kv.write(world.path, SECOND, cas=1) == 2


async def test_an_undelete_brings_the_version_back(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    world.people.delete(world.path, 1)
    assert await content(world) is None
    world.people.undelete(world.path, 1)

    assert await content(world) == FIRST


async def test_deleted_metadata_take_everything_and_the_counter_starts_anew(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, SECOND, cas=1)
    world.people.delete_metadata(world.path)

    assert await world.kv.read_metadata(world.path) is None
    assert await content(world) is None
    assert await world.kv.write(world.path, FIRST, cas=0) == 1
    assert await content(world) == FIRST


async def test_a_key_with_settings_and_no_version_has_the_counter_0(world: World) -> None:
    world.people.configure(world.path, max_versions=5)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert (metadata.current, dict(metadata.versions), metadata.max_versions) == (0, {}, 5)
    assert await content(world) is None
    assert await world.kv.write(world.path, FIRST, cas=0) == 1


# --- destruction ----------------------------------------------------------------------------------------------------


async def test_destruction_is_final(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.write(world.path, SECOND, cas=1)
    await world.kv.destroy(world.path, [1])
    world.people.undelete(world.path, 1)

    assert await content(world, 1) is None
    assert await content(world) == SECOND
    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.versions[1].deleted
    assert metadata.versions[1].destroyed
    assert not metadata.versions[2].deleted


async def test_destroying_the_latest_version_leaves_nothing_to_read(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.destroy(world.path, [1])

    assert await content(world) is None
    assert await content(world, 1) is None


async def test_a_soft_deleted_version_can_be_destroyed(world: World) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    world.people.delete(world.path, 1)
    await world.kv.destroy(world.path, [1])
    world.people.undelete(world.path, 1)

    assert await content(world) is None


@pytest.mark.parametrize("versions", [(), (1,), (1, 1), (7,), (1, 2, 9)])
async def test_destroying_what_is_gone_or_never_was_is_done_already(world: World, versions: tuple[int, ...]) -> None:
    await world.kv.write(world.path, FIRST, cas=0)
    await world.kv.destroy(world.path, [1])

    await world.kv.destroy(world.path, versions)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.current == 1


async def test_destroying_versions_of_an_absent_key_makes_none(world: World) -> None:
    await world.kv.destroy(world.path, [1, 2])

    assert await world.kv.read_metadata(world.path) is None


# --- versions that leave by themselves ----------------------------------------------------------------------------


async def test_ten_versions_are_kept(world: World) -> None:
    for number in range(12):
        await world.kv.write(world.path, SecretFields({"n": number + 1}), cas=number)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.current == 12
    assert list(metadata.versions) == list(range(3, 13))
    assert await content(world, 2) is None
    assert await content(world, 3) == {"n": 3}


async def test_a_key_may_keep_fewer(world: World) -> None:
    world.people.configure(world.path, max_versions=2)
    for number in range(4):
        await world.kv.write(world.path, SecretFields({"n": number + 1}), cas=number)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.max_versions == 2
    assert list(metadata.versions) == [3, 4]


async def test_a_version_that_is_to_delete_itself_is_there_until_then(world: World) -> None:
    world.people.configure(world.path, delete_version_after=timedelta(hours=2))
    await world.kv.write(world.path, FIRST, cas=0)

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.delete_version_after == timedelta(hours=2)
    assert not metadata.versions[1].deleted
    assert await content(world) == FIRST


async def test_a_version_deletes_itself_when_its_time_has_come(world: World) -> None:
    world.people.configure(world.path, delete_version_after=timedelta(seconds=1))
    await world.kv.write(world.path, FIRST, cas=0)
    world.wait(timedelta(seconds=1.1))

    metadata = await world.kv.read_metadata(world.path)
    assert metadata is not None
    assert metadata.versions[1].deleted
    assert not metadata.versions[1].destroyed
    assert await content(world) is None


# --- the fake alone ---------------------------------------------------------------------------------------------------


def test_the_fake_never_suspends() -> None:
    kv, path = FakeKv(ManualClock()), KvPath("kv", "a")
    calls = [kv.write(path, FIRST, cas=0), kv.read(path), kv.read_metadata(path), kv.destroy(path, [1])]

    for call in calls:
        with pytest.raises(StopIteration):
            call.send(None)


def test_the_fake_takes_its_time_from_the_clock() -> None:
    clock = ManualClock(datetime(2030, 1, 2, tzinfo=UTC))
    kv, path = FakeKv(clock), KvPath("kv", "a")
    kv.by_hand.put(path, {"a": "b"})

    assert kv.keys[path].versions[1].created == datetime(2030, 1, 2, tzinfo=UTC)
