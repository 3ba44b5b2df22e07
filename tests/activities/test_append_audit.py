"""Appending audit entries: once, whatever was kept before; and never over another log's."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.append_audit import append_audit
from passkeys.embedded import EmbeddedStore
from tests.activities.scenes import Json
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import world_of

NAME = "audit/01/2026-01-01.jsonl"


def batch(*entries: str, position: int = 0, ended: Json | None = None) -> Json:
    return {
        "shard": "01",
        "segment": "2026-01-01",
        "position": position,
        "through_seq": len(entries) - 1,
        "entries": list(entries),
        "ended": ended,
    }


async def test_a_batch_is_appended_line_by_line() -> None:
    """One entry a line; the result says where the segment ends now."""
    store = MemoryStore()
    assert await append_audit(world_of(store), batch("one", "two")) == {
        "segment": "2026-01-01",
        "position": 8,
        "through_seq": 1,
    }
    await append_audit(world_of(store), batch("three", position=8))
    assert store.appended == {NAME: b"one\ntwo\nthree\n"}


async def test_appended_again_it_is_there_once() -> None:
    """The same batch, or the same with more behind it, adds only what is missing."""
    store = MemoryStore()
    first = await append_audit(world_of(store), batch("one", "two"))
    assert await append_audit(world_of(store), batch("one", "two")) == first
    await append_audit(world_of(store), batch("one", "two", "three"))
    assert store.appended == {NAME: b"one\ntwo\nthree\n"}


@pytest.mark.parametrize(
    ("there", "position"),
    [(b"other\n", 0), (b"one\nother\n", 0), (b"one\ntwo\nmore\n", 0), (b"", 5), (b"one\n", 9)],
)
async def test_another_logs_entries_are_never_built_upon(there: bytes, position: int) -> None:
    """What this log has not written, or what is gone, is damage: said, and left as it is."""
    store = MemoryStore(appended={NAME: there} if there else {})
    told = await append_audit(world_of(store), batch("one", "two", position=position))
    assert told["shard"] == "01"
    assert "has not written" in told["failed"]
    assert store.appended == ({NAME: there} if there else {})


BEFORE = "audit/01/2025-12-31.jsonl"


async def test_what_has_ended_is_sealed_first() -> None:
    """Where it ends as this log has left it; run again it is no error."""
    store = MemoryStore(appended={BEFORE: b"zero\n"})
    for _ in range(2):
        await append_audit(world_of(store), batch("one", ended={"segment": "2025-12-31", "position": 5}))
    assert (store.sealed, store.appended[NAME]) == ({BEFORE}, b"one\n")


@pytest.mark.parametrize("there", [b"zero\nmore\n", None], ids=["longer", "gone"])
async def test_another_end_is_not_sealed(there: bytes | None) -> None:
    """What this log has not written, or what is gone, is damage: nothing is begun behind it."""
    store = MemoryStore(appended={} if there is None else {BEFORE: there})
    told = await append_audit(world_of(store), batch("one", ended={"segment": "2025-12-31", "position": 5}))
    assert "has not written" in told["failed"]
    assert (store.sealed, NAME in store.appended) == (set(), False)


async def test_a_segment_that_another_has_sealed_is_told_as_a_value() -> None:
    """The other shards go on."""
    store = MemoryStore(appended={NAME: b"one\n"}, sealed={NAME})
    told = await append_audit(world_of(store), batch("two", position=4))
    assert "is sealed, and not by this audit log" in told["failed"]


async def test_a_segment_cut_short_is_told_as_a_value(tmp_path: Path) -> None:
    """An exception would fail the whole flush; the other shards have nothing to do with this one."""
    store = EmbeddedStore(tmp_path)
    await append_audit(world_of(store), batch("one"))
    (tmp_path / NAME).write_bytes(b"")
    told = await append_audit(world_of(store), batch("two", position=4))
    store.close()
    assert told["shard"] == "01"
    assert "has 0 bytes where 4 were written" in told["failed"]


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
async def test_a_fault_while_appending_neither_loses_nor_doubles(kept: bool) -> None:
    """The activity tries again by itself, and every line is there once."""
    store = MemoryStore(Faults(at=1, kept=kept))
    await append_audit(world_of(store), batch("one", "two"))
    assert store.appended == {NAME: b"one\ntwo\n"}
