"""The audit trail: one entry for each ceremony that ended and for each act, chained by hashes, one chain a shard.

An entry is a JSON object, written down in the canonical form of RFC 8785. Its `hash` is the SHA-256 of that
form without `hash`; its `prev` is the hash of the entry before, and of the first one GENESIS. Whoever changes,
removes, moves or adds one breaks the chain, and `verify` says where. A ceremony has one entry, and so has an act: an
entry is of the one or the other, by its `ceremony_id` or its `act_id`. The end of a chain proves itself only to who
knows its `Head`.

    audit/{shard}/{segment}.jsonl   one entry a line, in order; a segment is a day, in UTC, or a part of one:
                                    2026-01-01, then 2026-01-01_001, …
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from passkeys.errors import AuditBroken, AuditFault
from passkeys.rate_limit import shard_of

GENESIS = "0" * 64
# What an entry is of: one of these members names it.
SUBJECTS = ("ceremony_id", "act_id")

# Both ways are exact for what an entry may hold (`_check_domain`): RFC 8785 then differs from these settings of
# the standard encoder in nothing. A test holds it against the `rfc8785` package, which is five times slower.
_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
).encode
_DAY = len("2026-01-01")
# RFC 8785 §3.2.2.3: beyond this, JSON readers lose digits.
_MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain: its number and its hash. Of an empty chain: -1 and GENESIS."""

    seq: int
    hash: str


EMPTY = Head(-1, GENESIS)


def subject_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The member that says what an entry is of, and the id that stands there. Raises ValueError unless it is just one."""
    named = [(member, entry[member]) for member in SUBJECTS if member in entry]
    if len(named) != 1 or type(named[0][1]) is not str:
        raise ValueError("an audit entry is of one ceremony or of one act, which it names")
    return named[0]


def subject_member(subject: str) -> str:
    """The member that an id stands in."""
    return "act_id" if subject.startswith("act-") else "ceremony_id"


def shard_name(subject: str, shards: int) -> str:
    """The shard that a ceremony or an act is recorded in: two digits, the same for ever for one number of shards."""
    return f"{shard_of(subject, shards):02d}"


def segment_name(shard: str, segment: str) -> str:
    """The append document of one segment of a shard."""
    return f"{shard_prefix(shard)}{segment}.jsonl"


def shard_prefix(shard: str) -> str:
    """What the names of a shard's segments begin with. In order of names, they are in order of entries."""
    return f"audit/{shard}/"


def day_of(segment: str) -> str:
    """The day of a segment, 2026-01-01; of none, none."""
    return segment[:_DAY]


def next_segment(segment: str) -> str:
    """The segment of the same day that comes after this one, in order of names too."""
    part = int(segment[_DAY + 1 :] or 0) + 1
    return f"{day_of(segment)}_{part:03d}"


def canonical(value: Mapping[str, Any]) -> bytes:
    """The canonical form (RFC 8785) of a JSON object. Raises ValueError for what an entry must not hold.

    That is: floats, integers beyond 2**53, names that are not ASCII, text that is not Unicode.
    """
    _check_domain(value)
    return _encode(value).encode()


def sealed(content: Mapping[str, Any], *, shard: str, head: Head) -> tuple[str, Head]:
    """The line that records `content` after `head`, and the new head. Raises ValueError as `canonical` does."""
    entry = {**content, "shard": shard, "seq": head.seq + 1, "prev": head.hash}
    entry.pop("hash", None)
    digest = hashlib.sha256(canonical(entry)).hexdigest()
    entry["hash"] = digest
    return _encode(entry), Head(head.seq + 1, digest)


