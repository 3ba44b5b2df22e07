"""Families that are over are forgotten after a while; the audit keeps what they were.

A day after its end a row says nothing to anybody: its tokens are older than any life of theirs, and its ceremony's code is too
old to open it again. The row goes first, then what leads to it by `sid`; what a death left without a row goes by its own age.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from passkeys import documents, family_rows
from passkeys.family_rows import Family
from passkeys.refresh_tokens import FamilyId
from passkeys.store import Store

KEPT = timedelta(days=1)
# Whoever ended a family has told the audit by then, or never will.
TOLD_BY = timedelta(minutes=10)
_SIDS = "sids/"


class _Lead(NamedTuple):
    holder: bytes
    at: datetime


async def sweep(store: Store, *, now: datetime, look: Callable[[Family], Awaitable[None]]) -> int:
    """Forget the families that ended more than KEPT ago; how many. Raises StoreUnavailable, StoreDamaged: the next time goes on.

    `look` is shown each one first whose row says that it was ended more than TOLD_BY ago. What it raises ends the sweep too.
    """
    gone = 0
    async for name in store.list(_SIDS):
        document = await store.get(name)
        if document is None:
            continue
        lead = documents.load(
            name,
            document.data,
            lambda found: _Lead(bytes.fromhex(found["holder"]), datetime.fromisoformat(found["at"])),
        )
        session = bytes.fromhex(name.removeprefix(_SIDS).removesuffix(".json"))
        row = family_rows.name_of(FamilyId(lead.holder, session))
        document = await store.get(row)
        family = None if document is None else family_rows.load(row, document.data)
        if family is not None and family.status_at is not None and family.status_at < now - TOLD_BY:
            await look(family)
        ended = lead.at if family is None else _end_of(family)
        if ended < now - KEPT:
            await store.delete(row)
            await store.delete(name)
            gone += 1
    return gone


def _end_of(family: Family) -> datetime:
    return min(family.ends_at, family.status_at or family.ends_at)
