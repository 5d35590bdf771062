"""A place to run the command in, with nothing of the tester's own environment, and the log put back afterwards."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog

from rotator.sandbox.world import Sandbox
from tests.entry.daemon import Daemon
from tests.entry.site import PLENTY, Site
from tests.entry.zygote import Zygote
from tests.postgres import Cluster, cluster_or_skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., Daemon]

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


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture
def run(site: Site, zygote: Zygote) -> Run:
    """Return what starts the daemon at the site, which looks at everybody every second unless told otherwise."""
    site.box.okta.settings.limits = PLENTY  # else it soon waits a minute for the next calls that Okta allows

    def start(argv: list[str], daemon: Daemon) -> object:
        return zygote.run(argv, daemon.log, **daemon.environ)

    return lambda *options: Daemon(site, start, *options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with cluster_or_skip() as cluster:
        yield cluster
