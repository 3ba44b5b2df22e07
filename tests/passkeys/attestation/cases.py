"""Every obligation of every format, broken one at a time: its code, what is wrong, and the statement that is.

A case is made when asked for. What is wrong is all that is wrong: everything else is signed anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1_modules.rfc5280 import Certificate

from passkeys.attestation import STRICT, Lenience
from passkeys.errors import RejectionCode as Code
from tests.passkeys.attestation.statements import (
    AIK,
    ALL_APPLICATIONS,
    ANDROID,
    APPLE,
    NONE,
    ORIGIN,
    PACKED,
    PURPOSE,
    ROOT,
    SELF,
    TPM,
    TPM_RSA,
    U2F,
    Ceremony,
    aaguid_extension,
    aik_certificate,
    android,
    android_certificate,
    apple,
    apple_certificate,
    ceremony,
    compound,
    description,
    ecdsa,
    packed,
    packed_certificate,
    public_area,
    rs1,
    rsa_aik,
    self_attested,
    subject,
    tpm,
    tpm_names,
    u2f,
    u2f_certificate,
    unknown,
    with_aaguid,
)
from tests.passkeys.authorities import NOW, as_version_1, authority, issue

AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
GARBAGE = b"\x30\x03\x02\x01\x00"
STRANGER = authority("stranger")
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


@dataclass(frozen=True, slots=True)
class Case:
    """`code` is what it is refused with; `because` says what is wrong with it."""

    code: Code
    because: str
    on: Ceremony
    make: Callable[[], Any]
    fmt: Any = None
    lenience: Lenience = STRICT

    @property
    def id(self) -> str:
        return f"{self.code.value}: {self.because}"


def without(statement: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name not in names}


def firmware(value: bytes, *, critical: bool = False) -> dict[str, Any]:
    return {"extensions": [unknown("1.3.6.1.4.1.45724.1.1.5", value, critical=critical)]}


def packed_with(**certificate: Any) -> Callable[[], Any]:
    return lambda: packed(certificate=packed_certificate(**certificate))


def tpm_with(**certificate: Any) -> Callable[[], Any]:
    return lambda: tpm(certificate=aik_certificate(**certificate))


def android_with(**described: Any) -> Callable[[], Any]:
    return lambda: android(certificate=android_certificate(extension=description(**described)))


def issued_by_stranger(made: Callable[..., Any], statement: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: statement(certificate=made(issuer=STRANGER))


def twice(certificate: bytes) -> bytes:
    """The certificate with the last of its extensions repeated."""
    parsed, _ = decode(certificate, asn1Spec=Certificate())
    extensions = parsed["tbsCertificate"]["extensions"]
    extensions.append(extensions[len(extensions) - 1])
    return bytes(encode(parsed))


def shifted(area: bytes) -> bytes:
    """A point whose coordinates are cut at another place: the same bytes one behind the other, and another point."""
    x, y = area[20:52], area[54:]
    return area[:18] + b"\x00\x1f" + x[:31] + b"\x00\x21" + x[31:] + y


def info(**changed: Any) -> Callable[[], Any]:
    """A TPM's statement with another certInfo."""
    return lambda: tpm(info=changed)


def ed25519_aik() -> Any:
    """An attestation identity key of a kind that no TPM has."""
    return aik_certificate(key=ed25519.Ed25519PrivateKey.generate())


def by_an_end_entity() -> Any:
    """A chain through a certificate that may not issue any."""
    end_entity = issue("end entity", issuer=ROOT)
    leaf = packed_certificate(issuer=end_entity)
    return packed(certificate=leaf, x5c=[leaf.der, end_entity.der])


def malformed(
    code: Code, on: Ceremony, make: Callable[..., Any], fmt: Any = None, *, closed: bool = True
) -> list[Case]:
    """The syntax broken in each way that any format's can be."""
    names = [name for name in make() if name != "x5c"]
    wrong: dict[str, Any] = {"alg": True, "sig": "text", "ver": 2.0, "certInfo": b"", "pubArea": None}
    cases = [Case(code, "not a map", on, list, fmt), Case(code, "nothing at all", on, dict, fmt)]
    cases += [Case(code, f"no {name}", on, lambda name=name: without(make(), name), fmt) for name in names]
    cases += [
        Case(code, f"{name} of another type", on, lambda name=name: make(**{name: wrong[name]}), fmt)
        for name in names
    ]
    if closed:
        cases.append(Case(code, "a member too many", on, lambda: make(ecdaaKeyId=b"key"), fmt))
    for because, chain in (
        ("x5c is null", None),
        ("x5c is empty", []),
        ("x5c is no array", b"certificate"),
        ("a certificate is a text", ["certificate"]),
        ("a certificate is empty", [b""]),
        ("x5c is too long", [b"certificate"] * 9),
        ("a certificate is too long", [bytes(17 * 1024)]),
    ):
        cases.append(Case(code, because, on, lambda chain=chain: make(x5c=chain), fmt))
    return cases


