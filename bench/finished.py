"""Many finished ceremonies in a state file, made fast: the rows of one that really ran, copied in SQL under new ids."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

STATE_FILE = "host.db"

COUNT_UP = "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < :count)"
TEMPLATE = "SELECT max(id) FROM instance WHERE name = 'authenticate_passkey' AND status = 'Completed'"


def add_finished(state: Path, count: int) -> None:
    """Add `count` copies of the newest completed sign-in, instance and history. The host must be stopped.

    Each copy was created a millisecond before the one before it, so that they spread over a span of time.
    Raises LookupError when there is no completed sign-in to copy.
    """
    database = sqlite3.connect(state / STATE_FILE)
    try:
        with database:
            (template,) = database.execute(TEMPLATE).fetchone()
            if template is None:
                raise LookupError(f"no completed sign-in in {state}: run one first")
            (last,) = database.execute("SELECT max(id) FROM instance").fetchone()
            values = {"count": count, "last": last, "template": template}
            changed = {
                "id": ":last + n",
                "instance_id": "'authentication-' || lower(hex(randomblob(16)))",
                "execution_id": "lower(hex(randomblob(16)))",
                "created_us": "created_us - n * 1000",
            }
            _copy(database, "instance", "id", changed, values)
            _copy(database, "history", "instance", {"instance": ":last + n"}, values)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()
    os.sync()  # or the system would write all this back under the timed runs


def _copy(
    database: sqlite3.Connection, table: str, key: str, changed: dict[str, str], values: dict[str, int]
) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    selected = ", ".join(changed.get(column, column) for column in columns)
    database.execute(
        f"{COUNT_UP} INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {selected} FROM {table}, copy WHERE {table}.{key} = :template",
        values,
    )
