"""Authenticator data: what the authenticator says, and signs. WebAuthn L3 §6.1 and, around it, the attestation object of §6.5.4."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from cbor2 import CBORDecoder
from webauthn.helpers import parse_authenticator_data
from webauthn.helpers.structs import AttestedCredentialData, AuthenticatorData

from passkeys.errors import Rejection, RejectionCode, rejected_as
from passkeys.response import MAX_CREDENTIAL_ID

# An attestation object holds a map, with the statement's map, with a list of certificates. Compound adds two.
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class AttestationObject:
    """The three members of an attestation object, and authenticator data both as signed and as read.

    `att_stmt` is a map, or of some formats an array; nothing in it is checked.
    """

    fmt: str
    att_stmt: Any
    signed: bytes
    authenticator_data: AuthenticatorData


def read_attestation_object(data: bytes) -> AttestationObject:
    """One CBOR map, its members of the right types, and nothing behind it: the package looks at none of this. Raises Rejection."""
    with rejected_as(RejectionCode.ATTESTATION_OBJECT_UNREADABLE):
        stream = BytesIO(data)
        # L3 §2.4: CBOR that is not in CTAP2's canonical form, or has a key twice, should be refused.
        decoder = CBORDecoder(
            stream, max_depth=_MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
        members = decoder.decode()
        if stream.tell() != len(data):
            raise ValueError("there are bytes behind the attestation object")
        fmt, att_stmt, signed = members["fmt"], members["attStmt"], members["authData"]
        if type(fmt) is not str or type(att_stmt) not in (dict, list) or type(signed) is not bytes:
            raise TypeError("a member has the wrong type")
        return AttestationObject(fmt, att_stmt, signed, parse_authenticator_data(signed))


def read_authenticator_data(data: bytes) -> AuthenticatorData:
    """The authenticator data of an assertion. Raises Rejection."""
    with rejected_as(RejectionCode.AUTHENTICATOR_DATA_UNREADABLE):
        return parse_authenticator_data(data)


def check_authenticator_data(
    data: AuthenticatorData, rp_id: str, *, presence_required: bool, verification_required: bool
) -> None:
    """Discharge L3 §7.1 steps 14 to 17; §7.2 has the same as steps 15 to 18. Raises Rejection."""
    # Step 14.
    if not hmac.compare_digest(data.rp_id_hash, hashlib.sha256(rp_id.encode()).digest()):
        raise Rejection(RejectionCode.RP_ID_MISMATCH)
    # Step 15.
    if presence_required and not data.flags.up:
        raise Rejection(RejectionCode.USER_NOT_PRESENT)
    # Step 16.
    if verification_required and not data.flags.uv:
        raise Rejection(RejectionCode.USER_NOT_VERIFIED)
    # Step 17.
    if data.flags.bs and not data.flags.be:
        raise Rejection(RejectionCode.BACKUP_STATE_INCONSISTENT)


def attested_credential(data: AuthenticatorData, raw_id: bytes) -> AttestedCredentialData:
    """The credential that the authenticator made: there, of a legal id, and the one that the response names."""
    attested = data.attested_credential_data
    # L3 §6.5.1: registrations have it. The package cuts what is too short without a word.
    if attested is None or not attested.credential_id or len(attested.aaguid) != 16:
        raise Rejection(RejectionCode.ATTESTED_CREDENTIAL_MISSING)
    # L3 §7.1 step 25.
    if len(attested.credential_id) > MAX_CREDENTIAL_ID:
        raise Rejection(RejectionCode.CREDENTIAL_ID_TOO_LONG)
    # L3 §5.1: the client tells it beside, unsigned.
    if not hmac.compare_digest(attested.credential_id, raw_id):
        raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "response and attested credential data differ")
    return attested
