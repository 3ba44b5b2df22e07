"""The key of the decoys: one for a store, whoever comes first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from passkeys.decoy_key import KEY_NAME, kept
from passkeys.errors import StoreDamaged, StoreUnavailable
from passkeys.store import Document
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import CountedBytes, world_of


class Racing(MemoryStore):
    async def get(self, name: str) -> Document | None:
        document = await super().get(name)
        await asyncio.sleep(0)  # everybody looks before anybody writes
        return document


async def test_instances_that_race_have_one_key() -> None:
    """Ten instances that start in one instant on an empty store: one key, the stored one, for all."""
    store = Racing()
    instances = [kept(store, CountedBytes(drawn=number)) for number in range(10)]
    keys = await asyncio.gather(*(instance() for instance in instances))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await kept(store, CountedBytes(drawn=99))() == keys[0]
    assert list(store.documents) == [KEY_NAME]


async def test_it_is_read_once() -> None:
    """After the first time nobody asks the store: a request pays nothing for it."""
    store = MemoryStore()
    key = kept(store, CountedBytes())
    first = await key()
    store.documents.clear()
    assert await key() == first
    assert store.documents == {}


@pytest.mark.parametrize("kept_anyway", [False, True])
async def test_a_store_that_fails_makes_no_second_key(kept_anyway: bool) -> None:
    """The write that failed, kept or not, is followed by a read: the next try has the key that is there."""
    store = MemoryStore(faults=Faults(at=1, kept=kept_anyway))
    key = kept(store, CountedBytes())
    with pytest.raises(StoreUnavailable):
        await key()
    assert await key() == await kept(store, CountedBytes(drawn=9))()


@pytest.mark.parametrize("data", [b"", b"{}", json.dumps({"v": 1, "key": "AQID"}).encode()])
async def test_a_damaged_key_is_told(data: bytes) -> None:
    """It is not replaced by a fresh one, which would change every answer: a person must look."""
    store = MemoryStore(documents={KEY_NAME: Document(data, "1")})
    with pytest.raises(StoreDamaged):
        await kept(store, CountedBytes())()


async def test_a_world_has_the_key_of_its_own_store() -> None:
    """Also one that was made of another world, with another store."""
    one = world_of(MemoryStore())
    other = replace(one, store=MemoryStore(), random_bytes=CountedBytes(drawn=7))
    assert await one.decoy_key() == await one.decoy_key()
    assert await one.decoy_key() != await other.decoy_key()
