"""The embedded store: a directory with one SQLite file, and one plain file for each append document.

Documents live in SQLite, in WAL mode with synchronous=FULL: a write that was answered survives a power cut.
Writes that are asked for in one turn of the event loop share one commit, so a group pays for one flush to
disk. There are no threads: a write is done in the loop, by a callback, when the turn's tasks have all asked.

An append document is a file that an auditor can read with any tool. How much of it counts is in SQLite:
bytes are written and flushed behind the recorded end, then the new end is committed. A crash in between
leaves a torn tail that nobody reads and the next append cuts off. One that is sealed is a file that nobody may write.

Two processes may have the store open at once (the host, and a command beside it): every write holds SQLite's
write lock, appends included. One process uses it from one event loop at a time.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from passkeys.errors import (
    AlreadyExists,
    Changed,
    Sealed,
    StoreDamaged,
    StoreError,
    StoreUnavailable,
    WrongPosition,
)
from passkeys.store import Document, checked_append, checked_name

SCHEMA_VERSION = 1
LIST_PAGE = 500
# Longer than any commit of the other process; a lock held longer than this is reported, not waited for.
BUSY_TIMEOUT_S = 2.0

SCHEMA = """
-- The newest version of each document. etag: the number of the write that made it, never used twice.
CREATE TABLE document (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    data BLOB NOT NULL,
    etag INTEGER NOT NULL CHECK (etag > 0)
) STRICT, WITHOUT ROWID;
-- How many bytes of each append document count.
CREATE TABLE append_document (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    length INTEGER NOT NULL CHECK (length >= 0)
) STRICT, WITHOUT ROWID;
-- The number of the last write. One row.
CREATE TABLE last_write (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    etag INTEGER NOT NULL CHECK (etag >= 0)
) STRICT;
INSERT INTO last_write VALUES (1, 0);
"""

READ = "SELECT data, etag FROM document WHERE name = ?"
CREATE = "INSERT INTO document (name, data, etag) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = "UPDATE document SET data = ?, etag = ? WHERE name = ? AND etag = ?"
DELETE = "DELETE FROM document WHERE name = ?"
# Both kinds of document, one page in order, from :first on. :below is the first name that no longer has the prefix. One
# lower bound: of two, SQLite seeks by the one it likes, and looks at every document from there to the other.
LIST = """
SELECT name FROM document WHERE name >= :first AND name < :below
UNION ALL
SELECT name FROM append_document WHERE name >= :first AND name < :below
ORDER BY name LIMIT :page
"""
READ_LENGTH = "SELECT length FROM append_document WHERE name = ?"
WRITE_LENGTH = (
    "INSERT INTO append_document VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET length = excluded.length"
)
READ_LAST_WRITE = "SELECT etag FROM last_write"
WRITE_LAST_WRITE = "UPDATE last_write SET etag = ?"

# One write that waits for the turn's commit: what to do inside the transaction, and who is told.
Write = tuple[str, Callable[[], Any], "asyncio.Future[Any]"]


def _nothing(moment: str) -> None:
    """Stand in for the fault seam, outside tests."""


class EmbeddedStore:
    """A `Store` in a directory, made if it is not there.

    `on_commit` is called with "before" and "after" around every commit: a test stops the process there, or
    raises. Raises StoreDamaged if the directory holds a newer or a foreign file, StoreUnavailable if it
    cannot be opened.
    """

    def __init__(self, directory: Path, *, on_commit: Callable[[str], None] = _nothing) -> None:
        self._directory = directory
        self._on_commit = on_commit
        self._waiting: list[Write] = []
        self._last_write = 0
        self._connection = _open(directory)

    def close(self) -> None:
        """Close the file. Writes that wait are not made, and their callers are told so."""
        waiting, self._waiting = self._waiting, []
        for name, _, told in waiting:
            _tell(told, StoreUnavailable(name, "the store was closed before the write. Open it and repeat."))
        self._connection.close()

    async def get(self, name: str) -> Document | None:
        """The newest version, or None."""
        try:
            row = self._connection.execute(READ, (checked_name(name),)).fetchone()
            if row is not None:
                return Document(data=row[0], etag=str(row[1]))
            recorded = self._connection.execute(READ_LENGTH, (name,)).fetchone()
            return None if recorded is None else self._read_appended(name, recorded[0])
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(name, error) from error

    async def create(self, name: str, data: bytes) -> str:
        """Write `data` if the name is free."""

        def write() -> str:
            etag = self._next_etag()
            taken = self._connection.execute(READ_LENGTH, (name,)).fetchone() is not None
            if taken or self._connection.execute(CREATE, (name, data, etag)).rowcount == 0:
                raise AlreadyExists(name)
            return str(etag)

        return str(await self._committed(name, write))

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        """Write `data` over the version `etag`."""

        def write() -> str:
            new_etag = self._next_etag()
            if self._connection.execute(REPLACE, (data, new_etag, name, etag)).rowcount == 0:
                raise Changed(name)
            return str(new_etag)

        return str(await self._committed(name, write))

    async def append(self, name: str, data: bytes, *, position: int) -> int:
        """Add `data` at the end, which must be at `position`."""
        checked_append(data)
        return int(await self._committed(name, lambda: self._append(name, data, position)))

    async def seal(self, name: str, *, position: int) -> None:
        """Let an append document grow no more, if it ends at `position`."""
        await self._committed(name, lambda: self._seal(name, position))

    async def list(self, prefix: str) -> AsyncIterator[str]:
        """The names that begin with `prefix`, read a page at a time."""
        first, full = prefix, True
        while full:
            names = self._page(prefix, first)
            for name in names:
                yield name
            full = len(names) == LIST_PAGE
            # Above the last name, and below whatever may follow: no name has a character as low.
            first = names[-1] + "\x01" if names else prefix

    async def delete(self, name: str) -> None:
        """Remove a document, if there is one."""

        def write() -> None:
            if self._connection.execute(READ_LENGTH, (name,)).fetchone() is not None:
                msg = f"{name} is an append document: it cannot be removed."
                raise ValueError(msg)
            self._connection.execute(DELETE, (name,))

        await self._committed(name, write)

    async def appended(self, prefix: str) -> dict[str, tuple[Path, int]]:
        """The append documents whose names begin with `prefix`: the file of each, and how many of its bytes count."""
        found = {}
        async for name in self.list(prefix):
            try:
                recorded = self._connection.execute(READ_LENGTH, (name,)).fetchone()
            except sqlite3.Error as error:
                raise _unavailable(name, error) from error
            if recorded is not None:
                found[name] = (self._directory / name, recorded[0])
        return found

    def unrecorded(self, prefix: str) -> dict[str, int]:
        """Files under `prefix`, a whole directory, by how many bytes of each the store has not recorded.

        A whole file that no append made, or what stands behind an append document's end: the torn tail of a
        crash, which the next append cuts off, or another's hand. Raises StoreUnavailable.
        """
        found = {}
        try:
            # Under the write lock: no append is half done in another process.
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for path in sorted((self._directory / prefix).rglob("*")):
                    name = path.relative_to(self._directory).as_posix()
                    recorded = self._connection.execute(READ_LENGTH, (name,)).fetchone()
                    behind = path.stat().st_size - (recorded[0] if recorded else 0)
                    if path.is_file() and (recorded is None or behind > 0):
                        found[name] = behind
            finally:
                self._connection.rollback()
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(prefix, error) from error
        return found

    def _page(self, prefix: str, first: str) -> tuple[str, ...]:
        # Names are ASCII (see passkeys.store), so DEL ends every prefix.
        bounds = {"first": first, "below": prefix + "\x7f", "page": LIST_PAGE}
        try:
            return tuple(row[0] for row in self._connection.execute(LIST, bounds))
        except sqlite3.Error as error:
            raise _unavailable(prefix, error) from error

    async def _committed(self, name: str, write: Callable[[], Any]) -> Any:
        """What `write` returned, once the commit that holds it is on disk."""
        checked_name(name)
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((name, write, told))
        if len(self._waiting) == 1:
            # call_soon runs after every task that is ready now: those that also write join this commit.
            loop.call_soon(self._flush)
        return await told

    def _flush(self) -> None:
        """Do all that waits in one transaction, and tell each caller what became of its write."""
        writes, self._waiting = self._waiting, []
        results: list[Any] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._last_write = self._connection.execute(READ_LAST_WRITE).fetchone()[0]
            for _, write, _ in writes:
                try:
                    results.append(write())
                except (StoreError, ValueError) as refused:  # this one write said no; the others go on
                    results.append(refused)
            self._connection.execute(WRITE_LAST_WRITE, (self._last_write,))
            self._on_commit("before")
            self._connection.execute("COMMIT")
            self._on_commit("after")
        except Exception as error:  # noqa: BLE001 -- each caller is told; whoever waits must not wait for ever
            # Whether the commit was kept is unknown to us, and therefore to them: that is what Unavailable says.
            with suppress(sqlite3.Error):
                self._connection.rollback()
            results = [_unavailable(name, error) for name, _, _ in writes]
        for (_, _, told), result in zip(writes, results, strict=True):
            _tell(told, result)

    def _next_etag(self) -> int:
        self._last_write += 1
        return self._last_write

    def _append(self, name: str, data: bytes, position: int) -> int:
        """Write behind the recorded end and move it. Holds the write lock, so nobody else moves it meanwhile."""
        is_known = self._at_end(name, position)
        path = self._directory / name
        if is_known and _is_sealed(path):
            raise Sealed(name)
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _cut(descriptor, name, position)
            _write_all(descriptor, data, position)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_directories(path.parent, self._directory)
        self._connection.execute(WRITE_LENGTH, (name, position + len(data)))
        return position + len(data)

    def _seal(self, name: str, position: int) -> None:
        """Take the right to write from the file; it stays taken if the commit fails, and that is what was asked."""
        if not self._at_end(name, position):
            raise WrongPosition(name, position=position, actual=0)
        path = self._directory / name
        if _is_sealed(path):
            return
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            raise StoreDamaged(name, f"is gone where {position} bytes were written.") from error
        try:
            _cut(descriptor, name, position)
            os.fchmod(descriptor, 0o400)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _at_end(self, name: str, position: int) -> bool:
        """Whether there is such an append document, which ends at `position`; or none, and that is 0. Raises WrongPosition."""
        recorded = self._connection.execute(READ_LENGTH, (name,)).fetchone()
        if recorded is not None:
            actual = recorded[0]
        else:
            actual = 0 if self._connection.execute(READ, (name,)).fetchone() is None else -1
        if actual != position:
            raise WrongPosition(name, position=position, actual=actual)
        return recorded is not None

    def _read_appended(self, name: str, length: int) -> Document:
        path = self._directory / name
        try:
            with path.open("rb") as file:
                data = file.read(length)
        except FileNotFoundError:
            data = b""
        if len(data) < length:
            raise StoreDamaged(name, f"has {len(data)} bytes where {length} were written.", data=data)
        return Document(data=data, etag=str(length), appended=True, sealed=_is_sealed(path))


def _open(directory: Path) -> sqlite3.Connection:
    """Connect, and make the tables of a new store. Raises StoreDamaged, StoreUnavailable."""
    path = directory / "store.sqlite"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are begun and ended here, by name
            check_same_thread=False,  # the worker may load the app in another thread than its loop's
        )
    except (sqlite3.Error, OSError) as error:
        raise _unavailable(str(path), error) from error
    try:
        connection.execute(
            "PRAGMA journal_mode = WAL"
        )  # readers and the other process do not wait for a write
        connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut
        _migrate(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise _unavailable(str(path), error) from error
        if isinstance(error, sqlite3.DatabaseError):
            raise StoreDamaged(str(path), f"is not a store ({error}).") from error
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        connection.execute("ROLLBACK")
        raise StoreDamaged(
            str(path),
            f"is of version {version}; this program knows version {SCHEMA_VERSION}.",
            next_step="Run the newer program.",
        )
    if version == 0:
        for statement in SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _is_sealed(path: Path) -> bool:
    """Whether the file is there, and nobody may write it. (Root could all the same: so it is asked, and not tried.)"""
    try:
        return not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    except FileNotFoundError:
        return False


def _cut(descriptor: int, name: str, end: int) -> None:
    """Cut off the torn tail of a crash. Raises StoreDamaged if less than `end` bytes are there."""
    found = os.fstat(descriptor).st_size
    if found < end:
        raise StoreDamaged(name, f"has {found} bytes where {end} were written.")
    os.ftruncate(descriptor, end)


def _write_all(descriptor: int, data: bytes, position: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, position)
        left, position = left[written:], position + written


def _sync_directories(leaf: Path, root: Path) -> None:
    """Make a new file's name as durable as its bytes, up to `root`."""
    for directory in (leaf, *leaf.parents):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if directory == root:
            return


def _unavailable(name: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        name, f"the embedded store did not answer ({error}). Repeat; look at the disk if it stays."
    )


def _tell(told: asyncio.Future[Any], result: object) -> None:
    """Resolve a caller's future, unless the caller was cancelled or its loop is gone."""
    if told.done() or told.get_loop().is_closed():
        return
    if isinstance(result, Exception):
        told.set_exception(result)
    else:
        told.set_result(result)
