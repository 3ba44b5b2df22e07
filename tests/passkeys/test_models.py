"""What the store keeps of the metadata: one BLOB at a time, never an older one, whole after every fault."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from passkeys.embedded import EmbeddedStore
from passkeys.errors import MetadataFault, MetadataInvalid, StoreDamaged, StoreUnavailable
from passkeys.metadata_blob import Blob, verify_blob
from passkeys.models import CURRENT, Models, current_pointer, keep
from passkeys.store import Document, Store
from tests.metadata_kit import AAGUID, NOW, OTHER, PNG, ROOT, SIGNER, blob, entry, payload, sign, status
from tests.passkeys.stores import Faults, MemoryStore


def read(data: bytes) -> Blob:
    return verify_blob(data, roots=[ROOT.der], signer=SIGNER, at=NOW)


FIRST = read(blob(entry(), no=1))
OTHER_ICON = PNG + b"another"
SECOND = read(blob(entry(AAGUID, status("REVOKED"), icon=OTHER_ICON), entry(OTHER, icon=None), no=2))


async def test_nothing_is_known_before_the_first_blob() -> None:
    """Neither models nor icons, and that is no error."""
    models = Models(MemoryStore(), configured=True)
    assert await models.current() is None
    assert await models.icon(AAGUID) is None


async def test_not_configured_nothing_is_known_whatever_is_kept() -> None:
    """Turned off, metadata of former days must not go on deciding, out of anybody's sight."""
    store = MemoryStore()
    await keep(store, FIRST, at="t1")
    models = Models(store, configured=False)
    assert await models.current() is None
    assert await models.icon(AAGUID) is None


async def test_what_was_kept_is_read_back() -> None:
    """Models by their keys; the icon's own bytes."""
    store = MemoryStore()
    assert await keep(store, FIRST, at="t1")
    models = Models(store, configured=True)
    assert await models.current() == FIRST.metadata
    assert await models.icon(AAGUID) == PNG
    assert await models.icon(OTHER) is None
    assert await models.icon("../../etc/passwd") is None


async def test_a_newer_blob_takes_the_place_of_the_older() -> None:
    """Readers see it at once; what only the older needed is swept away."""
    store = MemoryStore()
    models = Models(store, configured=True)
    await keep(store, FIRST, at="t1")
    assert await models.current() == FIRST.metadata
    assert await keep(store, SECOND, at="t2")
    assert await models.current() == SECOND.metadata
    assert await models.icon(AAGUID) == OTHER_ICON
    there = {name async for name in store.list("metadata/")}
    models_document = f"metadata/models/{(await pointer(store)).models}.json"
    assert there == {CURRENT, models_document, *(f"metadata/icons/{digest}.png" for digest in SECOND.icons)}


async def pointer(store: Store):
    found = await current_pointer(store)
    assert found is not None
    return found


async def test_the_same_blob_again_changes_nothing() -> None:
    """Not even who kept it when; but whoever kept it hears again that it was new: its first answer may be lost."""
    store = MemoryStore()
    assert await keep(store, FIRST, at="t1")
    before = await pointer(store)
    assert not await keep(store, FIRST, at="t2")
    assert await keep(store, FIRST, at="t1")
    assert await pointer(store) == before


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (read(blob(entry(), no=0)), MetadataFault.ROLLED_BACK),
        (read(blob(entry(OTHER), no=1)), MetadataFault.SERIAL_REUSED),
    ],
)
async def test_the_serial_number_does_not_go_back_nor_name_two(second: Blob, fault: MetadataFault) -> None:
    """An old BLOB is genuinely signed, and would bring back what has been revoked since. What was kept stays."""
    store = MemoryStore()
    await keep(store, FIRST, at="t1")
    with pytest.raises(MetadataInvalid) as caught:
        await keep(store, second, at="t2")
    assert caught.value.code is fault
    assert await Models(store, configured=True).current() == FIRST.metadata


async def test_signed_anew_the_same_payload_is_the_same_blob() -> None:
    """As FIDO did when its certificate had expired: ES256 signatures differ each time."""
    store = MemoryStore()
    content = payload(entry())
    one, two = sign(content), sign(content)
    assert one != two
    await keep(store, read(one), at="t1")
    assert not await keep(store, read(two), at="t2")