PACKED_CASES = [
    *malformed(Code.ATTESTATION_PACKED_MALFORMED, PACKED, packed),
    Case(
        Code.ATTESTATION_PACKED_MALFORMED, "self, without sig", SELF, lambda: without(self_attested(), "sig")
    ),
    Case(
        Code.ATTESTATION_PACKED_MALFORMED,
        "an early draft's ecdaaKeyId instead of x5c",
        SELF,
        lambda: self_attested(ecdaaKeyId=b"key"),
    ),
    Case(Code.ATTESTATION_PACKED_CERTIFICATE_UNREADABLE, "garbage", PACKED, lambda: packed(x5c=[GARBAGE])),
    Case(
        Code.ATTESTATION_PACKED_CERTIFICATE_UNREADABLE,
        "the same extension twice",
        PACKED,
        lambda: packed(x5c=[twice(packed_certificate(extensions=[aaguid_extension(PACKED.aaguid)]).der)]),
    ),
    Case(
        Code.ATTESTATION_PACKED_SIGNATURE_INVALID,
        "of another key",
        PACKED,
        lambda: packed(sig=ecdsa(OTHER_KEY, PACKED.signed)),
    ),
    Case(
        Code.ATTESTATION_PACKED_SIGNATURE_INVALID,
        "over other data",
        PACKED,
        lambda: packed(sig=ecdsa(PACKED.attestation_key, PACKED.signed + b"\x00")),
    ),
    Case(
        Code.ATTESTATION_PACKED_SIGNATURE_INVALID,
        "by another algorithm than it says",
        PACKED,
        lambda: packed(alg=-36),
    ),
    Case(Code.ATTESTATION_PACKED_SIGNATURE_INVALID, "by no algorithm", PACKED, lambda: packed(alg=0)),
    Case(
        Code.ATTESTATION_PACKED_CERTIFICATE_VERSION,
        "version 1",
        PACKED,
        lambda: packed(certificate=as_version_1(packed_certificate(), issuer=ROOT)),
    ),
    *[
        Case(code, because, PACKED, packed_with(name=subject(**changed)))
        for code, because, changed in (
            (Code.ATTESTATION_PACKED_SUBJECT_COUNTRY, "no country", {"COUNTRY_NAME": []}),
            (Code.ATTESTATION_PACKED_SUBJECT_COUNTRY, "two countries", {"COUNTRY_NAME": ["SE", "US"]}),
            (Code.ATTESTATION_PACKED_SUBJECT_COUNTRY, "lower case", {"COUNTRY_NAME": ["se"]}),
            (Code.ATTESTATION_PACKED_SUBJECT_COUNTRY, "a digit", {"COUNTRY_NAME": ["S1"]}),
            (Code.ATTESTATION_PACKED_SUBJECT_ORGANIZATION, "no vendor", {"ORGANIZATION_NAME": []}),
            (Code.ATTESTATION_PACKED_SUBJECT_UNIT, "no unit", {"ORGANIZATIONAL_UNIT_NAME": []}),
            (
                Code.ATTESTATION_PACKED_SUBJECT_UNIT,
                "another unit",
                {"ORGANIZATIONAL_UNIT_NAME": ["Authenticator Attestation CA"]},
            ),
            (
                Code.ATTESTATION_PACKED_SUBJECT_UNIT,
                "another unit besides",
                {"ORGANIZATIONAL_UNIT_NAME": ["Authenticator Attestation", "Sales"]},
            ),
            (Code.ATTESTATION_PACKED_SUBJECT_NAME, "no name", {"COMMON_NAME": []}),
        )
    ],
    Case(
        Code.ATTESTATION_PACKED_CERTIFICATE_AUTHORITY,
        "an authority's certificate",
        PACKED,
        packed_with(constraints=AUTHORITY),
    ),
    Case(
        Code.ATTESTATION_PACKED_CERTIFICATE_AUTHORITY,
        "says nothing of being one",
        PACKED,
        packed_with(constraints=None),
    ),
    *[
        Case(Code.ATTESTATION_PACKED_FIRMWARE_MALFORMED, because, PACKED, packed_with(**extension))
        for because, extension in (
            ("negative", firmware(b"\x02\x01\xff")),
            ("no INTEGER", firmware(b"\x04\x01\x2a")),
            ("bytes behind it", firmware(b"\x02\x01\x2a\x00")),
            ("critical", firmware(b"\x02\x01\x2a", critical=True)),
        )
    ],
    Case(
        Code.ATTESTATION_PACKED_ENTERPRISE_UNASKED,
        "a serial number",
        PACKED,
        packed_with(extensions=[unknown("1.3.6.1.4.1.45724.1.1.2", b"\x04\x04\x00\x00\x00\x07")]),
    ),
    Case(
        Code.ATTESTATION_PACKED_AAGUID_CRITICAL,
        "right, and critical",
        PACKED,
        packed_with(extensions=[aaguid_extension(PACKED.aaguid, critical=True)]),
    ),
    *[
        Case(
            Code.ATTESTATION_PACKED_AAGUID_MALFORMED,
            because,
            PACKED,
            packed_with(extensions=[unknown("1.3.6.1.4.1.45724.1.1.4", value)]),
        )
        for because, value in (
            ("wrapped once", PACKED.aaguid),
            ("fifteen bytes", b"\x04\x0f" + PACKED.aaguid[:15]),
            ("bytes behind it", b"\x04\x10" + PACKED.aaguid + b"\x00"),
            ("in another type", b"\x03\x10" + PACKED.aaguid),
        )
    ],
    Case(
        Code.ATTESTATION_PACKED_AAGUID_MISMATCH,
        "another model's",
        PACKED,
        packed_with(extensions=[aaguid_extension(bytes(range(16)))]),
    ),
    Case(
        Code.ATTESTATION_PACKED_SELF_ALGORITHM_MISMATCH,
        "not the credential's",
        SELF,
        lambda: self_attested(alg=-8),
    ),
    Case(
        Code.ATTESTATION_PACKED_SELF_SIGNATURE_INVALID,
        "of another key",
        SELF,
        lambda: self_attested(sig=ecdsa(OTHER_KEY, SELF.signed)),
    ),
    Case(
        Code.ATTESTATION_PACKED_SELF_SIGNATURE_INVALID,
        "over other data",
        SELF,
        lambda: self_attested(sig=ecdsa(SELF.credential_key, SELF.auth_data)),
    ),
]


