"""Verify the answer of an authentication ceremony, and note the use of the credential."""

from contextlib import suppress
from dataclasses import asdict, replace

from activities.retries import Json, retried
from passkeys import usernames
from passkeys.conformance import policy_for
from passkeys.credentials import (
    CredentialRecord,
    Standing,
    StandingState,
    Usage,
    Verdict,
    credential_name,
    dump_usage,
    holder_of,
    load_credential,
    load_usage,
    remembered,
    usage_name,
    used,
)
from passkeys.decoys import is_decoy
from passkeys.errors import AlreadyExists, Changed, MalformedResponse, Rejection, RejectionCode
from passkeys.extensions import authentication_facts
from passkeys.holdings import USABLE, standing_of, state_of
from passkeys.offer import AuthenticationOffer, authentication_offer
from passkeys.policy import expected_origins
from passkeys.response import (
    AuthenticationResponse,
    decode_base64url,
    encode_base64url,
    parse_authentication_response,
)
from passkeys.stand_ins import NOBODY, stand_in_document
from passkeys.store import Document
from passkeys.verification import KnownCredential
from passkeys.verification import verify_authentication as verify
from passkeys.world import World

# WebAuthn L3 §6.1: bit 3 of the flags, which stand behind the RP id's hash.
_BACKUP_ELIGIBLE = 0x08
# What a stored credential is refused for before any signature is looked at.
_TOLD_EARLY = frozenset(
    {
        RejectionCode.CREDENTIAL_NOT_ALLOWED,
        RejectionCode.CREDENTIAL_OWNER_MISMATCH,
        RejectionCode.USER_HANDLE_MISMATCH,
        RejectionCode.BACKUP_ELIGIBILITY_CHANGED,
    }
)


@retried
async def verify_authentication(world: World, request: Json) -> Json:
    """Judge an assertion against the options that this ceremony issued and the stored credential.

    request: {"ceremony_id", "username": token, "wishes", "publicKey" (as issued), "response"}; result: {"verified": true,
    "person", "credential_id", "sign_count", "backup_state", "user_verified", "clone_suspected", "step_up", "facts": {…for
    the audit}} or {"verified": false, "reason": code}.

    The use is written by compare-and-swap and remembers this ceremony's verdict: run again after a crash
    behind the write, the activity says the same, and does not take its own trace for a clone's.
    """
    try:
        response = parse_authentication_response(request["response"])
    except MalformedResponse as malformed:
        return _refused(malformed.code)
    offered = authentication_offer(request["publicKey"], person=await _started_for(world, request))
    record, found = await _looked_up(world, response, offered)
    standing = await standing_of(world.store, record.credential_id)
    state = state_of(standing)
    refusal = _refusal(await world.decoy_key(), response, offered, standing, found=found)
    try:
        while True:
            usage, document = await _usage(world, record.credential_id)
            verdict = remembered(usage, request["ceremony_id"])
            if verdict is None or refusal is not None:
                verdict = _judge(world, request, response, offered, _known(record, usage))
                if refusal is not None:
                    return _refused(refusal)
                if not await _note(world, record.credential_id, used(usage, verdict, _now(world)), document):
                    continue  # another ceremony used the credential meanwhile: judge by what it left
            return {
                "verified": True,
                "person": record.person,
                "credential_id": record.credential_id,
                "sign_count": verdict.sign_count,
                "backup_state": verdict.backup_state,
                "user_verified": verdict.user_verified,
                "clone_suspected": verdict.clone_suspected,
                "step_up": state is StandingState.STEP_UP,
                "facts": _facts(
                    record, verdict, authentication_facts(offered.extensions, response.extensions)
                ),
            }
    except Rejection as rejection:
        code = rejection.code if refusal is None else refusal
        if rejection.code in _TOLD_EARLY:
            return _refused_late(world, request, response, offered, code=code, record=record)
        return _refused(code)


async def _usage(world: World, credential_id: str) -> tuple[Usage | None, Document | None]:
    name = usage_name(credential_id)
    document = await world.store.get(name)
    return (None if document is None else load_usage(name, document.data)), document


async def _started_for(world: World, request: Json) -> str | None:
    """The person whose user name the ceremony began with; where it is nobody's, its token, which is no person's id.

    None without a name: then anybody may answer.
    """
    username: str | None = request.get("username")
    return None if username is None else await usernames.find(world.store, username) or f"~{username}"


async def _looked_up(
    world: World, response: AuthenticationResponse, offered: AuthenticationOffer
) -> tuple[CredentialRecord, bool]:
    """The record of the answer's credential, and whether there is one; else one that stands in for it.

    Whoever answers with what is not stored is judged like any other, by a key of nobody's, and then refused. So the time
    does not tell which credentials exist.
    """
    credential_id = encode_base64url(response.raw_id)
    name = credential_name(credential_id)
    document = await world.store.get(name)
    stand_in = stand_in_document(await world.decoy_key(), response.raw_id, world.settings.algorithms)
    record = load_credential(name, stand_in if document is None else document.data)
    if document is not None:
        return record, True
    return replace(record, credential_id=credential_id, person=offered.person or NOBODY), False


