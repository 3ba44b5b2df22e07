"""The contract of `passkeys.store.Store`, for every home: one suite, both faults on every write.

Azure's is a real Azurite behind a proxy that loses answers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from passkeys.blob_store import BlobStore
from passkeys.embedded import EmbeddedStore
from passkeys.errors import AlreadyExists, Changed, Sealed, StoreUnavailable, WrongPosition
from passkeys.store import MAX_APPEND, Store, checked_name
from tests.azurite.lossy import lossy
from tests.passkeys.stores import Faults, MemoryStore

# By home: how many names are beyond its page, and how many writers are a crowd.
MANY = {"memory": 23, "embedded": 1203, "azure": 23}
CROWD = {"memory": 50, "embedded": 50, "azure": 8}
PAGE = 10


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture(params=["memory", "embedded", "azure"])
def home(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def store(
    home: str, request: pytest.FixtureRequest, tmp_path: Path, faults: Faults
) -> AsyncIterator[Store]:
    if home == "memory":
        yield MemoryStore(faults=faults)
    elif home == "embedded":
        embedded = EmbeddedStore(tmp_path / "store", on_commit=faults.on_commit)
        yield embedded
        embedded.close()
    else:
        async with lossy(request.getfixturevalue("storage_account"), faults) as account:
            blobs = BlobStore(account.connection, prefix=f"{secrets.token_hex(8)}-", page=PAGE)
            await blobs.create_containers()
            faults.writes = 0
            yield blobs
            await blobs.close()


async def data_of(store: Store, name: str) -> bytes | None:
    document = await store.get(name)
    return None if document is None else document.data


async def test_a_document_that_was_never_written_is_none(store: Store) -> None:
    """`get` of an unknown name is None, not an error."""
    assert await store.get("credentials/none.json") is None


@pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff" * 200_000], ids=["empty", "small", "large"])
async def test_what_was_created_is_read_back(store: Store, data: bytes) -> None:
    """`create` keeps every byte, of no bytes and of many."""
    etag = await store.create("usage/a/b.json", data)
    document = await store.get("usage/a/b.json")
    assert document is not None
    assert (document.data, document.etag) == (data, etag)


async def test_a_name_is_created_once(store: Store) -> None:
    """The second `create` is told AlreadyExists and changes nothing."""
    await store.create("usage/a", b"first")
    with pytest.raises(AlreadyExists):
        await store.create("usage/a", b"second")
    assert await data_of(store, "usage/a") == b"first"


async def test_replace_needs_the_newest_etag(store: Store) -> None:
    """`replace` with the newest etag succeeds and gives a new one; with an older one it is told Changed."""
    first = await store.create("usage/a", b"1")
    second = await store.replace("usage/a", b"2", etag=first)
    assert second != first
    with pytest.raises(Changed):
        await store.replace("usage/a", b"3", etag=first)
    assert await data_of(store, "usage/a") == b"2"


async def test_replace_of_what_is_not_there_is_changed(store: Store) -> None:
    """There is no version to replace."""
    with pytest.raises(Changed):
        await store.replace("usage/a", b"1", etag="1")
    assert await store.get("usage/a") is None


async def test_an_etag_dies_with_its_document(store: Store) -> None:
    """Deleted and created again, a document has another etag: nobody overwrites what they never read."""
    etag = await store.create("usage/a", b"1")
    await store.delete("usage/a")
    await store.create("usage/a", b"1")
    with pytest.raises(Changed):
        await store.replace("usage/a", b"2", etag=etag)


async def test_delete_of_nothing_is_no_error(store: Store) -> None:
    """Deleting twice is deleting once."""
    await store.create("usage/a", b"1")
    await store.delete("usage/a")
    await store.delete("usage/a")
    assert await store.get("usage/a") is None


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


async def test_what_is_sealed_grows_no_more(store: Store) -> None:
    """It is read as before, and says that it is sealed. Sealed again is no error; nothing can be appended, not even nothing."""
    await store.append("audit/x", b"one", position=0)
    await store.seal("audit/x", position=3)
    await store.seal("audit/x", position=3)
    for data in (b"two", b""):
        with pytest.raises(Sealed):
            await store.append("audit/x", data, position=3)
        with pytest.raises(WrongPosition):
            await store.append("audit/x", data, position=0)
    document = await store.get("audit/x")
    assert document is not None
    assert (document.data, document.appended, document.sealed) == (b"one", True, True)


async def test_only_what_ends_where_one_knows_is_sealed(store: Store) -> None:
    """Another end, another kind of document, or none at all: nothing is sealed, and the end is told."""
    await store.append("audit/x", b"one", position=0)
    await store.create("audit/plain", b"one")
    for name, position, actual in (("audit/x", 2, 3), ("audit/plain", 3, -1), ("audit/none", 0, 0)):
        with pytest.raises(WrongPosition) as wrong:
            await store.seal(name, position=position)
        assert wrong.value.actual == actual
    assert await store.append("audit/x", b"two", position=3) == 6
    document = await store.get("audit/x")
    assert document is not None
    assert not document.sealed


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
async def test_a_seal_that_failed_is_repeated(store: Store, faults: Faults, kept: bool) -> None:
    """Whatever became of it, whoever repeats it has it."""
    await store.append("audit/x", b"one", position=0)
    faults.at, faults.kept = faults.writes + 1, kept
    with pytest.raises(StoreUnavailable):
        await store.seal("audit/x", position=3)
    await store.seal("audit/x", position=3)
    with pytest.raises(Sealed):
        await store.append("audit/x", b"two", position=3)


async def test_a_name_is_a_document_or_an_append_document_for_life(store: Store) -> None:
    """The two kinds do not mix under one name, and an append document cannot be removed."""
    await store.append("audit/log", b"x", position=0)
    with pytest.raises(AlreadyExists):
        await store.create("audit/log", b"y")
    with pytest.raises(ValueError, match="append document"):
        await store.delete("audit/log")
    await store.create("audit/plain", b"x")
    with pytest.raises(WrongPosition):
        await store.append("audit/plain", b"y", position=0)
    assert (await data_of(store, "audit/log"), await data_of(store, "audit/plain")) == (b"x", b"x")


async def test_list_gives_every_name_with_the_prefix_in_order(store: Store, home: str) -> None:
    """Both kinds, in order, beyond one page, of every container, and not the neighbours of the prefix."""
    names = [f"people/ada/{number:04d}.json" for number in range(MANY[home])]
    await asyncio.gather(*(store.create(name, b"") for name in reversed(names)))
    await asyncio.gather(
        *(store.create(name, b"") for name in ("people/ada.json", "people/adam/1", "people/ad", "usage/ada"))
    )
    await store.append("people/ada/log", b"x", position=0)
    assert [name async for name in store.list("people/ada/")] == [*names, "people/ada/log"]
    assert [name async for name in store.list("nobody")] == []
    everything = ["people/ad", *names, "people/ada/log", "people/ada.json", "people/adam/1", "usage/ada"]
    assert [name async for name in store.list("")] == sorted(everything)
    assert [name async for name in store.list("peop")] == sorted(everything)[:-1]


async def test_the_order_of_a_list_is_that_of_bytes(store: Store) -> None:
    """Capitals before small letters, whatever a language would have; and across containers."""
    names = [
        f"{part}/{rest}"
        for part in ("usage", "metadata")
        for rest in ("b", "B", "a-b/c", "a/b", "a.b", "_", "9", "=", "aB")
    ]
    await asyncio.gather(*(store.create(name, b"") for name in names))
    assert [name async for name in store.list("")] == sorted(names)


async def test_a_document_says_which_kind_it_is(store: Store) -> None:
    """So that what copies a store keeps the kinds."""
    await store.create("usage/a", b"1")
    await store.append("audit/log", b"1", position=0)
    document, appended = await store.get("usage/a"), await store.get("audit/log")
    assert document is not None
    assert appended is not None
    assert (document.appended, appended.appended) == (False, True)


async def test_an_append_document_is_not_replaced(store: Store) -> None:
    """Whatever `get` told of it, and whatever stands for any version elsewhere."""
    await store.append("audit/log", b"1", position=0)
    document = await store.get("audit/log")
    assert document is not None
    for etag in (document.etag, "*"):
        with pytest.raises(Changed):
            await store.replace("audit/log", b"2", etag=etag)
    assert await data_of(store, "audit/log") == b"1"


async def test_nothing_can_be_appended_as_well(store: Store) -> None:
    """No bytes at the end are kept, and make an empty one where there is none; elsewhere the position is wrong."""
    assert await store.append("audit/log", b"", position=0) == 0
    assert await data_of(store, "audit/log") == b""
    assert await store.append("audit/log", b"one", position=0) == 3
    assert await store.append("audit/log", b"", position=3) == 3
    with pytest.raises(WrongPosition) as wrong:
        await store.append("audit/log", b"", position=0)
    assert wrong.value.actual == 3


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, of any that is
async def test_one_append_is_bounded(store: Store) -> None:
    """As much as every home keeps whole is kept; more is refused before anything is written."""
    assert await store.append("audit/log", b"x" * MAX_APPEND, position=0) == MAX_APPEND
    with pytest.raises(ValueError, match="more than one append"):
        await store.append("audit/log", b"x" * (MAX_APPEND + 1), position=MAX_APPEND)
    assert len(await data_of(store, "audit/log") or b"") == MAX_APPEND


BAD_NAMES = [
    "",
    "a",
    "usage",
    "usage/",
    "nowhere/a",
    "usage/a.",
    "usage/a./b",
    "usage" + "/a" * 202,
    "/",
    "/a",
    "usage/a//b",
    "..",
    "usage/..",
    "usage/a/../b",
    ".",
    "usage/.",
    "usage/a/./b",
    "usage/a b",
    "usage/a\\b",
    "usage/ä",
    "usage/a\n",
    "usage/" + "a" * 201,
    "usage/" + "a" * 199 + "/" + "a" * 199 + "/" + "a" * 199,
    "usage/a:b",
    "usage/a?b",
    "usage/a#b",
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


WRITES: dict[str, Callable[[Store, str], Awaitable[object]]] = {
    "create": lambda store, _: store.create("usage/new", b"new"),
    "replace": lambda store, etag: store.replace("usage/old", b"new", etag=etag),
    "append": lambda store, _: store.append("audit/log", b"new", position=3),
    "delete": lambda store, _: store.delete("usage/old"),
}


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", WRITES)
async def test_a_failed_write_is_wholly_kept_or_not_at_all(
    store: Store, faults: Faults, write: str, kept: bool
) -> None:
    """Whatever a failing commit did, the caller hears StoreUnavailable, and no half of a write is there.

    Heard AlreadyExists or Changed, it would take its own write for another's: nobody below it has written again.
    """
    etag = await store.create("usage/old", b"old")
    await store.append("audit/log", b"old", position=0)
    before = (
        await data_of(store, "usage/new"),
        await data_of(store, "usage/old"),
        await data_of(store, "audit/log"),
    )
    after = {
        "create": (b"new", b"old", b"old"),
        "replace": (None, b"new", b"old"),
        "append": (None, b"old", b"oldnew"),
        "delete": (None, None, b"old"),
    }[write]
    faults.at, faults.kept = faults.writes + 1, kept
    with pytest.raises(StoreUnavailable):
        await WRITES[write](store, etag)
    assert faults.writes == faults.at
    now = (
        await data_of(store, "usage/new"),
        await data_of(store, "usage/old"),
        await data_of(store, "audit/log"),
    )
    assert now == (after if kept else before)


async def test_after_a_fault_the_store_goes_on(store: Store, faults: Faults) -> None:
    """A failed commit costs its own writes alone."""
    faults.at = 1
    with pytest.raises(StoreUnavailable):
        await store.create("usage/a", b"1")
    await store.create("usage/a", b"2")
    assert await data_of(store, "usage/a") == b"2"


async def test_of_many_who_create_one_name_one_wins(store: Store, home: str) -> None:
    """At once, in one turn: exactly one is told that it created the document."""
    told = await asyncio.gather(
        *(store.create("usage/a", str(number).encode()) for number in range(CROWD[home])),
        return_exceptions=True,
    )
    won = [number for number, answer in enumerate(told) if isinstance(answer, str)]
    assert len(won) == 1
    assert await data_of(store, "usage/a") == str(won[0]).encode()
    assert all(isinstance(answer, AlreadyExists) for answer in told if not isinstance(answer, str))


async def test_compare_and_swap_loses_no_update(store: Store, home: str) -> None:
    """Writers that count up one number, each trying again when it was changed: the sum is how many they are."""
    await store.create("usage/count", b"0")

    async def count_up() -> None:
        while True:
            document = await store.get("usage/count")
            assert document is not None
            try:
                await store.replace("usage/count", str(int(document.data) + 1).encode(), etag=document.etag)
            except Changed:
                continue
            return

    await asyncio.gather(*(count_up() for _ in range(CROWD[home])))
    assert await data_of(store, "usage/count") == str(CROWD[home]).encode()


async def test_concurrent_appends_never_overlap(store: Store, home: str) -> None:
    """Writers that append at the end they know: each line is there once, whole."""

    async def append(line: bytes) -> None:
        position = 0
        while True:
            try:
                await store.append("audit/log", line, position=position)
            except WrongPosition as wrong:
                position = wrong.actual
            else:
                return

    lines = [f"line {number}\n".encode() for number in range(CROWD[home])]
    await asyncio.gather(*(append(line) for line in lines))
    assert sorted((await data_of(store, "audit/log") or b"").splitlines(keepends=True)) == sorted(lines)
