"""Attestation statements made anew from the vectors of WebAuthn L3: right, or wrong in the one point that is asked for.

The vectors publish every private key, so whatever is changed is signed again. Each maker takes the parts that shall
differ; without any, its statement is one that a strict verifier accepts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from webauthn.helpers import parse_authenticator_data

from passkeys.attestation import STRICT, Lenience, TrustAnchors, verify_statement
from passkeys.credentials import Attestation
from tests.passkeys.authorities import NOW, Issued, issue

Json = dict[str, Any]
SOURCE = json.loads((Path(__file__).parents[2] / "vectors" / "webauthn-l3.json").read_text())
VECTORS: dict[str, Json] = {vector["name"]: vector for vector in SOURCE["vectors"]}


def octets(value: Json) -> bytes:
    return bytes.fromhex(value["hex"])


def p256(private: Json) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(private["hex"], 16), ec.SECP256R1())


_ROOT = SOURCE["attestation_trust_root"]
ROOT = Issued(x509.load_der_x509_certificate(octets(_ROOT["certificate_der"])), p256(_ROOT["private_key"]))
FORMATS = ("packed", "tpm", "android-key", "apple", "fido-u2f")
# The vectors' root, trusted with every format, and nobody.
ROOTED = TrustAnchors(by_format=dict.fromkeys(FORMATS, (ROOT.der,)))
NOBODY = TrustAnchors()
# What the vectors need beyond a strict reading: see the table in docs/attestation.md.
W3C = Lenience(
    tpm_vendors=frozenset({"id:00000000"}), tpm_unbound_keys=True, android_unspecified=True, u2f_aaguid=True
)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One registration: the vector's, its keys known, its statement to be made."""

    fmt: str
    auth_data: bytes
    client_data: bytes
    att_stmt: Any
    attestation_key: Any
    credential_key: Any

    @property
    def client_data_hash(self) -> bytes:
        return hashlib.sha256(self.client_data).digest()

    @property
    def signed(self) -> bytes:
        return self.auth_data + self.client_data_hash

    @property
    def aaguid(self) -> bytes:
        return self.auth_data[37:53]

    @property
    def credential_id(self) -> bytes:
        return self.auth_data[55 : 55 + int.from_bytes(self.auth_data[53:55], "big")]


def _rsa_key(p: int, q: int) -> rsa.RSAPrivateKey:
    e = 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()


@cache
def ceremony(vector: str) -> Ceremony:
    registration = VECTORS[vector]["registration"]
    envelope = cbor2.loads(octets(registration["attestationObject"]))
    private = registration["credential_private_key"]
    attestation = registration.get("attestation_private_key")
    if "private_key_p" in private:
        key: Any = _rsa_key(
            int(private["private_key_p"]["hex"], 16), int(private["private_key_q"]["hex"], 16)
        )
    else:
        key = p256(private["credential_private_key"]) if VECTORS[vector]["alg"] == -7 else None
    return Ceremony(
        fmt=envelope["fmt"],
        auth_data=envelope["authData"],
        client_data=octets(registration["clientDataJSON"]),
        att_stmt=envelope["attStmt"],
        attestation_key=p256(attestation) if attestation else None,
        credential_key=key,
    )


def with_aaguid(changed: Ceremony, aaguid: bytes) -> Ceremony:
    """The same ceremony of another model. What was signed before no longer is."""
    return dataclasses.replace(changed, auth_data=changed.auth_data[:37] + aaguid + changed.auth_data[53:])


def judge(
    on: Ceremony,
    att_stmt: Any,
    *,
    fmt: Any = None,
    anchors: TrustAnchors = ROOTED,
    lenience: Lenience = STRICT,
) -> Attestation:
    return verify_statement(
        fmt=on.fmt if fmt is None else fmt,
        att_stmt=att_stmt,
        auth_data=on.auth_data,
        authenticator_data=parse_authenticator_data(on.auth_data),
        client_data_hash=on.client_data_hash,
        anchors=anchors,
        at=NOW,
        lenience=lenience,
    )


def ecdsa(key: Any, data: bytes) -> bytes:
    signature: bytes = key.sign(data, ec.ECDSA(hashes.SHA256()))
    return signature


def unknown(oid: str, der: bytes, *, critical: bool = False) -> tuple[x509.ExtensionType, bool]:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), der), critical


# --- packed ---

PACKED = ceremony("packed.ES256")
SUBJECT = {
    NameOID.COUNTRY_NAME: ["AA"],
    NameOID.ORGANIZATION_NAME: ["W3C"],
    NameOID.ORGANIZATIONAL_UNIT_NAME: ["Authenticator Attestation"],
    NameOID.COMMON_NAME: ["WebAuthn test vectors"],
}


