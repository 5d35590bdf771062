"""What the contract tests run against.

A real Vault, where there is one: a running one, or a dev server of our own on loopback. And the Vault adapter before a
sandbox of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.vault import VaultSettings
from rotator.sandbox.world import Sandbox
from tests.contract.vault_bench import BEFORE, PATH, TOKEN, Connect, Vault, adapter, leaks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from rotator.adapters.vault_kv import VaultKv

ROOT = "root-of-the-contract-tests"
NONE = "no `bao` or `vault` on PATH, and no ROTATOR_TEST_VAULT_ADDR with ROTATOR_TEST_VAULT_TOKEN"


@dataclass(frozen=True, slots=True)
class RealVault:
    """A server, and a token with all rights."""

    address: str
    token: str


@pytest.fixture(scope="session")
def real_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    address, token = os.environ.get("ROTATOR_TEST_VAULT_ADDR"), os.environ.get("ROTATOR_TEST_VAULT_TOKEN")
    if address and token:
        yield RealVault(address, token)
        return
    program = shutil.which("bao") or shutil.which("vault")
    if program is None:
        pytest.skip(NONE)
    home = tmp_path_factory.mktemp("vault")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    flags = ["-dev", f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [program, "server", *flags], stdout=log, stderr=log, env={"HOME": str(home), "PATH": os.environ["PATH"]}
        )
    try:
        _wait_for(address, server, home)
        yield RealVault(address, ROOT)
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: str, server: subprocess.Popen[bytes], home: Path) -> None:
    """Wait until it is unsealed and its KV engine is mounted."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Vault-Token"] = ROOT
        for _ in range(300):
            assert server.poll() is None, (home / "server.log").read_text()
            with suppress(requests.ConnectionError):
                if session.get(f"{address}/v1/secret/config", timeout=5).ok:
                    return
            time.sleep(0.1)
    raise AssertionError((home / "server.log").read_text())


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
