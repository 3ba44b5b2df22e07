"""Record a verified credential, and use up the right that allowed it: a ticket, a session, or a token."""

from contextlib import suppress
from datetime import datetime

from activities.retries import Json, retried
from passkeys.credentials import (
    Attestation,
    CredentialDescriptor,
    CredentialRecord,
    StandingState,
    credential_name,
    dump_credential,
    dump_marker,
    marker_name,
)
from passkeys.decoys import is_decoy
from passkeys.directory import IdentityKey
from passkeys.errors import AlreadyExists, StoreUnavailable
from passkeys.families import signed_out_everywhere_at
from passkeys.grants import Granted, use_session
from passkeys.holdings import record_of, standing_of, state_of
from passkeys.identities import Enrolled, use_token
from passkeys.response import decode_base64url
from passkeys.tickets import Redemption, redeem_ticket
from passkeys.world import World


@retried
async def record_credential(world: World, request: Json) -> Json:
    """Store the credential for the person, once.

    request: {"ceremony_id", "person", "ticket": digest | null, "credential" (of verify_registration)}, and without
    a ticket "session", the ceremony that allows it, when that ended "session_at", and "session_credential", or "token", its digest, and "identity";
    result: {"recorded": true} or {"recorded": false, "reason": ticket_missing | ticket_unknown | ticket_used |
    ticket_not_theirs | session_ended | session_used | token_used | identity_taken | credential_exists |
    credential_decoy}.

    The right, then marker, then record, each once and for this ceremony alone: a crash between any two is made
    good by running again, and nothing can be recorded without having used its right. The record comes last
    because it alone makes a credential usable: what fails before it leaves a marker, which only excludes.
    """
    record = _record(world, request)
    # WebAuthn L3 §7.1 step 26, looked at before the right is spent on a credential that cannot be recorded.
    if await _taken(world, record):
        return _refused("credential_exists")
    # Else whoever may register could learn by trying which of the ids that a name is answered with are nobody's.
    if is_decoy(await world.decoy_key(), decode_base64url(record.credential_id)):
        return _refused("credential_decoy")
    refusal = await _use_right(world, request, record)
    if refusal is not None:
        return _refused(refusal)
    await _mark(world, record)
    if not await _create(world, record):  # another ceremony has, between the look and now
        return _refused("credential_exists")
    return {"recorded": True}


def _record(world: World, request: Json) -> CredentialRecord:
    credential: Json = request["credential"]
    return CredentialRecord(
        credential_id=credential["credential_id"],
        person=request["person"],
        user_handle=credential["user_handle"],
        public_key=credential["public_key"],
        algorithm=credential["algorithm"],
        sign_count=credential["sign_count"],
        aaguid=credential["aaguid"],
        transports=tuple(credential["transports"]),
        backup_eligible=credential["backup_eligible"],
        backup_state=credential["backup_state"],
        user_verified=credential["user_verified"],
        attestation=Attestation(**credential["attestation"]),
        ceremony_id=request["ceremony_id"],
        created_at=world.clock().isoformat(),
        extensions=credential.get("extensions", {}),
    )


async def _use_right(world: World, request: Json, record: CredentialRecord) -> str | None:
    """Use up what allows the registration; why it does not, or None."""
    used_for: dict[str, str] = {
        "person": record.person,
        "ceremony_id": record.ceremony_id,
        "credential_id": record.credential_id,
    }
    if request["ticket"] is not None:
        redemption = await redeem_ticket(world.store, request["ticket"], **used_for)
        return None if redemption is Redemption.REDEEMED else redemption.value
    if request.get("session") is not None:
        granted = await use_session(
            world.store,
            session=request["session"],
            session_credential=request.get("session_credential"),
            session_over=await _signed_out_since(world, record.person, request.get("session_at")),
            now=world.clock(),
            **used_for,
        )
        return None if granted is Granted.GRANTED else granted.value
    if request.get("token") is not None:
        identity = IdentityKey(*(request["identity"][name] for name in ("issuer", "tenant", "subject")))
        enrolled = await use_token(
            world.store, token=request["token"], identity=identity, now=world.clock(), **used_for
        )
        return None if enrolled is Enrolled.ENROLLED else enrolled.value
    return "ticket_missing"


async def _signed_out_since(world: World, person: str, began: str | None) -> bool:
    """Whether the person has signed out everywhere since their session began."""
    signed_out_at = await signed_out_everywhere_at(world, person)
    return began is not None and signed_out_at is not None and datetime.fromisoformat(began) <= signed_out_at


async def _taken(world: World, record: CredentialRecord) -> bool:
    """Whether this credential id is another's: another ceremony has recorded it, for whomever, or it was removed."""
    known = await record_of(world.store, record.credential_id)
    if known is not None and known.ceremony_id != record.ceremony_id:
        return True
    # A removed one's id is never given out again, not even to the ceremony that recorded it, should that run again.
    return state_of(await standing_of(world.store, record.credential_id)) is StandingState.REMOVED


async def _create(world: World, record: CredentialRecord) -> bool:
    """Write the record, unless another ceremony has. Raises StoreUnavailable only if it was not seen to be kept."""
    name = credential_name(record.credential_id)
    try:
        await world.store.create(name, dump_credential(record))
    except AlreadyExists:
        return not await _taken(world, record)
    except StoreUnavailable:
        # A write that was kept and reported failed must not end the ceremony as failed: its credential works.
        if await world.store.get(name) is None:
            raise
        return not await _taken(world, record)
    return True


async def _mark(world: World, record: CredentialRecord) -> None:
    descriptor = CredentialDescriptor(decode_base64url(record.credential_id), record.transports)
    with suppress(AlreadyExists):  # our own, of a try before
        await world.store.create(marker_name(record.person, record.credential_id), dump_marker(descriptor))


def _refused(reason: str) -> Json:
    return {"recorded": False, "reason": reason}