def _refusal(
    key: bytes,
    response: AuthenticationResponse,
    offered: AuthenticationOffer,
    standing: Standing | None,
    *,
    found: bool,
) -> RejectionCode | None:
    """Why the credential is refused whatever the answer says, or None.

    Unknown is only what we have never named ourselves: that alone may be told outside. A removed one is unknown, whatever
    of it is still to be cleared away, to its holder: to whoever has only seen it in a list, long ago, it must not become
    what a decoy never does.
    """
    decoy = is_decoy(key, response.raw_id)  # looked at for every one: it takes time
    holder = holder_of(encode_base64url(response.raw_id), response.user_handle or b"")  # this too
    state = state_of(standing)
    if found and state in USABLE:
        return None
    if found and state is StandingState.DISABLED:
        return RejectionCode.CREDENTIAL_DISABLED
    if decoy:
        return RejectionCode.CREDENTIAL_DECOY
    removed = standing is not None and state is StandingState.REMOVED and standing.holder != holder
    listed = response.raw_id in offered.allowed_credentials
    return RejectionCode.CREDENTIAL_GONE if listed or removed else RejectionCode.CREDENTIAL_UNKNOWN


def _judge(
    world: World,
    request: Json,
    response: AuthenticationResponse,
    offered: AuthenticationOffer,
    known: KnownCredential,
) -> Verdict:
    """The verdict of this ceremony. Raises Rejection."""
    issued: Json = request["publicKey"]
    verified = verify(
        response,
        challenge=decode_base64url(issued["challenge"]),
        origins=expected_origins(world.settings),
        rp_id=issued["rpId"],
        policy=policy_for(request, world.settings),
        offered=offered,
        credential=known,
    )
    return Verdict(
        ceremony_id=request["ceremony_id"],
        sign_count=verified.sign_count,
        backup_state=verified.backup_state,
        user_verified=verified.user_verified,
        clone_suspected=verified.clone_suspected,
    )


def _facts(record: CredentialRecord, verdict: Verdict, extensions: Json) -> Json:
    """What the audit says of a sign-in, besides its person and its credential: by what, and how strongly."""
    return {
        "aaguid": record.aaguid,
        "algorithm": record.algorithm,
        "attestation": asdict(record.attestation),
        "backup_state": verdict.backup_state,
        "user_verified": verdict.user_verified,
        "extensions": extensions,
    }


def _known(record: CredentialRecord, usage: Usage | None) -> KnownCredential:
    """The stored side of the answer: its record, with the highest sign count ever seen."""
    return KnownCredential(
        credential_id=decode_base64url(record.credential_id),
        person=record.person,
        user_handle=decode_base64url(record.user_handle),
        public_key=decode_base64url(record.public_key),
        sign_count=record.sign_count if usage is None else max(record.sign_count, usage.sign_count),
        backup_eligible=record.backup_eligible,
    )


def _fitted(
    record: CredentialRecord, response: AuthenticationResponse, offered: AuthenticationOffer
) -> KnownCredential:
    """A credential that the answer fits in everything, so that its signature is looked at; but not in that."""
    flags = response.authenticator_data[32:33]
    return KnownCredential(
        credential_id=response.raw_id,
        person=offered.person or "",
        user_handle=response.user_handle or b"",
        public_key=decode_base64url(record.public_key),
        sign_count=0,
        backup_eligible=bool(flags and flags[0] & _BACKUP_ELIGIBLE),
    )


async def _note(world: World, credential_id: str, usage: Usage, before: Document | None) -> bool:
    """Store the use, unless it is no longer as it was read."""
    name, data = usage_name(credential_id), dump_usage(usage)
    try:
        if before is None:
            await world.store.create(name, data)
        else:
            await world.store.replace(name, data, etag=before.etag)
    except (AlreadyExists, Changed):
        return False
    return True


def _refused_late(
    world: World,
    request: Json,
    response: AuthenticationResponse,
    offered: AuthenticationOffer,
    *,
    code: RejectionCode,
    record: CredentialRecord,
) -> Json:
    """Refused with `code`, after the work that a wrong signature takes under the record's key."""
    if offered.allowed_credentials:
        offered = replace(offered, allowed_credentials=(*offered.allowed_credentials, response.raw_id))
    with suppress(Rejection):
        _judge(world, request, response, offered, _fitted(record, response, offered))
    return _refused(code)


def _refused(code: str) -> Json:
    return {"verified": False, "reason": str(code)}


def _now(world: World) -> str:
    return world.clock().isoformat()
