"""A small world, and the log as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.app.small_world import SmallWorld
from tests.entry.conftest import box, clean, site

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

__all__ = ["box", "clean", "log", "site", "small"]


@pytest.fixture
def small() -> SmallWorld:
    return SmallWorld()


@pytest.fixture
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as events:
        yield events
