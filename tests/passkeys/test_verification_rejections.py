"""Every obligation of the two verifiers, broken alone: a W3C ceremony wrong in that one point, signed again, its code.

Each row changes one thing of a ceremony that is accepted, either in the ceremony or in what is expected of it. The
attestation formats' own cases (tests/passkeys/attestation) are brought before `verify_registration` whole.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
import pytest

from passkeys.attestation import TrustAnchors
from passkeys.errors import Rejection, RejectionCode
from passkeys.extensions import creation_inputs, request_inputs
from passkeys.metadata import Model, StatusReport
from passkeys.response import RegistrationResponse, encode_base64url
from passkeys.verification import verify_registration
from tests.passkeys.attestation.cases import CASES, Case
from tests.passkeys.attestation.statements import (
    ROOTED,
    U2F,
    VECTORS,
    aaguid_extension,
    octets,
    packed_certificate,
    u2f,
)
from tests.passkeys.attestation.test_obligations import format_of
from tests.passkeys.resigned import (
    AT,
    BE,
    BS,
    ED,
    LAX,
    NOW,
    OFFERED,
    REQUESTED,
    STRICT,
    UP,
    UV,
    Assertion,
    Registration,
    assertion_of,
    credential_key,
    registration_of,
    sign,
)

Code = RejectionCode
# Both have user verification; the key may be synced, and is not.
REGISTRATION, ASSERTION = registration_of("packed.ES256"), assertion_of("packed.ES256")
MODEL = "876ca4f5-2071-c3e9-b255-09ef2cdf7ed6"
KEY = REGISTRATION.public_key
OTHERS = registration_of("packed-self.ES256").public_key
ASKED = creation_inputs(["credProps", "credProtect", "minPinLength"], protection_required=True)
PROTECTED = {"flags": REGISTRATION.flags | ED, "extensions": {"credProtect": 3}}


@dataclass(frozen=True, slots=True)
class Wrong:
    """`code` is what it is refused with; `because` is what is wrong with it. The rest says how it is made."""

    code: Code
    because: str
    changed: dict[str, Any] = dataclasses.field(default_factory=dict)
    expected: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.code.value}: {self.because}"


def client(on: Registration | Assertion, **changed: Any) -> dict[str, Any]:
    """Client data with other members; None takes one away."""
    members = {**on.client_data, **changed}
    return {"client_data": {name: value for name, value in members.items() if value is not None}}


def policy(**changed: Any) -> dict[str, Any]:
    return {"policy": dataclasses.replace(LAX, **changed)}


def models(**changed: Any) -> dict[str, Any]:
    """A policy with other rules about models."""
    return policy(models=dataclasses.replace(LAX.models, **changed))


def known_as(status: str) -> Model:
    """A model of which metadata reports this status, since always."""
    return Model(MODEL, (), "A key", None, (StatusReport(status, None, None, None),), ())


def offered(**changed: Any) -> dict[str, Any]:
    return {"offered": dataclasses.replace(OFFERED, **changed)}


def requested(**changed: Any) -> dict[str, Any]:
    return {"offered": dataclasses.replace(REQUESTED, **changed)}


def stored(**changed: Any) -> dict[str, Any]:
    return {"stored": dataclasses.replace(ASSERTION.stored, **changed)}


def client_data_wrongs(on: Registration | Assertion, other_type: str) -> list[Wrong]:
    """L3 §7.1 steps 5 to 11 and §7.2 steps 8 to 14: the same for both."""
    text = b'{"type":"' + on.client_data["type"].encode() + b'"'
    whole = json.dumps(on.client_data).encode()
    challenge = on.client_data["challenge"]
    framed = policy(cross_origin_allowed=True, top_origins=frozenset({"https://example.com"}))
    return [
        Wrong(Code.CLIENT_DATA_UNREADABLE, "no JSON", {"client_data": b"{"}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "nothing", {"client_data": b""}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "an array", {"client_data": b"[]"}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "not UTF-8", {"client_data": text + b',"x":"\xff"}'}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "nested without end", {"client_data": b"[" * 4000}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "a member twice", {"client_data": whole[:-1] + b',"origin":"https://example.org"}'}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "a text", {"client_data": b'"challenge"'}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "null", {"client_data": b"null"}),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "no challenge", client(on, challenge=None)),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "no origin", client(on, origin=None)),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "challenge a number", client(on, challenge=1)),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "origin a list", client(on, origin=["https://example.org"])),
        Wrong(Code.CLIENT_DATA_UNREADABLE, "crossOrigin a text", client(on, crossOrigin="false")),
        Wrong(Code.CLIENT_DATA_TYPE_UNEXPECTED, "the other ceremony's", client(on, type=other_type)),
        Wrong(Code.CLIENT_DATA_TYPE_UNEXPECTED, "none", client(on, type=None)),
        Wrong(Code.CLIENT_DATA_TYPE_UNEXPECTED, "a list", client(on, type=[on.client_data["type"]])),
        Wrong(Code.CHALLENGE_MISMATCH, "another's", client(on, challenge=encode_base64url(bytes(32)))),
        Wrong(Code.CHALLENGE_MISMATCH, "padded", client(on, challenge=challenge + "=")),
        Wrong(Code.CHALLENGE_MISMATCH, "shorter", client(on, challenge=challenge[:-1])),
        Wrong(Code.CHALLENGE_MISMATCH, "empty", client(on, challenge="")),
        Wrong(Code.CHALLENGE_MISMATCH, "not ASCII", client(on, challenge="é")),
        *[
            Wrong(Code.ORIGIN_UNEXPECTED, because, client(on, origin=origin))
            for because, origin in (
                ("another site", "https://evil.example"),
                ("a subdomain", "https://a.example.org"),
                ("another scheme", "http://example.org"),
                ("another port", "https://example.org:8443"),
                ("with a slash", "https://example.org/"),
                ("in capitals", "https://EXAMPLE.org"),
                ("an app nobody named", "android:apk-key-hash:" + "A" * 43),
            )
        ],
        Wrong(
            Code.CROSS_ORIGIN_DENIED, "framed", client(on, crossOrigin=True), policy(cross_origin_allowed=False)
        ),
        Wrong(
            Code.TOP_ORIGIN_DENIED,
            "framed, by its own word alone",
            client(on, topOrigin="https://example.com"),
            policy(cross_origin_allowed=False),
        ),
        Wrong(
            Code.TOP_ORIGIN_DENIED, "by itself", client(on, topOrigin="https://example.org"), policy(cross_origin_allowed=False)
        ),
        *[
            Wrong(Code.TOP_ORIGIN_UNEXPECTED, because, client(on, crossOrigin=True, topOrigin=top), framed)
            for because, top in (
                ("another page", "https://evil.example"),
                ("another port", "https://example.com:8443"),
                ("a list", ["https://example.com"]),
                ("a number", 1),
            )
        ],
        *[
            Wrong(Code.TOKEN_BINDING_MALFORMED, because, client(on, tokenBinding=odd), policy(token_binding_checked=True))
            for because, odd in (("a text", "supported"), ("a list", []), ("no status", {"id": "x"}), ("another status", {"status": "odd"}), ("a status that is a list", {"status": []}))
        ],
    ]  # fmt: skip


def flag_wrongs(on: Registration | Assertion) -> list[Wrong]:
    """L3 §7.1 steps 14 to 17 and §7.2 steps 15 to 18."""
    required = {"user_verification_required": True}
    offer = offered if isinstance(on, Registration) else requested
    return [
        Wrong(Code.RP_ID_MISMATCH, "another RP", {"rp_id": "evil.example"}),
        Wrong(Code.RP_ID_MISMATCH, "a subdomain", {"rp_id": "a.example.org"}),
        Wrong(Code.RP_ID_MISMATCH, "we are another", {}, {"rp_id": "example.com"}),
        Wrong(Code.USER_NOT_PRESENT, "nobody touched it", {"flags": on.flags & ~UP}),
        Wrong(Code.USER_NOT_VERIFIED, "policy requires it", {"flags": on.flags & ~UV}, policy(**required)),
        Wrong(Code.USER_NOT_VERIFIED, "the options required it", {"flags": on.flags & ~UV}, offer(**required)),
        Wrong(Code.BACKUP_STATE_INCONSISTENT, "backed up, not eligible", {"flags": on.flags & ~BE | BS}),
    ]  # fmt: skip


LONG = bytes(range(256)) * 4
# What CTAP 2.1 §8 rules out. The first three said twice what was said before, four levels of it: of forty, a decoder's
# result is beyond any memory as soon as somebody writes it down.
UNPLAIN = [
    ("items that refer to each other", b"\xa1\x61x\x84\xd8\x1c\x82\x00\x00" + b"".join(b"\xd8\x1c\x82" + (b"\xd8\x1d" + bytes([n])) * 2 for n in range(3))),
    ("strings that refer to each other", b"\xa1\x61x\xd9\x01\x00\x82\x63abc\xd8\x19\x00"),
    ("an item that refers to itself", b"\xa1\x61x\xd8\x1c\x81\xd8\x1d\x00"),
    ("a regular expression", cbor2.dumps({"x": cbor2.CBORTag(35, "(a+)+b")})),
    ("an unknown tag", cbor2.dumps({"x": cbor2.CBORTag(60_000, 1)})),
    ("a map of indefinite length", b"\xbf\x61x\x01\xff"),
    ("a string of indefinite length", b"\xa1\x61x\x5f\x41a\xff"),
    ("a reserved length", b"\xa1\x61x\x1c"),
    ("a string that is cut short", b"\xa1\x61x\x5b\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("an array that is cut short", b"\xa1\x61x\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
    ("a number that is cut short", b"\xa1\x61x\x19\x00"),
]  # fmt: skip

REGISTRATION_WRONGS = [
    Wrong(Code.RESPONSE_UNREADABLE, "never parsed", {"told": {"raw_id": None}}),
    Wrong(Code.CREDENTIAL_ID_MISMATCH, "id is not rawId", {"told": {"id": "AQID"}}),
    Wrong(Code.CREDENTIAL_ID_MISMATCH, "id is padded", {"told": {"id": encode_base64url(REGISTRATION.credential_id) + "="}}),
    Wrong(Code.CREDENTIAL_ID_MISMATCH, "another than attested", {"told": {"id": "AQID", "raw_id": b"\x01\x02\x03"}}),
    Wrong(Code.CREDENTIAL_TYPE_UNEXPECTED, "a password", {"told": {"type": "password"}}),
    *client_data_wrongs(REGISTRATION, "webauthn.get"),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "bytes behind it", {"behind": b"\x00"}),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "an item behind it", {"behind": cbor2.dumps({"a": 1})}),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "a statement that is a text", {"statement": lambda signed: "none", "fmt": "none"}),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "a format that is a number", {"fmt": 7}),
    *[
        Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, because, {"told": {"attestation_object": data}})
        for because, data in (
            ("nothing", b""),
            ("no CBOR", b"\xff"),
            ("a list", cbor2.dumps([1])),
            ("no authData", cbor2.dumps({"fmt": "none", "attStmt": {}})),
            ("no fmt", cbor2.dumps({"attStmt": {}, "authData": REGISTRATION.auth_data})),
            ("no attStmt", cbor2.dumps({"fmt": "none", "authData": REGISTRATION.auth_data})),
            ("authData a text", cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "x" * 200})),
            ("authData cut", cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": REGISTRATION.auth_data[:-1]})),
            ("authData too short", cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(36)})),
            ("of indefinite length", b"\xbf" + cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": REGISTRATION.auth_data})[1:] + b"\xff"),
            ("a member twice", b"\xa4" + cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": REGISTRATION.auth_data})[1:] + b"\x63fmtdnone"),
            ("nested without end", b"\x81" * 30_000),
        )
    ],
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "authData with bytes behind it", {"behind_data": b"\x00"}),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "extension data that is not there", {"flags": REGISTRATION.flags | ED, "extensions": b""}),
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "extension data without its flag", {"behind_data": cbor2.dumps({"credProtect": 3})}),
    *[
        Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, because, wrong)
        for because, data in UNPLAIN
        for wrong in ({"flags": REGISTRATION.flags | ED, "extensions": data}, {"public_key": data})
    ],
    Wrong(Code.ATTESTATION_OBJECT_UNREADABLE, "a tag in the statement", {"statement": lambda _: {"x": cbor2.CBORTag(35, "(a+)+b")}}),
    *flag_wrongs(REGISTRATION),
    Wrong(Code.BACKUP_ELIGIBLE_REFUSED, "may be synced", {}, policy(backup_eligible_allowed=False)),
    Wrong(Code.ATTESTED_CREDENTIAL_MISSING, "no AT flag", {"flags": REGISTRATION.flags & ~AT}),
    Wrong(Code.ATTESTED_CREDENTIAL_MISSING, "an empty credential id", {"credential_id": b""}),
    Wrong(Code.CREDENTIAL_ID_TOO_LONG, "1024 bytes", {"credential_id": LONG}),
    Wrong(Code.CREDENTIAL_ID_TOO_LONG, "though the response names a shorter one", {"credential_id": LONG, "told": {"id": "AQID", "raw_id": b"\x01\x02\x03"}}),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "not on its curve", {"public_key": {**KEY, -3: bytes(32)}}),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "with its private key", {"public_key": {**KEY, -4: bytes(32)}}),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "its algorithm twice", {"public_key": b"\xa6" + cbor2.dumps(KEY)[1:] + b"\x03\x26"}),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "a point of U2F", {"public_key": 4}),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "a key without its algorithm", {"public_key": {label: KEY[label] for label in (1, -1, -2, -3)}}),
    Wrong(Code.PUBLIC_KEY_WEAK, "an RSA key of 1024 bits", {"public_key": {1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\x01\x00\x01"}}),
    Wrong(Code.PUBLIC_KEY_WEAK, "an Ed25519 point of order one", {"public_key": {1: 1, 3: -8, -1: 6, -2: b"\x01" + bytes(31)}}),
    Wrong(Code.ALGORITHM_NOT_OFFERED, "this ceremony did not", {}, offered(algorithms=(-8, -35, -36, -257))),
    Wrong(Code.ALGORITHM_NOT_OFFERED, "on another curve", {"public_key": {**KEY, -1: 2}}),
    Wrong(Code.ALGORITHM_NOT_OFFERED, "one that nobody verifies", {"public_key": {**KEY, 3: -47, -1: 8}}),
    Wrong(Code.ATTACHMENT_UNEXPECTED, "a platform's", {}, offered(attachment="cross-platform")),
    Wrong(Code.ATTACHMENT_UNEXPECTED, "it does not say", {"told": {"authenticator_attachment": None}}, offered(attachment="platform")),
    Wrong(Code.TRANSPORT_NOT_ALLOWED, "internal alone", {}, policy(transports_allowed=frozenset({"usb", "nfc"}))),
    Wrong(Code.TRANSPORT_NOT_ALLOWED, "it does not say", {"told": {"transports": ()}}, policy(transports_allowed=frozenset({"internal"}))),
    Wrong(Code.ATTESTATION_FORMAT_UNSUPPORTED, "policy takes others", {}, policy(attestation_formats=frozenset({"none", "tpm"}))),
    Wrong(Code.ATTESTATION_FORMAT_UNSUPPORTED, "its service is gone", {"fmt": "android-safetynet"}),
    Wrong(Code.ATTESTATION_UNTRUSTED, "no anchor", {}, {**policy(attestation_trusted_only=True), "trust_anchors": TrustAnchors()}),
    Wrong(Code.ATTESTATION_UNTRUSTED, "none", {"fmt": "none", "statement": lambda signed: {}}, policy(attestation_trusted_only=True)),
    Wrong(Code.AAGUID_DENIED, "on the list", {}, models(denied=frozenset({MODEL}))),
    Wrong(Code.AAGUID_NOT_ALLOWED, "not on the list", {}, models(allowed=frozenset({MODEL.replace("8", "9")}))),
    Wrong(Code.AAGUID_UNPROVEN, "on the list, and its certificate names no model", {}, models(allowed=frozenset({MODEL}))),
    Wrong(Code.MODEL_PROHIBITED, "revoked", {}, {"models": {MODEL: known_as("REVOKED")}}),
    Wrong(Code.MODEL_UNKNOWN, "to the metadata", {}, models(unknown_allowed=False)),
    Wrong(Code.MODEL_NOT_CERTIFIED, "at level 2", {}, {**models(certification="FIDO_CERTIFIED_L2"), "models": {MODEL: known_as("FIDO_CERTIFIED_L1")}}),
    Wrong(Code.EXTENSION_OUTPUT_INVALID, "a level that there is not", {**PROTECTED, "extensions": {"credProtect": 4}}, offered(extensions=ASKED)),
    Wrong(Code.EXTENSION_OUTPUT_INVALID, "a PIN of three", {**PROTECTED, "extensions": {"credProtect": 3, "minPinLength": 3}}, offered(extensions=ASKED)),
    Wrong(Code.EXTENSION_OUTPUT_INVALID, "no map", {"flags": REGISTRATION.flags | ED, "extensions": [1]}),
    Wrong(Code.CREDENTIAL_PROTECTION_TOO_LOW, "two of three", {**PROTECTED, "extensions": {"credProtect": 2}}, offered(extensions=ASKED)),
    Wrong(Code.CREDENTIAL_PROTECTION_TOO_LOW, "it does not say", {}, offered(extensions=ASKED)),
    Wrong(Code.RESIDENT_KEY_MISSING, "the client says so", {**PROTECTED, "told": {"extensions": {"credProps": {"rk": False}}}}, offered(extensions=ASKED)),
]  # fmt: skip

ASSERTION_WRONGS = [
    Wrong(Code.RESPONSE_UNREADABLE, "never parsed", {"told": {"raw_id": None}}),
    Wrong(Code.CREDENTIAL_ID_MISMATCH, "id is not rawId", {"told": {"id": "AQID"}}),
    Wrong(Code.CREDENTIAL_ID_MISMATCH, "another than stored", {"told": {"id": "AQID", "raw_id": b"\x01\x02\x03"}}),
    Wrong(Code.CREDENTIAL_TYPE_UNEXPECTED, "a password", {"told": {"type": "password"}}),
    Wrong(Code.CREDENTIAL_NOT_ALLOWED, "others were asked for", {}, requested(allowed_credentials=(b"\x01", b"\x02"))),
    Wrong(Code.CREDENTIAL_OWNER_MISMATCH, "started for grace", {}, requested(allowed_credentials=(ASSERTION.stored.credential_id,), person="grace")),
    Wrong(Code.CREDENTIAL_OWNER_MISMATCH, "mallory's", stored(person="mallory"), requested(person="ada")),
    Wrong(Code.USER_HANDLE_MISSING, "and nobody was named", {"user_handle": None}),
    Wrong(Code.USER_HANDLE_MISMATCH, "another user's", {"user_handle": b"mallory"}),
    Wrong(Code.USER_HANDLE_MISMATCH, "empty", {"user_handle": b""}),
    Wrong(Code.USER_HANDLE_MISMATCH, "another's, of a credential that was asked for", {"user_handle": b"mallory"}, requested(allowed_credentials=(ASSERTION.stored.credential_id,))),
    *client_data_wrongs(ASSERTION, "webauthn.create"),
    *[
        Wrong(Code.AUTHENTICATOR_DATA_UNREADABLE, because, {"told": {"authenticator_data": data}})
        for because, data in (("nothing", b""), ("a byte too few", bytes(36)))
    ],
    Wrong(Code.AUTHENTICATOR_DATA_UNREADABLE, "a byte too many", {"behind_data": b"\x00"}),
    Wrong(Code.AUTHENTICATOR_DATA_UNREADABLE, "extension data that is not there", {"flags": ASSERTION.flags | ED, "extensions": b""}),
    *[
        Wrong(Code.AUTHENTICATOR_DATA_UNREADABLE, because, {"flags": ASSERTION.flags | ED, "extensions": data})
        for because, data in UNPLAIN
    ],
    *flag_wrongs(ASSERTION),
    Wrong(Code.BACKUP_ELIGIBILITY_CHANGED, "no longer eligible", {"flags": ASSERTION.flags & ~BE}),
    Wrong(Code.BACKUP_ELIGIBILITY_CHANGED, "eligible now", stored(backup_eligible=False)),
    Wrong(Code.PUBLIC_KEY_UNREADABLE, "what is stored is no key", stored(public_key=b"")),
    Wrong(Code.PUBLIC_KEY_WEAK, "what is stored is a weak one", stored(public_key=cbor2.dumps({1: 1, 3: -8, -1: 6, -2: bytes(32)}))),
    Wrong(Code.ALGORITHM_NOT_OFFERED, "what is stored is of no algorithm", stored(public_key=cbor2.dumps({**KEY, 3: -47, -1: 8}))),
    Wrong(Code.SIGNATURE_INVALID, "another key's", {"sign": lambda signed: sign(-7, credential_key("none.ES256"), signed)}),
    Wrong(Code.SIGNATURE_INVALID, "over the client data itself", {"sign": lambda signed: sign(-7, credential_key("packed.ES256"), signed + b"{}")}),
    Wrong(Code.SIGNATURE_INVALID, "by another algorithm", {"sign": lambda signed: sign(-35, credential_key("packed.ES384"), signed)}),
    Wrong(Code.SIGNATURE_INVALID, "none", {"sign": lambda signed: b""}),
    Wrong(Code.SIGNATURE_INVALID, "with a byte behind it", {"sign": lambda signed: ASSERTION.sign(signed) + b"\x00"}),
    Wrong(Code.SIGNATURE_INVALID, "under another stored key", stored(public_key=cbor2.dumps(OTHERS))),
    *[
        Wrong(Code.SIGN_COUNT_NOT_INCREASED, because, {"flags": ASSERTION.flags & ~BE, "sign_count": count, **stored(sign_count=7, backup_eligible=False)})
        for because, count in (("the same", 7), ("one less", 6), ("none any more", 0))
    ],
    Wrong(Code.EXTENSION_OUTPUT_INVALID, "no map", {"flags": ASSERTION.flags | ED, "extensions": [1]}),
]  # fmt: skip


@pytest.mark.parametrize("wrong", REGISTRATION_WRONGS, ids=lambda wrong: wrong.id)
def test_a_registration_wrong_in_one_point(wrong: Wrong) -> None:
    """Refused, with exactly the code of that point."""
    with pytest.raises(Rejection) as rejection:
        dataclasses.replace(REGISTRATION, **wrong.changed).verify(**wrong.expected)
    assert rejection.value.code is wrong.code


@pytest.mark.parametrize("wrong", ASSERTION_WRONGS, ids=lambda wrong: wrong.id)
def test_an_assertion_wrong_in_one_point(wrong: Wrong) -> None:
    """Refused, with exactly the code of that point."""
    with pytest.raises(Rejection) as rejection:
        dataclasses.replace(ASSERTION, **wrong.changed).verify(**wrong.expected)
    assert rejection.value.code is wrong.code


# What the wrong ones differ from in one point: each must be accepted, or the row would prove nothing.
ANDROID = "android:apk-key-hash:" + "A" * 43
PROVEN = packed_certificate(extensions=[aaguid_extension(REGISTRATION.aaguid)])


def by_the_model(signed: bytes) -> Any:
    return {"alg": -7, "sig": sign(-7, PROVEN.key, signed), "x5c": [PROVEN.der]}


RIGHT_REGISTRATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("as published", {}, {"policy": STRICT}),
    ("a byte order mark", {"client_data": b"\xef\xbb\xbf" + b'{"type":"webauthn.create","challenge":"' + REGISTRATION.client_data["challenge"].encode() + b'","origin":"https://example.org"}'}, {}),
    ("members of the future", client(REGISTRATION, future={"a": [1]}, tokenBinding={"status": "not-supported"}), {}),
    ("from an app that is named", client(REGISTRATION, origin=ANDROID), {"origins": ["https://example.org", ANDROID]}),
    ("framed, allowed", client(REGISTRATION, crossOrigin=True), policy(cross_origin_allowed=True)),
    ("framed by a page on the list", client(REGISTRATION, crossOrigin=True, topOrigin="https://example.com"), policy()),
    ("user verification preferred", {"flags": REGISTRATION.flags & ~UV}, policy()),
    ("device-bound, demanded", {"flags": REGISTRATION.flags & ~BE}, policy(backup_eligible_allowed=False)),
    ("of the longest credential id", {"credential_id": LONG[:1023]}, {}),
    ("the attachment asked for", {}, offered(attachment="platform")),
    ("one transport of two", {"told": {"transports": ("hybrid", "internal")}}, policy(transports_allowed=frozenset({"usb", "internal"}))),
    ("trusted, demanded", {}, policy(attestation_trusted_only=True)),
    ("a model on the list, proven", {"statement": by_the_model}, {**models(allowed=frozenset({MODEL}))}),
    ("a model not on the list of denied", {}, models(denied=frozenset({MODEL.replace("8", "9")}))),
    ("protected as demanded", PROTECTED, offered(extensions=ASKED)),
    ("discoverable", {"told": {"extensions": {"credProps": {"rk": True}}}}, offered(extensions={"credProps": True})),
    ("discoverable, unknown to the client", {"told": {"extensions": {"credProps": {}}}}, offered(extensions={"credProps": True})),
    ("not discoverable, not demanded", {"told": {"extensions": {"credProps": {"rk": False}}}}, offered(extensions={"credProps": True}, resident_key_required=False)),
    ("outputs that nobody asked for", {"flags": REGISTRATION.flags | ED, "extensions": {"credProtect": "?", "future": [1]}, "told": {"extensions": {"credProps": {"rk": False}}}}, {}),
]  # fmt: skip
RIGHT_ASSERTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("as published", {}, {"policy": STRICT}),
    ("asked for by name", {"user_handle": None}, requested(allowed_credentials=(b"\x01", ASSERTION.stored.credential_id), person="ada")),
    ("of whom it was started for", {}, requested(person="ada")),
    ("from an app that is named", client(ASSERTION, origin=ANDROID), {"origins": [ANDROID]}),
    ("framed by a page on the list", client(ASSERTION, crossOrigin=True, topOrigin="https://example.com"), policy()),
    ("user verification preferred", {"flags": ASSERTION.flags & ~UV}, policy()),
    ("backed up now", {"flags": ASSERTION.flags | BS}, {}),
    ("counting on", {"flags": ASSERTION.flags & ~BE, "sign_count": 8, **stored(sign_count=7, backup_eligible=False)}, {}),
    ("not counting on, only flagged", {"flags": ASSERTION.flags & ~BE, "sign_count": 7, **stored(sign_count=7, backup_eligible=False)}, policy(sign_count_only_flagged=True)),
    ("a synced copy counting apart", {"sign_count": 3, **stored(sign_count=7)}, {}),
    ("outputs that nobody asked for", {"flags": ASSERTION.flags | ED, "extensions": {"hmac-secret": bytes(48)}}, {}),
    ("outputs that were asked for", {"told": {"extensions": {"prf": {"results": {}}}}}, requested(extensions=request_inputs(["prf"], rp_id="example.org"))),
]  # fmt: skip


@pytest.mark.parametrize(("because", "changed", "expected"), RIGHT_REGISTRATIONS, ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_a_registration_that_is_right(
    because: str, changed: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What the wrong ones differ from is accepted: it is the one point that is refused."""
    dataclasses.replace(REGISTRATION, **changed).verify(**expected)


