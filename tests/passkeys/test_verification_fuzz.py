"""Whatever bytes come in: a verdict or the one rejection, and no other exception."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.authenticator import Passkey, create, from_base64url, get
from passkeys.algorithms import ALGORITHMS
from passkeys.attestation import TrustAnchors
from passkeys.errors import Rejection, RejectionCode, rejected_as
from passkeys.extensions import EXTENSIONS, creation_inputs
from passkeys.offer import AuthenticationOffer, RegistrationOffer
from passkeys.response import AuthenticationResponse, RegistrationResponse, decode_base64url
from passkeys.verification import KnownCredential, verify_authentication, verify_registration
from tests.passkeys.attestation.statements import VECTORS
from tests.passkeys.test_verification_attacks import CHALLENGE, CREATION, LAX, NOW, ORIGIN, REQUEST, known

ID = "AQID"
ASKED = creation_inputs(EXTENSIONS, protection_required=False)


def register(client_data_json: bytes, attestation_object: bytes) -> None:
    """Verify, and let nothing but a rejection pass."""
    response = RegistrationResponse(
        ID, b"\x01\x02\x03", "public-key", client_data_json, attestation_object, (), None
    )
    try:
        verify_registration(
            response,
            challenge=CHALLENGE,
            origins=[ORIGIN],
            rp_id="example.org",
            policy=LAX,
            offered=RegistrationOffer(
                tuple(ALGORITHMS),
                None,
                resident_key_required=True,
                user_verification_required=False,
                extensions=ASKED,
            ),
            mediation="modal",
            trust_anchors=TrustAnchors(),
            models={},
            at=NOW,
        )
    except Rejection:
        return


def authenticate(client_data: bytes, data: bytes, signature: bytes, credential: KnownCredential) -> None:
    """Verify, and let nothing but a rejection pass."""
    response = AuthenticationResponse(
        ID, b"\x01\x02\x03", "public-key", client_data, data, signature, b"handle", None
    )
    try:
        verify_authentication(
            response,
            challenge=CHALLENGE,
            origins=[ORIGIN],
            rp_id="example.org",
            policy=LAX,
            offered=AuthenticationOffer((), user_verification_required=False, extensions=ASKED, person=None),
            credential=credential,
        )
    except Rejection:
        return


GOOD_CLIENT_DATA = json.dumps(
    {"type": "webauthn.create", "challenge": CREATION["challenge"], "origin": ORIGIN}
).encode()
GOOD_GET_CLIENT_DATA = json.dumps(
    {"type": "webauthn.get", "challenge": REQUEST["challenge"], "origin": ORIGIN}
).encode()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
CLIENT_DATA = st.binary(max_size=300) | st.dictionaries(
    st.sampled_from(["type", "challenge", "origin", "crossOrigin", "topOrigin", "tokenBinding"]),
    JSON | st.sampled_from(["webauthn.create", "webauthn.get", ORIGIN, CREATION["challenge"]]),
).map(lambda members: json.dumps(members).encode())

CBOR = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-4, 4) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=10,
)
# COSE keys that are nearly right: the places where a parser believes too much.
COSE_KEYS = st.dictionaries(
    st.sampled_from([1, 3, -1, -2, -3]),
    st.sampled_from(
        [1, 2, 3, 6, 7, -7, -8, -36, -257, -48, b"", b"\x01" * 32, b"\x02" * 48, "EdDSA", None, [], True]
    )
    | CBOR,
)
RP_ID_HASH = bytes.fromhex(
    "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b5"
)  # of example.org


def _authenticator_data(flags: int, count: int, credential_id: bytes, key: object, rest: bytes) -> bytes:
    attested = bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + cbor2.dumps(key)
    return RP_ID_HASH + bytes([flags]) + count.to_bytes(4, "big") + attested + rest


AUTHENTICATOR_DATA = st.binary(max_size=200) | st.builds(
    _authenticator_data,
    st.integers(0, 255) | st.just(0x45) | st.just(0xC5),
    st.integers(0, 2**32 - 1),
    st.just(b"\x01\x02\x03") | st.binary(max_size=20),
    COSE_KEYS | CBOR,
    st.just(b"") | st.binary(max_size=20),
)
STATEMENTS = st.dictionaries(
    st.sampled_from(["alg", "sig", "x5c", "ver", "certInfo", "pubArea", "ecdaaKeyId", "response"]),
    CBOR
    | st.sampled_from([-7, -257, "2.0", b"\xff\x54\x43\x47\x80\x17" + bytes(60), [b"\x30\x03\x02\x01\x00"]]),
)
FORMATS = (
    st.sampled_from(["none", "packed", "tpm", "android-key", "android-safetynet", "fido-u2f", "apple"]) | CBOR
)
ATTESTATION_OBJECTS = st.binary(max_size=300) | st.builds(
    lambda fmt, statement, data: cbor2.dumps({"fmt": fmt, "attStmt": statement, "authData": data}),
    FORMATS,
    STATEMENTS | CBOR,
    AUTHENTICATOR_DATA | CBOR,
)


@settings(max_examples=150)
@given(CLIENT_DATA)
def test_no_client_data_escapes(client_data: bytes) -> None:
    """Whatever the client data is."""
    register(client_data, b"\xa0")


@settings(max_examples=400)
@given(ATTESTATION_OBJECTS)
def test_no_attestation_object_escapes(attestation_object: bytes) -> None:
    """Whatever the attestation object is, under good client data."""
    register(GOOD_CLIENT_DATA, attestation_object)


PASSKEY: Passkey = create(CREATION, origin=ORIGIN, algorithm=-7)[0]
STORED = known(PASSKEY, credential_id=b"\x01\x02\x03", user_handle=b"handle")


@settings(max_examples=150)
@given(CLIENT_DATA | st.just(GOOD_GET_CLIENT_DATA), AUTHENTICATOR_DATA, st.binary(max_size=100))
def test_no_assertion_escapes(client_data: bytes, data: bytes, signature: bytes) -> None:
    """Whatever was signed, however."""
    authenticate(client_data, data, signature, STORED)


@settings(max_examples=150)
@given(COSE_KEYS.map(cbor2.dumps) | st.binary(max_size=80))
def test_no_stored_key_escapes(public_key: bytes) -> None:
    """Whatever became of the stored key: a damaged record is a rejection, not a crash."""
    data = RP_ID_HASH + b"\x05" + bytes(4)
    authenticate(
        GOOD_GET_CLIENT_DATA,
        data,
        b"",
        known(PASSKEY, credential_id=b"\x01\x02\x03", user_handle=b"handle", public_key=public_key),
    )


@settings(max_examples=250)
@given(st.sampled_from(sorted(VECTORS)), st.data())
def test_no_vector_with_changed_bytes_escapes(name: str, data: st.DataObject) -> None:
    """The published vectors with some bytes changed, cut or added, so that the parsers get far before they fail."""
    vector: dict[str, Any] = VECTORS[name]["registration"]
    mutated = bytearray(decode_base64url(vector["attestationObject"]["b64url"]))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(mutated) - 1))
        mutated[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        mutated = mutated[: data.draw(st.integers(0, len(mutated)))] + data.draw(st.binary(max_size=9))
    response = RegistrationResponse(
        id=vector["credential_json"]["id"],
        raw_id=decode_base64url(vector["credential_json"]["rawId"]),
        type="public-key",
        client_data_json=decode_base64url(vector["clientDataJSON"]["b64url"]),
        attestation_object=bytes(mutated),
        transports=(),
        authenticator_attachment=None,
    )
    try:
        verify_registration(
            response,
            challenge=decode_base64url(vector["challenge"]["b64url"]),
            origins=["https://example.org"],
            rp_id="example.org",
            policy=LAX,
            offered=RegistrationOffer(
                tuple(ALGORITHMS),
                None,
                resident_key_required=True,
                user_verification_required=False,
                extensions=ASKED,
            ),
            mediation="modal",
            trust_anchors=TrustAnchors(),
            models={},
            at=NOW,
        )
    except Rejection:
        return


def test_the_fuzz_starts_from_something_good() -> None:
    """The control: the frame that the fuzz fills would be accepted with a good filling."""
    response = get(PASSKEY, REQUEST, origin=ORIGIN)["response"]
    verified = verify_authentication(
        AuthenticationResponse(
            ID,
            b"\x01\x02\x03",
            "public-key",
            from_base64url(response["clientDataJSON"]),
            from_base64url(response["authenticatorData"]),
            from_base64url(response["signature"]),
            b"handle",
            None,
        ),
        challenge=CHALLENGE,
        origins=[ORIGIN],
        rp_id="example.org",
        policy=LAX,
        offered=AuthenticationOffer((), user_verification_required=False, extensions=ASKED, person=None),
        credential=STORED,
    )
    assert verified.user_verified


def test_what_stops_a_program_is_not_taken_for_a_verdict() -> None:
    """A panic of a native parser is a rejection; an interrupt is not, nor any other end that is no Exception."""

    class PanicException(BaseException):
        """As PyO3 raises it."""

    for raised, expected in (
        (PanicException, Rejection),
        (KeyError, Rejection),
        (KeyboardInterrupt, KeyboardInterrupt),
        (SystemExit, SystemExit),
    ):
        with pytest.raises(expected), rejected_as(RejectionCode.RESPONSE_UNREADABLE):
            raise raised
