"""Which home the hosts of the tests keep what lasts in: the embedded one, or with TESTS_STORE=azurite a storage account.

The account is Azurite's, one for the whole process, with its data in a folder; each state directory has containers of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path

from passkeys.blob_store import BlobStore
from passkeys.embedded import EmbeddedStore
from tests.azurite.server import Account, azurite

IN_AZURITE = os.environ.get("TESTS_STORE") == "azurite"


@cache
def account() -> tuple[Account, Path]:
    """The account, started when it is first needed and ended with the process; and the folder that its data is in."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(azurite(folder=folder)), folder


def environment(state: Path) -> Mapping[str, str]:
    """The settings by which a host with this state directory keeps what lasts here; its containers are there."""
    if not IN_AZURITE:
        return {}
    _make_containers(state)
    return {"PASSKEYS_STORE_CONNECTION": account()[0].connection, "PASSKEYS_STORE_PREFIX": _prefix(state)}


def is_there(state: Path) -> bool:
    """Whether something can have been kept by a host with this state directory."""
    return IN_AZURITE or (state / "store").exists()


@asynccontextmanager
async def opened(state: Path) -> AsyncIterator[EmbeddedStore | BlobStore]:
    """The store of a host with this state directory, beside it."""
    if IN_AZURITE:
        blobs = BlobStore(account()[0].connection, prefix=_prefix(state))
        try:
            yield blobs
        finally:
            await blobs.close()
        return
    store = EmbeddedStore(state / "store")
    try:
        yield store
    finally:
        store.close()


@cache
def _make_containers(state: Path) -> None:
    async def make() -> None:
        async with opened(state) as store:
            assert isinstance(store, BlobStore)
            await store.create_containers()

    asyncio.run(make())


def _prefix(state: Path) -> str:
    return f"t{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:20]}-"
