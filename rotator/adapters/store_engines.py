"""The two engines that a state database may run on, as SQLAlchemy reaches them.

* A password is no part of a URL: it is read at each connection, since its file may be replaced.
* Nothing waits for ever: for a lock, a statement, a connection, or a network that swallows everything.
* Statements are never logged, and errors show no parameters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.pool import NullPool

from rotator.adapters.store_file import DatabaseFile
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from rotator.core.secret_value import SecretValue

    Password = Callable[[], SecretValue]

READS = "rotator_reads"  # the option of a transaction that writes nothing
_LOCK, _STATEMENT, _CONNECT = "5s", "10s", 5
# For a transaction alone, so that it works behind a pooler that hands sessions round. In another zone than UTC the
# driver could not read the last times that there are.
_SETTINGS = text(
    "SELECT set_config('lock_timeout', :lock, true), set_config('statement_timeout', :statement, true), "
    "set_config('timezone', 'UTC', true)"
)
_PSYCOPG = {
    "application_name": "rotator",
    "connect_timeout": _CONNECT,
    "tcp_user_timeout": 10_000,  # milliseconds that sent data may go without an answer
    "prepare_threshold": None,  # a pooler may hand the next statement to a session that was not told
}


def sqlite_engine(file: DatabaseFile) -> Engine:
    """Return the engine over a file. Each transaction opens it anew, and so meets the file that is there."""
    engine = create_engine("sqlite://", creator=file.connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def postgres_engine(url: str, password: Password | None) -> Engine:
    """Return the engine for a `postgresql` URL; `ConfigError` where its driver is not installed."""
    wanted = make_url(url).set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(
            wanted,
            connect_args=_PSYCOPG,
            pool_size=1,  # one thread asks
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    except ImportError as absent:
        raise ConfigError(
            ["state.url: PostgreSQL needs a driver that is not installed; run `pip install 'rotator[postgres]'`"]
        ) from absent
    if password is not None:
        event.listen(engine, "do_connect", _giving(password))
    event.listen(engine, "begin", _begin_postgres)
    return engine


def file_at(url: str) -> DatabaseFile | None:
    """Return the file that a `sqlite` URL names; None for another URL."""
    wanted = make_url(url)
    return DatabaseFile(Path(wanted.database or "")) if wanted.get_backend_name() == "sqlite" else None


def shown(url: str) -> str:
    """Return the database's name, fit for a message: a path, or a URL without password and options."""
    wanted = make_url(url)
    if wanted.get_backend_name() == "sqlite":
        return wanted.database or ""
    name = wanted.set(drivername="postgresql", password=None, query={}).render_as_string()
    socket = wanted.query.get("host")
    return f"{name} at {socket}" if socket else name


def limit(connection: Connection, *, lock: str, statement: str) -> None:
    """Set how long this transaction may wait for a lock, and one statement may take (PostgreSQL)."""
    connection.execute(_SETTINGS, {"lock": lock, "statement": statement})


def _begin_sqlite(connection: Connection) -> None:
    # Who reads first and writes then could find that another has written meanwhile, and fail for no fault of ours.
    reads = connection.get_execution_options().get(READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _begin_postgres(connection: Connection) -> None:
    limit(connection, lock=_LOCK, statement=_STATEMENT)


def _giving(password: Password) -> Callable[[Any, Any, Any, dict[str, Any]], None]:
    def give(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["password"] = password().reveal()

    return give
