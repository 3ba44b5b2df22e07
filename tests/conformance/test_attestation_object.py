"""The attestation object: ServerAuthenticatorAttestationResponse-Resp-3, and what else CBOR and authenticator data allow.

Each case is wrong in one point, and signed by the credential as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from tests.conformance.kit import AT, BE, BS, ED, UP, UV, Made, having, make, self_statement, without
from tests.conformance.tool import EXTENSIONS, Browser, somebody

Json = dict[str, Any]
Change = Callable[[Any], Any]

UNREADABLE = "attestation_object_unreadable"
MISSING = "attested_credential_missing"
NOT_BYTES: dict[str, Any] = {
    "a text": "x",
    "a number": 7,
    "null": None,
    "a list": [],
    "a map": {},
    "true": True,
}


def rows(number: str, member: str, values: dict[str, Any], said: str) -> list[Any]:
    return [
        pytest.param(having(**{member: value}), said, id=f"{number} {member} is {because}")
        for because, value in values.items()
    ]


def encoded(change: Callable[[bytes], bytes]) -> Change:
    """The attestation object as it should be, with its bytes changed."""
    return lambda members: change(cbor2.dumps(members))


def item(members: Json, **spelt: bytes) -> bytes:
    """The map written by hand, some members' values spelt as given: readers would refuse, or lose, such spellings."""
    written = {name: cbor2.dumps(value) for name, value in members.items()}
    return bytes([0xA0 + len(written)]) + b"".join(
        cbor2.dumps(name) + value for name, value in {**written, **spelt}.items()
    )


def longer(data: bytes) -> bytes:
    """A byte string with its length in eight bytes, where fewer would do."""
    return b"\x5b" + len(data).to_bytes(8, "big") + data


def in_pieces(data: bytes) -> bytes:
    """A byte string of indefinite length."""
    return b"\x5f" + cbor2.dumps(data[:40]) + cbor2.dumps(data[40:]) + b"\xff"


def indefinite(members: Json) -> bytes:
    """The map, of indefinite length."""
    return b"\xbf" + cbor2.dumps(members)[1:] + b"\xff"


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


ENVELOPES = [
    pytest.param(encoded(lambda data: b"x" + data), UNREADABLE, id="F-1 bytes before the map"),
    pytest.param(lambda members: cbor2.dumps([members]), UNREADABLE, id="F-1 a list"),
    pytest.param(lambda members: b"\xf6", UNREADABLE, id="F-1 null"),
    pytest.param(lambda members: cbor2.dumps(cbor2.dumps(members)), UNREADABLE, id="F-1 bytes"),
    pytest.param(without("fmt"), UNREADABLE, id="F-2 no fmt"),
    *rows("F-3", "fmt", {"a number": 7, "bytes": b"packed", "null": None, "a list": ["packed"]}, UNREADABLE),
    pytest.param(without("attStmt"), UNREADABLE, id="F-4 no attStmt"),
    *rows("F-5", "attStmt", {"a text": "x", "bytes": b"", "null": None, "a number": 0}, UNREADABLE),
    pytest.param(without("authData"), UNREADABLE, id="F-6 no authData"),
    *rows("F-7", "authData", NOT_BYTES, UNREADABLE),
    *rows("F-8", "authData", {"empty": b""}, UNREADABLE),
    # Beyond the documented list: the same map in other words.
    pytest.param(encoded(lambda data: data[:-1]), UNREADABLE, id="cut short"),
    pytest.param(encoded(lambda data: data + b"\x00"), UNREADABLE, id="a byte behind it"),
    pytest.param(encoded(lambda data: data + data), UNREADABLE, id="twice"),
    pytest.param(
        lambda members: b"\xa4" + cbor2.dumps(members)[1:] + cbor2.dumps("fmt") + cbor2.dumps("none"),
        UNREADABLE,
        id="a key twice",
    ),
    pytest.param(indefinite, UNREADABLE, id="a map of indefinite length"),
    pytest.param(
        lambda members: item(members, authData=in_pieces(members["authData"])),
        UNREADABLE,
        id="bytes in pieces",
    ),
    pytest.param(lambda members: b"\xd9\xd9\xf7" + cbor2.dumps(members), UNREADABLE, id="tagged"),
    pytest.param(having(more=nested(40)), UNREADABLE, id="deep"),
    pytest.param(lambda members: b"\x9b" + b"\xff" * 8, UNREADABLE, id="a list of 2^64 things"),
    pytest.param(lambda members: b"\x5b" + b"\xff" * 8, UNREADABLE, id="2^64 bytes"),
    pytest.param(
        lambda members: item(members, authData=longer(members["authData"])),
        "ok",
        id="a length longer than need be",
    ),
    pytest.param(lambda members: {**members, "more": 1}, "ok", id="a member more"),
]


