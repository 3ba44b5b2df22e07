"""What is fuzzed from, and how what was changed is signed again.

The scenes are the W3C ceremonies, the statements that a strict verifier accepts, and credentials of the algorithms that
W3C has none of. Every private key is known. The bits of `Input.again` say what is done anew after the mutation:

    SAY       what a certificate or certInfo says of this ceremony: its challenge, its nonce, its names
    CERTIFY   the signature of the attestation certificate, by the vectors' root
    SIGN      the signature of the statement, or of the assertion
    NAME      id and rawId: those of the attested credential
    DEARLY    SIGN for the keys too that take long, all but ES256's and EdDSA's: else their signatures stay as they are

All of it is done on bytes, with nothing looked up and nothing random, so that one input does one thing, and fast.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from passkeys.response import encode_base64url
from passkeys.verification import KnownCredential
from tests.fuzz import mutation
from tests.passkeys.attestation.cases import ACCEPTED
from tests.passkeys.attestation.statements import ROOT, VECTORS, Ceremony, ceremony, octets, rs1, rsa_aik
from tests.passkeys.resigned import (
    AT,
    BE,
    BS,
    ED,
    UP,
    UV,
    Assertion,
    Registration,
    assertion_of,
    credential_key,
    registration_of,
)

SAY, CERTIFY, SIGN, NAME, DEARLY = 1, 2, 4, 8, 16
EVERYTHING = SAY | CERTIFY | SIGN | NAME
DEAR = (-257, -37, -35, -36, -53, -48, -49, -50)
Json = dict[str, Any]
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A registration to change. `sign` is by the key of the statement: an authenticator's, or the credential's own."""

    name: str
    client_data: bytes
    auth_data: bytes
    fmt: str
    att_stmt: Any
    challenge: bytes
    sign: Sign | None
    point: bytes

    @property
    def attestation_object(self) -> bytes:
        return cbor2.dumps({"fmt": self.fmt, "attStmt": self.att_stmt, "authData": self.auth_data})

    @property
    def credential_id(self) -> bytes:
        return attested_id(self.auth_data)


@dataclass(frozen=True, slots=True)
class SignIn:
    """An authentication to change."""

    name: str
    client_data: bytes
    auth_data: bytes
    challenge: bytes
    sign: Sign
    stored: KnownCredential
    dear: bool


def attested_id(auth_data: bytes) -> bytes:
    """WebAuthn L3 §6.5.2."""
    return auth_data[55 : 55 + int.from_bytes(auth_data[53:55], "big")]


def ecdsa(key: ec.EllipticCurvePrivateKey, hash_: Any = SHA256()) -> Sign:  # noqa: B008
    """Deterministic: one input is one execution."""
    algorithm = ec.ECDSA(hash_, deterministic_signing=True)
    return remembered(lambda data: key.sign(data, algorithm))


def remembered(sign: Sign) -> Sign:
    """The same, faster for what was signed lately: many changes are of what is not signed."""
    return lru_cache(maxsize=1000)(sign)


@cache
def new_credentials() -> tuple[NewCredential, ...]:
    """Every registration that is fuzzed from."""
    scenes = [
        _new_credential(name, ceremony(name), ceremony(name).fmt, ceremony(name).att_stmt) for name in VECTORS
    ]
    for name, (on, make) in ACCEPTED.items():
        scenes.append(_new_credential(name, on, name.partition(",")[0].partition(" ")[0], make()))
    none = registration_of("none.ES256")
    for alg, (key, _) in _others().items():
        scenes.append(_unattested(f"none, {alg}", dataclasses.replace(none, public_key=key)))
    outputs = {"credProtect": 2, "minPinLength": 6, "hmac-secret": True}
    extended = dataclasses.replace(none, flags=UP | UV | BE | BS | AT | ED, extensions=outputs)
    scenes.append(_unattested("none, with extensions", extended))
    return tuple(scenes)


