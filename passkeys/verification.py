"""Whether a response is genuine, fresh, from the right authenticator and for the right person.

Two functions, one for each kind. Each is a list of obligations, discharged in order, every one with the step
of WebAuthn Level 3 that asks for it; the first that fails raises `Rejection` with its code. No other
exception ever leaves them, whatever bytes come in. Everything expected is passed in.

The `webauthn` package reads public keys and verifies the signatures that it knows, through its helpers. Its own two
verifiers are not called: they leave out what is checked here, and do much of it twice. Nor is its reader of
authenticator data: passkeys.authenticator_data says why.

What the caller still owes: the challenge belongs to this ceremony, has not been answered before and has not
expired; the credential id is not registered yet (§7.1 step 26); the new sign count is stored (§7.2 step 24).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webauthn.helpers import aaguid_to_string

from passkeys.algorithms import load_public_key, verify_signature
from passkeys.attestation import TrustAnchors, verify_statement
from passkeys.authenticator_data import (
    attested_credential,
    check_authenticator_data,
    read_attestation_object,
    read_authenticator_data,
)
from passkeys.client_data import check_client_data
from passkeys.credentials import Attestation
from passkeys.errors import Rejection, RejectionCode, SignatureInvalid, rejected_as
from passkeys.extensions import authentication_facts, authenticator_outputs, registration_facts
from passkeys.metadata import Model, judge_model
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import Policy
from passkeys.response import AuthenticationResponse, RegistrationResponse, encode_base64url


@dataclass(frozen=True, slots=True)
class VerifiedRegistration:
    """What a registration proved. `public_key` is the COSE key; `sign_count` that of the authenticator now.

    `user_present` and `user_verified` may both be false after conditional mediation, and only then `user_present`.
    """

    credential_id: bytes
    public_key: bytes
    algorithm: int
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backup_state: bool
    user_present: bool
    user_verified: bool
    mediation: str
    attestation: Attestation
    extensions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerifiedAuthentication:
    """What an authentication proved, and what to store of it.

    `sign_count` is never lower than the stored one. `clone_suspected`: the authenticator's count had not
    grown; tolerated of a synced passkey, whose copies count apart, and worth an operator's look.
    """

    sign_count: int
    backup_state: bool
    user_verified: bool
    clone_suspected: bool
    extensions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownCredential:
    """The stored side of an authentication: who owns the credential, and what it was last seen to be."""

    credential_id: bytes
    person: str
    user_handle: bytes
    public_key: bytes
    sign_count: int
    backup_eligible: bool


def verify_registration(
    response: RegistrationResponse,
    *,
    challenge: bytes,
    origins: Collection[str],
    rp_id: str,
    policy: Policy,
    offered: RegistrationOffer,
    mediation: str,
    trust_anchors: TrustAnchors,
    models: Mapping[str, Model],
    at: datetime,
) -> VerifiedRegistration:
    """Judge a new credential, as of `at`. Steps are those of L3 §7.1. Raises Rejection, and nothing else.

    `models` is what metadata knows, by AAGUID or key identifier.
    """
    with rejected_as(RejectionCode.RESPONSE_UNREADABLE):
        # (1) One credential id, and it is a public key's. §5.1.
        _check_identity(response)
        # (2) Client data: type, challenge, origin, framing. Steps 5 to 11.
        check_client_data(
            response.client_data_json, "webauthn.create", challenge=challenge, origins=origins, policy=policy
        )
        # (3) The attestation object can be read, to its last byte. Step 13.
        attestation_object = read_attestation_object(response.attestation_object)
        data = attestation_object.authenticator_data
        # (4) RP id, user present, user verified, backup flags. Steps 14 to 17. Conditional mediation asks nobody: §5.1.3.
        prompted = mediation != "conditional"
        verification = policy.user_verification_required or offered.user_verification_required
        check_authenticator_data(
            data, rp_id, presence_required=prompted, verification_required=prompted and verification
        )
        # (5) A credential that may be copied to other devices is as policy has it. Step 18.
        if data.flags.be and not policy.backup_eligible_allowed:
            raise Rejection(RejectionCode.BACKUP_ELIGIBLE_REFUSED)
        # (6) It attests a credential, of a legal id, and the one that the response names. §6.5.1, step 25.
        attested = attested_credential(data, response.raw_id)
        # (7) The key is of an algorithm that was offered, and can be used. Step 20.
        algorithm, _ = load_public_key(attested.credential_public_key)
        if algorithm.cose not in offered.algorithms:
            raise Rejection(RejectionCode.ALGORITHM_NOT_OFFERED, algorithm.name)
        # (8) The authenticator is of a kind that was asked for. §5.4.4; policy. The client's word: nobody signs it.
        _check_authenticator(response, policy, offered)
        # (9) The attestation statement is of a format that we take, and correct for it. Steps 21 to 23.
        attestation = verify_statement(
            fmt=attestation_object.fmt,
            att_stmt=attestation_object.att_stmt,
            auth_data=attestation_object.signed,
            authenticator_data=data,
            client_data_hash=hashlib.sha256(response.client_data_json).digest(),  # step 12
            anchors=trust_anchors,
            at=at,
            formats=policy.attestation_formats,
            lenience=policy.lenience,
            chains_exact=policy.chains_exact,
        )
        # (10) It is as trustworthy as policy demands, and the verdict says what it proved. Step 24.
        if policy.attestation_trusted_only and not attestation.chain_verified:
            raise Rejection(RejectionCode.ATTESTATION_UNTRUSTED, attestation.type)
        # (11) The model of authenticator is welcome, and where only some are, it is proven to be one. Step 24; policy.
        aaguid = aaguid_to_string(attested.aaguid)
        refusal = judge_model(aaguid, models.get(attestation.model or aaguid), policy.models, at=at)
        if refusal is not None:
            raise Rejection(refusal, aaguid)
        if policy.models.allowed and not attestation.model_proven:
            raise Rejection(RejectionCode.AAGUID_UNPROVEN, aaguid)
        # (12) Extension outputs: of those asked for, well formed, and as strong as asked. Step 28.
        outputs = authenticator_outputs(data.extensions)
        extensions = registration_facts(offered.extensions, response.extensions, outputs)
        # (13) The credential is discoverable, if it had to be, unless the client says that it is not. §10.1.3.
        if offered.resident_key_required and extensions.get("credProps", {}).get("rk") is False:
            raise Rejection(RejectionCode.RESIDENT_KEY_MISSING)
        return VerifiedRegistration(
            credential_id=attested.credential_id,
            public_key=attested.credential_public_key,
            algorithm=algorithm.cose,
            sign_count=data.sign_count,
            aaguid=aaguid,
            transports=response.transports,
            backup_eligible=data.flags.be,
            backup_state=data.flags.bs,
            user_present=data.flags.up,
            user_verified=data.flags.uv,
            mediation=mediation,
            attestation=attestation,
            extensions=extensions,
        )


def verify_authentication(
    response: AuthenticationResponse,
    *,
    challenge: bytes,
    origins: Collection[str],
    rp_id: str,
    policy: Policy,
    offered: AuthenticationOffer,
    credential: KnownCredential,
) -> VerifiedAuthentication:
    """Judge an assertion against the stored credential that has its id. Steps are those of L3 §7.2.

    Raises Rejection, and nothing else.
    """
    with rejected_as(RejectionCode.RESPONSE_UNREADABLE):
        # (1) One credential id, it is a public key's, and the stored one's. §5.1.
        _check_identity(response)
        if not hmac.compare_digest(credential.credential_id, response.raw_id):
            raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "response and stored credential differ")
        # (2) It was asked for: its owner, if anybody was, and it, if any was. Steps 6 and 5.
        if offered.person is not None and offered.person != credential.person:
            raise Rejection(RejectionCode.CREDENTIAL_OWNER_MISMATCH)
        if offered.allowed_credentials and response.raw_id not in offered.allowed_credentials:
            raise Rejection(RejectionCode.CREDENTIAL_NOT_ALLOWED)
        # (3) It belongs to the user whom the authenticator names. Step 6.
        _check_user(response, credential, offered)
        # (4) Client data: type, challenge, origin, framing. Steps 7 to 14.
        check_client_data(
            response.client_data_json, "webauthn.get", challenge=challenge, origins=origins, policy=policy
        )
        # (5) RP id, user present, user verified, backup flags. Steps 15 to 18.
        data = read_authenticator_data(response.authenticator_data)
        verification = policy.user_verification_required or offered.user_verification_required
        check_authenticator_data(data, rp_id, presence_required=True, verification_required=verification)
        # (6) A credential does not become backup eligible, or cease to be. Step 19.
        if data.flags.be != credential.backup_eligible:
            raise Rejection(RejectionCode.BACKUP_ELIGIBILITY_CHANGED)
        # (7) The stored key signed all this. Steps 20 and 21.
        _check_signature(response, credential.public_key)
        # (8) The sign count has grown, where either side counts; otherwise as policy has it. Step 22.
        count = data.sign_count
        clone_suspected = bool(count or credential.sign_count) and count <= credential.sign_count
        if clone_suspected and not (credential.backup_eligible or policy.sign_count_only_flagged):
            raise Rejection(RejectionCode.SIGN_COUNT_NOT_INCREASED, f"{count} after {credential.sign_count}")
        # (9) Extension outputs: of those asked for. Step 23.
        authenticator_outputs(data.extensions)
        extensions = authentication_facts(offered.extensions, response.extensions)
        return VerifiedAuthentication(
            sign_count=max(count, credential.sign_count),
            backup_state=data.flags.bs,
            user_verified=data.flags.uv,
            clone_suspected=clone_suspected,
            extensions=extensions,
        )


def _check_identity(response: RegistrationResponse | AuthenticationResponse) -> None:
    """L3 §5.1: `id` is the base64url of `rawId`, and the type is the only one there is."""
    if response.id != encode_base64url(response.raw_id):
        raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "id and rawId differ")
    if response.type != "public-key":
        raise Rejection(RejectionCode.CREDENTIAL_TYPE_UNEXPECTED)


def _check_authenticator(response: RegistrationResponse, policy: Policy, offered: RegistrationOffer) -> None:
    """Attachment as offered, and one transport at least that policy allows. Where there is a rule, silence fails it."""
    if offered.attachment is not None and response.authenticator_attachment != offered.attachment:
        raise Rejection(RejectionCode.ATTACHMENT_UNEXPECTED, str(response.authenticator_attachment))
    if policy.transports_allowed and policy.transports_allowed.isdisjoint(response.transports):
        raise Rejection(RejectionCode.TRANSPORT_NOT_ALLOWED, ",".join(response.transports))


def _check_user(
    response: AuthenticationResponse, credential: KnownCredential, offered: AuthenticationOffer
) -> None:
    """Who owns the credential, and whom the authenticator names: one person. L3 §7.2 step 6."""
    if response.user_handle is None:
        # Nobody was identified before: the user handle alone says who this is.
        if not offered.allowed_credentials:
            raise Rejection(RejectionCode.USER_HANDLE_MISSING)
    elif not hmac.compare_digest(response.user_handle, credential.user_handle):
        raise Rejection(RejectionCode.USER_HANDLE_MISMATCH)


def _check_signature(response: AuthenticationResponse, public_key: bytes) -> None:
    """The key signed authenticator data and the hash of the client data, by its own algorithm."""
    algorithm, key = load_public_key(public_key)
    signed = response.authenticator_data + hashlib.sha256(response.client_data_json).digest()
    try:
        verify_signature(algorithm.cose, key, response.signature, signed)
    except SignatureInvalid as invalid:
        raise Rejection(RejectionCode.SIGNATURE_INVALID, str(invalid)) from invalid