TPM_CASES = [
    *malformed(Code.ATTESTATION_TPM_MALFORMED, TPM, tpm),
    Case(Code.ATTESTATION_TPM_MALFORMED, "no x5c", TPM, lambda: without(tpm(), "x5c")),
    Case(Code.ATTESTATION_TPM_VER_UNSUPPORTED, "1.2", TPM, lambda: tpm(ver="1.2")),
    *[
        Case(Code.ATTESTATION_TPM_PUBLIC_AREA_UNREADABLE, because, TPM, lambda area=area: tpm(area=area))
        for because, area in (
            ("cut short", public_area()[:9]),
            ("of an unknown kind", b"\xff\xff" + public_area()[2:]),
            ("of a symmetric key", b"\x00\x25" + public_area()[2:]),
            ("named by SHA-1", public_area(name_alg=0x0004)),
            ("named by nothing", public_area(name_alg=0x0010)),
        )
    ],
    *[
        Case(
            Code.ATTESTATION_TPM_PUBLIC_KEY_MISMATCH, because, on, lambda on=on, area=area: tpm(on, area=area)
        )
        for because, on, area in (
            ("another key", TPM, public_area(key=OTHER_KEY)),
            ("another curve", TPM, public_area(curve=4)),
            ("a curve that is not P-256 either", TPM, public_area(curve=0x10)),
            ("coordinates cut elsewhere", TPM, shifted(public_area())),
            ("bytes behind it", TPM, public_area(behind=b"\x00")),
            ("an RSA key", TPM, public_area(TPM_RSA)),
            ("an elliptic curve", TPM_RSA, public_area(TPM)),
            ("another modulus", TPM_RSA, public_area(key=rsa.generate_private_key(65537, 2048))),
            ("another exponent", TPM_RSA, public_area(TPM_RSA, exponent=3)),
            ("another size", TPM_RSA, public_area(TPM_RSA, bits=2048)),
            ("bytes behind it", TPM_RSA, public_area(TPM_RSA, behind=b"\x00")),
        )
    ],
    *[
        Case(
            Code.ATTESTATION_TPM_KEY_NOT_BOUND,
            because,
            TPM,
            lambda bit=bit: tpm(area=public_area(attributes=0x00060472 & ~bit)),
        )
        for because, bit in (("fixedTPM", 1 << 1), ("fixedParent", 1 << 4), ("sensitiveDataOrigin", 1 << 5))
    ],
    Case(Code.ATTESTATION_TPM_CERTIFICATE_UNREADABLE, "garbage", TPM, lambda: tpm(x5c=[GARBAGE])),
    Case(
        Code.ATTESTATION_TPM_CERTIFICATE_VERSION,
        "version 1",
        TPM,
        lambda: tpm(certificate=as_version_1(aik_certificate(), issuer=ROOT)),
    ),
    Case(Code.ATTESTATION_TPM_SUBJECT_NOT_EMPTY, "a name", TPM, tpm_with(name=subject())),
    *[
        Case(Code.ATTESTATION_TPM_ALTERNATIVE_NAME, because, TPM, tpm_with(names=names))
        for because, names in (
            ("none", None),
            ("not critical", (tpm_names(), False)),
            ("no vendor", (tpm_names(vendor=[]), True)),
            ("no model", (tpm_names(model=[]), True)),
            ("no version", (tpm_names(version=[]), True)),
            ("two vendors", (tpm_names(vendor=["id:49465800", "id:414D4400"]), True)),
            ("no directory name", (x509.SubjectAlternativeName([x509.DNSName("tpm.example")]), True)),
        )
    ],
    Case(
        Code.ATTESTATION_TPM_VENDOR_UNKNOWN,
        "the vectors' own",
        TPM,
        tpm_with(names=(tpm_names(vendor=["id:00000000"]), True)),
    ),
    Case(
        Code.ATTESTATION_TPM_VENDOR_UNKNOWN,
        "FIDO's test vendor",
        TPM,
        tpm_with(names=(tpm_names(vendor=["id:FFFFF1D0"]), True)),
        lenience=Lenience(tpm_vendors=frozenset({"id:00000000"})),
    ),
    Case(Code.ATTESTATION_TPM_EXTENDED_KEY_USAGE, "none", TPM, tpm_with(usage=None)),
    Case(
        Code.ATTESTATION_TPM_EXTENDED_KEY_USAGE,
        "another",
        TPM,
        tpm_with(usage=[x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]),
    ),
    Case(
        Code.ATTESTATION_TPM_CERTIFICATE_AUTHORITY,
        "an authority's certificate",
        TPM,
        tpm_with(constraints=AUTHORITY),
    ),
    Case(
        Code.ATTESTATION_TPM_CERTIFICATE_AUTHORITY,
        "says nothing of being one",
        TPM,
        tpm_with(constraints=None),
    ),
    Case(
        Code.ATTESTATION_TPM_AAGUID_MISMATCH,
        "another model's",
        TPM,
        tpm_with(extensions=[aaguid_extension(bytes(16))]),
    ),
    Case(
        Code.ATTESTATION_TPM_SIGNATURE_INVALID,
        "of another key",
        TPM,
        lambda: tpm(sign=lambda _, said: ecdsa(OTHER_KEY, said)),
    ),
    Case(
        Code.ATTESTATION_TPM_SIGNATURE_INVALID,
        "over other data",
        TPM,
        lambda: tpm(sign=lambda key, said: ecdsa(key, said + b"\x00")),
    ),
    Case(Code.ATTESTATION_TPM_SIGNATURE_INVALID, "by no algorithm of a TPM", TPM, lambda: tpm(alg=-8)),
    Case(
        Code.ATTESTATION_TPM_SIGNATURE_INVALID,
        "right, by no algorithm of a TPM",
        TPM,
        lambda: tpm(certificate=ed25519_aik(), alg=-8, sign=lambda key, said: key.sign(said)),
    ),
    Case(
        Code.ATTESTATION_TPM_SIGNATURE_INVALID,
        "by SHA-1, of another key",
        TPM,
        lambda: tpm(
            certificate=rsa_aik(),
            alg=-65535,
            hash_name="sha1",
            sign=lambda _, said: rs1(rsa.generate_private_key(65537, 2048), said),
        ),
    ),
    Case(
        Code.ATTESTATION_TPM_SIGNATURE_INVALID,
        "by RSA, of an elliptic curve",
        TPM,
        lambda: tpm(alg=-65535, hash_name="sha1"),
    ),
    Case(Code.ATTESTATION_TPM_MAGIC_UNEXPECTED, "not from a TPM", TPM, info(magic=b"\xffTCH")),
    Case(Code.ATTESTATION_TPM_TYPE_UNEXPECTED, "a quote", TPM, info(kind=0x8018)),
    Case(Code.ATTESTATION_TPM_TYPE_UNEXPECTED, "an unknown type", TPM, info(kind=0x8099)),
    Case(Code.ATTESTATION_TPM_CERT_INFO_UNREADABLE, "bytes behind it", TPM, info(behind=b"\x00")),
    Case(
        Code.ATTESTATION_TPM_CERT_INFO_UNREADABLE,
        "cut short",
        TPM,
        lambda: tpm(certInfo=tpm()["certInfo"][:-1]),
    ),
    Case(
        Code.ATTESTATION_TPM_CERT_INFO_UNREADABLE,
        "cut off",
        TPM,
        lambda: tpm(certInfo=tpm()["certInfo"][:60]),
    ),
    Case(
        Code.ATTESTATION_TPM_EXTRA_DATA_MISMATCH,
        "another ceremony's",
        TPM,
        info(extra=hashlib.sha256(b"another").digest()),
    ),
    Case(
        Code.ATTESTATION_TPM_EXTRA_DATA_MISMATCH,
        "by another hash",
        TPM,
        info(extra=hashlib.sha384(TPM.signed).digest()),
    ),
    Case(
        Code.ATTESTATION_TPM_NAME_MISMATCH,
        "another object's",
        TPM,
        info(name=b"\x00\x0b" + hashlib.sha256(b"another").digest()),
    ),
    Case(
        Code.ATTESTATION_TPM_NAME_MISMATCH,
        "by another algorithm than pubArea's",
        TPM,
        info(name=b"\x00\x0c" + hashlib.sha256(public_area()).digest()),
    ),
]

