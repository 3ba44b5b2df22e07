"""A software authenticator with its browser: makes passkeys, signs challenges, and lies when told to.

Two functions, as in the browser: `create` answers PublicKeyCredentialCreationOptionsJSON, `get` answers
PublicKeyCredentialRequestOptionsJSON; both return what `PublicKeyCredential.toJSON()` gives. A test that needs a
dishonest answer passes a `Lie`: every field left alone stays true.

For demonstrations and tests: keys live in memory, user verification is a flag and not a fingerprint.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntFlag
from types import MappingProxyType
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)

AAGUID = bytes.fromhex("d0a6dd1e5ab7470a9c3fdeb3ab1e0001")
"""Names this model of authenticator; in no metadata service, on purpose."""


class Flags(IntFlag):
    """WebAuthn L3 §6.1: the flag bits of authenticator data."""

    USER_PRESENT = 0x01
    USER_VERIFIED = 0x04
    BACKUP_ELIGIBLE = 0x08
    BACKUP_STATE = 0x10
    ATTESTED_CREDENTIAL_DATA = 0x40
    EXTENSION_DATA = 0x80


HONEST_FLAGS = Flags.USER_PRESENT | Flags.USER_VERIFIED


@dataclass(frozen=True, slots=True)
class Lie:
    """What to say instead of the truth; None, or an untouched switch, is the truth."""

    challenge: bytes | None = None
    origin: str | None = None
    rp_id: str | None = None
    client_data_type: str | None = None
    cross_origin: bool | None = None
    flags: Flags | None = None
    sign_count: int | None = None
    credential_id: bytes | None = None
    user_handle: bytes | None = None
    no_user_handle: bool = False
    broken_signature: bool = False
    signed_by: Passkey | None = None


@dataclass(slots=True)
class Passkey:
    """A discoverable credential as its authenticator holds it; `sign_count` is of the last answer given."""

    rp_id: str
    credential_id: bytes
    user_handle: bytes
    algorithm: int
    private_key: PrivateKey
    flags: Flags
    sign_count: int
    counts: bool

    @property
    def id(self) -> str:
        """The credential id as JSON carries it: base64url without padding."""
        return to_base64url(self.credential_id)


TRUTH = Lie()
NO_EXTENSIONS: Mapping[str, Any] = MappingProxyType({})


class NothingToOfferError(Exception):
    """The options ask for what this authenticator cannot, or must not, make."""


def create(
    options: Mapping[str, Any],
    *,
    origin: str,
    algorithm: int | None = None,
    held: tuple[Passkey, ...] = (),
    flags: Flags = HONEST_FLAGS,
    counts: bool = True,
    transports: tuple[str, ...] = ("internal",),
    lie: Lie = TRUTH,
) -> tuple[Passkey, dict[str, Any]]:
    """Make a passkey and answer as `navigator.credentials.create()` does; attestation is "none".

    `algorithm` is a COSE number of `ALGORITHMS` (-7 is ES256), else the first offered that is known here.
    `counts=False` is an authenticator whose sign count stays 0, as synced passkeys do.
    Raises NothingToOfferError when no algorithm fits, or `excludeCredentials` names one of `held`.
    """
    excluded = {entry["id"] for entry in options.get("excludeCredentials", ())}
    if excluded & {passkey.id for passkey in held}:
        raise NothingToOfferError("excludeCredentials names a passkey that this authenticator already holds")
    offered = [entry["alg"] for entry in options["pubKeyCredParams"]]
    chosen = next((known for known in offered if known in ALGORITHMS and algorithm in (None, known)), None)
    if chosen is None:
        raise NothingToOfferError(f"no key algorithm fits: offered {offered}, wanted {algorithm}")
    private_key = ALGORITHMS[chosen].make()
    passkey = Passkey(
        rp_id=options["rp"]["id"],
        credential_id=lie.credential_id or secrets.token_bytes(32),
        user_handle=from_base64url(options["user"]["id"]),
        algorithm=chosen,
        private_key=private_key,
        flags=flags,
        sign_count=0,
        counts=counts,
    )
    # WebAuthn L3 §6.5.1: AAGUID, two bytes of length, credential id, public key in COSE form.
    attested = (
        AAGUID
        + len(passkey.credential_id).to_bytes(2, "big")
        + passkey.credential_id
        + cbor2.dumps(_cose_key(chosen, private_key), canonical=True)
    )
    authenticator_data = _authenticator_data(passkey, lie, Flags.ATTESTED_CREDENTIAL_DATA) + attested
    attestation = {"fmt": "none", "attStmt": {}, "authData": authenticator_data}
    spki = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return passkey, _credential(
        passkey.credential_id,
        clientDataJSON=_client_data("webauthn.create", options["challenge"], origin, lie),
        authenticatorData=authenticator_data,
        transports=list(transports),
        publicKey=spki,
        publicKeyAlgorithm=chosen,
        attestationObject=cbor2.dumps(attestation, canonical=True),
        # WebAuthn L3 §10.1.3: every passkey here is discoverable.
        extensions={"credProps": {"rk": True}} if options.get("extensions", {}).get("credProps") else {},
    )


def get(passkey: Passkey, options: Mapping[str, Any], *, origin: str, lie: Lie = TRUTH) -> dict[str, Any]:
    """Sign the challenge and answer as `navigator.credentials.get()` does. Adds one to the sign count."""
    passkey.sign_count += passkey.counts
    authenticator_data = _authenticator_data(passkey, lie)
    client_data = _client_data("webauthn.get", options["challenge"], origin, lie)
    signature = _sign(lie.signed_by or passkey, authenticator_data + hashlib.sha256(client_data).digest())
    if lie.broken_signature:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    user_handle = None if lie.no_user_handle else lie.user_handle or passkey.user_handle
    return _credential(
        lie.credential_id or passkey.credential_id,
        clientDataJSON=client_data,
        authenticatorData=authenticator_data,
        signature=signature,
        userHandle=user_handle,
    )


def to_base64url(data: bytes) -> str:
    """Base64url without padding, as WebAuthn's JSON forms use it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The inverse of `to_base64url`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _credential(
    credential_id: bytes, *, extensions: Mapping[str, Any] = NO_EXTENSIONS, **response: Any
) -> dict[str, Any]:
    # WebAuthn L3 §5.1: RegistrationResponseJSON and AuthenticationResponseJSON share this frame.
    return {
        "id": to_base64url(credential_id),
        "rawId": to_base64url(credential_id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": dict(extensions),
        "response": {
            name: to_base64url(value) if isinstance(value, bytes) else value
            for name, value in response.items()
            if value is not None
        },
    }


def _client_data(kind: str, challenge: str, origin: str, lie: Lie) -> bytes:
    # WebAuthn L3 §5.8.1: the browser's part. The order of the members is the specification's.
    return json.dumps(
        {
            "type": lie.client_data_type or kind,
            "challenge": challenge if lie.challenge is None else to_base64url(lie.challenge),
            "origin": lie.origin or origin,
            "crossOrigin": bool(lie.cross_origin),
        },
        separators=(",", ":"),
    ).encode()


def _authenticator_data(passkey: Passkey, lie: Lie, extra: int = 0) -> bytes:
    # WebAuthn L3 §6.1: SHA-256 of the RP id, flags, sign count.
    rp_id = lie.rp_id or passkey.rp_id
    flags = (passkey.flags if lie.flags is None else lie.flags) | extra
    sign_count = passkey.sign_count if lie.sign_count is None else lie.sign_count
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + sign_count.to_bytes(4, "big")


def _sign(passkey: Passkey, message: bytes) -> bytes:
    return ALGORITHMS[passkey.algorithm].sign(passkey.private_key, message)


def _cose_key(algorithm: int, private_key: PrivateKey) -> dict[int, Any]:
    """RFC 9053 §7.1 and §7.2 (EC2, OKP), RFC 8230 §4 (RSA), AKP: 1 is the key type, 3 the algorithm."""
    public = private_key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        size = (public.key_size + 7) // 8
        x, y = point.x.to_bytes(size, "big"), point.y.to_bytes(size, "big")
        return {1: 2, 3: algorithm, -1: {256: 1, 384: 2, 521: 3}[public.key_size], -2: x, -3: y}
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {1: 3, 3: algorithm, -1: _big_endian(numbers.n), -2: _big_endian(numbers.e)}
    raw = public.public_bytes_raw()
    if isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return {1: 1, 3: algorithm, -1: {32: 6, 57: 7}[len(raw)], -2: raw}
    return {1: 7, 3: algorithm, -1: raw}


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How to make a key, and how to sign with it."""

    make: Callable[[], PrivateKey]
    sign: Callable[[Any, bytes], bytes]


def _ecdsa(curve: ec.EllipticCurve, digest: SHA256 | SHA384 | SHA512) -> Algorithm:
    return Algorithm(
        lambda: ec.generate_private_key(curve), lambda key, data: bytes(key.sign(data, ec.ECDSA(digest)))
    )


def _rsa(scheme: padding.PKCS1v15 | padding.PSS) -> Algorithm:
    return Algorithm(
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        lambda key, data: bytes(key.sign(data, scheme, SHA256())),
    )


def _plain(make: Callable[[], PrivateKey]) -> Algorithm:
    return Algorithm(make, lambda key, data: bytes(key.sign(data)))


# By COSE number: ES256, ES384, ES512, EdDSA, Ed448, RS256, PS256, ML-DSA-44, -65 and -87.
ALGORITHMS: Mapping[int, Algorithm] = {
    -7: _ecdsa(ec.SECP256R1(), SHA256()),
    -35: _ecdsa(ec.SECP384R1(), SHA384()),
    -36: _ecdsa(ec.SECP521R1(), SHA512()),
    -8: _plain(ed25519.Ed25519PrivateKey.generate),
    -53: _plain(ed448.Ed448PrivateKey.generate),
    -257: _rsa(padding.PKCS1v15()),
    -37: _rsa(padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32)),
    -48: _plain(mldsa.MLDSA44PrivateKey.generate),
    -49: _plain(mldsa.MLDSA65PrivateKey.generate),
    -50: _plain(mldsa.MLDSA87PrivateKey.generate),
}
