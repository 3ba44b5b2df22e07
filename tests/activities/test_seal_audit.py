"""Sealing as an activity: a checkpoint of what is there, by a key of its own; and what is not what was sealed is an alert."""

from __future__ import annotations

import json

import pytest

from activities.seal_audit import seal_audit
from passkeys.audit import EMPTY, Head, sealed, segment_name
from passkeys.checkpoints import checkpoint_name, open_checkpoint
from passkeys.sealing_keys import add_key, known_keys, origin_of, sealing_keys
from passkeys.store import Store
from passkeys.world import World
from tests.passkeys.stores import Faults, MemoryStore
from tests.passkeys.worlds import world_of
from tests.trails import content

AT = "2026-01-01T12:00:00.000Z"


async def record(store: Store, count: int, head: Head = EMPTY) -> Head:
    """So many entries more of shard 00."""
    lines = []
    for number in range(head.seq + 1, head.seq + 1 + count):
        line, head = sealed(content(number), shard="00", head=head)
        lines.append(line + "\n")
    name = segment_name("00", "2026-01-01")
    document = await store.get(name)
    await store.append(name, "".join(lines).encode(), position=len(document.data) if document else 0)
    return head


async def test_what_is_there_is_sealed_once() -> None:
    """Under the service's own name; with nothing new there is nothing to seal."""
    world = world_of()
    assert await seal_audit(world, {"at": AT}) == {"sealed": None, "failed": None}
    head = await record(world.store, 5)
    made = await seal_audit(world, {"at": AT})
    keys = await known_keys(world.store)
    note = await world.store.get(checkpoint_name(0))
    assert keys is not None
    assert note is not None
    checkpoint = open_checkpoint(note.data, keys.verifiers)
    assert made == {"sealed": {"number": 0, "size": 5, "root": checkpoint.root.hex()}, "failed": None}
    assert checkpoint.origin == "localhost:7071/audit"
    assert checkpoint.heads == (("00", head),)
    assert (await seal_audit(world, {"at": AT}))["sealed"] is None


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept but reported failed"])
@pytest.mark.parametrize("write", range(1, 5))
async def test_a_fault_at_any_write_makes_one_checkpoint(write: int, kept: bool) -> None:
    """The first key, the state, the note: whatever was kept, one checkpoint, and it verifies."""
    store = MemoryStore()
    await record(store, 3)
    store.faults = Faults(at=write, kept=kept)
    world = world_of(store)
    await seal_audit(world, {"at": AT})
    keys = await known_keys(store)
    assert keys is not None
    names = [name async for name in store.list("audit/checkpoints/")]
    assert names == [checkpoint_name(0)]
    assert open_checkpoint(store.appended[names[0]], keys.verifiers).size == 3
    assert len(keys.jwks) == 1


async def test_a_trail_that_was_rewritten_is_an_alert_and_is_not_sealed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A value, since running again does not mend it: which entry, and nothing is signed."""
    store = MemoryStore()
    world = world_of(store)
    head = await record(store, 3)
    await seal_audit(world, {"at": AT})
    await record(store, 1, Head(head.seq, "ab" * 32))
    told = await seal_audit(world, {"at": AT})
    assert told["sealed"] is None
    assert "shard 00, entry 2: altered" in told["failed"]
    assert "alert audit_broken fault=audit_altered" in caplog.text
    assert [name async for name in store.list("audit/checkpoints/")] == [checkpoint_name(0)]


async def test_a_new_key_signs_on_under_the_same_name() -> None:
    """Whatever the issuer is called by then: auditors know the log by its first name."""
    world = world_of()
    await record(world.store, 1)
    await seal_audit(world, {"at": AT})
    keys = await add_key(world.store, world.keys, origin="elsewhere/audit")
    assert keys.origin == "localhost:7071/audit"
    await record(world.store, 1, await _head(world))
    await seal_audit(world, {"at": AT})
    for number, verifier in enumerate(keys.verifiers):
        note = await world.store.get(checkpoint_name(number))
        assert note is not None
        assert open_checkpoint(note.data, [verifier]).number == number


async def _head(world: World) -> Head:
    document = await world.store.get(segment_name("00", "2026-01-01"))
    assert document is not None
    entry = json.loads(document.data.splitlines()[-1])
    return Head(entry["seq"], entry["hash"])


async def test_of_two_that_make_the_first_key_one_is_first() -> None:
    """Both go by it, and the other's private half is gone."""
    world = world_of()
    first = await sealing_keys(world.store, world.keys, origin="a/audit")
    again = await sealing_keys(world.store, world.keys, origin="b/audit")
    assert first == again

    class Late(MemoryStore):
        """Does not see what another instance has just written."""

        async def get(self, name: str) -> None:  # type: ignore[override]
            self.__class__ = MemoryStore  # type: ignore[assignment]
            return None

    late = Late(documents=world.store.documents)  # type: ignore[attr-defined]
    assert await sealing_keys(late, world.keys, origin="c/audit") == first


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://passkeys.example.com", "passkeys.example.com/audit"),
        ("https://example.com/passkeys/", "example.com/passkeys/audit"),
        ("http://localhost:7071", "localhost:7071/audit"),
    ],
)
def test_a_log_is_called_as_its_service_is(issuer: str, origin: str) -> None:
    """A URL without its scheme."""
    assert origin_of(issuer) == origin
