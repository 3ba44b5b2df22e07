"""Authenticators of the run: keys of their own for every algorithm, and answers that are right but for what is asked.

The statements are those of tests/passkeys/attestation, about credentials that were made for the door's own challenges.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from demo.authenticator import AAGUID, Flags, from_base64url, to_base64url
from tests.passkeys.attestation.statements import Ceremony

Json = dict[str, Any]
UP, UV = Flags.USER_PRESENT, Flags.USER_VERIFIED
AT, ED = Flags.ATTESTED_CREDENTIAL_DATA, Flags.EXTENSION_DATA
BE, BS = Flags.BACKUP_ELIGIBLE, Flags.BACKUP_STATE


@dataclass(frozen=True, slots=True)
class KeyKind:
    """A COSE algorithm of an authenticator: how it makes keys, signs, and writes them down."""

    make: Callable[[], Any]
    sign: Callable[[Any, bytes], bytes]
    parts: Callable[[Any], Mapping[int, Any]]


def _ec2(curve: ec.EllipticCurve, number: int, hash_: Any) -> KeyKind:
    def parts(key: Any) -> Mapping[int, Any]:
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        half = len(point) // 2
        return {1: 2, -1: number, -2: point[:half], -3: point[half:]}

    return KeyKind(
        lambda: ec.generate_private_key(curve), lambda key, data: key.sign(data, ec.ECDSA(hash_)), parts
    )


def _edwards(kind: Any, number: int) -> KeyKind:
    return KeyKind(
        kind.generate,
        lambda key, data: key.sign(data),
        lambda key: {1: 1, -1: number, -2: key.public_key().public_bytes_raw()},
    )


def _rsa(pad: Any, hash_: Any) -> KeyKind:
    def parts(key: Any) -> Mapping[int, Any]:
        numbers = key.public_key().public_numbers()
        return {1: 3, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}

    return KeyKind(
        lambda: rsa.generate_private_key(65537, 2048), lambda key, data: key.sign(data, pad, hash_), parts
    )


def _ml_dsa(kind: Any) -> KeyKind:
    return KeyKind(
        kind.generate,
        lambda key, data: key.sign(data),
        lambda key: {1: 7, -1: key.public_key().public_bytes_raw()},
    )


def _pss(hash_: Any) -> KeyKind:
    return _rsa(padding.PSS(padding.MGF1(hash_), padding.PSS.DIGEST_LENGTH), hash_)


KINDS: Mapping[int, KeyKind] = {
    -7: _ec2(ec.SECP256R1(), 1, SHA256()),
    -35: _ec2(ec.SECP384R1(), 2, SHA384()),
    -36: _ec2(ec.SECP521R1(), 3, SHA512()),
    -47: _ec2(ec.SECP256K1(), 8, SHA256()),
    -9: _ec2(ec.SECP256R1(), 1, SHA256()),
    -51: _ec2(ec.SECP384R1(), 2, SHA384()),
    -52: _ec2(ec.SECP521R1(), 3, SHA512()),
    -8: _edwards(ed25519.Ed25519PrivateKey, 6),
    -19: _edwards(ed25519.Ed25519PrivateKey, 6),
    -53: _edwards(ed448.Ed448PrivateKey, 7),
    -257: _rsa(padding.PKCS1v15(), SHA256()),
    -258: _rsa(padding.PKCS1v15(), SHA384()),
    -259: _rsa(padding.PKCS1v15(), SHA512()),
    -65535: _rsa(padding.PKCS1v15(), SHA1()),
    -37: _pss(SHA256()),
    -38: _pss(SHA384()),
    -39: _pss(SHA512()),
    -48: _ml_dsa(mldsa.MLDSA44PrivateKey),
    -49: _ml_dsa(mldsa.MLDSA65PrivateKey),
    -50: _ml_dsa(mldsa.MLDSA87PrivateKey),
}


@cache
def _key(alg: int) -> Any:
    """One key for each algorithm: RSA keys take their time, and who signs is of no interest here."""
    return KINDS[alg].make()


@cache
def attestation_key() -> Any:
    """The key of the model, and of no credential."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as its authenticator holds it."""

    alg: int
    credential_id: bytes
    user_handle: bytes
    key: Any

    @property
    def id(self) -> str:
        """As JSON carries it."""
        return to_base64url(self.credential_id)

    def sign(self, data: bytes) -> bytes:
        """By its own algorithm."""
        return KINDS[self.alg].sign(self.key, data)

    @property
    def cose_key(self) -> Json:
        """The public key, not encoded yet."""
        return {3: self.alg, **KINDS[self.alg].parts(self.key)}  # type: ignore[dict-item]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Made:
    """A credential that was just made, and what was signed about it. What it says in JSON is still to be said."""

    credential: Credential
    ceremony: Ceremony

    def says(
        self,
        att_stmt: Any,
        *,
        fmt: Any = "packed",
        envelope: Callable[[Json], Any] = _same,
        response: Callable[[Json], Any] = _same,
        body: Callable[[Json], Any] = _same,
    ) -> Any:
        """ServerPublicKeyCredential with that statement, and with what the last three functions make of its parts.

        `envelope` may give bytes instead of a map: the attestation object as it is.
        """
        parts = envelope({"fmt": fmt, "attStmt": att_stmt, "authData": self.ceremony.auth_data})
        encoded = parts if isinstance(parts, bytes) else cbor2.dumps(parts)
        inner = {
            "clientDataJSON": to_base64url(self.ceremony.client_data),
            "attestationObject": to_base64url(encoded),
        }
        return body(_server_credential(self.credential.id, response(inner)))


