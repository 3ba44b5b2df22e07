"""The signature algorithms: one table, for what is offered, what registration accepts and what sign-in verifies.

A credential accepted with an algorithm that sign-in cannot verify could never be used: so there is one table.
Attestation statements are verified by it too. A row stands in it only if published vectors prove it
(tests/passkeys/test_algorithms.py). Where the `webauthn` package verifies an algorithm, it does here; where it
does not, or not as COSE says, `cryptography` does, beneath the same two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from webauthn.helpers import decoded_public_key_to_cryptography
from webauthn.helpers import verify_signature as verify_with_webauthn
from webauthn.helpers.cose import COSECRV, COSEKTY, COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import (
    DecodedEC2PublicKey,
    DecodedMLDSAPublicKey,
    DecodedOKPPublicKey,
    DecodedRSAPublicKey,
)

from passkeys.errors import Rejection, RejectionCode, SignatureInvalid, rejected_as

PublicKey = (
    ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | rsa.RSAPublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
# A COSE key's members by label (RFC 9052 §7); what the negative labels mean depends on the key type.
Members = Mapping[int, Any]
Verify = Callable[[Any, bytes, bytes], None]
_KTY, _ALG, _CRV = 1, 3, -1
_MAP = 5  # RFC 8949 §3.1: the major type


@dataclass(frozen=True, slots=True)
class KeyForm:
    """A key type, with its curve if it has curves.

    `parts`: the labels of a COSE key's byte strings, each with its length, or None where lengths vary. `load`
    makes a key of them and raises what it likes. `fits` says of any key, a certificate's say, whether it has this
    form. `weakness` says why a key of this form is none to rely on, or None.
    """

    key_type: int
    curve: int | None
    parts: Mapping[int, int | None]
    load: Callable[[Members], PublicKey]
    fits: Callable[[PublicKey], bool]
    weakness: Callable[[Members], str | None]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A COSE algorithm with the one form of key that it may be used with (WebAuthn L3 §5.8.5).

    `verify` takes key, signature and data; it raises what it likes if the signature is not the key's.
    """

    name: str
    cose: int
    form: KeyForm
    verify: Verify


def load_public_key(cose_key: bytes) -> tuple[Algorithm, PublicKey]:
    """The key in a COSE_Key, with the row it belongs to.

    Raises Rejection: public_key_unreadable, public_key_weak, or algorithm_not_offered where no row has that
    algorithm with that key type and curve. Whether this ceremony offered it is the caller's question.
    """
    with rejected_as(RejectionCode.PUBLIC_KEY_UNREADABLE):
        # CTAP 2.1 §8. A key is one flat map; a tag in it would be a second level, and is not followed: what refers to itself
        # takes time and memory without end, and a stored key is read at every sign-in.
        if cose_key[0] >> 5 != _MAP:
            raise ValueError("not a map")
        members = cbor2.loads(cose_key, max_depth=1, allow_indefinite=False, allow_duplicate_keys=False)
        algorithm = _row_of(members)
        form = algorithm.form
        # WebAuthn L3 §6.5.1: "alg" and the members that the key type requires, and no other. A private key is another.
        if members.keys() != {_KTY, _ALG, *form.parts} | ({_CRV} if form.curve is not None else set()):
            raise ValueError("members are missing, or too many")
        # RFC 9052 §1.5: labels are integers here. CBOR's true and 1.0 equal 1 in Python, and are others.
        if any(type(label) is not int for label in members):
            raise ValueError("a label is no integer")
        for label, length in form.parts.items():
            # L3 §5.8.5: no compressed points (y is then a boolean). RFC 9053 §7.1.1: leading zeros are kept.
            if type(members[label]) is not bytes or length not in (None, len(members[label])):
                raise ValueError(f"member {label} is not bytes of the right number")
        weakness = form.weakness(members)
        if weakness is not None:
            raise Rejection(RejectionCode.PUBLIC_KEY_WEAK, weakness)
        # A point that is not on its curve raises here: it would register, and fail every sign-in. Not of Edwards curves,
        # whose points OpenSSL unpacks when it verifies: such a key harms whoever made it, and nobody else.
        return algorithm, form.load(members)


def verify_signature(cose_alg: int, key: PublicKey, signature: bytes, data: bytes) -> None:
    """Verify under any row of the table, offered or not; `key` is a credential's or a certificate's.

    Raises SignatureInvalid: no such row, a key of another type or curve, or a signature that is not its.
    """
    # What is hostile may be true (1 in Python), a float or a list.
    algorithm = ALGORITHMS.get(cose_alg) if type(cose_alg) is int else None
    if algorithm is None or not algorithm.form.fits(key):
        raise SignatureInvalid(f"COSE algorithm {cose_alg!r:.40} is unknown, or not for such a key")
    try:
        algorithm.verify(key, signature, data)
    except Exception as error:
        raise SignatureInvalid(f"{algorithm.name}: {type(error).__name__}") from error


