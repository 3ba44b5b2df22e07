"""The ring of signing keys: each goes its way in its time, whoever turns it, and whatever is lost in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from passkeys.errors import AlreadyExists, Changed, KeysUnavailable, StoreUnavailable
from passkeys.key_home import public_jwk
from passkeys.settings import load
from passkeys.signing_keys import (
    REMEMBERED,
    RETIRED,
    RING,
    Change,
    KeyState,
    Pace,
    Ring,
    SigningKeys,
    advance,
    wants_key,
    without,
)
from passkeys.store import Store
from tests.passkeys.key_homes import MemoryKeys
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import Clock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PACE = Pace(signs=90 * DAY, published=2 * DAY)
BY = "a test"


def jwk(name: str) -> dict[str, Any]:
    return {"kid": name}


def states(ring: Ring) -> dict[str, str]:
    return {key.key_id: key.state.value for key in ring.keys}


def step(ring: Ring, at: datetime, made: str | None = None) -> Ring:
    return advance(ring, now=at, pace=PACE, by=BY, made=jwk(made) if made else None)


def first() -> Ring:
    return step(Ring(), NOW, "one")


def test_the_first_key_signs_at_once() -> None:
    """Nobody could know another."""
    assert wants_key(Ring(), now=NOW, pace=PACE)
    assert states(first()) == {"one": "signing"}
    assert [told.change for told in first().untold] == [Change.PUBLISHED, Change.SIGNING]


@pytest.mark.parametrize(("days", "wanted"), [(0, False), (87, False), (88, True), (200, True)])
def test_the_next_key_is_wanted_in_time(days: int, wanted: bool) -> None:
    """As long before the end of the one that signs as a key must be published; later, if nobody looked."""
    assert wants_key(first(), now=NOW + days * DAY, pace=PACE) is wanted


def test_a_whole_life() -> None:
    """Published, signing, retired, gone: each in its time, one after the other, and never two that sign."""
    ring = step(first(), NOW + 88 * DAY, "two")
    assert states(ring) == {"one": "signing", "two": "published"}
    assert not wants_key(ring, now=NOW + 89 * DAY, pace=PACE)
    ring = step(ring, NOW + 89 * DAY)
    assert states(ring) == {"one": "signing", "two": "published"}
    ring = step(ring, NOW + 90 * DAY)
    assert states(ring) == {"one": "retired", "two": "signing"}
    ring = step(ring, NOW + 90 * DAY + RETIRED - timedelta(seconds=1))
    assert states(ring) == {"one": "retired", "two": "signing"}
    ring = step(ring, NOW + 90 * DAY + RETIRED)
    assert states(ring) == {"two": "signing"}
    assert [(told.key_id, told.change.value) for told in ring.untold] == [
        ("one", "key_published"),
        ("one", "key_signing"),
        ("two", "key_published"),
        ("one", "key_retired"),
        ("two", "key_signing"),
        ("one", "key_removed"),
    ]


def test_a_key_that_comes_late_is_published_before_it_signs_all_the_same() -> None:
    """The timer did not run for months: nobody has the next key yet, so the old one signs on until they can."""
    late = NOW + 200 * DAY
    ring = step(first(), late, "two")
    assert states(ring) == {"one": "signing", "two": "published"}
    assert states(step(ring, late + 2 * DAY)) == {"one": "retired", "two": "signing"}


def test_a_rotation_that_is_asked_for_does_not_wait_for_its_turn() -> None:
    """It waits until everybody can have the key, and no longer."""
    ring = step(first(), NOW + DAY, "two")
    assert states(step(ring, NOW + 2 * DAY)) == {"one": "signing", "two": "published"}
    assert states(step(ring, NOW + 3 * DAY)) == {"one": "retired", "two": "signing"}


def test_advancing_again_changes_nothing() -> None:
    """The same ring, and nothing told twice."""
    ring = step(step(first(), NOW + 88 * DAY, "two"), NOW + 90 * DAY)
    assert step(ring, NOW + 90 * DAY) == ring


def test_removing_the_key_that_signs_lets_the_next_one_sign_at_once() -> None:
    """The published one, if there is one; else one must be made. What is removed is in nobody's set any more."""
    ring = step(first(), NOW + 88 * DAY, "two")
    assert states(step(without(ring, "one", now=NOW, by=BY), NOW + 88 * DAY)) == {"two": "signing"}
    bare = without(first(), "one", now=NOW, by=BY)
    assert wants_key(bare, now=NOW, pace=PACE)
    assert states(step(bare, NOW, "three")) == {"three": "signing"}
    with pytest.raises(KeyError):
        without(ring, "nobody", now=NOW, by=BY)


