"""Proofs from the audit trail, that need nothing but the key: that an entry is in it, and that it goes on from what it was.

An entry's proof is a file of c2sp.org/tlog-proof, with the entry's line as its extra data: what the leaf is made of. The
other differs in its first line, and has no entry.

    c2sp.org/tlog-proof@v1                      durable-passkeys/consistency-proof@v1
    extra <the entry's line, base64>            from <the size of the earlier log>
    index <its place in the log, from 0>        <hash, base64>
    <hash, base64>, upwards                     …
    …                                           (an empty line)
    (an empty line)                             the checkpoint, a signed note
    the checkpoint, a signed note
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passkeys.audit import subject_of
from passkeys.checkpoints import Checkpoint, open_checkpoint
from passkeys.errors import CheckpointFault, CheckpointRefused
from passkeys.merkle import (
    HASH_BYTES,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
)
from passkeys.notes import VerifierKey
from passkeys.trail import Trail, log_lines, read_checkpoints, read_note

ENTRY_HEADER = "c2sp.org/tlog-proof@v1"
CONSISTENCY_HEADER = "durable-passkeys/consistency-proof@v1"
# A line of 128 KiB, a note of 256 KiB, and what base64 adds.
MAX_PROOF = 512 * 1024
_NUMBER = "(0|[1-9][0-9]{0,15})"
_ENTRY = re.compile(
    rf"{re.escape(ENTRY_HEADER)}\nextra ([A-Za-z0-9+/]+=*)\nindex {_NUMBER}\n((?:[^\n]+\n)*)\n"
)
_CONSISTENCY = re.compile(rf"{re.escape(CONSISTENCY_HEADER)}\nfrom {_NUMBER}\n((?:[^\n]+\n)*)\n")


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry that is in the log: its line, its place, and the checkpoint that has sealed it."""

    line: bytes
    index: int
    checkpoint: Checkpoint

    @property
    def entry(self) -> dict[str, Any]:
        """The entry's members."""
        members: dict[str, Any] = json.loads(self.line)
        return members


def prove_entry(
    trail: Trail, subject: str, *, is_shown: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> bytes | None:
    """The proof file of the entry of this ceremony or act, against the newest checkpoint; None if no sealed entry is of it,
    or it is not to be shown.

    Reads the trail twice, and keeps nothing of it. Raises CheckpointRefused: root_mismatch if the segments are not what
    was sealed, and as `read_checkpoints` does. Signatures are left to who checks the proof.
    """
    found = next(_entries_of(trail, subject), None)
    if found is None or not is_shown(json.loads(found[1])):
        return None
    index, line = found
    newest = _newest(trail)
    proof = inclusion_proof(map(leaf_hash, log_lines(trail, read_checkpoints(trail))), index, newest.size)
    if not is_included(leaf_hash(line), index, newest.size, proof, newest.root):
        raise _not_sealed(newest)
    head = f"{ENTRY_HEADER}\nextra {base64.b64encode(line).decode()}\nindex {index}\n"
    return f"{head}{_lines(proof)}\n".encode() + read_note(trail.checkpoints[-1])


def prove_consistency(trail: Trail, kept: Checkpoint) -> bytes:
    """The proof file that the newest checkpoint's log goes on from a checkpoint that was kept.

    Raises CheckpointRefused: forked if it does not, and as `prove_entry`.
    """
    newest = _newest(trail)
    if not 0 < kept.size <= newest.size:
        raise CheckpointRefused(
            CheckpointFault.SHRUNK, f"The log has {newest.size} entries, not {kept.size}."
        )
    leaves = map(leaf_hash, log_lines(trail, read_checkpoints(trail)))
    proof = consistency_proof(leaves, kept.size, newest.size)
    if not is_consistent(kept.size, kept.root, newest.size, newest.root, proof):
        raise CheckpointRefused(
            CheckpointFault.FORKED,
            f"The log of checkpoint {newest.number} does not go on from checkpoint {kept.number} as it was kept.",
        )
    head = f"{CONSISTENCY_HEADER}\nfrom {kept.size}\n"
    return f"{head}{_lines(proof)}\n".encode() + read_note(trail.checkpoints[-1])


def check_entry(proof: bytes, keys: Sequence[VerifierKey]) -> Proven:
    """The entry that a proof file proves.

    Raises CheckpointRefused: proof_malformed, proof_invalid, or as `open_checkpoint`.
    """
    (extra, index, path), note = _parts(_ENTRY, proof)
    checkpoint = open_checkpoint(note, keys)
    line = _from_base64(extra)
    if not is_included(leaf_hash(line), int(index), checkpoint.size, _hashes(path), checkpoint.root):
        raise CheckpointRefused(
            CheckpointFault.PROOF_INVALID, f"This entry is not entry {index} of the log that was signed."
        )
    return Proven(line, int(index), checkpoint)


def check_consistency(proof: bytes, kept: Checkpoint, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The later checkpoint, whose log a proof file proves to go on from the kept one's. Raises as `check_entry`."""
    (size, path), note = _parts(_CONSISTENCY, proof)
    checkpoint = open_checkpoint(note, keys)
    same_log = checkpoint.origin == kept.origin and int(size) == kept.size
    steps = _hashes(path)
    if not same_log or not is_consistent(kept.size, kept.root, checkpoint.size, checkpoint.root, steps):
        raise CheckpointRefused(
            CheckpointFault.PROOF_INVALID,
            f"The log of checkpoint {checkpoint.number} is not proven to go on from checkpoint {kept.number}.",
        )
    return checkpoint


def _entries_of(trail: Trail, subject: str) -> Iterator[tuple[int, bytes]]:
    named = f'"{subject}"'.encode()
    for index, line in enumerate(log_lines(trail, read_checkpoints(trail))):
        if named in line:
            try:
                of = subject_of(json.loads(line))[1]
            except (ValueError, TypeError):
                continue  # no entry: the root will tell
            if of == subject:
                yield index, line


def _newest(trail: Trail) -> Checkpoint:
    newest = None
    for checkpoint in read_checkpoints(trail):
        newest = checkpoint
    if newest is None:
        raise CheckpointRefused(CheckpointFault.MISSING, "There is no checkpoint: nothing is sealed yet.")
    return newest


def _not_sealed(newest: Checkpoint) -> CheckpointRefused:
    return CheckpointRefused(
        CheckpointFault.ROOT_MISMATCH,
        f"The entries are not those of checkpoint {newest.number}. Run `audit verify` to see which.",
    )


def _parts(form: re.Pattern[str], proof: bytes) -> tuple[tuple[str, ...], bytes]:
    if len(proof) > MAX_PROOF:
        raise CheckpointRefused(CheckpointFault.TOO_LARGE, f"A proof has at most {MAX_PROOF} bytes.")
    try:
        text = proof.decode()
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    match = form.match(text)
    if match is None:
        raise _malformed("it does not have the lines of a proof of this kind")
    return match.groups(), text[match.end() :].encode()


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)


def _hashes(lines: str) -> list[bytes]:
    # Not `splitlines`, which takes other signs for ends of lines too: a proof has one spelling.
    found = [_from_base64(line) for line in lines.split("\n")[:-1]]
    if len(found) > 64 or any(len(one) != HASH_BYTES for one in found):
        raise _malformed("its hashes have 32 bytes each, and are 64 at most")
    return found


def _from_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed("it has what is no base64") from error
    if base64.b64encode(data).decode() != text:
        raise _malformed("it has base64 that is spelt otherwise than it is written")
    return data


def _malformed(detail: str) -> CheckpointRefused:
    return CheckpointRefused(CheckpointFault.PROOF_MALFORMED, f"{detail}.")