ANDROID_CASES = [
    *malformed(Code.ATTESTATION_ANDROID_KEY_MALFORMED, ANDROID, android),
    Case(Code.ATTESTATION_ANDROID_KEY_MALFORMED, "no x5c", ANDROID, lambda: without(android(), "x5c")),
    Case(
        Code.ATTESTATION_ANDROID_KEY_CERTIFICATE_UNREADABLE,
        "garbage",
        ANDROID,
        lambda: android(x5c=[GARBAGE]),
    ),
    Case(
        Code.ATTESTATION_ANDROID_KEY_SIGNATURE_INVALID,
        "of another key",
        ANDROID,
        lambda: android(sig=ecdsa(OTHER_KEY, ANDROID.signed)),
    ),
    Case(
        Code.ATTESTATION_ANDROID_KEY_PUBLIC_KEY_MISMATCH,
        "a certificate for another key, which signed",
        ANDROID,
        lambda: android(certificate=android_certificate(key=OTHER_KEY)),
    ),
    Case(
        Code.ATTESTATION_ANDROID_KEY_DESCRIPTION_UNREADABLE,
        "none",
        ANDROID,
        lambda: android(certificate=android_certificate(extensions=[])),
    ),
    *[
        Case(
            Code.ATTESTATION_ANDROID_KEY_DESCRIPTION_UNREADABLE,
            because,
            ANDROID,
            lambda extension=extension: android(certificate=android_certificate(extension=extension)),
        )
        for because, extension in (
            ("garbage", b"\x30\x82\xff"),
            ("bytes behind it", description(behind=b"\x00")),
            ("cut short", description()[:-1]),
            ("an origin that is no number", description(trusted=PURPOSE + bytes.fromhex("bf853e03040100"))),
            ("purposes that are no set", description(trusted=bytes.fromhex("a103020102") + ORIGIN)),
        )
    ],
    Case(
        Code.ATTESTATION_ANDROID_KEY_CHALLENGE_MISMATCH,
        "another ceremony's",
        ANDROID,
        android_with(challenge=bytes(32)),
    ),
    Case(Code.ATTESTATION_ANDROID_KEY_CHALLENGE_MISMATCH, "none", ANDROID, android_with(challenge=b"")),
    Case(
        Code.ATTESTATION_ANDROID_KEY_ALL_APPLICATIONS,
        "by the trusted environment",
        ANDROID,
        android_with(trusted=PURPOSE + ALL_APPLICATIONS + ORIGIN),
    ),
    Case(
        Code.ATTESTATION_ANDROID_KEY_ALL_APPLICATIONS,
        "by software",
        ANDROID,
        android_with(software=ALL_APPLICATIONS),
    ),
    *[
        Case(
            Code.ATTESTATION_ANDROID_KEY_ORIGIN_UNEXPECTED,
            because,
            ANDROID,
            android_with(software=software, trusted=PURPOSE + trusted),
            lenience=lenience,
        )
        for because, software, trusted, lenience in (
            ("imported", b"", bytes.fromhex("bf853e03020102"), STRICT),
            ("unsaid", b"", b"", STRICT),
            ("said by software alone", ORIGIN, b"", STRICT),
            ("unsaid by either", b"", b"", Lenience(android_software_enforced=True)),
            (
                "imported, says software",
                bytes.fromhex("bf853e03020102"),
                ORIGIN,
                Lenience(android_software_enforced=True),
            ),
            (
                "imported, unsaid allowed",
                b"",
                bytes.fromhex("bf853e03020102"),
                Lenience(android_unspecified=True),
            ),
            (
                "imported, says software, unsaid allowed",
                bytes.fromhex("bf853e03020102"),
                b"",
                Lenience(android_unspecified=True),
            ),
        )
    ],
    *[
        Case(
            Code.ATTESTATION_ANDROID_KEY_PURPOSE_UNEXPECTED,
            because,
            ANDROID,
            android_with(software=software, trusted=trusted + ORIGIN),
        )
        for because, software, trusted in (
            ("decrypting", b"", bytes.fromhex("a1053103020101")),
            ("decrypting besides", b"", bytes.fromhex("a1083106020101020102")),
            ("none", b"", bytes.fromhex("a1023100")),
            ("unsaid", b"", b""),
            ("said by software alone", PURPOSE, b""),
        )
    ],
]

