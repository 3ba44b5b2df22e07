"""The whole audit trail, verified from files alone: segments, checkpoints, and the public key that these are signed by.

Each shard's chain says which entry was altered, removed, moved or put in. Each checkpoint says what the chains were when it
was signed: who rewrites a chain from some entry on makes a whole chain, and not the one that was sealed. Which of the
entries that one checkpoint added was the first to be rewritten nobody can say: the stretch is named. And a checkpoint that
an auditor has kept says the same of the checkpoints.

Everything is read once, in the order of the log, and nothing is kept of an entry but its place among what is told twice
(passkeys/repeats.py): memory does not grow with the trail.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from passkeys.audit import EMPTY, Head, Link, altered, chain, is_shard, told_twice, truncated
from passkeys.checkpoints import Checkpoint, Stretch, added, check_next, open_checkpoint, read_checkpoint
from passkeys.embedded import EmbeddedStore
from passkeys.errors import (
    AuditBroken,
    AuditFault,
    CheckpointFault,
    CheckpointRefused,
    PasskeysError,
    StoreDamaged,
)
from passkeys.merkle import Tree, leaf_hash
from passkeys.notes import MAX_NOTE, VerifierKey, split_note
from passkeys.repeats import Repeats
from passkeys.store import Store

# More than any entry (entities/audit_log.py: MAX_LINE characters) takes in UTF-8, so that a line is read in bounded memory.
_MAX_LINE = 128 * 1024
# Of what is told twice, so many are named.
_MAX_REPEATS = 100
_TELL_EVERY = 4096


@dataclass(frozen=True, slots=True)
class File:
    """A file of the trail. `length`: how many of its bytes count, where somebody else knows that; None: all."""

    path: Path
    length: int | None = None

    @property
    def size(self) -> int:
        """How many bytes of it there are to read."""
        try:
            found = self.path.stat().st_size
        except OSError:
            return 0
        return found if self.length is None else min(found, self.length)


@dataclass(frozen=True, slots=True)
class Trail:
    """The files of a trail: each shard's segments in order, and the checkpoints in order."""

    shards: Mapping[str, Sequence[File]]
    checkpoints: Sequence[File]

    @property
    def size(self) -> int:
        """How many bytes there are to read of all segments."""
        return sum(file.size for files in self.shards.values() for file in files)


@dataclass(frozen=True, slots=True)
class Report:
    """What a trail was found to be. `heads`: how far each shard was found whole.

    `sealed`: the newest checkpoint that is one. `unsealed`: how many entries stand behind it. `faults`: AuditBroken and
    CheckpointRefused, none for an intact trail; of each shard the first, besides what is told twice.
    """

    heads: Mapping[str, Head]
    sealed: Checkpoint | None
    unsealed: int
    faults: Sequence[PasskeysError]

    @property
    def entries(self) -> int:
        """How many entries were found where they must be."""
        return sum(head.seq + 1 for head in self.heads.values())


def trail_of(files: Mapping[str, File]) -> Trail:
    """The trail in files by their documents' names, audit/… . What is neither a segment nor a checkpoint is left out."""
    shards: dict[str, list[File]] = {}
    checkpoints = []
    for name, file in sorted(files.items()):
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != "audit":
            continue
        if is_shard(parts[1]) and name.endswith(".jsonl"):
            shards.setdefault(parts[1], []).append(file)
        elif parts[1] == "checkpoints" and name.endswith(".note"):
            checkpoints.append(file)
    return Trail(shards, checkpoints)


def trail_in(folder: Path) -> Trail:
    """The trail in a folder: a copy of a store's documents, or of its folder `audit`."""
    audit = folder / "audit" if (folder / "audit").is_dir() else folder
    return trail_of({f"audit/{path.relative_to(audit).as_posix()}": File(path) for path in audit.glob("*/*")})


@asynccontextmanager
async def opened_trail(store: Store) -> AsyncIterator[Trail]:
    """A store's trail, to be read: where its files are, or a copy for as long as the block lasts. Raises StoreError, OSError."""
    if isinstance(store, EmbeddedStore):
        yield trail_of({name: File(*file) for name, file in (await store.appended("audit/")).items()})
        return
    with tempfile.TemporaryDirectory() as folder:
        # A blob holds what was appended and no more.
        yield await copy_trail(store, Path(folder))


async def copy_trail(store: Store, folder: Path) -> Trail:
    """Copy a store's trail into a folder, a document at a time. Raises StoreError, OSError; what is cut short is copied so."""
    async for name in store.list("audit/"):
        try:
            document = await store.get(name)
        except StoreDamaged as damaged:
            data = damaged.data
        else:
            data = document.data if document else b""
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return trail_in(folder)


