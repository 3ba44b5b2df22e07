"""The signature algorithms: one table, for what is offered, what registration accepts and what sign-in verifies.

A credential accepted with an algorithm that sign-in cannot verify could never be used: so there is one table,
and a row stands in it only if vectors or tests prove that the `webauthn` package verifies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import (
    DecodedEC2PublicKey,
    DecodedMLDSAPublicKey,
    DecodedOKPPublicKey,
    DecodedRSAPublicKey,
)

DecodedPublicKey = DecodedOKPPublicKey | DecodedEC2PublicKey | DecodedRSAPublicKey | DecodedMLDSAPublicKey


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A COSE algorithm with the one key type and curve that it may be used with (WebAuthn L3 §5.8.5)."""

    name: str
    cose: COSEAlgorithmIdentifier
    key_type: int
    curve: int | None


# In order of preference: authenticators take the first that they can.
ALGORITHMS: Mapping[int, Algorithm] = MappingProxyType(
    {
        algorithm.cose.value: algorithm
        for algorithm in (
            Algorithm("EdDSA", COSEAlgorithmIdentifier.EDDSA, 1, 6),
            Algorithm("ES256", COSEAlgorithmIdentifier.ECDSA_SHA_256, 2, 1),
            Algorithm("ES512", COSEAlgorithmIdentifier.ECDSA_SHA_512, 2, 3),
            Algorithm("RS256", COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256, 3, None),
        )
    }
)


def algorithm_of(key: DecodedPublicKey) -> Algorithm | None:
    """The row that fits the key's algorithm, type and curve, or None: then the key must be refused."""
    # COSE allows a text or any other CBOR value here, and CBOR's true equals 1 in Python.
    if type(key.alg) is not int:
        return None
    algorithm = ALGORITHMS.get(key.alg)
    if algorithm is None or key.kty != algorithm.key_type:
        return None
    return algorithm if getattr(key, "crv", None) == algorithm.curve else None
