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


# RFC 7518 §3.3 asks for 2048 bits at least; beyond 4096 every sign-in pays, and no authenticator makes them.
_RSA_BITS = range(2048, 4096 + 1)
_RSA_EXPONENT_BITS = 32

_P = 2**255 - 19
# RFC 8032 §5.1.2 writes y in 255 bits, little-endian, and the sign of x above it. The points whose order divides 8
# have these y; p and p + 1 are 0 and 1 once more, as a lenient reader takes them.
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        _P,
        _P + 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


def weakness_of(key: DecodedPublicKey) -> str | None:
    """Why anybody, or nearly anybody, could sign for this key; None if it is fit for use.

    Under an Ed25519 key of small order one signature fits many messages.
    """
    if isinstance(key, DecodedOKPPublicKey):
        y = int.from_bytes(key.x, "little") & (2**255 - 1)
        return "an Ed25519 point of small order" if y in _SMALL_ORDER_Y else None
    if isinstance(key, DecodedRSAPublicKey):
        modulus, exponent = int.from_bytes(key.n, "big"), int.from_bytes(key.e, "big")
        if modulus.bit_length() not in _RSA_BITS:
            return f"an RSA modulus of {modulus.bit_length()} bits"
        if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > _RSA_EXPONENT_BITS:
            return "an RSA exponent that is even, 1, or beyond 32 bits"
    return None
