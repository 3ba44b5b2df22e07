"""People with passkeys and sessions, as the starters see them: documents in the store, ended ceremonies in the task hub."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from passkeys.credentials import (
    Attestation,
    CredentialDescriptor,
    CredentialRecord,
    Standing,
    StandingState,
    Usage,
    credential_name,
    dump_credential,
    dump_marker,
    dump_standing,
    dump_usage,
    dump_user_handle,
    marker_name,
    person_name,
    standing_name,
    usage_name,
)
from passkeys.errors import AlreadyExists
from passkeys.proof import challenge_of
from passkeys.response import decode_base64url, encode_base64url
from passkeys.store import Store
from passkeys.world import World
from tests.starters.fakes import NOW, FakeClient, ended

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = challenge_of(VERIFIER)
ADAS, GRACES = "YWRhcw", "Z3JhY2Vz"
RECORD = CredentialRecord(
    credential_id=ADAS,
    person="ada",
    user_handle="YWRh",
    public_key="oA",
    algorithm=-7,
    sign_count=0,
    aaguid="00000000-0000-0000-0000-000000000000",
    transports=("internal", "hybrid"),
    backup_eligible=True,
    backup_state=False,
    user_verified=True,
    attestation=Attestation("none", "none", chain_verified=False, model_proven=False),
    ceremony_id="registration-" + "0" * 32,
    created_at="2025-12-01T00:00:00+00:00",
)


async def has_passkey(
    world: World,
    person: str,
    credential_id: str,
    *,
    name: str | None = None,
    used: bool = False,
    **changed: Any,
) -> CredentialRecord:
    """The person has this passkey, as a registration leaves it; `used`: it has signed in."""
    handle = encode_base64url(person.encode())
    record = replace(RECORD, credential_id=credential_id, person=person, user_handle=handle, **changed)
    marker = CredentialDescriptor(decode_base64url(credential_id), record.transports, name)
    try:
        await world.store.create(person_name(person), dump_user_handle(person.encode()))
    except AlreadyExists:
        pass  # their second
    await world.store.create(marker_name(person, credential_id), dump_marker(marker))
    await world.store.create(credential_name(credential_id), dump_credential(record))
    if used:
        usage = Usage(7, backup_state=True, last_used_at="2026-01-01T11:00:00+00:00", verdicts=())
        await world.store.create(usage_name(credential_id), dump_usage(usage))
    return record


async def stands(store: Store, credential_id: str, state: StandingState, **more: Any) -> None:
    """It has been decided that the credential stands so."""
    standing = Standing(state, "lost", "grace", "2026-01-01T11:30:00+00:00", **more)
    name = standing_name(credential_id)
    known = await store.get(name)
    if known is None:
        await store.create(name, dump_standing(standing))
    else:
        await store.replace(name, dump_standing(standing), etag=known.etag)


def has_ended(
    client: FakeClient,
    ceremony_id: str,
    outcome: str = "completed",
    *,
    person: str | None = "ada",
    credential_id: str | None = ADAS,
    age: float = 5,
    **members: Any,
) -> str:
    """A ceremony has ended so, `age` seconds ago; returns its Authorization header, with the right verifier."""
    at = (NOW - timedelta(seconds=age)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    who = None if person is None else {"id": person, "display_name": person.title()}
    client.instances[ceremony_id] = ended(
        ceremony_id,
        outcome,
        **{
            "person": who,
            "credential_id": credential_id,
            "code_challenge": CHALLENGE,
            "user_verified": True,
            "at": at,
            **members,
        },
    )
    return f"Ceremony {ceremony_id}:{VERIFIER}"
