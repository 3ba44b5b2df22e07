"""Sealing: making the next checkpoint of the audit trail, from what the store has gained since the one before.

The text is staged, under compare-and-swap, before it is signed. So of two that seal at once one text is signed, and
one that was signed and not written is written by the next run, as it was staged. A log that does not go on from what was
sealed is not signed: AuditBroken.

    sealing/state.json   {"v", "text": of the newest checkpoint, staged, "peaks": of its tree, in hex,
                          "ends": {shard: [segment's document, position behind its last sealed entry]}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from passkeys.audit import EMPTY, chain, is_shard, split_lines
from passkeys.checkpoints import NO_CHECKPOINT, Checkpoint, checkpoint_name, read_checkpoint
from passkeys.documents import dump, load
from passkeys.errors import AlreadyExists, Changed, CheckpointRefused, StoreDamaged, WrongPosition
from passkeys.key_home import KeyHome
from passkeys.merkle import Tree, leaf_hash
from passkeys.notes import VerifierKey, signed_note, split_note
from passkeys.store import Store

STATE = "sealing/state.json"


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key home's key that signs checkpoints, and what they are verified by. Its name is the log's origin."""

    key_id: str
    verifier: VerifierKey


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Up to where the trail is sealed. `ends`: of each shard, the segment of its last sealed entry, and what is behind it."""

    checkpoint: Checkpoint
    peaks: tuple[bytes, ...]
    ends: Mapping[str, tuple[str, int]]


async def seal(store: Store, keys: KeyHome, key: SealingKey, *, now: datetime) -> Checkpoint | None:
    """Seal what was recorded since the last checkpoint; None if that is nothing, or another run seals it.

    Run again after a crash at any place, it finishes what was begun. Raises AuditBroken if the trail does not go on from what
    was sealed, StoreDamaged if another checkpoint than the staged one is there, StoreError, KeysUnavailable.
    """
    document = await store.get(STATE)
    before = None if document is None else load(STATE, document.data, _load)
    if before is not None:
        if before.checkpoint.origin != key.verifier.name:
            raise ValueError(f"This log is {before.checkpoint.origin!r}, and is sealed by keys of that name.")
        await _publish(store, keys, key, before.checkpoint)
    after = await _next(store, before, origin=key.verifier.name, now=now)
    if after is None:
        return None
    try:
        if document is None:
            await store.create(STATE, _dump(after))
        else:
            await store.replace(STATE, _dump(after), etag=document.etag)
    except (AlreadyExists, Changed):
        return None
    await _publish(store, keys, key, after.checkpoint)
    return after.checkpoint


async def _publish(store: Store, keys: KeyHome, key: SealingKey, checkpoint: Checkpoint) -> None:
    """Sign a checkpoint and write it, unless it is there."""
    name = checkpoint_name(checkpoint.number)
    there = await store.get(name)
    if there is None:
        signature = await keys.sign(key.key_id, checkpoint.text.encode())
        try:
            await store.append(name, signed_note(checkpoint.text, key.verifier, signature), position=0)
        except WrongPosition:
            there = await store.get(name)
    if there is not None and split_note(there.data)[0] != checkpoint.text:
        raise StoreDamaged(
            name,
            "is another checkpoint than the one that was staged.",
            next_step="Keep a copy, and find what else seals this trail or what was restored from an older copy.",
        )


async def _next(store: Store, before: _Sealed | None, *, origin: str, now: datetime) -> _Sealed | None:
    """What the trail is now, or None if it has gained nothing."""
    heads = dict(before.checkpoint.heads) if before else {}
    ends = dict(before.ends) if before else {}
    tree = Tree(before.checkpoint.size, before.peaks) if before else Tree()
    segments: dict[str, list[str]] = {shard: [] for shard in heads}
    async for name in store.list("audit/"):
        shard = name.split("/")[1]
        if is_shard(shard):
            segments.setdefault(shard, []).append(name)
    for shard, names in sorted(segments.items()):
        first, position = ends.get(shard, ("", 0))
        for name in names:
            if name < first:
                continue
            document = await store.get(name)
            data = document.data[position if name == first else 0 :] if document else b""
            for link in chain(split_lines([data]), shard=shard, head=heads.get(shard, EMPTY)):
                tree.append(leaf_hash(link.line))
                heads[shard] = link.head
            ends[shard] = (name, len(document.data) if document else 0)
    if tree.size == (before.checkpoint.size if before else 0):
        return None
    checkpoint = Checkpoint(
        origin=origin,
        size=tree.size,
        root=tree.root(),
        number=before.checkpoint.number + 1 if before else 0,
        previous=before.checkpoint.hash if before else NO_CHECKPOINT,
        at=max(f"{now:%Y-%m-%dT%H:%M:%SZ}", before.checkpoint.at if before else ""),
        heads=tuple(sorted(heads.items())),
    )
    return _Sealed(checkpoint, tuple(tree.peaks), ends)


def _dump(sealed: _Sealed) -> bytes:
    return dump(
        {
            "text": sealed.checkpoint.text,
            "peaks": [peak.hex() for peak in sealed.peaks],
            "ends": sealed.ends,
        }
    )


def _load(members: Mapping[str, Any]) -> _Sealed:
    try:
        checkpoint = read_checkpoint(members["text"])
    except CheckpointRefused as refused:
        raise ValueError(str(refused)) from refused
    peaks = tuple(map(bytes.fromhex, members["peaks"]))
    ends = {shard: (str(name), int(position)) for shard, (name, position) in members["ends"].items()}
    Tree(checkpoint.size, peaks)
    return _Sealed(checkpoint, peaks, ends)
