"""A place to run the command in, at an org whose rate limits let one run follow the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from tests.entry.conftest import clean, site

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clean", "site"]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(okta=OktaSettings(limits={"apps": 10_000})) as box:
        yield box