APPLE_CASES = [
    *malformed(Code.ATTESTATION_APPLE_MALFORMED, APPLE, apple),
    Case(Code.ATTESTATION_APPLE_MALFORMED, "alg is a text", APPLE, lambda: apple(alg="ES256")),
    Case(Code.ATTESTATION_APPLE_CERTIFICATE_UNREADABLE, "garbage", APPLE, lambda: apple(x5c=[GARBAGE])),
    Case(
        Code.ATTESTATION_APPLE_NONCE_MISMATCH,
        "none",
        APPLE,
        lambda: apple(certificate=apple_certificate(extensions=[])),
    ),
    Case(
        Code.ATTESTATION_APPLE_NONCE_MISMATCH,
        "another ceremony's",
        APPLE,
        lambda: apple(certificate=apple_certificate(nonce=bytes(32))),
    ),
    Case(
        Code.ATTESTATION_APPLE_NONCE_MISMATCH,
        "in another wrapping",
        APPLE,
        lambda: apple(
            certificate=apple_certificate(
                extensions=[
                    unknown(
                        "1.2.840.113635.100.8.2",
                        bytes.fromhex("3024a2220420") + hashlib.sha256(APPLE.signed).digest(),
                    )
                ]
            )
        ),
    ),
    Case(
        Code.ATTESTATION_APPLE_PUBLIC_KEY_MISMATCH,
        "a certificate for another key",
        APPLE,
        lambda: apple(certificate=apple_certificate(key=OTHER_KEY)),
    ),
]

