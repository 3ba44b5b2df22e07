"""Enrolment tickets made beside a running server, one for each person of the load."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from passkeys.blob_store import BlobStore
from passkeys.embedded import EmbeddedStore
from passkeys.tickets import issue_ticket


def issue_tickets(
    state: Path, people: Sequence[str], *, store: Callable[[], EmbeddedStore | BlobStore] | None = None
) -> list[str]:
    """One ticket for each person, in the store below this state directory, or in the one that `store` opens."""

    async def issue() -> list[str]:
        opened = EmbeddedStore(state / "store") if store is None else store()
        now = datetime.now(UTC)
        try:
            return [
                await issue_ticket(opened, person, seconds=3600, now=now, random_bytes=secrets.token_bytes)
                for person in people
            ]
        finally:
            await closed(opened)

    return asyncio.run(issue())


async def closed(store: EmbeddedStore | BlobStore) -> None:
    """Close either."""
    if isinstance(store, BlobStore):
        await store.close()
    else:
        store.close()
