"""What the store says of a credential now: record, use, standing and the person's own marker, read together.

Reads alone. Who writes which of them stands in passkeys/credentials.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from passkeys.credentials import (
    CredentialDescriptor,
    CredentialRecord,
    Standing,
    StandingState,
    Usage,
    credential_name,
    load_credential,
    load_marker,
    load_standing,
    load_usage,
    load_user_handle,
    marker_name,
    person_name,
    person_prefix,
    standing_name,
    usage_name,
)
from passkeys.response import MAX_CREDENTIAL_ID, decode_base64url, encode_base64url, encoded_length
from passkeys.store import Store

# A credential in one of these can sign in.
USABLE = frozenset({StandingState.ACTIVE, StandingState.STEP_UP})


@dataclass(frozen=True, slots=True)
class Holding:
    """One credential of a person's that is there: not removed."""

    record: CredentialRecord
    marker: CredentialDescriptor
    usage: Usage | None
    standing: Standing | None

    @property
    def state(self) -> StandingState:
        """The standing's, or active where nothing has been decided."""
        return state_of(self.standing)


def is_credential_id(text: str) -> bool:
    """Whether `text` can be a credential's id at all: strict base64url, of a length that the store can name."""
    try:
        return 1 <= len(text) <= encoded_length(MAX_CREDENTIAL_ID) and bool(decode_base64url(text))
    except ValueError:
        return False


def state_of(standing: Standing | None) -> StandingState:
    """The state that a standing says; one that was never decided about is active."""
    return StandingState.ACTIVE if standing is None else standing.state


async def record_of(store: Store, credential_id: str) -> CredentialRecord | None:
    """The credential's record, as it was registered. `credential_id` must be base64url."""
    name = credential_name(credential_id)
    document = await store.get(name)
    return None if document is None else load_credential(name, document.data)


async def usage_of(store: Store, credential_id: str) -> Usage | None:
    """What authentications have seen of it."""
    name = usage_name(credential_id)
    document = await store.get(name)
    return None if document is None else load_usage(name, document.data)


async def standing_of(store: Store, credential_id: str) -> Standing | None:
    """What has been decided about it."""
    name = standing_name(credential_id)
    document = await store.get(name)
    return None if document is None else load_standing(name, document.data)


async def marker_of(store: Store, person: str, credential_id: str) -> CredentialDescriptor | None:
    """The person's own marker of it. Nobody else's is found, whoever asks."""
    name = marker_name(person, credential_id)
    document = await store.get(name)
    return None if document is None else load_marker(name, document.data)


async def user_handle_of(store: Store, person: str) -> str | None:
    """The person's user handle in base64url, if they ever had one."""
    name = person_name(person)
    document = await store.get(name)
    return None if document is None else encode_base64url(load_user_handle(name, document.data))


async def holdings_of(store: Store, person: str) -> list[Holding]:
    """The person's credentials that are there, oldest first.

    A marker alone, of a registration that failed or a removal that has not ended, is none.
    """
    found: list[Holding] = []
    async for name in store.list(person_prefix(person)):
        document = await store.get(name)
        if document is None:
            continue
        marker = load_marker(name, document.data)
        holding = await _holding(store, person, marker)
        if holding is not None:
            found.append(holding)
    return sorted(found, key=lambda holding: (holding.record.created_at, holding.record.credential_id))


async def holding_of(store: Store, person: str, credential_id: str) -> Holding | None:
    """One of the person's credentials, if it is there and theirs. Anybody else's is as one that is not there."""
    marker = await marker_of(store, person, credential_id)
    return None if marker is None else await _holding(store, person, marker)


async def _holding(store: Store, person: str, marker: CredentialDescriptor) -> Holding | None:
    credential_id = encode_base64url(marker.id)
    standing = await standing_of(store, credential_id)
    record = await record_of(store, credential_id)
    if record is None or record.person != person or state_of(standing) is StandingState.REMOVED:
        return None
    return Holding(record, marker, await usage_of(store, credential_id), standing)
