"""Nothing secret lies in a PostgreSQL that several daemons share, and its password is told to nobody."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.entry.conftest import cluster
from tests.leaks.life import Life, LongLived
from tests.postgres import PASSWORD

if TYPE_CHECKING:
    from tests.postgres import Cluster

__all__ = ["cluster"]

pytestmark = pytest.mark.timeout(300)


def test_a_dump_of_the_database_has_nothing_secret(fresh_life: Life, cluster: Cluster) -> None:
    life = fresh_life
    url = cluster.new_database().replace("rotator@", "guarded@")
    life.give("db-password", PASSWORD)
    life.site.extra |= {"state": {"url": url, "password_file": "db-password"}, "engine": "postgres"}
    with life.watched():
        app = life.site.add()
        life.run("resume", "--all")
        with LongLived(life) as daemon:
            daemon.until_ready()
            daemon.until("secret_deleted")
            daemon.stop()
        life.run("audit", "export")
        life.run("status", "--cached")
    life.keep_post()
    dump = subprocess.run(["pg_dump", url.replace("guarded@", "rotator@")], capture_output=True, check=True).stdout
    life.place.file("dump/state.sql").write_bytes(dump)

    assert life.site.holder(app) is app.secrets[-1]
    assert b"rotator_audit" in dump
    assert life.place.leaks(life.scanner) == []
