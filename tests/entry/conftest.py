"""A place to run the command in, with nothing of the tester's own environment, and the log put back afterwards."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog

from rotator.sandbox.world import Sandbox
from tests.entry.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VENDORS = ("OKTA_", "VAULT_", "ROTATOR_", "XDG_", "STATE_DIRECTORY", "RUNTIME_DIRECTORY")


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith(VENDORS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    top = logging.getLogger()
    handlers, level = top.handlers, top.level
    yield
    logging.captureWarnings(capture=False)
    top.handlers = handlers
    top.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def site(box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: None) -> Site:
    return Site(box, tmp_path, capsys)
