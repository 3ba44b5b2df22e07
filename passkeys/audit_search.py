"""Find one entry of the audit trail, by the id of what it is of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from passkeys.audit import day_of, shard_prefix, subject_member
from passkeys.store import Store

# An entry goes to the day that it ended on, or to a later one if its shard was there already.
DAYS = timedelta(days=2)
_SUFFIX = ".jsonl"


async def find_flushed(store: Store, shard: str, subject: str, *, on: date) -> dict[str, Any] | None:
    """The entry of a ceremony or an act that ended `on` this day, from the shard's segments; None if it is in none of them.

    Raises StoreUnavailable, StoreDamaged.
    """
    prefix, last = shard_prefix(shard), (on + DAYS).isoformat()
    async for name in store.list(prefix):
        day = day_of(name.removeprefix(prefix))
        if name.endswith(_SUFFIX) and on.isoformat() <= day <= last:
            document = await store.get(name)
            entry = find_line(document.data if document else b"", subject)
            if entry is not None:
                return entry
    return None


def find_pending(lines: Iterable[str], subject: str) -> dict[str, Any] | None:
    """The same, from what an audit log holds that is not flushed yet."""
    return find_line("".join(f"{line}\n" for line in lines).encode(), subject)


def find_line(segment: bytes, subject: str) -> dict[str, Any] | None:
    """The entry in the text of a segment. Lines are canonical JSON: the member is spelt in one way only."""
    name = subject_member(subject)
    member = f'"{name}":"{subject}"'.encode()
    at = segment.find(member)
    while at >= 0:
        start, end = segment.rfind(b"\n", 0, at) + 1, segment.find(b"\n", at)
        if end < 0:
            return None  # being written just now
        entry: dict[str, Any] = json.loads(segment[start:end])
        if entry.get(name) == subject:
            return entry
        at = segment.find(member, end)  # an entry that tells of this one, and is of something else
    return None