def subject(**changed: list[str]) -> x509.Name:
    """The subject of a packed attestation certificate, with other values for some attributes: COUNTRY_NAME=[…]."""
    attributes = {**SUBJECT, **{getattr(NameOID, name): values for name, values in changed.items()}}
    return x509.Name(
        [x509.NameAttribute(oid, value) for oid, values in attributes.items() for value in values]
    )


def aaguid_extension(aaguid: bytes, *, critical: bool = False) -> tuple[x509.ExtensionType, bool]:
    return unknown("1.3.6.1.4.1.45724.1.1.4", b"\x04\x10" + aaguid, critical=critical)


def packed_certificate(on: Ceremony = PACKED, **changed: Any) -> Issued:
    return issue(
        changed.pop("name", None) or subject(), **{"issuer": ROOT, "key": on.attestation_key, **changed}
    )


def packed(on: Ceremony = PACKED, *, certificate: Issued | None = None, **members: Any) -> Json:
    made = certificate or packed_certificate(on)
    return {"alg": -7, "sig": ecdsa(made.key, on.signed), "x5c": [made.der], **members}


SELF = ceremony("packed-self.ES256")


def self_attested(on: Ceremony = SELF, **members: Any) -> Json:
    return {"alg": -7, "sig": ecdsa(on.credential_key, on.signed), **members}


# --- tpm ---

TPM = ceremony("tpm.ES256")
TPM_RSA = ceremony("packed.RS256")
# As Windows makes them: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, decrypt, sign.
BOUND = 0x00060472
AIK = x509.ObjectIdentifier("2.23.133.8.3")


def tpm_names(
    vendor: list[str] = ["id:49465800"],  # noqa: B006
    model: list[str] = ["SLB9670"],  # noqa: B006
    version: list[str] = ["id:00070055"],  # noqa: B006
) -> x509.SubjectAlternativeName:
    """A TPM's names: Infineon's, unless others are asked for."""
    values = {"2.23.133.2.1": vendor, "2.23.133.2.2": model, "2.23.133.2.3": version}
    attributes = [
        x509.RelativeDistinguishedName([x509.NameAttribute(x509.ObjectIdentifier(oid), value)])
        for oid, listed in values.items()
        for value in listed
    ]
    return x509.SubjectAlternativeName([x509.DirectoryName(x509.Name(attributes))])


def aik_certificate(
    *,
    names: tuple[x509.ExtensionType, bool] | None = (tpm_names(), True),
    usage: list[x509.ObjectIdentifier] | None = [AIK],  # noqa: B006
    extensions: Any = (),
    **changed: Any,
) -> Issued:
    made = [*([names] if names else []), *extensions]
    if usage is not None:
        made.append((x509.ExtendedKeyUsage(usage), False))
    return issue(
        changed.pop("name", None) or x509.Name([]),
        **{"issuer": ROOT, "key": TPM.attestation_key, "extensions": made, **changed},
    )


