"""Verify the answer of a registration ceremony."""

from dataclasses import asdict

from activities.retries import Json, retried
from passkeys.attestation import TrustAnchors
from passkeys.conformance import policy_for
from passkeys.errors import MalformedResponse, Rejection
from passkeys.metadata import anchors_of
from passkeys.offer import registration_offer
from passkeys.policy import expected_origins
from passkeys.response import decode_base64url, encode_base64url, parse_registration_response
from passkeys.verification import VerifiedRegistration
from passkeys.verification import verify_registration as verify
from passkeys.world import World


@retried
async def verify_registration(world: World, request: Json) -> Json:
    """Judge a new credential against the options that this ceremony issued, and the policy of now.

    request: {"ceremony_id", "person", "mediation", "wishes", "publicKey" (as issued), "response"}; result: {"verified": true,
    "person", "credential": {…as record_credential takes it}, "facts": {…for the audit}} or {"verified": false,
    "reason": code}. It reads settings, clock and metadata, and stores nothing (claims come first): it may run again.
    """
    issued: Json = request["publicKey"]
    metadata = await world.models.current()
    try:
        verified = verify(
            parse_registration_response(request["response"]),
            challenge=decode_base64url(issued["challenge"]),
            origins=expected_origins(world.settings),
            rp_id=issued["rp"]["id"],
            policy=policy_for(request, world.settings),
            offered=registration_offer(issued),
            # What the ceremony began with; the client cannot choose it at the end.
            mediation=request.get("mediation", "modal"),
            trust_anchors=TrustAnchors(world.settings.attestation_roots.by_format, anchors_of(metadata)),
            models=metadata.models if metadata else {},
            at=world.clock(),
        )
    except (MalformedResponse, Rejection) as refused:
        return {"verified": False, "reason": str(refused.code)}
    credential = _credential(verified, user_handle=issued["user"]["id"])
    facts = {name: credential[name] for name in _FACTS}
    return {"verified": True, "person": request["person"], "credential": credential, "facts": facts}


# What the audit says of a new credential, besides its id and its person.
_FACTS = ("aaguid", "algorithm", "attestation", "backup_eligible", "user_verified", "extensions")


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
        "extensions": dict(verified.extensions),
    }
