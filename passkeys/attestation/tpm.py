"""TPM attestation: a TPM certifies that the credential key is in it. WebAuthn L3 §8.3."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from webauthn.helpers.tpm import parse_cert_info, parse_pub_area
from webauthn.helpers.tpm.structs import (
    TPM_ALG,
    TPM_ECC_CURVE,
    TPM_MANUFACTURERS,
    TPMCertInfo,
    TPMPubArea,
    TPMPubAreaParametersECC,
)

from passkeys.attestation.statement import (
    CHAIN,
    ID_FIDO_GEN_CE_AAGUID,
    Leaf,
    Lenience,
    Proof,
    Statement,
    check_signature,
    credential_key,
    is_algorithm,
    is_bytes,
    is_text,
    names_aaguid,
    read_leaf,
    read_members,
)
from passkeys.errors import Rejection, RejectionCode, rejected_as

_SYNTAX = {
    "ver": is_text,
    "alg": is_algorithm,
    **CHAIN,
    "sig": is_bytes,
    "certInfo": is_bytes,
    "pubArea": is_bytes,
}
_TPM_GENERATED_VALUE = b"\xffTCG"
_TPM_ST_ATTEST_CERTIFY = b"\x80\x17"

# RS1, RSASSA-PKCS1-v1_5 with SHA-1. The TPMs that Windows enrolled for years sign with nothing else, so it is known here
# and nowhere else. What it signs comes from the TPM but for 20 to 64 bytes: too few to prepare a collision in.
_RS1 = -65535
# The hash in each COSE algorithm that a TPM signs with: ES*, their twins (RFC 9864), RS256, PS256, RS1.
_Hash = Callable[[bytes], Any]
_HASHES: Mapping[int, _Hash] = MappingProxyType(
    {
        -7: hashlib.sha256,
        -9: hashlib.sha256,
        -35: hashlib.sha384,
        -51: hashlib.sha384,
        -36: hashlib.sha512,
        -52: hashlib.sha512,
        -257: hashlib.sha256,
        -37: hashlib.sha256,
        _RS1: hashlib.sha1,
    }
)
# The hash that names an object (TPMv2-Part1 §16). Not SHA-1: the attested key is only as good as its name.
_NAME_HASHES: Mapping[TPM_ALG, _Hash] = MappingProxyType(
    {TPM_ALG.SHA256: hashlib.sha256, TPM_ALG.SHA384: hashlib.sha384, TPM_ALG.SHA512: hashlib.sha512}
)
# The package takes BN_P256 and SM2_P256 for P-256 too; they are other curves.
_CURVES: Mapping[TPM_ECC_CURVE, str] = MappingProxyType(
    {
        TPM_ECC_CURVE.NIST_P256: "secp256r1",
        TPM_ECC_CURVE.NIST_P384: "secp384r1",
        TPM_ECC_CURVE.NIST_P521: "secp521r1",
    }
)
_DEFAULT_EXPONENT = 65537

# TCG's: the attributes of a TPM in a Subject Alternative Name, and the purpose of an AIK certificate.
_TPM_MANUFACTURER = x509.ObjectIdentifier("2.23.133.2.1")
_TPM_MODEL = x509.ObjectIdentifier("2.23.133.2.2")
_TPM_VERSION = x509.ObjectIdentifier("2.23.133.2.3")
_TCG_KP_AIK_CERTIFICATE = x509.ObjectIdentifier("2.23.133.8.3")


def verify(statement: Statement, lenience: Lenience) -> Proof:
    """Discharge §8.3; its items have no numbers."""
    # (1) The syntax; x5c is there. First item, and the first of "integrity of certInfo".
    members = read_members(statement, _SYNTAX, RejectionCode.ATTESTATION_TPM_MALFORMED)
    if members["ver"] != "2.0":
        raise Rejection(RejectionCode.ATTESTATION_TPM_VER_UNSUPPORTED)
    # (2) pubArea is the credential's key. Second item.
    with rejected_as(RejectionCode.ATTESTATION_TPM_PUBLIC_AREA_UNREADABLE):
        public_area = parse_pub_area(members["pubArea"])
        name_hash = _NAME_HASHES[public_area.name_alg]
    _, key = credential_key(statement)
    if not _is_public_area_of(key, public_area, members["pubArea"]):
        raise Rejection(RejectionCode.ATTESTATION_TPM_PUBLIC_KEY_MISMATCH)
    # (3) That key was made in the TPM and cannot leave it. TPMv2-Part2 §8.3; WebAuthn does not ask, and without it a TPM
    # certifies any key that somebody loads into it.
    attributes = public_area.object_attributes
    bound = attributes.fixed_tpm and attributes.fixed_parent and attributes.sensitive_data_origin
    if not bound and not lenience.tpm_unbound_keys:
        raise Rejection(RejectionCode.ATTESTATION_TPM_KEY_NOT_BOUND)
    # (4) The certificate is one for attestation identity keys. "Integrity", second item; §8.3.1.
    leaf = read_leaf(members["x5c"][0], RejectionCode.ATTESTATION_TPM_CERTIFICATE_UNREADABLE)
    _check_certificate(leaf, lenience)
    # (5) If it names a model, it is the authenticator's. "Integrity", third item.
    named = leaf.extension(ID_FIDO_GEN_CE_AAGUID)
    if named is not None and not names_aaguid(named, statement.attested.aaguid):
        raise Rejection(RejectionCode.ATTESTATION_TPM_AAGUID_MISMATCH)
    # (6) The attestation identity key signed certInfo. "Integrity", fourth item.
    _check_signature(members, leaf)
    # (7) certInfo is what a TPM says of an object that it certifies. "certInfo is valid", items one and two.
    cert_info: bytes = members["certInfo"]
    if cert_info[:4] != _TPM_GENERATED_VALUE:
        raise Rejection(RejectionCode.ATTESTATION_TPM_MAGIC_UNEXPECTED)
    if cert_info[4:6] != _TPM_ST_ATTEST_CERTIFY:
        raise Rejection(RejectionCode.ATTESTATION_TPM_TYPE_UNEXPECTED)
    with rejected_as(RejectionCode.ATTESTATION_TPM_CERT_INFO_UNREADABLE):
        certified = parse_cert_info(cert_info)
        if _cert_info(certified, cert_info) != cert_info:
            raise ValueError("bytes are missing, or too many")
    # (8) It was said for this ceremony. Third item.
    extra_data = _HASHES[members["alg"]](statement.signed).digest()
    if not hmac.compare_digest(certified.extra_data, extra_data):
        raise Rejection(RejectionCode.ATTESTATION_TPM_EXTRA_DATA_MISMATCH)
    # (9) The object is pubArea, by its name: the name's algorithm, then that hash. Fourth item; TPMv2-Part1 §16.
    name = members["pubArea"][2:4] + name_hash(members["pubArea"]).digest()
    if not hmac.compare_digest(certified.attested.name, name):
        raise Rejection(RejectionCode.ATTESTATION_TPM_NAME_MISMATCH)
    return Proof("attca", tuple(members["x5c"]), statement.model, certified=named is not None)


def _is_public_area_of(key: Any, parsed: TPMPubArea, public_area: bytes) -> bool:
    """Whether `public_area` is how a TPM writes `key`: to the byte, since its reader looks at neither ends nor lengths."""
    parameters = parsed.parameters
    if isinstance(parameters, TPMPubAreaParametersECC):
        if not isinstance(key, EllipticCurvePublicKey) or _CURVES.get(parameters.curve_id) != key.curve.name:
            return False
        size = (key.curve.key_size + 7) // 8
        point = key.public_numbers()
        unique = _sized(point.x.to_bytes(size, "big")) + _sized(point.y.to_bytes(size, "big"))
        parameters_length = 8
    else:
        if not isinstance(key, RSAPublicKey):
            return False
        numbers = key.public_numbers()
        # TPMv2-Part2 §12.2.3.5: zero stands for the default exponent.
        exponent = int.from_bytes(parameters.exponent, "big") or _DEFAULT_EXPONENT
        if exponent != numbers.e or int.from_bytes(parameters.key_bits, "big") != key.key_size:
            return False
        unique = _sized(numbers.n.to_bytes((key.key_size + 7) // 8, "big"))
        parameters_length = 10
    head = public_area[:8] + _sized(parsed.auth_policy)
    return head + public_area[len(head) : len(head) + parameters_length] + unique == public_area


def _cert_info(parsed: TPMCertInfo, cert_info: bytes) -> bytes:
    """TPMS_ATTEST as the TPM must have written what was read of it. TPMv2-Part2 §10.12.8."""
    head = cert_info[:6] + _sized(parsed.qualified_signer) + _sized(parsed.extra_data)
    # clockInfo has 17 bytes; the reader keeps its fields, not them.
    clock = cert_info[len(head) : len(head) + 17]
    attested = _sized(parsed.attested.name) + _sized(parsed.attested.qualified_name)
    return head + clock + parsed.firmware_version + attested


def _sized(value: bytes) -> bytes:
    """A TPM2B structure: two bytes of length, and as many bytes."""
    return len(value).to_bytes(2, "big") + value


def _check_signature(members: Mapping[str, Any], leaf: Leaf) -> None:
    code = RejectionCode.ATTESTATION_TPM_SIGNATURE_INVALID
    if members["alg"] not in _HASHES:
        raise Rejection(code, "no algorithm of a TPM")
    if members["alg"] == _RS1:
        with rejected_as(code):
            leaf.key.verify(members["sig"], members["certInfo"], PKCS1v15(), SHA1())  # noqa: S303 - see _RS1
        return
    check_signature(members["alg"], leaf.key, members["sig"], members["certInfo"], code)


def _check_certificate(leaf: Leaf, lenience: Lenience) -> None:
    """L3 §8.3.1, in its order."""
    # Version 3.
    if leaf.version is not x509.Version.v3:
        raise Rejection(RejectionCode.ATTESTATION_TPM_CERTIFICATE_VERSION)
    # An empty subject: the key's owner stays unknown.
    if list(leaf.subject):
        raise Rejection(RejectionCode.ATTESTATION_TPM_SUBJECT_NOT_EMPTY)
    # The TPM's vendor, model and version stand in the Subject Alternative Name, and the TCG knows the vendor.
    vendor = _vendor(leaf)
    if vendor is None:
        raise Rejection(RejectionCode.ATTESTATION_TPM_ALTERNATIVE_NAME)
    if vendor not in {_written_alike(known) for known in (*TPM_MANUFACTURERS, *lenience.tpm_vendors)}:
        raise Rejection(RejectionCode.ATTESTATION_TPM_VENDOR_UNKNOWN, vendor)
    # The Extended Key Usage says what the key is for.
    usage = leaf.extension(x509.ExtendedKeyUsage.oid)
    if usage is None or _TCG_KP_AIK_CERTIFICATE not in usage.value:
        raise Rejection(RejectionCode.ATTESTATION_TPM_EXTENDED_KEY_USAGE)
    # Basic Constraints: not an authority.
    if not leaf.is_end_entity:
        raise Rejection(RejectionCode.ATTESTATION_TPM_CERTIFICATE_AUTHORITY)


def _vendor(leaf: Leaf) -> str | None:
    """The TPM's vendor, if the Subject Alternative Name is as TPMv2-EK-Profile §3.2.9 has it: critical (the subject is
    empty), a directory name, with vendor, model and version once each.
    """
    names = leaf.extension(x509.SubjectAlternativeName.oid)
    if names is None or not names.critical:
        return None
    attributes = [
        attribute for name in names.value.get_values_for_type(x509.DirectoryName) for attribute in name
    ]
    found = {
        oid: [str(attribute.value) for attribute in attributes if attribute.oid == oid]
        for oid in (_TPM_MANUFACTURER, _TPM_MODEL, _TPM_VERSION)
    }
    if any(len(values) != 1 for values in found.values()):
        return None
    return _written_alike(found[_TPM_MANUFACTURER][0])


def _written_alike(vendor: str) -> str:
    """A vendor's "id:" and eight hexadecimal digits, which certificates write in either case."""
    return vendor[:3] + vendor[3:].upper()
