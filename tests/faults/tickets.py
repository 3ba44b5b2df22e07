"""Enrolment tickets made beside a running host, without the cost of a command for each; and people to give them to."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from passkeys.tickets import issue_ticket
from tests import homes


def issue_tickets(state: Path, *people: str) -> list[str]:
    """One ticket for each of `people`, in the store of this state directory."""

    async def issue() -> list[str]:
        now = datetime.now(UTC)
        async with homes.opened(state) as store:
            making = [
                issue_ticket(store, person, seconds=3600, now=now, random_bytes=secrets.token_bytes)
                for person in people
            ]
            return list(await asyncio.gather(*making))

    return asyncio.run(issue())


def write_directory(path: Path, count: int) -> list[str]:
    """A directory file of `count` active people, for PASSKEYS_DIRECTORY; their ids."""
    people = [f"person-{number}" for number in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({person: {"display_name": f"Person {person}"} for person in people}))
    return people
