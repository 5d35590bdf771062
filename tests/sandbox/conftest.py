"""What the sandbox's Vault tests run against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.world import Sandbox
from tests.dev_vault import RealVault, real_or_skip
from tests.sandbox.vault_stand import AtTheConsole, OverHttp, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def real_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealVault]:
    with real_or_skip(tmp_path_factory.mktemp("vault")) as real:
        yield real


@pytest.fixture(scope="session")
def vault_box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture(params=["emulator", pytest.param("real", marks=pytest.mark.real_vault)])
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """The emulator, and a real server: what holds for one must hold for the other."""
    if request.param == "real":
        real: RealVault = request.getfixturevalue("real_vault")
        stand = Stand(real.address, real.token, OverHttp(real), None)
    else:
        box: Sandbox = request.getfixturevalue("vault_box")
        stand = Stand(box.vault_url, box.vault.settings.root_token, AtTheConsole(box), box.clock)
    yield stand
    stand.close()