U2F_CASES = [
    *malformed(Code.ATTESTATION_FIDO_U2F_MALFORMED, U2F, lambda **members: {**u2f(), **members}),
    Case(
        Code.ATTESTATION_FIDO_U2F_CERTIFICATE_COUNT,
        "its issuer's besides",
        U2F,
        lambda: u2f(x5c=[u2f_certificate().der, ROOT.der]),
    ),
    Case(Code.ATTESTATION_FIDO_U2F_CERTIFICATE_UNREADABLE, "garbage", U2F, lambda: u2f(x5c=[GARBAGE])),
    Case(
        Code.ATTESTATION_FIDO_U2F_CERTIFICATE_KEY,
        "another curve",
        U2F,
        lambda: u2f(certificate=u2f_certificate(key=P384)),
    ),
    Case(
        Code.ATTESTATION_FIDO_U2F_CERTIFICATE_KEY,
        "no elliptic curve",
        U2F,
        lambda: u2f(certificate=u2f_certificate(key=ed25519.Ed25519PrivateKey.generate()), sig=b"signature"),
    ),
    Case(
        Code.ATTESTATION_FIDO_U2F_PUBLIC_KEY_UNSUITABLE,
        "an RSA credential",
        with_aaguid(ceremony("packed.RS256"), bytes(16)),
        lambda: {"x5c": [u2f_certificate().der], "sig": b"signature"},
        fmt="fido-u2f",
    ),
    # RFC 9864: the same key and signatures under another number, which U2F does not know.
    Case(
        Code.ATTESTATION_FIDO_U2F_PUBLIC_KEY_UNSUITABLE,
        "an ESP256 credential",
        dataclasses.replace(
            U2F, auth_data=U2F.auth_data.replace(bytes.fromhex("01020326"), bytes.fromhex("01020328"))
        ),
        u2f,
    ),
    Case(
        Code.ATTESTATION_FIDO_U2F_SIGNATURE_INVALID,
        "of another key",
        U2F,
        lambda: u2f(sig=ecdsa(OTHER_KEY, U2F.signed)),
    ),
    Case(
        Code.ATTESTATION_FIDO_U2F_SIGNATURE_INVALID,
        "over other data",
        U2F,
        lambda: u2f(sig=ecdsa(U2F.attestation_key, U2F.signed)),
    ),
    Case(
        Code.ATTESTATION_FIDO_U2F_AAGUID_NOT_ZERO,
        "an AAGUID",
        ceremony("fido-u2f.ES256"),
        lambda: u2f(ceremony("fido-u2f.ES256")),
    ),
]