def _new_credential(name: str, on: Ceremony, fmt: str, att_stmt: Any) -> NewCredential:
    point = b""
    if isinstance(on.credential_key, ec.EllipticCurvePrivateKey):
        point = on.credential_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = on.attestation_key if on.attestation_key and fmt != "android-key" else on.credential_key
    sign = ecdsa(key) if isinstance(key, ec.EllipticCurvePrivateKey) else None
    if isinstance(att_stmt, dict) and att_stmt.get("alg") == -65535:
        sign = remembered(lambda data: rs1(rsa_aik().key, data))
    elif fmt == "tpm":
        sign = ecdsa(ceremony("tpm.ES256").attestation_key)
    challenge = json.loads(on.client_data)["challenge"]
    return NewCredential(name, on.client_data, on.auth_data, fmt, att_stmt, _decoded(challenge), sign, point)


def _unattested(name: str, registration: Registration) -> NewCredential:
    response = registration.response()
    challenge = registration.client_data["challenge"]  # type: ignore[index,call-overload]
    auth_data = registration.auth_data
    return NewCredential(
        name, response.client_data_json, auth_data, "none", {}, _decoded(challenge), None, b""
    )


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def _others() -> dict[str, tuple[Json, Sign]]:
    """Keys of the algorithms that no vector has, with what signs by them."""
    made: dict[str, tuple[Json, Sign]] = {}
    for alg, kind in (
        (-48, mldsa.MLDSA44PrivateKey),
        (-49, mldsa.MLDSA65PrivateKey),
        (-50, mldsa.MLDSA87PrivateKey),
    ):
        key: Any = kind.from_seed_bytes(bytes(32))
        made[f"ML-DSA {alg}"] = {1: 7, 3: alg, -1: key.public_key().public_bytes_raw()}, key.sign
    private: rsa.RSAPrivateKey = credential_key("packed.RS256")
    numbers = private.public_key().public_numbers()
    pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32)
    made["PS256"] = (
        {1: 3, 3: -37, -1: numbers.n.to_bytes((private.key_size + 7) // 8, "big"), -2: b"\x01\x00\x01"},
        lambda data: private.sign(data, pss, SHA256()),
    )
    return made


@cache
def sign_ins() -> tuple[SignIn, ...]:
    """Every authentication that is fuzzed from."""
    scenes = [_sign_in(name, assertion_of(name)) for name in VECTORS]
    plain = assertion_of("none.ES256")
    stored = plain.stored
    for alg, (key, sign) in _others().items():
        held = dataclasses.replace(stored, public_key=cbor2.dumps(key))
        scenes.append(_sign_in(alg, dataclasses.replace(plain, stored=held, sign=sign)))
    synced = dataclasses.replace(
        plain,
        flags=UP | UV | BE | BS,
        sign_count=7,
        stored=dataclasses.replace(stored, backup_eligible=True, sign_count=7),
    )
    counted = dataclasses.replace(
        plain,
        flags=UP | UV,
        sign_count=8,
        stored=dataclasses.replace(stored, backup_eligible=False, sign_count=7),
    )
    extended = dataclasses.replace(plain, flags=plain.flags | ED, extensions={"hmac-secret": bytes(32)})
    for name, one in (("synced", synced), ("counted", counted), ("with extensions", extended)):
        scenes.append(_sign_in(name, one))
    return tuple(scenes)


def _sign_in(name: str, assertion: Assertion) -> SignIn:
    client_data = assertion.response().client_data_json
    challenge = octets(VECTORS[assertion.name]["authentication"]["challenge"])
    key = credential_key(assertion.name)
    sign = remembered(assertion.sign)
    if name in VECTORS and isinstance(key, ec.EllipticCurvePrivateKey):
        sign = ecdsa(key, {256: SHA256()}.get(key.key_size) or _hash_of(name))
    elif assertion.sign is assertion_of("none.ES256").sign:
        sign = ecdsa(key)
    dear = cbor2.loads(assertion.stored.public_key)[3] in DEAR
    return SignIn(name, client_data, assertion.auth_data, challenge, sign, assertion.stored, dear)


def _hash_of(name: str) -> Any:
    from tests.passkeys.resigned import _HASHES

    return _HASHES[VECTORS[name]["alg"]]


def signed_again(scene: NewCredential, again: int, client_data: bytes, attestation_object: bytes) -> bytes:
    """The attestation object with the statement made right for what is there now, as far as `again` says."""
    try:
        tree = mutation.loads(attestation_object)
        tree["attStmt"] = statement_again(
            scene, again, client_data, tree["authData"], tree["fmt"], tree["attStmt"]
        )
        return cbor2.dumps(tree)
    except Exception:
        return attestation_object


def statement_again(
    scene: NewCredential, again: int, client_data: bytes, auth_data: bytes, fmt: Any, statement: Any
) -> Any:
    """The statement made right for these data, as far as `again` says. Raises what it likes."""
    if fmt == "compound":
        return [
            {
                **part,
                "attStmt": statement_again(
                    scene, again, client_data, auth_data, part["fmt"], part["attStmt"]
                ),
            }
            for part in statement
        ]
    changed = dict(statement)
    hashed = hashlib.sha256(client_data).digest()
    signed = auth_data + hashed
    if again & SAY:
        _say(scene, changed, hashed, signed)
    if again & CERTIFY and changed.get("x5c"):
        changed["x5c"] = [certified(changed["x5c"][0], _BY_ROOT), *changed["x5c"][1:]]
    if again & SIGN and "sig" in changed and scene.sign:
        said = {
            "tpm": changed.get("certInfo"),
            "fido-u2f": b"\x00" + auth_data[:32] + hashed + attested_id(auth_data) + scene.point,
        }.get(fmt, signed)
        changed["sig"] = scene.sign(said)
    return changed


def _say(scene: NewCredential, statement: Json, hashed: bytes, signed: bytes) -> None:
    """Digests of the scene's own data are replaced by those of these, wherever they stand."""
    was_hashed = hashlib.sha256(scene.client_data).digest()
    was_signed = scene.auth_data + was_hashed
    replaced = [
        (was_hashed, hashed),
        *(
            (hashlib.new(name, was_signed).digest(), hashlib.new(name, signed).digest())
            for name in ("sha256", "sha1")
        ),
    ]
    if "pubArea" in statement and isinstance(scene.att_stmt, dict) and "pubArea" in scene.att_stmt:
        areas = (scene.att_stmt["pubArea"], statement["pubArea"])
        before, now = (hashlib.sha256(area).digest() for area in areas)
        replaced.append((before, now))
    for was, new in replaced:
        if "certInfo" in statement:
            statement["certInfo"] = statement["certInfo"].replace(was, new)
        if statement.get("x5c"):
            statement["x5c"] = [der.replace(was, new) for der in statement["x5c"]]


_BY_ROOT = ecdsa(ROOT.key)


def certified(der: bytes, sign: Sign) -> bytes:
    """The certificate with its signature made anew: what is signed is its first member. Raises what it likes."""
    body, _, _ = _element(der, 0)
    _, _, end_of_signed = _element(der, body)
    _, _, end_of_algorithm = _element(der, end_of_signed)
    signature = b"\x00" + sign(der[body:end_of_signed])
    content = der[body:end_of_algorithm] + b"\x03" + _length(len(signature)) + signature
    return b"\x30" + _length(len(content)) + content


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Where the content begins, its length, and where it ends."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[at + 2 : start], "big")
    return start, length, start + length


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    octets = (length.bit_length() + 7) // 8
    return bytes([0x80 | octets]) + length.to_bytes(octets, "big")


def envelope(credential_id: bytes, **more: Any) -> bytes:
    """The part of a response that is not bytes, as JSON."""
    encoded = encode_base64url(credential_id)
    return json.dumps(
        {
            "id": encoded,
            "rawId": encoded,
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {},
            **more,
        }
    ).encode()
