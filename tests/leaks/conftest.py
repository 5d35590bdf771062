"""One life for all tests of this folder, and the place that it left behind."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.world import Sandbox
from tests.entry.zygote import Zygote
from tests.leaks.course import live
from tests.leaks.life import Life
from tests.leaks.place import Place
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def born(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Have a life that has not begun yet."""
    folder, forks = tmp_path_factory.mktemp("life"), tmp_path_factory.mktemp("forks")
    with Sandbox() as box, receiving() as receiver, Zygote(forks) as zygote:
        life = Life(box, Place(folder), receiver, zygote)
        try:
            yield life
        finally:
            life.close()


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with born(tmp_path_factory) as life:
        live(life)
        yield life


@pytest.fixture
def fresh_life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with born(tmp_path_factory) as life:
        yield life
