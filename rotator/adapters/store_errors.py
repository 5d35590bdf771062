"""What SQLAlchemy and the drivers report, in our words. No message has a parameter, a statement or a password in it.

* What may heal by itself is a `StateError`: nobody answers, locked, disk full, read-only, I/O error.
* What a person has to mend first is a `SpoiltStateError`: damaged, not as we left it, no rights.
* What remains is a fault of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rotator.errors import InvariantError, RotatorError, SpoiltStateError, StateError
from rotator.printable import printable
from rotator.redaction import redact_values

if TYPE_CHECKING:
    from collections.abc import Mapping

_AWAY = "Bring it back; nothing is lost meanwhile, the next run goes on from here."
_LOCKED = "Find out who holds it: a backup, or another program that has the file open. The next run tries again."
_ROOM = "Make room; nothing is lost meanwhile, the next run goes on from here."
_WRITABLE = "Make it writable for this account; the next run tries again."
_GONE = "Put it back, or start anew: without a database a new one is made, and only observes until it is released."

# SQLite's own names for what went wrong, by how they begin.
_SQLITE: Mapping[str, tuple[str, str]] = {
    "SQLITE_BUSY": ("is locked by another process", _LOCKED),
    "SQLITE_LOCKED": ("is locked by another process", _LOCKED),
    "SQLITE_FULL": ("cannot be written: the disk is full", _ROOM),
    "SQLITE_READONLY": ("cannot be written: it is read-only", _WRITABLE),
    "SQLITE_CANTOPEN": ("is gone, or cannot be opened", _GONE),
    "SQLITE_IOERR": ("cannot be read or written: I/O error, or no room", _ROOM),
}
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
# PostgreSQL's SQLSTATE, by how it begins.
_POSTGRES: Mapping[str, tuple[str, str]] = {
    "08": ("cannot be reached", _AWAY),
    "57": ("ended the connection or the statement", _AWAY),
    "55P03": ("is locked by another session", "Find out who holds the lock; the next run tries again."),
    "40": ("had to choose between two sessions", "Nothing to do: the next run tries again."),
    "53100": ("cannot be written: the disk is full", _ROOM),
    "53": ("has no room for us: too many connections, or no memory", _AWAY),
    "58": ("cannot be read or written: I/O error", _AWAY),
    "25006": ("cannot be written: it is read-only, as a standby is", "Name the primary, or wait for the failover."),
}
_POSTGRES_FOR_A_PERSON: Mapping[str, str] = {
    "42501": "our role may not do that there; grant it the right to create tables, and to use them",
    "42P07": "it has a table of one of our names already; give the program a database or a schema of its own",
    "3F": "our role has no schema to write to there; create one, and put it into the role's `search_path`",
    "42": "its tables are not as we left them; restore it, or give the program an empty database",
    "XX": "it is damaged; restore it from a backup, or give the program an empty database",
}


def in_our_words(database: str, failure: SQLAlchemyError) -> RotatorError:
    """Return our error for one of SQLAlchemy's; `database` is a name fit to be shown."""
    cause = failure.orig if isinstance(failure, DBAPIError) else None
    if isinstance(name := getattr(cause, "sqlite_errorname", None), str):
        return _from_sqlite(database, name)
    if isinstance(state := getattr(cause, "sqlstate", None), str):
        return _from_postgres(database, state)
    if isinstance(failure, DBAPIError) and type(cause).__name__ in {"OperationalError", "ConnectionTimeout"}:
        # libpq has no code for a connection that did not come about, only words.
        return StateError(f"the state database {database} cannot be reached: {_first_line(cause)}", hint=_AWAY)
    return _ours(database, type(cause or failure).__name__)


def _from_sqlite(database: str, name: str) -> RotatorError:
    for begins, (what, hint) in _SQLITE.items():
        if name.startswith(begins):
            return StateError(f"the state database {database} {what}", hint=hint)
    if name.startswith(_DAMAGED):
        return SpoiltStateError(f"{database}: this is no database, or a damaged one; move it away, a new one is made")
    if name == "SQLITE_ERROR":
        return SpoiltStateError(f"{database}: its tables are not as we left them; move it away, a new one is made")
    return _ours(database, name)


def _from_postgres(database: str, state: str) -> RotatorError:
    for begins, (what, hint) in _POSTGRES.items():
        if state.startswith(begins):
            return StateError(f"the state database {database} {what}", hint=hint)
    for begins, what in _POSTGRES_FOR_A_PERSON.items():
        if state.startswith(begins):
            return SpoiltStateError(f"{database}: {what}")
    return _ours(database, f"SQLSTATE {state}")


def _ours(database: str, name: str) -> RotatorError:
    return InvariantError(f"the state database {database} did not take what we sent ({name})")


def _first_line(cause: object) -> str:
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return printable(redact_values(lines[0] if lines else "no reason given"))[:300]