@pytest.mark.parametrize(("change", "said"), ENVELOPES)
def test_the_envelope(browser: Browser, change: Change, said: str) -> None:
    """One CBOR map with fmt, attStmt and authData of their types, and nothing around it."""
    made = make(browser.attestation_options(somebody()), origin=browser.url)
    assert browser.result("attestation", made.says(self_statement(made), envelope=change)).said == said


def told(**changed: Any) -> dict[str, Any]:
    return changed


KEY = "public_key_unreadable"
AUTHENTICATOR_DATA = [
    # What the list has.
    pytest.param(
        told(attests=True, auth_data=lambda d: flags(d, UP | UV)), UNREADABLE, id="F-9 AT not set, data there"
    ),
    pytest.param(told(attests=False), MISSING, id="F-10 AT not set, no data"),
    pytest.param(told(attests=False, flags=UP | UV | AT), UNREADABLE, id="F-11 AT set, no data"),
    pytest.param(told(auth_data=lambda d: d + b"\x00"), UNREADABLE, id="F-12 a byte behind the data"),
    pytest.param(told(auth_data=lambda d: d + bytes(40)), UNREADABLE, id="F-12 more bytes behind it"),
    pytest.param(
        told(cose_key=lambda k: cbor2.dumps(k) + b"\x00"), UNREADABLE, id="F-12 a byte behind the key"
    ),
    # Beyond it: lengths.
    pytest.param(told(auth_data=lambda d: d[:36]), UNREADABLE, id="36 bytes"),
    pytest.param(told(auth_data=lambda d: d[:37]), UNREADABLE, id="37 bytes, AT set"),
    pytest.param(told(auth_data=lambda d: d[:52]), UNREADABLE, id="the AAGUID cut short"),
    pytest.param(told(auth_data=lambda d: d[:60]), UNREADABLE, id="the credential id cut short"),
    pytest.param(told(auth_data=lambda d: d[:-1]), UNREADABLE, id="the public key cut short"),
    pytest.param(
        told(attested=lambda a: a[:16] + b"\xff\xff" + a[18:]), UNREADABLE, id="an id longer than all"
    ),
    pytest.param(told(attested=lambda a: a[:16] + b"\x00\x00" + a[50:]), MISSING, id="an id of no bytes"),
    # Flags. Those that the authenticator leaves to policy are asked for by the tests of assertions.
    pytest.param(told(flags=UV), "user_not_present", id="UP not set"),
    pytest.param(told(flags=UP), "ok", id="UV not set, and not required"),
    pytest.param(told(flags=UP | UV | BE), "ok", id="BE set"),
    pytest.param(told(flags=UP | UV | BE | BS), "ok", id="BE and BS set"),
    pytest.param(told(flags=UP | UV | BS), "backup_state_inconsistent", id="BS without BE"),
    pytest.param(told(flags=UP | UV | 0x02), "ok", id="a reserved bit set"),
    # Extension data.
    pytest.param(told(flags=UP | UV | ED), UNREADABLE, id="ED set, no extensions"),
    pytest.param(
        told(extensions={"a": 1}, auth_data=lambda d: flags(d, UP | UV | AT)),
        UNREADABLE,
        id="extensions, ED not set",
    ),
    pytest.param(told(extensions=[1]), "extension_output_invalid", id="extensions are a list"),
    pytest.param(
        told(extensions={"a": 1}, auth_data=lambda d: d + b"\x00"), UNREADABLE, id="a byte behind them"
    ),
    pytest.param(
        told(extensions={"minPinLength": "4", "credProtect": 9}), "ok", id="odd ones, not asked for"
    ),
    # The RP.
    pytest.param(told(rp_id="example.org"), "rp_id_mismatch", id="another RP id"),
    pytest.param(
        told(auth_data=lambda d: hashlib.sha256(b"").digest() + d[32:]), "rp_id_mismatch", id="of no RP id"
    ),
    pytest.param(told(auth_data=lambda d: bytes(32) + d[32:]), "rp_id_mismatch", id="an RP id hash of zeros"),
    # The public key.
    pytest.param(told(cose_key=lambda k: b"\xa0"), KEY, id="a key of no members"),
    pytest.param(told(cose_key=lambda k: cbor2.dumps([k])), KEY, id="a key that is a list"),
    pytest.param(told(cose_key=without(3)), KEY, id="a key without alg"),
    pytest.param(told(cose_key=without(1)), KEY, id="a key without kty"),
    pytest.param(told(cose_key=without(-3)), KEY, id="a key without y"),
    pytest.param(told(cose_key=lambda k: {**k, -3: True}), KEY, id="a compressed point"),
    pytest.param(told(cose_key=lambda k: {**k, -3: bytes(32)}), KEY, id="a point off the curve"),
    pytest.param(told(cose_key=lambda k: {**k, -4: bytes(32)}), KEY, id="a private key in it"),
    pytest.param(told(cose_key=lambda k: {**k, 3: True}), "algorithm_not_offered", id="an alg that is true"),
    pytest.param(
        told(cose_key=lambda k: {**k, 3: -999}), "algorithm_not_offered", id="an alg that nobody knows"
    ),
    pytest.param(told(cose_key=lambda k: {**k, -1: 2}), "algorithm_not_offered", id="another curve"),
    pytest.param(
        told(cose_key=lambda k: b"\xa6" + cbor2.dumps(k)[1:] + b"\x03\x26"),
        "public_key_unreadable",
        id="a key with alg twice",
    ),
]


