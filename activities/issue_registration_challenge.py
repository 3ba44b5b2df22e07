"""Issue the challenge of a registration ceremony."""

import json
from contextlib import suppress
from datetime import timedelta

from activities.retries import Json, retried
from passkeys import credentials, options
from passkeys.errors import AlreadyExists, DirectoryUnavailable
from passkeys.response import encode_base64url
from passkeys.store import Store
from passkeys.world import World

# The options travel in the custom status, which the Durable Task Framework limits to 16 KiB in UTF-16. These many
# characters of excludeCredentials leave room for all the rest. It is a courtesy to the person, not a protection: a
# credential id that is known already is refused when it is recorded.
MAX_EXCLUDED = 5_000


@retried
async def issue_registration_challenge(world: World, request: Json) -> Json:
    """Make PublicKeyCredentialCreationOptionsJSON with a fresh challenge.

    request: {"ceremony_id", "person", "deadline_seconds"}; result: {"publicKey", "expires_at"}. Run again, it
    makes another challenge; the ceremony knows the one whose result the history kept, and no other counts.
    """
    person: str = request["person"]
    public_key = options.creation_options(
        world.settings,
        challenge=options.new_challenge(world.random_bytes),
        deadline_seconds=request["deadline_seconds"],
        user_handle=await _user_handle(world, person),
        name=person,
        display_name=await _display_name(world, person),
        exclude=await _own_credentials(world.store, person),
    )
    expires_at = world.clock() + timedelta(seconds=request["deadline_seconds"])
    return {"publicKey": public_key, "expires_at": expires_at.isoformat()}


async def _user_handle(world: World, person: str) -> bytes:
    """The person's user handle, made at their first registration and the same ever after."""
    name = credentials.person_name(person)
    known = await world.store.get(name)
    if known is None:
        made = credentials.dump_user_handle(options.new_user_handle(world.random_bytes))
        # Another ceremony of theirs may be first, or our own try before was kept: then that one counts.
        with suppress(AlreadyExists):
            await world.store.create(name, made)
        known = await world.store.get(name)
    if known is None:
        raise KeyError(f"{name} vanished while a ceremony was using it")
    return credentials.load_user_handle(name, known.data)


async def _own_credentials(store: Store, person: str) -> list[credentials.CredentialDescriptor]:
    """The person's own, in order of their names, as many as fit into MAX_EXCLUDED."""
    found: list[credentials.CredentialDescriptor] = []
    room = MAX_EXCLUDED
    async for name in store.list(credentials.person_prefix(person)):
        document = await store.get(name)
        if document is None:
            continue
        descriptor = credentials.load_marker(name, document.data)
        room -= len(json.dumps(_told(descriptor))) + len(", ")
        if room < 0:
            break
        found.append(descriptor)
    return found


def _told(descriptor: credentials.CredentialDescriptor) -> Json:
    """PublicKeyCredentialDescriptorJSON, at its longest."""
    return {
        "id": encode_base64url(descriptor.id),
        "type": "public-key",
        "transports": descriptor.transports,
    }


async def _display_name(world: World, person: str) -> str:
    """What the browser shows. Whether the person may register is asked later, when it counts."""
    try:
        known = await world.directory.find(person)
    except DirectoryUnavailable:
        known = None
    return person if known is None else known.display_name
