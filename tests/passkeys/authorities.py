"""Certificates made for the tests, with `cryptography`: authorities, intermediates, leaves, right or wrong in one point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID
from pyasn1.codec.der.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.type.univ import BitString, ObjectIdentifier
from pyasn1_modules.rfc5280 import Certificate

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LEAF = x509.BasicConstraints(ca=False, path_length=None)
SHA256 = hashes.SHA256()
VALID = (datetime(2024, 1, 1, tzinfo=UTC), datetime(3024, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(
    subject: x509.Name | str,
    *,
    issuer: Issued | None = None,
    issuer_name: x509.Name | None = None,
    key: Any = None,
    public_key: Any = None,
    constraints: x509.BasicConstraints | None = LEAF,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    valid: tuple[datetime, datetime] = VALID,
    hash_algorithm: hashes.HashAlgorithm | None = SHA256,
    **signing: Any,
) -> Issued:
    """A certificate for `key` (a new P-256 one), signed by `issuer`, or by itself."""
    name = named(subject) if isinstance(subject, str) else subject
    own = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name or (issuer.certificate.subject if issuer else name))
        .public_key(public_key or own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(issuer.key if issuer else own, hash_algorithm, **signing), own)


def authority(
    name: str, *, issuer: Issued | None = None, path_length: int | None = None, **rest: Any
) -> Issued:
    """A certificate that may issue others: a root, or an intermediate of `issuer`."""
    return issue(
        name, issuer=issuer, constraints=x509.BasicConstraints(ca=True, path_length=path_length), **rest
    )


def signed_with_sha1(issued: Issued, *, issuer: Issued) -> Issued:
    """The same certificate with RSA and SHA-1 for its signature, which the builder no longer makes."""
    certificate, _ = decode(issued.der, asn1Spec=Certificate())
    algorithm = ObjectIdentifier(SignatureAlgorithmOID.RSA_WITH_SHA1.dotted_string)
    certificate["tbsCertificate"]["signature"]["algorithm"] = algorithm
    certificate["signatureAlgorithm"]["algorithm"] = algorithm
    signature = issuer.key.sign(encode(certificate["tbsCertificate"]), padding.PKCS1v15(), hashes.SHA1())
    certificate["signature"] = BitString.fromOctetString(signature)
    return Issued(x509.load_der_x509_certificate(encode(certificate)), issued.key)


def as_version_1(issued: Issued, *, issuer: Issued) -> Issued:
    """The same certificate in version 1, which has no extensions."""
    certificate, _ = decode(issued.der, asn1Spec=Certificate())
    old = certificate["tbsCertificate"].clone()
    for name in old.componentType:
        if name not in ("version", "extensions"):
            old[name] = certificate["tbsCertificate"][name]
    certificate["tbsCertificate"] = old
    signature = issuer.key.sign(encode(old), ec.ECDSA(SHA256))
    certificate["signature"] = BitString.fromOctetString(signature)
    return Issued(x509.load_der_x509_certificate(encode(certificate)), issued.key)
