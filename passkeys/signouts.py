"""Signed out everywhere: when a holder last did. Whatever they signed in to before that is over, whoever still writes to it.

signouts/{holder, hex}.json   {"v", "at"}   by compare-and-swap, only ever later
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from passkeys import documents
from passkeys.errors import AlreadyExists, Changed, StoreUnavailable
from passkeys.store import Store

_TRIES = 20


async def last_of(store: Store, holder: bytes) -> datetime | None:
    """When the holder last signed out everywhere; None: never. Raises StoreUnavailable, StoreDamaged."""
    name = _signout_name(holder)
    document = await store.get(name)
    return None if document is None else documents.load(name, document.data, _signed_out_at)


async def sign_out(store: Store, holder: bytes, at: datetime) -> None:
    """Say that the holder signed out everywhere at `at`, unless they have since. Raises StoreUnavailable, StoreDamaged."""
    name, data = _signout_name(holder), documents.dump({"at": at.isoformat()})
    for _ in range(_TRIES):
        document = await store.get(name)
        if document is not None and documents.load(name, document.data, _signed_out_at) >= at:
            return
        with suppress(AlreadyExists, Changed):
            if document is None:
                await store.create(name, data)
            else:
                await store.replace(name, data, etag=document.etag)
            return
    raise StoreUnavailable(name, "was changed again and again meanwhile. Try again.")


def _signout_name(holder: bytes) -> str:
    return f"signouts/{holder.hex()}.json"


def _signed_out_at(members: dict[str, str]) -> datetime:
    return datetime.fromisoformat(members["at"])
