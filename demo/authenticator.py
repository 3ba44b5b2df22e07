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
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

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

    `algorithm` is a COSE number (-7 ES256, -8 EdDSA, -257 RS256), else the first offered that is known here.
    `counts=False` is an authenticator whose sign count stays 0, as synced passkeys do.
    Raises NothingToOfferError when no algorithm fits, or `excludeCredentials` names one of `held`.
    """
    excluded = {entry["id"] for entry in options.get("excludeCredentials", ())}
    if excluded & {passkey.id for passkey in held}:
        raise NothingToOfferError("excludeCredentials names a passkey that this authenticator already holds")
    offered = [entry["alg"] for entry in options["pubKeyCredParams"]]
    chosen = next((known for known in offered if known in _MAKE_KEY and algorithm in (None, known)), None)
    if chosen is None:
        raise NothingToOfferError(f"no key algorithm fits: offered {offered}, wanted {algorithm}")
    private_key = _MAKE_KEY[chosen]()
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
        + cbor2.dumps(_cose_key(private_key), canonical=True)
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


def _credential(credential_id: bytes, **response: Any) -> dict[str, Any]:
    # WebAuthn L3 §5.1: RegistrationResponseJSON and AuthenticationResponseJSON share this frame.
    return {
        "id": to_base64url(credential_id),
        "rawId": to_base64url(credential_id),
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
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
    key = passkey.private_key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    return key.sign(message)


def _cose_key(private_key: PrivateKey) -> dict[int, Any]:
    # RFC 9053 §7.1 and §7.2 (EC2, OKP), RFC 8230 §4 (RSA): 1 is the key type, 3 the algorithm.
    if isinstance(private_key, ec.EllipticCurvePrivateKey):
        point = private_key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    if isinstance(private_key, rsa.RSAPrivateKey):
        numbers = private_key.public_key().public_numbers()
        return {1: 3, 3: -257, -1: _big_endian(numbers.n), -2: _big_endian(numbers.e)}
    return {1: 1, 3: -8, -1: 6, -2: private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)}


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


_MAKE_KEY: Mapping[int, Callable[[], PrivateKey]] = {
    -7: lambda: ec.generate_private_key(ec.SECP256R1()),
    -8: ed25519.Ed25519PrivateKey.generate,
    -257: lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
