"""The contract of `passkeys.store.Store`, for every home: one suite, both faults on every write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from passkeys.embedded import EmbeddedStore
from passkeys.errors import AlreadyExists, Changed, StoreUnavailable, WrongPosition
from passkeys.store import MAX_NAME, Store, checked_name
from tests.passkeys.stores import Faults, MemoryStore


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture(params=["memory", "embedded"])
def store(request: pytest.FixtureRequest, tmp_path: Path, faults: Faults) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(faults=faults)
        return
    embedded = EmbeddedStore(tmp_path / "store", on_commit=faults.on_commit)
    yield embedded
    embedded.close()


async def data_of(store: Store, name: str) -> bytes | None:
    document = await store.get(name)
    return None if document is None else document.data


async def test_a_document_that_was_never_written_is_none(store: Store) -> None:
    """`get` of an unknown name is None, not an error."""
    assert await store.get("credentials/none.json") is None


@pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff" * 200_000], ids=["empty", "small", "large"])
async def test_what_was_created_is_read_back(store: Store, data: bytes) -> None:
    """`create` keeps every byte, of no bytes and of many."""
    etag = await store.create("a/b.json", data)
    document = await store.get("a/b.json")
    assert document is not None
    assert (document.data, document.etag) == (data, etag)


async def test_a_name_is_created_once(store: Store) -> None:
    """The second `create` is told AlreadyExists and changes nothing."""
    await store.create("a", b"first")
    with pytest.raises(AlreadyExists):
        await store.create("a", b"second")
    assert await data_of(store, "a") == b"first"


async def test_replace_needs_the_newest_etag(store: Store) -> None:
    """`replace` with the newest etag succeeds and gives a new one; with an older one it is told Changed."""
    first = await store.create("a", b"1")
    second = await store.replace("a", b"2", etag=first)
    assert second != first
    with pytest.raises(Changed):
        await store.replace("a", b"3", etag=first)
    assert await data_of(store, "a") == b"2"


async def test_replace_of_what_is_not_there_is_changed(store: Store) -> None:
    """There is no version to replace."""
    with pytest.raises(Changed):
        await store.replace("a", b"1", etag="1")
    assert await store.get("a") is None


async def test_an_etag_dies_with_its_document(store: Store) -> None:
    """Deleted and created again, a document has another etag: nobody overwrites what they never read."""
    etag = await store.create("a", b"1")
    await store.delete("a")
    await store.create("a", b"1")
    with pytest.raises(Changed):
        await store.replace("a", b"2", etag=etag)


async def test_delete_of_nothing_is_no_error(store: Store) -> None:
    """Deleting twice is deleting once."""
    await store.create("a", b"1")
    await store.delete("a")
    await store.delete("a")
    assert await store.get("a") is None


async def test_append_adds_at_the_end_alone(store: Store) -> None:
    """`append` returns the new end; a position that is not the end is told where it is, and adds nothing."""
    assert await store.append("audit/00/x.jsonl", b"one\n", position=0) == 4
    assert await store.append("audit/00/x.jsonl", b"two\n", position=4) == 8
    for position in (0, 4, 9):
        with pytest.raises(WrongPosition) as wrong:
            await store.append("audit/00/x.jsonl", b"no\n", position=position)
        assert wrong.value.actual == 8
    assert await data_of(store, "audit/00/x.jsonl") == b"one\ntwo\n"


async def test_append_to_nothing_begins_at_zero(store: Store) -> None:
    """A new append document begins at 0; another position is wrong, and makes none."""
    with pytest.raises(WrongPosition) as wrong:
        await store.append("audit/x", b"no", position=5)
    assert wrong.value.actual == 0
    assert await store.get("audit/x") is None


async def test_a_name_is_a_document_or_an_append_document_for_life(store: Store) -> None:
    """The two kinds do not mix under one name, and an append document cannot be removed."""
    await store.append("log", b"x", position=0)
    with pytest.raises(AlreadyExists):
        await store.create("log", b"y")
    with pytest.raises(ValueError, match="append document"):
        await store.delete("log")
    await store.create("plain", b"x")
    with pytest.raises(WrongPosition):
        await store.append("plain", b"y", position=0)
    assert (await data_of(store, "log"), await data_of(store, "plain")) == (b"x", b"x")


async def test_list_gives_every_name_with_the_prefix_in_order(store: Store) -> None:
    """Both kinds, in order, beyond one page, and not the neighbours of the prefix."""
    names = [f"people/ada/{number:04d}.json" for number in range(1203)]
    await asyncio.gather(*(store.create(name, b"") for name in reversed(names)))
    await asyncio.gather(
        *(store.create(name, b"") for name in ("people/ada.json", "people/adam/1", "people/ad", "peoplf"))
    )
    await store.append("people/ada/log", b"x", position=0)
    assert [name async for name in store.list("people/ada/")] == [*names, "people/ada/log"]
    assert [name async for name in store.list("nobody")] == []
    assert len([name async for name in store.list("")]) == len(names) + 5


BAD_NAMES = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "..",
    "a/../b",
    ".",
    "a/./b",
    "a b",
    "a\\b",
    "ä",
    "a\n",
    "a" * 201,
    "a/" * MAX_NAME + "a",
    "a:b",
    "a?b",
    "a#b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_that_some_home_cannot_keep_is_refused_by_all(store: Store, name: str) -> None:
    """Names are checked before anything is touched, so that no id from outside can climb out of the store."""
    with pytest.raises(ValueError, match="cannot name a document"):
        checked_name(name)
    for operation in (
        store.get(name),
        store.create(name, b""),
        store.replace(name, b"", etag="1"),
        store.append(name, b"", position=0),
        store.delete(name),
    ):
        with pytest.raises(ValueError, match="cannot name a document"):
            await operation


WRITES: dict[str, Callable[[Store], object]] = {
    "create": lambda store: store.create("new", b"new"),
    "replace": lambda store: store.replace("old", b"new", etag="1"),
    "append": lambda store: store.append("log", b"new", position=3),
    "delete": lambda store: store.delete("old"),
}


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_failed_write_is_wholly_kept_or_not_at_all(
    store: Store, faults: Faults, write: str, kept: bool
) -> None:
    """Whatever a failing commit did, the caller hears StoreUnavailable, and no half of a write is there."""
    assert await store.create("old", b"old") == "1"
    await store.append("log", b"old", position=0)
    before = (await data_of(store, "new"), await data_of(store, "old"), await data_of(store, "log"))
    after = {
        "create": (b"new", b"old", b"old"),
        "replace": (None, b"new", b"old"),
        "append": (None, b"old", b"oldnew"),
        "delete": (None, None, b"old"),
    }[write]
    faults.at, faults.kept = faults.writes + 1, kept
    with pytest.raises(StoreUnavailable):
        await WRITES[write](store)  # type: ignore[misc]
    now = (await data_of(store, "new"), await data_of(store, "old"), await data_of(store, "log"))
    assert now == (after if kept else before)


async def test_after_a_fault_the_store_goes_on(store: Store, faults: Faults) -> None:
    """A failed commit costs its own writes alone."""
    faults.at = 1
    with pytest.raises(StoreUnavailable):
        await store.create("a", b"1")
    await store.create("a", b"2")
    assert await data_of(store, "a") == b"2"


async def test_of_many_who_create_one_name_one_wins(store: Store) -> None:
    """At once, in one turn: exactly one is told that it created the document."""
    told = await asyncio.gather(
        *(store.create("a", str(number).encode()) for number in range(50)), return_exceptions=True
    )
    won = [number for number, answer in enumerate(told) if isinstance(answer, str)]
    assert len(won) == 1
    assert await data_of(store, "a") == str(won[0]).encode()
    assert all(isinstance(answer, AlreadyExists) for answer in told if not isinstance(answer, str))


async def test_compare_and_swap_loses_no_update(store: Store) -> None:
    """Fifty writers that count up one number, each trying again when it was changed: the sum is fifty."""
    await store.create("count", b"0")

    async def count_up() -> None:
        while True:
            document = await store.get("count")
            assert document is not None
            try:
                await store.replace("count", str(int(document.data) + 1).encode(), etag=document.etag)
            except Changed:
                continue
            return

    await asyncio.gather(*(count_up() for _ in range(50)))
    assert await data_of(store, "count") == b"50"


async def test_concurrent_appends_never_overlap(store: Store) -> None:
    """Writers that append at the end they know: each line is there once, whole."""

    async def append(line: bytes) -> None:
        position = 0
        while True:
            try:
                await store.append("log", line, position=position)
            except WrongPosition as wrong:
                position = wrong.actual
            else:
                return

    lines = [f"line {number}\n".encode() for number in range(30)]
    await asyncio.gather(*(append(line) for line in lines))
    assert sorted((await data_of(store, "log") or b"").splitlines(keepends=True)) == sorted(lines)
