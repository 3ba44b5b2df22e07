"""Verify the answer of a registration ceremony."""

from dataclasses import asdict

from activities.retries import Json
from passkeys.errors import MalformedResponse, Rejection
from passkeys.response import decode_base64url, encode_base64url, parse_registration_response
from passkeys.verification import VerifiedRegistration
from passkeys.verification import verify_registration as verify
from passkeys.world import World


async def verify_registration(world: World, request: Json) -> Json:
    """Judge a new credential against the options that this ceremony issued.

    request: {"ceremony_id", "person", "publicKey" (as issued), "response"}; result: {"verified": true,
    "person", "credential": {…as record_credential takes it}} or {"verified": false, "reason": code}.
    It stores nothing: claims come first. Pure but for the settings, so that it may run again.
    """
    issued: Json = request["publicKey"]
    required = {world.settings.user_verification, issued["authenticatorSelection"]["userVerification"]}
    try:
        verified = verify(
            parse_registration_response(request["response"]),
            challenge=decode_base64url(issued["challenge"]),
            origins=world.settings.origins,
            rp_id=issued["rp"]["id"],
            # By the stricter of what was asked and what is policy now: neither may be dropped in between.
            user_verification_required="required" in required,
            offered_algorithms=[offered["alg"] for offered in issued["pubKeyCredParams"]],
        )
    except (MalformedResponse, Rejection) as refused:
        return {"verified": False, "reason": str(refused.code)}
    credential = _credential(verified, user_handle=issued["user"]["id"])
    return {"verified": True, "person": request["person"], "credential": credential}


def _credential(verified: VerifiedRegistration, *, user_handle: str) -> Json:
    return {
        "credential_id": encode_base64url(verified.credential_id),
        "user_handle": user_handle,
        "public_key": encode_base64url(verified.public_key),
        "algorithm": verified.algorithm,
        "sign_count": verified.sign_count,
        "aaguid": verified.aaguid,
        "transports": list(verified.transports),
        "backup_eligible": verified.backup_eligible,
        "backup_state": verified.backup_state,
        "user_verified": verified.user_verified,
        "attestation": asdict(verified.attestation),
    }
