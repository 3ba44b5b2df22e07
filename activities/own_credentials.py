"""A person's own credentials, as many as the options of a ceremony can name."""

import json

from activities.retries import Json
from passkeys import credentials
from passkeys.response import encode_base64url
from passkeys.store import Store

# The options travel in the custom status, which the Durable Task Framework limits to 16 KiB in UTF-16. These many
# characters of descriptors leave room for all the rest. For excludeCredentials that is a courtesy to the person, not a
# protection: a credential id that is known already is refused when it is recorded. Who has more than allowCredentials
# can name signs in with the others without a user name.
MAX_LISTED = 5_000


async def own_credentials(store: Store, person: str) -> list[credentials.CredentialDescriptor]:
    """The person's own, in order of their names, as many as fit into MAX_LISTED. One read each."""
    found: list[credentials.CredentialDescriptor] = []
    room = MAX_LISTED
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
