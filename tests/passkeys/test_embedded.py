"""The embedded store's own promises: one commit a turn, crashes, two processes, foreign files."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from passkeys.embedded import LIST_PAGE, SCHEMA_VERSION, EmbeddedStore
from passkeys.errors import AlreadyExists, StoreDamaged, StoreUnavailable
from tests.passkeys.stores import Faults


async def test_writes_of_one_turn_share_a_commit(tmp_path: Path) -> None:
    """Twenty writes asked for at once are one flush to disk, also when one of them is refused."""
    faults = Faults()
    store = EmbeddedStore(tmp_path, on_commit=faults.on_commit)
    told = await asyncio.gather(
        *(store.create(f"usage/a/{number % 19}", b"") for number in range(20)), return_exceptions=True
    )
    assert faults.writes == 1
    assert [type(answer) for answer in told].count(AlreadyExists) == 1
    await store.create("usage/b", b"")
    assert faults.writes == 2
    store.close()


async def test_a_commit_that_fails_fails_everybody_in_it(tmp_path: Path) -> None:
    """Nobody is told of a write that was rolled back with another's."""
    store = EmbeddedStore(tmp_path, on_commit=Faults(at=1).on_commit)
    told = await asyncio.gather(
        *(store.create(f"usage/a/{n}", b"") for n in range(5)), return_exceptions=True
    )
    assert all(isinstance(answer, StoreUnavailable) for answer in told)
    assert [name async for name in store.list("")] == []
    store.close()


async def test_a_list_looks_at_nothing_but_what_it_gives(tmp_path: Path) -> None:
    """However many documents stand before the prefix or behind it: its cost is no way to learn how many there are."""
    steps = []
    for others in (0, 2000):
        store = EmbeddedStore(tmp_path / str(others))
        made = [f"usage/{where}/{number}" for where in "ac" for number in range(others)]
        await asyncio.gather(*(store.create(name, b"") for name in [*made, "usage/b/1", "usage/b/2"]))
        for prefix, found in (
            ("usage/b/", ["usage/b/1", "usage/b/2"]),
            ("usage/b/2", ["usage/b/2"]),
            ("usage/b/3", []),
        ):
            counted = [0]
            store._connection.set_progress_handler(lambda counted=counted: counted.append(0), 1)
            assert [name async for name in store.list(prefix)] == found
            store._connection.set_progress_handler(None, 0)
            steps.append((prefix, len(counted)))
        store.close()
    for (_, few), (_, many) in zip(steps[:3], steps[3:], strict=True):
        assert many < few + 20  # of SQLite's steps: a deeper tree, and no document more


@pytest.mark.parametrize("count", [LIST_PAGE - 1, LIST_PAGE, LIST_PAGE + 1, 2 * LIST_PAGE])
async def test_a_list_of_many_pages_misses_none(tmp_path: Path, count: int) -> None:
    """Also where a page ends with the last name, and where one name continues another."""
    store = EmbeddedStore(tmp_path)
    names = sorted("usage/a" + "-" * (number % 90) + f"x{number // 90}" for number in range(count))
    await asyncio.gather(*(store.create(name, b"") for name in names))
    assert [name async for name in store.list("usage/a")] == names
    store.close()


async def test_what_was_written_is_there_when_opened_again(tmp_path: Path) -> None:
    """Documents, etags and ends of append documents survive the process."""
    store = EmbeddedStore(tmp_path)
    etag = await store.create("usage/a", b"1")
    await store.append("audit/log", b"one\n", position=0)
    store.close()
    again = EmbeddedStore(tmp_path)
    assert await again.append("audit/log", b"two\n", position=4) == 8
    assert int(await again.replace("usage/a", b"2", etag=etag)) > int(etag)
    again.close()


async def test_a_torn_append_is_not_read_and_is_cut_off(tmp_path: Path) -> None:
    """Bytes behind the recorded end, as a crash leaves them, count for nothing and stand in nobody's way."""
    store = EmbeddedStore(tmp_path)
    await store.append("audit/00/day.jsonl", b"one\n", position=0)
    with (tmp_path / "audit/00/day.jsonl").open("ab") as file:
        file.write(b'{"half of a longer li')
    document = await store.get("audit/00/day.jsonl")
    assert document is not None
    assert document.data == b"one\n"
    await store.append("audit/00/day.jsonl", b"2\n", position=4)
    assert (tmp_path / "audit/00/day.jsonl").read_bytes() == b"one\n2\n"
    store.close()


