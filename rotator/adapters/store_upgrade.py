"""Bringing the tables of a state database up to date when it is opened.

* One process at a time: the others wait, and find it done.
* All in one transaction: killed in the middle, nothing has happened, and the next opening does it again.
* Tables of a newer release are refused, and so is a database that holds somebody else's.
* A database that is up to date costs one statement: the machinery of migrations is not even imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, inspect, select, table

from rotator.adapters.store_engines import READS, limit
from rotator.adapters.store_schema import VERSION
from rotator.adapters.store_sql import in_turn
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

NEWEST = "0004"  # the last migration in `migrations/versions`
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK, _STATEMENT = "60s", "10min"  # another process may be at it, and a table may be large


def bring_up_to_date(engine: Engine, name: str) -> None:
    """Run the migrations that are missing; `ConfigError` where there is no way from what is there."""
    with engine.execution_options(**{READS: True}).begin() as connection:
        if _version(connection) == NEWEST:
            return
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            limit(connection, lock=_LOCK, statement=_STATEMENT)
        in_turn(connection)
        version = _version(connection)
        if version != NEWEST:
            _migrate(connection, version, name)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION)))
    return found


def _migrate(connection: Connection, version: str | None, name: str) -> None:
    from alembic import command  # noqa: PLC0415 -- takes longer than all else here, and is rarely needed
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = migrations(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise ConfigError([f"{name}: was made by a newer release; run that, or name another database by `state.url`"])
    if version is None and connection.dialect.name == "sqlite" and inspect(connection).get_table_names():
        raise ConfigError([f"{name}: holds somebody else's tables; name another file by `state.url`"])
    command.upgrade(config, "head")


def migrations(connection: Connection) -> Config:
    """Return what alembic needs to know, over a connection in whose transaction it works."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
