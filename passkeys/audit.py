"""The audit trail: one entry for each ceremony that ended and for each act, chained by hashes, one chain a shard.

An entry is a JSON object, written down in the canonical form of RFC 8785. Its `hash` is the SHA-256 of that
form without `hash`; its `prev` is the hash of the entry before, and of the first one GENESIS. Whoever changes,
removes, moves or adds one breaks the chain, and `chain` says where. A ceremony has one entry, and so has an act: an
entry is of the one or the other, by its `ceremony_id` or its `act_id`. The end of a chain proves itself only to who
knows its `Head`: checkpoints (passkeys/checkpoints.py) sign the heads.

    audit/{shard}/{segment}.jsonl   one entry a line, in order; a segment is a day, in UTC, or a part of one:
                                    2026-01-01, then 2026-01-01_001, …
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from passkeys.errors import AuditBroken, AuditFault
from passkeys.rate_limit import shard_of
from passkeys.repeats import Place, Repeats

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
_SHARD = re.compile(r"[0-9]{2}\Z")


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) > _MAX_INTEGER:
        raise ValueError(f"{text} is beyond what JSON readers keep exactly")
    return number


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} has no place in an audit entry")


# Refuses what `_check_domain` does, but for names that are not ASCII.
_decode = json.JSONDecoder(parse_int=_integer, parse_float=_refuse, parse_constant=_refuse).raw_decode


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


def is_shard(name: str) -> bool:
    """Whether this is a shard's name."""
    return _SHARD.match(name) is not None


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
    digest = sha256(canonical(entry)).hexdigest()
    entry["hash"] = digest
    return _encode(entry), Head(head.seq + 1, digest)


class Link(NamedTuple):
    """An entry that stands where it must: its number, its hash, the id of its subject, its line without the newline."""

    seq: int
    hash: str
    subject: str
    line: bytes

    @property
    def head(self) -> Head:
        """The head of the chain that ends here."""
        return Head(self.seq, self.hash)


def chain(lines: Iterable[bytes], *, shard: str, head: Head = EMPTY) -> Iterator[Link]:
    """The links of a chain, line by line, after `head`. Nothing is kept of them. Raises AuditBroken at the first wrong one."""
    seq, last = head.seq, head.hash
    rest = iter(lines)
    for line in rest:
        seq += 1
        entry, subject = _read(line, shard, expected_seq=seq)
        if entry["seq"] != seq:
            raise _out_of_order(entry, rest, shard, Head(seq - 1, last))
        if entry["prev"] != last:
            # The entry is whole and names another predecessor: one of the two was put there later.
            raise _broken(
                AuditFault.ALTERED,
                shard,
                max(seq - 1, 0),
                "It is not the one that its successor was chained to.",
            )
        last = entry["hash"]
        yield Link(seq, last, subject, line[:-1])


def verify(lines: Iterable[bytes], *, shard: str, known_head: Head | None = None) -> Head:
    """Check one whole chain, line by line from its first; return its head. A trail is checked by `passkeys.trail`.

    One ceremony ends once, and an act is done once: a second entry of it is a fault, though the chain is whole.
    `known_head` is a head seen before, from a copy, a note or the store: the chain must reach it, unchanged.
    Raises AuditBroken at the first thing that is wrong with the chain, then for what is told twice.
    """
    head = EMPTY
    with Repeats() as repeats:
        for link in chain(lines, shard=shard):
            head = link.head
            repeats.add(link.subject, shard, link.seq)
            if known_head is not None and head.seq == known_head.seq and head.hash != known_head.hash:
                raise altered(shard, known_head)
        if known_head is not None and head.seq < known_head.seq:
            raise truncated(shard, head, known_head)
        for again, first in repeats.found():
            raise told_twice(again, first)
    return head


def altered(shard: str, known: Head) -> AuditBroken:
    """An entry is another than it was when it was last seen."""
    return _broken(AuditFault.ALTERED, shard, known.seq, f"Its hash was {known.hash} when it was last seen.")


def truncated(shard: str, head: Head, known: Head) -> AuditBroken:
    """A chain ends at `head` that went up to `known`."""
    return _broken(
        AuditFault.TRUNCATED,
        shard,
        head.seq + 1,
        f"Entries up to {known.seq} existed; it and all after it are gone.",
    )


def told_twice(again: Place, first: Place) -> AuditBroken:
    """A second entry of one ceremony or act."""
    where = "" if first[0] == again[0] else f" of shard {first[0]}"
    return _broken(AuditFault.DUPLICATED, *again, f"Entry {first[1]}{where} is of the same ceremony or act.")


def split_lines(segments: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a shard's segments, in order. A last line without its end is given as it is, to be found."""
    for segment in segments:
        yield from segment.splitlines(keepends=True)


def _read(line: bytes, shard: str, *, expected_seq: int) -> tuple[dict[str, Any], str]:
    """The entry in a line, if the line is what was written, and the id of its subject. Raises AuditBroken."""
    if not line.endswith(b"\n"):
        raise _broken(AuditFault.TRUNCATED, shard, expected_seq, "Its line is cut short.")
    try:
        text = line[:-1].decode()
        entry, _ = _decode(text)
        if not line.isascii():
            _check_domain(entry)
        claimed = entry["hash"]
        # One text for one entry, so that no other spelling passes. `hash` is never the last member: `prev` follows.
        content = text.replace(f'"hash":"{claimed}",', "", 1).encode()
        intact = (
            _encode(entry) == text
            and sha256(content).hexdigest() == claimed
            and type(entry["seq"]) is int
            and entry["prev"] is not None
        )
        of_this_shard = entry["shard"] == shard
        subject = subject_of(entry)[1]
    except (ValueError, TypeError, KeyError, RecursionError):
        intact, of_this_shard = False, True
    if not intact:
        raise _broken(
            AuditFault.ALTERED, shard, expected_seq, "Its text does not have the hash that it claims."
        )
    if not of_this_shard:
        raise _broken(AuditFault.INSERTED, shard, expected_seq, f"It belongs to shard {entry['shard']!r}.")
    return entry, subject


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
