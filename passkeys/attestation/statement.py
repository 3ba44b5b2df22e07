"""What every format of attestation statement shares: its inputs, its outcome, and how its parts are read.

A format is one function from a `Statement` to a `Proof`. It raises Rejection with one code for each obligation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.x509 import ExtensionNotFound, ObjectIdentifier
from webauthn.helpers import aaguid_to_string
from webauthn.helpers.structs import AttestedCredentialData

from passkeys.algorithms import PublicKey, load_public_key, verify_signature
from passkeys.certificates import MAX_CERTIFICATE_BYTES, MAX_CERTIFICATES
from passkeys.errors import Rejection, RejectionCode, rejected_as

# FIDO's: the AAGUID of the model that an attestation certificate belongs to. L3 §8.2.1.
ID_FIDO_GEN_CE_AAGUID = ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


@dataclass(frozen=True, slots=True)
class Statement:
    """The inputs of a verification procedure (L3 §6.5.3), and what was read of them already.

    `members` is attStmt as CBOR gave it: anything at all. `attested` is what `auth_data` attests.
    """

    members: Any
    auth_data: bytes
    rp_id_hash: bytes
    attested: AttestedCredentialData
    client_data_hash: bytes

    @property
    def signed(self) -> bytes:
        """What most formats sign: authenticatorData and clientDataHash, one behind the other."""
        return self.auth_data + self.client_data_hash

    @property
    def model(self) -> str:
        """The AAGUID as metadata writes it."""
        return aaguid_to_string(self.attested.aaguid)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a statement that is correct says, before anybody asks whom its certificates lead to.

    `type`: none | self | basic | attca | anonca. `trust_path`: certificates in DER, the attestation certificate
    first; empty where there is none. `model`: what trust anchors and metadata know the authenticator's model by;
    None if the statement does not cover it. `certified`: the attestation certificate itself names that AAGUID.
    `identified`: `model` was read off the attestation certificate, whose models only metadata can tell.
    """

    type: str
    trust_path: tuple[bytes, ...] = ()
    model: str | None = None
    certified: bool = False
    identified: bool = False


@dataclass(frozen=True, slots=True)
class Lenience:
    """What may pass that a strict reading refuses. With no argument: nothing."""

    # More TPM vendors than the TCG's registry has, as their certificates write them: "id:FFFFF1D0".
    tpm_vendors: frozenset[str] = frozenset()
    # Keys that may leave their TPM, or were made outside: `attestation_tpm_key_not_bound` says nothing.
    tpm_unbound_keys: bool = False
    # Android keys whose origin and purpose their software vouches for, instead of the trusted environment alone.
    android_software_enforced: bool = False
    # Android keys about whose origin and purpose nobody says anything.
    android_unspecified: bool = False
    # An AAGUID in a fido-u2f statement, though nothing there signs it.
    u2f_aaguid: bool = False
    # Certificates that tell one device from another (L3 §8.2.2), though we never ask for enterprise attestation.
    packed_enterprise: bool = False


STRICT = Lenience()


@dataclass(frozen=True, slots=True)
class Leaf:
    """An attestation certificate, read as far as any format looks into it."""

    version: x509.Version
    subject: x509.Name
    key: Any
    extensions: x509.Extensions

    def extension(self, oid: ObjectIdentifier) -> x509.Extension[Any] | None:
        """The extension with that OID, if there is one. Two of a kind are refused when reading."""
        try:
            return self.extensions.get_extension_for_oid(oid)
        except ExtensionNotFound:
            return None

    @property
    def is_end_entity(self) -> bool:
        """Basic Constraints are there, and say that the certificate issues no others."""
        constraints = self.extension(x509.BasicConstraints.oid)
        return constraints is not None and constraints.value.ca is False


def read_members(
    statement: Statement, syntax: Mapping[str, Callable[[Any], bool]], code: RejectionCode
) -> dict[str, Any]:
    """attStmt, if it has exactly the members of `syntax` and each passes; otherwise Rejection(code).

    The CDDL of §8 leaves no room for more. It matters: an early draft's ecdaaKeyId, ignored, would turn a statement
    that nobody can verify any more into self attestation.
    """
    members = statement.members
    if not isinstance(members, dict) or members.keys() != syntax.keys():
        raise Rejection(code, "members are missing, or too many")
    for name, passes in syntax.items():
        if not passes(members[name]):
            raise Rejection(code, f"{name} is not what it must be")
    return members


def is_algorithm(value: Any) -> bool:
    """A COSEAlgorithmIdentifier: an integer, and neither true nor a float."""
    return type(value) is int


def is_bytes(value: Any) -> bool:
    """A byte string with something in it."""
    return type(value) is bytes and bool(value)


def is_text(value: Any) -> bool:
    """A text string."""
    return type(value) is str


def is_chain(value: Any) -> bool:
    """An array of certificates: one at least, and no more and no longer ones than we follow."""
    return (
        type(value) is list
        and 1 <= len(value) <= MAX_CERTIFICATES
        and all(is_bytes(der) and len(der) <= MAX_CERTIFICATE_BYTES for der in value)
    )


def read_leaf(der: bytes, code: RejectionCode) -> Leaf:
    """An attestation certificate. Its parts are read here and now: the reader is lazy, and raises late."""
    with rejected_as(code):
        certificate = x509.load_der_x509_certificate(der)
        return Leaf(
            certificate.version, certificate.subject, certificate.public_key(), certificate.extensions
        )


def check_signature(alg: int, key: PublicKey, signature: bytes, data: bytes, code: RejectionCode) -> None:
    """The signature is the key's, over `data`, by the COSE algorithm `alg`; otherwise Rejection(code)."""
    with rejected_as(code):
        verify_signature(alg, key, signature, data)


def credential_key(statement: Statement) -> tuple[int, PublicKey]:
    """The credential public key in the authenticator data, with its COSE algorithm."""
    algorithm, key = load_public_key(statement.attested.credential_public_key)
    return algorithm.cose, key


def is_credential_key(leaf: Leaf, statement: Statement) -> bool:
    """Whether the certificate's public key and the credential's are one."""
    _, key = credential_key(statement)
    return bool(leaf.key == key)


def names_aaguid(extension: x509.Extension[Any], aaguid: bytes) -> bool:
    """Whether an id-fido-gen-ce-aaguid extension has this value. L3 §8.2.1: wrapped in two OCTET STRINGs."""
    return bool(extension.value.value == b"\x04\x10" + aaguid)


CHAIN: Mapping[str, Callable[[Any], bool]] = MappingProxyType({"x5c": is_chain})
