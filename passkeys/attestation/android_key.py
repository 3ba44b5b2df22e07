"""Android's key attestation: a certificate for the credential key, made by the phone's keystore. WebAuthn L3 §8.4."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from pyasn1.codec.der.decoder import decode
from pyasn1.type.namedtype import NamedType, NamedTypes
from pyasn1.type.tag import Tag, tagClassContext, tagFormatConstructed
from pyasn1.type.univ import Any as AnyValue
from pyasn1.type.univ import Integer, Null, OctetString, Sequence, SequenceOf, SetOf
from webauthn.helpers.asn1.android_key import KeyOrigin, KeyPurpose, SecurityLevel

from passkeys.attestation.statement import (
    CHAIN,
    Leaf,
    Lenience,
    Proof,
    Statement,
    check_signature,
    is_algorithm,
    is_bytes,
    is_credential_key,
    read_leaf,
    read_members,
)
from passkeys.errors import Rejection, RejectionCode, rejected_as

_SYNTAX = {"alg": is_algorithm, "sig": is_bytes, **CHAIN}
_KEY_DESCRIPTION = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")

# Of an AuthorizationList only these matter here. Its schema grows with every Android, so the others are not read.
_PURPOSE, _ALL_APPLICATIONS, _ORIGIN = 1, 600, 702
# The tag of an entry, with its value.
_Authorization = tuple[int, Any]
# How DER writes those tags: context-specific, constructed; the larger two in base 128.
_TAGS = {b"\xa1": _PURPOSE, b"\xbf\x84\x58": _ALL_APPLICATIONS, b"\xbf\x85\x3e": _ORIGIN}


_AUTHORIZATIONS = SequenceOf(componentType=AnyValue())
# As https://source.android.com/docs/security/features/keystore/attestation writes it.
_DESCRIPTION = Sequence(
    componentType=NamedTypes(
        NamedType("attestationVersion", Integer()),
        NamedType("attestationSecurityLevel", SecurityLevel()),
        NamedType("keymasterVersion", Integer()),
        NamedType("keymasterSecurityLevel", SecurityLevel()),
        NamedType("attestationChallenge", OctetString()),
        NamedType("uniqueId", OctetString()),
        NamedType("softwareEnforced", _AUTHORIZATIONS),
        NamedType("teeEnforced", _AUTHORIZATIONS),
    )
)
_INTEGERS = SetOf(componentType=Integer())
_VALUES = {
    number: kind.subtype(explicitTag=Tag(tagClassContext, tagFormatConstructed, number))
    for number, kind in ((_PURPOSE, _INTEGERS), (_ALL_APPLICATIONS, Null()), (_ORIGIN, Integer()))
}


def verify(statement: Statement, lenience: Lenience) -> Proof:
    """Discharge §8.4; its items have no numbers."""
    # (1) The syntax. First item.
    members = read_members(statement, _SYNTAX, RejectionCode.ATTESTATION_ANDROID_KEY_MALFORMED)
    leaf = read_leaf(members["x5c"][0], RejectionCode.ATTESTATION_ANDROID_KEY_CERTIFICATE_UNREADABLE)
    # (2) The certified key signed authenticator data and client data. Second item.
    check_signature(
        members["alg"],
        leaf.key,
        members["sig"],
        statement.signed,
        RejectionCode.ATTESTATION_ANDROID_KEY_SIGNATURE_INVALID,
    )
    # (3) It is the credential's key. Third item.
    if not is_credential_key(leaf, statement):
        raise Rejection(RejectionCode.ATTESTATION_ANDROID_KEY_PUBLIC_KEY_MISMATCH)
    with rejected_as(RejectionCode.ATTESTATION_ANDROID_KEY_DESCRIPTION_UNREADABLE):
        challenge, software, trusted = _read_description(leaf)
    # (4) The certificate was made for this client data. Fourth item.
    if not hmac.compare_digest(challenge, statement.client_data_hash):
        raise Rejection(RejectionCode.ATTESTATION_ANDROID_KEY_CHALLENGE_MISMATCH)
    # (5) The key is not there for all applications. Fifth item, first part: in neither list.
    if any(tag == _ALL_APPLICATIONS for tag, _ in software + trusted):
        raise Rejection(RejectionCode.ATTESTATION_ANDROID_KEY_ALL_APPLICATIONS)
    # (6) It was made on the device, and is for signing alone. Fifth item, second part: by the word of the trusted
    # environment, or, leniently, by the software's too.
    for tag, expected, code in (
        (_ORIGIN, KeyOrigin.GENERATED, RejectionCode.ATTESTATION_ANDROID_KEY_ORIGIN_UNEXPECTED),
        (_PURPOSE, [KeyPurpose.SIGN], RejectionCode.ATTESTATION_ANDROID_KEY_PURPOSE_UNEXPECTED),
    ):
        said = [value for listed, value in trusted + software if listed == tag]
        if not said and lenience.android_unspecified:
            continue
        if not lenience.android_software_enforced:
            said = [value for listed, value in trusted if listed == tag]
        if not said or any(value != expected for value in said):
            raise Rejection(code)
    return Proof("basic", tuple(members["x5c"]), statement.model)


def _read_description(leaf: Leaf) -> tuple[bytes, list[_Authorization], list[_Authorization]]:
    """The challenge, and what software and trusted environment enforce of a key. Raises what it likes."""
    extension = leaf.extension(_KEY_DESCRIPTION)
    if extension is None:
        raise ValueError("the certificate has no key description")
    description, rest = decode(extension.value.value, asn1Spec=_DESCRIPTION)
    if rest:
        raise ValueError("there are bytes behind the key description")
    return (
        bytes(description["attestationChallenge"]),
        list(_authorizations(description["softwareEnforced"])),
        list(_authorizations(description["teeEnforced"])),
    )


def _authorizations(entries: Iterable[Any]) -> Iterator[_Authorization]:
    """The entries that matter: tag and value."""
    for entry in entries:
        der = bytes(entry)
        for prefix, number in _TAGS.items():
            if der.startswith(prefix):
                value, _ = decode(der, asn1Spec=_VALUES[number])
                yield number, list(map(int, value)) if number == _PURPOSE else value