def signing_of(store: Store, keys: MemoryKeys, clock: Clock, **settings: str) -> SigningKeys:
    return SigningKeys(store, keys, load(settings), clock=clock)


async def test_the_service_begins_with_one_key_and_signs_with_it() -> None:
    """The ring is made when it is first needed; its public half is what the home has."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    signing = signing_of(store, keys, clock)
    data, signature = await signing.signature(lambda key_id: key_id.encode())
    (published,) = await signing.published()
    assert data.decode() == published["kid"]
    assert len(signature) == 64
    assert published == public_jwk(keys.keys[published["kid"]].public_key())
    assert list(await signing.key_set()) == [published["kid"]]
    document = await store.get(RING)
    assert document is not None
    assert b'"d"' not in document.data
    assert b"PRIVATE" not in document.data


async def test_instances_that_begin_at_once_agree_on_one_key() -> None:
    """One ring is first; the others' keys are forgotten, private halves too."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    rings = await asyncio.gather(*(signing_of(store, keys, clock).ring() for _ in range(8)))
    assert len({ring.keys[0].key_id for ring in rings}) == 1
    assert set(keys.keys) == {rings[0].keys[0].key_id}


async def test_what_is_due_happens_once_and_the_private_half_goes_last() -> None:
    """A year of turns: one key signs at a time, tokens of the last day can be verified, and no private key is left over."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    signing = signing_of(store, keys, clock)
    for _ in range(365):
        ring = await signing.advance(by=BY)
        assert len(ring.of(KeyState.SIGNING)) == 1
        assert {key.key_id for key in ring.keys} == set(keys.keys)
        clock.now += DAY
    assert len([told for told in ring.untold if told.change is Change.SIGNING]) == 5


async def test_what_the_audit_has_is_no_longer_told() -> None:
    """And what it does not have yet stays, whoever changes the ring meanwhile."""
    signing = signing_of(MemoryStore(), MemoryKeys(), Clock())
    ring = await signing.advance(by=BY)
    half = ring.untold[:1]
    assert (await signing.advance(by=BY, told=half)).untold == ring.untold[1:]
    assert (await signing.advance(by=BY, told=ring.untold)).untold == ()


async def test_a_removed_key_is_not_signed_with_by_who_still_remembers_it() -> None:
    """Another instance removed it: this one finds that its key signs no more, looks again, and signs with the new one."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    ours, theirs = signing_of(store, keys, clock), signing_of(store, keys, clock)
    old, _ = await ours.signature(lambda key_id: key_id.encode())
    await theirs.remove(old.decode(), by=BY)
    new, _ = await ours.signature(lambda key_id: key_id.encode())
    assert new != old
    assert [key["kid"] for key in await ours.published()] == [new.decode()]


