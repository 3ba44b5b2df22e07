"""The W3C ceremonies taken apart, re-made with the parts that a test wants different, and signed again.

The vectors publish every private key, so a ceremony that is wrong in one point is right in every other: signatures and
attestation statement are made over what is there. `registration_of(name)` and `assertion_of(name)` give the parts as
published; `dataclasses.replace` changes them; `response()` signs; `verify()` judges, under a policy that accepts the
ceremony as it was published.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from passkeys.algorithms import ALGORITHMS
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.policy import Policy, policy_of
from passkeys.response import AuthenticationResponse, RegistrationResponse, encode_base64url
from passkeys.settings import load
from passkeys.verification import (
    KnownCredential,
    VerifiedAuthentication,
    VerifiedRegistration,
    verify_authentication,
    verify_registration,
)
from tests.passkeys.attestation.statements import ROOTED, VECTORS, W3C, Json, octets

NOW = datetime(2026, 11, 25, tzinfo=UTC)
PERSON, USER_HANDLE = "ada", b"the specification gives none"
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
# What this relying party demands by default, and the laxest policy under which everything in the vectors is right.
STRICT: Policy = policy_of(load({}))
LAX: Policy = dataclasses.replace(
    STRICT,
    user_verification_required=False,
    cross_origin_allowed=True,
    top_origins=frozenset({"https://example.com"}),
    lenience=W3C,
)
OFFERED = RegistrationOffer(
    algorithms=tuple(ALGORITHMS),
    attachment=None,
    resident_key_required=True,
    user_verification_required=False,
    extensions={},
)
REQUESTED = AuthenticationOffer(
    allowed_credentials=(), user_verification_required=False, extensions={}, person=None
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A new credential by its parts. `statement` makes attStmt of what is signed; None: as the format would."""

    name: str
    client_data: Json | bytes
    rp_id: str
    flags: int
    sign_count: int
    aaguid: bytes
    credential_id: bytes
    public_key: Any
    fmt: Any
    statement: Callable[[bytes], Any]
    extensions: Any = None
    behind_data: bytes = b""
    behind: bytes = b""
    told: Json = dataclasses.field(default_factory=dict)

    @property
    def auth_data(self) -> bytes:
        data = _head(self.rp_id, self.flags, self.sign_count)
        if self.flags & AT:
            key = self.public_key if isinstance(self.public_key, bytes) else cbor2.dumps(self.public_key)
            data += self.aaguid + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key
        return data + _extensions(self.flags, self.extensions) + self.behind_data

    def response(self) -> RegistrationResponse:
        client_data = _client_data(self.client_data)
        signed = self.auth_data + hashlib.sha256(client_data).digest()
        members = {"fmt": self.fmt, "attStmt": self.statement(signed), "authData": self.auth_data}
        response = RegistrationResponse(
            id=encode_base64url(self.credential_id),
            raw_id=self.credential_id,
            type="public-key",
            client_data_json=client_data,
            attestation_object=cbor2.dumps(members) + self.behind,
            transports=("internal",),
            authenticator_attachment="platform",
        )
        return dataclasses.replace(response, **self.told)

    def verify(self, **expected: Any) -> VerifiedRegistration:
        """Judge it under LAX, or as `expected` says otherwise."""
        arguments: Json = {
            "challenge": octets(VECTORS[self.name]["registration"]["challenge"]),
            "origins": ["https://example.org"],
            "rp_id": "example.org",
            "policy": LAX,
            "offered": OFFERED,
            "mediation": "modal",
            "trust_anchors": ROOTED,
            "models": {},
            "at": NOW,
        }
        return verify_registration(self.response(), **{**arguments, **expected})


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion by its parts, and the stored side of it."""

    name: str
    client_data: Json | bytes
    rp_id: str
    flags: int
    sign_count: int
    user_handle: bytes | None
    sign: Callable[[bytes], bytes]
    stored: KnownCredential
    extensions: Any = None
    behind_data: bytes = b""
    told: Json = dataclasses.field(default_factory=dict)

    @property
    def auth_data(self) -> bytes:
        head = _head(self.rp_id, self.flags, self.sign_count)
        return head + _extensions(self.flags, self.extensions) + self.behind_data

    def response(self) -> AuthenticationResponse:
        client_data = _client_data(self.client_data)
        response = AuthenticationResponse(
            id=encode_base64url(self.stored.credential_id),
            raw_id=self.stored.credential_id,
            type="public-key",
            client_data_json=client_data,
            authenticator_data=self.auth_data,
            signature=self.sign(self.auth_data + hashlib.sha256(client_data).digest()),
            user_handle=self.user_handle,
            authenticator_attachment="platform",
        )
        return dataclasses.replace(response, **self.told)

    def verify(self, **expected: Any) -> VerifiedAuthentication:
        """Judge it under LAX, or as `expected` says otherwise."""
        arguments: Json = {
            "challenge": octets(VECTORS[self.name]["authentication"]["challenge"]),
            "origins": ["https://example.org"],
            "rp_id": "example.org",
            "policy": LAX,
            "offered": REQUESTED,
            "credential": self.stored,
        }
        return verify_authentication(self.response(), **{**arguments, **expected})


@cache
def registration_of(name: str) -> Registration:
    """The registration of that vector, in parts. Formats whose statements cannot be made again here keep theirs."""
    vector = VECTORS[name]["registration"]
    envelope = cbor2.loads(octets(vector["attestationObject"]))
    data = envelope["authData"]
    end = 55 + int.from_bytes(data[53:55], "big")
    statements: dict[str, Callable[[bytes], Any]] = {
        "none": lambda signed: {},
        "packed": lambda signed: {**envelope["attStmt"], "sig": _attest(name, signed)},
    }
    return Registration(
        name=name,
        client_data=json.loads(octets(vector["clientDataJSON"])),
        rp_id="example.org",
        flags=data[32],
        sign_count=int.from_bytes(data[33:37], "big"),
        aaguid=data[37:53],
        credential_id=data[55:end],
        public_key=cbor2.loads(data[end:]),
        fmt=envelope["fmt"],
        statement=statements.get(envelope["fmt"], lambda signed: envelope["attStmt"]),
    )


@cache
def assertion_of(name: str) -> Assertion:
    """The authentication of that vector, in parts."""
    vector = VECTORS[name]["authentication"]
    data = octets(vector["authenticatorData"])
    return Assertion(
        name=name,
        client_data=json.loads(octets(vector["clientDataJSON"])),
        rp_id="example.org",
        flags=data[32],
        sign_count=int.from_bytes(data[33:37], "big"),
        user_handle=USER_HANDLE,
        sign=lambda signed: sign(VECTORS[name]["alg"], credential_key(name), signed),
        stored=KnownCredential(
            credential_id=octets(vector["credential_id"]),
            person=PERSON,
            user_handle=USER_HANDLE,
            public_key=octets(vector["credential_public_key_cose"]),
            sign_count=vector["stored_sign_count"],
            backup_eligible=bool(registration_of(name).flags & BE),
        ),
    )


@cache
def credential_key(name: str) -> Any:
    """The private key of that vector's credential."""
    alg, private = VECTORS[name]["alg"], VECTORS[name]["registration"]["credential_private_key"]
    if alg in _CURVES:
        return ec.derive_private_key(int(private["credential_private_key"]["hex"], 16), _CURVES[alg])
    if alg == -257:
        p, q = (int(private[f"private_key_{prime}"]["hex"], 16) for prime in "pq")
        d = pow(65537, -1, (p - 1) * (q - 1))
        parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
        return rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(65537, p * q)).private_key()
    kind = ed25519.Ed25519PrivateKey if alg == -8 else ed448.Ed448PrivateKey
    return kind.from_private_bytes(octets(private["private_key"]))


