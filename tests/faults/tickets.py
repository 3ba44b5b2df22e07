"""Enrolment tickets made beside a running host, without the cost of a command for each."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

from passkeys.embedded import EmbeddedStore
from passkeys.tickets import issue_ticket


def issue_tickets(state: Path, person: str, count: int) -> list[str]:
    """`count` tickets for `person`, in the store of this state directory."""

    async def issue() -> list[str]:
        store = EmbeddedStore(state / "store")
        try:
            return list(
                await asyncio.gather(
                    *(
                        issue_ticket(
                            store,
                            person,
                            seconds=3600,
                            now=datetime.now(UTC),
                            random_bytes=secrets.token_bytes,
                        )
                        for _ in range(count)
                    )
                )
            )
        finally:
            store.close()

    return asyncio.run(issue())