def sized(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def public_area(
    on: Ceremony = TPM,
    *,
    name_alg: int = 0x000B,
    attributes: int = BOUND,
    policy: bytes = b"",
    curve: int = 3,
    exponent: int = 0,
    bits: int | None = None,
    key: Any = None,
    behind: bytes = b"",
) -> bytes:
    """TPMT_PUBLIC of the credential's key."""
    public = (key or on.credential_key).public_key()
    head = name_alg.to_bytes(2, "big") + attributes.to_bytes(4, "big") + sized(policy) + b"\x00\x10\x00\x10"
    if isinstance(public, rsa.RSAPublicKey):
        size = bits or public.key_size
        unique = sized(public.public_numbers().n.to_bytes((public.key_size + 7) // 8, "big"))
        return b"\x00\x01" + head + size.to_bytes(2, "big") + exponent.to_bytes(4, "big") + unique + behind
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    half = len(point) // 2
    return (
        b"\x00\x23"
        + head
        + curve.to_bytes(2, "big")
        + b"\x00\x10"
        + sized(point[:half])
        + sized(point[half:])
        + behind
    )


def cert_info(
    *, extra: bytes, name: bytes, magic: bytes = b"\xffTCG", kind: int = 0x8017, behind: bytes = b""
) -> bytes:
    """TPMS_ATTEST of an object with that name."""
    head = magic + kind.to_bytes(2, "big") + sized(b"\x00\x0b" + bytes(32)) + sized(extra)
    return head + bytes(17) + bytes(8) + sized(name) + sized(b"\x00\x0b" + bytes(32)) + behind


def tpm(
    on: Ceremony = TPM,
    *,
    certificate: Issued | None = None,
    area: bytes | None = None,
    hash_name: str = "sha256",
    info: Json | None = None,
    sign: Any = ecdsa,
    **members: Any,
) -> Json:
    made = certificate or aik_certificate()
    area = area or public_area(on)
    said = cert_info(
        **{
            "extra": hashlib.new(hash_name, on.signed).digest(),
            "name": area[2:4] + hashlib.sha256(area).digest(),
            **(info or {}),
        }
    )
    said = members.get("certInfo", said)
    return {
        "ver": "2.0",
        "alg": -7,
        "x5c": [made.der],
        "sig": sign(made.key, said),
        "certInfo": said,
        "pubArea": area,
        **members,
    }


@cache
def rsa_aik() -> Issued:
    return aik_certificate(key=rsa.generate_private_key(65537, 2048))


def rs1(key: Any, data: bytes) -> bytes:
    signature: bytes = key.sign(data, padding.PKCS1v15(), hashes.SHA1())
    return signature


# --- android-key ---

ANDROID = ceremony("android-key.ES256")
ORIGIN = bytes.fromhex("bf853e03020100")
PURPOSE = bytes.fromhex("a1053103020102")
ALL_APPLICATIONS = bytes.fromhex("bf8458020500")


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    size = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content


def description(
    on: Ceremony = ANDROID,
    *,
    challenge: bytes | None = None,
    software: bytes = b"",
    trusted: bytes = PURPOSE + ORIGIN,
    behind: bytes = b"",
) -> bytes:
    """The key description of a trusted environment."""
    return (
        der(
            0x30,
            der(0x02, b"\x04"),
            der(0x0A, b"\x01"),
            der(0x02, b"\x04"),
            der(0x0A, b"\x01"),
            der(0x04, on.client_data_hash if challenge is None else challenge),
            der(0x04),
            der(0x30, software),
            der(0x30, trusted),
        )
        + behind
    )


def android_certificate(on: Ceremony = ANDROID, *, extension: bytes | None = None, **changed: Any) -> Issued:
    described = unknown("1.3.6.1.4.1.11129.2.1.17", description(on) if extension is None else extension)
    return issue(
        "Android Keystore Key",
        **{
            "issuer": ROOT,
            "key": on.credential_key,
            "constraints": None,
            "extensions": [described],
            **changed,
        },
    )


def android(on: Ceremony = ANDROID, *, certificate: Issued | None = None, **members: Any) -> Json:
    made = certificate or android_certificate(on)
    return {"alg": -7, "sig": ecdsa(made.key, on.signed), "x5c": [made.der], **members}


# --- apple ---

APPLE = ceremony("apple.ES256")


def apple_certificate(on: Ceremony = APPLE, *, nonce: bytes | None = None, **changed: Any) -> Issued:
    expected = hashlib.sha256(on.signed).digest()
    extension = unknown(
        "1.2.840.113635.100.8.2", bytes.fromhex("3024a1220420") + (expected if nonce is None else nonce)
    )
    return issue(
        "credential", **{"issuer": ROOT, "key": on.credential_key, "extensions": [extension], **changed}
    )


def apple(on: Ceremony = APPLE, *, certificate: Issued | None = None, **members: Any) -> Json:
    return {"x5c": [(certificate or apple_certificate(on)).der], **members}


# --- fido-u2f ---

U2F = with_aaguid(ceremony("fido-u2f.ES256"), bytes(16))


def u2f_certificate(on: Ceremony = U2F, **changed: Any) -> Issued:
    return issue("U2F", **{"issuer": ROOT, "key": on.attestation_key, "constraints": None, **changed})


def u2f_signed(on: Ceremony = U2F) -> bytes:
    point = on.credential_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return b"\x00" + on.auth_data[:32] + on.client_data_hash + on.credential_id + point


def u2f(on: Ceremony = U2F, *, certificate: Issued | None = None, **members: Any) -> Json:
    made = certificate or u2f_certificate(on)
    sig = members.pop("sig", None) or ecdsa(made.key, u2f_signed(on))
    return {"x5c": [made.der], "sig": sig, **members}


# --- none, compound ---

NONE = ceremony("none.ES256")


def compound(*parts: tuple[Any, Any]) -> list[Json]:
    return [{"fmt": fmt, "attStmt": statement} for fmt, statement in parts]