@pytest.mark.parametrize(("because", "changed", "expected"), RIGHT_ASSERTIONS, ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_an_assertion_that_is_right(because: str, changed: dict[str, Any], expected: dict[str, Any]) -> None:
    """What the wrong ones differ from is accepted: it is the one point that is refused."""
    dataclasses.replace(ASSERTION, **changed).verify(**expected)


def test_conditional_mediation_asks_nobody() -> None:
    """WebAuthn L3 §7.1 step 15, §5.1.3: without a prompt neither presence nor verification can be had; the verdict says so."""
    unprompted = dataclasses.replace(REGISTRATION, flags=REGISTRATION.flags & ~(UP | UV))
    verified = unprompted.verify(policy=STRICT, mediation="conditional")
    assert (verified.user_present, verified.user_verified, verified.mediation) == (
        False,
        False,
        "conditional",
    )
    for mediation in ("modal", "Conditional", "silent", ""):
        with pytest.raises(Rejection) as rejection:
            unprompted.verify(policy=LAX, mediation=mediation)
        assert rejection.value.code is Code.USER_NOT_PRESENT
    verified = REGISTRATION.verify(policy=STRICT, mediation="modal")
    assert (verified.user_present, verified.user_verified, verified.mediation) == (True, True, "modal")


def test_conditional_mediation_lets_nothing_else_pass() -> None:
    """Every other obligation holds there as well."""
    waived = {Code.USER_NOT_PRESENT, Code.USER_NOT_VERIFIED}
    for wrong in REGISTRATION_WRONGS:
        if wrong.code not in waived:
            with pytest.raises(Rejection) as rejection:
                dataclasses.replace(REGISTRATION, **wrong.changed).verify(
                    **wrong.expected, mediation="conditional"
                )
            assert rejection.value.code is wrong.code


# (stored, told, synced, policy) → (stored after, clone suspected), or None where it is refused.
SIGN_COUNTS = [
    ((0, 0, False, "reject"), (0, False)),
    ((0, 1, False, "reject"), (1, False)),
    ((7, 8, False, "reject"), (8, False)),
    ((7, 7, False, "reject"), None),
    ((7, 0, False, "reject"), None),
    ((0, 2**32 - 1, False, "reject"), (2**32 - 1, False)),
    ((0, 0, True, "reject"), (0, False)),
    ((7, 8, True, "reject"), (8, False)),
    ((7, 7, True, "reject"), (7, True)),
    ((7, 3, True, "reject"), (7, True)),
    ((7, 0, True, "reject"), (7, True)),
    ((7, 7, False, "flag"), (7, True)),
    ((7, 0, False, "flag"), (7, True)),
    ((7, 8, False, "flag"), (8, False)),
]


@pytest.mark.parametrize(("before", "after"), SIGN_COUNTS)
def test_sign_count_policy(before: tuple[int, int, bool, str], after: tuple[int, bool] | None) -> None:
    """WebAuthn L3 §7.2 step 22: refused or flagged as policy has it, and never is the stored count lowered."""
    stored_count, told, synced, rule = before
    made = dataclasses.replace(
        ASSERTION,
        flags=UP | UV | (BE if synced else 0),
        sign_count=told,
        **stored(sign_count=stored_count, backup_eligible=synced),
    )
    under = policy(sign_count_only_flagged=rule == "flag")
    if after is None:
        with pytest.raises(Rejection) as rejection:
            made.verify(**under)
        assert rejection.value.code is Code.SIGN_COUNT_NOT_INCREASED
        return
    verified = made.verify(**under)
    assert (verified.sign_count, verified.clone_suspected) == after


def test_what_extensions_say_is_in_the_verdict() -> None:
    """Checked, and passed on: of a registration to be stored, of an authentication to be told."""
    registered = dataclasses.replace(
        REGISTRATION,
        flags=REGISTRATION.flags | ED,
        extensions={"credProtect": 3, "minPinLength": 6, "hmac-secret": True},
        told={"extensions": {"credProps": {"rk": True}, "prf": {"enabled": True}}},
    ).verify(**offered(extensions={**ASKED, "prf": {}}))
    assert registered.extensions == {
        "credProps": {"rk": True},
        "prf": {"enabled": True},
        "credProtect": 3,
        "minPinLength": 6,
    }
    told = {"extensions": {"prf": {"results": {}}, "largeBlob": {"blob": ""}}}
    asked = request_inputs(["prf", "largeBlob"], rp_id="example.org")
    signed_in = dataclasses.replace(ASSERTION, told=told).verify(**requested(extensions=asked))
    assert signed_in.extensions == {"prf": {"evaluated": True}, "largeBlob": {"read": True}}


def test_a_u2f_authenticator_is_judged_by_its_certificates_key() -> None:
    """It has no AAGUID: metadata knows it by the key identifier of its attestation certificate (MDS §3.1.1)."""
    case = next(case for case in CASES if case.on is U2F)
    right = dataclasses.replace(case, make=u2f, fmt="fido-u2f")
    verified = brought_before_the_verifier(right)()
    identifier = verified.attestation.model
    assert re.fullmatch(r"[0-9a-f]{40}", identifier)
    with pytest.raises(Rejection) as rejection:
        brought_before_the_verifier(right, models={identifier: known_as("REVOKED")})()
    assert rejection.value.code is Code.MODEL_PROHIBITED
    brought_before_the_verifier(right, models={"0" * 40: known_as("REVOKED")})()


def brought_before_the_verifier(case: Case, **expected: Any) -> Callable[[], Any]:
    """A case of the attestation formats, whole: in its attestation object, with its client data."""
    name = next(name for name in VECTORS if octets(VECTORS[name]["registration"]["clientDataJSON"]) == case.on.client_data)  # fmt: skip
    credential_id = case.on.credential_id
    members = {"fmt": format_of(case), "attStmt": case.make(), "authData": case.on.auth_data}
    response = RegistrationResponse(
        id=encode_base64url(credential_id),
        raw_id=credential_id,
        type="public-key",
        client_data_json=case.on.client_data,
        attestation_object=cbor2.dumps(members),
        transports=(),
        authenticator_attachment=None,
    )
    arguments: dict[str, Any] = {
        "challenge": octets(VECTORS[name]["registration"]["challenge"]),
        "origins": ["https://example.org"],
        "rp_id": "example.org",
        "policy": dataclasses.replace(LAX, lenience=case.lenience),
        "offered": OFFERED,
        "mediation": "modal",
        "trust_anchors": ROOTED,
        "models": {},
        "at": NOW,
    }
    return lambda: verify_registration(response, **{**arguments, **expected})


STATEMENTS = [case for case in CASES if isinstance(format_of(case), str)]


@pytest.mark.parametrize("case", STATEMENTS, ids=lambda case: case.id)
def test_a_statement_wrong_in_one_point(case: Case) -> None:
    """What is wrong with an attestation statement is what the registration is refused for."""
    with pytest.raises(Rejection) as rejection:
        brought_before_the_verifier(case)()
    assert rejection.value.code is case.code


# Codes that neither function raises, and who does.
ELSEWHERE = {
    Code.CREDENTIAL_UNKNOWN: "activities/verify_authentication.py: nothing is stored under that id",
    Code.CREDENTIAL_DECOY: "activities/verify_authentication.py: we have made it up for a name that is nobody's",
    Code.CREDENTIAL_GONE: "activities/verify_authentication.py: it was listed, and has been removed meanwhile",
    Code.CREDENTIAL_DISABLED: "activities/verify_authentication.py: an operator or the metadata has disabled it",
}
# Nets under what is not known to fall: the fuzz looks for it.
NETS = {Code.ATTESTATION_INVALID}


def provoked() -> Iterator[Code]:
    for wrong in [*REGISTRATION_WRONGS, *ASSERTION_WRONGS, *STATEMENTS]:
        yield wrong.code


def test_every_code_is_provoked() -> None:
    """A code that no row provokes would be a rule that nobody has seen work."""
    assert set(provoked()) | set(ELSEWHERE) | NETS == set(Code)
    assert not set(provoked()) & (set(ELSEWHERE) | NETS)


def test_every_code_is_explained() -> None:
    """docs/verification.md has each code that these functions raise, beside the obligation it stands for."""
    page = (Path(__file__).parents[2] / "docs" / "verification.md").read_text()
    explained = set(re.findall(r"`([a-z0-9_]+)`", page))
    formats = re.compile(r"attestation_(none|packed|tpm|android_key|apple|fido_u2f|compound)_")
    assert {code.value for code in Code if not formats.match(code.value)} <= explained
