"""Authenticator data: what the authenticator says, and signs. WebAuthn L3 §6.1 and, around it, the attestation object of §6.5.4."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from cbor2 import CBORDecoder
from webauthn.helpers.structs import AttestedCredentialData, AuthenticatorData, AuthenticatorDataFlags

from passkeys.errors import Rejection, RejectionCode, rejected_as
from passkeys.response import MAX_CREDENTIAL_ID

# An attestation object holds a map, with the statement's map, with a list of certificates. Compound adds two.
_MAX_DEPTH = 8
# L3 §6.1: RP id hash, flags, sign count; §6.5.1: AAGUID and the length of the credential id, in front of it.
_HEAD, _ATTESTED_HEAD = 37, 18
# RFC 8949 §3: major types, and what the lower five bits of an item's first byte may say besides small numbers.
_STRINGS, _ARRAY, _MAP, _TAG = (2, 3), 4, 5, 6
_ARGUMENT_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}


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
        if _end_of_item(data, 0) != len(data):
            raise ValueError("there are bytes behind the attestation object")
        # L3 §2.4: CBOR that is not in CTAP2's canonical form, or has a key twice, should be refused.
        decoder = CBORDecoder(
            BytesIO(data), max_depth=_MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
        members = decoder.decode()
        fmt, att_stmt, signed = members["fmt"], members["attStmt"], members["authData"]
        if type(fmt) is not str or type(att_stmt) not in (dict, list) or type(signed) is not bytes:
            raise TypeError("a member has the wrong type")
        return AttestationObject(fmt, att_stmt, signed, _parsed(signed))


def read_authenticator_data(data: bytes) -> AuthenticatorData:
    """The authenticator data of an assertion. Raises Rejection."""
    with rejected_as(RejectionCode.AUTHENTICATOR_DATA_UNREADABLE):
        return _parsed(data)


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
    # L3 §6.5.1: registrations have it.
    if attested is None or not attested.credential_id:
        raise Rejection(RejectionCode.ATTESTED_CREDENTIAL_MISSING)
    # L3 §7.1 step 25.
    if len(attested.credential_id) > MAX_CREDENTIAL_ID:
        raise Rejection(RejectionCode.CREDENTIAL_ID_TOO_LONG)
    # L3 §5.1: the client tells it beside, unsigned.
    if not hmac.compare_digest(attested.credential_id, raw_id):
        raise Rejection(RejectionCode.CREDENTIAL_ID_MISMATCH, "response and attested credential data differ")
    return attested


def _parsed(data: bytes) -> AuthenticatorData:
    """Authenticator data by its bytes, to the last one. Raises ValueError and IndexError.

    Not by the package: it decodes each map and encodes it again to see how long it was. What says things twice by
    reference grows by that: two hundred bytes, which anybody may send, become gigabytes.
    """
    if len(data) < _HEAD:
        raise ValueError("shorter than its fixed part")
    bits = data[32]
    flags = AuthenticatorDataFlags(
        up=bool(bits & 0x01),
        uv=bool(bits & 0x04),
        be=bool(bits & 0x08),
        bs=bool(bits & 0x10),
        at=bool(bits & 0x40),
        ed=bool(bits & 0x80),
    )
    parsed = AuthenticatorData(
        rp_id_hash=data[:32], flags=flags, sign_count=int.from_bytes(data[33:_HEAD], "big")
    )
    end = _HEAD
    if flags.at:
        id_at = end + _ATTESTED_HEAD
        key_at = id_at + int.from_bytes(data[id_at - 2 : id_at], "big")
        end = _end_of_item(data, key_at)
        parsed.attested_credential_data = AttestedCredentialData(
            aaguid=data[_HEAD : id_at - 2],
            credential_id=data[id_at:key_at],
            credential_public_key=data[key_at:end],
        )
    if flags.ed:
        start, end = end, _end_of_item(data, end)
        parsed.extensions = data[start:end]
    if end != len(data):
        raise ValueError("there are bytes behind the authenticator data")
    return parsed


def _end_of_item(data: bytes, at: int) -> int:
    """Where the CBOR item that begins at `at` ends. Raises ValueError, and IndexError where it is cut short.

    CTAP 2.1 §8: no tags, and lengths that are told. A tag is a program for its reader: refer to another item, compile
    a regular expression, read an e-mail. It is refused before any decoder sees it, in time that is linear.
    """
    left = 1
    while left:
        left -= 1
        major, argument = data[at] >> 5, data[at] & 0x1F
        at += 1
        if argument in _ARGUMENT_BYTES:
            size = _ARGUMENT_BYTES[argument]
            if at + size > len(data):
                raise IndexError("an item is cut short")
            argument = int.from_bytes(data[at : at + size], "big")
            at += size
        elif argument > max(_ARGUMENT_BYTES):
            raise ValueError("a length is not told, or reserved")
        if major == _TAG:
            raise ValueError("there is a tag")
        if major in _STRINGS:
            at += argument
        elif major == _ARRAY:
            left += argument
        elif major == _MAP:
            left += 2 * argument
    if at > len(data):
        raise IndexError("an item is cut short")
    return at
