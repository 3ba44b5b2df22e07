"""The state file: one SQLite database that exactly one host has open.

Errors, all children of `DatabaseError`:

    DatabaseError
    ├── StateInUse        another host has the file open
    ├── StateTooNew       a newer program wrote it
    └── StateUnreadable   not a database, damaged, or not writable
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_host.queries import DIRECTORY, statements

MIGRATIONS = DIRECTORY / "migrations"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Each pragma with its reason. They hold for the connection, except journal_mode, which the file remembers.
PRAGMAS = (
    "PRAGMA locking_mode = EXCLUSIVE",  # one host per state; also spares the shared-memory index and its locks
    "PRAGMA journal_mode = WAL",  # a commit is one sequential write and one fsync
    "PRAGMA synchronous = FULL",  # a 202 is a promise: it must outlive the power, not just the process
    "PRAGMA foreign_keys = ON",  # no message, timer or activity without its instance
    "PRAGMA cache_size = -32768",  # 32 MiB: the working set of many thousand running instances
    "PRAGMA wal_autocheckpoint = 4000",  # 16 MiB of log: rarer copying into the file, still a quick start
    "PRAGMA journal_size_limit = 67108864",  # a burst does not leave its log's size behind for ever
    "PRAGMA temp_store = MEMORY",  # sorting a list page needs no file
)


class DatabaseError(Exception):
    """The root of what can be wrong with a state file. `code` is stable; the message says what to do."""

    code = "database_error"


class StateInUse(DatabaseError):
    """Another host has this state open."""

    code = "state_in_use"


class StateTooNew(DatabaseError):
    """The file was written by a newer program, which may keep things there that this one would lose."""

    code = "state_too_new"


class StateUnreadable(DatabaseError):
    """The file is not a state file, is damaged, or cannot be written."""

    code = "state_unreadable"


class WriteConflict(DatabaseError):
    """A guarded write found another row than the one it was computed from; nothing of the turn was kept."""

    code = "write_conflict"


def _nothing(_moment: str) -> None:
    """The fault seam when nobody tests faults."""


def to_us(moment: datetime) -> int:
    """An aware instant as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The aware UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Database:
    """One open state file. Used from one thread, never inside another's transaction.

    `on_commit` is the fault seam: called with "before" and "after" around every COMMIT, so that a test can end the
    process at either side of it.
    """

    def __init__(self, path: Path | str, *, on_commit: Callable[[str], None] = _nothing) -> None:
        """Open or create the file, bring its schema up to date, and hold it until `close`.

        Raises StateInUse, StateTooNew or StateUnreadable.
        """
        self.path = str(path)
        self._on_commit = on_commit
        _create_private(self.path)
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, cached_statements=256
            )
        except sqlite3.Error as error:
            raise StateUnreadable(f"The state file {self.path} cannot be opened: {error}.") from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._connection.close()
            raise _explain(self.path, error) from error
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        for pragma in PRAGMAS:
            self._connection.execute(pragma).fetchall()
        # Takes the exclusive lock now rather than at the first write: a second host must not even begin to serve.
        self._connection.execute("BEGIN EXCLUSIVE")
        try:
            migrate(self._connection, self.path)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file. Later use of this object is an error."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside, or none: commits at the end, rolls back when anything is raised."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._on_commit("before")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._on_commit("after")

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Every row of a query."""
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        found: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
        return found

    def write(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Execute one statement for each row; how many rows it changed in all."""
        if not rows:
            return 0
        return self._connection.executemany(sql, rows).rowcount

    def write_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """As `write`, for a guarded statement that must change exactly one row each. Raises WriteConflict."""
        if rows and self.write(sql, rows) != len(rows):
            raise WriteConflict(
                "A row changed under the host's hands. Is another program writing to the state file?"
            )

    def read_timer_trigger(self, name: str) -> tuple[datetime | None, datetime | None] | None:
        """Last and next occurrence of a timer-triggered function, or None when it never ran here."""
        found = self.row(statements("start.sql")["read_timer_trigger"], (name,))
        if found is None:
            return None
        last_us, next_us = found
        return (
            None if last_us is None else from_us(last_us),
            None if next_us is None else from_us(next_us),
        )

    def write_timer_trigger(self, name: str, last: datetime | None, following: datetime | None) -> None:
        """Remember when a timer-triggered function last ran and is due next. One commit."""
        values = (
            name,
            None if last is None else to_us(last),
            None if following is None else to_us(following),
        )
        with self.transaction():
            self._connection.execute(statements("start.sql")["write_timer_trigger"], values)


def _create_private(path: str) -> None:
    """Make a missing file for its owner alone; SQLite gives its log the mode of the file. Raises StateUnreadable."""
    if path == ":memory:":
        return
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StateUnreadable(
            f"The state file {path} cannot be opened: {error.strerror or error}."
        ) from error


def migrations() -> list[tuple[int, str]]:
    """Number and text of each migration, in order: `0001_first.sql` brings version 0 to version 1."""
    return [(int(path.name[:4]), path.read_text("utf-8")) for path in sorted(MIGRATIONS.glob("[0-9]*.sql"))]


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the schema to the newest version, inside the caller's transaction. Raises StateTooNew."""
    steps = migrations()
    newest = steps[-1][0]
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise StateTooNew(
            f"The state file {path} has version {version}; this program knows versions up to {newest}. "
            "Use the newer program, or another --state directory."
        )
    for number, text in steps:
        if number > version:
            for statement in _split(text):
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {newest:d}")


def _split(script: str) -> Iterable[str]:
    # executescript() would commit the caller's transaction, so that a crash could leave half a migration.
    bare = re.sub(r"--[^\n]*", "", script)
    return (part.strip() for part in bare.split(";") if part.strip())


def _explain(path: str, error: sqlite3.Error) -> DatabaseError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateInUse(
            f"Another host has the state file {path} open. Stop it, or use another --state directory."
        )
    return StateUnreadable(
        f"The state file {path} cannot be used: {error}. Restore it, or use another --state directory."
    )
