"""Checkpoints of the audit trail (c2sp.org/tlog-checkpoint): what the whole trail was at one moment, signed.

All shards together are one log, and a checkpoint signs its size and the root of its Merkle tree:

    the log's origin, which is the name of the key that signs
    how many entries it has
    its root, in base64
    checkpoint 41                      the number of this one, from 0
    previous <base64>                  SHA-256 of the text of the one before; of the first, 32 zero bytes
    at 2026-01-01T00:00:00Z
    shard 00 1233 <hash>               the last entry of each shard: its number and its hash, in order of shards

The order of the log. A checkpoint adds, to the log of the one before, what each shard has gained since: shard by shard, in
the order of their names, each shard's entries in theirs. So the order of all leaves follows from the heads in the
checkpoints, every log goes on from every earlier one, and nothing but segments and checkpoints is needed to compute any
root. A leaf is an entry's line without its newline.

Each checkpoint lies under its number, beside the segments, written once:

    audit/checkpoints/{number, ten digits}.note
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from passkeys.audit import Head
from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.notes import VerifierKey, open_note

PREFIX = "audit/checkpoints/"
NO_CHECKPOINT = bytes(32)
_NUMBER = r"(0|[1-9][0-9]{0,15})"
_HASH = r"([A-Za-z0-9+/]{43}=)"
_TEXT = re.compile(
    rf"([^\n]+)\n{_NUMBER}\n{_HASH}\ncheckpoint {_NUMBER}\nprevious {_HASH}\n"
    r"at ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)\n((?:shard [^\n]+\n)*)\Z"
)
_SHARD = re.compile(rf"shard ([0-9]{{2}}) {_NUMBER} ([0-9a-f]{{64}})\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the text of a checkpoint says. `heads`: each shard's, in order of shards. `at`: RFC 3339, in UTC, to the second."""

    origin: str
    size: int
    root: bytes
    number: int
    previous: bytes
    at: str
    heads: tuple[tuple[str, Head], ...]

    @property
    def text(self) -> str:
        """The text that is signed."""
        shards = "".join(f"shard {shard} {head.seq} {head.hash}\n" for shard, head in self.heads)
        return (
            f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"
            f"checkpoint {self.number}\nprevious {_base64(self.previous)}\nat {self.at}\n{shards}"
        )

    @property
    def hash(self) -> bytes:
        """What the next one names as `previous`. Of the text alone: a signature may be made again, or added."""
        return sha256(self.text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a checkpoint has added of one shard: from entry `first` up to `head`."""

    shard: str
    first: int
    head: Head


def checkpoint_name(number: int) -> str:
    """The document of one checkpoint. In order of names, they are in order of numbers."""
    return f"{PREFIX}{number:010d}.note"


def read_checkpoint(text: str) -> Checkpoint:
    """What a text says. Raises CheckpointRefused (malformed) for all but the one spelling."""
    match = _TEXT.match(text)
    if match is None:
        raise _malformed("it does not have the lines of a checkpoint")
    origin, size, root, number, previous, at, shards = match.groups()
    heads = tuple((name, Head(int(seq), digest)) for name, seq, digest in _SHARD.findall(shards))
    found = Checkpoint(
        origin, int(size), base64.b64decode(root), int(number), base64.b64decode(previous), at, heads
    )
    if found.text != text:
        raise _malformed("it is not spelt as a checkpoint is")
    names = [name for name, _ in heads]
    if names != sorted(set(names)):
        raise _malformed("its shards are not in order, once each")
    if sum(head.seq + 1 for _, head in heads) != found.size:
        raise _malformed("its size is not the sum of its shards")
    if (found.number == 0) != (found.previous == NO_CHECKPOINT):
        raise _malformed("the first names none before it, and each other one does")
    return found


def open_checkpoint(note: bytes, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note, signed by one of `keys` for the log of that key's name.

    Raises CheckpointRefused: too_large, malformed, key_unknown, signature_invalid, origin_unexpected.
    """
    text, signer = open_note(note, keys)
    found = read_checkpoint(text)
    if found.origin != signer.name:
        raise CheckpointRefused(
            CheckpointFault.ORIGIN_UNEXPECTED,
            f"It is of the log {found.origin!r}, and signed by the key of {signer.name!r}.",
        )
    return found


def check_next(before: Checkpoint | None, after: Checkpoint) -> None:
    """Check what two checkpoints that follow each other say of one another. Raises CheckpointRefused.

    That is: missing if their numbers do not follow; unchained if the later names another one as the one before it; shrunk
    if a shard has fewer entries, or the time runs back.
    """
    if after.number != (0 if before is None else before.number + 1):
        raise CheckpointRefused(
            CheckpointFault.MISSING,
            f"Checkpoint {0 if before is None else before.number + 1} is not there; {after.number} follows.",
        )
    if before is None:
        return
    if (after.previous, after.origin) != (before.hash, before.origin):
        raise CheckpointRefused(
            CheckpointFault.UNCHAINED,
            f"Checkpoint {after.number} follows another {before.number} than this one.",
        )
    was, now = dict(before.heads), dict(after.heads)
    if after.at < before.at or any(shard not in now or now[shard].seq < was[shard].seq for shard in was):
        raise CheckpointRefused(
            CheckpointFault.SHRUNK,
            f"Checkpoint {after.number} has fewer entries of a shard than {before.number}, or is older.",
        )


def added(before: Checkpoint | None, after: Checkpoint) -> Iterator[Stretch]:
    """What `after` has added, in the order of the log."""
    was = dict(before.heads) if before else {}
    for shard, head in after.heads:
        first = was[shard].seq + 1 if shard in was else 0
        if head.seq >= first:
            yield Stretch(shard, first, head)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _malformed(detail: str) -> CheckpointRefused:
    return CheckpointRefused(CheckpointFault.MALFORMED, f"{detail}.")