def verify(lines: Iterable[bytes], *, shard: str, known_head: Head | None = None) -> Head:
    """Check a whole chain, line by line from its first; return its head. Of each entry, the id of its subject is kept.

    One ceremony ends once, and an act is done once: a second entry of it is a fault, though the chain is whole.
    `known_head` is a head seen before, from a copy, a note or the store: the chain must reach it, unchanged.
    Raises AuditBroken at the first thing that is wrong.
    """
    head = EMPTY
    recorded: dict[str, int] = {}
    rest = iter(lines)
    for line in rest:
        entry = _read(line, shard, expected_seq=head.seq + 1)
        if entry["seq"] != head.seq + 1:
            raise _out_of_order(entry, rest, shard, head)
        if entry["prev"] != head.hash:
            # The entry is whole and names another predecessor: one of the two was put there later.
            raise _broken(
                AuditFault.ALTERED,
                shard,
                max(head.seq, 0),
                "It is not the one that its successor was chained to.",
            )
        member, subject = subject_of(entry)
        first = recorded.setdefault(subject, entry["seq"])
        if first != entry["seq"]:
            same = member.removesuffix("_id")
            raise _broken(AuditFault.DUPLICATED, shard, entry["seq"], f"Entry {first} is of the same {same}.")
        head = Head(entry["seq"], entry["hash"])
        if known_head is not None and head.seq == known_head.seq and head.hash != known_head.hash:
            raise _broken(
                AuditFault.ALTERED, shard, head.seq, f"Its hash was {known_head.hash} when it was last seen."
            )
    if known_head is not None and head.seq < known_head.seq:
        raise _broken(
            AuditFault.TRUNCATED,
            shard,
            head.seq + 1,
            f"Entries up to {known_head.seq} existed; it and all after it are gone.",
        )
    return head


def split_lines(segments: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a shard's segments, in order. A last line without its end is given as it is, to be found."""
    for segment in segments:
        yield from segment.splitlines(keepends=True)


def _read(line: bytes, shard: str, *, expected_seq: int) -> dict[str, Any]:
    """The entry in a line, if the line is what was written. Raises AuditBroken."""
    if not line.endswith(b"\n"):
        raise _broken(AuditFault.TRUNCATED, shard, expected_seq, "Its line is cut short.")
    try:
        entry = json.loads(line)
        claimed, seq = entry["hash"], entry["seq"]
        subject_of(entry)
        content = {name: value for name, value in entry.items() if name != "hash"}
        intact = (
            hashlib.sha256(canonical(content)).hexdigest() == claimed
            and _encode(entry).encode()
            == line[:-1]  # one text for one entry, so that no other spelling passes
            and type(seq) is int
            and entry["prev"] is not None
        )
        of_this_shard = entry["shard"] == shard
    except (ValueError, TypeError, KeyError, RecursionError):
        intact, of_this_shard = False, True
    if not intact:
        raise _broken(
            AuditFault.ALTERED, shard, expected_seq, "Its text does not have the hash that it claims."
        )
    if not of_this_shard:
        raise _broken(AuditFault.INSERTED, shard, expected_seq, f"It belongs to shard {entry['shard']!r}.")
    result: dict[str, Any] = entry
    return result


def _out_of_order(entry: Mapping[str, Any], rest: Iterator[bytes], shard: str, head: Head) -> AuditBroken:
    """Tell a missing entry from a moved one, and both from one too many."""
    missing = head.seq + 1
    if entry["seq"] < missing:
        return _broken(AuditFault.INSERTED, shard, entry["seq"], "A second entry has its number.")
    for line in rest:
        try:
            later = json.loads(line)
            if later["seq"] == missing and later["prev"] == head.hash:
                return _broken(
                    AuditFault.REORDERED, shard, missing, f"It stands behind entry {entry['seq']}."
                )
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # not the one looked for; the first fault is the one to tell
    return _broken(AuditFault.REMOVED, shard, missing, f"Entry {entry['seq']} follows where it stood.")


def _broken(fault: AuditFault, shard: str, seq: int, detail: str) -> AuditBroken:
    return AuditBroken(fault, shard=shard, seq=seq, detail=detail)


def _check_domain(value: object) -> None:
    """Refuse what the standard encoder would write otherwise than RFC 8785."""
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > _MAX_INTEGER:
                raise ValueError(f"{value} is beyond what JSON readers keep exactly")
        case list() | tuple():
            for item in value:
                _check_domain(item)
        case dict():
            for name, member in value.items():
                # RFC 8785 §3.2.3 sorts names as UTF-16, Python as code points: the same for ASCII.
                if not (isinstance(name, str) and name.isascii()):
                    raise ValueError(f"the name {name!r} is not ASCII text")
                _check_domain(member)
        case _:
            raise ValueError(f"{type(value).__name__} has no place in an audit entry")
