"""The state file: one owner, one schema, no half commits."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_host.database import (
    Database,
    StateInUse,
    StateTooNew,
    StateUnreadable,
    WriteConflict,
    from_us,
    migrate,
    migrations,
    to_us,
)
from local_host.queries import DIRECTORY, statements

INSTANCE = (1, "i1", "e1", "Enrol", "", "Running", None, None, None, 10, 10, None, None, None)
INSERT = statements("turn.sql")["insert_instance"]


def described(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Every table and index with its columns' declarations, spaces aside."""
    found = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
    return [(kind, name, " ".join(sql.split())) for kind, name, sql in found]


def test_the_schema_equals_the_sum_of_its_migrations():
    """A new file made by the migrations has exactly the tables that schema.sql describes."""
    migrated, described_whole = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
    migrate(migrated, "memory")
    described_whole.executescript(_without_comments((DIRECTORY / "schema.sql").read_text()))
    assert described(migrated) == described(described_whole)


def _without_comments(script: str) -> str:
    import re

    return re.sub(r"--[^\n]*", "", script)


def test_migrations_are_numbered_without_gaps():
    """Version n is reached by migration n."""
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_new_file_and_its_log_are_its_owners_alone(tmp_path: Path):
    """State holds what callers sent: nobody else on the machine reads it, whatever the umask."""
    before = os.umask(0)
    try:
        database = Database(tmp_path / "state.db")
        with database.transaction():
            database.write(INSERT, [INSTANCE])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert {"state.db", "state.db-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_a_file_can_be_reopened_with_what_was_committed(tmp_path: Path):
    """What one host committed the next one finds, and the schema is not applied twice."""
    first = Database(tmp_path / "state.db")
    with first.transaction():
        first.write(INSERT, [INSTANCE])
    first.close()
    second = Database(tmp_path / "state.db")
    assert second.row(statements("turn.sql")["instance_by_id"], ("i1",))[:3] == (1, "i1", "e1")
    second.close()


def test_two_hosts_cannot_open_one_state(tmp_path: Path):
    """The second is refused with its own error, and the first is not disturbed."""
    first = Database(tmp_path / "state.db")
    with pytest.raises(StateInUse, match="Another host"):
        Database(tmp_path / "state.db")
    with first.transaction():
        first.write(INSERT, [INSTANCE])
    first.close()
    Database(tmp_path / "state.db").close()


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path):
    """A file of a version that this program does not know is not touched."""
    path = tmp_path / "state.db"
    Database(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StateTooNew, match="99"):
        Database(path)
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (99,)
    raw.close()


@pytest.mark.parametrize("content", [b"this is not a database file, whatever its name says" * 40])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes):
    """Somebody else's file gives a sentence, not a stack trace, and survives."""
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(StateUnreadable):
        Database(path)
    assert path.read_bytes() == content


def test_a_directory_that_is_missing_is_refused(tmp_path: Path):
    """The directory is the caller's to make."""
    with pytest.raises(StateUnreadable):
        Database(tmp_path / "missing" / "state.db")


def test_the_seam_is_called_around_every_commit(tmp_path: Path):
    """ "before" precedes the commit and can prevent it; "after" follows it."""
    moments: list[str] = []
    database = Database(tmp_path / "state.db", on_commit=moments.append)
    with database.transaction():
        database.write(INSERT, [INSTANCE])
    assert moments == ["before", "after"]
    database.close()


def test_a_fault_before_the_commit_keeps_nothing(tmp_path: Path):
    """An exception at "before" rolls the transaction back, and the next one works."""
    faults = [True]

    def fail(moment: str) -> None:
        if moment == "before" and faults:
            faults.pop()
            raise OSError("disk gone")

    database = Database(tmp_path / "state.db", on_commit=fail)
    with pytest.raises(OSError), database.transaction():
        database.write(INSERT, [INSTANCE])
    assert database.rows("SELECT * FROM instance") == []
    with database.transaction():
        database.write(INSERT, [INSTANCE])
    assert len(database.rows("SELECT * FROM instance")) == 1
    database.close()


def test_a_guarded_write_that_finds_no_row_is_an_error(tmp_path: Path):
    """Updating an instance that is over, or another execution, raises and keeps nothing."""
    database = Database(tmp_path / "state.db")
    with database.transaction():
        database.write(INSERT, [INSTANCE])
    with pytest.raises(WriteConflict), database.transaction():
        database.write_each(
            statements("turn.sql")["update_instance"], [("Running", None, None, 11, 1, "other")]
        )
    database.close()


BAD = {
    "an instance id that looks like an entity": "UPDATE instance SET instance_id = '@x'",
    "an unknown status": "UPDATE instance SET status = 'Sleeping'",
    "an outcome while running": "UPDATE instance SET output = '1'",
    "half a parent": "UPDATE instance SET parent_task_id = 3",
    "updated before created": "UPDATE instance SET updated_us = 1",
    "history that is not JSON": "INSERT INTO history VALUES (1, 0, 'nonsense')",
    "history of nobody": "INSERT INTO history VALUES (7, 0, '[]')",
    "two pieces in one place": "INSERT INTO history VALUES (1, 5, '[]'), (1, 5, '[]')",
    "a message to nobody": "INSERT INTO inbox VALUES (1, 7, NULL, '{}')",
    "a lease without an owner": "INSERT INTO activity VALUES (1, 1, 0, 'a', NULL, NULL, 5)",
    "two activities for one task": "INSERT INTO activity VALUES (1,1,0,'a','1',NULL,NULL), (2,1,0,'a','1',NULL,NULL)",
    "a text for a time": "INSERT INTO timer VALUES (1, 0, 'soon')",
    "an entity without a name": "INSERT INTO entity VALUES (1, '@@k', NULL, 1, 1)",
    "a call without a caller": "INSERT INTO operation VALUES (1, '@a@k', 'get', NULL, 'r', NULL, NULL)",
}


@pytest.mark.parametrize("statement", BAD.values(), ids=BAD.keys())
def test_the_schema_refuses_bad_states(statement: str):
    """The database itself refuses what must never be stored."""
    database = Database(":memory:")
    with database.transaction():
        database.write(INSERT, [INSTANCE])
    with pytest.raises(sqlite3.IntegrityError), database.transaction():
        database.write(statement, [()])
    database.close()


def test_deleting_an_instance_takes_everything_of_it(tmp_path: Path):
    """History, messages, activities and timers go with their instance."""
    database = Database(tmp_path / "state.db")
    with database.transaction():
        database.write(INSERT, [INSTANCE])
        for statement in (
            "INSERT INTO history VALUES (1, 0, '[]')",
            "INSERT INTO inbox VALUES (1, 1, NULL, '{}')",
            "INSERT INTO activity VALUES (1, 1, 0, 'a', NULL, NULL, NULL)",
            "INSERT INTO timer VALUES (1, 1, 5)",
        ):
            database.write(statement, [()])
    with database.transaction():
        database.write(statements("turn.sql")["delete_instance"], [(1,)])
    for table in ("instance", "history", "inbox", "activity", "timer"):
        assert database.rows(f"SELECT * FROM {table}") == []
    database.close()


def test_timer_trigger_times_are_kept_exactly():
    """Occurrences come back to the microsecond; an unknown name is None."""
    database = Database(":memory:")
    last, following = (
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 5, tzinfo=UTC),
    )
    assert database.read_timer_trigger("flush") is None
    database.write_timer_trigger("flush", None, following)
    database.write_timer_trigger("flush", last, following)
    assert database.read_timer_trigger("flush") == (last, following)
    assert from_us(to_us(last)) == last
    database.close()
