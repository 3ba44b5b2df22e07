"""FIDO U2F attestation, by keys older than WebAuthn. WebAuthn L3 §8.6.

U2F signs neither the AAGUID nor the flags nor the sign count: what stands there is the client's word.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passkeys.attestation.statement import (
    CHAIN,
    Lenience,
    Proof,
    Statement,
    check_signature,
    credential_key,
    is_bytes,
    read_leaf,
    read_members,
)
from passkeys.errors import Rejection, RejectionCode

_SYNTAX = {**CHAIN, "sig": is_bytes}
_ES256 = -7


def verify(statement: Statement, lenience: Lenience) -> Proof:
    """Discharge §8.6."""
    # (1) The syntax. §8.6 step 1.
    members = read_members(statement, _SYNTAX, RejectionCode.ATTESTATION_FIDO_U2F_MALFORMED)
    # (2) One certificate, with a P-256 key. §8.6 step 2.
    if len(members["x5c"]) != 1:
        raise Rejection(RejectionCode.ATTESTATION_FIDO_U2F_CERTIFICATE_COUNT)
    leaf = read_leaf(members["x5c"][0], RejectionCode.ATTESTATION_FIDO_U2F_CERTIFICATE_UNREADABLE)
    if not isinstance(leaf.key, EllipticCurvePublicKey) or not isinstance(leaf.key.curve, SECP256R1):
        raise Rejection(RejectionCode.ATTESTATION_FIDO_U2F_CERTIFICATE_KEY)
    # (3) The credential's key is of ES256, and so of P-256; U2F writes it uncompressed. §8.6 steps 3 and 4.
    alg, key = credential_key(statement)
    if alg != _ES256:
        raise Rejection(RejectionCode.ATTESTATION_FIDO_U2F_PUBLIC_KEY_UNSUITABLE)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    # (4) The attestation key signed U2F's registration data. §8.6 steps 5 and 6.
    check_signature(
        _ES256,
        leaf.key,
        members["sig"],
        b"\x00"
        + statement.rp_id_hash
        + statement.client_data_hash
        + statement.attested.credential_id
        + point,
        RejectionCode.ATTESTATION_FIDO_U2F_SIGNATURE_INVALID,
    )
    # (5) No AAGUID. CTAP 2.1 §6.1.3 writes zeros; WebAuthn does not ask. Nothing above signs it: anybody's model.
    if any(statement.attested.aaguid):
        if not lenience.u2f_aaguid:
            raise Rejection(RejectionCode.ATTESTATION_FIDO_U2F_AAGUID_NOT_ZERO)
        return Proof("basic", tuple(members["x5c"]))
    return Proof("basic", tuple(members["x5c"]), key_identifier(leaf.key), identified=True)


def key_identifier(key: EllipticCurvePublicKey) -> str:
    """What metadata knows a U2F model by: attestationCertificateKeyIdentifier, RFC 5280 §4.2.1.2 method 1, in hex."""
    return x509.SubjectKeyIdentifier.from_public_key(key).digest.hex()
