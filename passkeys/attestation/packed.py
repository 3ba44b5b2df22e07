"""Packed attestation, by an attestation certificate or by the credential itself. WebAuthn L3 §8.2."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID
from pyasn1.codec.der.decoder import decode
from pyasn1.type.univ import Integer

from passkeys.attestation.statement import (
    CHAIN,
    ID_FIDO_GEN_CE_AAGUID,
    Leaf,
    Lenience,
    Proof,
    Statement,
    check_signature,
    credential_key,
    is_algorithm,
    is_bytes,
    names_aaguid,
    read_leaf,
    read_members,
)
from passkeys.errors import Rejection, RejectionCode, rejected_as

_SELF = {"alg": is_algorithm, "sig": is_bytes}
_FULL = {**_SELF, **CHAIN}

# L3 §8.2.1, ISO 3166: only the shape. The standard leaves AA, QM to QZ, XA to XZ and ZZ to users, and W3C uses AA.
_COUNTRY = re.compile(r"[A-Z]{2}")
_UNIT = "Authenticator Attestation"
# FIDO's: the firmware's version, and the serial number of one device.
_ID_FIDO_GEN_CE_FW_VERSION = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.5")
_ID_FIDO_GEN_CE_SERNUM = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.2")


def verify(statement: Statement, lenience: Lenience) -> Proof:
    """Discharge §8.2: with x5c step 2, without it step 3."""
    if isinstance(statement.members, dict) and "x5c" not in statement.members:
        return _self(statement)
    # (1) The syntax. §8.2 step 1.
    members = read_members(statement, _FULL, RejectionCode.ATTESTATION_PACKED_MALFORMED)
    leaf = read_leaf(members["x5c"][0], RejectionCode.ATTESTATION_PACKED_CERTIFICATE_UNREADABLE)
    # (2) The attestation key signed authenticator data and client data. §8.2 step 2, first item.
    check_signature(
        members["alg"],
        leaf.key,
        members["sig"],
        statement.signed,
        RejectionCode.ATTESTATION_PACKED_SIGNATURE_INVALID,
    )
    # (3) The certificate is one for packed attestation. §8.2 step 2, second item; §8.2.1.
    _check_certificate(leaf)
    # (4) It does not tell this device from its like: nobody asked for that. §8.2.2.
    if leaf.extension(_ID_FIDO_GEN_CE_SERNUM) is not None and not lenience.packed_enterprise:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_ENTERPRISE_UNASKED)
    # (5) If it names a model, it is the authenticator's. §8.2 step 2, third item.
    certified = _check_aaguid(leaf, statement.attested.aaguid)
    return Proof("basic", tuple(members["x5c"]), statement.model, certified)


def _self(statement: Statement) -> Proof:
    # (1) The syntax. §8.2 step 1.
    members = read_members(statement, _SELF, RejectionCode.ATTESTATION_PACKED_MALFORMED)
    # (2) The algorithm is the credential's. §8.2 step 3, first item.
    alg, key = credential_key(statement)
    if members["alg"] != alg:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_SELF_ALGORITHM_MISMATCH)
    # (3) The credential signed authenticator data and client data. §8.2 step 3, second item.
    check_signature(
        alg,
        key,
        members["sig"],
        statement.signed,
        RejectionCode.ATTESTATION_PACKED_SELF_SIGNATURE_INVALID,
    )
    return Proof("self")


def _check_certificate(leaf: Leaf) -> None:
    """L3 §8.2.1, in its order; the AAGUID apart."""
    # Version 3.
    if leaf.version is not x509.Version.v3:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_CERTIFICATE_VERSION)
    # The subject: country, vendor, the literal unit, a name. Once each; the types of their strings do not matter.
    if not _COUNTRY.fullmatch(_only(leaf, NameOID.COUNTRY_NAME)):
        raise Rejection(RejectionCode.ATTESTATION_PACKED_SUBJECT_COUNTRY)
    if not _only(leaf, NameOID.ORGANIZATION_NAME):
        raise Rejection(RejectionCode.ATTESTATION_PACKED_SUBJECT_ORGANIZATION)
    if _only(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME) != _UNIT:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_SUBJECT_UNIT)
    if not _only(leaf, NameOID.COMMON_NAME):
        raise Rejection(RejectionCode.ATTESTATION_PACKED_SUBJECT_NAME)
    # Basic Constraints: not an authority.
    if not leaf.is_end_entity:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_CERTIFICATE_AUTHORITY)
    # The firmware's version, if it is there: an INTEGER, not negative; the extension not critical.
    firmware = leaf.extension(_ID_FIDO_GEN_CE_FW_VERSION)
    if firmware is not None:
        with rejected_as(RejectionCode.ATTESTATION_PACKED_FIRMWARE_MALFORMED):
            version, rest = decode(firmware.value.value, asn1Spec=Integer())
            if firmware.critical or rest or version < 0:
                raise ValueError("critical, negative, or more than an INTEGER")


def _check_aaguid(leaf: Leaf, aaguid: bytes) -> bool:
    """Whether the certificate names a model at all. L3 §8.2.1: not critical, and 16 bytes in two OCTET STRINGs."""
    extension = leaf.extension(ID_FIDO_GEN_CE_AAGUID)
    if extension is None:
        return False
    if extension.critical:
        raise Rejection(RejectionCode.ATTESTATION_PACKED_AAGUID_CRITICAL)
    if len(extension.value.value) != 18 or not extension.value.value.startswith(b"\x04\x10"):
        raise Rejection(RejectionCode.ATTESTATION_PACKED_AAGUID_MALFORMED)
    if not names_aaguid(extension, aaguid):
        raise Rejection(RejectionCode.ATTESTATION_PACKED_AAGUID_MISMATCH)
    return True


def _only(leaf: Leaf, oid: x509.ObjectIdentifier) -> str:
    """The one value of that attribute in the subject; empty if there is none, or more than one."""
    values = leaf.subject.get_attributes_for_oid(oid)
    return str(values[0].value) if len(values) == 1 else ""
