"""Checkpoints and their sealing: what one says, what it must not say, and that each log goes on from every one before."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from passkeys.audit import Head, sealed
from passkeys.checkpoints import (
    NO_CHECKPOINT,
    Checkpoint,
    added,
    check_next,
    checkpoint_name,
    open_checkpoint,
    read_checkpoint,
)
from passkeys.embedded import EmbeddedStore
from passkeys.errors import AuditBroken, CheckpointFault, CheckpointRefused, StoreDamaged, StoreUnavailable
from passkeys.merkle import Tree, consistency_proof, is_consistent, leaf_hash
from passkeys.notes import VerifierKey, open_note
from passkeys.sealing import STATE, seal
from passkeys.trail import log_lines, read_checkpoints, trail_in
from tests.trails import ORIGIN, START, Sealer, content

HASH = "ab" * 32
CHECKPOINT = Checkpoint(
    origin=ORIGIN,
    size=7,
    root=bytes(range(32)),
    number=3,
    previous=bytes(range(1, 33)),
    at="2026-01-01T00:00:00Z",
    heads=(("00", Head(4, HASH)), ("02", Head(1, HASH))),
)


@pytest.fixture
def sealer(tmp_path: Path) -> Iterator[Sealer]:
    made = Sealer(tmp_path)
    yield made
    made.close()


def test_a_checkpoint_is_one_text(sealer: Sealer) -> None:
    """Origin, size and root as C2SP has them; then what is ours. Read again it is the same."""
    root, previous = (
        base64.b64encode(CHECKPOINT.root).decode(),
        base64.b64encode(CHECKPOINT.previous).decode(),
    )
    assert CHECKPOINT.text == (
        f"{ORIGIN}\n7\n{root}\ncheckpoint 3\nprevious {previous}\nat 2026-01-01T00:00:00Z\n"
        f"shard 00 4 {HASH}\nshard 02 1 {HASH}\n"
    )
    assert read_checkpoint(CHECKPOINT.text) == CHECKPOINT


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"^[^\n]+\n", "\n"),
        (r"\n7\n", "\n07\n"),
        (r"\n7\n", "\n+7\n"),
        (r"\n7\n", "\n8\n"),
        (r"=\n", "\n"),
        (r"8=\n", "9=\n"),  # bits behind the end
        (r"checkpoint 3", "checkpoint  3"),
        (r"checkpoint 3", "checkpoint 0"),
        (r"previous .*", f"previous {base64.b64encode(NO_CHECKPOINT).decode()}"),
        (r"Z\n", "+00:00\n"),
        (r"shard 00 4", "shard 00 04"),
        (r"shard 00 4", "shard 0 4"),
        (r"shard 00 4", "shard 02 4"),
        (r"shard 00 4", "shard 03 4"),
        (r"shard 00 4 ab", "shard 00 4 AB"),
        (r"shard 02", "extension\nshard 02"),
        (r"\Z", "more\n"),
        (r"\n\Z", ""),
        (r"\n\Z", "\r\n"),
    ],
)
def test_a_text_that_is_spelt_otherwise_is_malformed(pattern: str, instead: str) -> None:
    """Whatever it is: one checkpoint has one text."""
    changed = re.sub(pattern, instead, CHECKPOINT.text, count=1)
    assert changed != CHECKPOINT.text
    with pytest.raises(CheckpointRefused) as refused:
        read_checkpoint(changed)
    assert refused.value.code is CheckpointFault.MALFORMED


def note_of(sealer: Sealer, checkpoint: Checkpoint, key: VerifierKey | None = None) -> bytes:
    from passkeys.notes import signed_note

    signature = asyncio.run(sealer.keys.sign(sealer.key.key_id, checkpoint.text.encode()))
    return signed_note(checkpoint.text, key or sealer.verifier, signature)


def test_a_checkpoint_of_another_log_is_refused(sealer: Sealer) -> None:
    """The key's name is the log's: a note that it has signed for another origin is none of this log."""
    assert open_checkpoint(note_of(sealer, CHECKPOINT), [sealer.verifier]) == CHECKPOINT
    for checkpoint, code in (
        (replace(CHECKPOINT, origin="example.com/other"), CheckpointFault.ORIGIN_UNEXPECTED),
        (replace(CHECKPOINT, size=8), CheckpointFault.MALFORMED),
    ):
        with pytest.raises(CheckpointRefused) as refused:
            open_checkpoint(note_of(sealer, checkpoint), [sealer.verifier])
        assert refused.value.code is code


def following(**changed: Any) -> Checkpoint:
    members: dict[str, Any] = {
        "size": 9,
        "number": 4,
        "previous": CHECKPOINT.hash,
        "at": "2026-01-01T01:00:00Z",
        "heads": (("00", Head(4, HASH)), ("01", Head(0, HASH)), ("02", Head(2, HASH))),
    }
    return replace(CHECKPOINT, **{**members, **changed})


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"number": 5}, CheckpointFault.MISSING),
        ({"number": 3}, CheckpointFault.MISSING),
        ({"previous": bytes(31) + b"\x01"}, CheckpointFault.UNCHAINED),
        ({"origin": "example.com/other"}, CheckpointFault.UNCHAINED),
        ({"at": "2025-12-31T23:59:59Z"}, CheckpointFault.SHRUNK),
        ({"heads": (("00", Head(3, HASH)), ("02", Head(4, HASH)))}, CheckpointFault.SHRUNK),
        ({"heads": (("00", Head(8, HASH)),)}, CheckpointFault.SHRUNK),
    ],
)
def test_a_checkpoint_follows_the_one_before(changed: dict[str, Any], code: CheckpointFault | None) -> None:
    """By number, by hash, and with no fewer entries of any shard."""
    try:
        check_next(CHECKPOINT, following(**changed))
        found = None
    except CheckpointRefused as refused:
        found = refused.code
    assert found is code


def test_the_order_of_the_log_follows_from_the_heads() -> None:
    """What each shard has gained, shard by shard; of a shard that has gained nothing, nothing."""
    assert [(one.shard, one.first, one.head.seq) for one in added(CHECKPOINT, following())] == [
        ("01", 0, 0),
        ("02", 2, 2),
    ]
    assert [(one.shard, one.first, one.head.seq) for one in added(None, CHECKPOINT)] == [
        ("00", 0, 4),
        ("02", 0, 1),
    ]
    with pytest.raises(CheckpointRefused) as refused:
        check_next(None, CHECKPOINT)
    assert refused.value.code is CheckpointFault.MISSING


def test_each_log_goes_on_from_every_earlier_one(sealer: Sealer) -> None:
    """Sealed day by day, with a new shard, a quiet one and a segment that goes on: consistent, each with each."""
    sealer.days({"00": 3, "02": 5}, {"02": 2}, {"00": 1, "01": 4})
    sealer.record({"01": 2})
    sealer.seal()
    sealer.record({"01": 1, "02": 1})
    sealer.seal()
    checkpoints = list(read_checkpoints(trail_in(sealer.folder)))
    assert [one.size for one in checkpoints] == [8, 10, 15, 17, 19]
    assert checkpoints == [sealer.checkpoint(number) for number in range(5)]
    leaves = [leaf_hash(line) for line in log_lines(trail_in(sealer.folder), checkpoints)]
    for later in checkpoints:
        tree = Tree()
        for leaf in leaves[: later.size]:
            tree.append(leaf)
        assert tree.root() == later.root
        for earlier in checkpoints[: later.number]:
            proof = consistency_proof(leaves, earlier.size, later.size)
            assert is_consistent(earlier.size, earlier.root, later.size, later.root, proof)
    assert dict(checkpoints[-1].heads) == sealer.heads


def test_nothing_new_is_not_sealed(sealer: Sealer) -> None:
    """Neither an empty trail nor one that has gained nothing."""
    assert sealer.seal() is None
    sealer.record({"00": 1})
    assert sealer.seal() is not None
    assert sealer.seal() is None
    assert not sealer.note(1).exists()


def test_a_trail_that_does_not_go_on_is_not_sealed(sealer: Sealer) -> None:
    """Another entry than the one that follows what was sealed: no checkpoint, and which entry it was."""
    sealer.days({"00": 3})
    line, _ = sealed(content(9), shard="00", head=Head(2, HASH))
    asyncio.run(sealer.store.append("audit/00/2026-01-02.jsonl", line.encode() + b"\n", position=0))
    with pytest.raises(AuditBroken) as broken:
        sealer.seal()
    assert (broken.value.fault.value, broken.value.seq) == ("altered", 2)
    assert not sealer.note(1).exists()


def test_a_log_keeps_its_name(sealer: Sealer, tmp_path: Path) -> None:
    """Its key may be another one from some checkpoint on; its origin is what auditors know it by."""
    sealer.days({"00": 1})
    first = sealer.key
    sealer.key = sealer.new_key()
    sealer.days({"00": 1})
    keys = [first.verifier, sealer.verifier]
    assert [open_note(sealer.note(number).read_bytes(), keys)[1] for number in (0, 1)] == keys
    sealer.record({"00": 1})
    sealer.key = sealer.new_key("example.com/other")
    with pytest.raises(ValueError, match="sealed by keys of that name"):
        sealer.seal()


class Dying(EmbeddedStore):
    """A store that fails before or after the write that is next to be made of a kind."""

    dies: tuple[str, bool] | None = None

    async def _dying(self, kind: str, write: Callable[[], Any]) -> Any:
        dies, self.dies = self.dies, None if self.dies and self.dies[0] == kind else self.dies
        if dies == (kind, False):
            raise StoreUnavailable("x", "not written")
        result = await write()
        if dies == (kind, True):
            raise StoreUnavailable("x", "written, and not told")
        return result

    async def create(self, name: str, data: bytes) -> str:
        return str(await self._dying("state", lambda: super(Dying, self).create(name, data)))

    async def replace(self, name: str, data: bytes, *, etag: str) -> str:
        return str(await self._dying("state", lambda: super(Dying, self).replace(name, data, etag=etag)))

    async def append(self, name: str, data: bytes, *, position: int) -> int:
        return int(
            await self._dying("note", lambda: super(Dying, self).append(name, data, position=position))
        )


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("kind", ["state", "note"])
@pytest.mark.parametrize("sealed_before", [0, 1])
def test_sealing_goes_on_where_it_died(tmp_path: Path, kind: str, kept: bool, sealed_before: int) -> None:
    """Before or after each write: the next run seals what was staged, then the rest; no number has two texts."""
    sealer = Sealer(tmp_path)
    sealer.days(*[{"00": 2}] * sealed_before)
    sealer.record({"00": 3})
    sealer.store.close()
    sealer.store = dying = Dying(tmp_path / "store")
    dying.dies = (kind, kept)
    with pytest.raises(StoreUnavailable):
        sealer.seal()
    sealer.record({"00": 1, "01": 1})
    sealer.seal()
    checkpoints = list(read_checkpoints(trail_in(sealer.folder)))
    assert checkpoints[-1].size == 2 * sealed_before + 5
    assert dict(checkpoints[-1].heads) == sealer.heads
    sealer.close()


def test_of_two_that_seal_at_once_one_text_is_signed(sealer: Sealer) -> None:
    """The other makes way, and the checkpoint is there."""
    sealer.record({"00": 2})

    async def both() -> list[Checkpoint | None]:
        runs = (seal(sealer.store, sealer.keys, sealer.key, now=START) for _ in range(2))
        return list(await asyncio.gather(*runs))

    made = [one for one in asyncio.run(both()) if one is not None]
    assert made == [sealer.checkpoint(0)]


def test_a_checkpoint_that_another_has_written_is_damage(sealer: Sealer) -> None:
    """A store that was put back to an older copy, or a second sealer: nothing is sealed over it."""
    sealer.record({"00": 1})
    note = note_of(sealer, replace(CHECKPOINT, number=0, previous=NO_CHECKPOINT))
    asyncio.run(sealer.store.append(checkpoint_name(0), note, position=0))
    with pytest.raises(StoreDamaged, match="another checkpoint"):
        sealer.seal()


@pytest.mark.parametrize("state", [b"{}", b"[", b'{"v":1,"text":"x","peaks":[],"ends":{}}'])
def test_a_state_that_was_not_written_is_damage(sealer: Sealer, state: bytes) -> None:
    """And nothing is sealed by it."""
    asyncio.run(sealer.store.create(STATE, state))
    with pytest.raises(StoreDamaged):
        sealer.seal()