_CURVES: dict[int, ec.EllipticCurve] = {-7: ec.SECP256R1(), -35: ec.SECP384R1(), -36: ec.SECP521R1()}
_HASHES: dict[int, Any] = {-7: SHA256(), -35: SHA384(), -36: SHA512()}


def sign(alg: int, key: Any, data: bytes) -> bytes:
    """By the COSE algorithm of the vectors."""
    if alg in _HASHES:
        signature: bytes = key.sign(data, ec.ECDSA(_HASHES[alg]))
    elif alg == -257:
        signature = key.sign(data, padding.PKCS1v15(), SHA256())
    else:
        signature = key.sign(data)
    return signature


def _attest(name: str, signed: bytes) -> bytes:
    """Packed: by the attestation key, which is of P-256 in every vector, or in self attestation by the credential's."""
    private = VECTORS[name]["registration"].get("attestation_private_key")
    if private is None:
        return sign(VECTORS[name]["alg"], credential_key(name), signed)
    return sign(-7, ec.derive_private_key(int(private["hex"], 16), ec.SECP256R1()), signed)


def _head(rp_id: str, flags: int, sign_count: int) -> bytes:
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + sign_count.to_bytes(4, "big")


def _extensions(flags: int, extensions: Any) -> bytes:
    if not flags & ED:
        return b""
    return extensions if isinstance(extensions, bytes) else cbor2.dumps(extensions)


def _client_data(value: Json | bytes) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