async def test_another_instances_change_is_seen_soon() -> None:
    """Half a minute later at most."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    ours, theirs = signing_of(store, keys, clock), signing_of(store, keys, clock)
    await ours.ring()
    await theirs.advance(by=BY, rotate=True)
    assert len(await ours.published()) == 1
    clock.now += REMEMBERED
    assert len(await ours.published()) == 2


async def test_asking_twice_for_a_rotation_is_one() -> None:
    """While a key is published already, no other is made."""
    signing = signing_of(MemoryStore(), MemoryKeys(), Clock())
    for _ in range(3):
        ring = await signing.advance(by=BY, rotate=True)
    assert sorted(states(ring).values()) == ["published", "signing"]


@pytest.mark.parametrize("fault", ["not kept", "kept, and reported failed"])
async def test_a_write_that_fails_loses_nothing(fault: str) -> None:
    """Run again, the ring has one key that signs, and the home has its private half."""
    keys, clock = MemoryKeys(), Clock()
    store = MemoryStore(Faults(at=1, kept=fault != "not kept"))
    with pytest.raises(StoreUnavailable):
        await signing_of(store, keys, clock).ring()
    ring = await signing_of(store, keys, clock).ring()
    (key,) = ring.keys
    assert key.state is KeyState.SIGNING
    assert key.key_id in keys.keys


@dataclass
class Echoing:
    """A store whose client repeats a write that was kept, and finds its own in the way."""

    inner: MemoryStore
    echoes: int = 1

    async def get(self, name: str) -> Any:
        return await self.inner.get(name)

    async def create(self, name: str, data: bytes) -> str:
        etag = await self.inner.create(name, data)
        return self._echo(AlreadyExists(name)) or etag

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        new = await self.inner.replace(name, data, etag=etag)
        return self._echo(Changed(name)) or new

    def _echo(self, refusal: Exception) -> str:
        if self.echoes:
            self.echoes -= 1
            raise refusal
        return ""


async def test_a_write_that_was_kept_and_told_to_be_in_its_own_way_loses_no_key() -> None:
    """What the ring names can be signed with, whatever the store has said of the write."""
    keys = MemoryKeys()
    store: Any = Echoing(MemoryStore())
    signing = signing_of(store, keys, Clock())
    await signing.signature(lambda key_id: key_id.encode())
    store.echoes = 1
    ring = await signing.advance(by=BY, rotate=True)
    assert {key.key_id for key in ring.keys} == set(keys.keys)


async def test_a_private_half_that_could_not_be_deleted_is_deleted_later() -> None:
    """The key is out at once, whatever its home says; the rest is made good by the next turn, whoever's it is."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    signing = signing_of(store, keys, clock)
    old = (await signing.ring()).keys[0].key_id
    delete = keys.delete

    async def away(_: str) -> None:
        raise KeysUnavailable("The test says so.")

    keys.delete = away  # type: ignore[method-assign]
    ring = await signing.remove(old, by=BY)
    assert old not in {key.key_id for key in ring.keys}
    assert old in keys.keys
    keys.delete = delete  # type: ignore[method-assign]
    await signing_of(store, keys, clock).advance(by=BY)
    assert old not in keys.keys
    assert (await signing_of(store, keys, clock).ring()).gone == ()


async def test_a_crowd_makes_one_key_and_reads_the_ring_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the service starts, and whenever what it remembers has run out."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    signing = signing_of(store, keys, clock)
    made = await asyncio.gather(*(signing.ring() for _ in range(50)))
    assert len({ring.keys[0].key_id for ring in made}) == len(keys.keys) == 1
    reads = 0
    get = store.get

    async def counted(name: str) -> Any:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return await get(name)

    monkeypatch.setattr(store, "get", counted)
    clock.now += REMEMBERED
    await asyncio.gather(*(signing.ring() for _ in range(50)))
    assert reads == 1


async def test_without_the_private_keys_nothing_is_signed() -> None:
    """Said so, with where to look; and nothing is made up in their place."""
    store, keys, clock = MemoryStore(), MemoryKeys(), Clock()
    signing = signing_of(store, keys, clock)
    ring = await signing.ring()
    keys.keys.clear()
    with pytest.raises(KeysUnavailable, match="does not sign"):
        await signing.signature(lambda key_id: key_id.encode())
    assert replace(ring, untold=()) == replace(await signing.ring(), untold=())