def check(
    trail: Trail,
    keys: Sequence[VerifierKey],
    *,
    kept: Sequence[Checkpoint] = (),
    known_heads: Mapping[str, Head] | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> Report:
    """Verify a trail. Without `keys`, its chains alone.

    `kept`: checkpoints that an auditor has from before; this trail must have the same ones. `known_heads`: heads from
    before. `told` hears from time to time how many more bytes of the segments were read.
    """
    with Repeats() as repeats:
        walk = _Walk(trail, repeats, told)
        for checkpoint in kept:
            for shard, head in checkpoint.heads:
                walk.shard(shard).known[head.seq] = _Known(head, checkpoint)
        for shard, head in (known_heads or {}).items():
            walk.shard(shard).known[head.seq] = _Known(head, None)
        if keys and not trail.checkpoints and not kept:
            walk.faults.append(CheckpointRefused(CheckpointFault.MISSING, "There is no checkpoint."))
        if keys:
            _check_checkpoints(walk, trail.checkpoints, keys, {one.number: one for one in kept})
        sealed = walk.entries
        for one in walk.shards():
            if not one.broken:
                with _whole(walk, one):
                    walk.follow(one, None)
        for again, first in sorted(islice(repeats.found(), _MAX_REPEATS)):
            walk.faults.append(told_twice(again, first))
    return Report(
        heads={one.name: one.head for one in walk.shards()},
        sealed=walk.newest,
        unsealed=walk.entries - sealed,
        faults=tuple(walk.faults),
    )


def log_lines(trail: Trail, checkpoints: Iterable[Checkpoint]) -> Iterator[bytes]:
    """The leaves of the log in its order, as far as it is sealed. Nothing is checked here: the root shows what they are."""
    sources = {shard: _Source(files, lambda _: None).lines() for shard, files in trail.shards.items()}
    before = None
    for checkpoint in checkpoints:
        for stretch in added(before, checkpoint):
            lines = sources.get(stretch.shard, iter(()))
            for line in islice(lines, stretch.head.seq + 1 - stretch.first):
                yield line.removesuffix(b"\n")
        before = checkpoint


def read_checkpoints(trail: Trail) -> Iterator[Checkpoint]:
    """What the checkpoints say, one after the other. Raises CheckpointRefused. No signature is verified here."""
    before = None
    for file in trail.checkpoints:
        checkpoint = read_checkpoint(split_note(read_note(file))[0])
        check_next(before, checkpoint)
        yield checkpoint
        before = checkpoint


def read_note(file: File) -> bytes:
    """The bytes of a checkpoint's file; more than a note can have are not read to their end."""
    with file.path.open("rb") as opened:
        return opened.read(MAX_NOTE + 1)


@dataclass(frozen=True, slots=True)
class _Known:
    """A head that was seen before, by somebody or in a checkpoint that was kept."""

    head: Head
    checkpoint: Checkpoint | None


class _Source:
    """The lines of a shard's files. `cut`: what is wrong with the length of one that was read to its end."""

    def __init__(self, files: Sequence[File], told: Callable[[int], None]) -> None:
        self._files, self._told = files, told
        self.cut = ""

    def lines(self) -> Iterator[bytes]:
        """Each line, with its end."""
        count = size = 0
        for file in self._files:
            left = file.length
            try:
                opened = file.path.open("rb")
            except FileNotFoundError:
                self.cut = self.cut or f"{file.path.name} is gone."
                continue
            with opened:
                while line := opened.readline(_MAX_LINE if left is None else min(_MAX_LINE, left)):
                    if left is not None:
                        left -= len(line)
                    yield line
                    size += len(line)
                    count += 1
                    if count % _TELL_EVERY == 0:
                        self._told(size)
                        size = 0
            if left:
                self.cut = self.cut or f"{file.path.name} is {left} bytes shorter than was written."
        self._told(size)


class _Shard:
    """One shard's chain, as far as it was followed. `known`: by number, heads that it must have had."""

    def __init__(self, name: str, files: Sequence[File], told: Callable[[int], None]) -> None:
        self.name = name
        self.last: Link | None = None
        self.known: dict[int, _Known] = {}
        self.broken = False
        self.source = _Source(files, told)
        self.links = chain(self.source.lines(), shard=name)

    @property
    def head(self) -> Head:
        """Its head, as far as it was followed."""
        return self.last.head if self.last else EMPTY

    def check_known(self) -> None:
        """Compare the head with what was known of it. Raises AuditBroken."""
        known = self.known.get(self.head.seq)
        if known is not None and known.head.hash != self.head.hash:
            raise _another(self.name, known)

    def check_end(self) -> None:
        """Nothing follows. Raises AuditBroken if something was to."""
        missing = [one.head for seq, one in self.known.items() if seq > self.head.seq]
        if self.source.cut:
            raise AuditBroken(
                AuditFault.TRUNCATED, shard=self.name, seq=self.head.seq + 1, detail=self.source.cut
            )
        if missing:
            raise truncated(self.name, self.head, max(missing, key=lambda head: head.seq))


class _Walk:
    """Where the verification is: the shards, the tree of the log, and what was found wrong."""

    def __init__(self, trail: Trail, repeats: Repeats, told: Callable[[int], None]) -> None:
        self._told = told
        self._shards = {name: _Shard(name, files, told) for name, files in trail.shards.items()}
        self._repeats = repeats
        self.tree: Tree | None = Tree()
        self.newest: Checkpoint | None = None
        self.faults: list[PasskeysError] = []
        self.entries = 0

    def shard(self, name: str) -> _Shard:
        """A shard; one of which there is no file has no entries."""
        if name not in self._shards:
            self._shards[name] = _Shard(name, (), self._told)
        return self._shards[name]

    def shards(self) -> list[_Shard]:
        """All shards, in order of their names."""
        return [self._shards[name] for name in sorted(self._shards)]

    def follow(self, shard: _Shard, last: int | None) -> None:
        """Go along a shard's chain, to its end or up to the entry `last`, which is not compared with what is known.

        Raises AuditBroken.
        """
        if last is not None and shard.head.seq >= last:
            return
        add, tree, known = self._repeats.add, self.tree, shard.known
        for link in shard.links:
            shard.last = link
            self.entries += 1
            add(link.subject, shard.name, link.seq)
            if tree is not None:
                tree.append(leaf_hash(link.line))
            if link.seq == last:
                return
            if link.seq in known:
                shard.check_known()
        shard.check_end()


@contextmanager
def _whole(walk: _Walk, shard: _Shard) -> Iterator[None]:
    """Note a shard's first fault, and leave the shard alone from then on: after it, the order of the log is not known."""
    try:
        yield
    except AuditBroken as fault:
        walk.faults.append(fault)
        walk.tree = None
        shard.broken = True


def _check_checkpoints(
    walk: _Walk, files: Sequence[File], keys: Sequence[VerifierKey], kept: dict[int, Checkpoint]
) -> None:
    """Follow the shards from checkpoint to checkpoint."""
    before, linked = None, True
    for file in files:
        try:
            checkpoint = open_checkpoint(read_note(file), keys)
            if file.path.stem != f"{checkpoint.number:010d}":
                raise CheckpointRefused(  # noqa: TRY301 -- told with the name of its file, as all of these
                    CheckpointFault.MISSING, f"Its number is {checkpoint.number}."
                )
        except CheckpointRefused as refused:
            walk.faults.append(CheckpointRefused(refused.code, f"{file.path.name}: {refused.detail}"))
            walk.tree, linked = None, False
            continue
        try:
            if linked:
                check_next(before, checkpoint)
        except CheckpointRefused as refused:
            walk.faults.append(refused)
            walk.tree = None
        _compare(walk, checkpoint, kept.pop(checkpoint.number, None))
        for stretch in added(before, checkpoint):
            shard = walk.shard(stretch.shard)
            if not shard.broken:
                with _whole(walk, shard):
                    _check_stretch(walk, checkpoint, stretch)
        if walk.tree is not None and walk.tree.root() != checkpoint.root:
            walk.tree = None
            walk.faults.append(
                CheckpointRefused(
                    CheckpointFault.ROOT_MISMATCH,
                    f"Checkpoint {checkpoint.number} has another root than the entries up to it.",
                )
            )
        before, linked = checkpoint, True
    walk.newest = before
    walk.tree = None
    walk.faults += [
        CheckpointRefused(
            CheckpointFault.MISSING, f"Checkpoint {number} of {one.at}, which was kept, is not there."
        )
        for number, one in sorted(kept.items())
    ]


def _compare(walk: _Walk, checkpoint: Checkpoint, kept: Checkpoint | None) -> None:
    if kept is not None and kept.text != checkpoint.text:
        walk.faults.append(
            CheckpointRefused(
                CheckpointFault.FORKED,
                f"Checkpoint {checkpoint.number} is another than the one that was kept: of one log there are two.",
            )
        )


def _check_stretch(walk: _Walk, checkpoint: Checkpoint, stretch: Stretch) -> None:
    """Follow a shard to where a checkpoint has sealed it, and compare. Raises AuditBroken."""
    shard, sealed = walk.shard(stretch.shard), stretch.head
    walk.follow(shard, sealed.seq)
    if shard.head.seq < sealed.seq:
        raise truncated(shard.name, shard.head, sealed)
    if shard.head.seq == sealed.seq and shard.head.hash != sealed.hash:
        raise _rewritten(checkpoint, stretch)
    shard.check_known()


def _rewritten(checkpoint: Checkpoint, stretch: Stretch) -> AuditBroken:
    where = f"Checkpoint {checkpoint.number} of {checkpoint.at} has sealed"
    if stretch.first == stretch.head.seq:
        return AuditBroken(
            AuditFault.ALTERED, shard=stretch.shard, seq=stretch.first, detail=f"{where} another one."
        )
    return AuditBroken(
        AuditFault.FORKED,
        shard=stretch.shard,
        seq=stretch.first,
        detail=f"{where} other entries from here to {stretch.head.seq}: one of these was changed, and all after it.",
    )


def _another(shard: str, known: _Known) -> AuditBroken:
    """A head that was seen before is another now."""
    if known.checkpoint is None:
        return altered(shard, known.head)
    return AuditBroken(
        AuditFault.FORKED,
        shard=shard,
        seq=known.head.seq,
        detail=f"Checkpoint {known.checkpoint.number}, which was kept, has sealed another one: it or one before it was changed.",
    )