def make(
    options: Json,
    *,
    origin: str,
    alg: int = -7,
    key: Any = None,
    credential_id: bytes | None = None,
    aaguid: bytes = AAGUID,
    flags: int = UP | UV,
    count: int = 0,
    rp_id: str | None = None,
    cose_key: Callable[[Json], Any] = _same,
    attested: Callable[[bytes], bytes] = _same,
    attests: bool = True,
    extensions: Any = None,
    auth_data: Callable[[bytes], bytes] = _same,
    client: Callable[[Json], Any] = _same,
) -> Made:
    """A credential for these options, and the data that its statement is about, each part as it should be or changed.

    `cose_key`, `attested`, `auth_data`, `client` change the public key (a map, or bytes), the attested credential
    data, the whole authenticator data, and the client data (a dict, or bytes).
    """
    credential = Credential(
        alg=alg,
        credential_id=credential_id or secrets.token_bytes(32),
        user_handle=from_base64url(options["user"]["id"]),
        key=key or _key(alg),
    )
    public = cose_key(credential.cose_key)
    encoded = public if isinstance(public, bytes) else cbor2.dumps(public)
    told = len(credential.credential_id).to_bytes(2, "big") + credential.credential_id
    data = _authenticator_data(
        rp_id or options["rp"]["id"],
        flags=flags | (AT if attests else 0) | (ED if extensions is not None else 0),
        count=count,
        attested=attested(aaguid + told + encoded) if attests else b"",
        extensions=extensions,
    )
    said = client({"type": "webauthn.create", "challenge": options["challenge"], "origin": origin})
    return Made(
        credential,
        Ceremony(
            fmt="packed",
            auth_data=auth_data(data),
            client_data=said if isinstance(said, bytes) else json.dumps(said).encode(),
            att_stmt=None,
            attestation_key=attestation_key(),
            credential_key=credential.key,
        ),
    )


def self_statement(made: Made, **members: Any) -> Json:
    """Packed self attestation by the credential's own key, whichever algorithm that is."""
    credential = made.credential
    return {"alg": credential.alg, "sig": credential.sign(made.ceremony.signed), **members}


def without(*names: Any) -> Callable[[Json], Json]:
    """The same map less these members."""
    return lambda members: {name: value for name, value in members.items() if name not in names}


def having(**members: Any) -> Callable[[Json], Json]:
    """The same map with these members instead."""
    return lambda before: {**before, **members}


def assertion(
    options: Json,
    credential: Credential,
    *,
    origin: str,
    flags: int = UP | UV,
    count: int = 0,
    rp_id: str | None = None,
    extensions: Any = None,
    auth_data: Callable[[bytes], bytes] = _same,
    client: Callable[[Json], Any] = _same,
    signed: Callable[[bytes], bytes] = _same,
    signature: Callable[[bytes], bytes] = _same,
    response: Callable[[Json], Any] = _same,
    body: Callable[[Json], Any] = _same,
) -> Any:
    """ServerPublicKeyCredential that answers these options, each part as it should be or changed.

    `signed` changes what is signed, and nothing that is sent.
    """
    data = auth_data(
        _authenticator_data(
            rp_id or options["rpId"],
            flags=flags | (ED if extensions is not None else 0),
            count=count,
            extensions=extensions,
        )
    )
    said = client({"type": "webauthn.get", "challenge": options["challenge"], "origin": origin})
    client_data = said if isinstance(said, bytes) else json.dumps(said).encode()
    made = credential.sign(signed(data + hashlib.sha256(client_data).digest()))
    inner = {
        "clientDataJSON": to_base64url(client_data),
        "authenticatorData": to_base64url(data),
        "signature": to_base64url(signature(made)),
        "userHandle": "",
    }
    return body(_server_credential(credential.id, response(inner)))


def of_another_key(credential: Credential) -> Credential:
    """A credential with the same id, and a key that was never registered."""
    return replace(credential, key=KINDS[credential.alg].make())


def _authenticator_data(
    rp_id: str, *, flags: int, count: int, attested: bytes = b"", extensions: Any = None
) -> bytes:
    head = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")
    return head + attested + (b"" if extensions is None else cbor2.dumps(extensions))


def _server_credential(credential_id: str, response: Any) -> Json:
    return {
        "id": credential_id,
        "type": "public-key",
        "response": response,
        "getClientExtensionResults": {},
    }