@dataclass
class CountingStore(MemoryStore):
    reads: list[str] = field(default_factory=list)

    async def get(self, name: str) -> Document | None:
        self.reads.append(name.split("/")[1])
        return await super().get(name)


async def test_the_models_are_read_once_for_each_blob() -> None:
    """After the first time a look costs one small document: registrations do not pay for hundreds of models."""
    store = CountingStore()
    await keep(store, FIRST, at="t1")
    models = Models(store, configured=True)
    store.reads.clear()
    for _ in range(3):
        await models.current()
    assert store.reads == ["current.json", "models", "current.json", "current.json"]


@dataclass
class SweptStore(MemoryStore):
    """Shows, once, a pointer whose models a refresh has swept away meanwhile."""

    stale: Document | None = None

    async def get(self, name: str) -> Document | None:
        if name == CURRENT and self.stale is not None:
            stale, self.stale = self.stale, None
            return stale
        return await super().get(name)


async def test_a_reader_that_meets_a_refresh_looks_again() -> None:
    """What it had read was right a moment ago; it gets what counts now, and not an error."""
    store = SweptStore()
    await keep(store, FIRST, at="t1")
    old = store.documents[CURRENT]
    await keep(store, SECOND, at="t2")
    store.stale = old
    assert await Models(store, configured=True).current() == SECOND.metadata


async def test_models_that_are_gone_are_told() -> None:
    """A pointer to nothing is damage, and the next refresh mends it."""
    store = MemoryStore()
    await keep(store, FIRST, at="t1")
    await store.delete(f"metadata/models/{(await pointer(store)).models}.json")
    with pytest.raises(StoreDamaged, match="Refresh"):
        await Models(store, configured=True).current()
    await keep(store, FIRST, at="t2")
    assert await Models(store, configured=True).current() == FIRST.metadata


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"v":1,"no":1}',
        b'{"v":1,"no":1,"next_update":"x","payload":"","models":"","kept_at":""}',
    ],
)
async def test_a_damaged_pointer_is_told(data: bytes) -> None:
    """It is not taken for no metadata at all: that would let everything in."""
    store = MemoryStore()
    await store.create(CURRENT, data)
    with pytest.raises(StoreDamaged):
        await Models(store, configured=True).current()


@pytest.mark.parametrize("home", ["memory", "embedded"])
@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", range(1, 7))
async def test_a_fault_at_any_write_leaves_the_old_or_the_new(
    home: str, kept: bool, write: int, tmp_path: Path
) -> None:
    """Readers see one BLOB whole; run again with the same time, it counts, is said to be new, and nothing is left over."""
    faults = Faults()
    store: Store = (
        MemoryStore(faults) if home == "memory" else EmbeddedStore(tmp_path, on_commit=faults.on_commit)
    )
    await keep(store, FIRST, at="t1")
    faults.at, faults.kept = faults.writes + write, kept
    with suppress(StoreUnavailable):
        await keep(store, SECOND, at="t2")
    assert await Models(store, configured=True).current() in (FIRST.metadata, SECOND.metadata)
    assert await keep(store, SECOND, at="t2")
    models = Models(store, configured=True)
    assert await models.current() == SECOND.metadata
    assert await models.icon(AAGUID) == OTHER_ICON
    assert len([name async for name in store.list("metadata/")]) == 3
    if isinstance(store, EmbeddedStore):
        store.close()


class SlowStore(MemoryStore):
    """Lets others in before every write."""

    async def create(self, name: str, data: bytes) -> str:
        await asyncio.sleep(0)
        return await super().create(name, data)

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        await asyncio.sleep(0)
        return await super().replace(name, data, etag=etag)


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)], ids=["older first", "newer first"])
async def test_of_two_refreshes_at_once_the_newer_blob_stays(order: tuple[Blob, Blob]) -> None:
    """By compare-and-swap: whoever loses looks again, and goes on or finds that its number would go back."""
    store = SlowStore()
    results = await asyncio.gather(*(keep(store, one, at="t1") for one in order), return_exceptions=True)
    assert results[order.index(SECOND)] is True
    assert await Models(store, configured=True).current() == SECOND.metadata
