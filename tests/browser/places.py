"""Somebody is signed in to applications: sessions that the host's own store has, as a redemption would leave them."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from passkeys import families
from passkeys.embedded import EmbeddedStore
from passkeys.families import Opened
from passkeys.family_rows import Opening
from passkeys.local_keys import LocalKeys
from passkeys.settings import load
from passkeys.world import World
from tests.browser.visitor import directory_of
from tests.hosts import RunningHost


def sign_in_to(host: RunningHost, person: str, credential_id: str, *client_ids: str) -> list[str]:
    """The person signs in to these applications with this passkey; the sessions' ids."""

    async def write() -> list[str]:
        store = EmbeddedStore(host.state / "store")
        world = World(
            settings=load(
                {"LOCAL_HOST_STATE": str(host.state), "PASSKEYS_DIRECTORY": str(directory_of(host))}
            ),
            store=store,
            directory=None,  # type: ignore[arg-type]  # nobody is asked
            clock=lambda: datetime.now(UTC),
            random_bytes=secrets.token_bytes,
            keys=LocalKeys(host.state / "keys"),
        )
        try:
            return [await _open(world, person, credential_id, client_id) for client_id in client_ids]
        finally:
            store.close()

    # In a thread of its own: the one of the test has the browser's loop running.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, write()).result()


async def _open(world: World, person: str, credential_id: str, client_id: str) -> str:
    opened = await families.open_family(
        world,
        Opening(
            person=person,
            client_id=client_id,
            audience="http://localhost:7080",
            roles=(),
            jkt=None,
            auth_time=world.clock(),
            acr="phr",
            amr=("swk", "user", "mfa"),
            credential_id=credential_id,
            ceremony_id=f"authentication-{secrets.token_hex(16)}",
            idle_seconds=3600,
            absolute_seconds=43_200,
            access_seconds=300,
        ),
    )
    assert isinstance(opened, Opened)
    return opened.family.sid