def _row_of(members: Members) -> Algorithm:
    """The row that fits a COSE key's algorithm, type and curve, each an integer: CBOR's true equals 1 in Python."""
    kty, alg = members[_KTY], members[_ALG]
    algorithm = ALGORITHMS.get(alg) if type(alg) is type(kty) is int else None
    if algorithm is None or kty != algorithm.form.key_type:
        raise Rejection(RejectionCode.ALGORITHM_NOT_OFFERED, f"alg {alg!r:.40}, kty {kty!r:.40}")
    if algorithm.form.curve is not None:
        curve = members[_CRV]
        if type(curve) is not int or curve != algorithm.form.curve:
            raise Rejection(RejectionCode.ALGORITHM_NOT_OFFERED, f"alg {alg} on curve {curve!r:.40}")
    return algorithm


# RFC 7518 §3.3 asks for 2048 bits at least; beyond 4096 every sign-in pays, and no authenticator makes them.
_RSA_BITS = range(2048, 4096 + 1)
_RSA_EXPONENT_BITS = 32


def _weak_rsa(members: Members) -> str | None:
    modulus, exponent = int.from_bytes(members[-1], "big"), int.from_bytes(members[-2], "big")
    if modulus.bit_length() not in _RSA_BITS:
        return f"an RSA modulus of {modulus.bit_length()} bits"
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > _RSA_EXPONENT_BITS:
        return "an RSA exponent that is even, 1, or beyond 32 bits"
    return None


# RFC 8032 §5.1.2 and §5.2.2 write y little-endian, in 255 and 448 bits, and the sign of x above it. The points whose
# order divides the cofactor, 8 and 4, have these y; p and p + 1 are 0 and 1 once more, as a lenient reader takes them.
_P25519, _P448 = 2**255 - 19, 2**448 - 2**224 - 1
_SMALL_ORDER_Y: Mapping[int, frozenset[int]] = MappingProxyType(
    {
        32: frozenset(
            {
                0,
                1,
                _P25519 - 1,
                _P25519,
                _P25519 + 1,
                0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
                0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
            }
        ),
        57: frozenset({0, 1, _P448 - 1, _P448, _P448 + 1}),
    }
)


def _weak_edwards(members: Members) -> str | None:
    """Under a key of small order one signature fits many messages: nearly anybody could sign for it."""
    x: bytes = members[-2]
    y = int.from_bytes(x, "little") & ((1 << (8 * len(x) - 1)) - 1)
    return "a point of small order" if y in _SMALL_ORDER_Y[len(x)] else None


def _never_weak(_members: Members) -> str | None:
    """On curves of prime order one point is as good as another; of ML-DSA keys nothing weaker is known."""
    return None


# SP 800-186 §3.2.1: the fields that the coordinates are of.
_FIELDS: Mapping[int, int] = MappingProxyType(
    {
        256: 2**256 - 2**224 + 2**192 + 2**96 - 1,
        384: 2**384 - 2**128 - 2**96 + 2**32 - 1,
        521: 2**521 - 1,
    }
)


def _ec2(curve: COSECRV, bits: int) -> KeyForm:
    field = _FIELDS[bits]

    def load(members: Members) -> PublicKey:
        # SEC 1 §3.2.2.1 step 2. OpenSSL takes a coordinate modulo the field instead: one key could be written twice.
        if max(int.from_bytes(members[-2], "big"), int.from_bytes(members[-3], "big")) >= field:
            raise ValueError("a coordinate is not of the field")
        decoded = DecodedEC2PublicKey(COSEKTY.EC2, members[_ALG], curve, members[-2], members[-3])
        return decoded_public_key_to_cryptography(decoded)

    def fits(key: PublicKey) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == f"secp{bits}r1"

    size = (bits + 7) // 8
    return KeyForm(COSEKTY.EC2.value, curve.value, {-2: size, -3: size}, load, fits, _never_weak)


def _load_ed25519(members: Members) -> PublicKey:
    # The package knows the key under EdDSA's number only; the one of RFC 9864 is the same key.
    decoded = DecodedOKPPublicKey(COSEKTY.OKP, COSEAlgorithmIdentifier.EDDSA, COSECRV.ED25519, members[-2])
    return decoded_public_key_to_cryptography(decoded)


def _load_ed448(members: Members) -> PublicKey:
    return ed448.Ed448PublicKey.from_public_bytes(members[-2])


