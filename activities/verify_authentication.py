"""Verify the answer of an authentication ceremony, and note the use of the credential."""

from activities.retries import Json, retried
from passkeys.credentials import (
    CredentialRecord,
    Usage,
    Verdict,
    credential_name,
    dump_usage,
    load_credential,
    load_usage,
    remembered,
    usage_name,
    used,
)
from passkeys.errors import AlreadyExists, Changed, MalformedResponse, Rejection, RejectionCode
from passkeys.response import (
    AuthenticationResponse,
    decode_base64url,
    encode_base64url,
    parse_authentication_response,
)
from passkeys.store import Document
from passkeys.verification import KnownCredential
from passkeys.verification import verify_authentication as verify
from passkeys.world import World


@retried
async def verify_authentication(world: World, request: Json) -> Json:
    """Judge an assertion against the options that this ceremony issued and the stored credential.

    request: {"ceremony_id", "publicKey" (as issued), "response"}; result: {"verified": true, "person",
    "credential_id", "sign_count", "backup_state", "user_verified", "clone_suspected"} or {"verified": false,
    "reason": code}.

    The use is written by compare-and-swap and remembers this ceremony's verdict: run again after a crash
    behind the write, the activity says the same, and does not take its own trace for a clone's.
    """
    try:
        response = parse_authentication_response(request["response"])
        record = await _record(world, encode_base64url(response.raw_id))
        while True:
            usage, document = await _usage(world, record.credential_id)
            verdict = remembered(usage, request["ceremony_id"])
            if verdict is None:
                verdict = _judge(world, request, response, record, usage)
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
            }
    except (MalformedResponse, Rejection) as refused:
        return {"verified": False, "reason": str(refused.code)}


async def _record(world: World, credential_id: str) -> CredentialRecord:
    name = credential_name(credential_id)
    document = await world.store.get(name)
    if document is None:
        raise Rejection(RejectionCode.CREDENTIAL_UNKNOWN)
    return load_credential(name, document.data)


async def _usage(world: World, credential_id: str) -> tuple[Usage | None, Document | None]:
    name = usage_name(credential_id)
    document = await world.store.get(name)
    return (None if document is None else load_usage(name, document.data)), document


def _judge(
    world: World,
    request: Json,
    response: AuthenticationResponse,
    record: CredentialRecord,
    usage: Usage | None,
) -> Verdict:
    """The verdict of this ceremony. Raises Rejection."""
    issued: Json = request["publicKey"]
    verified = verify(
        response,
        challenge=decode_base64url(issued["challenge"]),
        origins=world.settings.origins,
        rp_id=issued["rpId"],
        # By the stricter of what was asked and what is policy now: neither may be dropped in between.
        user_verification_required="required"
        in (world.settings.user_verification, issued["userVerification"]),
        allowed_credentials=[decode_base64url(allowed["id"]) for allowed in issued["allowCredentials"]],
        credential=KnownCredential(
            credential_id=decode_base64url(record.credential_id),
            user_handle=decode_base64url(record.user_handle),
            public_key=decode_base64url(record.public_key),
            sign_count=record.sign_count if usage is None else max(record.sign_count, usage.sign_count),
            backup_eligible=record.backup_eligible,
        ),
    )
    return Verdict(
        ceremony_id=request["ceremony_id"],
        sign_count=verified.sign_count,
        backup_state=verified.backup_state,
        user_verified=verified.user_verified,
        clone_suspected=verified.clone_suspected,
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


def _now(world: World) -> str:
    return world.clock().isoformat()
