"""A person's own credentials, as many as the options of a ceremony can name."""

import json
from collections.abc import AsyncIterator

from activities.retries import Json
from passkeys.credentials import CredentialDescriptor, dump_marker, load_marker, person_prefix
from passkeys.decoy_key import KEY_NAME
from passkeys.response import encode_base64url
from passkeys.store import Store

# The options travel in the custom status, which the Durable Task Framework limits to 16 KiB in UTF-16. These many
# characters of descriptors leave room for all the rest. For excludeCredentials that is a courtesy to the person, not a
# protection: a credential id that is known already is refused when it is recorded. Who has more than allowCredentials
# can name signs in with the others without a user name.
MAX_LISTED = 5_000
_MARKER = dump_marker(CredentialDescriptor(bytes(20), ("hybrid", "internal")))


async def own_credentials(store: Store, person: str) -> list[CredentialDescriptor]:
    """The person's own, in order of their names, as many as fit into MAX_LISTED. One read each."""

    async def markers() -> AsyncIterator[tuple[str, bytes]]:
        async for name in store.list(person_prefix(person)):
            document = await store.get(name)
            if document is not None:
                yield name, document.data

    return await _fitting(markers())


async def read_as_many(store: Store, count: int) -> None:
    """What a person's `count` own cost: a document is read for each, a marker parsed, its room measured."""

    async def markers() -> AsyncIterator[tuple[str, bytes]]:
        for _ in range(count):
            await store.get(KEY_NAME)  # one that is there, as the markers are
            yield KEY_NAME, _MARKER

    await _fitting(markers())


async def _fitting(markers: AsyncIterator[tuple[str, bytes]]) -> list[CredentialDescriptor]:
    found: list[CredentialDescriptor] = []
    room = MAX_LISTED
    async for name, data in markers:
        descriptor = load_marker(name, data)
        room -= len(json.dumps(_told(descriptor))) + len(", ")
        if room < 0:
            break
        found.append(descriptor)
    return found


def _told(descriptor: CredentialDescriptor) -> Json:
    """PublicKeyCredentialDescriptorJSON, at its longest."""
    return {
        "id": encode_base64url(descriptor.id),
        "type": "public-key",
        "transports": descriptor.transports,
    }
