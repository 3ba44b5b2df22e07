"""Whether a response is genuine, fresh, from the right authenticator and for the right person.

Two functions, one for each kind. Each is a list of obligations, discharged in order, every one with the step
of WebAuthn Level 3 that asks for it; the first that fails raises `Rejection` with its code. No other
exception ever leaves them, whatever bytes come in. Everything expected is passed in.

The `webauthn` package parses and verifies signatures and attestation statements. What it leaves out or leaves
unsaid is checked here: the credential's identity (§5.1), crossOrigin and topOrigin, the user handle, the
change of backup eligibility, key against algorithm, and what an attestation proved.

What the caller still owes: the challenge belongs to this ceremony, has not been answered before and has not
expired; the credential id is not registered yet (§7.1 step 26); the new sign count is stored (§7.2 step 24).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType
from typing import Any

from cbor2 import CBORDecoder
from webauthn import verify_registration_response
from webauthn.helpers import (
    aaguid_to_string,
    parse_attestation_object,
    parse_authenticator_data,
)
from webauthn.helpers.structs import (
    AttestationFormat,
    AttestationObject,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    RegistrationCredential,
)

from passkeys.algorithms import Algorithm, load_public_key, verify_signature
from passkeys.credentials import Attestation
from passkeys.errors import Rejection, RejectionCode, SignatureInvalid, rejected_as
from passkeys.response import (
    MAX_CREDENTIAL_ID,
    AuthenticationResponse,
    RegistrationResponse,
    encode_base64url,
)

# The formats of WebAuthn L3 §8 that we verify, with the ones whose anchors the package itself holds and demands.
# android-safetynet is gone: its service was shut down.
_FORMATS = MappingProxyType(
    {
        "none": False,
        "packed": False,
        "tpm": False,
        "fido-u2f": False,
        "android-key": True,
        "apple": True,
    }
)
_NO_ANCHORS: Mapping[str, Sequence[bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VerifiedRegistration:
    """What a registration proved. `public_key` is the COSE key; `sign_count` that of the authenticator now."""

    credential_id: bytes
    public_key: bytes
    algorithm: int
    sign_count: int
    aaguid: str
    transports: tuple[str, ...]
    backup_eligible: bool
    backup_state: bool
    user_verified: bool
    attestation: Attestation


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


@dataclass(frozen=True, slots=True)
class KnownCredential:
    """The stored side of an authentication: who owns the credential, and what it was last seen to be."""

    credential_id: bytes
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
    user_verification_required: bool,
    offered_algorithms: Collection[int],
    trust_anchors: Mapping[str, Sequence[bytes]] = _NO_ANCHORS,
) -> VerifiedRegistration:
    """Judge a new credential. `trust_anchors`: PEM root certificates by attestation format.

    Raises Rejection, and nothing else.
    """
    with rejected_as(RejectionCode.RESPONSE_UNREADABLE):
        # (1) One credential id, and it is a public key's. L3 §5.1.
        _check_identity(response)
        # (2) Client data: type, challenge, origin, framing. L3 §7.1 steps 5 to 11.
        _check_client_data(
            response.client_data_json, expected_type="webauthn.create", challenge=challenge, origins=origins
        )
        # (3) The attestation object can be read. L3 §7.1 step 13.
        with rejected_as(RejectionCode.ATTESTATION_OBJECT_UNREADABLE):
            _check_envelope(response.attestation_object)
            attestation_object = parse_attestation_object(response.attestation_object)
        authenticator_data = attestation_object.auth_data
        # (4) RP id, user present, user verified, backup flags. L3 §7.1 steps 14 to 17.
        _check_authenticator_data(
            authenticator_data, rp_id, user_verification_required=user_verification_required
        )
        # (5) It attests a credential, and the one that the response names. L3 §6.5.2; step 25 for the length.
        attested = authenticator_data.attested_credential_data
        if attested is None or not attested.credential_id or len(attested.aaguid) != 16:
            raise Rejection(RejectionCode.ATTESTED_CREDENTIAL_MISSING)
        if len(attested.credential_id) > MAX_CREDENTIAL_ID:
            raise Rejection(RejectionCode.CREDENTIAL_ID_TOO_LONG)
        if not hmac.compare_digest(attested.credential_id, response.raw_id):
            raise Rejection(
                RejectionCode.CREDENTIAL_ID_MISMATCH, "response and attested credential data differ"
            )
        # (6) The key is of an algorithm that was offered, and can be used. L3 §7.1 step 20.
        algorithm = _checked_public_key(attested.credential_public_key, offered_algorithms)
        # (7) The attestation statement is correct for its format. L3 §7.1 steps 21 and 22.
        if str(attestation_object.fmt) not in _FORMATS:
            raise Rejection(RejectionCode.ATTESTATION_FORMAT_UNSUPPORTED)
        with rejected_as(RejectionCode.ATTESTATION_INVALID):
            verify_registration_response(
                credential=RegistrationCredential(
                    id=response.id,
                    raw_id=response.raw_id,
                    response=AuthenticatorAttestationResponse(
                        client_data_json=response.client_data_json,
                        attestation_object=response.attestation_object,
                    ),
                ),
                expected_challenge=challenge,
                expected_rp_id=rp_id,
                expected_origin=list(origins),
                require_user_verification=user_verification_required,
                # A number is all that is compared, and the package's enumeration lacks some of ours.
                supported_pub_key_algs=[algorithm.cose],  # type: ignore[list-item]
                pem_root_certs_bytes_by_fmt={
                    AttestationFormat(name): list(roots) for name, roots in trust_anchors.items()
                },
            )
        # (8) What was proven is said. L3 §7.1 steps 23 and 24: policy accepts any, and trusts none beyond this.
        attestation = _verdict(attestation_object, trust_anchors)
        return VerifiedRegistration(
            credential_id=attested.credential_id,
            public_key=attested.credential_public_key,
            algorithm=algorithm.cose,
            sign_count=authenticator_data.sign_count,
            aaguid=aaguid_to_string(attested.aaguid),
            transports=response.transports,
            backup_eligible=authenticator_data.flags.be,
            backup_state=authenticator_data.flags.bs,
            user_verified=authenticator_data.flags.uv,
            attestation=attestation,
        )


def verify_authentication(
    response: AuthenticationResponse,
    *,
    challenge: bytes,
    origins: Collection[str],
    rp_id: str,
    user_verification_required: bool,
    allowed_credentials: Collection[bytes],
    credential: KnownCredential,
) -> VerifiedAuthentication:
    """Judge an assertion against the stored credential that has its id.

    `allowed_credentials` are those of the options; empty: whoever has a discoverable one. Raises Rejection,
    and nothing else.
    """
    with rejected_as(RejectionCode.RESPONSE_UNREADABLE):
        # (1) One credential id, it is a public key's, and the stored one's. L3 §5.1.
        _check_identity(response)
        if not hmac.compare_digest(credential.credential_id, response.raw_id):
            raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "response and stored credential differ")
        # (2) It was asked for, if any was. L3 §7.2 step 5.
        if allowed_credentials and response.raw_id not in allowed_credentials:
            raise Rejection(RejectionCode.CREDENTIAL_NOT_ALLOWED)
        # (3) It is the user's, by the authenticator's own word. L3 §7.2 step 6: nobody was identified before.
        if response.user_handle is None and not allowed_credentials:
            raise Rejection(RejectionCode.USER_HANDLE_MISSING)
        if response.user_handle is not None and not hmac.compare_digest(
            response.user_handle, credential.user_handle
        ):
            raise Rejection(RejectionCode.USER_HANDLE_MISMATCH)
        # (4) Client data: type, challenge, origin, framing. L3 §7.2 steps 7 to 14.
        _check_client_data(
            response.client_data_json, expected_type="webauthn.get", challenge=challenge, origins=origins
        )
        # (5) RP id, user present, user verified, backup flags. L3 §7.2 steps 15 to 18.
        with rejected_as(RejectionCode.AUTHENTICATOR_DATA_UNREADABLE):
            authenticator_data = parse_authenticator_data(response.authenticator_data)
        _check_authenticator_data(
            authenticator_data, rp_id, user_verification_required=user_verification_required
        )
        # (6) A credential does not become backup eligible, or cease to be. L3 §7.2 step 19.
        if authenticator_data.flags.be != credential.backup_eligible:
            raise Rejection(RejectionCode.BACKUP_ELIGIBILITY_CHANGED)
        # (7) The stored key signed this. L3 §7.2 steps 20 and 21.
        _check_signature(response, credential.public_key)
        # (8) The sign count has grown, where either side counts. L3 §7.2 step 22.
        count = authenticator_data.sign_count
        clone_suspected = bool(count or credential.sign_count) and count <= credential.sign_count
        if clone_suspected and not credential.backup_eligible:
            raise Rejection(RejectionCode.SIGN_COUNT_NOT_INCREASED, f"{count} after {credential.sign_count}")
        return VerifiedAuthentication(
            sign_count=max(count, credential.sign_count),
            backup_state=authenticator_data.flags.bs,
            user_verified=authenticator_data.flags.uv,
            clone_suspected=clone_suspected,
        )


def _check_envelope(attestation_object: bytes) -> None:
    """L3 §6.5.4: one CBOR map, its statement a map, and nothing behind it. The package looks at neither."""
    stream = BytesIO(attestation_object)
    envelope = CBORDecoder(stream).decode()
    if not isinstance(envelope["attStmt"], dict):
        raise TypeError("the attestation statement is not a map")
    if stream.tell() != len(attestation_object):
        raise ValueError("there are bytes behind the attestation object")


def _check_identity(response: RegistrationResponse | AuthenticationResponse) -> None:
    """L3 §5.1: `id` is the base64url of `rawId`, and the type is the only one there is."""
    if response.id != encode_base64url(response.raw_id):
        raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "id and rawId differ")
    if response.type != "public-key":
        raise Rejection(RejectionCode.CREDENTIAL_TYPE_UNEXPECTED)


def _check_client_data(
    client_data_json: bytes, *, expected_type: str, challenge: bytes, origins: Collection[str]
) -> None:
    """The browser's part of the story. The steps are those of L3 §7.1; §7.2 has the same, three later."""
    # Steps 5 and 6: UTF-8 (a byte order mark is dropped), then JSON.
    with rejected_as(RejectionCode.CLIENT_DATA_UNREADABLE):
        client_data = json.loads(client_data_json.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
        if not isinstance(client_data, dict):
            raise TypeError("not an object")
        claimed_challenge, origin = client_data["challenge"].encode(), client_data["origin"]
        cross_origin = client_data.get("crossOrigin", False)
        if not isinstance(origin, str) or not isinstance(cross_origin, bool):
            raise TypeError("a member has the wrong type")
    # Step 7.
    if client_data.get("type") != expected_type:
        raise Rejection(RejectionCode.CLIENT_DATA_TYPE_UNEXPECTED)
    # Step 8.
    if not hmac.compare_digest(claimed_challenge, encode_base64url(challenge).encode()):
        raise Rejection(RejectionCode.CHALLENGE_MISMATCH)
    # Step 9: the whole origin, scheme and port too, against the list.
    if origin not in origins:
        raise Rejection(RejectionCode.ORIGIN_UNEXPECTED)
    # Steps 10 and 11: our pages are never framed by another's, and the CSP forbids it.
    if cross_origin:
        raise Rejection(RejectionCode.CROSS_ORIGIN_DENIED)
    if "topOrigin" in client_data:
        raise Rejection(RejectionCode.TOP_ORIGIN_DENIED)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice, and readers disagree on which one counts")
    return members


def _check_authenticator_data(
    authenticator_data: AuthenticatorData, rp_id: str, *, user_verification_required: bool
) -> None:
    """The authenticator's part of the story. L3 §7.1 steps 14 to 17, §7.2 steps 15 to 18."""
    flags = authenticator_data.flags
    if not hmac.compare_digest(authenticator_data.rp_id_hash, hashlib.sha256(rp_id.encode()).digest()):
        raise Rejection(RejectionCode.RP_ID_MISMATCH)
    if not flags.up:
        raise Rejection(RejectionCode.USER_NOT_PRESENT)
    if user_verification_required and not flags.uv:
        raise Rejection(RejectionCode.USER_NOT_VERIFIED)
    if flags.bs and not flags.be:
        raise Rejection(RejectionCode.BACKUP_STATE_INCONSISTENT)


def _checked_public_key(public_key: bytes, offered_algorithms: Collection[int]) -> Algorithm:
    """The algorithm of a COSE key that was offered, is in our table, and is a usable key and no weak one."""
    algorithm, _ = load_public_key(public_key)
    if algorithm.cose not in offered_algorithms:
        raise Rejection(RejectionCode.ALGORITHM_NOT_OFFERED, algorithm.name)
    return algorithm


def _check_signature(response: AuthenticationResponse, public_key: bytes) -> None:
    """The stored key signed authenticator data and the hash of the client data, by its own algorithm."""
    algorithm, key = load_public_key(public_key)
    signed = response.authenticator_data + hashlib.sha256(response.client_data_json).digest()
    try:
        verify_signature(algorithm.cose, key, response.signature, signed)
    except SignatureInvalid as invalid:
        raise Rejection(RejectionCode.SIGNATURE_INVALID, str(invalid)) from invalid


def _verdict(
    attestation_object: AttestationObject, trust_anchors: Mapping[str, Sequence[bytes]]
) -> Attestation:
    """What the attestation proved. A format without anchors is never called verified."""
    name = str(attestation_object.fmt)
    has_certificate = bool(attestation_object.att_stmt.x5c)
    kind = "certificate" if has_certificate else "none" if name == "none" else "self"
    chain_verified = has_certificate and (_FORMATS[name] or bool(trust_anchors.get(name)))
    # The package does not compare the certificate's AAGUID with the authenticator's: no model is proven by it.
    return Attestation(format=name, type=kind, chain_verified=chain_verified, model_proven=False)
