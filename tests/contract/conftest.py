"""What the contract tests run against.

A real Vault, where there is one: a running one, or a dev server of our own on loopback. And the Vault adapter before a
sandbox of its own. A PostgreSQL of our own, where it is installed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from rotator.sandbox.vault import VaultSettings
from rotator.sandbox.world import Sandbox
from tests.contract.state_worlds import InDatabase, InMemory, StateWorld
from tests.contract.vault_bench import BEFORE, PATH, TOKEN, Connect, Vault, adapter, leaks
from tests.dev_vault import RealVault, real_or_skip
from tests.postgres import Cluster, cluster_or_skip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from rotator.adapters.vault_kv import VaultKv


@pytest.fixture(scope="session")
def real_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    with real_or_skip(tmp_path_factory.mktemp("vault")) as real:
        yield real


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgres"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database of that kind may be made."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/database/state.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.new_database()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateWorld]:
    """A new state database."""
    world: StateWorld
    if request.param == "memory":
        world = InMemory()
    elif request.param == "sqlite":
        world = InDatabase(f"sqlite:///{tmp_path}/database/state.db")
    else:
        world = InDatabase(request.getfixturevalue("cluster").new_database())
    yield world
    await world.aclose()


@pytest.fixture
def vault_box() -> Iterator[Sandbox]:
    with Sandbox(vault=VaultSettings(root_token=TOKEN)) as box:
        box.vault.put(PATH.mount, PATH.path, BEFORE.reveal())
        yield box


@pytest.fixture
async def connect_vault() -> AsyncIterator[Connect]:
    """Makes adapters, and closes them in the end."""
    made: list[VaultKv] = []

    def make(address: str, **settings: Any) -> VaultKv:
        made.append(adapter(address, **settings))
        return made[-1]

    yield make
    for kv in made:
        await kv.aclose()


@pytest.fixture
async def vault(vault_box: Sandbox, connect_vault: Connect) -> Vault:
    warnings: list[str] = []
    vault = Vault(connect_vault(vault_box.vault_url, warn=warnings.append), vault_box, warnings)
    await vault.read_metadata()  # logged in, mount known: what follows meets the call itself
    return vault


@pytest.fixture
def no_leak_into_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
        logged = "\n".join(f"{record.name} {record.getMessage()} {record.exc_info}" for record in caplog.records)
    assert not leaks(logged)
