"""The key that decoys are derived from: made once for a store, kept in it, read once by each process.

    decoys/key.json   {"key"}   write-once, by whoever needs it first

It is no secret in the sense that nothing secret may be stored (docs/decisions.md): all that it tells is which names and
credential ids are nobody's, and whoever reads the store sees who is somebody there. It opens nothing and signs nobody in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from passkeys import documents
from passkeys.decoys import KEY_BYTES
from passkeys.errors import AlreadyExists
from passkeys.response import decode_base64url, encode_base64url
from passkeys.store import Store

KEY_NAME = "decoys/key.json"


def kept(store: Store, random_bytes: Callable[[int], bytes]) -> Callable[[], Awaitable[bytes]]:
    """What gives the key, asking the store the first time alone. Raises StoreDamaged, StoreUnavailable."""
    found: list[bytes] = []

    async def key() -> bytes:
        if not found:
            found.append(await _read_or_made(store, random_bytes))
        return found[0]

    return key


async def read(store: Store) -> bytes | None:
    """The key, if one was made. Raises StoreDamaged, StoreUnavailable."""
    document = await store.get(KEY_NAME)
    return None if document is None else documents.load(KEY_NAME, document.data, _key)


async def _read_or_made(store: Store, random_bytes: Callable[[int], bytes]) -> bytes:
    key = await read(store)
    if key is None:
        # Another instance may be first: then its key counts, for both.
        with suppress(AlreadyExists):
            await store.create(KEY_NAME, documents.dump({"key": encode_base64url(random_bytes(KEY_BYTES))}))
        key = await read(store)
    if key is None:
        raise KeyError(f"{KEY_NAME} vanished while it was made")
    return key


def _key(members: dict[str, str]) -> bytes:
    key = decode_base64url(members["key"])
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, not {KEY_BYTES}")
    return key
