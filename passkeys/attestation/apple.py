"""Apple's anonymous attestation: a certificate for the credential key, made for this very ceremony. WebAuthn L3 §8.8."""

from __future__ import annotations

import hashlib
import hmac

from cryptography import x509

from passkeys.attestation.statement import (
    CHAIN,
    Lenience,
    Proof,
    Statement,
    is_algorithm,
    is_credential_key,
    read_leaf,
    read_members,
)
from passkeys.errors import Rejection, RejectionCode

# Apple's own: the nonce of the ceremony. DER: SEQUENCE { [1] EXPLICIT OCTET STRING (32 bytes) }.
_NONCE = x509.ObjectIdentifier("1.2.840.113635.100.8.2")
_NONCE_PREFIX = bytes.fromhex("3024a1220420")


def verify(statement: Statement, _lenience: Lenience) -> Proof:
    """Discharge §8.8."""
    # (1) The syntax. §8.8 step 1. Apple's devices send "alg" besides, which an earlier draft had; nothing uses it.
    has_alg = isinstance(statement.members, dict) and "alg" in statement.members
    members = read_members(
        statement,
        {**CHAIN, **({"alg": is_algorithm} if has_alg else {})},
        RejectionCode.ATTESTATION_APPLE_MALFORMED,
    )
    leaf = read_leaf(members["x5c"][0], RejectionCode.ATTESTATION_APPLE_CERTIFICATE_UNREADABLE)
    # (2) The certificate was made for this authenticator data and client data. §8.8 steps 2 to 4.
    nonce = leaf.extension(_NONCE)
    expected = _NONCE_PREFIX + hashlib.sha256(statement.signed).digest()
    if nonce is None or not hmac.compare_digest(nonce.value.value, expected):
        raise Rejection(RejectionCode.ATTESTATION_APPLE_NONCE_MISMATCH)
    # (3) It certifies the credential's key. §8.8 step 5.
    if not is_credential_key(leaf, statement):
        raise Rejection(RejectionCode.ATTESTATION_APPLE_PUBLIC_KEY_MISMATCH)
    return Proof("anonca", tuple(members["x5c"]), statement.model)