COMMON_CASES = [
    Case(Code.ATTESTATION_NONE_NOT_EMPTY, "a signature", NONE, lambda: {"sig": b"signature"}),
    Case(Code.ATTESTATION_NONE_NOT_EMPTY, "an empty array", NONE, list),
    *[
        Case(Code.ATTESTATION_FORMAT_UNSUPPORTED, because, NONE, dict, fmt=fmt)
        for because, fmt in (
            ("unknown", "packed2"),
            ("in capitals", "None"),
            ("gone", "android-safetynet"),
            ("a number", 7),
            ("a list", []),
        )
    ],
    Case(
        Code.ATTESTED_CREDENTIAL_MISSING,
        "nothing is attested",
        dataclasses.replace(NONE, auth_data=NONE.auth_data[:32] + b"\x01" + bytes(4)),
        dict,
    ),
    Case(
        Code.PUBLIC_KEY_UNREADABLE,
        "a point that is not on its curve",
        dataclasses.replace(SELF, auth_data=SELF.auth_data[:-1] + bytes([SELF.auth_data[-1] ^ 1])),
        self_attested,
    ),
    *[
        Case(Code.ATTESTATION_CHAIN_INVALID, because, on, make)
        for because, on, make in (
            ("packed, by a stranger", PACKED, issued_by_stranger(packed_certificate, packed)),
            ("tpm, by a stranger", TPM, issued_by_stranger(aik_certificate, tpm)),
            ("android-key, by a stranger", ANDROID, issued_by_stranger(android_certificate, android)),
            ("apple, by a stranger", APPLE, issued_by_stranger(apple_certificate, apple)),
            ("fido-u2f, by a stranger", U2F, issued_by_stranger(u2f_certificate, u2f)),
            (
                "by a stranger who comes along",
                PACKED,
                lambda: packed(
                    x5c=[packed_certificate(issuer=STRANGER).der, STRANGER.der],
                ),
            ),
            ("expired", PACKED, packed_with(valid=(NOW.replace(year=2024), NOW.replace(year=2025)))),
            (
                "by an end entity",
                PACKED,
                by_an_end_entity,
            ),
            (
                "garbage behind the attestation certificate",
                PACKED,
                lambda: packed(x5c=[packed_certificate().der, GARBAGE]),
            ),
        )
    ],
    *[
        Case(Code.ATTESTATION_COMPOUND_MALFORMED, because, NONE, make, fmt="compound")
        for because, make in (
            ("a map", dict),
            ("none", list),
            ("one statement", lambda: compound(("none", {}))),
            ("too many", lambda: compound(*[("none", {})] * 7)),
            ("a part that is no map", lambda: [b"", b""]),
            ("a part without a format", lambda: [{"attStmt": {}}, {"fmt": "none", "attStmt": {}}]),
            ("a part with more", lambda: [{"fmt": "none", "attStmt": {}, "authData": b""}] * 2),
        )
    ],
    Case(
        Code.ATTESTATION_COMPOUND_NESTED,
        "compound within compound",
        NONE,
        lambda: compound(("none", {}), ("compound", compound(("none", {}), ("none", {})))),
        fmt="compound",
    ),
    Case(
        Code.ATTESTATION_PACKED_SELF_SIGNATURE_INVALID,
        "one part of two is wrong",
        SELF,
        lambda: compound(("none", {}), ("packed", self_attested(sig=b"signature"))),
        fmt="compound",
    ),
    Case(
        Code.ATTESTATION_FORMAT_UNSUPPORTED,
        "one part of two is unknown",
        NONE,
        lambda: compound(("none", {}), ("unheard-of", {})),
        fmt="compound",
    ),
]


