"""A real Vault for tests, where there is one: a running one, or a dev server of our own on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import requests

from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = "root-of-the-tests"
NONE = "no `bao` or `vault` on PATH, and no ROTATOR_TEST_VAULT_ADDR with ROTATOR_TEST_VAULT_TOKEN"


@dataclass(frozen=True, slots=True)
class RealVault:
    """A server, and a token with all rights."""

    address: str
    token: str


@contextmanager
def real_or_skip(home: Path) -> Iterator[RealVault]:
    """Take the running one that the environment names, or start one; skip where neither can be."""
    address, token = os.environ.get("ROTATOR_TEST_VAULT_ADDR"), os.environ.get("ROTATOR_TEST_VAULT_TOKEN")
    if address and token:
        yield RealVault(address, token)
        return
    with dev_server_or_skip(home) as server:
        yield server


@contextmanager
def dev_server_or_skip(home: Path) -> Iterator[RealVault]:
    """Start a server of our own; skip where there is no program."""
    program = shutil.which("bao") or shutil.which("vault")
    if program is None:
        pytest.skip(NONE)
    port = free_port()
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