def flags(data: bytes, value: int) -> bytes:
    return data[:32] + bytes([value]) + data[33:]


@pytest.mark.parametrize(("changed", "said"), AUTHENTICATOR_DATA)
def test_authenticator_data(browser: Browser, changed: Json, said: str) -> None:
    """Flags say what is there, what is there is whole, and nothing stands behind it."""
    made = make(browser.attestation_options(somebody()), origin=browser.url, **changed)
    assert browser.result("attestation", made.says(self_statement(made))).said == said


def test_extensions_that_were_asked_for(browser: Browser) -> None:
    """P-1: with ED set and the extension that was asked for, the response is accepted."""
    made = make(
        browser.attestation_options(somebody(), extensions=EXTENSIONS),
        origin=browser.url,
        extensions=EXTENSIONS,
    )
    assert browser.result("attestation", made.says(self_statement(made))).said == "ok"


PROTECTION = {
    "credentialProtectionPolicy": "userVerificationRequired",
    "enforceCredentialProtectionPolicy": True,
}


@pytest.mark.parametrize(
    ("asked", "output", "said"),
    [
        (PROTECTION, {"credProtect": 3}, "ok"),
        (PROTECTION, {"credProtect": 2}, "credential_protection_too_low"),
        (PROTECTION, None, "credential_protection_too_low"),
        (PROTECTION, {"credProtect": True}, "extension_output_invalid"),
        ({"credentialProtectionPolicy": "userVerificationRequired"}, None, "ok"),
        ({"minPinLength": True}, {"minPinLength": 6}, "ok"),
        ({"minPinLength": True}, {"minPinLength": 2}, "extension_output_invalid"),
        ({"credProps": True}, None, "ok"),
    ],
    ids=str,
)
def test_extensions_that_we_know(browser: Browser, asked: Json, output: Json | None, said: str) -> None:
    """What was asked for is held against the authenticator's output."""
    options = browser.attestation_options(somebody(), extensions=asked)
    made = make(options, origin=browser.url, extensions=output)
    assert browser.result("attestation", made.says(self_statement(made))).said == said


def test_a_credential_id_is_registered_once(browser: Browser) -> None:
    """For whomever: the second registration of an id is refused when it is recorded."""
    first = make(browser.attestation_options(somebody()), origin=browser.url)
    assert browser.result("attestation", first.says(self_statement(first))).said == "ok"
    again = make(
        browser.attestation_options(somebody()),
        origin=browser.url,
        credential_id=first.credential.credential_id,
    )
    assert browser.result("attestation", again.says(self_statement(again))).said == "credential_exists"


@pytest.mark.parametrize(("length", "said"), [(1, "ok"), (1023, "ok"), (1024, "response_malformed")])
def test_lengths_of_credential_ids(browser: Browser, length: int, said: str) -> None:
    """L3 §7.1 step 25: 1023 bytes at most."""
    marker = hashlib.sha256(somebody().encode()).digest()
    credential_id = (marker * 32)[:length]
    made = make(browser.attestation_options(somebody()), origin=browser.url, credential_id=credential_id)
    assert browser.result("attestation", made.says(self_statement(made))).said == said


ATTACHED = {"authenticatorSelection": {"authenticatorAttachment": "cross-platform"}}


@pytest.mark.parametrize(
    ("said_by_client", "said"),
    [("cross-platform", "ok"), ("platform", "attachment_unexpected"), (None, "attachment_unexpected")],
)
def test_the_attachment_that_was_asked_for(browser: Browser, said_by_client: str | None, said: str) -> None:
    """The profile's answer cannot tell it; a client that does, as browsers do, is held to it, and silence does not do."""
    made = make(browser.attestation_options(somebody(), **ATTACHED), origin=browser.url)
    body: Json = made.says(self_statement(made), body=having(authenticatorAttachment=said_by_client))
    assert browser.result("attestation", body).said == said


def test_made() -> None:
    """The kit's parts are where the cases cut them."""
    options = {"user": {"id": "AA"}, "rp": {"id": "localhost"}, "challenge": "AA"}
    made: Made = make(options, origin="x", extensions={"a": 1})
    data = made.ceremony.auth_data
    assert data[32] == UP | UV | AT | ED
    assert data[53:55] == b"\x00\x20"
    assert data[55:87] == made.credential.credential_id
    assert data.endswith(cbor2.dumps({"a": 1}))