async def test_an_append_document_that_lost_bytes_is_damage(tmp_path: Path) -> None:
    """A file shorter than what was written is said so, with what is left of it, and not appended to."""
    store = EmbeddedStore(tmp_path)
    await store.append("audit/log", b"one\ntwo\n", position=0)
    os.truncate(tmp_path / "audit/log", 4)
    with pytest.raises(StoreDamaged) as damaged:
        await store.get("audit/log")
    assert damaged.value.data == b"one\n"
    with pytest.raises(StoreDamaged):
        await store.append("audit/log", b"x", position=8)
    (tmp_path / "audit/log").unlink()
    with pytest.raises(StoreDamaged):
        await store.get("audit/log")
    store.close()


def test_a_newer_store_is_left_alone(tmp_path: Path) -> None:
    """A store of a newer program is not opened, and the message says what to do."""
    EmbeddedStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreDamaged, match="Run the newer program"):
        EmbeddedStore(tmp_path)


def test_a_foreign_file_is_no_store(tmp_path: Path) -> None:
    """A file that is not SQLite's is damage, not an empty store."""
    (tmp_path / "store.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreDamaged):
        EmbeddedStore(tmp_path)


def test_a_directory_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """A file where the directory should be is reported as such."""
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreUnavailable):
        EmbeddedStore(tmp_path / "store")


async def test_a_caller_that_gave_up_disturbs_nobody(tmp_path: Path) -> None:
    """A cancelled caller's write is made or not; the others in its turn are answered."""
    store = EmbeddedStore(tmp_path)
    impatient = asyncio.create_task(store.create("usage/a", b""))
    patient = asyncio.create_task(store.create("usage/b", b""))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient
    store.close()


async def test_close_tells_those_who_wait(tmp_path: Path) -> None:
    """A write that waits when the store is closed is not made, and its caller hears it."""
    store = EmbeddedStore(tmp_path)
    waiting = asyncio.create_task(store.create("usage/a", b""))
    await asyncio.sleep(0)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting


COUNT_UP = """
import asyncio, sys
from pathlib import Path
from passkeys.embedded import EmbeddedStore
from passkeys.errors import Changed, WrongPosition

async def main():
    store = EmbeddedStore(Path(sys.argv[1]))
    end = 0
    for _ in range(int(sys.argv[2])):
        while True:
            document = await store.get("usage/count")
            try:
                await store.replace("usage/count", str(int(document.data) + 1).encode(), etag=document.etag)
                break
            except Changed:
                continue
        while True:
            try:
                end = await store.append("audit/log", b"x" * 8 + b"\\n", position=end)
                break
            except WrongPosition as wrong:
                end = wrong.actual

asyncio.run(main())
"""


async def test_two_processes_lose_nothing_between_them(tmp_path: Path) -> None:
    """Two processes that count up one number and append to one log: both are exact in the end."""
    store = EmbeddedStore(tmp_path)
    await store.create("usage/count", b"0")
    command = [sys.executable, "-c", COUNT_UP, str(tmp_path), "40"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=60)[1] for process in both] == [b"", b""]
    count, log = await store.get("usage/count"), await store.get("audit/log")
    assert count is not None
    assert log is not None
    assert count.data == b"80"
    assert log.data == (b"x" * 8 + b"\n") * 80
    store.close()


DIE_AT_COMMIT = """
import asyncio, os, signal, sys
from pathlib import Path
from passkeys.embedded import EmbeddedStore

commits = 0

def die(moment):
    global commits
    commits += moment == "before"
    if commits == 2 and moment == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    store = EmbeddedStore(Path(sys.argv[1]), on_commit=die)
    await store.create("usage/first", b"1")
    await asyncio.gather(store.create("usage/second", b"2"), store.append("audit/log", b"2", position=0))

asyncio.run(main())
"""


@pytest.mark.parametrize(("moment", "kept"), [("before", False), ("after", True)])
async def test_a_process_killed_at_a_commit_leaves_all_of_it_or_none(
    tmp_path: Path, moment: str, kept: bool
) -> None:
    """SIGKILL at either side of a commit: the turn before is whole, this one is whole or absent."""
    killed = subprocess.run(
        [sys.executable, "-c", DIE_AT_COMMIT, str(tmp_path), moment], check=False, timeout=30
    )
    assert killed.returncode == -signal.SIGKILL
    store = EmbeddedStore(tmp_path)
    assert await store.get("usage/first") is not None
    assert ((await store.get("usage/second") is not None), (await store.get("audit/log") is not None)) == (
        kept,
        kept,
    )
    assert await store.append("audit/log", b"3", position=1 if kept else 0) == (2 if kept else 1)
    store.close()