CASES = [*PACKED_CASES, *TPM_CASES, *ANDROID_CASES, *APPLE_CASES, *U2F_CASES, *COMMON_CASES]
# Statements that a strict verifier accepts: each maker's, unchanged, and what genuine devices vary in.
ACCEPTED: dict[str, tuple[Ceremony, Callable[[], Any]]] = {
    "none": (NONE, dict),
    "packed": (PACKED, packed),
    "packed, naming its model": (PACKED, packed_with(extensions=[aaguid_extension(PACKED.aaguid)])),
    "packed, naming its firmware": (PACKED, packed_with(**firmware(b"\x02\x01\x2a"))),
    "packed, with its issuer": (PACKED, lambda: packed(x5c=[packed_certificate().der, ROOT.der])),
    "packed by itself": (SELF, self_attested),
    "tpm": (TPM, tpm),
    "tpm, an RSA key": (TPM_RSA, lambda: tpm(TPM_RSA)),
    "tpm, an RSA key with its exponent": (
        TPM_RSA,
        lambda: tpm(TPM_RSA, area=public_area(TPM_RSA, exponent=65537)),
    ),
    "tpm, with a policy": (TPM, lambda: tpm(area=public_area(policy=bytes(32)))),
    "tpm, signing with RSA and SHA-1": (
        TPM,
        lambda: tpm(certificate=rsa_aik(), alg=-65535, hash_name="sha1", sign=rs1),
    ),
    "tpm, a vendor in lower case": (TPM, tpm_with(names=(tpm_names(vendor=["id:414d4400"]), True))),
    "tpm, with more usages": (TPM, tpm_with(usage=[x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, AIK])),
    "tpm, naming its model": (TPM, tpm_with(extensions=[aaguid_extension(TPM.aaguid)])),
    "android-key": (ANDROID, android),
    "android-key, with its root": (
        ANDROID,
        lambda: android(x5c=[android_certificate().der, ROOT.der]),
    ),
    # Tags that we have never heard of, before, between and behind those that matter; and a root of trust as the first
    # versions of the schema have it.
    "android-key, saying more": (
        ANDROID,
        android_with(
            software=bytes.fromhex("bf853d0302012a"),
            trusted=PURPOSE
            + bytes.fromhex("a203020103")
            + ORIGIN
            + bytes.fromhex("bf85400b3009040101010100 0a0100".replace(" ", "")),
        ),
    ),
    "apple": (APPLE, apple),
    "apple, as its devices send it": (APPLE, lambda: apple(alg=-7)),
    "fido-u2f": (U2F, u2f),
    "compound": (PACKED, lambda: compound(("none", {}), ("packed", packed()))),
}
