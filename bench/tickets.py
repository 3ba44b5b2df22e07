"""Enrolment tickets made beside a running server, one for each person of the load."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from passkeys.embedded import EmbeddedStore
from passkeys.tickets import issue_ticket


def issue_tickets(state: Path, people: Sequence[str]) -> list[str]:
    """One ticket for each person, in the store below this state directory."""

    async def issue() -> list[str]:
        store = EmbeddedStore(state / "store")
        now = datetime.now(UTC)
        try:
            return [
                await issue_ticket(store, person, seconds=3600, now=now, random_bytes=secrets.token_bytes)
                for person in people
            ]
        finally:
            store.close()

    return asyncio.run(issue())
