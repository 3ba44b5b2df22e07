"""Copying a store: the same in every home, kind by kind; broken off anywhere it goes on; what is not the same is told, and left."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from passkeys.blob_store import BlobStore
from passkeys.cli import main
from passkeys.embedded import EmbeddedStore
from passkeys.errors import StoreUnavailable
from passkeys.moving import Copied, Outcome, copy
from passkeys.store import MAX_APPEND, Store
from tests.azurite.server import KEY, Account
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock, CountedBytes

DOCUMENTS = {
    "credentials/a.json": b"1",
    "people/ada/a.json": b"",
    "signing-keys/ring.json": b"\x00\xff" * 70_000,
    **{f"usage/{number}.json": str(number).encode() for number in range(40)},
}
APPENDED = {
    "audit/00/a.jsonl": b"one\ntwo\n",
    "audit/01/empty.jsonl": b"",
    "audit/00/large.jsonl": b"x" * 2_100_000,
}
SEALED = "audit/00/large.jsonl"


async def filled(store: Store) -> Store:
    for name, data in DOCUMENTS.items():
        await store.create(name, data)
    for name, data in APPENDED.items():
        await store.append(name, data[:900_000], position=0)
        for first in range(900_000, len(data), 900_000):
            await store.append(name, data[first : first + 900_000], position=first)
    await store.seal(SEALED, position=len(APPENDED[SEALED]))
    return store


async def contents(store: Store) -> dict[str, tuple[bytes, bool, bool]]:
    found = {}
    async for name in store.list(""):
        document = await store.get(name)
        assert document is not None
        found[name] = document.data, document.appended, document.sealed
    return found


EVERYTHING = {
    **{name: (data, False, False) for name, data in DOCUMENTS.items()},
    **{name: (data, True, name == SEALED) for name, data in APPENDED.items()},
}


async def copied(source: Store, target: Store) -> Copied:
    async def no_sleep(_: float) -> None:
        pass

    return await copy(source, target, progress=lambda done, names: None, sleep=no_sleep)


@pytest.fixture
async def azure(storage_account: Account) -> AsyncIterator[BlobStore]:
    store = BlobStore(storage_account.connection, prefix=f"{secrets.token_hex(8)}-")
    await store.create_containers()
    yield store
    await store.close()


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's, of any that is
async def test_a_store_moves_to_azure_and_back(azure: BlobStore, tmp_path: Path) -> None:
    """Every name, byte and kind, there and back; a second time nothing is left to do."""
    before, after = EmbeddedStore(tmp_path / "before"), EmbeddedStore(tmp_path / "after")
    await filled(before)
    for source, target in ((before, azure), (azure, after)):
        assert await copied(source, target) == Copied(copied=len(EVERYTHING))
        assert await copied(source, target) == Copied(there=len(EVERYTHING))
        assert await contents(target) == EVERYTHING
    assert await after.append("audit/00/a.jsonl", b"three\n", position=8) == 14
    before.close()
    after.close()


async def test_broken_off_at_any_write_it_goes_on() -> None:
    """However many documents stand there by then: run again it ends with the same."""
    source = await filled(MemoryStore())
    writes = len(EVERYTHING) + 1  # one is sealed
    for at in range(1, writes + 1):
        faults = Faults(at=at, for_ever=True)
        target = MemoryStore(faults=faults)
        with pytest.raises(StoreUnavailable):
            await copied(source, target)
        faults.at = None
        done = await copied(source, target)
        assert (done.copied + done.there, done.wrong) == (len(EVERYTHING), [])
        assert await contents(target) == EVERYTHING


async def test_one_failure_does_not_break_it_off() -> None:
    """It tries again, and finds what was kept all the same."""
    source = await filled(MemoryStore())
    for kept in (False, True):
        target = MemoryStore(faults=Faults(at=5, kept=kept))
        assert (await copied(source, target)).wrong == []
        assert await contents(target) == EVERYTHING


async def test_an_append_document_goes_on_in_its_middle() -> None:
    """What stands there is its beginning: the rest is appended, in parts that a home can hold; also after one has failed."""
    data = secrets.token_bytes(MAX_APPEND * 2 + 5)
    source = MemoryStore(appended={"audit/00/a.jsonl": data})
    for before, at, kept in ((data[:1000], None, False), (b"", 2, False), (b"", 2, True), (b"", 3, True)):
        target = MemoryStore(faults=Faults(at=at, kept=kept), appended={"audit/00/a.jsonl": before})
        assert (await copied(source, target)).wrong == []
        assert target.appended["audit/00/a.jsonl"] == data
    fresh = MemoryStore(faults=Faults(at=2))
    assert await copied(source, fresh) == Copied(copied=1)


async def test_what_is_not_the_same_is_told_and_left() -> None:
    """Another document, another kind, a longer log, and what is there alone: nothing is written over or removed."""
    source, target = MemoryStore(), MemoryStore()
    for name in ("usage/other", "usage/kind"):
        await source.create(name, b"here")
    for name in ("audit/00/longer", "audit/00/other", "audit/00/kind"):
        await source.append(name, b"here\n", position=0)
    await target.create("usage/other", b"there")
    await target.append("usage/kind", b"here", position=0)
    await target.append("audit/00/longer", b"here\nthere\n", position=0)
    await target.append("audit/00/other", b"th", position=0)
    await target.create("audit/00/kind", b"here\n")
    await target.create("usage/alone", b"there")
    before = await contents(target)
    found = await copied(source, target)
    assert found == Copied(
        wrong=[
            (Outcome.DIFFERS, "audit/00/kind"),
            (Outcome.DIFFERS, "audit/00/longer"),
            (Outcome.DIFFERS, "audit/00/other"),
            (Outcome.DIFFERS, "usage/kind"),
            (Outcome.DIFFERS, "usage/other"),
            (Outcome.ONLY_THERE, "usage/alone"),
        ]
    )
    assert await contents(target) == before


def command(*arguments: str, **environ: str) -> int:
    return main(arguments, environ=environ, clock=Clock(), random_bytes=CountedBytes())


async def made(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    await filled(store)
    store.close()


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_the_commands_make_containers_and_move_a_store(
    storage_account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`storage create`, then `storage copy` there and back: what was done on stdout, how far it is on stderr, and no key."""
    asyncio.run(made(tmp_path))
    account = {
        "PASSKEYS_STORE_CONNECTION": storage_account.connection,
        "PASSKEYS_STORE_PREFIX": f"{secrets.token_hex(8)}-",
    }
    there = "PASSKEYS_STORE_CONNECTION"
    here, again = str(tmp_path / "store"), str(tmp_path / "again")
    assert command("storage", "copy", "--from", here, "--to", there, **account) == 3
    assert "python -m passkeys storage create" in capsys.readouterr().err
    assert command("storage", "create", **account) == 0
    assert capsys.readouterr().out.count("made") == 10
    for source, target in ((here, there), (there, again)):
        assert command("storage", "copy", "--from", source, "--to", target, **account) == 0
        told = capsys.readouterr()
        assert told.out == f"{len(EVERYTHING)} copied, 0 there already, 0 not the same.\n"
        assert told.err == f"{len(EVERYTHING)} of {len(EVERYTHING)} documents\n"
        assert KEY not in told.out + told.err
    (tmp_path / "again" / "audit/00/a.jsonl").write_bytes(b"ONE\ntwo\n")
    assert command("storage", "copy", "--from", here, "--to", again) == 1
    assert capsys.readouterr().out.startswith("DIFFERS  audit/00/a.jsonl\n")


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("nowhere", "x", "There is no store in nowhere"),
        ("x", "x", "the same store"),
        ("x", "https://example.com", "must be the path of a directory"),
        ("PASSKEYS_STORE_CONNECTION", "x", "PASSKEYS_STORE_CONNECTION: must be set"),
    ],
)
def test_a_wrong_command_copies_nothing(
    source: str,
    target: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence, exit code 2, and no store made."""
    monkeypatch.chdir(tmp_path)
    assert command("storage", "copy", "--from", source, "--to", target) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_this_machine_needs_no_containers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`storage create` makes the directory, and says that it is there."""
    assert command("storage", "create", "--state", str(tmp_path)) == 0
    assert (tmp_path / "store" / "store.sqlite").is_file()
    assert "is there" in capsys.readouterr().out