def _load_rsa(members: Members) -> PublicKey:
    decoded = DecodedRSAPublicKey(COSEKTY.RSA, members[_ALG], members[-1], members[-2])
    return decoded_public_key_to_cryptography(decoded)


def _load_ml_dsa(members: Members) -> PublicKey:
    decoded = DecodedMLDSAPublicKey(COSEKTY.ML_DSA, members[_ALG], members[-1])
    return decoded_public_key_to_cryptography(decoded)


def _is_a(kind: type) -> Callable[[PublicKey], bool]:
    return lambda key: isinstance(key, kind)


P256, P384, P521 = _ec2(COSECRV.P256, 256), _ec2(COSECRV.P384, 384), _ec2(COSECRV.P521, 521)
ED25519 = KeyForm(
    COSEKTY.OKP.value,
    COSECRV.ED25519.value,
    {-2: 32},
    _load_ed25519,
    _is_a(ed25519.Ed25519PublicKey),
    _weak_edwards,
)
# IANA COSE Elliptic Curves: 7 is Ed448. The package does not know it.
ED448 = KeyForm(COSEKTY.OKP.value, 7, {-2: 57}, _load_ed448, _is_a(ed448.Ed448PublicKey), _weak_edwards)
RSA = KeyForm(COSEKTY.RSA.value, None, {-1: None, -2: None}, _load_rsa, _is_a(rsa.RSAPublicKey), _weak_rsa)
# FIPS 204 §4, table 2: the lengths of public keys.
MLDSA44, MLDSA65, MLDSA87 = (
    KeyForm(COSEKTY.ML_DSA.value, None, {-1: length}, _load_ml_dsa, _is_a(kind), _never_weak)
    for length, kind in (
        (1312, mldsa.MLDSA44PublicKey),
        (1952, mldsa.MLDSA65PublicKey),
        (2592, mldsa.MLDSA87PublicKey),
    )
)


def _by_webauthn(alg: COSEAlgorithmIdentifier) -> Verify:
    def verify(key: PublicKey, signature: bytes, data: bytes) -> None:
        verify_with_webauthn(public_key=key, signature_alg=alg, signature=signature, data=data)

    return verify


def _ecdsa_sha384(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data, ec.ECDSA(SHA384()))


def _pss_sha256(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    # RFC 8230 §2: the salt is as long as the hash. The package asks for the longest one, and takes any.
    pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
    key.verify(signature, data, pss, SHA256())


def _ed448(key: ed448.Ed448PublicKey, signature: bytes, data: bytes) -> None:
    key.verify(signature, data)


_EDDSA = _by_webauthn(COSEAlgorithmIdentifier.EDDSA)
_ECDSA_SHA256 = _by_webauthn(COSEAlgorithmIdentifier.ECDSA_SHA_256)
_ECDSA_SHA512 = _by_webauthn(COSEAlgorithmIdentifier.ECDSA_SHA_512)
_PKCS1_SHA256 = _by_webauthn(COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256)

# By number in the IANA registry "COSE Algorithms". The last four are fully specified twins (RFC 9864) of others: the
# same thing under another number. L3 §5.4 recommends not to offer them instead, since few authenticators know them.
ALGORITHMS: Mapping[int, Algorithm] = MappingProxyType(
    {
        algorithm.cose: algorithm
        for algorithm in (
            Algorithm("EdDSA", -8, ED25519, _EDDSA),
            Algorithm("ES256", -7, P256, _ECDSA_SHA256),
            Algorithm("ES384", -35, P384, _ecdsa_sha384),
            Algorithm("ES512", -36, P521, _ECDSA_SHA512),
            Algorithm("RS256", -257, RSA, _PKCS1_SHA256),
            Algorithm("PS256", -37, RSA, _pss_sha256),
            Algorithm("Ed448", -53, ED448, _ed448),
            Algorithm("ML-DSA-44", -48, MLDSA44, _by_webauthn(COSEAlgorithmIdentifier.ML_DSA_44)),
            Algorithm("ML-DSA-65", -49, MLDSA65, _by_webauthn(COSEAlgorithmIdentifier.ML_DSA_65)),
            Algorithm("ML-DSA-87", -50, MLDSA87, _by_webauthn(COSEAlgorithmIdentifier.ML_DSA_87)),
            Algorithm("Ed25519", -19, ED25519, _EDDSA),
            Algorithm("ESP256", -9, P256, _ECDSA_SHA256),
            Algorithm("ESP384", -51, P384, _ecdsa_sha384),
            Algorithm("ESP512", -52, P521, _ECDSA_SHA512),
        )
    }
)
# What is offered unless the settings say otherwise, in order of preference: what browsers and authenticators have.
DEFAULT_ALGORITHMS = ("EdDSA", "ES256", "ES384", "ES512", "RS256")
