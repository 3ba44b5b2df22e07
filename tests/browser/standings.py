"""Decide about a passkey behind the host's back, as an operator's act or a daily look at the metadata would."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from passkeys.credentials import Standing, StandingState, dump_standing, standing_name
from passkeys.embedded import EmbeddedStore
from tests.hosts import RunningHost


def decide(host: RunningHost, credential_id: str, state: StandingState) -> None:
    """Let the credential, which nobody has decided about before, stand like this."""
    standing = Standing(state, reason="as the test wants it", by="metadata", at="2026-11-25T03:00:00+00:00")

    async def write() -> None:
        store = EmbeddedStore(host.state / "store")
        try:
            await store.create(standing_name(credential_id), dump_standing(standing))
        finally:
            store.close()

    # In a thread of its own: the one of the test has the browser's loop running.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, write()).result()
